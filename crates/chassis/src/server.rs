//! The two servers of a service: HTTP and gRPC.

mod control;
mod guard;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use proto::control::v1::control_server::ControlServer;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use self::control::ControlService;
use self::guard::{Guard, with_token};
use crate::{Chassis, Shutdown};

/// Where a service listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// What the service itself serves.
    pub http: SocketAddr,
    /// What is for operators alone, `/livez`, `/readyz` and `/metrics` among it. Left out: on `http`, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ops: Option<SocketAddr>,
    /// Control, health and reflection.
    pub grpc: SocketAddr,
    /// The bearer token that every gRPC call but health needs.
    #[serde(serialize_with = "settings::hidden", default)]
    pub token: SecretString,
    /// How long a gRPC call may take until its answer begins. A shorter deadline of the caller counts.
    #[serde(default = "request_timeout")]
    pub request_timeout: Period,
    /// How long calls in hand and open streams may take to end after a request to stop.
    #[serde(with = "humantime_serde", default = "close_timeout")]
    pub close_timeout: Duration,
    /// gRPC calls of one connection at once.
    #[serde(default = "calls_per_connection_max")]
    pub calls_per_connection_max: NonZeroUsize,
}

fn request_timeout() -> Period {
    Period::from_secs(30)
}

fn close_timeout() -> Duration {
    Duration::from_secs(3)
}

fn calls_per_connection_max() -> NonZeroUsize {
    const { NonZeroUsize::new(128).unwrap() }
}

impl Check for ServerSettings {
    fn check(&self, problems: &mut Problems) {
        let is_given = !self.token.expose_secret().trim().is_empty();
        problems.check(is_given, "token", "must not be empty: without it nobody could be told from an operator");
        let differs = |address: SocketAddr| address != self.grpc || address.port() == 0;
        problems.check(differs(self.http), "http", "must be another address than grpc");
        problems.check(self.ops.is_none_or(differs), "ops", "must be another address than grpc");
    }
}

impl Chassis {
    /// Serves until `shutdown`: over HTTP the given router; on the operators' address the other one with `/livez`, `/readyz` and
    /// `/metrics`; over gRPC health, reflection (v1 and v1alpha), control and the given services. Calls in hand are finished, for no longer
    /// than the settings allow.
    ///
    /// # Errors
    /// Names the address that is taken.
    pub async fn serve(
        self: &Arc<Self>,
        settings: &ServerSettings,
        http: Router,
        ops: Router,
        grpc: Option<Routes>,
        file_descriptor_sets: &[&[u8]],
        shutdown: Shutdown,
    ) -> anyhow::Result<()> {
        let ops = ops.merge(self.ops());
        let (http, ops) = match settings.ops.filter(|address| *address != settings.http) {
            Some(address) => (http, Some((self.bind("ops", address).await?, ops))),
            None => (http.merge(ops), None),
        };
        let http_listener = self.bind("http", settings.http).await?;
        let grpc_listener = self.bind("grpc", settings.grpc).await?;
        tracing::info!(service = self.service(), http = %settings.http, grpc = %settings.grpc, "listening");
        let (reporter, health) = tonic_health::server::health_reporter();
        let routes = self.routes(grpc.unwrap_or_default(), file_descriptor_sets)?.add_service(health);
        let guard = Arc::new(Guard { chassis: Arc::clone(self), token: settings.token.clone(), longest: *settings.request_timeout });
        let routes = Routes::from(routes.into_axum_router().layer(axum::middleware::from_fn_with_state(guard, with_token)));
        let grpc = tonic::transport::Server::builder()
            .concurrency_limit_per_connection(settings.calls_per_connection_max.get())
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .add_routes(routes)
            .serve_with_incoming_shutdown(TcpIncoming::from(grpc_listener).with_nodelay(Some(true)), shutdown.clone().cancelled_owned());
        let http = served(http_listener, http, shutdown.clone());
        let ops = async {
            match ops {
                Some((listener, router)) => served(listener, router, shutdown.clone()).await,
                None => Ok(()),
            }
        };
        let health = async {
            self.report_health(reporter, &shutdown).await;
            Ok(())
        };
        let serving = async { tokio::try_join!(http, ops, async { grpc.await.context("the gRPC server") }, health) };
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(settings.close_timeout).await;
        };
        tokio::select! {
            served = serving => { served?; }
            () = overdue => tracing::debug!(service = self.service(), "connections that did not end in time are closed"),
        }
        Ok(())
    }

    async fn bind(&self, what: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
        TcpListener::bind(address).await.map_err(|error| {
            if error.kind() == std::io::ErrorKind::AddrInUse {
                anyhow::anyhow!("{}: {what} address {address} is taken", self.service())
            } else {
                anyhow::anyhow!("{}: cannot listen on {what} address {address}: {error}", self.service())
            }
        })
    }

    fn routes(self: &Arc<Self>, routes: Routes, sets: &[&[u8]]) -> anyhow::Result<Routes> {
        let control = ControlServer::new(ControlService(Arc::clone(self)));
        let describe = || {
            let builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
            sets.iter().fold(builder, |builder, set| builder.register_encoded_file_descriptor_set(set))
        };
        let (v1, v1alpha) = (describe().build_v1()?, describe().build_v1alpha()?);
        Ok(routes.add_service(control).add_service(v1).add_service(v1alpha))
    }

    fn ops(self: &Arc<Self>) -> Router {
        let (ready, metrics) = (Arc::clone(self), Arc::clone(self));
        Router::new()
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(async move || ready.readiness()))
            .route("/metrics", get(async move || shown(metrics.metrics())))
    }

    fn readiness(&self) -> (StatusCode, String) {
        let problems = self.control().problems();
        if problems.is_empty() {
            (StatusCode::OK, "ready\n".to_owned())
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n")
        }
    }

    /// Keeps the gRPC health service up to date.
    async fn report_health(&self, reporter: HealthReporter, shutdown: &Shutdown) {
        const INTERVAL: Duration = Duration::from_millis(500);
        loop {
            let serving = self.control().problems().is_empty();
            let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
            reporter.set_service_status("", status).await;
            reporter.set_service_status("mirror.control.v1.Control", status).await;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}

async fn served(listener: TcpListener, router: Router, shutdown: Shutdown) -> anyhow::Result<()> {
    let serving = axum::serve(tokio_nodelay(listener), router).with_graceful_shutdown(shutdown.cancelled_owned());
    serving.await.context("the HTTP server")
}

fn shown(metrics: Option<String>) -> axum::response::Response {
    match metrics {
        Some(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Sends answers at once, however small.
fn tokio_nodelay(listener: TcpListener) -> impl axum::serve::Listener<Io = tokio::net::TcpStream, Addr = SocketAddr> {
    use axum::serve::ListenerExt as _;
    listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
    })
}
