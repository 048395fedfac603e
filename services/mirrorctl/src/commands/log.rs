//! `log`: proof that the log is what was written.

mod transfer;
mod verify;

use std::fs;
use std::path::Path;

use domain::{Hash, LocationId};
use jiff::Timestamp;
use proof::{Checkpoint, PublicKey};
use proto::proof::v1 as api;
use tonic::Status;

use super::Output;
use crate::cli::{Connection, LogCommand};
use crate::link::Proof;
use crate::problem::Problem;
use crate::table::Table;

pub(crate) async fn execute(connection: &Connection, command: LogCommand, output: &mut Output<'_>) -> Result<(), Problem> {
    match command {
        LogCommand::Verify(arguments) => verify::verify(connection, &arguments, output).await,
        LogCommand::Checkpoints => checkpoints(connection, output).await,
        LogCommand::Export(arguments) => transfer::export(connection, &arguments, output).await,
        LogCommand::Import(arguments) => transfer::import(connection, &arguments, output).await,
        LogCommand::Key => key(connection, output).await,
    }
}

/// With `--json` exactly the lines that `--checkpoints` reads.
async fn checkpoints(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let (checkpoints, _) = held(&mut connection.proof().await?, &connection.location_id()).await?;
    if output.json {
        return checkpoints.iter().try_for_each(|checkpoint| output.line(&serde_json::json!(checkpoint)));
    }
    if checkpoints.is_empty() {
        return Ok(writeln!(output.out, "nothing was sealed yet")?);
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
async fn key(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let (_, pem) = held(&mut connection.proof().await?, &connection.location_id()).await?;
    if output.json { output.line(&serde_json::json!({ "publicKey": pem })) } else { Ok(write!(output.out, "{pem}")?) }
}

/// The checkpoints that the service keeps, and the public key as PEM.
async fn held(proof: &mut Proof, location_id: &str) -> Result<(Vec<Checkpoint>, String), Problem> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let request = api::ListCheckpointsRequest { location_id: location_id.to_owned(), page_size: 0, page_token: token };
        let page = proof.list_checkpoints(request).await?.into_inner();
        for checkpoint in page.checkpoints {
            all.push(read(checkpoint).ok_or_else(|| Status::internal("the service gave a checkpoint that is none"))?);
        }
        token = page.next_page_token;
        if token.is_empty() {
            return Ok((all, page.public_key));
        }
    }
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

fn hash(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok()
}

fn read_file(path: &Path) -> Result<String, Problem> {
    fs::read_to_string(path).map_err(|error| Problem::Usage(format!("cannot read {}: {error}", path.display())))
}

fn read_checkpoints(path: &Path) -> Result<Vec<Checkpoint>, Problem> {
    let text = read_file(path)?;
    proof::read_checkpoints(&text).map_err(|line| Problem::Usage(format!("{}: line {line} is no checkpoint", path.display())))
}

fn read_key(path: &Path) -> Result<PublicKey, Problem> {
    PublicKey::from_pem(&read_file(path)?).map_err(|error| Problem::Usage(format!("{}: {error}", path.display())))
}
