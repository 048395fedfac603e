//! What can go wrong, by what the caller must do about it.

use domain::{Decode, LocationId};

use crate::mirrored::state::MirrorState;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Try again: the database is away, busy or restarting.
    #[error("the log database is not available")]
    Unavailable {
        #[source]
        source: sqlx::Error,
    },
    /// Nothing helps but a person: the stored log is not what was written.
    #[error("the log of {location_id} is corrupt at {seq}: {problem}")]
    Corrupt { location_id: LocationId, seq: u64, problem: &'static str },
    /// A newer program wrote this, or it is damaged.
    #[error("stored content cannot be read: {0}")]
    Unreadable(#[from] Decode),
    /// Try again once a person has given this service the key-encryption key: what is stored is whole, but locked.
    #[error("sealed under the key-encryption key {kek_id}, which this service does not have")]
    Locked { kek_id: String },
    /// Nothing helps but a person: a wrapped secret was changed, or moved to where it does not belong.
    #[error("a wrapped secret does not open")]
    Damaged,
    /// Erasing is not done, because it would be a promise that the log cannot keep.
    #[error("{count} events were stored before there was a key and would stay readable")]
    PlainEvents { count: u64 },
    #[error("not found")]
    NotFound,
    /// The location has events already.
    #[error("the log is not empty")]
    NotEmpty,
    /// Another replica looks after the location now: what this one still wants to append is refused.
    #[error("location {location_id} is looked after by another replica")]
    Superseded { location_id: LocationId },
    /// Not in this state of the location.
    #[error("the location is {state}")]
    InState { state: MirrorState },
    /// The parked delivery no longer waits.
    #[error("already resolved")]
    AlreadyResolved,
    /// The settings or the database's schema and roles do not fit this program.
    #[error("the log database cannot be used: {0}")]
    Misconfigured(String),
    /// The database refused a statement; trying the same again will not help. The message is left out: it may quote content.
    #[error("the log database refused a statement (SQLSTATE {code}, {constraint})")]
    Refused { code: String, constraint: String },
}

impl Error {
    /// A column holds what this program never stores.
    pub(crate) fn malformed(what: &str) -> Self {
        Self::Misconfigured(format!("malformed stored {what}"))
    }

    /// Whether something of the same key is there already.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "23505")
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Locked { .. })
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return without_answer(error);
        };
        let code = database.code().unwrap_or_default().into_owned();
        if is_passing(&code) {
            return Self::Unavailable { source: error };
        }
        match code.as_str() {
            "42P01" | "42703" => Self::Misconfigured("its schema is not migrated".to_owned()),
            "42501" => Self::Misconfigured("the role of this service may not do that".to_owned()),
            "28000" | "28P01" => Self::Misconfigured("the role or its password is refused".to_owned()),
            "3D000" => Self::Misconfigured("the database does not exist".to_owned()),
            _ => {
                let constraint = database.constraint().or_else(|| database.table()).unwrap_or("no constraint").to_owned();
                Self::Refused { code, constraint }
            }
        }
    }
}

/// What went wrong without the database having answered: nearly always the way to it.
fn without_answer(error: sqlx::Error) -> Error {
    if matches!(error, sqlx::Error::RowNotFound) {
        Error::NotFound
    } else if matches!(error, sqlx::Error::Configuration(_)) {
        Error::Misconfigured("its address is not one of a PostgreSQL database".to_owned())
    } else if let sqlx::Error::ColumnDecode { index, .. } = error {
        Error::Misconfigured(format!("column {index} is of another type"))
    } else {
        Error::Unavailable { source: error }
    }
}

/// Connection trouble, lack of resources, shutdown, time-outs, and transactions that lost against another.
fn is_passing(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    matches!(class, "08" | "40" | "53" | "57" | "58") || matches!(code, "55P03" | "25006" | "25P03" | "25P04")
}
