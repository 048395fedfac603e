//! The admin service in a process of its own, whose memory is nobody else's, and what it takes to plan logs of different lengths.

use std::path::Path;

use embedded::{Nats, NatsSettings, free_port, scratch};
use proto::replay::v1 as api;
use proto::replay::v1::replay_client::ReplayClient;
use sqlx::Connection as _;
use tests::apart;
use tests::grpc::WithToken;
use tests::replays::{self, Client};
use tests::system::TOKEN;
use tests::wait::eventually;
use tokio::process::Child;
use toml::toml;
use tonic::transport::Channel;

use crate::path::peak_memory;
use crate::report::{Figure, Report};

/// From this size on the log is also planned at ten times its length.
const LARGE: usize = 1_000_000;

/// The admin service; ends with this.
pub(super) struct Admin {
    child: Child,
    pub(super) client: Client,
}

impl Admin {
    pub(super) async fn start(settings: &Path, address: String) -> anyhow::Result<Self> {
        let child = apart::start(&std::env::current_exe()?, "admin", settings)?;
        let endpoint = Channel::from_shared(address)?;
        let channel = eventually("the admin service", async || endpoint.connect().await.map_err(|error| error.to_string())).await?;
        Ok(Self { child, client: ReplayClient::with_interceptor(channel, WithToken::new(TOKEN)?) })
    }

    /// The most it ever held, in MiB.
    pub(super) fn peak(&self) -> anyhow::Result<f64> {
        let process = self.child.id().ok_or_else(|| anyhow::anyhow!("the admin service has ended"))?;
        peak_memory(&process.to_string())
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

pub(super) async fn measure(report: &mut Report, log_url: &str, size: usize) -> anyhow::Result<()> {
    let nats = Nats::start(NatsSettings { data: scratch("bench-replay-nats"), ..NatsSettings::default() }).await?;
    let shortest = planning(log_url, &nats.url(), size).await?;
    let conditions = format!(
        "{size} events, plain, every object missing, each action streamed to the caller; the admin service's process alone, by the kernel's count"
    );
    report.add(Figure::new("replay", "memory of planning", shortest, "MiB", conditions))?;
    let times: &[usize] = if size >= LARGE { &[4, 10] } else { &[4] };
    let mut length = 1;
    for &longer in times {
        repeat(log_url, size, length..longer).await?;
        length = longer;
        let peak = planning(log_url, &nats.url(), size * longer).await?;
        let conditions =
            format!("{} events, of which all but {size} are copies under other names made by SQL; reference: {size} events", size * longer);
        let metric = if longer == 4 { "memory of planning, 4 times as much" } else { "memory of planning, 10 times as much" };
        report.add(Figure::new("replay", metric, peak, "MiB", conditions).against(shortest))?;
    }
    nats.stop().await?;
    Ok(())
}

async fn planning(log_url: &str, nats_url: &str, size: usize) -> anyhow::Result<f64> {
    let (http, grpc) = (format!("127.0.0.1:{}", free_port()?), format!("127.0.0.1:{}", free_port()?));
    let (address, ops) = (format!("http://{grpc}"), http.clone());
    let table = toml! {
        server = { http = http, ops = ops, grpc = grpc, token = TOKEN }
        log = { url = log_url }
        bus = { url = nats_url }
        bridge = { key = "a-key-that-nobody-asks-for" }
        telemetry = { filter = "warn" }
    };
    let file = scratch("bench-replay-admin").join("admin.toml");
    std::fs::write(&file, table.to_string())?;
    let mut admin = Admin::start(&file, address).await?;
    let planned = replays::plan(&mut admin.client, api::Selection::default()).await?;
    let events = planned.totals.map(|totals| totals.events);
    anyhow::ensure!(events == Some(u64::try_from(size)?), "{events:?} events were planned");
    let peak = admin.peak()?;
    admin.stop().await?;
    Ok(peak)
}

/// Appends copies of the first events under other names, past the chain: planning does not look at it.
async fn repeat(url: &str, size: usize, times: std::ops::Range<usize>) -> anyhow::Result<()> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    for time in times {
        sqlx::query(
            "INSERT INTO events SELECT location_id, seq + $1, epoch, gen_random_uuid(), $2 || contact_id, record_kind, $2 || record_id, type, \
             occurred_at, recorded_at, cause, traceparent, key_id, payload, hash FROM events WHERE location_id = 'bench' AND seq <= $3",
        )
        .bind(i64::try_from(time * size)?)
        .bind(time.to_string())
        .bind(i64::try_from(size)?)
        .execute(&mut connection)
        .await?;
        sqlx::query("UPDATE log_head SET seq = seq + $1 WHERE location_id = 'bench'")
            .bind(i64::try_from(size)?)
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    Ok(())
}
