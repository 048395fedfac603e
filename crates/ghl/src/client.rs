//! The questions this project asks of one location, and the changes it can make there.

mod by_name;
mod contacts;
mod names;
mod records;
mod writes;

use std::fmt;
use std::sync::Arc;

use domain::LocationId;
use secrecy::SecretString;
use serde_json::Value;

pub use self::by_name::CallError;
pub use self::contacts::{Search, Window};
pub use self::records::{EventsOf, TaskSearch};
use crate::budget::{Budget, Lane, Spending};
use crate::http::Request;
use crate::operations::Operation;
use crate::tokens::{TokenSource, Tokens};
use crate::{Answer, Error, Transport};

/// Asks GHL about one location, with its token and within its allowance. Clones share the allowance.
///
/// Every call is made once: nothing is repeated here. A read that failed may be repeated as its [`Error`] says; a write only after
/// [`Error::Unavailable`] and [`Error::Throttled`], with which nothing was changed. After [`Error::UnknownOutcome`] look first.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    location_id: LocationId,
    tokens: Tokens,
    budget: Arc<Budget>,
    lane: Lane,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("location_id", &self.location_id).finish_non_exhaustive()
    }
}

impl Client {
    pub fn new(transport: Transport, location_id: LocationId, token: SecretString) -> Self {
        let budget = Arc::new(Budget::new(transport.rate().clone()));
        Self { transport, location_id, tokens: Tokens::Private(token), budget, lane: Lane::default() }
    }

    /// A client whose tokens are renewed. A call whose token is refused is made once more with the one that follows.
    pub fn with_tokens(transport: Transport, location_id: LocationId, tokens: Arc<dyn TokenSource>) -> Self {
        Self { tokens: Tokens::Renewed(tokens), ..Self::new(transport, location_id, SecretString::default()) }
    }

    /// The same client, asking on behalf of another lane.
    #[must_use]
    pub fn on(&self, lane: Lane) -> Self {
        Self { lane, ..self.clone() }
    }

    /// Where the allowance of the location stands.
    pub fn spending(&self) -> Spending {
        self.budget.spending()
    }

    pub fn location_id(&self) -> &LocationId {
        &self.location_id
    }

    async fn get(&self, operation: &'static Operation, path: &[&str]) -> Result<Answer<Value>, Error> {
        self.ask(Request { operation, path, query: Vec::new(), body: None }).await
    }

    async fn query(
        &self,
        operation: &'static Operation,
        path: &[&str],
        query: Vec<(&'static str, String)>,
    ) -> Result<Answer<Value>, Error> {
        self.ask(Request { operation, path, query, body: None }).await
    }

    async fn send(&self, operation: &'static Operation, path: &[&str], body: Value) -> Result<Answer<Value>, Error> {
        self.ask(Request { operation, path, query: Vec::new(), body: Some(body) }).await
    }

    async fn ask(&self, request: Request<'_>) -> Result<Answer<Value>, Error> {
        let token = self.tokens.current().await?;
        // Boxed, since it is part of every future that asks.
        let asked = Box::pin(self.transport.ask(&self.location_id, &token.secret, (&self.budget, self.lane), request.clone())).await;
        let Err(Error::Unauthorized { status: 401, .. }) = &asked else { return asked };
        // With a token that was refused nothing was done, so a write may be sent again, too.
        match self.tokens.renewed(token).await? {
            Some(token) => Box::pin(self.transport.ask(&self.location_id, &token.secret, (&self.budget, self.lane), request)).await,
            None => asked,
        }
    }
}
