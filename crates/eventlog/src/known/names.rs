//! Renames at GHL: what records refer to has another name than their events say.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Body, Cause, ContactId, Draft, LocationId, Names, Net, OperatorFact, Renamed};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, Postgres, Row, Transaction};

use crate::chain::{Entry, Head, Prepared};
use crate::keys::ring::is_erased;
use crate::known::Known;
use crate::{EventLog, Lease, Result, leases};

/// The verb of the event for the rename itself. A person renamed something, at GHL.
const VERB: &str = "renamed";

/// How far a rename has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renaming {
    /// Every event that follows shows these names.
    Done,
    /// The next contacts are to be looked through; so many events were appended.
    More { events: usize },
}

/// Digests of the names, by id.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Shown {
    users: BTreeMap<String, String>,
    fields: BTreeMap<String, String>,
    calendars: BTreeMap<String, String>,
    /// What the parts and choices of custom fields are called: apart, so that those which are told first rename nothing.
    labels: BTreeMap<String, String>,
}

impl EventLog {
    /// Compares the names of a location with those that its events show. Where one has changed, an event says so, with ids alone; then each
    /// record that shows it gets an event with its content as known and the names as they are now, `contacts_max` contacts with each call, until it is
    /// `Done`. What was begun is gone on with after a crash. The names that are first told count as those that events show.
    ///
    /// # Errors
    /// `NotFound` when the location was never connected, `Superseded` when the lease is not held any more.
    pub async fn rename(&self, lease: &Lease, names: &Names, at: Timestamp, contacts_max: u32) -> Result<Renaming> {
        let location_id = &lease.location_id;
        let mut transaction = self.pool.begin().await?;
        let head = Head::lock(&mut *transaction, location_id).await?;
        leases::check(&mut transaction, lease).await?;
        let Some(mut state) = State::load(&mut transaction, location_id).await? else {
            let state = State { shown: Shown::default().with(names), renamed: Renamed::default(), after: String::new() };
            state.save(&mut transaction, location_id).await?;
            transaction.commit().await?;
            return Ok(Renaming::Done);
        };
        let cause = Cause { asked_at: Some(at), ..Cause::from(Net::Poll) };
        let (differing, known_before) = state.shown.differing(names);
        if !differing.is_empty() {
            let fresh = match known_before.is_empty() {
                // They have a name at last: nothing was renamed.
                true => Vec::new(),
                false => vec![Prepared::new(renamed(&known_before, cause, at)?)?],
            };
            state.shown = state.shown.with(names);
            state.renamed.add(differing);
            state.after = String::new();
            return self.step(Step { transaction, head, state, known: Known::default(), fresh }, location_id).await;
        }
        if state.renamed.is_empty() {
            return Ok(Renaming::Done);
        }
        let contacts = contacts_after(&mut transaction, location_id, &state.after, contacts_max).await?;
        let Some(last) = contacts.last() else {
            (state.renamed, state.after) = (Renamed::default(), String::new());
            state.save(&mut transaction, location_id).await?;
            transaction.commit().await?;
            return Ok(Renaming::Done);
        };
        state.after = last.as_str().to_owned();
        let erased = self.keys().ring.locked_erased(&mut transaction, location_id, head.erasures).await?;
        let living: Vec<&ContactId> = contacts.iter().filter(|id| !is_erased(&erased, id)).collect();
        let kinds = state.renamed.kinds();
        let wanted = living.iter().flat_map(|id| kinds.iter().map(|kind| (*id, *kind))).collect();
        let mut known = Known::load(self.keys(), &mut transaction, location_id, &wanted).await?;
        let mut fresh = Vec::new();
        for contact_id in living {
            if known.unreadable.contains_key(contact_id) {
                continue;
            }
            let drafts = state.renamed.drafts(known.of(contact_id), names, at);
            known.take_renamed(contact_id, &drafts, head.after(fresh.len()));
            for draft in drafts {
                fresh.push(Prepared::new(shown_by(contact_id, draft, cause.clone()))?);
            }
        }
        self.step(Step { transaction, head, state, known, fresh }, location_id).await
    }

    /// Appends the events of a step, with how far the rename has come by them.
    async fn step(&self, step: Step, location_id: &LocationId) -> Result<Renaming> {
        let Step { mut transaction, mut head, state, known, mut fresh } = step;
        state.save(&mut transaction, location_id).await?;
        let keys = self.keys().seal_fresh(&mut transaction, location_id, &head, &mut fresh).await?;
        let (mut transaction, recorded) = head.insert_all(transaction, location_id, fresh).await?;
        known.save(&mut transaction, location_id).await?;
        head.save(&mut transaction, location_id).await?;
        transaction.commit().await?;
        self.keys().keep_fresh(location_id, &keys);
        self.appended.notify(recorded.len());
        Ok(Renaming::More { events: recorded.len() })
    }
}

/// One transaction of a rename.
struct Step {
    transaction: Transaction<'static, Postgres>,
    head: Head,
    state: State,
    known: Known,
    fresh: Vec<Prepared>,
}

