//! Starts both servers below a directory, prints their process ids, and holds them until this process ends.

use std::io::Write;
use std::path::PathBuf;

use embedded::{Nats, NatsSettings, Postgres, PostgresSettings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("usage: hold DIRECTORY")?);
    let postgres = Postgres::start(PostgresSettings { data: directory.join("postgres"), ..Default::default() }).await?;
    let nats = Nats::start(NatsSettings { data: directory.join("nats"), ..Default::default() }).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} {}", postgres.pid(), nats.pid())?;
    out.flush()?;
    drop(out);
    std::future::pending::<()>().await;
    Ok(())
}
