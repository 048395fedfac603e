// The workspace page as people use it: found, watched while it changes, read without JavaScript, read on a phone.
//
//   MIRROR_BROWSER_URL   address of a workspace's page, http://127.0.0.1:7131/w/NAME
//   MIRROR_BROWSER_USER  any name (default "browser"); MIRROR_BROWSER_KEY  an API key that may read
//   BRIDGE_API_URL       address of the API, http://127.0.0.1:7131; BRIDGE_API_KEY  an API key that may write
//   MIRROR_CHROMIUM      the browser
//   MIRROR_SCREENSHOTS   a directory for pictures (optional)
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const need = name => process.env[name] ?? assert.fail(`${name} is not set`);
const page = new URL(need("MIRROR_BROWSER_URL"));
const api = new URL(`/v1/workspaces/${page.pathname.replace(/^\/w\//, "")}/`, need("BRIDGE_API_URL"));
const credentials = { username: process.env.MIRROR_BROWSER_USER ?? "browser", password: need("MIRROR_BROWSER_KEY") };
const pictures = process.env.MIRROR_SCREENSHOTS;

// Everything written here is about one person of this run, and is removed at the end.
const run = randomUUID().slice(0, 8);
const name = `Zaïda Browsertest ${run}`;
const contact = `browser:contact/${run}`;
const started = Date.now();
let browser, sequence = started;
const written = new Map();

const batch = async items => {
  const answer = await fetch(new URL("batch", api), {
    method: "POST",
    headers: { authorization: `Bearer ${need("BRIDGE_API_KEY")}`, "content-type": "application/json" },
    body: JSON.stringify({ items }),
  });
  const body = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(body));
  for (const result of body.results) assert.ok(result.status < 300, JSON.stringify(result));
};
const revision = () => ({ epoch: 0, seq: ++sequence });
const put = (kind, key, content, more = {}) => {
  written.set(key, kind);
  return { op: "put", kind, key, contact, revision: revision(), policy: "mirror", content, ...more };
};
const day = days => new Date(started + days * 86_400_000).toISOString().slice(0, 19) + "Z";

const open = async (t, options = {}) => {
  const context = await browser.newContext({ httpCredentials: credentials, viewport: { width: 1280, height: 860 }, ...options });
  const tab = await context.newPage();
  const complaints = [];
  tab.on("pageerror", error => complaints.push(String(error)));
  tab.on("console", message => { if (message.type() === "error" && !/Failed to load resource/.test(message.text())) complaints.push(message.text()); });
  const elsewhere = [];
  tab.on("request", request => { if (!request.url().startsWith("data:") && new URL(request.url()).host !== page.host) elsewhere.push(request.url()); });
  t.after(async () => {
    await context.close();
    assert.deepEqual(complaints, [], "the browser complained");
    assert.deepEqual(elsewhere, [], "something came from elsewhere");
  });
  return tab;
};
const at = query => Object.assign(new URL(page), { search: String(new URLSearchParams(query)) }).href;
const picture = async (tab, file) => { if (pictures) await tab.screenshot({ path: join(pictures, file), fullPage: false }); };

