//! What an operator asks, and who may ask.

use proto::admin::v1 as api;
use sandbox::Webhook::Sent;
use serde_json::json;
use tests::system::{System, SystemSettings};
use tests::wait::eventually;
use tokio_stream::StreamExt as _;
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_where_everything_stands() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("admin").contacts(8).by_webhooks_alone()).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let mut admin = system.admin().await?;
    let location = eventually("the backfill ends", async || {
        let overview = admin.clone().get_overview(api::GetOverviewRequest {}).await.map_err(|error| error.to_string())?.into_inner();
        let location = overview.locations.into_iter().next().ok_or("no location")?;
        let done = location.backfill.is_some_and(|backfill| backfill.finished_at.is_some());
        if done && location.behind == 0 { Ok(location) } else { Err("not yet".to_owned()) }
    })
    .await?;
    assert_eq!((location.contacts, location.parked), (8, 0));
    assert!(location.head >= location.contacts && location.objects >= 8);

    let first = admin.list_contacts(api::ListContactsRequest { page_size: 5, ..Default::default() }).await?.into_inner();
    let rest = api::ListContactsRequest { page_size: 5, page_token: first.next_page_token.clone(), ..Default::default() };
    let rest = admin.list_contacts(rest).await?.into_inner();
    assert_eq!((first.contacts.len(), rest.contacts.len(), rest.next_page_token.as_str()), (5, 3, ""));

    let id = system.world().contact_ids().pop().unwrap_or_default();
    system.world().update_contact(&id, &json!({"city": "Porto"}), Sent)?;
    system.in_sync().await?;
    system.quiet().await?;
    let contact = admin.get_contact(api::GetContactRequest { contact_id: id.clone(), ..Default::default() }).await?.into_inner();
    let states: Vec<_> = contact.objects.iter().map(api::Object::state).collect();
    assert!(states.iter().all(|state| *state == api::ObjectState::InSync), "{states:?}");
    assert!(contact.lag_seconds.abs() < f64::EPSILON);

    let history = admin.get_history(api::GetHistoryRequest { contact_id: id, ..Default::default() }).await?.into_inner();
    let changed = history.events.iter().find(|event| event.r#type == "contact.changed").map(|event| (&event.changes, &event.cause));
    let (changes, cause) = changed.ok_or_else(|| anyhow::anyhow!("no change in the history"))?;
    assert!(changes.iter().any(|change| change.field == "city" && change.after_json == "\"Porto\""));
    assert_eq!(cause.as_ref().map(|cause| cause.by.as_str()), Some("webhook"));
    assert!(history.events.iter().any(|event| event.r#type == "delivery.delivered"));
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_resumes_without_gap_or_double() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("watch").contacts(5)).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let mut admin = system.admin().await?;
    let head = system.log.locations().list().await?.first().map_or(0, |location| location.head);
    let mut seqs = Vec::new();
    while seqs.len() < usize::try_from(head)? {
        let after = Some(seqs.last().copied().unwrap_or(0));
        let mut events = admin.watch_events(api::WatchEventsRequest { after, ..Default::default() }).await?.into_inner();
        for _ in 0..7 {
            if seqs.len() == usize::try_from(head)? {
                break;
            }
            let event = events.next().await.ok_or_else(|| anyhow::anyhow!("the stream ended"))??;
            seqs.push(event.event.map_or(0, |event| event.seq));
        }
    }
    assert_eq!(seqs, (1..=head).collect::<Vec<_>>());

    let mut events = admin.watch_events(api::WatchEventsRequest::default()).await?.into_inner();
    system.world().create_contact(&json!({"firstName": "Ann"}), Sent)?;
    let event = events.next().await.ok_or_else(|| anyhow::anyhow!("the stream ended"))??;
    assert_eq!(event.event.map(|event| event.seq), Some(head + 1));
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_to_do() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("refusals").contacts(1)).await?;
    system.in_sync().await?;
    let mut admin = system.admin().await?;
    let unknown = api::GetContactRequest { contact_id: "nobody".to_owned(), ..Default::default() };
    let token = api::ListContactsRequest { page_size: 9_999, ..Default::default() };
    let redrive = api::RedriveRequest { parked_id: "what".to_owned(), ..Default::default() };
    let ahead = api::WatchEventsRequest { after: Some(u64::MAX), ..Default::default() };
    let answers = [
        (admin.get_contact(unknown).await.err(), Code::NotFound),
        (admin.list_contacts(token).await.err(), Code::InvalidArgument),
        (admin.redrive(redrive).await.err(), Code::InvalidArgument),
        (admin.watch_events(ahead).await.err(), Code::OutOfRange),
    ];
    for (answer, code) in answers {
        let answer = answer.ok_or_else(|| anyhow::anyhow!("not refused"))?;
        assert_eq!(answer.code(), code, "{answer}");
        assert!(answer.message().len() > 20, "{answer}");
    }
    let mut nobody = api::admin_client::AdminClient::new(system.channel("admin").await?);
    let refused = nobody.get_overview(api::GetOverviewRequest {}).await.err().map(|status| status.code());
    assert_eq!(refused, Some(Code::Unauthenticated));
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_writer_holds_everything_and_goes_on() -> anyhow::Result<()> {
    use proto::control::v1 as control;
    let system = System::start(SystemSettings::new("pause").contacts(3)).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let mut writer = system.control("writer").await?;
    writer.pause(control::PauseRequest {}).await?;
    let id = system.world().create_contact(&json!({"firstName": "Ann"}), Sent)?;
    let mut admin = system.admin().await?;
    eventually("the contact is behind", async || {
        let behind = api::ListContactsRequest { filter: api::ContactFilter::Behind.into(), ..Default::default() };
        let behind = admin.clone().list_contacts(behind).await.map_err(|error| error.to_string())?.into_inner();
        if behind.contacts.iter().any(|contact| contact.contact_id == id) { Ok(()) } else { Err("not behind".to_owned()) }
    })
    .await?;
    let contact = admin.get_contact(api::GetContactRequest { contact_id: id, ..Default::default() }).await?.into_inner();
    assert!(contact.lag_seconds > 0.0);
    writer.resume(control::ResumeRequest {}).await?;
    system.in_sync().await?;
    writer.drain(control::DrainRequest {}).await?;
    let status = writer.status(control::StatusRequest {}).await?.into_inner();
    assert_eq!((status.state(), status.in_hand), (control::State::Draining, 0));
    system.stop().await
}
