//! Which service a span belongs to, where several live in one process: so that whoever looks at a trace sees poller, mapper, writer and
//! bridge apart, as if each were a process of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{Span as _, SpanId, TraceContextExt as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use tracing::Subscriber;
use tracing_subscriber::Layer;

/// The attribute with the service. Also a field that a span may set itself.
const SERVICE: &str = "mirror.service";

tokio::task_local! {
    static CURRENT: &'static str;
}

/// Attributes the spans of `work` to `service`, as far as the code they are in does not belong to a service itself. Does not reach into
/// tasks that `work` spawns: what those do is attributed by its code or by the span it is a child of.
pub async fn in_service<F: Future>(service: &'static str, work: F) -> F::Output {
    CURRENT.scope(service, work).await
}

/// The services of this process that have started. Part of the subscriber, so that a service can announce itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Services(Arc<Mutex<BTreeSet<&'static str>>>);

impl<S: Subscriber> Layer<S> for Services {}

impl Services {
    /// Announces a service to the subscriber of this process, where there is one.
    pub(crate) fn announce(service: &'static str) {
        tracing::dispatcher::get_default(|dispatch| {
            if let Some(Self(services)) = dispatch.downcast_ref() {
                services.lock().unwrap_or_else(PoisonError::into_inner).insert(service);
            }
        });
    }

    /// The service that `target` belongs to: services are crates of their own.
    fn of_target(&self, target: &str) -> Option<&'static str> {
        let krate = target.split("::").next().unwrap_or(target);
        self.named(krate)
    }

    fn named(&self, name: &str) -> Option<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| attribute.key.as_str() == key).and_then(|attribute| match &attribute.value {
        Value::String(text) => Some(text.as_str()),
        Value::Bool(_) | Value::I64(_) | Value::F64(_) | Value::Array(_) | _ => None,
    })
}

/// Marks each span with its service before it is passed on.
#[derive(Debug)]
pub(crate) struct Attributing<P> {
    inner: P,
    services: Services,
    /// The services of open spans, for their children.
    open: Mutex<HashMap<SpanId, &'static str>>,
}

impl<P> Attributing<P> {
    pub(crate) fn new(inner: P, services: Services) -> Self {
        Self { inner, services, open: Mutex::default() }
    }

    fn service(&self, span: &SpanData, parent: SpanId) -> Option<&'static str> {
        let said = text(&span.attributes, SERVICE).and_then(|service| self.services.named(service));
        said.or_else(|| text(&span.attributes, "target").and_then(|target| self.services.of_target(target)))
            .or_else(|| CURRENT.try_with(|service| *service).ok())
            .or_else(|| self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&parent).copied())
    }
}

impl<P: SpanProcessor> SpanProcessor for Attributing<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        let begun = span.exported_data();
        if let Some(service) = begun.and_then(|begun| self.service(&begun, context.span().span_context().span_id())) {
            span.set_attribute(KeyValue::new(SERVICE, service));
            self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(span.span_context().span_id(), service);
        }
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&span.span_context.span_id());
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Exports the spans of each service under a resource of its own.
pub(crate) struct PerService<E> {
    process: E,
    build: Box<dyn Fn() -> Option<E> + Send + Sync>,
    services: Services,
    exporters: Mutex<BTreeMap<&'static str, Arc<E>>>,
}

impl<E> std::fmt::Debug for PerService<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerService").finish_non_exhaustive()
    }
}

impl<E: SpanExporter> PerService<E> {
    /// `build` makes another exporter to the same endpoint.
    pub(crate) fn new(process: E, services: Services, build: impl Fn() -> Option<E> + Send + Sync + 'static) -> Self {
        Self { process, build: Box::new(build), services, exporters: Mutex::default() }
    }

    fn exporter(&self, service: &'static str) -> Option<Arc<E>> {
        let mut exporters = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exporter) = exporters.get(service) {
            return Some(Arc::clone(exporter));
        }
        let mut exporter = (self.build)()?;
        exporter.set_resource(&resource(service));
        let exporter = Arc::new(exporter);
        exporters.insert(service, Arc::clone(&exporter));
        Some(exporter)
    }
}

/// The resource of the spans of a service.
pub(crate) fn resource(service: &'static str) -> Resource {
    Resource::builder().with_service_name(service).with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build()
}

impl<E: SpanExporter> SpanExporter for PerService<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut groups: BTreeMap<Option<&'static str>, Vec<SpanData>> = BTreeMap::new();
        for span in batch {
            let service = text(&span.attributes, SERVICE).and_then(|service| self.services.named(service));
            groups.entry(service).or_default().push(span);
        }
        let mut outcome = Ok(());
        for (service, spans) in groups {
            let exported = match service.and_then(|service| self.exporter(service)) {
                Some(exporter) => exporter.export(spans).await,
                None => self.process.export(spans).await,
            };
            outcome = outcome.and(exported);
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let exporters = std::mem::take(&mut *self.exporters.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = exporters.into_values().map(|exporter| exporter.shutdown_with_timeout(timeout)).fold(Ok(()), Result::and);
        let process = self.process.shutdown_with_timeout(timeout);
        ended.and(process)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.process.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.process.set_resource(resource);
    }
}
