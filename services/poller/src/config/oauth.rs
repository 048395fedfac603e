//! The settings of the marketplace app.

use std::num::NonZeroUsize;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuthSettings {
    #[serde(with = "humantime_serde")]
    pub refresh_margin: Duration,
    #[serde(with = "humantime_serde")]
    pub least_age: Duration,
    #[serde(with = "humantime_serde")]
    pub state_lifetime: Duration,
    #[serde(with = "humantime_serde")]
    pub check_interval: Duration,
    #[serde(with = "humantime_serde")]
    pub agency_interval: Duration,
    pub renewals_max: NonZeroUsize,
    pub app: ghl::AppSettings,
}

impl OAuthSettings {
    pub(crate) fn is_given(&self) -> bool {
        !self.app.client_id.is_empty()
    }

    pub(crate) fn problems(&self, log: &eventlog::Settings) -> Vec<String> {
        let mut problems = Vec::new();
        let waits = [
            ("check_interval", self.check_interval),
            ("agency_interval", self.agency_interval),
            ("app.request_timeout", self.app.request_timeout),
        ];
        problems.extend(waits.iter().filter(|(_, wait)| wait.is_zero()).map(|(key, _)| format!("{key} must be longer than nothing")));
        if !self.is_given() {
            return problems;
        }
        let missing = [
            ("app.client_secret", self.app.client_secret.expose_secret().is_empty()),
            ("app.app_id", self.app.app_id.is_empty()),
            ("app.redirect_uri", self.app.redirect_uri.is_empty()),
            ("app needs log.kek or log.kek_file, which", log.kek.expose_secret().is_empty() && log.kek_file.is_none()),
        ];
        problems.extend(missing.into_iter().filter(|(_, missing)| *missing).map(|(key, _)| format!("{key} must be given")));
        problems
    }
}
