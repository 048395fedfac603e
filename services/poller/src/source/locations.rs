//! Which locations are mirrored: what an operator decides about them while the poller runs. Any replica answers; all obey with their next turn
//! of the leases.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::LocationId;
use eventlog::{CredentialOwner, CredentialState, Decision, MirrorState, MirroredLocation};
use ghl::{Client, Search, Window, Zone};
use proto::source::v1 as api;
use secrecy::SecretString;
use tonic::Status;

use crate::app::candidate::Standing;
use crate::app::mirroring;
use crate::context::Context;
use crate::look::connection::Connections;
use crate::source::answers::at;
use crate::source::refusal::status_of_log;

/// The longest texts that are accepted, in bytes.
const WHO_BYTES_MAX: usize = 200;
const REASON_BYTES_MAX: usize = 500;
const TOKEN_BYTES_MAX: usize = 4096;

/// What is asked for: a location, and by whose word and why.
pub(super) struct Asked {
    location_id: LocationId,
    who: String,
    reason: String,
}

impl Asked {
    /// # Errors
    /// `InvalidArgument` for texts that are too long, and where no location is named: what ends or changes one is never guessed.
    pub(super) fn new(location_id: &str, who: &str, reason: &str) -> Result<Self, Status> {
        if location_id.is_empty() {
            return Err(Status::invalid_argument("location_id: must be given (`--location ID`); `mirrorctl location list` lists them"));
        }
        let location_id = LocationId::new(location_id).map_err(|error| Status::invalid_argument(format!("location_id: {error}")))?;
        for (name, text, bytes_max) in [("who", who, WHO_BYTES_MAX), ("reason", reason, REASON_BYTES_MAX)] {
            if text.len() > bytes_max {
                return Err(Status::invalid_argument(format!("{name} must have at most {bytes_max} bytes")));
            }
        }
        Ok(Self { location_id, who: who.trim().to_owned(), reason: reason.trim().to_owned() })
    }

    fn decision(&self) -> Decision<'_> {
        Decision { who: &self.who, reason: &self.reason }
    }
}

/// What there is and what is decided.
pub(super) struct Locations {
    pub(super) context: Arc<Context>,
    pub(super) connections: Arc<Connections>,
    /// Tries a token before it is kept.
    pub(super) transport: ghl::Transport,
}

impl Locations {
    pub(super) async fn list(&self) -> Result<Vec<api::MirroredLocation>, Status> {
        let locations = self.context.log.mirrored().list().await.map_err(status_of_log)?;
        let installed = self.installed().await?;
        Ok(locations.into_iter().map(|location| self.answer(&installed, location)).collect())
    }

