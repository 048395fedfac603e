//! How the services are reached.

use std::time::Duration;

use anyhow::Context as _;
use proto::admin::v1::admin_client::AdminClient;
use proto::control::v1::control_client::ControlClient;
use proto::replay::v1::replay_client::ReplayClient;
use toml::Value;
use tonic::transport::Channel;

use super::{System, TOKEN};
use crate::grpc::WithToken;
use crate::wait::eventually;

impl System {
    /// # Errors
    /// Never: the token can be metadata.
    pub fn token(&self) -> anyhow::Result<WithToken> {
        WithToken::new(TOKEN)
    }

    /// The address of a service: `http` or `grpc`.
    ///
    /// # Errors
    /// When there is none.
    pub fn address(&self, service: &str, what: &str) -> anyhow::Result<String> {
        let server = self.tables.get(service).and_then(|table| table.get("server"));
        let address = server.and_then(|server| server.get(what)).and_then(Value::as_str).context("an address")?;
        Ok(format!("http://{address}"))
    }

    /// # Errors
    /// When the admin service cannot be reached.
    pub async fn admin(&self) -> anyhow::Result<AdminClient<tonic::service::interceptor::InterceptedService<Channel, WithToken>>> {
        Ok(AdminClient::with_interceptor(self.channel("admin").await?, WithToken::new(TOKEN)?))
    }

    /// # Errors
    /// When the admin service cannot be reached.
    pub async fn replay(&self) -> anyhow::Result<ReplayClient<tonic::service::interceptor::InterceptedService<Channel, WithToken>>> {
        Ok(ReplayClient::with_interceptor(self.channel("admin").await?, WithToken::new(TOKEN)?))
    }

    /// # Errors
    /// When the service cannot be reached.
    pub async fn control(
        &self,
        service: &str,
    ) -> anyhow::Result<ControlClient<tonic::service::interceptor::InterceptedService<Channel, WithToken>>> {
        Ok(ControlClient::with_interceptor(self.channel(service).await?, WithToken::new(TOKEN)?))
    }

    /// # Errors
    /// When the service cannot be reached in time.
    pub async fn channel(&self, service: &str) -> anyhow::Result<Channel> {
        let endpoint = Channel::from_shared(self.address(service, "grpc")?)?.timeout(Duration::from_secs(20));
        eventually("a gRPC server", async || endpoint.connect().await.map_err(|error| error.to_string())).await
    }
}
