//! Logs and traces of a process.

use std::fmt;
use std::io::IsTerminal as _;
use std::num::NonZeroUsize;
use std::time::Duration;

use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::attribution::{Attributing, PerService, Services, resource};

/// Logs and traces of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    pub log: LogFormat,
    /// Which lines are logged, as `info` or `info,writer=debug`.
    pub filter: String,
    /// Which spans are traced, in the same form.
    pub spans: String,
    /// Where traces go, OTLP over gRPC. The standard `OTEL_EXPORTER_OTLP_ENDPOINT` counts where this is empty; without both nothing
    /// is exported.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub otlp_endpoint: String,
    /// Whether trace ids are kept in the log and in messages even when nothing is exported.
    pub trace_ids: bool,
    /// How long an export may take, and how long the last one is waited for at the end.
    pub export_timeout: Period,
    /// How long spans are gathered before they are exported.
    pub export_interval: Period,
    /// Spans that wait for export at most; more are dropped.
    pub spans_max: NonZeroUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            log: LogFormat::Text,
            // The NATS client logs every attempt to connect; an outage of the bus is logged once, as a part that is not ready.
            filter: "info,async_nats=warn".to_owned(),
            spans: "info".to_owned(),
            otlp_endpoint: String::new(),
            trace_ids: true,
            export_timeout: Period::from_secs(5),
            export_interval: Period::from_secs(2),
            spans_max: const { NonZeroUsize::new(65_536).unwrap() },
        }
    }
}

impl Check for TelemetrySettings {
    fn check(&self, problems: &mut Problems) {
        for (key, filter) in [("filter", &self.filter), ("spans", &self.spans)] {
            problems.check(EnvFilter::try_new(filter).is_ok(), key, "must be a filter such as info,writer=debug");
        }
        let endpoint = self.otlp_endpoint.as_str();
        let is_http = endpoint.is_empty() || endpoint.starts_with("http://");
        problems.check(is_http, "otlp_endpoint", "must be http://host:port of a collector that takes OTLP over gRPC");
    }
}

impl TelemetrySettings {
    fn endpoint(&self) -> Option<String> {
        let standard = || std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok();
        Some(self.otlp_endpoint.clone()).filter(|endpoint| !endpoint.is_empty()).or_else(standard).filter(|endpoint| !endpoint.is_empty())
    }
}

/// Must be stopped at the end, so that the last spans are exported.
#[must_use]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    timeout: Duration,
}

/// Starts logging to standard error and, where asked for, tracing. To be called once in a process, inside the runtime and before any
/// service comes to life. `service` is the name for spans that belong to no service of the process.
///
/// # Errors
/// Says which setting cannot be used.
pub fn start(service: &'static str, settings: &TelemetrySettings) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(&settings.filter)?;
    let text = (settings.log == LogFormat::Text).then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .event_format(WithTraceId(Format::default()))
            .with_filter(filter.clone())
    });
    let json = (settings.log == LogFormat::Json).then(|| {
        let format = WithTraceId(Format::default().json().with_span_list(false));
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).fmt_fields(JsonFields::new()).event_format(format).with_filter(filter)
    });
    let endpoint = settings.endpoint();
    let services = Services::default();
    let provider = (endpoint.is_some() || settings.trace_ids).then(|| provider(service, settings, &services, endpoint)).transpose()?;
    let spans = match &provider {
        Some(provider) => {
            let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(service)).with_threads(false).with_location(false);
            Some(layer.with_target(true).with_tracked_inactivity(false).with_filter(EnvFilter::try_new(&settings.spans)?))
        }
        None => None,
    };
    tracing_subscriber::registry().with(services).with(text).with(json).with(spans).try_init()?;
    Ok(Telemetry { provider, timeout: *settings.export_timeout })
}

fn provider(
    service: &'static str,
    settings: &TelemetrySettings,
    services: &Services,
    endpoint: Option<String>,
) -> anyhow::Result<SdkTracerProvider> {
    let builder = SdkTracerProvider::builder().with_resource(resource(service));
    let Some(endpoint) = endpoint else { return Ok(builder.build()) };
    let (timeout, runtime) = (*settings.export_timeout, tokio::runtime::Handle::current());
    let exporter = move || SpanExporter::builder().with_tonic().with_endpoint(&endpoint).with_timeout(timeout).build();
    let process = exporter()?;
    // Spans are exported from a thread outside the runtime, in which connections live.
    let exporters = PerService::new(process, services.clone(), move || {
        let _in_runtime = runtime.enter();
        exporter().ok()
    });
    let batches =
        BatchConfigBuilder::default().with_max_queue_size(settings.spans_max.get()).with_scheduled_delay(*settings.export_interval).build();
    let batching = BatchSpanProcessor::builder(exporters).with_batch_config(batches).build();
    Ok(builder.with_span_processor(Attributing::new(batching, services.clone())).build())
}

impl Telemetry {
    /// Exports the remaining spans, for no longer than the export timeout.
    pub async fn stop(self) {
        let Self { provider: Some(provider), timeout } = self else { return };
        // The exporter's own thread needs this runtime, so waiting must not block the runtime.
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(timeout)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "not every span was exported");
        }
    }
}

/// Adds the trace id to each line.
struct WithTraceId<F>(F);

fn current_trace_id() -> Option<String> {
    let context = opentelemetry::Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| span.trace_id().to_string())
}

impl<S, N> FormatEvent<S, N> for WithTraceId<Format<Full>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(ctx, Writer::new(&mut line), event)?;
        match current_trace_id() {
            Some(trace_id) => writeln!(writer, "{} trace_id={trace_id}", line.trim_end()),
            None => writer.write_str(&line),
        }
    }
}

impl<S, N> FormatEvent<S, N> for WithTraceId<Format<Json>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(ctx, Writer::new(&mut line), event)?;
        match (current_trace_id(), line.strip_prefix('{')) {
            (Some(trace_id), Some(rest)) => write!(writer, "{{\"trace_id\":\"{trace_id}\",{rest}"),
            (Some(_) | None, _) => writer.write_str(&line),
        }
    }
}
