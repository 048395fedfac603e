//! Why something is in the log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a change came to be known, and on whose behalf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenCause")]
pub struct Cause {
    #[serde(flatten)]
    pub net: Net,
    /// When GHL was asked for what was then seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// The vendor's own trace id of the answer, for support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ghl_trace_id: Option<String>,
}

/// Which of the nets saw it.
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

/// A cause as it lies in the log, field by field: every event has one, and a tag inside it would have it read twice.
#[derive(Deserialize)]
struct WrittenCause {
    by: By,
    webhook_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    who: Option<String>,
    asked_at: Option<Timestamp>,
    ghl_trace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Webhook,
    Poll,
    Sweep,
    Backfill,
    Operator,
    Writer,
}

impl TryFrom<WrittenCause> for Cause {
    type Error = &'static str;

    fn try_from(written: WrittenCause) -> Result<Self, &'static str> {
        let net = match written.by {
            By::Webhook => Net::Webhook { webhook_id: written.webhook_id, kind: written.kind.ok_or("a webhook without its type")? },
            By::Poll => Net::Poll,
            By::Sweep => Net::Sweep,
            By::Backfill => Net::Backfill,
            By::Operator => Net::Operator { who: written.who.ok_or("an operator without a name")? },
            By::Writer => Net::Writer,
        };
        Ok(Self { net, asked_at: written.asked_at, ghl_trace_id: written.ghl_trace_id })
    }
}

impl From<Net> for Cause {
    fn from(net: Net) -> Self {
        Self { net, asked_at: None, ghl_trace_id: None }
    }
}
