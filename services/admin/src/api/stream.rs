//! Answers that come as a stream.

use std::sync::Arc;

use chassis::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

pub(crate) type AnswerStream<T> = ReceiverStream<Result<T, Status>>;
pub(crate) type Sender<T> = mpsc::Sender<Result<T, Status>>;

/// A permit for one of a limited number of long runs; `refusal` is the message when all are in use.
pub(crate) fn permit(among: &Arc<Semaphore>, refusal: &'static str) -> Result<OwnedSemaphorePermit, Status> {
    Arc::clone(among).try_acquire_owned().map_err(|_| Status::resource_exhausted(refusal))
}

/// Answers by a stream until the work is done, nobody listens any more, or the service stops; then the permit is given back.
/// At most `waiting_max` answers wait for the caller.
pub(crate) fn start<T, F>(
    permit: Option<OwnedSemaphorePermit>,
    stop: &Shutdown,
    waiting_max: usize,
    work: impl FnOnce(Sender<T>) -> F,
) -> AnswerStream<T>
where
    T: Send + 'static,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(waiting_max);
    let (work, stop) = (work(sender.clone()), stop.clone());
    tokio::spawn(async move {
        let outcome = tokio::select! {
            () = stop.cancelled() => Err(Status::unavailable("the admin service is stopping; try again")),
            () = sender.closed() => Ok(()),
            outcome = work => outcome,
        };
        if let Err(status) = outcome {
            // A caller that is gone needs no answer.
            drop(sender.send(Err(status)).await);
        }
        drop(permit);
    });
    ReceiverStream::new(receiver)
}
