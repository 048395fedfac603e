//! `replay plan`: a plan, shown for review.

use proto::replay::v1 as api;
use proto::replay::v1::plan_replay_response::Part;

use super::selection::{locations, selection};
use crate::cli::Connection;
use crate::cli::replay::{PlanArgs, SelectionArgs, ShownArgs};
use crate::output::colour::Style;
use crate::output::table::printable;
use crate::output::{Output, format, progress};
use crate::problem::Problem;

/// The exit code of `--detailed-exitcode` when there is something to do.
const SOMETHING_TO_DO: u8 = 2;

pub(super) async fn plan(connection: &Connection, arguments: &PlanArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let plans = make(connection, &arguments.selection, &arguments.shown, output).await?;
    let mut is_something_to_do = false;
    for plan in plans.iter().filter(|plan| !format::is_empty(plan)) {
        is_something_to_do = true;
        if !output.json {
            writeln!(output.out, "Carry it out: mirrorctl replay apply {}", printable(&plan.hash))?;
        }
    }
    if is_something_to_do && arguments.detailed_exitcode { Err(Problem::Reported(SOMETHING_TO_DO)) } else { Ok(()) }
}

/// Makes a plan for each location and shows it while it is made.
pub(super) async fn make(
    connection: &Connection,
    arguments: &SelectionArgs,
    shown: &ShownArgs,
    output: &mut Output<'_>,
) -> Result<Vec<api::Plan>, Problem> {
    let mut plans = Vec::new();
    for location_id in locations(connection, arguments.all_locations).await? {
        plans.push(make_for(connection, selection(&location_id, arguments)?, shown, output).await?);
    }
    Ok(plans)
}

async fn make_for(
    connection: &Connection,
    selection: api::Selection,
    shown: &ShownArgs,
    output: &mut Output<'_>,
) -> Result<api::Plan, Problem> {
    let request = api::PlanReplayRequest { selection: Some(selection), with_skipped: shown.full, who: connection.who() };
    let mut parts = connection.without_deadline().replay().await?.plan_replay(request).await?.into_inner();
    let bar = progress::bar(0);
    let mut page = Page { shown, contact: String::new(), actions: 0 };
    let mut plan = None;
    while let Some(message) = parts.message().await? {
        if output.json && matches!(message.part, Some(Part::Action(_) | Part::Plan(_))) {
            output.answer(&message)?;
        }
        match message.part {
            Some(Part::Action(_)) if output.json => {}
            Some(Part::Action(action)) => bar.suspend(|| page.action(&action, output))?,
            Some(Part::Progress(progress)) => {
                bar.set_length(progress.events_total);
                bar.set_position(progress.events);
            }
            Some(Part::Plan(whole)) => plan = Some(whole),
            None => {}
        }
    }
    bar.finish_and_clear();
    let plan = plan.ok_or_else(|| tonic::Status::unavailable("the plan ended early; make it again"))?;
    if !output.json {
        page.end(&plan, output)?;
    }
    Ok(plan)
}

/// What has been shown of a plan so far.
struct Page<'a> {
    shown: &'a ShownArgs,
    contact: String,
    actions: usize,
}

impl Page<'_> {
    fn action(&mut self, action: &api::Action, output: &mut Output<'_>) -> Result<(), Problem> {
        self.actions += 1;
        if !self.shown.full && self.actions > self.shown.limit {
            return Ok(());
        }
        let style = output.style;
        let contact = format!("{} {}", action.location_id, action.contact_id);
        if contact != self.contact {
            let title = format!("contact {}", printable(&action.contact_id));
            writeln!(output.out, "\n{}", style.bold(&title))?;
            self.contact = contact;
        }
        let mark = mark(action);
        let what = format!("{mark} {} {}", action.kind, printable(&action.object));
        let policy = if action.policy == "once" { ", then the user's" } else { "" };
        let why = format!("({}, event {}{policy})", action.reason, action.cause_seq);
        writeln!(output.out, "  {}  {}", painted(mark, &what, style), style.faint(&why))?;
        for change in &action.changes {
            write_field(change, self.shown.full, mark, output)?;
        }
        Ok(())
    }

    fn end(&self, plan: &api::Plan, output: &mut Output<'_>) -> Result<(), Problem> {
        let hidden = if self.shown.full { 0 } else { self.actions.saturating_sub(self.shown.limit) };
        if hidden > 0 {
            writeln!(output.out, "\n… and {} more; --full shows them", format::grouped(u64::try_from(hidden).unwrap_or(u64::MAX)))?;
        }
        if self.actions > 0 {
            writeln!(output.out)?;
        }
        if let Some(target) = &plan.target {
            writeln!(
                output.out,
                "Location {} into workspace {}, by rules {}, up to event {}.",
                printable(&target.location_id),
                printable(&target.workspace),
                target.rules_revision,
                target.head_seq
            )?;
        }
        write_totals(plan, output)
    }
}

/// The summary of a plan.
fn write_totals(plan: &api::Plan, output: &mut Output<'_>) -> Result<(), Problem> {
    let totals = plan.totals.unwrap_or_default();
    let style = output.style;
    if totals.unreadable > 0 {
        let warning = format!("{} events cannot be read; their objects are left as they are.", format::grouped(totals.unreadable));
        writeln!(output.out, "{}", style.changed(&warning))?;
    }
    let read = format!("{} events read, {} objects as they should be", format::grouped(totals.events), format::grouped(totals.skips));
    if format::is_empty(plan) {
        let nothing = style.new_text("Nothing to do.");
        return Ok(writeln!(output.out, "{nothing} {read}.")?);
    }
    let puts = style.new_text(&format!("{} to write", format::grouped(totals.puts)));
    let removes = style.gone(&format!("{} to remove", format::grouped(totals.removes)));
    let (contacts, calls) = (format::grouped(totals.contacts), format::grouped(totals.calls));
    writeln!(output.out, "{} {puts}, {removes}, of {contacts} contacts, in about {calls} requests.", style.bold("Plan:"))?;
    Ok(writeln!(output.out, "{read}.")?)
}

