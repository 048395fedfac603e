//! PostgreSQL, NATS and the services: whether each is reached, and in which version.

use std::future::Future;

use jiff::{SignedDuration, Timestamp};
use proto::control::v1::control_client::ControlClient;
use proto::control::v1::{StatusRequest, StatusResponse};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Connection as _, PgConnection, Row as _};
use tonic::Request;
use tonic::transport::Endpoint;

use crate::doctor::finding::{Finding, Findings, State};
use crate::doctor::source::clock;
use crate::failure::Failure;
use crate::installation::databases;
use crate::installation::secrets::Secrets;
use crate::settings::Settings;

const NOT_RUNNING: &str = "`standalone up` starts it";

/// Gives the address of the log's database where it is reached.
pub(super) async fn examine(
    settings: &Settings,
    secrets: &Secrets,
    is_running: bool,
    findings: &mut Findings,
) -> Result<Option<SecretString>, Failure> {
    let mut log = None;
    if is_running || !settings.postgres.is_embedded() {
        let databases = databases::of_running(settings, secrets)?;
        if database("event log", &databases.log, settings, findings).await? {
            log = Some(databases.log);
        }
        database("bridge", &databases.bridge, settings, findings).await?;
    } else {
        findings.add(Finding::new(State::Warning, "PostgreSQL", "does not run").cured_by(NOT_RUNNING))?;
    }
    if is_running || !settings.nats.is_embedded() {
        nats(settings, secrets, findings).await?;
    } else {
        findings.add(Finding::new(State::Warning, "NATS", "does not run").cured_by(NOT_RUNNING))?;
    }
    if !is_running {
        findings.add(Finding::new(State::Warning, "services", "do not run").cured_by("`standalone up` starts them"))?;
        return Ok(log);
    }
    let ports = settings.ports;
    for (name, port) in [
        ("poller", ports.poller_grpc),
        ("mapper", ports.mapper_grpc),
        ("writer", ports.writer_grpc),
        ("bridge", ports.bridge_grpc),
        ("admin", ports.admin_grpc),
    ] {
        let address = settings.address(port);
        let finding = match within(settings, status(&format!("http://{address}"), &secrets.control_token)).await {
            Ok(status) => of_service(name, &status),
            Err(problem) => Finding::new(State::Broken, name, format!("not reached at {address}: {problem}"))
                .cured_by("look at what `standalone up` wrote, and start it again"),
        };
        findings.add(finding)?;
    }
    Ok(log)
}

/// What was asked for, or in words why it did not come in time.
async fn within<T>(settings: &Settings, asked: impl Future<Output = anyhow::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(*settings.doctor.timeout, asked).await {
        Ok(answer) => answer.map_err(|error| format!("{error:#}")),
        Err(_) => Err("no answer in time (doctor.timeout)".to_owned()),
    }
}

/// Whether it is reached.
async fn database(name: &str, url: &SecretString, settings: &Settings, findings: &mut Findings) -> Result<bool, Failure> {
    let asked = within(settings, async {
        let mut connection = PgConnection::connect(url.expose_secret()).await?;
        let before = Timestamp::now();
        let now = "SELECT current_setting('server_version'), (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let row = sqlx::query(now).fetch_one(&mut connection).await?;
        let ahead = SignedDuration::from_millis(row.try_get::<i64, _>(1)? - before.as_millisecond());
        let version: String = row.try_get(0)?;
        connection.close().await?;
        Ok((version, ahead))
    });
    match asked.await {
        Ok((version, ahead)) => {
            findings.add(Finding::ok("PostgreSQL", format!("{version}, with the database of the {name}")))?;
            clock("the database's clock", ahead, settings, findings)?;
            Ok(true)
        }
        Err(problem) => {
            let cure = "start it, or put its address, user and password right in the settings";
            findings.add(
                Finding::new(State::Broken, "PostgreSQL", format!("the database of the {name} is not reached: {problem}")).cured_by(cure),
            )?;
            Ok(false)
        }
    }
}

async fn nats(settings: &Settings, secrets: &Secrets, findings: &mut Findings) -> Result<(), Failure> {
    let (url, token) = match settings.nats.is_embedded() {
        true => (format!("nats://127.0.0.1:{}", settings.ports.nats), secrets.nats_token.clone()),
        false => (settings.nats.url.clone(), settings.nats.token.expose_secret().to_owned()),
    };
    let asked = within(settings, async {
        let options = if token.is_empty() { async_nats::ConnectOptions::new() } else { async_nats::ConnectOptions::with_token(token) };
        let client = options.connection_timeout(*settings.doctor.timeout).connect(url).await?;
        let known = client.server_info();
        Ok((known.version, known.jetstream))
    });
    let finding = match asked.await {
        Ok((version, true)) => Finding::ok("NATS", format!("{version}, with JetStream")),
        Ok((version, false)) => {
            Finding::new(State::Broken, "NATS", format!("{version}, without JetStream")).cured_by("start nats-server with JetStream (-js)")
        }
        Err(problem) => Finding::new(State::Broken, "NATS", format!("not reached: {problem}"))
            .cured_by("start it, or put nats.url and nats.token right"),
    };
    findings.add(finding)
}

async fn status(address: &str, token: &str) -> anyhow::Result<StatusResponse> {
    let channel = Endpoint::from_shared(address.to_owned())?.connect().await?;
    let mut request = Request::new(StatusRequest {});
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    let status = ControlClient::new(channel).status(request).await;
    Ok(status.map_err(|status| anyhow::anyhow!("{}", status.message()))?.into_inner())
}

fn of_service(name: &'static str, status: &StatusResponse) -> Finding {
    let missing: Vec<String> =
        status.parts.iter().filter(|part| !part.ready).map(|part| format!("{}: {}", part.name, part.problem)).collect();
    if !missing.is_empty() {
        return Finding::new(State::Broken, name, format!("{}, not ready: {}", status.version, missing.join("; ")));
    }
    match status.figures.get("to_mend").filter(|to_mend| !to_mend.is_empty()) {
        Some(to_mend) => Finding::new(State::Warning, name, format!("{}: {to_mend}", status.version)),
        None => Finding::ok(name, status.version.clone()),
    }
}
