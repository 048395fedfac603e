"use strict";
(() => {
  const body = document.body, q = document.getElementById("q"), side = document.getElementById("side");
  const live = document.getElementById("live"), said = document.getElementById("said");
  let position = Number(body.dataset.position), running = null, again = false;
  const parts = root => new Map([...root.querySelectorAll("[data-part]")].map(part => [part.dataset.part, part]));
  // What the server sent last of each part: what people unfold in it is not a change.
  let sent = new Map([...parts(document)].map(([name, part]) => [name, part.outerHTML]));

  const address = search => new URL(location.pathname + search, location.origin);

  // Puts a new part in the place of an old one, keeping what is unfolded and where the focus is.
  const swap = (before, now) => {
    const unfolded = new Map([...before.querySelectorAll("details[id]")].map(fold => [fold.id, fold.open]));
    const known = new Set([...before.querySelectorAll("li[id], a.row[id]")].map(known => known.id));
    const focused = before.contains(document.activeElement) ? document.activeElement : null;
    const fold = focused && focused.matches("summary") ? focused.parentElement.id : null;
    now.querySelectorAll("details[id]").forEach(fold => { if (unfolded.has(fold.id)) fold.open = unfolded.get(fold.id); });
    before.replaceWith(now);
    if (known.size) now.querySelectorAll("li[id], a.row[id]").forEach(one => { if (!known.has(one.id)) one.classList.add("fresh"); });
    const target = fold ? document.querySelector("#" + CSS.escape(fold) + " > summary") : focused && focused.id ? document.getElementById(focused.id) : null;
    if (target) target.focus({ preventScroll: true });
  };

  const apply = (text, onlyList) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    if (!page.body.dataset.position || !page.getElementById("detail")) return;
    // Another workspace stands behind the name now: nothing of the old page holds.
    if (page.body.dataset.of !== body.dataset.of) { location.reload(); return; }
    const old = parts(document), fresh = parts(page), html = new Map([...fresh].map(([name, part]) => [name, part.outerHTML]));
    const order = map => [...map.keys()].filter(name => name !== "list").join();
    let changed = false;
    const put = (before, now) => swap(before, document.adoptNode(now));
    if (sent.get("list") !== html.get("list")) put(old.get("list"), fresh.get("list"));
    if (!onlyList && order(old) !== order(fresh)) {
      put(document.getElementById("detail"), page.getElementById("detail"));
      changed = true;
    } else if (!onlyList) {
      for (const [name, part] of fresh) {
        if (name === "list" || sent.get(name) === html.get(name)) continue;
        put(old.get(name), part);
        changed = true;
      }
    }
    for (const [name, one] of html) if (!onlyList || name === "list") sent.set(name, one);
    if (!onlyList) {
      for (const name of [...sent.keys()]) if (!html.has(name)) sent.delete(name);
      document.title = page.title || document.title;
      position = Math.max(position, Number(page.body.dataset.position));
    }
    if (changed) said.textContent = "The page was updated.";
  };

  // Only one request at a time; what comes meanwhile is asked for once more afterwards.
  const refresh = async onlyList => {
    if (running) { again = again || !onlyList; if (!onlyList) return; running.abort(); }
    const mine = running = new AbortController();
    try {
      const url = address(location.search);
      url.searchParams.set("fragment", "1");
      const answer = await fetch(url, { signal: mine.signal, credentials: "same-origin", cache: "no-store" });
      if (answer.ok || answer.status === 404) apply(await answer.text(), onlyList);
    } catch (error) {
      if (error.name !== "AbortError") setTimeout(() => refresh(false), 3000);
    } finally {
      if (running === mine) {
        running = null;
        if (again) { again = false; setTimeout(() => refresh(false), 50); }
      }
    }
  };

  let follower = null;
  const follow = () => {
    const url = address("");
    url.pathname = body.dataset.events;
    url.searchParams.set("after", position);
    url.searchParams.set("of", body.dataset.of);
    follower = new EventSource(url);
    follower.onopen = () => { live.hidden = false; live.classList.remove("off"); live.lastElementChild.textContent = "Live"; };
    follower.addEventListener("position", event => { if (Number(event.data) > position) refresh(false); });
    follower.addEventListener("switched", () => { follower.close(); location.reload(); });
    follower.onerror = () => {
      live.classList.add("off");
      live.lastElementChild.textContent = "Reconnecting";
      if (follower.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
    };
  };
  follow();
  // "Today" and "overdue" move on even when nothing changes.
  let looked = Date.now();
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && Date.now() - looked > 60000) { looked = Date.now(); refresh(false); }
  });

  let typing = 0;
  const find = () => {
    const url = address(location.search);
    for (const gone of ["after", "section", "page"]) url.searchParams.delete(gone);
    if (q.value.trim()) url.searchParams.set("q", q.value); else url.searchParams.delete("q");
    history.replaceState(null, "", url.pathname + url.search);
    const browse = document.querySelector(".browse");
    if (browse) browse.open = true;
    side.scrollTop = 0;
    refresh(true);
  };
  q.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(find, 160); });
  document.getElementById("search").addEventListener("submit", event => { event.preventDefault(); clearTimeout(typing); find(); });
  document.addEventListener("keydown", event => {
    const writing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); q.focus(); q.select(); }
  });

  // The list stays where it was when another container is opened.
  const listed = () => { const url = address(location.search); ["open", "object", "view", "section", "page"].forEach(name => url.searchParams.delete(name)); return url.pathname + url.search; };
  addEventListener("pagehide", () => { try { sessionStorage.setItem("side", JSON.stringify([listed(), side.scrollTop])); } catch { /* private mode */ } });
  try {
    const [where, top] = JSON.parse(sessionStorage.getItem("side") || "[]");
    if (where === listed()) side.scrollTop = top;
  } catch { /* private mode */ }
})();
