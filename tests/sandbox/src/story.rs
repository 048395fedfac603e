//! A story for the demo: people in the agency work, one change after the other, the same for the same seed.
//!
//! What hangs on a contact is only looked at again when a webhook tells of it or when the contact's `dateUpdated` moves. So
//! whenever the story loses the news of a change to a task, note or appointment, somebody also saves the contact, after it.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Refusal, Webhook, World, dice::Dice, population, state::now, wire};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorySettings {
    pub seed: u64,
    pub changes: usize,
    /// Between one change and the next.
    #[serde(with = "humantime_serde")]
    pub pace: Duration,
    /// Share of changes whose webhook is lost.
    pub lost_share: f64,
    /// Share of changes that GHL tells nobody about, as it does for edits of tasks; among the rest.
    pub silent_share: f64,
    /// Shares of webhooks that are sent twice, or late; among the rest.
    pub repeated_share: f64,
    pub delayed_share: f64,
    #[serde(with = "humantime_serde")]
    pub delay: Duration,
}

impl Default for StorySettings {
    fn default() -> Self {
        Self {
            seed: 1,
            changes: 60,
            pace: Duration::from_millis(200),
            lost_share: 0.2,
            silent_share: 0.1,
            repeated_share: 0.1,
            delayed_share: 0.1,
            delay: Duration::from_secs(1),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    AddContact,
    EditContact,
    ChangeTags,
    AddTask,
    EditTask,
    CompleteTask,
    DeleteTask,
    WriteNote,
    EditNote,
    DeleteNote,
    Book,
    Reschedule,
    CancelBooking,
    DeleteBooking,
    DeleteContact,
}

/// How the change can be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    Webhook,
    RepeatedWebhook,
    LateWebhook,
    /// There was a webhook, but it was lost: only polling sees the change.
    Lost,
    /// There is no webhook for it: only polling sees the change.
    Silent,
}

/// One change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// From 1.
    pub number: usize,
    pub of: usize,
    pub deed: Deed,
    pub news: News,
    pub contact_id: String,
}

/// Plays the whole story, telling of each change after it was made.
pub async fn play(world: &World, settings: StorySettings, mut progress: impl FnMut(&Step)) -> Result<Vec<Step>, Refusal> {
    let mut story = Story::new(settings);
    let mut steps = Vec::new();
    while let Some(step) = story.step(world) {
        let step = step?;
        progress(&step);
        steps.push(step);
        tokio::time::sleep(settings.pace).await;
    }
    Ok(steps)
}

/// The story, one change at a time.
pub struct Story {
    settings: StorySettings,
    dice: Dice,
    /// What comes next, from the end; refilled when empty, so that every kind of change comes up early.
    bag: Vec<Deed>,
    told: usize,
}

impl Story {
    pub fn new(settings: StorySettings) -> Self {
        Self { settings, dice: Dice::for_purpose(settings.seed, "story"), bag: Vec::new(), told: 0 }
    }

    /// Makes the next change; None when the story is over.
    pub fn step(&mut self, world: &World) -> Option<Result<Step, Refusal>> {
        if self.told >= self.settings.changes {
            return None;
        }
        self.told += 1;
        let planned = self.next_deed();
        let news = self.news(planned);
        let (deed, contact_id) = match self.act(world, planned, news) {
            Ok(Some(contact_id)) => (planned, contact_id),
            // Nobody has what the deed needs: somebody new comes.
            Ok(None) => match self.add_contact(world, self.fate(news)) {
                Ok(contact_id) => (Deed::AddContact, contact_id),
                Err(refusal) => return Some(Err(refusal)),
            },
            Err(refusal) => return Some(Err(refusal)),
        };
        Some(Ok(Step { number: self.told, of: self.settings.changes, deed, news, contact_id }))
    }

    fn next_deed(&mut self) -> Deed {
        use Deed::*;
        if self.bag.is_empty() {
            self.bag = vec![
                AddContact,
                AddContact,
                EditContact,
                EditContact,
                EditContact,
                ChangeTags,
                ChangeTags,
                AddTask,
                AddTask,
                EditTask,
                CompleteTask,
                DeleteTask,
                WriteNote,
                WriteNote,
                EditNote,
                DeleteNote,
                Book,
                Book,
                Reschedule,
                CancelBooking,
                DeleteBooking,
                DeleteContact,
            ];
            self.dice.shuffle(&mut self.bag);
        }
        self.bag.pop().unwrap_or(EditContact)
    }

