//! The tokens of the marketplace app: sealed, counted, and renewed by one at a time.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use domain::LocationId;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Postgres, Row, Transaction};

use crate::columns::{At, location_id, signed, unsigned};
use crate::keys::kek::{Kek, Wrapped};
use crate::keys::ring::KeyRing;
use crate::{Error, MirrorState, Result};

/// Whose tokens they are: of a location, or of an agency.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialOwner {
    Location(LocationId),
    Company(String),
}

impl CredentialOwner {
    fn kind(&self) -> &'static str {
        match self {
            Self::Location(_) => "location",
            Self::Company(_) => "company",
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Location(id) => id.as_str(),
            Self::Company(id) => id,
        }
    }

    /// What the tokens are sealed with, so that they open nowhere else.
    fn associated_data(&self) -> Vec<u8> {
        format!("credential\0{}\0{}", self.kind(), self.id()).into_bytes()
    }
}

impl fmt::Display for CredentialOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.id())
    }
}

/// How an installation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialState {
    Active,
    /// GHL says that the location is not active; the tokens stay good for later.
    Inactive,
    /// The refresh token is spent or refused: the app has to be installed again.
    Dead,
    /// The app was uninstalled; the tokens are gone.
    Retired,
}

impl CredentialState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Dead => "dead",
            Self::Retired => "retired",
        }
    }

    fn read(text: &str) -> Result<Self> {
        let all = [Self::Active, Self::Inactive, Self::Dead, Self::Retired];
        all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| Error::malformed("state"))
    }
}

/// An installation, without its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub owner: CredentialOwner,
    pub company_id: Option<String>,
    /// Counts the grants.
    pub generation: u64,
    pub granted_at: Timestamp,
    pub expires_at: Timestamp,
    /// A refresh was begun and its answer was never stored.
    pub refresh_begun_at: Option<Timestamp>,
    pub state: CredentialState,
    /// What a person must do, where somebody must.
    pub problem: Option<String>,
    /// Which key-encryption key its tokens are sealed under.
    pub kek_id: Option<String>,
}

/// The tokens of an installation.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: SecretString,
    pub refresh: Option<SecretString>,
}

/// The right to renew one installation's tokens. Whoever holds it is alone with that, whichever process it runs in; dropping it, or
/// dying, gives it back.
pub struct RenewalPermit {
    owner: CredentialOwner,
    held: Transaction<'static, Postgres>,
}

impl RenewalPermit {
    /// Gives it back.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer: the database then gives it back by itself.
    pub async fn end(self) -> Result<()> {
        Ok(self.held.commit().await?)
    }
}

const COLUMNS: &str = "kind, id, company_id, generation, granted_at, expires_at, refresh_begun_at, state, problem, kek_id, sealed";

/// The installations of the marketplace app. Cheap to clone.
#[derive(Clone)]
pub struct Credentials {
    pub(crate) pool: PgPool,
    pub(crate) ring: Arc<KeyRing>,
}

