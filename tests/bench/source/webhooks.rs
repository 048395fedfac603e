//! Webhooks taken: the signature verified, the hint durable, then the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bus::{Bus, Outgoing, Subject};
use domain::LocationId;
use sandbox::{Keys, Sandbox, Settings};
use serde_json::json;
use tests::pollers::Pollers;
use tokio::task::JoinSet;
use toml::toml;

use super::limits;
use crate::report::{Figure, Report, percentile};

const SENDERS: usize = 64;
const CONTACTS: usize = 1_000;
/// Webhooks a second while the latency is measured.
const PACE: u64 = 2_000;

#[derive(Clone, Copy)]
enum Signature {
    Ed25519,
    Rsa,
}

struct Signed {
    body: Vec<u8>,
    header: &'static str,
    signature: String,
}

pub(crate) async fn webhooks(report: &mut Report, count: usize, seconds: u64) -> anyhow::Result<()> {
    // Keys follow from the seed: another sandbox has the same.
    let other = Sandbox::start(Settings::default()).await?;
    let pem = tokio::task::spawn_blocking(move || other.rsa_public_pem()).await??;
    // Nobody looks at a contact meanwhile: hints stay where they are.
    let taking = toml! {
        bus = { hints = { bytes_max = 2000000000 } }
        hints = { debounce = "1h" }
        watch = { interval = "1h" }
        webhooks = { rsa_enabled = true, rsa_pems = [pem], location_per_second = 1000000, location_burst = 1000000 }
    };
    let settings = Settings { limits: limits(), ..Settings::default() };
    let pollers = Pollers::start("bench-webhooks", settings, 10, 1, &taking).await?;
    pollers.backfilled().await?;
    let reference = published(&pollers, count).await?;
    for (signature, throughput, p50, p99) in [
        (Signature::Ed25519, "webhooks accepted, Ed25519", "p50 at 2000/s, Ed25519", "p99 at 2000/s, Ed25519"),
        (Signature::Rsa, "webhooks accepted, RSA", "p50 at 2000/s, RSA", "p99 at 2000/s, RSA"),
    ] {
        let rate = accepted(&pollers, signature, count).await?;
        let conditions = format!(
            "{count} webhooks by {SENDERS} senders in this process, each verified and on JetStream before its answer; reference: bare JetStream publishes, as many at once"
        );
        report.add(Figure::new("source", throughput, rate, "webhooks/s", conditions).against(reference))?;
        let mut samples = paced(&pollers, signature, seconds).await?;
        let taken = samples.len();
        let conditions = format!(
            "{PACE}/s for {seconds} s, sent when due whether or not the others are answered; {taken} of {} were accepted, the others asked to come again",
            PACE * seconds
        );
        report.add(Figure::new("source", p50, percentile(&mut samples, 0.5), "ms", &conditions))?;
        report.add(Figure::new("source", p99, percentile(&mut samples, 0.99), "ms", &conditions))?;
    }
    pollers.stop().await
}

/// About one of so many contacts.
fn signed(keys: &Keys, signature: Signature, location_id: &str, label: &str, contacts: usize, number: usize) -> anyhow::Result<Signed> {
    let body = serde_json::to_vec(&json!({
        "type": "ContactUpdate", "locationId": location_id, "id": format!("contact-{}", number % contacts), "firstName": "Ada",
        "lastName": "Lovelace", "email": "ada@client.example", "tags": ["customer", "newsletter"], "customFields": [],
        "timestamp": "2030-01-01T00:00:00.000Z", "webhookId": format!("{label}-{number}"), "appId": "app", "versionId": "app",
    }))?;
    Ok(match signature {
        Signature::Ed25519 => Signed { header: "X-GHL-Signature", signature: keys.sign_ed25519(&body), body },
        Signature::Rsa => Signed { header: "x-wh-signature", signature: keys.sign_rsa(&body)?, body },
    })
}

/// Signed beforehand: GHL's work is not measured.
async fn prepared(pollers: &Pollers, signature: Signature, label: &str, count: usize) -> anyhow::Result<Vec<Signed>> {
    let (keys, location_id, label) = (pollers.sandbox.keys().clone(), pollers.sandbox.location_id().to_owned(), label.to_owned());
    tokio::task::spawn_blocking(move || (0..count).map(|number| signed(&keys, signature, &location_id, &label, CONTACTS, number)).collect())
        .await?
}

