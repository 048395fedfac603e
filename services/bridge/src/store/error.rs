//! Why the store refused or failed.

/// An error of the store, by what the caller must do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the workspace is not known")]
    WorkspaceUnknown,
    #[error("the alias is not known")]
    AliasUnknown,
    /// Point the alias elsewhere first.
    #[error("the alias {0} points at the workspace")]
    Aliased(String),
    /// Wait: a workspace of that name is still being removed.
    #[error("a workspace of that name is still being removed")]
    Leaving,
    /// Create the workspace again, or ask for a newer position.
    #[error("the feed begins after position {0}")]
    Pruned(u64),
    /// Send another idempotency key.
    #[error("the idempotency key was used for another request")]
    OtherRequest,
    /// Wait and try again.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    #[error("the database refused")]
    Failed(#[source] sqlx::Error),
}

impl Error {
    /// For the log. Of what the database says about data only the code: its message may quote a row.
    pub(crate) fn for_log(&self) -> String {
        let source = match self {
            Self::WorkspaceUnknown | Self::AliasUnknown | Self::Aliased(_) | Self::Leaving | Self::Pruned(_) | Self::OtherRequest => {
                return self.to_string();
            }
            Self::Unavailable(source) | Self::Failed(source) => source,
        };
        match source.as_database_error() {
            Some(database) => {
                format!("{self}: code {}, table {}", database.code().unwrap_or_default(), database.table().unwrap_or("unknown"))
            }
            None => format!("{self}: {source}"),
        }
    }
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_transient(&error) { Self::Unavailable(error) } else { Self::Failed(error) }
    }
}

fn is_transient(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Database(database) = error {
        let code = database.code().unwrap_or_default();
        // Connection lost, rolled back by the server, out of something, stopped by an operator, storage full or failing.
        return ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || code == "25006" || code == "25P03";
    }
    matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed
    )
}

pub(super) fn unreadable() -> Error {
    Error::Failed(sqlx::Error::Protocol("a stored object cannot be read".to_owned()))
}
