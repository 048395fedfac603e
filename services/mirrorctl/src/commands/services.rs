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

/// Shows what became of each service. A failure is shown and does not stop the others.
struct Report<'a, 'b> {
    output: &'a mut Output<'b>,
    requested: usize,
    failures: Vec<Problem>,
}

impl<'a, 'b> Report<'a, 'b> {
    fn new(services: &[Service], output: &'a mut Output<'b>) -> Self {
        Self { output, requested: services.len(), failures: Vec::new() }
    }

    fn add(&mut self, service: Service, state: &str, outcome: Result<u64, Problem>) -> Result<(), Problem> {
        let name = service.name();
        match outcome {
            Ok(in_hand) if self.output.json => self.output.line(&json!({ "service": name, "state": state, "inHand": in_hand }))?,
            Ok(0) => writeln!(self.output.out, "{name}: {state}")?,
            Ok(in_hand) => writeln!(self.output.out, "{name}: {state}, {in_hand} still in hand")?,
            Err(problem) if self.requested == 1 => return Err(problem),
            Err(problem) => {
                if self.output.json {
                    self.output.line(&json!({ "service": name, "problem": problem.to_string() }))?;
                } else {
                    writeln!(self.output.out, "{name}: {problem}")?;
                }
                self.failures.push(problem);
            }
        }
        Ok(())
    }

    fn end(self) -> Result<(), Problem> {
        ok_if_all(self.requested, &self.failures)
    }
}

pub(crate) async fn pause(connection: &Connection, services: &[Service], output: &mut Output<'_>) -> Result<(), Problem> {
    let mut report = Report::new(services, output);
    for service in services {
        let outcome = match connection.control(*service, connection.timeout).await {
            Ok(mut control) => control.pause(api::PauseRequest {}).await.map(|answer| answer.into_inner().in_hand).map_err(Problem::from),
            Err(problem) => Err(problem),
        };
        report.add(*service, "paused", outcome)?;
    }
    report.end()
}

pub(crate) async fn resume(connection: &Connection, services: &[Service], output: &mut Output<'_>) -> Result<(), Problem> {
    let mut report = Report::new(services, output);
    for service in services {
        let outcome = match connection.control(*service, connection.timeout).await {
            Ok(mut control) => control.resume(api::ResumeRequest {}).await.map(|_| 0).map_err(Problem::from),
            Err(problem) => Err(problem),
        };
        report.add(*service, "running", outcome)?;
    }
    report.end()
}

pub(crate) async fn drain(connection: &Connection, arguments: &DrainArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut report = Report::new(&arguments.services, output);
    for service in &arguments.services {
        let outcome = match connection.control(*service, arguments.wait).await {
            Ok(control) => drained(control, arguments.wait).await.map(|()| 0),
            Err(problem) => Err(problem),
        };
        report.add(*service, "drained", outcome)?;
    }
    report.end()
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
