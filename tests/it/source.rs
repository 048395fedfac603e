//! What a person asks GHL by hand, through the poller.

use serde_json::Value;
use tests::system::{System, SystemSettings};

/// What `mirrorctl` printed, complained of and ended with.
struct Typed {
    out: String,
    complaint: String,
    code: u8,
}

async fn typed(system: &System, line: &str) -> anyhow::Result<Typed> {
    let (poller, token) = (system.address("poller", "grpc")?, tests::system::TOKEN);
    let line = format!("mirrorctl --control-poller {poller} --token {token} {line}");
    let (mut out, mut complaint) = (Vec::new(), Vec::new());
    let code = mirrorctl::run_into(line.split(' ').map(Into::into), &mut out, &mut complaint).await;
    Ok(Typed { out: String::from_utf8(out)?, complaint: String::from_utf8(complaint)?, code })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_calls_ghl_through_the_poller() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("by-hand").contacts(2)).await?;
    system.in_sync().await?;
    let id = system.world().contact_ids().pop().unwrap_or_default();

    let listed = typed(&system, "ghl").await?;
    assert!(listed.code == 0 && listed.out.contains("get-contact") && listed.out.contains("search-tasks"), "{}", listed.complaint);

    let shown = typed(&system, &format!("ghl get-contact {id}")).await?;
    let contact: Value = serde_json::from_str(&shown.out)?;
    assert_eq!(contact.pointer("/contact/id").and_then(Value::as_str), Some(id.as_str()));

    let unmeant = typed(&system, &format!("ghl add-tags {id} --arg tags=by-hand")).await?;
    assert!(unmeant.code != 0 && unmeant.complaint.contains("--yes"), "{}", unmeant.complaint);
    let meant = typed(&system, &format!("--json ghl add-tags {id} --arg tags=by-hand --yes")).await?;
    assert!(meant.out.contains("by-hand"), "{}", meant.complaint);
    let held = typed(&system, &format!("ghl get-contact {id}")).await?;
    assert!(held.out.contains("by-hand"));

    let wrong = typed(&system, &format!("ghl create-task {id} --arg priority=1 --yes")).await?;
    for problem in ["title is missing", "dueDate is missing", "it takes no priority"] {
        assert!(wrong.complaint.contains(problem), "{}", wrong.complaint);
    }
    let nobody = typed(&system, "ghl get-contact nobody").await?;
    assert!(nobody.complaint.contains("does not exist"), "{}", nobody.complaint);
    system.stop().await
}
