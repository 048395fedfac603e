//! Private integration tokens, which a person may replace while the poller runs: in their file, or with `mirrorctl location add`.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use domain::LocationId;
use ghl::{Awaited, Error, Token, TokenSource};
use secrecy::{ExposeSecret, SecretString};

/// The token of one location. Clones are the same.
#[derive(Clone)]
pub(crate) struct PrivateToken(Arc<Kept>);

struct Kept {
    location_id: LocationId,
    origin: Origin,
    current: RwLock<Token>,
}

/// Where a private token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The settings, which do not change while the poller runs.
    Settings,
    /// A file that the settings name.
    File(PathBuf),
    /// A person gave it.
    Added,
}

impl PrivateToken {
    pub(crate) fn new(location_id: LocationId, origin: Origin, secret: SecretString, generation: u64) -> Self {
        Self(Arc::new(Kept { location_id, origin, current: RwLock::new(Token { secret, generation }) }))
    }

    pub(crate) fn location_id(&self) -> &LocationId {
        &self.0.location_id
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Whether both are the same token, not merely equal ones.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.token().generation
    }

    /// Whoever asks GHL from now on asks with this token.
    pub(crate) fn replace(&self, secret: SecretString, generation: u64) {
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Token { secret, generation };
    }

    /// Reads the file again, if it is from one; whether there is another token in it now. An empty file, or one that cannot be read, changes
    /// nothing: it may be about to be written.
    pub(crate) async fn reread(&self) -> bool {
        let Origin::File(file) = &self.0.origin else { return false };
        let text = match tokio::fs::read_to_string(file).await {
            Ok(text) => SecretString::from(text),
            Err(error) => {
                tracing::warn!(location.id = %self.0.location_id, file = %file.display(), %error, "the token file cannot be read, the token before counts");
                return false;
            }
        };
        let secret = text.expose_secret().trim();
        let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
        if secret.is_empty() || secret == current.secret.expose_secret() {
            return false;
        }
        *current = Token { secret: SecretString::from(secret), generation: current.generation + 1 };
        true
    }

    fn token(&self) -> Token {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl TokenSource for PrivateToken {
    fn current(&self) -> Awaited<'_, Result<Token, Error>> {
        Box::pin(async { Ok(self.token()) })
    }

    fn renewed(&self, refused: Token) -> Awaited<'_, Result<Option<Token>, Error>> {
        Box::pin(async move {
            let is_replaced = self.token().generation > refused.generation || self.reread().await;
            Ok(is_replaced.then(|| self.token()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_read_again_from_its_file_when_it_is_refused() {
        let file = std::env::temp_dir().join(format!("poller-token-{}", uuid::Uuid::new_v4()));
        std::fs::write(&file, "one\n").unwrap();
        let token = PrivateToken::new(LocationId::new("loc").unwrap(), Origin::File(file.clone()), "one".into(), 0);
        let first = token.current().await.unwrap();
        assert!(token.renewed(first.clone()).await.unwrap().is_none(), "the file holds the same");
        std::fs::write(&file, " \n").unwrap();
        assert!(token.renewed(first.clone()).await.unwrap().is_none(), "it is about to be written");
        std::fs::write(&file, "two\n").unwrap();
        let second = token.renewed(first.clone()).await.unwrap().unwrap();
        assert_eq!((second.secret.expose_secret(), second.generation), ("two", 1));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(token.renewed(first).await.unwrap().unwrap().generation, 1, "another caller has read it already");
        assert!(token.renewed(second).await.unwrap().is_none());
    }
}
