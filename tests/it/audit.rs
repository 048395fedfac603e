//! What an auditor asks of a mirror that has lived, and that it is written down who asked.

use std::collections::BTreeMap;

use proto::admin::v1 as admin;
use proto::audit::v1 as api;
use proto::audit::v1::audit_client::AuditClient;
use sandbox::Webhook::Sent;
use serde_json::{Value, json};
use sqlx::Connection as _;
use tests::grpc::WithToken;
use tests::system::{System, SystemSettings, TOKEN};
use tests::typed::shown;
use tokio_stream::StreamExt as _;
use toml::{Table, toml};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request};

type Audit = AuditClient<InterceptedService<Channel, WithToken>>;

async fn audit(system: &System) -> anyhow::Result<Audit> {
    Ok(AuditClient::with_interceptor(system.channel("admin").await?, WithToken::new(TOKEN)?))
}

/// Three contacts, one of which moves from city to city; all of it mirrored.
async fn moved(name: &'static str) -> anyhow::Result<(System, String)> {
    moved_with(name, Table::new()).await
}

async fn moved_with(name: &'static str, admin: Table) -> anyhow::Result<(System, String)> {
    let system = System::start(SystemSettings::new(name).contacts(3).by_webhooks_alone().with("admin", admin)).await?;
    system.in_sync().await?;
    let id = system.world().contact_ids().pop().unwrap_or_default();
    for city in ["Porto", "Oslo"] {
        system.world().update_contact(&id, &json!({"city": city}), Sent)?;
        system.in_sync().await?;
    }
    system.quiet().await?;
    Ok((system, id))
}

fn position(position: u64) -> Option<api::Point> {
    Some(api::Point { at: Some(api::point::At::Position(position)) })
}

