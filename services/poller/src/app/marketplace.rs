//! The marketplace app as this process has it: how to speak for it, and where its tokens are kept.

use std::sync::Arc;

use eventlog::EventLog;
use ghl::OAuth;
use tokio::sync::Semaphore;

use crate::config::OAuthSettings;

pub(crate) struct App {
    pub(crate) log: EventLog,
    pub(crate) oauth: OAuth,
    pub(crate) settings: OAuthSettings,
    /// A renewal holds connections of the database while GHL is asked: only so many at once, so that some are left to store with.
    pub(crate) renewals: Semaphore,
}

impl App {
    pub(crate) fn new(log: EventLog, transport: ghl::Transport, settings: OAuthSettings) -> Arc<Self> {
        let oauth = OAuth::new(transport, settings.app.clone());
        let renewals = Semaphore::new(settings.renewals_max.get());
        Arc::new(Self { log, oauth, settings, renewals })
    }

    /// Where a person installs the app, as the outside reaches it.
    pub(crate) fn start_url(&self) -> String {
        let redirect = &self.settings.app.redirect_uri;
        redirect
            .strip_suffix("/oauth/callback")
            .map_or_else(|| "/oauth/start of the poller".to_owned(), |base| format!("{base}/oauth/start"))
    }
}