fn mark(action: &api::Action) -> char {
    match action.step() {
        api::Step::Put if action.reason == "missing" => '+',
        api::Step::Put => '~',
        api::Step::Remove => '-',
        api::Step::Skip | api::Step::Unspecified => '=',
    }
}

fn painted(mark: char, text: &str, style: Style) -> String {
    match mark {
        '+' => style.new_text(text),
        '~' => style.changed(text),
        '-' => style.gone(text),
        _ => style.faint(text),
    }
}

/// One field. Only one side is shown of an object that appears or is removed.
fn write_field(change: &api::FieldChange, full: bool, mark: char, output: &mut Output<'_>) -> Result<(), Problem> {
    let value = |json: &str| printable(&if full && !json.is_empty() { json.to_owned() } else { format::shortened(json) });
    let (before, after) = (value(&change.before_json), value(&change.after_json));
    let style = output.style;
    let text = match mark {
        '+' => after,
        '-' => style.faint(&before),
        _ => format!("{} → {after}", style.faint(&before)),
    };
    Ok(writeln!(output.out, "      {}: {text}", printable(&change.field))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(contact: &str, object: &str, step: api::Step, reason: &str, changes: &[(&str, &str, &str)]) -> api::Action {
        let change = |(field, before, after): &(&str, &str, &str)| api::FieldChange {
            field: (*field).to_owned(),
            before_json: (*before).to_owned(),
            after_json: (*after).to_owned(),
        };
        api::Action {
            location_id: "loc".to_owned(),
            contact_id: contact.to_owned(),
            object: object.to_owned(),
            kind: "task".to_owned(),
            step: step.into(),
            reason: reason.to_owned(),
            changes: changes.iter().map(change).collect(),
            cause_seq: 7,
            calls: 1,
            policy: "mirror".to_owned(),
        }
    }

    fn whole(puts: u64, removes: u64) -> api::Plan {
        let target = api::Target {
            location_id: "loc".to_owned(),
            workspace: "w".to_owned(),
            rules_revision: "r1".to_owned(),
            head_seq: 9,
            ..api::Target::default()
        };
        let totals = api::Totals { puts, removes, skips: 1_234, contacts: 2, events: 5_678, calls: 1, ..api::Totals::default() };
        api::Plan { hash: "abc".to_owned(), target: Some(target), totals: Some(totals), ..api::Plan::default() }
    }

    fn rendered(shown: &ShownArgs, actions: &[api::Action], plan: &api::Plan) -> String {
        let mut out = Vec::new();
        let output = &mut Output { out: &mut out, json: false, style: Style::default() };
        let mut page = Page { shown, contact: String::new(), actions: 0 };
        actions.iter().for_each(|action| page.action(action, output).unwrap());
        page.end(plan, output).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn actions() -> Vec<api::Action> {
        vec![
            action("c1", "ghl:task/1", api::Step::Put, "missing", &[("done", "", "false"), ("title", "", "\"Call\u{1b}[2J\"")]),
            action("c1", "ghl:task/2", api::Step::Put, "drift", &[("title", "\"by hand\"", "\"Call\"")]),
            action("c2", "ghl:task/3", api::Step::Remove, "vanished", &[("title", "\"old\"", "")]),
        ]
    }

    #[test]
    fn a_plan_reads_contact_by_contact_with_what_changes() {
        let shown = ShownArgs { full: false, limit: 200 };
        let expected = "
contact c1
  + task ghl:task/1  (missing, event 7)
      done: false
      title: \"Call\u{fffd}[2J\"
  ~ task ghl:task/2  (drift, event 7)
      title: \"by hand\" → \"Call\"

contact c2
  - task ghl:task/3  (vanished, event 7)
      title: \"old\"

Location loc into workspace w, by rules r1, up to event 9.
Plan: 2 to write, 1 to remove, of 2 contacts, in about 1 requests.
5,678 events read, 1,234 objects as they should be.
";
        assert_eq!(rendered(&shown, &actions(), &whole(2, 1)), expected);
    }

    #[test]
    fn more_than_the_limit_is_counted_and_full_shows_all() {
        let (short, full) = (ShownArgs { full: false, limit: 1 }, ShownArgs { full: true, limit: 1 });
        let text = rendered(&short, &actions(), &whole(2, 1));
        assert!(text.contains("ghl:task/1") && !text.contains("ghl:task/2") && text.contains("… and 2 more"), "{text}");
        assert!(rendered(&full, &actions(), &whole(2, 1)).contains("ghl:task/3"));
    }

    #[test]
    fn an_empty_plan_says_that_there_is_nothing_to_do() {
        let shown = ShownArgs { full: false, limit: 200 };
        let text = rendered(&shown, &[], &whole(0, 0));
        assert!(text.ends_with("Nothing to do. 5,678 events read, 1,234 objects as they should be.\n"), "{text}");
    }

    #[test]
    fn colours_surround_what_they_colour() {
        let mut out = Vec::new();
        let style = Style::new(true, None, None);
        let output = &mut Output { out: &mut out, json: false, style };
        let shown = ShownArgs { full: false, limit: 200 };
        let mut page = Page { shown: &shown, contact: String::new(), actions: 0 };
        page.action(&actions()[0], output).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\u{1b}[32m+ task ghl:task/1\u{1b}[0m"), "{text:?}");
    }
}
