//! Where a client takes its token from, and what it does when GHL refuses one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::SecretString;

use crate::Error;

/// A token, and which of its owner's tokens it is.
#[derive(Clone, Debug)]
pub struct Token {
    pub secret: SecretString,
    /// Grows with every token that follows another.
    pub generation: u64,
}

/// What is waited for, without a name for its type.
pub type Awaited<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gives tokens that are renewed, such as those of the marketplace app.
pub trait TokenSource: Send + Sync {
    /// The token to ask with now.
    ///
    /// # Errors
    /// `Unauthorized` when a person has to act first, `Unavailable` when it cannot be told now.
    fn current(&self) -> Awaited<'_, Result<Token, Error>>;

    /// The token that follows one that GHL refused; nothing when there is no other, or the refused one is too young to be worn out.
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