impl Credentials {
    /// Stores the tokens of an installation that somebody just made, and makes it active, whatever it was before. Gives its generation.
    ///
    /// # Errors
    /// `Misconfigured` without a key-encryption key: tokens are never stored open. `InState` when a person has retired the location.
    pub async fn store(
        &self,
        owner: &CredentialOwner,
        company_id: Option<&str>,
        tokens: &Tokens,
        granted_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<u64> {
        let Wrapped { kek_id, bytes } = seal(self.sealing()?, owner, tokens)?;
        let row = sqlx::query(
            "INSERT INTO credentials (kind, id, company_id, kek_id, sealed, granted_at, expires_at) \
             SELECT $1, $2, $3, $4, $5, $6, $7 WHERE $1 <> 'location' OR NOT EXISTS \
             (SELECT FROM mirrored_locations m WHERE m.location_id = $2 AND m.state IN ('retired', 'purged')) \
             ON CONFLICT (kind, id) DO UPDATE SET company_id = coalesce(excluded.company_id, credentials.company_id), \
             kek_id = excluded.kek_id, sealed = excluded.sealed, granted_at = excluded.granted_at, expires_at = excluded.expires_at, \
             generation = credentials.generation + 1, refresh_begun_at = NULL, state = 'active', problem = NULL \
             RETURNING generation",
        )
        .bind(owner.kind())
        .bind(owner.id())
        .bind(company_id)
        .bind(kek_id)
        .bind(bytes)
        .bind(At(granted_at))
        .bind(At(expires_at))
        .fetch_optional(&self.pool)
        .await?;
        Ok(unsigned(row.ok_or(Error::InState { state: MirrorState::Retired })?.try_get(0)?))
    }

    /// Stores the tokens that follow those of an installation, and makes it active. Gives its generation; nothing when it was
    /// retired meanwhile, or was never there.
    ///
    /// # Errors
    /// `Misconfigured` without a key-encryption key: tokens are never stored open.
    pub async fn renew(
        &self,
        owner: &CredentialOwner,
        tokens: &Tokens,
        granted_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Option<u64>> {
        let Wrapped { kek_id, bytes } = seal(self.sealing()?, owner, tokens)?;
        let row = sqlx::query(
            "UPDATE credentials SET kek_id = $3, sealed = $4, granted_at = $5, expires_at = $6, generation = generation + 1, \
             refresh_begun_at = NULL, state = 'active', problem = NULL WHERE kind = $1 AND id = $2 AND state <> 'retired' \
             RETURNING generation",
        )
        .bind(owner.kind())
        .bind(owner.id())
        .bind(kek_id)
        .bind(bytes)
        .bind(At(granted_at))
        .bind(At(expires_at))
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| Ok(unsigned(row.try_get(0)?))).transpose()
    }

    /// An installation with its tokens; without them once it is retired.
    ///
    /// # Errors
    /// `Locked` when this process does not have the key that they are sealed under.
    pub async fn find(&self, owner: &CredentialOwner) -> Result<Option<(Credential, Option<Tokens>)>> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM credentials WHERE kind = $1 AND id = $2")))
            .bind(owner.kind())
            .bind(owner.id())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let credential = credential(&row)?;
        let tokens = match (row.try_get::<Option<Vec<u8>>, _>("sealed")?, credential.kek_id.clone()) {
            (Some(bytes), Some(kek_id)) => Some(open(self.sealing()?, owner, &Wrapped { kek_id, bytes })?),
            (Some(_) | None, _) => None,
        };
        Ok(Some((credential, tokens)))
    }

