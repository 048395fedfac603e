//! Traces as a collector receives them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chassis::{Chassis, TelemetrySettings, in_service, telemetry, trace};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value;
use settings::Period;
use tonic::transport::server::TcpIncoming;
use tracing::Instrument as _;

const REMOTE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// By the span's name: its trace id, and the service it came from.
type Spans = Arc<Mutex<BTreeMap<String, (String, String)>>>;

struct Collector(Spans);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        for of_resource in request.into_inner().resource_spans {
            let attributes = of_resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = attributes.into_iter().find(|attribute| attribute.key == "service.name");
            let service = match service.and_then(|service| service.value).and_then(|value| value.value) {
                Some(any_value::Value::StringValue(service)) => service,
                other => panic!("{other:?}"),
            };
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let trace_id = span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
                self.0.lock().unwrap().insert(span.name, (trace_id, service.clone()));
            }
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

/// The subscriber is the process's own, so all of it is one test.
#[tokio::test(flavor = "multi_thread")]
async fn services_of_one_process_are_told_apart_in_one_trace() {
    let (spans, listener) = (Spans::default(), tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap());
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collector = TraceServiceServer::new(Collector(Arc::clone(&spans)));
    tokio::spawn(tonic::transport::Server::builder().add_service(collector).serve_with_incoming(TcpIncoming::from(listener)));

    // The last spans are exported by the stop, long before the interval is over.
    let settings = TelemetrySettings { otlp_endpoint: endpoint, export_interval: Period::from_secs(600), ..TelemetrySettings::default() };
    let started = telemetry::start("process", &settings).unwrap();
    let services = [Chassis::new("poller"), Chassis::new("writer")];

    let fetch = tracing::info_span!(target: "poller::hints", "by its code");
    trace::set_parent(&fetch, Some(REMOTE));
    let child = fetch.in_scope(|| tracing::info_span!(target: "ghl", "by its parent"));
    let handed_on = child.in_scope(trace::traceparent);
    let write = tracing::info_span!(target: "writer", "across a wire");
    trace::set_parent(&write, handed_on.as_deref());
    tokio::spawn(async {}.instrument(write)).await.unwrap();
    in_service("writer", async { tracing::info_span!("by its task").in_scope(|| {}) }).await;
    tracing::info_span!("by its field", mirror.service = "poller").in_scope(|| {});
    tracing::info_span!("of nobody").in_scope(|| {});
    drop((fetch, child));
    started.stop().await;

    let spans = spans.lock().unwrap().clone();
    let service = |name: &str| spans.get(name).map(|(_, service)| service.as_str());
    assert_eq!(service("by its code"), Some("poller"));
    assert_eq!(service("by its parent"), Some("poller"));
    assert_eq!(service("across a wire"), Some("writer"));
    assert_eq!(service("by its task"), Some("writer"));
    assert_eq!(service("by its field"), Some("poller"));
    assert_eq!(service("of nobody"), Some("process"));
    for name in ["by its code", "by its parent", "across a wire"] {
        assert_eq!(spans.get(name).map(|(trace_id, _)| trace_id.as_str()), Some("0af7651916cd43dd8448eb211c80319c"), "{name}");
    }
    drop(services);
}

/// Runs itself as a program whose standard error is a file.
#[test]
fn log_lines_in_a_file_carry_no_colour_codes() {
    const PROGRAM: &str = "MIRROR_TEST_LOGS";
    if std::env::var_os(PROGRAM).is_some() {
        let settings = TelemetrySettings { trace_ids: false, ..TelemetrySettings::default() };
        let _telemetry = telemetry::start("test", &settings).unwrap();
        tracing::info_span!("outer", location.id = "loc").in_scope(|| tracing::info!(count = 3, "a line"));
        return;
    }
    let file = std::env::temp_dir().join(format!("telemetry-{}.log", std::process::id()));
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "telemetry::log_lines_in_a_file_carry_no_colour_codes", "--nocapture"])
        .env(PROGRAM, "1")
        .stderr(std::fs::File::create(&file).unwrap())
        .status();
    let lines = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(status.unwrap().success() && lines.contains("a line"), "{lines}");
    assert!(!lines.contains('\u{1b}'), "{lines:?}");
}
