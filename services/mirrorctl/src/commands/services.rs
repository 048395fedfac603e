//! `pause`, `resume` and `drain`.

use std::time::Duration;

use proto::control::v1 as api;
use serde_json::json;
use tokio::time::Instant;
use tonic::Code;

use crate::cli::{Connection, DrainArgs, Service};
use crate::connection::Control;
use crate::output::Output;
use crate::problem::{Problem, ok_if_all};

pub(crate) async fn pause(connection: &Connection, services: &[Service], output: &mut Output<'_>) -> Result<(), Problem> {
    let pause = async |service: Service| {
        let mut control = connection.control(service, connection.timeout).await?;
        Ok(control.pause(api::PauseRequest {}).await?.into_inner().in_hand)
    };
    for_each(services, "paused", pause, output).await
}

pub(crate) async fn resume(connection: &Connection, services: &[Service], output: &mut Output<'_>) -> Result<(), Problem> {
    let resume = async |service: Service| {
        connection.control(service, connection.timeout).await?.resume(api::ResumeRequest {}).await?;
        Ok(0)
    };
    for_each(services, "running", resume, output).await
}

pub(crate) async fn drain(connection: &Connection, arguments: &DrainArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let drain = async |service: Service| {
        drained(connection.control(service, arguments.wait).await?, arguments.wait).await?;
        Ok(0)
    };
    for_each(&arguments.services, "drained", drain, output).await
}

/// Acts on each service, which answers how much it still has in hand, and shows what became of it. One that fails does not stop the others.
async fn for_each(
    services: &[Service],
    state: &str,
    act: impl AsyncFn(Service) -> Result<u64, Problem>,
    output: &mut Output<'_>,
) -> Result<(), Problem> {
    let mut failures = Vec::new();
    for service in services {
        let name = service.name();
        match act(*service).await {
            Ok(in_hand) if output.json => output.line(&json!({ "service": name, "state": state, "inHand": in_hand }))?,
            Ok(0) => writeln!(output.out, "{name}: {state}")?,
            Ok(in_hand) => writeln!(output.out, "{name}: {state}, {in_hand} still in hand")?,
            Err(problem) if services.len() == 1 => return Err(problem),
            Err(problem) => {
                if output.json {
                    output.line(&json!({ "service": name, "problem": problem.to_string() }))?;
                } else {
                    writeln!(output.out, "{name}: {problem}")?;
                }
                failures.push(problem);
            }
        }
    }
    ok_if_all(services.len(), &failures)
}

/// A service limits how long a call may take, so it may answer before it is drained; then it is asked again.
async fn drained(mut control: Control, wait: Duration) -> Result<(), Problem> {
    let end = Instant::now() + wait;
    loop {
        match control.drain(api::DrainRequest {}).await {
            Ok(_) => return Ok(()),
            Err(status) if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) && Instant::now() < end => {}
            Err(status) if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) => {
                let status =
                    tonic::Status::deadline_exceeded(format!("work is still in hand after {wait:?}; the service goes on draining"));
                return Err(status.into());
            }
            Err(status) => return Err(status.into()),
        }
    }
}
