//! What the workspace holds, and when it equals GHL.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::Value;
use standalone::compare::{Names, Object, Truth, differences};

use super::{KEY, System};
use crate::wait::eventually;

impl System {
    /// Everything that the workspace called like the location holds, over REST.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub async fn workspace(&self) -> anyhow::Result<Vec<Object>> {
        self.workspace_called(self.sandbox.location_id()).await
    }

    /// Everything that a workspace holds, over REST.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub async fn workspace_called(&self, workspace: &str) -> anyhow::Result<Vec<Object>> {
        let bridge = self.address("bridge", "http")?;
        let mut held = Vec::new();
        for kind in ["contact", "project", "task", "note", "appointment"] {
            let mut cursor = String::new();
            loop {
                let mut url = url::Url::parse(&bridge)?;
                url.path_segments_mut().ok().context("a path")?.extend(["v1", "workspaces", workspace, &format!("{kind}s")]);
                url.query_pairs_mut().append_pair("limit", "500");
                if !cursor.is_empty() {
                    url.query_pairs_mut().append_pair("cursor", &cursor);
                }
                let answer = self.http.get(url).bearer_auth(KEY).send().await?;
                if answer.status() == 404 {
                    return Ok(held);
                }
                let page: Value = serde_json::from_slice(&answer.error_for_status()?.bytes().await?)?;
                let text = |item: &Value, field: &str| item.get(field).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
                for item in page.get("items").and_then(|items| items.as_array()).context("items")? {
                    let content = item.get("content").cloned().unwrap_or_default();
                    held.push(Object { kind: kind.to_owned(), key: text(item, "key"), contact: text(item, "contact"), content });
                }
                cursor = page.get("next_cursor").and_then(|cursor| cursor.as_str()).unwrap_or_default().to_owned();
                if cursor.is_empty() {
                    break;
                }
            }
        }
        Ok(held)
    }

    /// The content of each object of the workspace that is called like the location, by key.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub async fn objects(&self) -> anyhow::Result<BTreeMap<String, Value>> {
        self.objects_of(self.sandbox.location_id()).await
    }

    /// The content of each object of a workspace, by key.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub async fn objects_of(&self, workspace: &str) -> anyhow::Result<BTreeMap<String, Value>> {
        Ok(self.workspace_called(workspace).await?.into_iter().map(|object| (object.key, object.content)).collect())
    }

    /// The address of a workspace.
    ///
    /// # Errors
    /// Never: the bridge has an address.
    pub fn workspace_url(&self, workspace: &str) -> anyhow::Result<String> {
        Ok(format!("{}/v1/workspaces/{workspace}", self.address("bridge", "http")?))
    }

    /// The workspace's position in its own feed: it moves with every write.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub async fn feed_position(&self) -> anyhow::Result<u64> {
        let url = self.workspace_url(self.sandbox.location_id())?;
        let answer = self.http.get(url).bearer_auth(KEY).send().await?.error_for_status()?;
        let head: Value = serde_json::from_slice(&answer.bytes().await?)?;
        head.get("position").and_then(Value::as_u64).context("a position")
    }

    /// As an accident does: everything is gone, and nobody told the mirror.
    ///
    /// # Errors
    /// When the bridge refuses.
    pub async fn drop_workspace(&self, workspace: &str) -> anyhow::Result<()> {
        let url = self.workspace_url(workspace)?;
        self.http.delete(url).bearer_auth(KEY).send().await?.error_for_status()?;
        Ok(())
    }

    /// What GHL holds, as the comparison wants it.
    pub fn truth(&self) -> Truth {
        let snapshot = self.world().snapshot();
        let mut truth = Truth {
            contacts: Vec::new(),
            tasks: Vec::new(),
            notes: Vec::new(),
            appointments: Vec::new(),
            names: Names { users: snapshot.users, custom_fields: snapshot.custom_fields, calendars: snapshot.calendars },
            time_zone: snapshot.time_zone,
        };
        for contact in snapshot.contacts.into_values() {
            truth.contacts.push(contact.contact);
            truth.tasks.extend(contact.tasks);
            truth.notes.extend(contact.notes);
            truth.appointments.extend(contact.appointments);
        }
        truth
    }

    /// Waits until the workspace equals GHL, object by object.
    ///
    /// # Errors
    /// The first differences, when it does not in time.
    pub async fn in_sync(&self) -> anyhow::Result<()> {
        self.in_sync_beside(|_| false).await
    }

    /// Waits until the workspace equals GHL but for what is beside it.
    ///
    /// # Errors
    /// The first differences, when it does not in time.
    pub async fn in_sync_beside(&self, is_beside: impl Fn(&Object) -> bool) -> anyhow::Result<()> {
        eventually("the workspace equals GHL", async || {
            let connected_at = self.connected_at().await.map_err(|error| error.to_string())?;
            let mut held = self.workspace().await.map_err(|error| error.to_string())?;
            held.retain(|object| !is_beside(object));
            let found = differences(&self.truth(), &held, connected_at);
            let first: Vec<String> = found.iter().take(5).map(|difference| format!("{}: {}", difference.key, difference.problem)).collect();
            if found.is_empty() { Ok(()) } else { Err(format!("{} differences, first {first:?}", found.len())) }
        })
        .await
    }

    async fn connected_at(&self) -> anyhow::Result<jiff::Timestamp> {
        let location_id = self.location()?;
        let locations = self.log.locations().list().await?;
        let location = locations.into_iter().find(|location| location.location_id == location_id).context("not connected")?;
        Ok(location.connected_at)
    }

    /// Waits until every location was read once as a whole.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn backfilled(&self) -> anyhow::Result<()> {
        let location_id = self.location()?;
        eventually("the backfill ends", async || {
            let progress = self.log.passes().progress(&location_id).await.map_err(|error| error.to_string())?;
            progress.backfill.finished_at.map(drop).ok_or_else(|| format!("{} seen", progress.backfill.seen))
        })
        .await
    }

    /// Waits until the log has nothing to pass on and nothing waits on the bus.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn quiet(&self) -> anyhow::Result<()> {
        let bus = bus::Bus::connect(&bus::Settings { url: self.nats.url(), ..bus::Settings::default() }).await?;
        eventually("all is quiet", async || {
            let behind = self.log.relay().behind().await.map_err(|error| error.to_string())?;
            let mut waiting = 0;
            for stream in [bus::Stream::Hints, bus::Stream::Events, bus::Stream::Intents, bus::Stream::Replays] {
                waiting += bus.backlog(stream).await.map_err(|error| error.to_string())?;
            }
            if behind.is_empty() && waiting == 0 { Ok(()) } else { Err(format!("{} behind, {waiting} waiting", behind.len())) }
        })
        .await
    }
}