    fn news(&mut self, deed: Deed) -> News {
        let [lost, silent, repeated, late] =
            [self.settings.lost_share, self.settings.silent_share, self.settings.repeated_share, self.settings.delayed_share]
                .map(|share| self.dice.chance(share));
        if deed == Deed::DeleteContact {
            // A lost deletion would only be seen by a complete pass over all contacts.
            News::Webhook
        } else if deed == Deed::EditTask || (deed == Deed::EditContact && silent) {
            News::Silent
        } else if lost {
            News::Lost
        } else if repeated {
            News::RepeatedWebhook
        } else if late {
            News::LateWebhook
        } else {
            News::Webhook
        }
    }

    fn fate(&self, news: News) -> Webhook {
        match news {
            News::Webhook => Webhook::Sent,
            News::RepeatedWebhook => Webhook::Repeated(2),
            News::LateWebhook => Webhook::Delayed(self.settings.delay),
            News::Lost | News::Silent => Webhook::Lost,
        }
    }

    /// Gives the contact it happened to; None when no contact has what it needs.
    fn act(&mut self, world: &World, deed: Deed, news: News) -> Result<Option<String>, Refusal> {
        let fate = self.fate(news);
        let contact_id = match deed {
            Deed::AddContact => return self.add_contact(world, fate).map(Some),
            Deed::EditContact => self.anyone(world).map(|id| self.edit_contact(world, &id, fate).map(|()| id)),
            Deed::ChangeTags => self.anyone(world).map(|id| self.change_tags(world, &id, fate).map(|()| id)),
            Deed::DeleteContact => self.anyone(world).map(|id| world.delete_contact(&id, fate).map(|()| id)),
            Deed::AddTask => self.anyone(world).map(|id| self.add_task(world, &id, fate).map(|()| id)),
            Deed::WriteNote => self.anyone(world).map(|id| self.write_note(world, &id, fate).map(|()| id)),
            Deed::Book => self.anyone(world).map(|id| self.book(world, &id, fate).map(|()| id)),
            Deed::EditTask | Deed::CompleteTask | Deed::DeleteTask => {
                self.owner(world, World::task_ids).map(|(id, task)| self.on_task(world, deed, &id, &task, fate).map(|()| id))
            }
            Deed::EditNote | Deed::DeleteNote => {
                self.owner(world, World::note_ids).map(|(id, note)| self.on_note(world, deed, &id, &note, fate).map(|()| id))
            }
            Deed::Reschedule | Deed::CancelBooking | Deed::DeleteBooking => {
                self.owner(world, World::appointment_ids).map(|(id, booking)| self.on_booking(world, deed, &booking, fate).map(|()| id))
            }
        };
        let Some(contact_id) = contact_id.transpose()? else { return Ok(None) };
        let unheard = matches!(news, News::Lost | News::Silent);
        if unheard && deed != Deed::EditContact {
            world.touch_contact(&contact_id, Webhook::Lost)?;
        }
        Ok(Some(contact_id))
    }

    fn anyone(&mut self, world: &World) -> Option<String> {
        let ids = world.contact_ids();
        ids.get(self.dice.below(ids.len())).cloned()
    }

    /// Somebody who has such a thing, and the thing: the first from a random place on.
    fn owner(&mut self, world: &World, things: fn(&World, &str) -> Vec<String>) -> Option<(String, String)> {
        let ids = world.contact_ids();
        let start = self.dice.below(ids.len());
        let (before, from_here) = ids.split_at_checked(start)?;
        from_here.iter().chain(before).find_map(|id| {
            let held = things(world, id);
            let thing = held.get(self.dice.below(held.len()))?;
            Some((id.clone(), thing.clone()))
        })
    }

    fn add_contact(&mut self, world: &World, fate: Webhook) -> Result<String, Refusal> {
        let dice = &mut self.dice;
        let (first, last) = population::person(dice);
        let mailbox = dice.id().to_lowercase();
        let mut fields = Vec::new();
        for field in world.premises().custom_fields.values() {
            if dice.chance(0.3) {
                fields.push(json!({"id": field.id, "field_value": population::custom_value(field, dice)}));
            }
        }
        let body = json!({
            "firstName": first,
            "lastName": last,
            "email": format!("new.{mailbox}@client.example"),
            "phone": population::phone(dice),
            "source": "website form",
            "assignedTo": population::user(world.premises(), dice),
            "tags": ["prospect"],
            "customFields": fields,
        });
        world.create_contact(&body, fate)
    }

