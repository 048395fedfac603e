//! Finds the locations that are mirrored: those of the settings, those that a person added, and those where the marketplace app is installed,
//! each as a person has decided since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::LocationId;
use eventlog::{Credential, CredentialOwner, CredentialState, Location, MirrorState, MirroredLocation};
use jiff::Timestamp;

use crate::app::candidate::{Access, Candidate, CandidateMap};
use crate::app::private::{Origin, PrivateToken};
use crate::config::LocationSettings;
use crate::context::Context;
use crate::look::connection::Connections;

/// Reads the locations again if a person, or another replica, has changed something about them.
///
/// # Errors
/// As `read`.
pub(crate) async fn follow(context: &Context, connections: &Connections) -> anyhow::Result<()> {
    let mut followed = context.candidates.followed.lock().await;
    let changes = context.log.mirrored().changes().await?;
    if *followed != Some(changes) {
        *followed = find(context, connections).await?.then_some(changes);
    }
    Ok(())
}

/// Reads the locations again: where the app is installed has its own way of changing.
///
/// # Errors
/// `eventlog::Error` when the database does not answer; a token file that cannot be read.
pub(crate) async fn read(context: &Context, connections: &Connections) -> anyhow::Result<()> {
    let mut followed = context.candidates.followed.lock().await;
    let changes = context.log.mirrored().changes().await?;
    *followed = find(context, connections).await?.then_some(changes);
    Ok(())
}

/// Begins the log of each new location. A location whose token is dead is included, so that people see what it lacks. Where there is a private
/// token, the app does not count. False when the token of one cannot be read, which holds up no other: it is to be tried again.
async fn find(context: &Context, connections: &Connections) -> anyhow::Result<bool> {
    let credentials = match &context.app {
        Some(app) => app.credentials.list().await?,
        None => Vec::new(),
    };
    context.problems.installations(&credentials);
    let (installed, uninstalled) = locations_of(&credentials);
    let listed: BTreeMap<&LocationId, &LocationSettings> = context.config.locations.iter().map(|listed| (&listed.id, listed)).collect();
    let seeds: Vec<&LocationId> = listed.keys().copied().chain(installed.iter().copied()).collect();
    context.log.mirrored().seed(&seeds).await?;
    let (before, is_first) = (context.candidates.all(), context.candidates.connected().is_none());
    let (mut candidates, mut retired, mut unreadable) = (CandidateMap::new(), BTreeSet::new(), BTreeMap::new());
    for mirrored in context.log.mirrored().list().await? {
        let is_paused = match mirrored.state {
            MirrorState::Active => false,
            MirrorState::Paused => true,
            MirrorState::Retired | MirrorState::Purged => {
                retired.insert(mirrored.location_id);
                continue;
            }
        };
        let id = &mirrored.location_id;
        let known = before.get(id);
        let access = match access(context, connections, &mirrored, known, listed.get(id).copied(), installed.contains(id)).await {
            Ok(Some(access)) => access,
            Ok(None) => continue,
            Err(error) if !is_of_location(&error, is_first) => return Err(error),
            Err(error) => {
                unreadable.insert(mirrored.location_id, format!("{error:#}"));
                continue;
            }
        };
        let location = match known {
            Some(known) => known.location.clone(),
            None => connect(context, id).await?,
        };
        candidates.insert(mirrored.location_id, Arc::new(Candidate { location, access, is_paused }));
    }
    retired.extend(uninstalled.into_iter().filter(|id| !candidates.contains_key(*id)).cloned());
    context.problems.with_private_tokens(candidates.iter().filter_map(|(id, candidate)| match candidate.access {
        Access::Private(_) => Some(id.clone()),
        Access::App(_) => None,
    }));
    show(context, &candidates);
    context.candidates.set(candidates, retired);
    let is_complete = unreadable.is_empty();
    context.problems.unreadable_tokens(unreadable);
    Ok(is_complete)
}

/// Whether only this location has no token now. A token file that cannot be read when the service starts is a mistake in its settings.
fn is_of_location(error: &anyhow::Error, is_first: bool) -> bool {
    use eventlog::Error::{Damaged, Locked, Misconfigured};
    match error.downcast_ref::<eventlog::Error>() {
        Some(error) => matches!(error, Locked { .. } | Damaged | Misconfigured(_)),
        None => !is_first,
    }
}

