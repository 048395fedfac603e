//! Decides what an observation of GHL means, what Pagico should hold because of it, and what may still be written.
//!
//! Knows no clock, no randomness, no IO and no other crate of the workspace: the same log and rules always give the same intents.

mod digest;
mod event;
mod fields;
mod gate;
mod history;
mod id;
mod intent;
mod map;
mod moment;
mod observe;
mod reading;
mod record;
pub mod replay;
mod retry;
mod rules;
mod text;

pub use digest::{CombinedDigest, object_digest};
pub use event::{
    Body, Cause, Change, Decode, Delivery, DeliveryFact, DeliveryOutcome, Event, FieldChange, Names, Net, Opened, OperatorFact, RecordFact,
    Recorded, Stored, event_id,
};
pub use fields::{Fields, custom_field, field_within};
pub use gate::{Applied, Gate, coalesce, gate};
pub use history::{Arrival, BlameBuilder, BlameQuery, BlamedValue, Past, Point, RecordDifference, RecordKey, Standing, as_of, difference};
pub use id::{BadId, ContactId, EventId, Hash, LocationId, ObjectKey, RecordId, RecordKind, RulesRevision, Workspace};
pub use intent::{
    Action, AppointmentContent, ContactContent, Content, CustomField, Intent, NoteContent, ObjectKind, Policy, ProjectContent, Revision,
    TaskContent, UntaggedContent,
};
pub use map::map;
pub use moment::Moment;
pub use observe::{
    Doubt, Draft, KnownContact, KnownRecord, Listing, Looks, Observation, Observed, Renamed, Shown, Sighting, Silent, observe,
};
pub use reading::Reading;
pub use record::{Appointment, Contact, Note, Record, References, Task};
pub use retry::{Backoff, Verdict};
pub use rules::{BadRules, Rules};
pub use text::readable;
