//! Names that differ between the versions of the API.

use super::channel::Channel;

/// Which spelling of fields an API version takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    V2,
    V3,
}

impl Spelling {
    pub(crate) fn of(version: &str) -> Self {
        if version == "v3" { Self::V3 } else { Self::V2 }
    }

    pub(super) fn channel(self, channel: Channel) -> &'static str {
        match (self, channel) {
            (Self::V2, Channel::Call) => "Call",
            (Self::V2, Channel::Email) => "Email",
            (Self::V2, Channel::Sms) => "SMS",
            (Self::V2, Channel::WhatsApp) => "WhatsApp",
            (Self::V2, Channel::GoogleBusiness) => "GMB",
            (Self::V2, Channel::Facebook) => "FB",
            (Self::V3, Channel::Call) => "call",
            (Self::V3, Channel::Email) => "email",
            (Self::V3, Channel::Sms) => "sms",
            (Self::V3, Channel::WhatsApp) => "whatsApp",
            (Self::V3, Channel::GoogleBusiness) => "gmb",
            (Self::V3, Channel::Facebook) => "fb",
        }
    }

    pub(super) fn custom_value(self) -> &'static str {
        match self {
            Self::V2 => "field_value",
            Self::V3 => "fieldValue",
        }
    }
}
