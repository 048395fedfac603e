//! HTTP and gRPC over loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chassis::{Chassis, ServerSettings, Shutdown};
use prometheus_client::metrics::counter::Counter;
use proto::control::v1 as control;
use proto::control::v1::control_client::ControlClient;
use settings::Period;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tonic::codegen::{Body, Bytes, StdError};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

const TOKEN: &str = "a token of the test";
const DEADLINE: Duration = Duration::from_secs(20);

struct Served {
    chassis: Arc<Chassis>,
    settings: ServerSettings,
    stop: Shutdown,
    serving: JoinHandle<anyhow::Result<()>>,
}

fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

fn settings() -> ServerSettings {
    ServerSettings {
        http: free(),
        ops: None,
        grpc: free(),
        token: TOKEN.into(),
        request_timeout: Period::from_secs(5),
        close_timeout: Duration::from_millis(300),
        calls_per_connection_max: 16.try_into().unwrap(),
    }
}

impl Served {
    fn start() -> Self {
        Self::start_with(settings())
    }

    fn start_with(settings: ServerSettings) -> Self {
        let (chassis, stop) = (Chassis::new("test"), Shutdown::new());
        let (serving, own, stopping) = (Arc::clone(&chassis), settings.clone(), stop.clone());
        let serving = tokio::spawn(async move { serving.serve(&own, axum::Router::new(), axum::Router::new(), None, &[], stopping).await });
        Self { chassis, settings, stop, serving }
    }

    async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.settings.grpc)).unwrap();
        until("the gRPC server listens", async || endpoint.connect().await.ok()).await
    }

    async fn control(&self) -> ControlClient<InterceptedService<Channel, impl tonic::service::Interceptor + Clone + use<>>> {
        ControlClient::with_interceptor(self.channel().await, signed)
    }

    async fn get(&self, path: &str) -> String {
        self.get_at(self.settings.http, path).await
    }

    async fn get_at(&self, address: SocketAddr, path: &str) -> String {
        until("the HTTP server listens", async || {
            let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
            stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            Some(answer)
        })
        .await
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.serving).await.unwrap().unwrap().unwrap();
    }
}

fn signed(mut request: Request<()>) -> Result<Request<()>, Status> {
    request.metadata_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    Ok(request)
}

