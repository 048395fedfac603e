//! Connections to the services; every call carries the token, the name of who asks, and usually a deadline.

use std::error::Error as _;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use proto::admin::v1::admin_client::AdminClient;
use proto::alerts::v1::alerts_client::AlertsClient;
use proto::audit::v1::audit_client::AuditClient;
use proto::control::v1::control_client::ControlClient;
use proto::erasure::v1::erasure_client::ErasureClient;
use proto::proof::v1::proof_client::ProofClient;
use proto::replay::v1::replay_client::ReplayClient;
use proto::source::v1::source_client::SourceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::cli::{Connection, Service};
use crate::problem::Problem;

/// How long a connection may be silent before it is pinged, and how long the answer may take: this is how a watch notices a dead network.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The largest answer about a contact that is accepted.
const CONTACT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The ASCII characters that metadata cannot carry as they are.
const WHO_ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Adds the token and who asks to every call, and the deadline, so that the service stops working when nobody waits any more.
#[derive(Clone)]
pub(crate) struct Signed {
    who: MetadataValue<Ascii>,
    token: Option<MetadataValue<Ascii>>,
    deadline: Option<Duration>,
}

impl Interceptor for Signed {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("x-mirror-who", self.who.clone());
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline);
        }
        Ok(request)
    }
}

pub(crate) type Admin = AdminClient<InterceptedService<Channel, Signed>>;
pub(crate) type Alerts = AlertsClient<InterceptedService<Channel, Signed>>;
pub(crate) type Proof = ProofClient<InterceptedService<Channel, Signed>>;
pub(crate) type Audit = AuditClient<InterceptedService<Channel, Signed>>;
pub(crate) type Erasure = ErasureClient<InterceptedService<Channel, Signed>>;
pub(crate) type Replay = ReplayClient<InterceptedService<Channel, Signed>>;
pub(crate) type Control = ControlClient<InterceptedService<Channel, Signed>>;
pub(crate) type Source = SourceClient<InterceptedService<Channel, Signed>>;

impl Connection {
    /// For streams and long runs, which take as long as they take.
    pub(crate) fn without_deadline(&self) -> Self {
        Self { has_deadline: false, ..self.clone() }
    }

    pub(crate) async fn admin(&self) -> Result<Admin, Problem> {
        let (channel, signed) = self.admin_api().await?;
        Ok(AdminClient::with_interceptor(channel, signed))
    }

    pub(crate) async fn alerts(&self) -> Result<Alerts, Problem> {
        let (channel, signed) = self.admin_api().await?;
        Ok(AlertsClient::with_interceptor(channel, signed))
    }

    pub(crate) async fn audit(&self) -> Result<Audit, Problem> {
        let (channel, signed) = self.admin_api().await?;
        Ok(AuditClient::with_interceptor(channel, signed).max_decoding_message_size(CONTACT_BYTES_MAX))
    }

    pub(crate) async fn erasure(&self) -> Result<Erasure, Problem> {
        let (channel, signed) = self.admin_api().await?;
        Ok(ErasureClient::with_interceptor(channel, signed))
    }

    pub(crate) async fn proof(&self) -> Result<Proof, Problem> {
        let (channel, signed) = self.admin_api().await?;
        Ok(ProofClient::with_interceptor(channel, signed))
    }

    pub(crate) async fn replay(&self) -> Result<Replay, Problem> {
        let (channel, signed) = self.admin_api().await?;
        Ok(ReplayClient::with_interceptor(channel, signed))
    }

    async fn admin_api(&self) -> Result<(Channel, Signed), Problem> {
        Ok((self.channel("the admin API", &self.endpoint).await?, self.signed(self.deadline())?))
    }

    /// What the poller knows of GHL.
    pub(crate) async fn source(&self) -> Result<Source, Problem> {
        let channel = self.channel("the poller", &self.control.control_poller).await?;
        Ok(SourceClient::with_interceptor(channel, self.signed(self.deadline())?))
    }

    pub(crate) async fn control(&self, service: Service, deadline: Duration) -> Result<Control, Problem> {
        let channel = self.channel(service.name(), self.control_address(service)).await?;
        Ok(ControlClient::with_interceptor(channel, self.signed(Some(deadline))?))
    }

    fn deadline(&self) -> Option<Duration> {
        self.has_deadline.then_some(self.timeout)
    }

    pub(crate) fn location_id(&self) -> String {
        self.location.clone()
    }

    /// Who asks: the name that was given, or the user's.
    pub(crate) fn who(&self) -> String {
        let user = || ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
        let who = if self.who.is_empty() { user() } else { self.who.clone() };
        if who.is_empty() { "operator".to_owned() } else { who }
    }

    fn control_address(&self, service: Service) -> &str {
        match service {
            Service::Poller => &self.control.control_poller,
            Service::Mapper => &self.control.control_mapper,
            Service::Writer => &self.control.control_writer,
            Service::Bridge => &self.control.control_bridge,
        }
    }

    fn signed(&self, deadline: Option<Duration>) -> Result<Signed, Problem> {
        let token = match &self.token_file {
            Some(file) if self.token.is_empty() => std::fs::read_to_string(file)
                .map_err(|error| Problem::Usage(format!("cannot read the token file {}: {error}", file.display())))?,
            Some(_) | None => self.token.clone(),
        };
        let token = match token.trim() {
            "" => None,
            token => {
                let unusable = |_| Problem::Usage("the token contains invalid characters".to_owned());
                Some(format!("Bearer {token}").parse().map_err(unusable)?)
            }
        };
        let who = utf8_percent_encode(&self.who(), WHO_ENCODED).to_string();
        let who = who.parse().map_err(|_| Problem::Usage("--who cannot be sent as a name".to_owned()))?;
        Ok(Signed { who, token, deadline })
    }

    async fn channel(&self, service: &'static str, address: &str) -> Result<Channel, Problem> {
        let not_an_address = |_| Problem::Usage(format!("{address} is not an address such as http://127.0.0.1:7142"));
        let endpoint = Endpoint::from_shared(address.to_owned()).map_err(not_an_address)?;
        if !matches!(endpoint.uri().scheme_str(), Some("http" | "https")) {
            return Err(Problem::Usage(format!("{address} is not an address such as http://127.0.0.1:7142")));
        }
        let endpoint = self.with_tls(endpoint)?;
        let endpoint = endpoint.connect_timeout(self.timeout).http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
        endpoint.connect().await.map_err(|error| {
            let mut why = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                why = cause.to_string();
                source = cause.source();
            }
            Problem::Unreachable { service, address: address.to_owned(), why }
        })
    }

    fn with_tls(&self, endpoint: Endpoint) -> Result<Endpoint, Problem> {
        if endpoint.uri().scheme_str() != Some("https") {
            return Ok(endpoint);
        }
        let Some(file) = &self.ca_file else {
            return Err(Problem::Usage("an https address needs --ca-file, the certificate authority of the services".to_owned()));
        };
        let pem = std::fs::read(file).map_err(|error| Problem::Usage(format!("cannot read {}: {error}", file.display())))?;
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
        endpoint.tls_config(tls).map_err(|error| Problem::Usage(format!("{}: {error}", file.display())))
    }
}
