//! `log checkpoints` and `log key`.

use std::path::Path;

use domain::{Hash, LocationId};
use jiff::Timestamp;
use proof::{Checkpoint, PublicKey};
use proto::proof::v1 as api;
use tonic::Status;

use crate::cli::Connection;
use crate::commands::files::text_of;
use crate::commands::pages::Pages;
use crate::connection::Proof;
use crate::output::Output;
use crate::output::table::Table;
use crate::problem::Problem;

/// With `--json`, exactly the lines that `--checkpoints` reads.
pub(super) async fn checkpoints(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let (checkpoints, _) = checkpoints_and_key(&mut connection.proof().await?, &connection.location_id()).await?;
    if output.json {
        return checkpoints.iter().try_for_each(|checkpoint| output.line(&serde_json::json!(checkpoint)));
    }
    if checkpoints.is_empty() {
        return Ok(writeln!(output.out, "there is no checkpoint yet")?);
    }
    let mut table = Table::new(&["LOCATION", ">POSITION", "SEALED", "KEY", "HASH"]);
    for checkpoint in checkpoints {
        table.row([
            checkpoint.location_id.to_string(),
            checkpoint.seq.to_string(),
            format!("{:.0}", checkpoint.sealed_at),
            checkpoint.key_id,
            hex::encode(checkpoint.hash),
        ]);
    }
    Ok(table.write(output.out)?)
}

/// The public key, as a file that `--public-key` reads.
pub(super) async fn key(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let (_, pem) = checkpoints_and_key(&mut connection.proof().await?, &connection.location_id()).await?;
    if output.json { output.line(&serde_json::json!({ "publicKey": pem })) } else { Ok(write!(output.out, "{pem}")?) }
}

/// The service's checkpoints, and its public key as PEM.
pub(super) async fn checkpoints_and_key(proof: &mut Proof, location_id: &str) -> Result<(Vec<Checkpoint>, String), Problem> {
    let (mut all, mut pages, mut public_key) = (Vec::new(), Pages::new(0, true), String::new());
    while let Some((page_size, page_token)) = pages.next() {
        let request = api::ListCheckpointsRequest { location_id: location_id.to_owned(), page_size, page_token };
        let page = proof.list_checkpoints(request).await?.into_inner();
        for checkpoint in pages.take(page.checkpoints, page.next_page_token) {
            all.push(read(checkpoint).ok_or_else(|| Status::internal("the service sent a malformed checkpoint"))?);
        }
        public_key = page.public_key;
    }
    Ok((all, public_key))
}

fn read(from: api::Checkpoint) -> Option<Checkpoint> {
    let at = from.sealed_at?;
    Some(Checkpoint {
        location_id: LocationId::new(from.location_id).ok()?,
        seq: from.seq,
        hash: hash(&from.hash)?,
        sealed_at: Timestamp::new(at.seconds, at.nanos).ok()?,
        key_id: from.key_id,
        signature: from.signature.try_into().ok()?,
    })
}

pub(super) fn hash(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok()
}

pub(super) fn read_checkpoints(path: &Path) -> Result<Vec<Checkpoint>, Problem> {
    let text = text_of(path)?;
    proof::read_checkpoints(&text).map_err(|line| Problem::Usage(format!("{}: line {line} is not a checkpoint", path.display())))
}

pub(super) fn read_key(path: &Path) -> Result<PublicKey, Problem> {
    PublicKey::from_pem(&text_of(path)?).map_err(|error| Problem::Usage(format!("{}: {error}", path.display())))
}
