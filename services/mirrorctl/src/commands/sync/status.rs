//! `status`: how far each location is and what each service is doing.

use std::time::Duration;

use proto::admin::v1 as api;
use proto::control::v1 as control;
use serde_json::json;

use crate::cli::{Connection, Service};
use crate::output::table::{Table, printable};
use crate::output::{Output, format};
use crate::problem::Problem;

/// How long to wait for a service. One that does not answer is shown as unreachable.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn status(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut admin = connection.admin().await?;
    let overview = admin.get_overview(api::GetOverviewRequest {}).await?.into_inner();
    let wanted = connection.location_id();
    let locations: Vec<_> =
        overview.locations.iter().filter(|location| wanted.is_empty() || location.location_id == wanted).cloned().collect();
    if locations.is_empty() && !wanted.is_empty() {
        return Err(tonic::Status::not_found(format!("location {wanted} is not connected")).into());
    }
    let mut services = Vec::new();
    for service in Service::ALL {
        services.push((service, of_service(connection, service).await));
    }
    if output.json { as_lines(&locations, &services, output) } else { as_tables(&locations, &services, output) }
}

async fn of_service(connection: &Connection, service: Service) -> Result<control::StatusResponse, Problem> {
    let patience = PATIENCE.min(connection.timeout);
    let ask = async {
        let mut control = connection.control(service, patience).await?;
        Ok(control.status(control::StatusRequest {}).await?.into_inner())
    };
    let too_slow = |_| Err(Problem::from(tonic::Status::deadline_exceeded("no answer in time")));
    tokio::time::timeout(patience, ask).await.unwrap_or_else(too_slow)
}

type Answers = [(Service, Result<control::StatusResponse, Problem>)];

fn as_lines(locations: &[api::Location], services: &Answers, output: &mut Output<'_>) -> Result<(), Problem> {
    for location in locations {
        output.line(&json!({ "location": proto::json(location)? }))?;
    }
    for (service, answer) in services {
        let value = match answer {
            Ok(status) => proto::json(status)?,
            Err(problem) => json!({ "service": service.name(), "state": "unreachable", "problem": problem.to_string() }),
        };
        output.line(&json!({ "service": value }))?;
    }
    Ok(())
}

fn as_tables(locations: &[api::Location], services: &Answers, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut table = Table::new(&[
        "LOCATION",
        "STATE",
        ">CONTACTS",
        ">TASKS",
        ">NOTES",
        ">APPOINTMENTS",
        ">OBJECTS",
        ">BEHIND",
        ">PARKED",
        ">HEAD",
        ">RELAYED",
        ">SETTLED",
        "BACKFILL",
        "LAST EVENT",
    ]);
    let to_mend = to_mend(services);
    for location in locations {
        let alarming = to_mend.iter().any(|line| line.starts_with(&format!("location {}: ", location.location_id)));
        let cells = [
            location.location_id.clone(),
            state(location),
            location.contacts.to_string(),
            location.tasks.to_string(),
            location.notes.to_string(),
            location.appointments.to_string(),
            location.objects.to_string(),
            location.behind.to_string(),
            location.parked.to_string(),
            location.head.to_string(),
            location.relayed.to_string(),
            location.settled.to_string(),
            format::backfill(location.backfill.as_ref()),
            format::second(location.last_recorded_at.as_ref()),
        ];
        if alarming { table.alarming_row(cells) } else { table.row(cells) }
    }
    if locations.is_empty() {
        writeln!(output.out, "no location is connected yet")?;
    } else {
        table.write_styled(output.style, output.out)?;
    }
    for line in to_mend {
        writeln!(output.out, "{}", output.style.alarm(&printable(line)))?;
    }
    writeln!(output.out)?;
    let mut table = Table::new(&["SERVICE", "STATE", ">IN HAND", "UP", "READY"]);
    for (service, answer) in services {
        match answer {
            Ok(status) => table.row([
                service.name().to_owned(),
                format::enumerated(status.state().as_str_name(), "STATE_"),
                status.in_hand.to_string(),
                format::span(status.uptime_seconds),
                ready(status),
            ]),
            Err(problem) => {
                table.row([service.name().to_owned(), "unreachable".to_owned(), "-".to_owned(), "-".to_owned(), problem.to_string()]);
            }
        }
    }
    table.write(output.out)?;
    for (service, answer) in services {
        if let Ok(status) = answer {
            figures(*service, status, output)?;
        }
    }
    Ok(())
}

/// What is decided about a location; since when, where it is not simply mirrored.
fn state(location: &api::Location) -> String {
    match location.state.as_str() {
        "" | "active" => format::or_dash(&location.state),
        state => format!("{state} since {}", format::second(location.state_since.as_ref())),
    }
}

/// The poller's figure that says what a person must do: one line for each location or agency whose token is not accepted.
const TO_MEND: &str = "to_mend";

fn to_mend(services: &Answers) -> Vec<&str> {
    let answered = services.iter().filter_map(|(_, answer)| answer.as_ref().ok());
    answered.filter_map(|status| status.figures.get(TO_MEND)).flat_map(|lines| lines.lines()).collect()
}

fn ready(status: &control::StatusResponse) -> String {
    let missing: Vec<_> =
        status.parts.iter().filter(|part| !part.ready).map(|part| format!("no, {}: {}", part.name, part.problem)).collect();
    if missing.is_empty() { "yes".to_owned() } else { missing.join("; ") }
}

fn figures(service: Service, status: &control::StatusResponse, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut figures: Vec<_> = status.figures.iter().filter(|(name, value)| !value.is_empty() && *name != TO_MEND).collect();
    figures.sort();
    let figures: Vec<_> = figures.into_iter().map(|(name, value)| printable(&format!("{name} {value}"))).collect();
    if figures.is_empty() {
        return Ok(());
    }
    Ok(writeln!(output.out, "{}: {}", service.name(), figures.join(", "))?)
}