fn city(snapshot: &api::Snapshot) -> Option<String> {
    let contact = snapshot.records.iter().find(|record| record.kind == "contact" && record.present)?;
    contact.fields.iter().find(|field| field.field == "city").map(|field| field.json.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_is_traced_from_its_cause_to_pagico() -> anyhow::Result<()> {
    let (system, contact_id) = moved("audit-blame").await?;
    let asked = api::BlameRequest { contact_id: contact_id.clone(), field: "city".to_owned(), ..Default::default() };
    let blamed = audit(&system).await?.blame(asked).await?.into_inner().values;
    let values: Vec<&str> = blamed.iter().map(|value| value.after_json.as_str()).collect();
    assert_eq!(values.iter().take(2).copied().collect::<Vec<_>>(), ["\"Oslo\"", "\"Porto\""]);
    for value in blamed.iter().take(2) {
        assert_eq!(value.cause.as_ref().map(|cause| cause.by.as_str()), Some("webhook"));
        assert_eq!(value.reached.len(), 1, "{value:?}");
        assert_eq!(value.reached.first().map(|reached| reached.revision.clone()), Some(format!("1.{}", value.seq)));
    }
    let replaced: Vec<u64> = blamed.iter().take(2).map(|value| value.replaced_seq).collect();
    assert_eq!(replaced, [0, blamed.first().map_or(0, |newest| newest.seq)]);

    let filter = admin::EventFilter { fields: vec!["city".to_owned()], causes: vec!["webhook".to_owned()], ..Default::default() };
    let asked = admin::GetHistoryRequest { contact_id, filter: Some(filter), ..Default::default() };
    let history = system.admin().await?.get_history(asked).await?.into_inner().events;
    assert_eq!(history.iter().map(|event| event.seq).collect::<Vec<_>>(), blamed.iter().take(2).map(|value| value.seq).collect::<Vec<_>>());
    for event in &history {
        assert_eq!(event.changes.iter().map(|change| change.field.as_str()).collect::<Vec<_>>(), ["city"]);
        let arrivals: Vec<_> = event.arrivals.iter().filter_map(|arrival| arrival.delivery.as_ref()).collect();
        assert!(arrivals.iter().any(|delivery| delivery.object == format!("ghl:contact/{}", event.record_id)), "{arrivals:?}");
        assert!(event.arrivals.iter().all(|arrival| arrival.outcome == "delivered" && arrival.seq > event.seq));
    }
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_and_a_location_are_shown_as_they_were() -> anyhow::Result<()> {
    let (system, contact_id) = moved("audit-as-of").await?;
    let mut audit = audit(&system).await?;
    let asked = api::BlameRequest { contact_id: contact_id.clone(), field: "city".to_owned(), ..Default::default() };
    let blamed = audit.blame(asked).await?.into_inner().values;
    let [oslo, porto] = [0, 1].map(|index| blamed.get(index).cloned().unwrap_or_default());

    let mut as_of = async |at: Option<api::Point>| {
        let asked = api::GetContactAsOfRequest { contact_id: contact_id.clone(), at, ..Default::default() };
        anyhow::Ok(audit.get_contact_as_of(asked).await?.into_inner().contact.unwrap_or_default())
    };
    assert_eq!(city(&as_of(None).await?), Some("\"Oslo\"".to_owned()));
    assert_eq!(city(&as_of(position(oslo.seq - 1)).await?), Some("\"Porto\"".to_owned()));
    let recorded = api::Point { at: porto.recorded_at.map(api::point::At::RecordedAt) };
    assert_eq!(city(&as_of(Some(recorded)).await?), Some("\"Porto\"".to_owned()));
    assert!(as_of(position(0)).await?.records.is_empty(), "before it was seen there was nothing");

    let (from, to) = (position(porto.seq), position(oslo.seq));
    let asked = api::DiffRequest { contact_id: contact_id.clone(), from, to, ..Default::default() };
    let difference = audit.diff(asked).await?.into_inner().contact.unwrap_or_default();
    let changes: BTreeMap<_, _> =
        difference.records.iter().flat_map(|record| &record.changes).map(|change| (&*change.field, change)).collect();
    let moved = changes.get("city").map(|change| (change.before_json.as_str(), change.after_json.as_str()));
    assert_eq!(moved, Some(("\"Porto\"", "\"Oslo\"")));

    let export = audit.export_as_of(api::ExportAsOfRequest { at: position(porto.seq), ..Default::default() }).await?.into_inner();
    let all: Vec<api::Snapshot> = export.map(|part| part.map(|part| part.contact.unwrap_or_default())).collect::<Result<_, _>>().await?;
    assert_eq!(all.len(), 3);
    assert!(all.is_sorted_by_key(|contact| contact.contact_id.clone()));
    let ours = all.iter().find(|contact| contact.contact_id == contact_id).and_then(city);
    assert_eq!(ours, Some("\"Porto\"".to_owned()));
    let asked = api::ExportDiffRequest { from: position(porto.seq), to: position(oslo.seq), ..Default::default() };
    let differ: Vec<api::Difference> = audit
        .export_diff(asked)
        .await?
        .into_inner()
        .map(|part| part.map(|part| part.contact.unwrap_or_default()))
        .collect::<Result<_, _>>()
        .await?;
    assert_eq!(differ, [difference]);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_watch_resumes_without_gap_or_double() -> anyhow::Result<()> {
    let little = toml! { limits = { read_rows = 2, watch_rows = 2, scan_rows = 3 } };
    let (system, contact_id) = moved_with("audit-watch", little).await?;
    let mut admin = system.admin().await?;
    let head = system.log.locations().list().await?.first().map_or(0, |location| location.head);
    let filter = admin::EventFilter { types: vec!["contact.changed".to_owned()], ..Default::default() };
    let (mut after, mut seen) = (0, Vec::new());
    while after < head {
        let asked = admin::WatchEventsRequest {
            after: Some(after),
            contact_id: contact_id.clone(),
            filter: Some(filter.clone()),
            ..Default::default()
        };
        // One message, then the stream breaks.
        let message = admin.watch_events(asked).await?.into_inner().next().await.ok_or_else(|| anyhow::anyhow!("the stream ended"))??;
        assert!(message.through > after, "every message goes on");
        after = message.through;
        seen.extend(message.event.map(|event| event.seq));
    }
    let asked = admin::GetHistoryRequest { contact_id: contact_id.clone(), filter: Some(filter), ..Default::default() };
    let mut history: Vec<u64> = admin.get_history(asked).await?.into_inner().events.iter().map(|event| event.seq).collect();
    history.reverse();
    assert_eq!(seen, history);
    assert!(seen.len() >= 2);

    // A history that looks through little at a time comes to the same, over pages that may be empty.
    let fields = admin::EventFilter { fields: vec!["city".to_owned()], types: vec!["contact".to_owned()], ..Default::default() };
    let (mut token, mut found, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let (filter, page_token) = (Some(fields.clone()), token);
        let asked = admin::GetHistoryRequest { contact_id: contact_id.clone(), filter, page_size: 1, page_token, ..Default::default() };
        let page = admin.get_history(asked).await?.into_inner();
        found.extend(page.events.iter().map(|event| event.seq));
        (token, pages) = (page.next_page_token, pages + 1);
        if token.is_empty() {
            break;
        }
    }
    let asked = api::BlameRequest { contact_id, field: "city".to_owned(), ..Default::default() };
    let blamed = audit(&system).await?.blame(asked).await?.into_inner().values;
    assert_eq!(found, blamed.iter().map(|value| value.seq).collect::<Vec<_>>());
    assert!(pages >= found.len());
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_is_written_down_and_refusals_say_what_to_do() -> anyhow::Result<()> {
    let (system, contact_id) = moved("audit-access").await?;
    let (mut audit, mut admin) = (audit(&system).await?, system.admin().await?);
    let mut request = Request::new(admin::GetHistoryRequest { contact_id: contact_id.clone(), page_size: 1, ..Default::default() });
    request.metadata_mut().insert("x-mirror-who", "Zo%C3%AB".parse()?);
    admin.get_history(request).await?;
    drop(audit.export_as_of(api::ExportAsOfRequest::default()).await?);
    let asked = api::ListAccessRequest { contact_id: contact_id.clone(), ..Default::default() };
    let accesses = audit.list_access(asked).await?.into_inner().accesses;
    let said: Vec<_> = accesses.iter().map(|access| (&*access.call, &*access.who, &*access.contact_id)).collect();
    assert_eq!(said, [("ExportAsOf", "unnamed", ""), ("GetHistory", "Zoë", contact_id.as_str())]);
    assert!(accesses.iter().all(|access| access.token.len() == 8 && access.peer.starts_with("127.0.0.1:")), "{accesses:?}");

    let (nobody, known) = (|| "nobody".to_owned(), contact_id.clone());
    let ahead = api::GetContactAsOfRequest { contact_id: contact_id.clone(), at: position(u64::MAX), ..Default::default() };
    let unknown = api::GetContactAsOfRequest { contact_id: nobody(), ..Default::default() };
    let no_field = api::BlameRequest { contact_id: contact_id.clone(), ..Default::default() };
    let stranger = api::BlameRequest { contact_id: nobody(), field: "city".to_owned(), ..Default::default() };
    let filter = Some(admin::EventFilter { causes: vec!["rumour".to_owned()], ..Default::default() });
    let answers = [
        (audit.get_contact_as_of(ahead).await.err(), Code::OutOfRange),
        (audit.get_contact_as_of(unknown).await.err(), Code::NotFound),
        (audit.blame(no_field).await.err(), Code::InvalidArgument),
        (audit.blame(stranger).await.err(), Code::NotFound),
        (admin.get_history(admin::GetHistoryRequest { contact_id, filter, ..Default::default() }).await.err(), Code::InvalidArgument),
    ];
    for (answer, code) in answers {
        let answer = answer.ok_or_else(|| anyhow::anyhow!("not refused"))?;
        assert_eq!(answer.code(), code, "{answer}");
        assert!(answer.message().len() > 20, "{answer}");
    }

    let mut owner = sqlx::PgConnection::connect(&system.postgres.url("log")).await?;
    sqlx::raw_sql("ALTER TABLE access_log RENAME TO lost").execute(&mut owner).await?;
    let asked = api::BlameRequest { contact_id: known, field: "city".to_owned(), ..Default::default() };
    let unwritten = audit.blame(asked).await.err().map(|status| status.code());
    assert_eq!(unwritten, Some(Code::Unavailable), "nothing is shown that is not written down");
    system.stop().await
}

/// What a person types and sees: the exit code and what was printed.
async fn typed(system: &System, arguments: &[&str]) -> anyhow::Result<(u8, String)> {
    let answer = shown(system, &format!("--who Zoë {}", arguments.join(" "))).await?;
    anyhow::ensure!(answer.complaints.is_empty(), "{}", answer.complaints);
    Ok((answer.exit_code, answer.out))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_is_answered_on_the_command_line() -> anyhow::Result<()> {
    let (system, contact_id) = moved("audit-typed").await?;
    let id = contact_id.as_str();
    let (code, blame) = typed(&system, &["blame", id, "city", "--json"]).await?;
    let values: Vec<Value> = blame.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let seq =
        |index: usize| values.get(index).and_then(|value| value.get("seq")).and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
    assert_eq!((code, values.first().and_then(|value| value.get("afterJson"))), (0, Some(&json!("\"Oslo\""))));
    let (oslo, porto) = (seq(0), seq(1));

    let (code, history) = typed(&system, &["history", id, "--field", "city", "--cause", "webhook", "--format", "csv"]).await?;
    assert_eq!((code, history.lines().count()), (0, 3), "{history}");
    assert!(history.lines().nth(1).is_some_and(|row| row.contains("\"city\",\"Porto\",\"Oslo\",\"webhook\"")), "{history}");
    let (_, history) = typed(&system, &["history", id, "--field", "city", "--since", "1h", "--limit", "1"]).await?;
    assert!(history.contains("city: \"Porto\" → \"Oslo\"") && history.contains("→ ghl:contact/"), "{history}");
    assert!(!history.contains('\u{1b}'), "colours are for terminals");

    let (code, then) = typed(&system, &["as-of", id, &porto]).await?;
    assert!(code == 0 && then.contains("city: \"Porto\""), "{then}");
    let (code, difference) = typed(&system, &["diff", id, "--from", &porto, "--to", &oslo]).await?;
    assert!(code == 1 && difference.contains("city: \"Porto\" → \"Oslo\""), "{difference}");
    let (code, _) = typed(&system, &["diff", id, "--from", &oslo, "--to", &oslo]).await?;
    assert_eq!(code, 0);
    let (code, export) = typed(&system, &["export", "location"]).await?;
    assert_eq!((code, export.lines().count()), (0, 3));
    let (_, export) = typed(&system, &["export", "location", "--from", &porto, "--to", &oslo]).await?;
    assert_eq!(export.lines().count(), 1, "{export}");

    let (code, accesses) = typed(&system, &["access-log", "--contact", id, "--asked-by", "Zoë"]).await?;
    let calls: Vec<&str> = accesses.lines().skip(1).filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(code, 0);
    assert_eq!(calls, ["ExportDiff", "ExportAsOf", "Diff", "Diff", "GetContactAsOf", "GetHistory", "GetHistory", "Blame"]);
    system.stop().await
}