/// The locations where the app is installed, and those where it was.
fn locations_of(credentials: &[Credential]) -> (BTreeSet<&LocationId>, BTreeSet<&LocationId>) {
    let (mut installed, mut uninstalled) = (BTreeSet::new(), BTreeSet::new());
    for credential in credentials {
        if let CredentialOwner::Location(id) = &credential.owner {
            if credential.state == CredentialState::Retired { &mut uninstalled } else { &mut installed }.insert(id);
        }
    }
    (installed, uninstalled)
}

async fn connect(context: &Context, id: &LocationId) -> eventlog::Result<Location> {
    let location = context.log.locations().connect(id, Timestamp::now()).await?;
    tracing::info!(location.id = %id, "location is connected");
    Ok(location)
}

/// The access to a location: by the token that a person gave, by that of the settings, or by the app. None where there is none now.
async fn access(
    context: &Context,
    connections: &Connections,
    mirrored: &MirroredLocation,
    known: Option<&Arc<Candidate>>,
    listed: Option<&LocationSettings>,
    is_installed: bool,
) -> anyhow::Result<Option<Access>> {
    let id = &mirrored.location_id;
    let known = match known.map(|known| &known.access) {
        Some(Access::Private(token)) => Some(token),
        Some(Access::App(_)) | None => None,
    };
    if let Some(number) = mirrored.token {
        if let Some(token) = known.filter(|token| *token.origin() == Origin::Added && token.generation() >= number) {
            return Ok(Some(Access::Private(token.clone())));
        }
        // It may just have been destroyed.
        if let Some((number, secret)) = context.log.mirrored().token(id).await? {
            if let Some(token) = known.filter(|token| *token.origin() == Origin::Added) {
                token.replace(secret, number);
                try_again(connections, token);
                return Ok(Some(Access::Private(token.clone())));
            }
            return Ok(Some(Access::Private(PrivateToken::new(id.clone(), Origin::Added, secret, number))));
        }
    }
    if let Some(listed) = listed {
        if let Some(token) = known.filter(|token| *token.origin() != Origin::Added) {
            return Ok(Some(Access::Private(token.clone())));
        }
        let origin = listed.token_file.clone().map_or(Origin::Settings, Origin::File);
        return Ok(Some(Access::Private(PrivateToken::new(id.clone(), origin, listed.read_token()?, 0))));
    }
    Ok(context.app.as_ref().filter(|_| is_installed).map(|app| Access::App(Arc::clone(app))))
}

/// Ends the pause of a location whose token was refused: it has another one now.
fn try_again(connections: &Connections, token: &PrivateToken) {
    tracing::info!(location.id = %token.location_id(), "location has another token");
    if let Some(connection) = connections.get(token.location_id()) {
        connection.try_again();
    }
}

/// Shows which locations a person has paused.
fn show(context: &Context, candidates: &CandidateMap) {
    let paused: Vec<&str> = candidates.iter().filter(|(_, candidate)| candidate.is_paused).map(|(id, _)| id.as_str()).collect();
    context.chassis.control().set_figure("locations_paused", paused.join(" "));
}

/// Reads the files of tokens again and again until it is time to stop: what a person has changed there counts without a restart.
pub(crate) async fn reread_tokens(context: Arc<Context>, connections: Arc<Connections>, stop: Shutdown) -> anyhow::Result<()> {
    while sleep(&stop, *context.config.mirrored.token_files_interval).await {
        for candidate in context.candidates.all().values() {
            if let Access::Private(token) = &candidate.access
                && token.reread().await
            {
                try_again(&connections, token);
            }
        }
    }
    Ok(())
}

/// Removes the hints of locations that are not mirrored any more, again and again until it is time to stop. As long as somebody looks after one,
/// it waits for the next time.
pub(crate) async fn remove_hints(context: Arc<Context>, stop: Shutdown) -> anyhow::Result<()> {
    while sleep(&stop, *context.config.mirrored.retired_interval).await {
        let retired = context.candidates.retired();
        if !retired.is_empty()
            && let Err(error) = remove_hints_of(&context, &retired).await
        {
            tracing::warn!(%error, "hints of locations that are not mirrored any more could not be removed, trying again later");
        }
    }
    Ok(())
}

async fn remove_hints_of(context: &Context, retired: &BTreeSet<LocationId>) -> anyhow::Result<()> {
    for location_id in context.bus.locations_with_hints().await?.iter().filter(|id| retired.contains(id)) {
        if context.log.leases().holder_address(location_id).await?.is_some() {
            continue;
        }
        let hints = context.bus.remove_hints(location_id).await?;
        tracing::info!(location.id = %location_id, hints, "location is not mirrored any more, its hints are removed");
    }
    Ok(())
}
