//! The settings of the marketplace app.

use std::num::NonZeroUsize;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuthSettings {
    #[serde(with = "humantime_serde")]
    pub refresh_margin: Duration,
    #[serde(with = "humantime_serde")]
    pub least_age: Duration,
    #[serde(with = "humantime_serde")]
    pub state_lifetime: Duration,
    pub check_interval: Period,
    pub agency_interval: Period,
    pub renewals_max: NonZeroUsize,
    pub app: ghl::AppSettings,
}

impl OAuthSettings {
    /// Whether there is an app.
    pub(crate) fn is_given(&self) -> bool {
        !self.app.client_id.is_empty()
    }
}

impl Check for OAuthSettings {
    fn check(&self, problems: &mut Problems) {
        if self.is_given() {
            problems.check(!self.app.client_secret.expose_secret().is_empty(), "app.client_secret", "must be given");
            problems.check(!self.app.app_id.is_empty(), "app.app_id", "must be given");
            problems.check(!self.app.redirect_uri.is_empty(), "app.redirect_uri", "must be given");
        }
    }
}
