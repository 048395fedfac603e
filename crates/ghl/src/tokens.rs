//! Where a client takes its token from, and what it does when GHL refuses one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::SecretString;

use crate::Error;

/// A token, and its number among its owner's tokens.
#[derive(Clone, Debug)]
pub struct Token {
    pub secret: SecretString,
    /// Greater for every token that replaces another.
    pub generation: u64,
}

/// A boxed future.
pub type Awaited<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gives tokens that are renewed, such as those of the marketplace app.
pub trait TokenSource: Send + Sync {
    /// The token to ask with now.
    ///
    /// # Errors
    /// `Unauthorized` when a person has to act first, `Unavailable` when the token cannot be found out now.
    fn current(&self) -> Awaited<'_, Result<Token, Error>>;

    /// The token that replaces one that GHL refused; none when there is no other, or when the refused one is too new to have expired.
    ///
    /// # Errors
    /// As `current`.
    fn renewed(&self, refused: Token) -> Awaited<'_, Result<Option<Token>, Error>>;
}

/// A private integration token, which stays as it is, or one that is renewed.
#[derive(Clone)]
pub(crate) enum Tokens {
    Private(SecretString),
    Renewed(Arc<dyn TokenSource>),
}

impl Tokens {
    pub(crate) async fn current(&self) -> Result<Token, Error> {
        match self {
            Self::Private(secret) => Ok(Token { secret: secret.clone(), generation: 0 }),
            Self::Renewed(source) => source.current().await,
        }
    }

    pub(crate) async fn renewed(&self, refused: Token) -> Result<Option<Token>, Error> {
        match self {
            Self::Private(_) => Ok(None),
            Self::Renewed(source) => source.renewed(refused).await,
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Private(_) => "Private",
            Self::Renewed(_) => "Renewed",
        })
    }
}
