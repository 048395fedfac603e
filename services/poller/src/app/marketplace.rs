//! The marketplace app as this process has it: how it speaks to GHL, and where its tokens are kept.

use std::sync::Arc;

use eventlog::Credentials;
use ghl::OAuth;
use tokio::sync::{Notify, Semaphore};

use crate::config::OAuthSettings;

pub(crate) struct App {
    pub(crate) credentials: Credentials,
    pub(crate) oauth: OAuth,
    pub(crate) settings: OAuthSettings,
    /// A renewal holds database connections while it waits for GHL. The limit leaves some to store the new tokens with.
    pub(crate) renewals: Semaphore,
    /// Notified when the app may have been installed or uninstalled somewhere.
    pub(crate) installations_changed: Notify,
}

impl App {
    pub(crate) fn new(credentials: Credentials, transport: ghl::Transport, settings: OAuthSettings) -> Arc<Self> {
        let oauth = OAuth::new(transport, settings.app.clone());
        let renewals = Semaphore::new(settings.renewals_max.get());
        Arc::new(Self { credentials, oauth, settings, renewals, installations_changed: Notify::new() })
    }

    /// The address at which a person installs the app, as seen from outside.
    pub(crate) fn start_url(&self) -> String {
        let redirect = &self.settings.app.redirect_uri;
        redirect
            .strip_suffix("/oauth/callback")
            .map_or_else(|| "/oauth/start of the poller".to_owned(), |base| format!("{base}/oauth/start"))
    }
}
