//! `log verify`: by the service, or from an export file alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use domain::Hash;
use indicatif::ProgressBar;
use proof::{Checkpoint, Limits, PublicKey, Reader, Unproved, extends, prove};
use proto::proof::v1 as api;
use proto::proof::v1::verify_log_response::Step;
use serde_json::json;
use tonic::Status;

use super::checkpoints::{checkpoints_and_key, hash, read_checkpoints, read_key};
use crate::cli::{Connection, LogVerifyArgs};
use crate::output::{Output, progress};
use crate::problem::Problem;

/// How often the bar is updated: updating it for each position would take longer than verifying.
const SHOWN_EVERY: u64 = 4_096;

/// A log that was verified.
pub(super) struct Verified {
    location_id: String,
    head: u64,
    hash: Hash,
    checkpoints: usize,
    /// The signatures were verified with the log's own key, which its maker could have chosen.
    key_is_its_own: bool,
}

pub(crate) async fn verify(connection: &Connection, arguments: &LogVerifyArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let given = arguments.checkpoints.as_deref().map(read_checkpoints).transpose()?.unwrap_or_default();
    let key = arguments.public_key.as_deref().map(read_key).transpose()?;
    let verified = match &arguments.export {
        Some(file) => by_file(file, &given, key.as_ref(), connection)?,
        None => by_service(connection, &given, key.as_ref()).await?,
    };
    if given.is_empty() && arguments.checkpoints.is_some() {
        return Err(Problem::Usage("the file of checkpoints is empty, which proves nothing".to_owned()));
    }
    let Verified { location_id, head, hash, checkpoints, key_is_its_own } = verified;
    let hash = hex::encode(hash);
    if output.json {
        return output.line(&json!({
            "locationId": location_id, "intact": true, "head": head, "hash": hash, "checkpoints": checkpoints, "publicKeyGiven": !key_is_its_own,
        }));
    }
    writeln!(output.out, "{location_id}: {head} events fit together, the last hash is {hash}")?;
    if checkpoints > 0 {
        writeln!(output.out, "the log extends {checkpoints} checkpoints")?;
        if key_is_its_own {
            writeln!(
                output.out,
                "their signatures were verified with the log's own key; --public-key verifies them with one that you kept"
            )?;
        }
    }
    Ok(())
}

fn unproved(unproved: Unproved) -> Problem {
    Problem::Unproved(unproved.to_string())
}

/// Verifies a file; needs neither the service nor the database.
pub(super) fn by_file(file: &Path, given: &[Checkpoint], key: Option<&PublicKey>, connection: &Connection) -> Result<Verified, Problem> {
    let input = File::open(file).map_err(|error| Problem::Usage(format!("cannot read {}: {error}", file.display())))?;
    let mut reader = Reader::open(input, Limits::default()).map_err(|refusal| unproved(refusal.into()))?;
    let location_id = reader.header().location_id.to_string();
    let named = connection.location_id();
    if !named.is_empty() && named != location_id {
        return Err(Problem::Usage(format!("{} is of location {location_id}, not of {named}", file.display())));
    }
    let mine = given.iter().filter(|given| given.location_id == reader.header().location_id).count();
    if mine == 0 && !given.is_empty() {
        return Err(Problem::Usage(format!("none of the checkpoints is of location {location_id}")));
    }
    let bar = progress::bar(reader.header().head);
    let proved = prove(&mut reader, given, key, |seq| {
        if seq % SHOWN_EVERY == 0 {
            bar.set_position(seq);
        }
    });
    bar.finish_and_clear();
    let proved = proved.map_err(unproved)?;
    Ok(Verified {
        location_id,
        head: proved.header.head,
        hash: proved.header.hash,
        checkpoints: proved.checkpoints,
        key_is_its_own: key.is_none(),
    })
}

async fn by_service(connection: &Connection, given: &[Checkpoint], key: Option<&PublicKey>) -> Result<Verified, Problem> {
    let location_id = location(connection, given)?;
    let mine: Vec<Checkpoint> =
        given.iter().filter(|given| given.location_id.as_str() == location_id || location_id.is_empty()).cloned().collect();
    let keys = match key {
        Some(key) => vec![*key],
        None if mine.is_empty() => Vec::new(),
        None => {
            let (_, pem) = checkpoints_and_key(&mut connection.proof().await?, &location_id).await?;
            vec![PublicKey::from_pem(&pem).map_err(|error| Status::internal(error.to_string()))?]
        }
    };
    let positions: BTreeSet<u64> = mine.iter().map(|checkpoint| checkpoint.seq).collect();
    let request = api::VerifyLogRequest { location_id: location_id.clone(), positions: positions.into_iter().collect() };
    let intact = verified_by_service(connection, request).await?;
    let malformed = || Status::internal("the service sent a malformed hash");
    let hashes = intact.hashes.iter().filter_map(|at| Some((at.seq, hash(&at.hash)?))).collect::<BTreeMap<u64, Hash>>();
    extends(intact.head, &mine, &keys, |seq| hashes.get(&seq).copied()).map_err(|flaw| Problem::Unproved(flaw.to_string()))?;
    Ok(Verified {
        location_id: if location_id.is_empty() { "the log".to_owned() } else { location_id },
        head: intact.head,
        hash: hash(&intact.hash).ok_or_else(malformed)?,
        checkpoints: mine.len() + usize::try_from(intact.checkpoints).unwrap_or(usize::MAX),
        key_is_its_own: key.is_none(),
    })
}

/// The location that is meant: the one that was named, or the only one among the checkpoints.
fn location(connection: &Connection, given: &[Checkpoint]) -> Result<String, Problem> {
    let named = connection.location_id();
    let of: BTreeSet<&str> = given.iter().map(|checkpoint| checkpoint.location_id.as_str()).collect();
    match (named.as_str(), of.len()) {
        (_, 0) => Ok(named),
        ("", 1) => Ok(of.into_iter().next().unwrap_or_default().to_owned()),
        ("", _) => Err(Problem::Usage("the checkpoints are of several locations; name one with --location".to_owned())),
        (named, _) if of.contains(named) => Ok(named.to_owned()),
        (named, _) => Err(Problem::Usage(format!("none of the checkpoints is of location {named}"))),
    }
}

async fn verified_by_service(connection: &Connection, request: api::VerifyLogRequest) -> Result<api::VerifyIntact, Problem> {
    let mut steps = connection.without_deadline().proof().await?.verify_log(request).await?.into_inner();
    let mut bar: Option<ProgressBar> = None;
    while let Some(response) = steps.message().await? {
        match response.step {
            Some(Step::Progress(at)) => bar.get_or_insert_with(|| progress::bar(at.head)).set_position(at.seq),
            Some(Step::Intact(intact)) => {
                bar.inspect(ProgressBar::finish_and_clear);
                return Ok(intact);
            }
            Some(Step::Broken(broken)) => return Err(Problem::Unproved(format!("position {}: {}", broken.seq, broken.problem))),
            None => {}
        }
    }
    Err(Status::unavailable("the service stopped before the end; verify again").into())
}