async fn until<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let tries = async {
        loop {
            if let Some(done) = attempt().await {
                return done;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, tries).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

async fn health<T>(client: &mut HealthClient<T>) -> ServingStatus
where
    T: tonic::client::GrpcService<tonic::body::Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<StdError> + Send,
{
    let HealthCheckResponse { status } = client.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    ServingStatus::try_from(status).unwrap()
}

#[tokio::test]
async fn only_health_is_told_without_the_token() {
    let served = Served::start();
    let channel = served.channel().await;
    assert_eq!(health(&mut HealthClient::new(channel.clone())).await, ServingStatus::Serving);

    let refused = ControlClient::new(channel.clone()).status(control::StatusRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("authorization: Bearer"), "{refused}");
    for wrong in ["Bearer another token", "Bearer", TOKEN, "Basic YTpi"] {
        let mut request = Request::new(control::PauseRequest {});
        request.metadata_mut().insert("authorization", wrong.parse().unwrap());
        let refused = ControlClient::new(channel.clone()).pause(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{wrong}");
    }
    let list = tokio_stream::once(tonic_reflection::pb::v1::ServerReflectionRequest::default());
    let mut reflection = tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(channel);
    assert_eq!(reflection.server_reflection_info(list).await.unwrap_err().code(), Code::Unauthenticated);

    let status = served.control().await.status(control::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.service.as_str(), status.state()), ("test", control::State::Running), "nothing was paused");
    assert_eq!(status.figures.get("calls_without_token").map(String::as_str), Some("6"));
    served.stop().await;
}

macro_rules! listed_services {
    ($version:ident, $channel:expr) => {{
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let list = ServerReflectionRequest { host: String::new(), message_request: Some(MessageRequest::ListServices(String::new())) };
        let mut client = ServerReflectionClient::with_interceptor($channel, signed);
        let mut answers = client.server_reflection_info(tokio_stream::once(list)).await.unwrap().into_inner();
        match answers.message().await.unwrap().and_then(|answer| answer.message_response) {
            Some(MessageResponse::ListServicesResponse(list)) => list.service.into_iter().map(|service| service.name).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    }};
}

#[tokio::test]
async fn reflection_answers_in_both_versions() {
    let served = Served::start();
    let channel = served.channel().await;
    for names in [listed_services!(v1, channel.clone()), listed_services!(v1alpha, channel)] {
        assert!(names.iter().any(|name| name == "mirror.control.v1.Control"), "{names:?}");
        assert!(names.iter().any(|name| name == "grpc.health.v1.Health"), "{names:?}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_paused_service_holds_its_work_until_it_is_resumed() {
    let served = Served::start();
    let mut client = served.control().await;
    client.pause(control::PauseRequest {}).await.unwrap();
    client.pause(control::PauseRequest {}).await.unwrap();
    assert!(served.chassis.control().is_paused());
    let (chassis, stop) = (Arc::clone(&served.chassis), served.stop.clone());
    let working = tokio::spawn(async move { chassis.control().wait_while_paused(&stop).await });
    let status = client.status(control::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.state(), control::State::Paused);
    assert!(!working.is_finished());
    client.resume(control::ResumeRequest {}).await.unwrap();
    tokio::time::timeout(DEADLINE, working).await.unwrap().unwrap();
    served.stop().await;
}

#[tokio::test]
async fn a_drain_waits_for_work_in_hand_and_is_for_good() {
    let served = Served::start();
    let mut client = served.control().await;
    let in_hand = served.chassis.control().in_hand();
    let mut impatient = Request::new(control::DrainRequest {});
    impatient.set_timeout(Duration::from_millis(250));
    let late = client.drain(impatient).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late}");
    let status = client.status(control::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.state(), status.in_hand), (control::State::Draining, 1));
    drop(in_hand);
    client.drain(control::DrainRequest {}).await.unwrap();
    let refused = client.resume(control::ResumeRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(served.chassis.control().is_draining() && served.chassis.control().is_paused());
    served.stop().await;
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let served = Served::start();
    let mut client = HealthClient::new(served.channel().await);
    assert!(served.get("/readyz").await.contains("200 OK"));
    served.chassis.ready("log", Err("the database does not answer".to_owned()));
    let answer = served.get("/readyz").await;
    assert!(answer.contains("503") && answer.contains("log: the database does not answer"), "{answer}");
    assert!(served.get("/livez").await.contains("200 OK"), "a service that waits is alive");
    until("health says so", async || (health(&mut client).await == ServingStatus::NotServing).then_some(())).await;
    served.chassis.ready("log", Ok(()));
    until("health says so", async || (health(&mut client).await == ServingStatus::Serving).then_some(())).await;
    served.stop().await;
}

#[tokio::test]
async fn what_is_for_operators_is_not_on_the_public_address() {
    let ops = free();
    let served = Served::start_with(ServerSettings { ops: Some(ops), ..settings() });
    for path in ["/livez", "/readyz", "/metrics"] {
        assert!(served.get_at(ops, path).await.contains("200 OK"), "{path}");
        assert!(served.get(path).await.contains("404"), "{path}");
    }
    served.stop().await;
}

#[tokio::test]
async fn two_services_of_one_process_keep_their_metrics_apart() {
    let (one, other) = (Served::start(), Served::start());
    let counter: Counter = Counter::default();
    counter.inc();
    one.chassis.register(|registry| registry.register("things", "Things seen", counter.clone()));
    let (one_says, other_says) = (one.get("/metrics").await, other.get("/metrics").await);
    assert!(one_says.contains("mirror_things_total{service=\"test\"} 1"), "{one_says}");
    assert!(!other_says.contains("things") && other_says.trim_end().ends_with("# EOF"), "{other_says}");
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let settings = settings();
    let _taken = std::net::TcpListener::bind(settings.grpc).unwrap();
    let error =
        Chassis::new("test").serve(&settings, axum::Router::new(), axum::Router::new(), None, &[], Shutdown::new()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("test: grpc address {} is taken", settings.grpc));
}

#[tokio::test]
async fn an_open_stream_does_not_hold_up_the_stop() {
    let served = Served::start();
    let mut client = HealthClient::new(served.channel().await);
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert!(watch.next().await.is_some());
    served.stop().await;
}
