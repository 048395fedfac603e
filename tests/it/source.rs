//! What a person asks GHL by hand, through the poller.

use serde_json::Value;
use tests::system::{System, SystemSettings};
use tests::typed::shown;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_calls_ghl_through_the_poller() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("by-hand").contacts(2)).await?;
    system.in_sync().await?;
    let id = system.world().contact_ids().pop().unwrap_or_default();

    let listed = shown(&system, "ghl").await?;
    assert!(listed.exit_code == 0 && listed.out.contains("get-contact") && listed.out.contains("search-tasks"), "{}", listed.complaints);

    let contact = shown(&system, &format!("ghl get-contact {id}")).await?;
    let contact: Value = serde_json::from_str(&contact.out)?;
    assert_eq!(contact.pointer("/contact/id").and_then(Value::as_str), Some(id.as_str()));

    let unmeant = shown(&system, &format!("ghl add-tags {id} --arg tags=by-hand")).await?;
    assert!(unmeant.exit_code != 0 && unmeant.complaints.contains("--yes"), "{}", unmeant.complaints);
    let meant = shown(&system, &format!("--json ghl add-tags {id} --arg tags=by-hand --yes")).await?;
    assert!(meant.out.contains("by-hand"), "{}", meant.complaints);
    let held = shown(&system, &format!("ghl get-contact {id}")).await?;
    assert!(held.out.contains("by-hand"));

    let wrong = shown(&system, &format!("ghl create-task {id} --arg priority=1 --yes")).await?;
    for problem in ["title is missing", "dueDate is missing", "it takes no priority"] {
        assert!(wrong.complaints.contains(problem), "{}", wrong.complaints);
    }
    let nobody = shown(&system, "ghl get-contact nobody").await?;
    assert!(nobody.complaints.contains("does not exist"), "{}", nobody.complaints);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_contacts_and_kinds_looked_at_again() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("resync").contacts(2)).await?;
    system.in_sync().await?;
    let id = system.world().contact_ids().pop().unwrap_or_default();

    let contact = shown(&system, &format!("resync --contact {id} --follow")).await?;
    assert!(contact.exit_code == 0 && contact.out.contains("1 of 1 looked at, 0 changes found"), "{}{}", contact.out, contact.complaints);
    let tasks = shown(&system, "resync --kind task").await?;
    assert!(tasks.exit_code == 0 && tasks.out.starts_with("looking again at every task of "), "{}{}", tasks.out, tasks.complaints);
    let again = shown(&system, "--json resync --kind task --follow").await?;
    let last: Value = serde_json::from_str(again.out.lines().last().unwrap_or_default())?;
    assert_eq!(last.pointer("/doneKinds/0").and_then(Value::as_str), Some("task"), "{}", again.complaints);
    let status = shown(&system, "resync --status").await?;
    assert!(status.out.contains("every task of ") && status.out.contains("ended"), "{}", status.out);

    let both = shown(&system, &format!("resync --kind task --contact {id}")).await?;
    assert!(both.exit_code == 2 && both.complaints.contains("cannot be used with"), "{}", both.complaints);
    let opportunity = shown(&system, "resync --kind opportunity").await?;
    assert!(opportunity.exit_code == 2 && opportunity.complaints.contains("appointment"), "{}", opportunity.complaints);
    let nowhere = shown(&system, "--location nowhere resync").await?;
    assert!(nowhere.exit_code == 3 && nowhere.complaints.contains("mirrorctl status"), "{}", nowhere.complaints);
    system.stop().await
}
