//! A person is erased from everything that runs.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use domain::{Body, ContactId};
use eventlog::EventFilter;
use proto::admin::v1 as admin_api;
use proto::audit::v1 as audit_api;
use proto::audit::v1::audit_client::AuditClient;
use proto::erasure::v1 as api;
use proto::erasure::v1::erasure_client::ErasureClient;
use sandbox::Webhook::Sent;
use serde_json::json;
use sqlx::{Connection as _, PgConnection, Row as _};
use standalone::compare::Object;
use tests::system::{System, SystemSettings};
use tests::wait::eventually;
use tokio_stream::StreamExt as _;
use tonic::Code;

/// Parts of the name, the e-mail, the phone, a task and a note that nobody else has, in lower case.
const MARKS: [&str; 6] = ["zephyrine", "quillfeather", "zq-mail", "5550198765", "zq-task-text", "zq-note-text"];

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn marks_in(bytes: &[u8]) -> Vec<&'static str> {
    let bytes = bytes.to_ascii_lowercase();
    MARKS.into_iter().filter(|mark| bytes.windows(mark.len()).any(|window| window == mark.as_bytes())).collect()
}

/// Every table of a database, as the bytes that are in it: a text dump would show stored bytes as hexadecimal digits.
pub(crate) async fn dump(url: &str) -> anyhow::Result<Vec<u8>> {
    let mut connection = PgConnection::connect(url).await?;
    let tables = sqlx::query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'").fetch_all(&mut connection).await?;
    let mut all = Vec::new();
    for table in tables {
        let copy = format!("COPY \"{}\" TO STDOUT (FORMAT binary)", table.try_get::<String, _>(0)?);
        let mut rows = connection.copy_out_raw(&copy).await?;
        while let Some(bytes) = rows.next().await {
            all.extend_from_slice(&bytes?);
        }
    }
    connection.close().await?;
    Ok(all)
}

pub(crate) fn files(directory: &Path, all: &mut Vec<u8>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, all)?;
        } else {
            // A file may be gone by now: the server tidies up.
            all.extend(std::fs::read(&path).unwrap_or_default());
        }
    }
    Ok(())
}

/// Where marks are found: the log's database, the bridge's, the bus's files.
async fn found(system: &System) -> anyhow::Result<[Vec<&'static str>; 3]> {
    let mut bus = Vec::new();
    files(system.nats_data(), &mut bus)?;
    Ok([marks_in(&dump(&system.postgres.url("log")).await?), marks_in(&dump(&system.postgres.url("bridge")).await?), marks_in(&bus)])
}

fn others(held: Vec<Object>, id: &str) -> Vec<(String, String)> {
    let contact = format!("ghl:contact/{id}");
    let others = held.into_iter().filter(|object| object.contact != contact && object.key != contact);
    others.map(|object| (object.key, object.content.to_string())).collect()
}

