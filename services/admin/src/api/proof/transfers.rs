//! Exporting a whole log as a file, and importing one.

use std::convert::Infallible;
use std::io::{self, Read};

use domain::LocationId;
use eventlog::{Chain, Error, ImportBatch, ImportBuffer};
use proof::{Checkpoint, Flaw, Header, Limits, PublicKey, Reader, Record, Unproved, Writer};
use proto::proof::v1 as api;
use proto::proof::v1::import_log_response::Step;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::api::stream::Sender;
use crate::status::status_of_log;

/// The longest piece of a file in one message.
const PIECE_BYTES: usize = 1024 * 1024;
/// How many bytes of events are stored at once.
const STORE_BYTES: usize = 4 * 1024 * 1024;
/// How many pieces may wait to be unpacked, and how many batches to be stored: they bound the memory of an import.
const PIECES_WAITING: usize = 8;
const BATCHES_WAITING: usize = 2;

type Outgoing = Sender<api::ExportLogResponse>;
type Steps = Sender<api::ImportLogResponse>;

/// An export of a location.
pub(crate) struct Export {
    pub(crate) chain: Chain,
    pub(crate) location_id: LocationId,
    pub(crate) key: Option<PublicKey>,
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// How many events are read, packed and sent at once.
    pub(crate) events: u64,
}

impl Export {
    /// Sends the file piece by piece, as fast as the caller takes it.
    pub(crate) async fn send(self, pieces: &Outgoing) -> Result<(), Status> {
        let header = self.chain.header(&self.location_id).await.map_err(status_of_log)?;
        let mut writer = Writer::begin(Vec::new(), &header).map_err(unwritten)?;
        if let Some(key) = &self.key {
            writer.key(key).map_err(unwritten)?;
        }
        for checkpoint in self.checkpoints.iter().filter(|checkpoint| checkpoint.seq <= header.head) {
            writer.checkpoint(checkpoint).map_err(unwritten)?;
        }
        let mut after = 0;
        while after < header.head {
            let through = header.head.min(after.saturating_add(self.events));
            let packed = self.chain.export(&self.location_id, (after, through), |link, hash| Ok(writer.event(link, hash)?)).await;
            packed.map_err(Failure::status)?;
            after = through;
            send(pieces, std::mem::take(writer.written()), after, header.head).await;
        }
        send(pieces, writer.finish().map_err(unwritten)?, header.head, header.head).await;
        Ok(())
    }
}

/// Whether the caller is gone is noticed elsewhere.
async fn send(pieces: &Outgoing, bytes: Vec<u8>, seq: u64, head: u64) {
    for piece in bytes.chunks(PIECE_BYTES) {
        drop(pieces.send(Ok(api::ExportLogResponse { piece: piece.to_vec(), seq, head })).await);
    }
}

/// What may go wrong while events are packed.
enum Failure {
    Log(Error),
    Packing(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Log(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Packing(error)
    }
}

impl Failure {
    fn status(self) -> Status {
        match self {
            Self::Log(error) => status_of_log(error),
            Self::Packing(error) => unwritten(error),
        }
    }
}

fn unwritten(error: io::Error) -> Status {
    Status::internal(format!("the export could not be packed: {error}"))
}

/// What is read from a file that is imported.
enum Arriving {
    Header(Box<Header>),
    Events(ImportBatch),
    End,
}

/// Imports a file that arrives piece by piece: all of it or nothing.
pub(crate) async fn import(chain: &Chain, pieces: Streaming<api::ImportLogRequest>, limits: Limits, steps: &Steps) -> Result<(), Status> {
    let (piece_in, piece_out) = mpsc::channel(PIECES_WAITING);
    let (arriving, arrived) = mpsc::channel(BATCHES_WAITING);
    let reading = tokio::task::spawn_blocking(move || read(Pieces::of(piece_out), limits, &arriving));
    let work = async { tokio::join!(reading, store(chain, arrived, steps)) };
    let (read, stored) = tokio::select! {
        done = work => done,
        never = pass_on(pieces, piece_in) => match never {},
    };
    let read = read.map_err(|_| Status::internal("the file could not be read"))?;
    let header = match (read, stored?) {
        (Err(unproved), _) => return Err(Status::invalid_argument(format!("nothing was imported: {unproved}"))),
        (Ok(()), Some(header)) => header,
        (Ok(()), None) => return Err(Status::internal("the import ended half way; nothing was imported")),
    };
    let imported = api::ImportFinished { location_id: header.location_id.to_string(), head: header.head, hash: header.hash.to_vec() };
    send_step(steps, Step::Finished(imported)).await;
    Ok(())
}

/// Whether the caller is gone is noticed elsewhere.
async fn send_step(steps: &Steps, step: Step) {
    drop(steps.send(Ok(api::ImportLogResponse { step: Some(step) })).await);
}

/// Passes on what arrives, and its end; then never returns, so that the work is waited for.
async fn pass_on(mut pieces: Streaming<api::ImportLogRequest>, on: mpsc::Sender<Vec<u8>>) -> Infallible {
    while let Ok(Some(request)) = pieces.message().await {
        if on.send(request.piece).await.is_err() {
            break;
        }
    }
    drop(on);
    std::future::pending().await
}

/// Unpacks and checks the file, on a thread of its own. Ends early when storing has ended.
fn read(pieces: Pieces, limits: Limits, arriving: &mpsc::Sender<Arriving>) -> Result<(), Unproved> {
    let mut reader = Reader::open(pieces, limits)?;
    let header = reader.header().clone();
    let mut arrivals = ImportBuffer::of(header.location_id.clone());
    if arriving.blocking_send(Arriving::Header(Box::new(header))).is_err() {
        return Ok(());
    }
    while let Some(record) = reader.record()? {
        let Record::Event(link, hash) = record else { continue };
        arrivals.push(&link, &hash).map_err(|problem| Flaw { seq: arrivals.seq() + 1, kind: problem.into() })?;
        if arrivals.bytes() >= STORE_BYTES && arriving.blocking_send(Arriving::Events(arrivals.take())).is_err() {
            return Ok(());
        }
    }
    if arriving.blocking_send(Arriving::Events(arrivals.take())).is_ok() {
        drop(arriving.blocking_send(Arriving::End));
    }
    Ok(())
}

/// Stores what was read, and returns its header; none when the file ended too early.
async fn store(chain: &Chain, mut arrived: mpsc::Receiver<Arriving>, steps: &Steps) -> Result<Option<Header>, Status> {
    let Some(Arriving::Header(header)) = arrived.recv().await else { return Ok(None) };
    let mut import = chain.import(&header).await.map_err(status_of_log)?;
    loop {
        match arrived.recv().await {
            Some(Arriving::Events(events)) => {
                let seq = events.seq();
                import = import.store(events).await.map_err(status_of_log)?;
                send_step(steps, Step::Progress(api::ImportProgress { seq, head: header.head })).await;
            }
            Some(Arriving::End) => {
                import.finish().await.map_err(status_of_log)?;
                return Ok(Some(*header));
            }
            Some(Arriving::Header(_)) | None => return Ok(None),
        }
    }
}

/// The pieces of a file as one reader.
struct Pieces {
    coming: mpsc::Receiver<Vec<u8>>,
    piece: io::Cursor<Vec<u8>>,
}

impl Pieces {
    fn of(coming: mpsc::Receiver<Vec<u8>>) -> Self {
        Self { coming, piece: io::Cursor::new(Vec::new()) }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            match self.coming.blocking_recv() {
                Some(piece) => self.piece = io::Cursor::new(piece),
                None => return Ok(0),
            }
        }
    }
}
