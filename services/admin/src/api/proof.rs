//! The calls of the proof API.

mod transfers;

use std::collections::BTreeSet;
use std::sync::Arc;

use chassis::Shutdown;
use domain::LocationId;
use eventlog::{Chain, Error, Locations, Verification, Verified};
use proof::{Checkpoint, PublicKey, extends};
use proto::proof::v1 as api;
use proto::proof::v1::verify_log_response::Step;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status, Streaming};

use self::transfers::Export;
use crate::api::stream::{self, AnswerStream, Sender};
use crate::api::{answers, request};
use crate::config::{Limits, ProofSettings};
use crate::sealer::Seal;
use crate::status::status_of_log;

pub(crate) struct Service {
    locations: Locations,
    chain: Chain,
    seal: Option<Seal>,
    settings: ProofSettings,
    limits: Limits,
    runs: Arc<Semaphore>,
    stop: Shutdown,
}

impl Service {
    pub(crate) fn new(
        locations: Locations,
        chain: Chain,
        seal: Option<Seal>,
        settings: ProofSettings,
        limits: Limits,
        stop: Shutdown,
    ) -> Self {
        let runs = Arc::new(Semaphore::new(settings.runs_max.get()));
        Self { locations, chain, seal, settings, limits, runs, stop }
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        stream::permit(&self.runs, "too many logs are being verified; try again when one is done")
    }

    fn run<T, F>(&self, permit: OwnedSemaphorePermit, work: impl FnOnce(Sender<T>) -> F) -> Response<AnswerStream<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        Response::new(stream::start(Some(permit), &self.stop, 16, "try again", work))
    }

    async fn checkpoints_of(&self, location_id: &LocationId) -> Result<Vec<Checkpoint>, Status> {
        let Some(seal) = &self.seal else { return Ok(Vec::new()) };
        seal.checkpoints_of(location_id).await.map_err(|error| Status::internal(format!("the checkpoints cannot be read: {error}")))
    }
}

#[tonic::async_trait]
impl api::proof_server::Proof for Service {
    type VerifyLogStream = AnswerStream<api::VerifyLogResponse>;

    async fn verify_log(&self, request: Request<api::VerifyLogRequest>) -> Result<Response<Self::VerifyLogStream>, Status> {
        let request = request.into_inner();
        let location_id = request::location(&self.locations, &request.location_id).await?;
        if request.positions.len() > self.settings.positions_max {
            return Err(Status::invalid_argument(format!("more than {} positions", self.settings.positions_max)));
        }
        let permit = self.permit()?;
        let checkpoints = self.checkpoints_of(&location_id).await?;
        let positions: BTreeSet<u64> = request.positions.into_iter().collect();
        let wanted = positions.iter().copied().chain(checkpoints.iter().map(|checkpoint| checkpoint.seq)).collect();
        let how = Verification { wanted, ..self.settings.verification() };
        let chain = self.chain.clone();
        let keys: Vec<_> = self.seal.iter().map(Seal::public_key).collect();
        Ok(self.run(permit, |steps| async move {
            let walked = walk(&chain, &location_id, &how, &steps).await?;
            // A caller that is gone needs no answer.
            drop(steps.send(Ok(judge(walked, &checkpoints, &keys, &positions))).await);
            Ok(())
        }))
    }

