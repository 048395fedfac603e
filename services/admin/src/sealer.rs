//! Signs the head of each log from time to time, after verifying that the log extends what was signed before.

mod checkpoints;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::LocationId;
use eventlog::{Chain, Locations, Verification};
use jiff::Timestamp;
use proof::{BEGINNING, Checkpoint, PublicKey, SigningKey};
use secrecy::ExposeSecret;

use self::checkpoints::Checkpoints;
use crate::config::SealSettings;

/// The logs that could not be proved when they were last to be sealed. Cheap to clone; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Proofs(Arc<Mutex<Option<BTreeMap<LocationId, Unproved>>>>);

/// A log that does not extend what was sealed, or could not be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unproved {
    /// When that was first noticed.
    pub(crate) since: Timestamp,
    pub(crate) problem: String,
}

impl Proofs {
    /// None before the first round is over.
    pub(crate) fn unproved(&self) -> Option<BTreeMap<LocationId, Unproved>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, unproved: BTreeMap<LocationId, Unproved>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(unproved);
    }
}

/// The key to sign with, and where checkpoints are kept.
#[derive(Clone)]
pub(crate) struct Seal {
    key: Arc<SigningKey>,
    pub(crate) checkpoints: Checkpoints,
}

impl Seal {
    /// None where no key is configured.
    pub(crate) fn from_settings(settings: &SealSettings) -> anyhow::Result<Option<Self>> {
        let pem = match (&settings.key_file, settings.key.expose_secret()) {
            (None, "") => return Ok(None),
            (None, pem) => pem.to_owned(),
            (Some(file), _) => std::fs::read_to_string(file).with_context(|| format!("seal.key_file {}", file.display()))?,
        };
        let key = SigningKey::from_pem(&pem).context("seal.key")?;
        let directory = &settings.directory;
        let checkpoints = Checkpoints::open(directory, &key.public()).with_context(|| format!("seal.directory {}", directory.display()))?;
        Ok(Some(Self { key: Arc::new(key), checkpoints }))
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    /// The checkpoints of a location, read without holding up other work.
    pub(crate) async fn checkpoints_of(&self, location_id: &LocationId) -> std::io::Result<Vec<Checkpoint>> {
        let (checkpoints, location_id) = (self.checkpoints.clone(), location_id.clone());
        tokio::task::spawn_blocking(move || checkpoints.of(&location_id)).await.map_err(std::io::Error::other)?
    }
}

/// Seals every location at once, and then again after each interval. A log that does not extend its last checkpoint is not sealed any
/// more, and every attempt logs an error.
pub(crate) async fn run(
    locations: Locations,
    chain: Chain,
    seal: Seal,
    how: Verification,
    proofs: Proofs,
    interval: Duration,
    stop: Shutdown,
) -> anyhow::Result<()> {
    tracing::info!(key_id = seal.public_key().id(), "checkpoints are signed");
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = seal_all(&locations, &chain, &seal, &how, &proofs) => {}
        }
        if !sleep(&stop, interval).await {
            return Ok(());
        }
    }
}

async fn seal_all(locations: &Locations, chain: &Chain, seal: &Seal, how: &Verification, proofs: &Proofs) {
    let locations = match locations.list().await {
        Ok(locations) => locations,
        Err(error) => return tracing::warn!(%error, "the locations to seal cannot be read"),
    };
    let (known, mut unproved) = (proofs.unproved().unwrap_or_default(), BTreeMap::new());
    for location in locations.into_iter().filter(|location| location.head > 0) {
        let location_id = location.location_id;
        let Err(error) = seal_one(chain, seal, how, &location_id, location.head).await else { continue };
        let (problem, before) = (format!("{error:#}"), known.get(&location_id));
        tracing::error!(location.id = %location_id, error = problem, "the log was not sealed");
        // A database that is away says nothing about the log.
        let now = if error.downcast_ref().is_some_and(eventlog::Error::is_transient) {
            before.cloned()
        } else {
            Some(Unproved { since: before.map_or_else(Timestamp::now, |before| before.since), problem })
        };
        unproved.extend(now.map(|now| (location_id, now)));
    }
    proofs.note(unproved);
}

async fn seal_one(chain: &Chain, seal: &Seal, how: &Verification, location_id: &LocationId, head: u64) -> anyhow::Result<()> {
    let last = seal.checkpoints_of(location_id).await.context("checkpoints")?.into_iter().next_back();
    let last = last.filter(|last| last.key_id == seal.public_key().id());
    let beginning = match last {
        // There is none, or another key signed it: the whole log is verified.
        None => (0, BEGINNING),
        Some(last) => {
            anyhow::ensure!(last.is_signed_by(&seal.public_key()), "the last checkpoint was changed, position {}", last.seq);
            if last.seq == head {
                return Ok(());
            }
            (last.seq, last.hash)
        }
    };
    let verified = chain.verify(location_id, &Verification { after: beginning, ..how.clone() }, |_, _| ()).await?;
    let checkpoint = Checkpoint::sign(&seal.key, location_id.clone(), verified.head, verified.hash, Timestamp::now());
    let checkpoints = seal.checkpoints.clone();
    if tokio::task::spawn_blocking(move || checkpoints.append(&checkpoint)).await?.context("the checkpoint file")? {
        tracing::info!(location.id = %location_id, event.seq = verified.head, "sealed");
    }
    Ok(())
}