/// Whether it was accepted; a 429 asks to come again.
async fn send(http: &reqwest::Client, url: &str, webhook: Signed) -> anyhow::Result<bool> {
    let request = http.post(url).header("content-type", "application/json").header(webhook.header, webhook.signature);
    let answer = request.body(webhook.body).send().await?;
    anyhow::ensure!(answer.status().is_success() || answer.status() == 429, "answered {}", answer.status());
    Ok(answer.status().is_success())
}

/// A second, by so many senders that each wait for their answer.
async fn accepted(pollers: &Pollers, signature: Signature, count: usize) -> anyhow::Result<f64> {
    let label = match signature {
        Signature::Ed25519 => "fast-ed25519",
        Signature::Rsa => "fast-rsa",
    };
    let webhooks = prepared(pollers, signature, label, count).await?;
    let begin = Instant::now();
    let accepted = send_all(pollers, webhooks).await?;
    Ok(rate(accepted, begin.elapsed()))
}

/// Sends webhooks of so many contacts of a location as fast as they are answered, and tells how many were accepted.
pub(crate) async fn flood(pollers: &Pollers, location_id: &str, count: usize) -> anyhow::Result<usize> {
    let (keys, location_id) = (pollers.sandbox.keys().clone(), location_id.to_owned());
    let sign = move |number| signed(&keys, Signature::Ed25519, &location_id, "flood", count, number);
    let webhooks: Vec<Signed> = tokio::task::spawn_blocking(move || (0..count).map(sign).collect::<anyhow::Result<_>>()).await??;
    send_all(pollers, webhooks).await
}

async fn send_all(pollers: &Pollers, webhooks: Vec<Signed>) -> anyhow::Result<usize> {
    let mut batches: Vec<Vec<Signed>> = (0..SENDERS).map(|_| Vec::new()).collect();
    for (number, webhook) in webhooks.into_iter().enumerate() {
        batches.get_mut(number % SENDERS).context("a sender")?.push(webhook);
    }
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = pollers.webhook_url(0)?;
    let mut senders = JoinSet::new();
    for batch in batches {
        let (http, url) = (http.clone(), url.clone());
        senders.spawn(async move {
            let mut accepted = 0;
            for webhook in batch {
                accepted += usize::from(send(&http, &url, webhook).await?);
            }
            anyhow::Ok(accepted)
        });
    }
    let mut accepted = 0;
    while let Some(sent) = senders.join_next().await {
        accepted += sent??;
    }
    Ok(accepted)
}

/// Milliseconds from when each was due to its answer, of those that were accepted.
async fn paced(pollers: &Pollers, signature: Signature, seconds: u64) -> anyhow::Result<Vec<f64>> {
    let label = match signature {
        Signature::Ed25519 => "paced-ed25519",
        Signature::Rsa => "paced-rsa",
    };
    let webhooks = prepared(pollers, signature, label, usize::try_from(PACE * seconds)?).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = Arc::new(pollers.webhook_url(0)?);
    let begin = Instant::now();
    let mut sending = JoinSet::new();
    for (number, webhook) in webhooks.into_iter().enumerate() {
        let due = begin + Duration::from_secs_f64(f64::from(u32::try_from(number)?) / f64::from(u32::try_from(PACE)?));
        tokio::time::sleep_until(due.into()).await;
        let (http, url) = (http.clone(), Arc::clone(&url));
        sending.spawn(async move {
            let accepted = send(&http, &url, webhook).await?;
            anyhow::Ok(accepted.then(|| due.elapsed().as_secs_f64() * 1_000.0))
        });
    }
    let mut samples = Vec::new();
    while let Some(sent) = sending.join_next().await {
        samples.extend(sent??);
    }
    Ok(samples)
}

/// Bare publishes a second, as many at once: what a durable hint costs at least.
async fn published(pollers: &Pollers, count: usize) -> anyhow::Result<f64> {
    let bus = Bus::connect(&bus::Settings { url: pollers.nats_url(), ..bus::Settings::default() }).await?;
    let nowhere = LocationId::new("nowhere")?;
    let begin = Instant::now();
    let mut publishers = JoinSet::new();
    for publisher in 0..SENDERS {
        let (bus, nowhere) = (bus.clone(), nowhere.clone());
        publishers.spawn(async move {
            for number in (publisher..count).step_by(SENDERS) {
                let (id, said) = (Some(format!("bare-{number}")), number.to_string());
                bus.publish(Outgoing { subject: Subject::hints(&nowhere, None, &said), id, traceparent: None, body: vec![b'x'; 300] })
                    .await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(published) = publishers.join_next().await {
        published??;
    }
    Ok(rate(count, begin.elapsed()))
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
