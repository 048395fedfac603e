//! The workspace, read as any client of the bridge reads it.

use anyhow::Context;
use domain::ObjectKind;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::compare::Object;

const PAGE_OBJECTS: u32 = 500;
/// More pages than a demo's workspace has: a longer list does not end, and is reported.
const PAGES_MAX: u32 = 2_000;

pub(crate) struct Workspace {
    client: Client,
    bridge: Url,
    key: SecretString,
    name: String,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Object>,
    next_cursor: Option<String>,
}

impl Workspace {
    pub(crate) fn new(client: Client, bridge: Url, key: SecretString, name: &str) -> Self {
        Self { client, bridge, key, name: name.to_owned() }
    }

    /// Every object; none before the workspace exists.
    pub(crate) async fn objects(&self) -> anyhow::Result<Vec<Object>> {
        let mut objects = Vec::new();
        for kind in ObjectKind::ALL.map(ObjectKind::plural) {
            let mut cursor = None;
            for page_number in 1.. {
                anyhow::ensure!(page_number <= PAGES_MAX, "the list of {kind} does not end");
                let Some(page) = self.page(kind, cursor.as_deref()).await? else { break };
                objects.extend(page.items);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(objects)
    }

    async fn page(&self, kind: &str, cursor: Option<&str>) -> anyhow::Result<Option<Page>> {
        let mut url = self.bridge.clone();
        url.path_segments_mut().map_err(|()| anyhow::anyhow!("not an address of a bridge"))?.extend(["v1", "workspaces", &self.name, kind]);
        url.query_pairs_mut().append_pair("limit", &PAGE_OBJECTS.to_string());
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let answer = self.client.get(url).bearer_auth(self.key.expose_secret()).send().await.context("asking the bridge")?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => Ok(Some(answer.json().await.context("reading the bridge's answer")?)),
            status => anyhow::bail!("the bridge answered {status} to a list of {kind}"),
        }
    }
}