    /// Every installation there ever was, without tokens.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn list(&self) -> Result<Vec<Credential>> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM credentials ORDER BY kind, id"))).fetch_all(&self.pool);
        rows.await?.iter().map(credential).collect()
    }

    /// The locations that a person has retired: an installation of the app does not bring them back.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn retired_by_hand(&self) -> Result<BTreeSet<LocationId>> {
        let rows = sqlx::query("SELECT location_id FROM mirrored_locations WHERE state IN ('retired', 'purged')").fetch_all(&self.pool);
        rows.await?.iter().map(|row| location_id(row.try_get(0)?)).collect()
    }

    /// Waits until nobody else renews this installation's tokens.
    ///
    /// # Errors
    /// `Unavailable` when somebody else takes longer than a statement may.
    pub async fn renewal_permit(&self, owner: &CredentialOwner) -> Result<RenewalPermit> {
        let mut held = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 10))")
            .bind(format!("credential {owner}"))
            .execute(&mut *held)
            .await?;
        Ok(RenewalPermit { owner: owner.clone(), held })
    }

    /// Notes that the refresh token may be spent from now on. To be stored before GHL is asked.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer: then GHL must not be asked.
    pub async fn begin_refresh(&self, permit: &RenewalPermit, now: Timestamp) -> Result<()> {
        // Not in the permit's own transaction: the note must stay whatever becomes of that.
        sqlx::query("UPDATE credentials SET refresh_begun_at = $3 WHERE kind = $1 AND id = $2")
            .bind(permit.owner.kind())
            .bind(permit.owner.id())
            .bind(At(now))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes how the renewal of what was read ended that gave no tokens; nothing when there are newer ones by now. Where the refresh token
    /// is as good as before, `spent` is false.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn refresh_failed(&self, read: &Credential, state: CredentialState, problem: Option<&str>, spent: bool) -> Result<()> {
        sqlx::query(
            "UPDATE credentials SET state = $4, problem = $5, refresh_begun_at = CASE WHEN $6 THEN refresh_begun_at END \
             WHERE kind = $1 AND id = $2 AND generation = $3 AND state <> 'retired'",
        )
        .bind(read.owner.kind())
        .bind(read.owner.id())
        .bind(signed(read.generation))
        .bind(state.as_str())
        .bind(problem)
        .bind(spent)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets the tokens of an installation that is no more, unless they were given after `gone_at`: then it was made anew since. Says
    /// whether there was one.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn retire(&self, owner: &CredentialOwner, gone_at: Option<Timestamp>) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE credentials SET state = 'retired', sealed = NULL, kek_id = NULL, refresh_begun_at = NULL, problem = NULL \
             WHERE kind = $1 AND id = $2 AND state <> 'retired' AND ($3::timestamptz IS NULL OR granted_at <= $3)",
        )
        .bind(owner.kind())
        .bind(owner.id())
        .bind(gone_at.map(At))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Seals the tokens again that are sealed under another key than the current one; gives how many. Safe to run at any time and
    /// more than once.
    ///
    /// # Errors
    /// `Locked` when a key is missing; what was done until then stays done.
    pub async fn reseal(&self) -> Result<u64> {
        let keys = self.sealing()?;
        let mut resealed = 0;
        for Credential { owner, kek_id, .. } in self.list().await? {
            if kek_id.is_none_or(|kek_id| kek_id == keys.current()) {
                continue;
            }
            let mut transaction = self.pool.begin().await?;
            let row = sqlx::query("SELECT kek_id, sealed FROM credentials WHERE kind = $1 AND id = $2 FOR UPDATE")
                .bind(owner.kind())
                .bind(owner.id())
                .fetch_one(&mut *transaction)
                .await?;
            if let (Some(kek_id), Some(bytes)) = (row.try_get(0)?, row.try_get(1)?) {
                let again = seal(keys, &owner, &open(keys, &owner, &Wrapped { kek_id, bytes })?)?;
                sqlx::query("UPDATE credentials SET kek_id = $3, sealed = $4 WHERE kind = $1 AND id = $2")
                    .bind(owner.kind())
                    .bind(owner.id())
                    .bind(again.kek_id)
                    .bind(again.bytes)
                    .execute(&mut *transaction)
                    .await?;
                resealed += 1;
            }
            transaction.commit().await?;
        }
        Ok(resealed)
    }

    /// Spends the state of an installation that was begun, which is good once in all processes; false when it was spent before. It is
    /// remembered until then.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn spend_state(&self, state: &str, until: Timestamp) -> Result<bool> {
        sqlx::query("DELETE FROM oauth_states_spent WHERE until < now()").execute(&self.pool).await?;
        let done = sqlx::query("INSERT INTO oauth_states_spent (state, until) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(state)
            .bind(At(until))
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    fn sealing(&self) -> Result<&Kek> {
        let missing = || Error::Misconfigured("tokens are only stored sealed: give log.kek or log.kek_file".to_owned());
        self.ring.kek().ok_or_else(missing)
    }
}

fn seal(keys: &Kek, owner: &CredentialOwner, tokens: &Tokens) -> Result<Wrapped> {
    let open = json!({"access": tokens.access.expose_secret(), "refresh": tokens.refresh.as_ref().map(ExposeSecret::expose_secret)});
    keys.wrap(open.to_string().as_bytes(), &owner.associated_data())
}

fn open(keys: &Kek, owner: &CredentialOwner, wrapped: &Wrapped) -> Result<Tokens> {
    let open = keys.unwrapped(wrapped, &owner.associated_data())?;
    let tokens: serde_json::Value = serde_json::from_slice(open.expose_secret()).map_err(|_| Error::Damaged)?;
    let text = |key: &str| tokens.get(key).and_then(serde_json::Value::as_str).map(SecretString::from);
    Ok(Tokens { access: text("access").ok_or(Error::Damaged)?, refresh: text("refresh") })
}

fn credential(row: &PgRow) -> Result<Credential> {
    let id: String = row.try_get("id")?;
    let owner = match row.try_get::<String, _>("kind")?.as_str() {
        "location" => CredentialOwner::Location(location_id(id)?),
        _ => CredentialOwner::Company(id),
    };
    Ok(Credential {
        owner,
        company_id: row.try_get("company_id")?,
        generation: unsigned(row.try_get("generation")?),
        granted_at: row.try_get::<At, _>("granted_at")?.0,
        expires_at: row.try_get::<At, _>("expires_at")?.0,
        refresh_begun_at: row.try_get::<Option<At>, _>("refresh_begun_at")?.map(|at| at.0),
        state: CredentialState::read(row.try_get("state")?)?,
        problem: row.try_get("problem")?,
        kek_id: row.try_get("kek_id")?,
    })
}