    async fn list_checkpoints(
        &self,
        request: Request<api::ListCheckpointsRequest>,
    ) -> Result<Response<api::ListCheckpointsResponse>, Status> {
        let request = request.into_inner();
        let location_id = request::location(&self.locations, &request.location_id).await?;
        let size = request::rows(request.page_size, &self.limits)?;
        let after = request::number_cursor(&request.page_token)?.unwrap_or(0);
        let seal = self.seal.as_ref();
        let seal = seal.ok_or_else(|| Status::failed_precondition("no checkpoints are kept; configure seal.key of the admin service"))?;
        let rows = self.checkpoints_of(&location_id).await?.into_iter().filter(|checkpoint| checkpoint.seq > after);
        let rows = rows.take(usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1)).collect();
        let (rows, next_page_token) = request::page(rows, size, |last: &Checkpoint| last.seq.to_string());
        let public_key = seal.public_key().to_pem().map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(api::ListCheckpointsResponse {
            checkpoints: rows.into_iter().map(checkpoint).collect(),
            next_page_token,
            public_key,
        }))
    }

    type ExportLogStream = AnswerStream<api::ExportLogResponse>;

    async fn export_log(&self, request: Request<api::ExportLogRequest>) -> Result<Response<Self::ExportLogStream>, Status> {
        let location_id = request::location(&self.locations, &request.into_inner().location_id).await?;
        let permit = self.permit()?;
        let checkpoints = self.checkpoints_of(&location_id).await?;
        let key = self.seal.as_ref().map(Seal::public_key);
        let export = Export { chain: self.chain.clone(), location_id, key, checkpoints, events: self.settings.export_events.get() };
        Ok(self.run(permit, |pieces| async move { export.send(&pieces).await }))
    }

    type ImportLogStream = AnswerStream<api::ImportLogResponse>;

    async fn import_log(&self, request: Request<Streaming<api::ImportLogRequest>>) -> Result<Response<Self::ImportLogStream>, Status> {
        let permit = self.permit()?;
        let chain = self.chain.clone();
        let limits = proof::Limits { record_bytes_max: self.settings.record_bytes_max.get(), ..proof::Limits::default() };
        Ok(self.run(permit, |steps| async move { transfers::import(&chain, request.into_inner(), limits, &steps).await }))
    }
}

enum Walked {
    Whole(Verified),
    Broken { seq: u64, problem: String },
}

/// Verifies the log and sends how far it is; progress that the caller does not take in time is left out.
async fn walk(
    chain: &Chain,
    location_id: &LocationId,
    how: &Verification,
    sender: &Sender<api::VerifyLogResponse>,
) -> Result<Walked, Status> {
    let progress = |seq, head| {
        let step = Some(Step::Progress(api::VerifyProgress { seq, head }));
        drop(sender.try_send(Ok(api::VerifyLogResponse { step })));
    };
    match chain.verify(location_id, how, progress).await {
        Ok(verified) => Ok(Walked::Whole(verified)),
        Err(Error::Corrupt { seq, problem, .. }) => Ok(Walked::Broken { seq, problem: problem.to_owned() }),
        Err(error) => Err(status_of_log(error)),
    }
}

/// The verdict: the log itself, then whether it extends the checkpoints.
fn judge(walked: Walked, checkpoints: &[Checkpoint], keys: &[PublicKey], positions: &BTreeSet<u64>) -> api::VerifyLogResponse {
    let broken = |seq, problem| Step::Broken(api::VerifyBroken { seq, problem });
    let step = match walked {
        Walked::Broken { seq, problem } => broken(seq, problem),
        Walked::Whole(verified) => match extends(verified.head, checkpoints, keys, |seq| verified.hashes.get(&seq).copied()) {
            Err(flaw) => broken(flaw.seq, flaw.kind.to_string()),
            Ok(()) => Step::Intact(api::VerifyIntact {
                head: verified.head,
                hash: verified.hash.to_vec(),
                checkpoints: u32::try_from(checkpoints.len()).unwrap_or(u32::MAX),
                hashes: hashes(&verified, positions),
            }),
        },
    };
    api::VerifyLogResponse { step: Some(step) }
}

fn hashes(verified: &Verified, positions: &BTreeSet<u64>) -> Vec<api::PositionHash> {
    let wanted = verified.hashes.iter().filter(|(seq, _)| positions.contains(seq));
    wanted.map(|(seq, hash)| api::PositionHash { seq: *seq, hash: hash.to_vec() }).collect()
}

fn checkpoint(from: Checkpoint) -> api::Checkpoint {
    api::Checkpoint {
        location_id: from.location_id.to_string(),
        seq: from.seq,
        hash: from.hash.to_vec(),
        sealed_at: Some(answers::at(from.sealed_at)),
        key_id: from.key_id,
        signature: from.signature.to_vec(),
    }
}
