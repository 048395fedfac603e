//! Why something is in the log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a change came to be known, and on whose behalf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredCause")]
pub struct Cause {
    #[serde(flatten)]
    pub net: Net,
    /// When the request to GHL was sent whose answer showed the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// GHL's trace id of the answer, for its support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ghl_trace_id: Option<String>,
}

/// Which of the nets found the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub enum Net {
    Webhook {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        webhook_id: Option<String>,
        #[serde(rename = "type")]
        kind: String,
    },
    Poll,
    Sweep,
    Backfill,
    Operator {
        who: String,
    },
    Writer,
}

impl Net {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Poll => "poll",
            Self::Sweep => "sweep",
            Self::Backfill => "backfill",
            Self::Operator { .. } => "operator",
            Self::Writer => "writer",
        }
    }
}

/// A cause as it is stored, with all fields at one level. Every event has a cause, and serde would buffer an internally tagged enum before
/// reading it.
#[derive(Deserialize)]
struct StoredCause {
    by: NetName,
    webhook_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    who: Option<String>,
    asked_at: Option<Timestamp>,
    ghl_trace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum NetName {
    Webhook,
    Poll,
    Sweep,
    Backfill,
    Operator,
    Writer,
}

impl TryFrom<StoredCause> for Cause {
    type Error = &'static str;

    fn try_from(stored: StoredCause) -> Result<Self, &'static str> {
        let net = match stored.by {
            NetName::Webhook => Net::Webhook { webhook_id: stored.webhook_id, kind: stored.kind.ok_or("a webhook cause has no type")? },
            NetName::Poll => Net::Poll,
            NetName::Sweep => Net::Sweep,
            NetName::Backfill => Net::Backfill,
            NetName::Operator => Net::Operator { who: stored.who.ok_or("an operator cause has no name")? },
            NetName::Writer => Net::Writer,
        };
        Ok(Self { net, asked_at: stored.asked_at, ghl_trace_id: stored.ghl_trace_id })
    }
}

impl From<Net> for Cause {
    fn from(net: Net) -> Self {
        Self { net, asked_at: None, ghl_trace_id: None }
    }
}