/// The event for a record that shows another name.
fn shown_by(contact_id: &ContactId, draft: Draft, cause: Cause) -> Entry {
    Entry {
        contact_id: Some(contact_id.clone()),
        record: Some((draft.fact.record.kind(), draft.record_id)),
        occurred_at: draft.occurred_at,
        cause,
        traceparent: None,
        body: Body::Record(Box::new(draft.fact)),
    }
}

/// The event for the rename itself. Ids alone: the names of people are in the events of the records that show them, sealed with their contacts.
fn renamed(of: &Renamed, cause: Cause, at: Timestamp) -> Result<Entry> {
    let detail = serde_json::to_value(of).map_err(domain::Decode::from)?;
    let fact = OperatorFact { verb: VERB.to_owned(), detail };
    Ok(Entry { contact_id: None, record: None, occurred_at: at, cause, traceparent: None, body: Body::Operator(fact) })
}

async fn contacts_after(connection: &mut PgConnection, location_id: &LocationId, after: &str, limit: u32) -> Result<Vec<ContactId>> {
    let rows = sqlx::query("SELECT contact_id FROM known_contacts WHERE location_id = $1 AND contact_id > $2 ORDER BY contact_id LIMIT $3")
        .bind(location_id.as_str())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    let mut contacts = Vec::with_capacity(rows.len());
    for row in rows {
        contacts.extend(ContactId::new(row.try_get::<String, _>(0)?).ok());
    }
    Ok(contacts)
}

struct State {
    shown: Shown,
    renamed: Renamed,
    after: String,
}

impl State {
    async fn load(connection: &mut PgConnection, location_id: &LocationId) -> Result<Option<Self>> {
        let row = sqlx::query("SELECT shown, renamed, after FROM location_names WHERE location_id = $1")
            .bind(location_id.as_str())
            .fetch_optional(connection)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let shown = serde_json::from_slice(row.try_get(0)?).map_err(domain::Decode::from)?;
        let renamed = row.try_get::<Option<&[u8]>, _>(1)?.map(serde_json::from_slice).transpose().map_err(domain::Decode::from)?;
        Ok(Some(Self { shown, renamed: renamed.unwrap_or_default(), after: row.try_get(2)? }))
    }

    async fn save(&self, connection: &mut PgConnection, location_id: &LocationId) -> Result<()> {
        let renamed = (!self.renamed.is_empty()).then(|| serde_json::to_vec(&self.renamed)).transpose().map_err(domain::Decode::from)?;
        sqlx::query(
            "INSERT INTO location_names (location_id, shown, renamed, after) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (location_id) DO UPDATE SET shown = excluded.shown, renamed = excluded.renamed, after = excluded.after",
        )
        .bind(location_id.as_str())
        .bind(serde_json::to_vec(&self.shown).map_err(domain::Decode::from)?)
        .bind(renamed)
        .bind(&self.after)
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl Shown {
    /// With these names beside those that GHL does not list any more.
    fn with(mut self, names: &Names) -> Self {
        let add = |shown: &mut BTreeMap<String, String>, names: &BTreeMap<String, String>, more: &BTreeMap<String, String>| {
            shown.extend(names.iter().map(|(id, name)| (id.clone(), digest(name, more.get(id)))));
        };
        let none = BTreeMap::new();
        add(&mut self.users, &names.users, &none);
        add(&mut self.fields, &names.fields, &names.field_types);
        add(&mut self.calendars, &names.calendars, &none);
        let labels = names.field_labels.iter().map(|(id, labels)| {
            let all: Vec<String> = labels.iter().map(|(key, label)| format!("{key}\0{label}")).collect();
            (id.clone(), digest(&all.join("\0"), None))
        });
        self.labels.extend(labels);
        self
    }

    /// The ids that have another name, or one at last; and those of them that had one before.
    fn differing(&self, names: &Names) -> (Renamed, Renamed) {
        let now = Self::default().with(names);
        let differ = |before: &BTreeMap<String, String>, now: &BTreeMap<String, String>, must_be_known: bool| {
            let other = now.iter().filter(|(id, digest)| before.get(*id).map_or(!must_be_known, |before| before != *digest));
            other.map(|(id, _)| id.clone()).collect::<BTreeSet<String>>()
        };
        let of = |must_be_known| {
            let mut fields: BTreeSet<String> = differ(&self.fields, &now.fields, must_be_known);
            fields.extend(differ(&self.labels, &now.labels, must_be_known));
            let (users, calendars) =
                (differ(&self.users, &now.users, must_be_known), differ(&self.calendars, &now.calendars, must_be_known));
            Renamed { users, fields, calendars }
        };
        (of(false), of(true))
    }
}

/// Tells two names apart, without keeping either.
fn digest(name: &str, kind: Option<&String>) -> String {
    let hash = Sha256::digest(format!("{}\0{name}", kind.map_or("", String::as_str)));
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
