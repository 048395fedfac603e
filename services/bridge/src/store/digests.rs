//! Digests of what a workspace holds, computed by the database over the digests of the mirrored objects.

use super::columns::unsigned;
use super::error::Result;
use super::pool::Store;
use crate::object::{Digest, sha256};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContactDigest {
    pub(crate) contact: String,
    pub(crate) digest: Digest,
    pub(crate) objects: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) root: Digest,
    /// Contacts with at least one mirrored object.
    pub(crate) contacts: u64,
    /// Mirrored objects.
    pub(crate) objects: u64,
}

impl Store {
    /// Of the mirrored objects that are about this contact, the contact included.
    pub(crate) async fn contact_digest(&self, workspace: &str, contact: &str) -> Result<ContactDigest> {
        let select = sqlx::query_as::<_, (Option<Vec<u8>>, i64)>(
            "SELECT sha256(string_agg(digest, ''::bytea ORDER BY key)), count(*) FROM objects
             WHERE workspace = $1 AND contact = $2 AND present AND policy = 'mirror'",
        );
        let (digest, objects) = select.bind(workspace).bind(contact).fetch_one(&self.pool).await?;
        Ok(ContactDigest { contact: contact.to_owned(), digest: or_empty(digest), objects: unsigned(objects) })
    }

    /// Of the contacts that have mirrored objects, in the order of their keys.
    pub(crate) async fn contact_digests(&self, workspace: &str, after: Option<&str>, items_max: u32) -> Result<Vec<ContactDigest>> {
        let select = sqlx::query_as::<_, (String, Option<Vec<u8>>, i64)>(
            "SELECT contact, sha256(string_agg(digest, ''::bytea ORDER BY key)), count(*) FROM objects
             WHERE workspace = $1 AND contact > $2 AND present AND policy = 'mirror' GROUP BY contact ORDER BY contact LIMIT $3",
        );
        let rows = select.bind(workspace).bind(after.unwrap_or_default()).bind(i64::from(items_max)).fetch_all(&self.pool).await?;
        let read = |(contact, digest, objects)| ContactDigest { contact, digest: or_empty(digest), objects: unsigned(objects) };
        Ok(rows.into_iter().map(read).collect())
    }

    pub(crate) async fn root(&self, workspace: &str) -> Result<Root> {
        let select = sqlx::query_as::<_, (Option<Vec<u8>>, i64, i64)>(
            "SELECT sha256(string_agg(digest, ''::bytea ORDER BY contact)), count(*), coalesce(sum(objects), 0)::bigint
             FROM (SELECT contact, sha256(string_agg(digest, ''::bytea ORDER BY key)) AS digest, count(*) AS objects FROM objects
                   WHERE workspace = $1 AND present AND policy = 'mirror' GROUP BY contact) AS contacts",
        );
        let (root, contacts, objects) = select.bind(workspace).fetch_one(&self.pool).await?;
        Ok(Root { root: or_empty(root), contacts: unsigned(contacts), objects: unsigned(objects) })
    }
}

fn or_empty(digest: Option<Vec<u8>>) -> Digest {
    digest.and_then(|digest| digest.try_into().ok()).unwrap_or_else(|| sha256(b""))
}