async fn see_a_change_of_another(system: &System, id: &str, city: &str) -> anyhow::Result<()> {
    system.world().update_contact(id, &json!({ "city": city }), Sent)?;
    eventually("another contact's change arrives", async || {
        let held = system.workspace().await.map_err(|error| error.to_string())?;
        let there = held.iter().any(|object| object.key == format!("ghl:contact/{id}") && object.content.to_string().contains(city));
        if there { Ok(()) } else { Err("not there".to_owned()) }
    })
    .await?;
    system.quiet().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_an_erased_person_is_left() -> anyhow::Result<()> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).context("another test of this process logs already")?;
    let system = System::start(SystemSettings::new("erase").contacts(8).sealed()).await?;
    system.in_sync().await?;
    let world = system.world();
    let person = json!({
        "firstName": "Zephyrine", "lastName": "Quillfeather", "email": "zq-mail@example.com", "phone": "+15550198765",
    });
    let id = world.create_contact(&person, Sent)?;
    world.create_task(&id, &json!({"title": "zq-task-text", "completed": false}), Sent)?;
    let note = world.create_note(&id, &json!({"body": "zq-note-text one"}), Sent)?;
    system.in_sync().await?;
    world.update_note(&id, &note, &json!({"body": "zq-note-text two"}), Sent)?;
    system.in_sync().await?;
    system.quiet().await?;

    let [log, bridge, bus] = found(&system).await?;
    assert_eq!((log.as_slice(), bridge.as_slice()), (&MARKS[..], &MARKS[..]), "before, the search finds all of it");
    assert!(bus.is_empty(), "on the bus everything is sealed: {bus:?}");
    let mut carried = Vec::new();
    files(system.nats_data(), &mut carried)?;
    assert!(carried.windows(id.len()).any(|window| window == id.as_bytes()), "the bus's files are the ones that are searched");

    let other = world.contact_ids().into_iter().find(|other| *other != id).context("another contact")?;
    let before = others(system.workspace().await?, &id);
    let mut erasures = ErasureClient::with_interceptor(system.channel("admin").await?, system.token()?);
    let request = api::EraseContactRequest { contact_id: id.clone(), reason: "asked by letter".to_owned(), ..Default::default() };
    let begun = erasures.erase_contact(request.clone()).await?.into_inner().erasure.unwrap_or_default();
    let again = erasures.erase_contact(request).await?.into_inner().erasure.unwrap_or_default();
    assert_eq!((begun.seq, begun.erased_at, begun.plain_events), (again.seq, again.erased_at, 0));
    eventually("the erasure is finished", async || {
        let request = api::GetErasureRequest { contact_id: id.clone(), ..Default::default() };
        let erasure = erasures.clone().get_erasure(request).await.map_err(|error| error.to_string())?.into_inner().erasure;
        erasure.filter(|erasure| erasure.finished_at.is_some()).map(drop).ok_or_else(|| "not yet".to_owned())
    })
    .await?;
    assert_eq!(found(&system).await?, [const { Vec::<&str>::new() }; 3], "afterwards nothing is left");
    assert_eq!(others(system.workspace().await?, &id), before, "nobody else is touched");

    // It still exists in GHL and changes there, and is not taken up again.
    world.update_contact(&id, &json!({"city": "zq-task-text"}), Sent)?;
    world.update_note(&id, &note, &json!({"body": "zq-note-text three"}), Sent)?;
    see_a_change_of_another(&system, &other, "Bergen").await?;
    assert_eq!(found(&system).await?, [const { Vec::<&str>::new() }; 3], "nor does it come back");
    let logged = lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(logged.len() > 10_000 && marks_in(&logged).is_empty(), "{:?} in {} logged bytes", marks_in(&logged), logged.len());

    let location = system.location()?;
    system.log.chain().verify(&location, &eventlog::Verification::default(), |_, _| ()).await?;
    let history = admin_api::GetHistoryRequest { contact_id: id.clone(), page_size: 100, ..Default::default() };
    let history = system.admin().await?.get_history(history).await?.into_inner().events;
    let erased: Vec<_> = history.iter().filter(|event| event.erased).collect();
    assert!(erased.len() >= 4 && erased.iter().all(|event| event.changes.is_empty() && event.recorded_at.is_some()), "{history:?}");
    let mut audit = AuditClient::with_interceptor(system.channel("admin").await?, system.token()?);
    let then = audit_api::GetContactAsOfRequest { contact_id: id.clone(), ..Default::default() };
    let then = audit.get_contact_as_of(then).await?.into_inner().contact.unwrap_or_default();
    assert!(then.erased && then.records.is_empty(), "{then:?}");
    let changed = audit_api::DiffRequest { contact_id: id.clone(), ..Default::default() };
    assert!(audit.diff(changed).await?.into_inner().contact.unwrap_or_default().erased);
    let events = system.log.answers().history(&location, &ContactId::new(other.clone())?, &EventFilter::default(), None, 100).await?;
    for event in system.log.keys().open(events).await? {
        assert!(!matches!(event.body?, Body::Erased), "another contact's history is whole");
    }
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_goes_on_when_the_bridge_and_the_bus_were_away() -> anyhow::Result<()> {
    let mut system = System::start(SystemSettings::new("erase-later").contacts(3).sealed()).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let id = system.world().contact_ids().pop().context("a contact")?;
    system.kill_service("bridge").await;
    let mut erasures = ErasureClient::with_interceptor(system.channel("admin").await?, system.token()?);
    let request = api::EraseContactRequest { contact_id: id.clone(), reason: "asked by letter".to_owned(), ..Default::default() };
    let erasure = erasures.erase_contact(request).await?.into_inner().erasure.unwrap_or_default();
    assert_eq!((erasure.workspaces_left.len(), erasure.finished_at), (1, None));
    system.kill_service("admin").await;
    system.start_service("bridge")?;
    system.start_service("admin")?;
    let contact = ContactId::new(id.clone())?;
    eventually("the erasure is finished", async || {
        let erasure = system.log.erasures().find(&system.location().map_err(|error| error.to_string())?, &contact).await;
        let erasure = erasure.map_err(|error| error.to_string())?.ok_or("none")?;
        erasure.finished_at.map(drop).ok_or_else(|| format!("{erasure:?}"))
    })
    .await?;
    assert!(system.workspace().await?.iter().all(|object| object.contact != format!("ghl:contact/{id}")));
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_erased_is_not_promised() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("erase-plain").contacts(2)).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let id = system.world().contact_ids().pop().context("a contact")?;
    let mut erasures = ErasureClient::with_interceptor(system.channel("admin").await?, system.token()?);
    let request = api::EraseContactRequest { contact_id: id.clone(), reason: "asked by letter".to_owned(), ..Default::default() };
    let refused = erasures.erase_contact(request.clone()).await.expect_err("payloads are plain");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("would stay readable"), "{refused}");
    let nobody = api::EraseContactRequest { contact_id: "nobody".to_owned(), ..request.clone() };
    assert_eq!(erasures.erase_contact(nobody).await.expect_err("nobody").code(), Code::NotFound);
    let erased = erasures.erase_contact(api::EraseContactRequest { leave_plain_events: true, ..request }).await?.into_inner().erasure;
    assert!(erased.is_some_and(|erasure| erasure.plain_events > 0));
    system.stop().await
}
