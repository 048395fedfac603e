//! The mapping has become another than the one that wrote the workspace.

use domain::Rules;
use reqwest::Method;
use serde_json::json;
use sqlx::Connection as _;
use tests::replays::meddle;
use tests::system::{System, SystemSettings};
use tests::typed::{shown, typed};

#[tokio::test(flavor = "multi_thread")]
async fn what_another_mapping_wrote_is_no_drift_and_is_written_again_by_a_plan() -> anyhow::Result<()> {
    let patience = toml::toml! { verify = { patience = "300ms" } };
    let system = System::start(SystemSettings::new("mapping").contacts(4).with("admin", patience)).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let before = system.objects().await?;
    typed(&system, "replay plan --detailed-exitcode").await?.is(0)?;

    // The program before wrote everything, and gave one contact another face.
    let now = Rules::builtin()?.revision().to_string();
    let earlier = format!("{}.999", now.split('.').next().unwrap_or_default());
    let mut owner = sqlx::PgConnection::connect(&system.postgres.url("log")).await?;
    let rows = sqlx::query("UPDATE ledger SET rules = $1 WHERE rules = $2").bind(&earlier).bind(&now).execute(&mut owner).await?;
    assert_eq!(rows.rows_affected(), before.len() as u64);
    let contact = before.keys().find(|key| key.starts_with("ghl:contact/")).cloned().unwrap_or_default();
    let revision = sqlx::query_as::<_, (i32, i64)>("SELECT epoch, seq FROM ledger WHERE object = $1");
    let (epoch, seq) = revision.bind(&contact).fetch_one(&mut owner).await?;
    let old = json!({"revision": {"epoch": epoch, "seq": seq + 1_000_000}, "policy": "mirror", "content": {"name": "As before"}});
    meddle(&system, Method::PUT, &["contacts", &contact], "", Some(old)).await?;

    let compared = typed(&system, "replay verify").await?.is(0)?;
    let result = compared.lines("result").remove(0);
    assert_eq!((&result["contactsOutdated"], &result["contactsDiffering"]), (&json!("1"), &json!("0")), "{result}");
    assert_eq!(compared.lines("difference")[0]["problem"], "outdated");
    let told = shown(&system, "replay verify").await?.is(0)?.out;
    assert!(told.contains("Contacts that another version of the mapping has written: 1. Write them again: mirrorctl"), "{told}");

    let planned = typed(&system, "replay plan --against live --detailed-exitcode").await?.is(2)?;
    assert_eq!(planned.lines("plan")[0]["totals"]["puts"], "1", "what reads the same is left");
    assert_eq!(planned.lines("action")[0]["reason"], "rules");
    typed(&system, "replay apply --against live --yes").await?.is(0)?;
    assert_eq!(system.objects().await?, before);
    // By the ledger alone it is not known what the mapping before has written.
    typed(&system, "replay apply --yes").await?.is(0)?;
    typed(&system, "replay plan --detailed-exitcode").await?.is(0)?;
    let settled = sqlx::query_as::<_, (i64,)>("SELECT count(*) FROM ledger WHERE rules <> $1").bind(&now).fetch_one(&mut owner).await?;
    assert_eq!(settled.0, 0);
    system.in_sync().await?;
    system.stop().await
}
