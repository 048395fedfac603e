//! One change, one trace, from the webhook to the bridge's write.

use std::collections::BTreeSet;

use chassis::TelemetrySettings;
use sandbox::Webhook::Sent;
use serde_json::json;
use settings::Period;
use tests::collector::Collector;
use tests::system::{System, SystemSettings};
use tests::wait::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn one_webhook_is_one_trace_through_every_service() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let settings = TelemetrySettings {
        otlp_endpoint: collector.endpoint(),
        export_interval: Period::from_millis(100),
        filter: "warn".to_owned(),
        ..TelemetrySettings::default()
    };
    let telemetry = chassis::telemetry::start("mirror", &settings)?;
    let system = System::start(SystemSettings::new("trace").contacts(2).by_webhooks_alone()).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let before = collector.spans().len();

    let id = system.world().contact_ids().pop().unwrap_or_default();
    system.world().update_contact(&id, &json!({"firstName": "Secretname", "email": "secret@example.com"}), Sent)?;
    system.in_sync().await?;
    let services = ["poller", "mapper", "writer", "bridge"];
    let trace_id = eventually("a trace with spans of all services", async || {
        let spans = collector.spans();
        let fresh = spans.get(before..).unwrap_or_default();
        let webhook = fresh.iter().find(|span| span.name.contains("webhook")).ok_or("no span of a webhook")?;
        let seen: BTreeSet<String> = fresh
            .iter()
            .filter(|span| span.trace_id == webhook.trace_id)
            .filter_map(|span| span.attribute("target").map(|target| target.split("::").next().unwrap_or_default().to_owned()))
            .collect();
        if services.iter().all(|service| seen.contains(*service)) { Ok(webhook.trace_id.clone()) } else { Err(format!("{seen:?}")) }
    })
    .await?;

    let request = proto::admin::v1::GetHistoryRequest { contact_id: id, ..Default::default() };
    let history = system.admin().await?.get_history(request).await?.into_inner();
    assert!(history.events.iter().any(|event| event.trace_id == trace_id), "the log knows the trace");
    for span in collector.spans() {
        let text = format!("{span:?}");
        assert!(!text.contains("Secretname") && !text.contains("secret@example.com"), "{} carries personal data", span.name);
    }
    system.stop().await?;
    telemetry.stop().await;
    Ok(())
}
