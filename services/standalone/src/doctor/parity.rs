//! Some contacts of each location, read again by the running poller, within its budget, and compared with what the log knows.

use domain::{ContactId, LocationId};
use eventlog::EventLog;
use proto::source::v1::source_client::SourceClient;
use proto::source::v1::{RecordDifference, VerifySourceRequest};
use secrecy::SecretString;
use tonic::Request;

use crate::doctor::finding::{Finding, Findings, State};
use crate::failure::Failure;
use crate::installation::secrets::Secrets;
use crate::settings::Settings;

pub(super) async fn examine(settings: &Settings, secrets: &Secrets, log: SecretString, findings: &mut Findings) -> Result<(), Failure> {
    for location in &settings.locations {
        let compared = compare_some(settings, secrets, &log, &location.id);
        let finding = match tokio::time::timeout(*settings.doctor.compare_timeout, compared).await {
            Ok(Ok((0, _))) => Finding::new(State::Warning, "parity", format!("the log knows no contact of location {} yet", location.id))
                .cured_by("`mirrorctl status` shows how far the first reading is"),
            Ok(Ok((compared, differing))) if differing.is_empty() => {
                Finding::ok("parity", format!("{compared} contacts of location {} are in the log as GHL has them", location.id))
            }
            Ok(Ok((compared, differing))) => told(compared, &differing),
            Ok(Err(error)) => Finding::new(State::Warning, "parity", format!("location {} was not compared: {error:#}", location.id)),
            Err(_) => Finding::new(State::Warning, "parity", "was not compared in time (doctor.compare_timeout)").cured_by("ask again"),
        };
        findings.add(finding)?;
    }
    Ok(())
}

fn told(compared: u64, differing: &[RecordDifference]) -> Finding {
    let record = |found: &RecordDifference| format!("{} {} of contact {}", found.kind, found.record_id, found.contact_id);
    let records: Vec<String> = differing.iter().map(record).collect();
    let says = format!("of {compared} contacts, {} records differ: {}", records.len(), records.join(", "));
    let mut contacts: Vec<&str> = differing.iter().map(|found| found.contact_id.as_str()).collect();
    contacts.dedup();
    let named: String = contacts.iter().map(|contact_id| format!(" --contact {contact_id}")).collect();
    Finding::new(State::Warning, "parity", says).cured_by(format!("`mirrorctl resync{named} --follow` looks at them now"))
}

/// How many were compared, and the records that differ.
async fn compare_some(
    settings: &Settings,
    secrets: &Secrets,
    log: &SecretString,
    location_id: &LocationId,
) -> anyhow::Result<(u64, Vec<RecordDifference>)> {
    let log = EventLog::connect(&eventlog::Settings { url: log.clone(), ..eventlog::Settings::default() }).await?;
    let chance = format!("{:032x}", rand::random::<u128>());
    let contacts = log.known().contacts_by_chance(location_id, &chance, settings.doctor.contacts.get()).await?;
    let mut source = SourceClient::connect(format!("http://{}", settings.address(settings.ports.poller_grpc))).await?;
    let (mut compared, mut differing) = (0, Vec::new());
    for contact_id in contacts {
        differing.append(&mut compare(&mut source, secrets, location_id, &contact_id).await?);
        compared += 1;
    }
    Ok((compared, differing))
}

async fn compare(
    source: &mut SourceClient<tonic::transport::Channel>,
    secrets: &Secrets,
    location_id: &LocationId,
    contact_id: &ContactId,
) -> anyhow::Result<Vec<RecordDifference>> {
    let mut request = Request::new(VerifySourceRequest { location_id: location_id.to_string(), contact_id: contact_id.to_string() });
    request.metadata_mut().insert("authorization", format!("Bearer {}", secrets.control_token).parse()?);
    let in_words = |status: tonic::Status| anyhow::anyhow!("{}", status.message());
    let mut answers = source.verify_source(request).await.map_err(in_words)?.into_inner();
    let mut differing = Vec::new();
    while let Some(answer) = answers.message().await.map_err(in_words)? {
        differing.extend(answer.differences);
    }
    Ok(differing)
}