    fn edit_contact(&mut self, world: &World, id: &str, fate: Webhook) -> Result<(), Refusal> {
        let dice = &mut self.dice;
        let body = match dice.below(5) {
            0 => json!({"phone": population::phone(dice)}),
            1 => json!({"lastName": population::person(dice).1}),
            2 => json!({"assignedTo": population::user(world.premises(), dice), "city": "Lisboa"}),
            3 => json!({"companyName": format!("Atelier №{}", dice.between(1, 999))}),
            _ => {
                let fields = &world.premises().custom_fields;
                let field = fields.values().nth(dice.below(fields.len()));
                let value = field.map(|field| json!([{"id": field.id, "field_value": population::custom_value(field, dice)}]));
                json!({"customFields": value.unwrap_or_else(|| json!([]))})
            }
        };
        world.update_contact(id, &body, fate)
    }

    fn change_tags(&mut self, world: &World, id: &str, fate: Webhook) -> Result<(), Refusal> {
        let tag = self.dice.pick(&["vip", "newsletter", "milestone: signed", "☕ coffee", "follow-up"]);
        if world.tags_of(id).iter().any(|held| held == tag) {
            world.remove_tags(id, &[tag], fate).map(drop)
        } else {
            world.add_tags(id, &[tag], fate).map(drop)
        }
    }

    fn add_task(&mut self, world: &World, id: &str, fate: Webhook) -> Result<(), Refusal> {
        let dice = &mut self.dice;
        let mut body = json!({
            "title": population::task_title(dice),
            "body": population::task_body(dice),
            "assignedTo": population::user(world.premises(), dice),
            "completed": false,
        });
        if let (true, Some(fields)) = (dice.chance(0.8), body.as_object_mut()) {
            fields.insert("dueDate".to_owned(), json!(wire::instant(in_days(dice.between(1, 30)))));
        }
        world.create_task(id, &body, fate).map(drop)
    }

    fn on_task(&mut self, world: &World, deed: Deed, id: &str, task: &str, fate: Webhook) -> Result<(), Refusal> {
        if deed == Deed::DeleteTask {
            return world.delete_task(id, task, fate);
        }
        if deed == Deed::CompleteTask {
            return world.complete_task(id, task, true, fate);
        }
        let due = wire::instant(in_days(self.dice.between(1, 30)));
        world.update_task(id, task, &json!({"title": population::task_title(&mut self.dice), "dueDate": due}), fate)
    }

    fn write_note(&mut self, world: &World, id: &str, fate: Webhook) -> Result<(), Refusal> {
        let dice = &mut self.dice;
        let body = json!({"body": population::note_body(dice), "userId": population::user(world.premises(), dice)});
        world.create_note(id, &body, fate).map(drop)
    }

    fn on_note(&mut self, world: &World, deed: Deed, id: &str, note: &str, fate: Webhook) -> Result<(), Refusal> {
        if deed == Deed::DeleteNote {
            return world.delete_note(id, note, fate);
        }
        let body = format!("{}<p>Edited, {}.</p>", population::note_body(&mut self.dice), self.told);
        world.update_note(id, note, &json!({ "body": body }), fate)
    }

    fn book(&mut self, world: &World, id: &str, fate: Webhook) -> Result<(), Refusal> {
        let calendars = world.calendar_ids();
        let calendar = calendars.get(self.dice.below(calendars.len()));
        let body = json!({
            "calendarId": calendar,
            "contactId": id,
            "title": population::visit_title(&mut self.dice),
            "startTime": self.slot(world),
            "appointmentStatus": "confirmed",
        });
        world.create_appointment(&body, fate).map(drop)
    }

    fn on_booking(&mut self, world: &World, deed: Deed, booking: &str, fate: Webhook) -> Result<(), Refusal> {
        if deed == Deed::DeleteBooking {
            return world.delete_appointment(booking, fate);
        }
        let change =
            if deed == Deed::CancelBooking { json!({"appointmentStatus": "cancelled"}) } else { json!({"startTime": self.slot(world)}) };
        world.update_appointment(booking, &change, fate)
    }

    fn slot(&mut self, world: &World) -> String {
        let premises = world.premises();
        let days = self.dice.between(1, 30);
        let at = population::slot(now(), days, premises, &mut self.dice).unwrap_or_else(now);
        wire::with_offset(at, &premises.zone)
    }
}

fn in_days(days: i64) -> Timestamp {
    now().checked_add((days * 24).hours()).unwrap_or_else(|_too_far| now())
}
