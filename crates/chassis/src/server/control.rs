//! Pausing and draining over gRPC.

use std::sync::Arc;

use proto::control::v1 as api;
use tonic::{Request, Response, Status};

use crate::Chassis;
use crate::control::State;

/// The gRPC side.
pub(crate) struct ControlService(pub(crate) Arc<Chassis>);

#[tonic::async_trait]
impl api::control_server::Control for ControlService {
    async fn status(&self, _: Request<api::StatusRequest>) -> Result<Response<api::StatusResponse>, Status> {
        Ok(Response::new(self.0.control().status()))
    }

    async fn pause(&self, _: Request<api::PauseRequest>) -> Result<Response<api::PauseResponse>, Status> {
        let control = self.0.control();
        control.state.send_if_modified(|state| {
            let running = *state == State::Running;
            if running {
                *state = State::Paused;
            }
            running
        });
        tracing::info!(service = control.service, "paused");
        Ok(Response::new(api::PauseResponse { in_hand: *control.in_hand.borrow() }))
    }

    async fn resume(&self, _: Request<api::ResumeRequest>) -> Result<Response<api::ResumeResponse>, Status> {
        let control = self.0.control();
        if control.is_draining() {
            return Err(Status::failed_precondition("the service is draining and takes up no work any more; start it again"));
        }
        control.state.send_if_modified(|state| std::mem::replace(state, State::Running) != State::Running);
        tracing::info!(service = control.service, "resumed");
        Ok(Response::new(api::ResumeResponse {}))
    }

    async fn drain(&self, _: Request<api::DrainRequest>) -> Result<Response<api::DrainResponse>, Status> {
        let control = self.0.control();
        control.state.send_replace(State::Draining);
        tracing::info!(service = control.service, "draining");
        let mut in_hand = control.in_hand.subscribe();
        match in_hand.wait_for(|in_hand| *in_hand == 0).await {
            Ok(_) => Ok(Response::new(api::DrainResponse {})),
            Err(_) => Err(Status::unavailable("the service is stopping")),
        }
    }
}
