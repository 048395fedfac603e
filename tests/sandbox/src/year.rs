//! A year of an agency's life by seed: tens of thousands of changes of every kind, as fast as they are asked for.
//!
//! Unlike the [story](crate::story), it spares nobody: a webhook that is lost is lost, also that of a deletion, and what GHL tells
//! nobody (edits of tasks, restored and merged contacts) is not helped along. Only a complete look at the location finds it all.

mod deeds;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{RecordKind, Refusal, Webhook, World, dice::Dice, story::News};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct YearSettings {
    pub seed: u64,
    pub changes: usize,
    /// Shares of the webhooks: never sent; of the rest, sent twice; of the rest, sent later than others.
    pub lost_share: f64,
    pub repeated_share: f64,
    pub late_share: f64,
    /// How late at most.
    #[serde(with = "humantime_serde")]
    pub late: Duration,
    /// Whether there are tasks that hang on several contacts or on none.
    pub odd_tasks: bool,
}

impl Default for YearSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            changes: 50_000,
            lost_share: 0.2,
            repeated_share: 0.1,
            late_share: 0.2,
            late: Duration::from_secs(2),
            odd_tasks: true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    AddContact,
    EditContact,
    Tag,
    Untag,
    DeleteContact,
    RestoreContact,
    /// The record is the winner; the loser is gone.
    MergeContacts,
    AddTask,
    AddSharedTask,
    AddLooseTask,
    EditTask,
    CompleteTask,
    ReopenTask,
    DeleteTask,
    RestoreTask,
    /// A task came by a rule.
    RecurTask,
    WriteNote,
    EditNote,
    DeleteNote,
    Book,
    Reschedule,
    CancelBooking,
    DeleteBooking,
}

/// One change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// From 1.
    pub number: usize,
    /// Of the year that is told, from 1 to 365; the clock does not wait for it.
    pub day: usize,
    pub deed: Deed,
    pub news: News,
    pub kind: RecordKind,
    pub record_id: String,
    /// Whom it hangs on; None for what hangs on nobody.
    pub contact_id: Option<String>,
}

/// How often, relative to each other.
const WEIGHTS: [(Deed, usize); 22] = [
    (Deed::EditContact, 200),
    (Deed::AddTask, 110),
    (Deed::Tag, 90),
    (Deed::EditTask, 80),
    // Or reopens it.
    (Deed::CompleteTask, 90),
    (Deed::WriteNote, 80),
    (Deed::AddContact, 60),
    (Deed::Untag, 50),
    (Deed::Book, 50),
    (Deed::EditNote, 40),
    (Deed::Reschedule, 30),
    (Deed::DeleteContact, 25),
    (Deed::DeleteTask, 25),
    (Deed::RecurTask, 20),
    (Deed::DeleteNote, 20),
    (Deed::CancelBooking, 15),
    (Deed::RestoreContact, 12),
    (Deed::DeleteBooking, 12),
    (Deed::MergeContacts, 10),
    (Deed::AddSharedTask, 8),
    (Deed::AddLooseTask, 8),
    (Deed::RestoreTask, 5),
];

/// The year, one change at a time. The location must change by it alone, or not much else.
pub struct Year {
    settings: YearSettings,
    dice: Dice,
    told: usize,
    counts: BTreeMap<(Deed, News), usize>,
    /// What there may still be; what is not is found out when it is looked for.
    contacts: Vec<String>,
    tasks: Vec<String>,
    /// Contact and id.
    notes: Vec<(String, String)>,
    appointments: Vec<String>,
    deleted_contacts: VecDeque<String>,
    deleted_tasks: VecDeque<String>,
    rules: Vec<String>,
}

/// What a deed was done to.
struct Done {
    deed: Deed,
    kind: RecordKind,
    record_id: String,
    contact_id: Option<String>,
}

impl Year {
    /// Starts with everything the location has.
    pub fn new(world: &World, settings: YearSettings) -> Self {
        let mut year = Self {
            settings,
            dice: Dice::for_purpose(settings.seed, "year"),
            told: 0,
            counts: BTreeMap::new(),
            contacts: Vec::new(),
            tasks: Vec::new(),
            notes: Vec::new(),
            appointments: Vec::new(),
            deleted_contacts: VecDeque::new(),
            deleted_tasks: VecDeque::new(),
            rules: world.recurring_task_ids(),
        };
        for id in world.contact_ids() {
            year.meet(world, &id);
        }
        year
    }

    /// Makes the next change; None when the year is over.
    pub fn step(&mut self, world: &World) -> Option<Result<Step, Refusal>> {
        if self.told >= self.settings.changes {
            return None;
        }
        self.told += 1;
        Some(self.change(world))
    }

    /// All that is left of it, at once. Gives the steps.
    pub fn play(&mut self, world: &World) -> Result<Vec<Step>, Refusal> {
        std::iter::from_fn(|| self.step(world)).collect()
    }

    /// How often each deed was done, by what became of its webhook.
    pub fn counts(&self) -> &BTreeMap<(Deed, News), usize> {
        &self.counts
    }

    fn change(&mut self, world: &World) -> Result<Step, Refusal> {
        let planned = self.plan();
        let (fate, told) = self.fate();
        let done = match self.act(world, planned, fate)? {
            Some(done) => done,
            // Nobody has what the deed needs: somebody new comes.
            None => self.add_contact(world, fate)?,
        };
        let news = if tells(done.deed) { told } else { News::Silent };
        *self.counts.entry((done.deed, news)).or_default() += 1;
        let day = (self.told - 1) * 365 / self.settings.changes.max(1) + 1;
        Ok(Step { number: self.told, day, deed: done.deed, news, kind: done.kind, record_id: done.record_id, contact_id: done.contact_id })
    }

    fn plan(&mut self) -> Deed {
        let odd = self.settings.odd_tasks;
        let wanted = |deed: Deed| odd || !matches!(deed, Deed::AddSharedTask | Deed::AddLooseTask);
        let total = WEIGHTS.iter().filter(|(deed, _)| wanted(*deed)).map(|(_, weight)| weight).sum();
        let mut point = self.dice.below(total);
        for (deed, weight) in WEIGHTS.into_iter().filter(|(deed, _)| wanted(*deed)) {
            if point < weight {
                return deed;
            }
            point -= weight;
        }
        Deed::EditContact
    }

    fn fate(&mut self) -> (Webhook, News) {
        let [lost, repeated, late] =
            [self.settings.lost_share, self.settings.repeated_share, self.settings.late_share].map(|share| self.dice.chance(share));
        let millis = self.dice.between(1, i64::try_from(self.settings.late.as_millis()).unwrap_or(1).max(1));
        let delay = Duration::from_millis(u64::try_from(millis).unwrap_or(1));
        match (lost, repeated, late) {
            (true, ..) => (Webhook::Lost, News::Lost),
            (false, true, _) => (Webhook::Repeated(2), News::RepeatedWebhook),
            (false, false, true) => (Webhook::Delayed(delay), News::LateWebhook),
            (false, false, false) => (Webhook::Sent, News::Webhook),
        }
    }
}

/// Whether GHL has a webhook for it.
fn tells(deed: Deed) -> bool {
    !matches!(deed, Deed::EditTask | Deed::ReopenTask | Deed::RestoreTask | Deed::RestoreContact | Deed::MergeContacts)
}