before(async () => {
  if (pictures) mkdirSync(pictures, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.MIRROR_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
  const long = Array.from({ length: 40 }, (_, line) => `Line ${line + 1} of a long note.`).join("\n");
  await batch([
    put("contact", contact, { name, email: `${run}@example.com`, company: "Browser & Söhne <b>GmbH</b>", tags: [`tag-${run}`, "vip"], time_zone: "Europe/Berlin" }),
    put("project", `${contact}/project`, { title: `Onboarding ${run}`, container: contact }, { policy: "once" }),
    put("task", `${contact}/call`, { title: `Call ${run}`, container: contact, due: day(-3), done: false }),
    put("task", `${contact}/someday`, { title: `Someday ${run}`, container: contact }),
    put("note", `${contact}/note`, { title: `Long note ${run}`, container: contact, body: long, written_at: day(-1) }),
    put("appointment", `${contact}/date`, { title: `Meeting ${run}`, container: contact, starts_at: day(30), ends_at: day(30), time_zone: "Europe/Berlin", status: "confirmed" }),
  ]);
});

after(async () => {
  await batch([...written].map(([key, kind]) => ({ op: "remove", kind, key, revision: revision() })));
  await browser?.close();
});

test("a person is found while typing, and opened", async t => {
  const tab = await open(t);
  await tab.goto(page.href);
  const search = tab.getByRole("searchbox", { name: "Search contacts and projects" });
  await search.pressSequentially(`zaïda ${run}`, { delay: 5 });
  const rows = tab.getByRole("list", { name: "Contacts", exact: true }).getByRole("listitem");
  await tab.getByText(/^1 of \d+ contacts found$/).waitFor();
  assert.equal(await rows.count(), 1);
  assert.equal(await search.inputValue(), `zaïda ${run}`, "typing is not disturbed");
  assert.ok(await search.evaluate(input => input === document.activeElement), "the focus stays");
  assert.ok(tab.url().includes("q="), "the search is in the address");
  await rows.getByRole("link").click();
  await tab.getByRole("heading", { level: 1, name }).waitFor();
  for (const title of [`Call ${run}`, `Someday ${run}`, `Long note ${run}`, `Meeting ${run}`, `Onboarding ${run}`]) {
    assert.equal(await tab.locator("main").getByText(title, { exact: true }).count(), 1, title);
  }
  assert.equal(await tab.locator(".due.overdue").count(), 1);
  assert.ok(await tab.locator("main").getByText("Browser & Söhne <b>GmbH</b>").isVisible(), "content is text");
  await picture(tab, "desktop.png");
});

test("a change appears without a reload, and nothing that a person does is undone", async t => {
  const tab = await open(t);
  await tab.goto(at({ open: contact }));
  await tab.getByText("Live", { exact: true }).waitFor();
  await tab.evaluate(() => { window.loaded = "once"; });
  const note = tab.locator("details.long").first();
  await note.locator("summary").click();
  const search = tab.getByRole("searchbox");
  await search.fill("zaï");
  await tab.getByText(/contacts found$/).waitFor();
  await tab.evaluate(() => scrollTo(0, 120));
  const scrolled = await tab.evaluate(() => scrollY);
  const title = `Written just now ${run}`;
  await batch([put("task", `${contact}/new`, { title, container: contact }), put("task", `${contact}/call`, { title: `Called ${run}`, container: contact, done: true, due: day(-3) })]);
  await tab.locator("main").getByText(title, { exact: true }).waitFor({ timeout: 10_000 });
  await tab.locator("#done").getByText("Done").waitFor();
  assert.equal(await tab.locator(".due.overdue").count(), 0);
  await batch([put("note", `${contact}/note2`, { title: `Another note ${run}`, body: "short", container: contact, written_at: day(0) })]);
  await tab.locator("main").getByText(`Another note ${run}`, { exact: true }).waitFor({ timeout: 10_000 });
  assert.ok(await note.evaluate(fold => fold.open), "what was unfolded stays unfolded");
  assert.ok(await search.evaluate(input => input === document.activeElement && input.value === "zaï"), "the search keeps its focus and words");
  assert.equal(await tab.evaluate(() => scrollY), scrolled, "the page does not jump");
  assert.equal(await tab.evaluate(() => window.loaded), "once", "the page was not loaded again");
  await batch([{ op: "remove", kind: "task", key: `${contact}/new`, revision: revision() }]);
  await tab.locator("main").getByText(title, { exact: true }).waitFor({ state: "detached", timeout: 10_000 });
});

test("everything can be read and searched without JavaScript", async t => {
  const tab = await open(t, { javaScriptEnabled: false });
  await tab.goto(page.href);
  await tab.getByRole("searchbox").fill(run);
  await tab.getByRole("button", { name: "Search" }).click();
  await tab.getByRole("list", { name: "Contacts", exact: true }).getByRole("link", { name: new RegExp(run) }).click();
  await tab.getByRole("heading", { level: 1, name }).waitFor();
  assert.ok(await tab.getByText(`Meeting ${run}`, { exact: true }).isVisible());
  const end = tab.getByText("Line 40 of a long note.");
  assert.ok(!(await end.isVisible()));
  await tab.locator("main").getByText("Show all").first().click();
  await end.waitFor();
  await tab.locator("main").getByRole("link", { name: `Onboarding ${run}` }).click();
  await tab.getByRole("link", { name }).first().click();
  await tab.getByRole("link", { name: `tag-${run}`, exact: true }).click();
  await tab.getByText(/^1 of \d+ contacts found$/).waitFor();
});

for (const width of [360, 390]) {
  test(`on a phone of ${width} px nothing is cut off and the list folds away`, async t => {
    const tab = await open(t, { viewport: { width, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
    const fits = async () => {
      const [inside, outside] = await tab.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(inside <= outside, `${inside} px in ${outside} px at ${tab.url()}`);
    };
    await tab.goto(page.href);
    const rows = tab.getByRole("list", { name: "Contacts", exact: true });
    assert.ok(await rows.isVisible(), "the list comes first");
    await fits();
    await tab.goto(at({ open: contact }));
    await tab.getByRole("heading", { level: 1, name }).waitFor();
    assert.ok(!(await rows.isVisible()), "the list is folded");
    await fits();
    await picture(tab, `phone-${width}.png`);
    await tab.getByText("Contacts and projects", { exact: true }).tap();
    assert.ok(await rows.isVisible(), "the list unfolds");
    await fits();
    await tab.goto(at({ view: "inbox" }));
    await fits();
  });
}

test("it can be used with the keyboard alone", async t => {
  const tab = await open(t);
  await tab.goto(at({ open: contact }));
  await tab.keyboard.press("Tab");
  assert.equal(await tab.evaluate(() => document.activeElement.textContent), "Skip to content");
  await tab.keyboard.press("Enter");
  assert.equal(await tab.evaluate(() => document.activeElement.id), "main");
  await tab.keyboard.press("/");
  assert.equal(await tab.evaluate(() => document.activeElement.id), "q");
  await tab.keyboard.type(run);
  await tab.getByText(/^1 of \d+ contacts found$/).waitFor();
  for (let i = 0; i < 8 && !(await tab.evaluate(() => document.activeElement.matches("a.row"))); i += 1) await tab.keyboard.press("Tab");
  assert.ok(await tab.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== "none"), "the focus can be seen");
  await tab.keyboard.press("Enter");
  await tab.getByRole("heading", { level: 1, name }).waitFor();
  for (const landmark of ["banner", "navigation", "main", "search"]) assert.equal(await tab.getByRole(landmark).count(), 1, landmark);
});

test("dark and light are both readable", async t => {
  for (const colorScheme of ["dark", "light"]) {
    const tab = await open(t, { colorScheme });
    await tab.goto(at({ open: contact }));
    const worst = await tab.evaluate(() => {
      const numbers = color => color.match(/[\d.]+/g).map(Number);
      const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
      const behind = element => { for (let e = element; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0.99) return c; } return [255, 255, 255]; };
      let worst = [99, ""];
      for (const element of document.querySelectorAll("main *, .side *, .top *")) {
        const text = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data.trim()).join("");
        if (!text || !element.checkVisibility({ opacityProperty: true })) continue;
        const [a, b] = [light(numbers(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < worst[0]) worst = [contrast, `${element.className} ${text.slice(0, 30)}`];
      }
      return worst;
    });
    assert.ok(worst[0] >= 4.5, `${colorScheme}: ${worst[1]} has contrast ${worst[0].toFixed(2)}`);
    await picture(tab, `${colorScheme}.png`);
  }
});
