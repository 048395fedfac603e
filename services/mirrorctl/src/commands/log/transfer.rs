//! `log export` and `log import`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use indicatif::ProgressBar;
use proto::proof::v1 as api;
use proto::proof::v1::import_log_response::Step;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::verify;
use crate::cli::{Connection, LogExportArgs, LogImportArgs};
use crate::output::{Output, progress};
use crate::problem::Problem;

/// The size of the pieces in which a file is sent.
const PIECE_BYTES: usize = 256 * 1024;
/// How many pieces may wait to be sent.
const PIECES_WAITING: usize = 4;

/// The file appears under its name only when it is complete.
pub(crate) async fn export(connection: &Connection, arguments: &LogExportArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let path = &arguments.output;
    if path.exists() {
        return Err(Problem::Usage(format!("{} already exists", path.display())));
    }
    let part = path.with_added_extension("part");
    let cannot = |error: std::io::Error| Problem::Usage(format!("cannot write {}: {error}", part.display()));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&part).map_err(cannot)?;
    let received = receive(connection, &mut file).await;
    let (head, bytes) = match received.and_then(|received| file.sync_all().map_err(cannot).map(|()| received)) {
        Ok(received) => received,
        Err(problem) => {
            // An incomplete file is of no use.
            drop(fs::remove_file(&part));
            return Err(problem);
        }
    };
    fs::rename(&part, path).map_err(cannot)?;
    if output.json {
        return output.line(&json!({ "file": path.display().to_string(), "events": head, "bytes": bytes }));
    }
    Ok(writeln!(output.out, "{}: {head} events in {bytes} bytes; `mirrorctl log verify {}` verifies them", path.display(), path.display())?)
}

async fn receive(connection: &Connection, file: &mut File) -> Result<(u64, u64), Problem> {
    let request = api::ExportLogRequest { location_id: connection.location_id() };
    let mut pieces = connection.without_deadline().proof().await?.export_log(request).await?.into_inner();
    let mut bar: Option<ProgressBar> = None;
    let (mut head, mut bytes) = (0, 0);
    while let Some(api::ExportLogResponse { piece, seq, head: end }) = pieces.message().await? {
        file.write_all(&piece)?;
        bar.get_or_insert_with(|| progress::bar(end)).set_position(seq);
        head = end;
        bytes += piece.len() as u64;
    }
    bar.inspect(ProgressBar::finish_and_clear);
    Ok((head, bytes))
}

/// Sends a file only after it was verified.
pub(crate) async fn import(connection: &Connection, arguments: &LogImportArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let path = &arguments.file;
    verify::by_file(path, &[], None, connection)?;
    let (pieces, waiting) = mpsc::channel(PIECES_WAITING);
    let sending = tokio::spawn(send(path.clone(), pieces));
    let mut steps = connection.without_deadline().proof().await?.import_log(ReceiverStream::new(waiting)).await?.into_inner();
    let mut bar: Option<ProgressBar> = None;
    let finished = loop {
        match steps.message().await?.and_then(|response| response.step) {
            Some(Step::Progress(at)) => bar.get_or_insert_with(|| progress::bar(at.head)).set_position(at.seq),
            Some(Step::Finished(finished)) => break finished,
            None => return Err(Status::unavailable("the service stopped before the end; nothing was imported").into()),
        }
    };
    bar.inspect(ProgressBar::finish_and_clear);
    // The service has received all of it.
    drop(sending);
    let (location_id, head, hash) = (finished.location_id, finished.head, hex::encode(finished.hash));
    if output.json {
        return output.line(&json!({ "locationId": location_id, "events": head, "hash": hash }));
    }
    Ok(writeln!(output.out, "{location_id}: {head} events imported, the last hash is {hash}")?)
}

/// An error while reading ends the import: the service then misses the end of the file and imports nothing.
async fn send(path: PathBuf, pieces: mpsc::Sender<api::ImportLogRequest>) -> std::io::Result<()> {
    let mut file = tokio::fs::File::open(&path).await?;
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        if (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).await? == 0 {
            return Ok(());
        }
        if pieces.send(api::ImportLogRequest { piece }).await.is_err() {
            return Ok(());
        }
    }
}