    /// Has a location mirrored. Its token is tried before it is kept.
    pub(super) async fn add(&self, asked: Asked, token: &str) -> Result<(api::MirroredLocation, String), Status> {
        let token = match token.trim() {
            "" => None,
            token if token.len() > TOKEN_BYTES_MAX || !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err(Status::invalid_argument("token: is not one; a private integration token is one word such as pit-…"));
            }
            token => Some(SecretString::from(token)),
        };
        let (mirrored, location_id) = (self.context.log.mirrored(), &asked.location_id);
        if mirrored.find(location_id).await.map_err(status_of_log)?.is_some_and(|known| known.state == MirrorState::Purged) {
            return Err(refused(location_id, MirrorState::Purged));
        }
        let listed = self.context.config.locations.iter().find(|listed| listed.id == *location_id);
        let verdict = match (&token, listed) {
            (Some(_), _) if !mirrored.can_keep_tokens() => return Err(Status::failed_precondition(NO_KEY)),
            (Some(token), _) => self.tried(location_id, token).await?,
            (None, Some(listed)) => {
                let token = listed.read_token().map_err(|error| Status::failed_precondition(format!("{error:#}; nothing was changed")))?;
                self.tried(location_id, &token).await?
            }
            (None, None) if self.context.app.is_some() => String::new(),
            (None, None) => return Err(Status::failed_precondition(NO_TOKEN)),
        };
        let added = mirrored.add(location_id, token.as_ref(), asked.decision()).await;
        let added = self.decided(location_id, added).await?;
        tracing::info!(location.id = %location_id, "location is added by hand");
        Ok((added, verdict))
    }

    pub(super) async fn pause(&self, asked: Asked) -> Result<api::MirroredLocation, Status> {
        let paused = self.context.log.mirrored().pause(&asked.location_id, asked.decision()).await;
        let paused = self.decided(&asked.location_id, paused).await?;
        tracing::info!(location.id = %asked.location_id, "location is paused by hand");
        Ok(paused)
    }

    pub(super) async fn resume(&self, asked: Asked) -> Result<api::MirroredLocation, Status> {
        let resumed = self.context.log.mirrored().resume(&asked.location_id, asked.decision()).await;
        let resumed = self.decided(&asked.location_id, resumed).await?;
        tracing::info!(location.id = %asked.location_id, "location is resumed by hand");
        Ok(resumed)
    }

    pub(super) async fn retire(&self, asked: Asked) -> Result<api::MirroredLocation, Status> {
        let retired = self.context.log.mirrored().retire(&asked.location_id, asked.decision()).await;
        let retired = self.decided(&asked.location_id, retired).await?;
        tracing::info!(location.id = %asked.location_id, "location is retired by hand");
        Ok(retired)
    }

    /// What became of a decision, in words where it was refused. This replica knows it at once.
    async fn decided(&self, id: &LocationId, decided: eventlog::Result<MirroredLocation>) -> Result<api::MirroredLocation, Status> {
        let location = decided.map_err(|error| not_decided(id, error))?;
        if let Err(error) = mirroring::follow(&self.context, &self.connections).await {
            tracing::warn!(%error, "what was decided about a location is read with the next turn of the leases");
        }
        Ok(self.answer(&self.installed().await?, location))
    }

    /// Where the app is installed.
    async fn installed(&self) -> Result<BTreeSet<CredentialOwner>, Status> {
        if self.context.app.is_none() {
            return Ok(BTreeSet::new());
        }
        let credentials = self.context.log.credentials().list().await.map_err(status_of_log)?;
        let installed = credentials.into_iter().filter(|credential| credential.state != CredentialState::Retired);
        Ok(installed.map(|credential| credential.owner).collect())
    }

    fn answer(&self, installed: &BTreeSet<CredentialOwner>, location: MirroredLocation) -> api::MirroredLocation {
        let has_app = installed.contains(&CredentialOwner::Location(location.location_id.clone()));
        let listed = self.context.candidates.is_listed(&location.location_id);
        let token = match location.state {
            MirrorState::Retired | MirrorState::Purged => "",
            MirrorState::Active | MirrorState::Paused if location.token.is_some() => "added",
            MirrorState::Active | MirrorState::Paused if listed => "settings",
            MirrorState::Active | MirrorState::Paused if has_app => "app",
            MirrorState::Active | MirrorState::Paused => "",
        };
        api::MirroredLocation {
            location_id: location.location_id.to_string(),
            state: location.state.as_str().to_owned(),
            since: Some(at(location.since)),
            who: location.who,
            reason: location.reason,
            token: token.to_owned(),
            listed,
        }
    }

    /// Asks GHL for one contact with a token that does not count yet: without contacts nothing is mirrored.
    async fn tried(&self, location_id: &LocationId, token: &SecretString) -> Result<String, Status> {
        let client = Client::new(self.transport.clone(), location_id.clone(), token.clone());
        let search = Search { window: Window::Everyone, rows_max: 1, after: None };
        let answer = client.search(&search, &Zone::UNKNOWN).await;
        if self.context.candidates.standing(location_id).is_none_or(|standing| standing == Standing::Unknown) {
            self.context.access.forget(location_id);
            self.context.metrics.forget(location_id);
        }
        match answer {
            Ok(_) => Ok("GHL accepts the token".to_owned()),
            Err(error) => Err(not_kept(&error)),
        }
    }
}

const NO_KEY: &str = "a token is only kept sealed, and the poller has no key-encryption key: give it log.kek_file (docs/erase-a-person.md), or \
     list the location in its settings";

const NO_TOKEN: &str = "there is no token for this location: give one (`--ghl-token-file FILE`), list the location in the poller's settings, or configure \
     the marketplace app";

/// What GHL says of a token, and what to do then.
fn not_kept(error: &ghl::Error) -> Status {
    use ghl::Error::{
        Duplicate, Forbidden, LocationInactive, NotFound, RecordForbidden, Refused, Throttled, TooLong, Unauthorized, Unavailable,
        UnknownOutcome, Unreadable,
    };
    let refused = |what: &str| Status::failed_precondition(format!("{what}; nothing was kept"));
    match error {
        Unauthorized { .. } => refused(
            "GHL refuses the token: it is not one, was revoked, or belongs to another location; make one in the location's Settings, Private \
             Integrations",
        ),
        Forbidden { .. } | RecordForbidden { .. } => refused(
            "GHL knows the token, but it may not read contacts; add the scope contacts.readonly to the private integration, and the others that \
             docs/locations.md names",
        ),
        LocationInactive { .. } => refused("GHL says that the location is not active; switch it on there"),
        NotFound { .. } => refused("GHL knows no such location; check the id"),
        Unavailable { .. } | Throttled { .. } => Status::unavailable(format!("{error}; nothing was kept, try again later")),
        UnknownOutcome { .. } | Duplicate { .. } | Refused { .. } | TooLong | Unreadable { .. } => {
            refused(&format!("GHL does not answer as it should: {error}; check the id and the token"))
        }
    }
}

/// Why a decision is not taken, and what to do then.
fn not_decided(location_id: &LocationId, error: eventlog::Error) -> Status {
    if let eventlog::Error::InState { state } = error {
        return refused(location_id, state);
    }
    if let eventlog::Error::NotFound = error {
        return Status::not_found("this location was never mirrored; `mirrorctl location list` lists those that were");
    }
    if let eventlog::Error::Misconfigured(what) = error {
        return Status::failed_precondition(what);
    }
    status_of_log(error)
}

fn refused(location_id: &LocationId, state: MirrorState) -> Status {
    Status::failed_precondition(match state {
        MirrorState::Purged => format!("location {location_id} was purged: nothing of it is ever mirrored into this log again"),
        MirrorState::Retired => format!("location {location_id} is retired; `mirrorctl location add` makes it active again"),
        MirrorState::Paused | MirrorState::Active => format!("location {location_id} is {state}"),
    })
}
