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
/// At most `waiting_max` answers wait for the caller. `advice` says what to do once a service that stops is up again.
pub(crate) fn start<T, F>(
    permit: Option<OwnedSemaphorePermit>,
    stop: &Shutdown,
    waiting_max: usize,
    advice: &'static str,
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
            () = stop.cancelled() => Err(Status::unavailable(format!("the admin service is stopping; {advice}"))),
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

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_stream_that_the_service_ends_says_how_to_go_on() {
        let (stop, permits) = (Shutdown::new(), Arc::new(Semaphore::new(1)));
        let all_taken = permit(&permits, "all are taken").expect("the only one");
        let endless = |to: Sender<u64>| async move {
            to.send(Ok(7)).await.expect("somebody listens");
            std::future::pending().await
        };
        let mut answers = start(Some(all_taken), &stop, 1, "go on after the last number", endless);
        assert_eq!(answers.next().await.expect("an answer").expect("a number"), 7);
        assert_eq!(permit(&permits, "all are taken").expect_err("no more").message(), "all are taken");
        stop.cancel();
        let status = answers.next().await.expect("an answer").expect_err("the end");
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "the admin service is stopping; go on after the last number"));
        assert!(answers.next().await.is_none());
        assert_eq!(permits.available_permits(), 1);
    }
}
