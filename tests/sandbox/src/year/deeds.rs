//! What people do in a year. Each deed picks somebody or something by the dice, and really changes it.

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::{Deed, Done, Year};
use crate::{RecordKind, Refusal, Webhook, World, population, state::now, wire};

type Acted = Result<Option<Done>, Refusal>;

fn done(deed: Deed, kind: RecordKind, record_id: &str, contact_id: Option<&str>) -> Done {
    Done { deed, kind, record_id: record_id.to_owned(), contact_id: contact_id.map(str::to_owned) }
}

impl Year {
    /// Remembers a contact and what hangs on it.
    pub(super) fn meet(&mut self, world: &World, id: &str) {
        self.contacts.push(id.to_owned());
        self.tasks.extend(world.task_ids(id));
        self.notes.extend(world.note_ids(id).into_iter().map(|note| (id.to_owned(), note)));
        self.appointments.extend(world.appointment_ids(id));
    }

    /// None when there is nothing to do it to.
    pub(super) fn act(&mut self, world: &World, deed: Deed, fate: Webhook) -> Acted {
        match deed {
            Deed::AddContact => self.add_contact(world, fate).map(Some),
            Deed::EditContact => self.edit_contact(world, fate),
            Deed::Tag | Deed::Untag => self.change_tags(world, deed, fate),
            Deed::DeleteContact => self.delete_contact(world, fate),
            Deed::RestoreContact => self.restore_contact(world),
            Deed::MergeContacts => self.merge_contacts(world),
            Deed::AddTask | Deed::AddSharedTask | Deed::AddLooseTask => self.add_task(world, deed, fate),
            Deed::EditTask | Deed::CompleteTask | Deed::ReopenTask | Deed::DeleteTask => self.change_task(world, deed, fate),
            Deed::RestoreTask => self.restore_task(world),
            Deed::RecurTask => self.recur(world, fate),
            Deed::WriteNote => self.write_note(world, fate),
            Deed::EditNote | Deed::DeleteNote => self.change_note(world, deed, fate),
            Deed::Book => self.book(world, fate),
            Deed::Reschedule | Deed::CancelBooking | Deed::DeleteBooking => self.change_booking(world, deed, fate),
        }
    }

    /// A contact that is there, and its place in the list.
    fn anyone(&mut self, world: &World) -> Option<(usize, String)> {
        while !self.contacts.is_empty() {
            let place = self.dice.below(self.contacts.len());
            let id = self.contacts.get(place)?.clone();
            if world.state().folder(&id).is_some() {
                return Some((place, id));
            }
            self.contacts.swap_remove(place);
        }
        None
    }

    pub(super) fn add_contact(&mut self, world: &World, fate: Webhook) -> Result<Done, Refusal> {
        let dice = &mut self.dice;
        let (first, last) = population::person(dice);
        let body = json!({
            "firstName": first,
            "lastName": last,
            "email": format!("year.{}.{}@client.example", self.settings.seed, self.told),
            "phone": population::phone(dice),
            "source": dice.pick(&["website form", "referral", "csv import"]),
            "assignedTo": population::user(world.premises(), dice),
            "tags": ["prospect"],
        });
        let id = world.create_contact(&body, fate)?;
        self.contacts.push(id.clone());
        Ok(done(Deed::AddContact, RecordKind::Contact, &id, Some(&id)))
    }

    fn edit_contact(&mut self, world: &World, fate: Webhook) -> Acted {
        let Some((_, id)) = self.anyone(world) else { return Ok(None) };
        let (number, dice) = (self.told, &mut self.dice);
        let body = match dice.below(7) {
            0 => json!({"phone": population::phone(dice)}),
            1 => json!({"companyName": format!("Atelier №{number}"), "city": dice.pick(&["Lisboa", "Oslo", "東京"])}),
            2 => json!({"address1": format!("{number} Harbour Street"), "postalCode": number.to_string()}),
            3 => json!({"email": format!("moved.{}.{number}@client.example", self.settings.seed)}),
            4 => json!({"lastName": format!("{} {number}", population::person(dice).1)}),
            5 => {
                let dnd = world.state().folder(&id).is_some_and(|folder| folder.contact.dnd);
                json!({"dnd": !dnd, "dndSettings": {"SMS": {"status": if dnd { "inactive" } else { "active" }, "message": number.to_string()}}})
            }
            _ => {
                let field = world.premises().custom_fields.values().find(|field| field.data_type == "LARGE_TEXT");
                json!({"customFields": [{"id": field.map(|field| &field.id), "field_value": format!("Goal №{number}")}]})
            }
        };
        world.update_contact(&id, &body, fate)?;
        Ok(Some(done(Deed::EditContact, RecordKind::Contact, &id, Some(&id))))
    }

    fn change_tags(&mut self, world: &World, deed: Deed, fate: Webhook) -> Acted {
        let Some((_, id)) = self.anyone(world) else { return Ok(None) };
        let held = world.tags_of(&id);
        if deed == Deed::Untag
            && let Some(tag) = held.get(self.dice.below(held.len()))
        {
            world.remove_tags(&id, &[tag], fate)?;
            return Ok(Some(done(Deed::Untag, RecordKind::Contact, &id, Some(&id))));
        }
        let pool = ["vip", "newsletter", "milestone: signed", "☕ coffee", "follow-up", "workshop", "référence", "ready"];
        let new: Vec<&str> = pool.into_iter().filter(|tag| !held.iter().any(|held| held == tag)).collect();
        let Some(tag) = new.get(self.dice.below(new.len())) else { return Ok(None) };
        world.add_tags(&id, &[tag], fate)?;
        Ok(Some(done(Deed::Tag, RecordKind::Contact, &id, Some(&id))))
    }

    fn delete_contact(&mut self, world: &World, fate: Webhook) -> Acted {
        let Some((place, id)) = self.anyone(world) else { return Ok(None) };
        self.contacts.swap_remove(place);
        world.delete_contact(&id, fate)?;
        self.deleted_contacts.push_back(id.clone());
        Ok(Some(done(Deed::DeleteContact, RecordKind::Contact, &id, Some(&id))))
    }

    /// The one that was deleted longest ago, so that somebody had time to notice.
    fn restore_contact(&mut self, world: &World) -> Acted {
        let Some(id) = self.deleted_contacts.pop_front() else { return Ok(None) };
        world.restore_contact(&id)?;
        self.meet(world, &id);
        Ok(Some(done(Deed::RestoreContact, RecordKind::Contact, &id, Some(&id))))
    }

    fn merge_contacts(&mut self, world: &World) -> Acted {
        let (Some((place, loser)), true) = (self.anyone(world), self.contacts.len() > 1) else { return Ok(None) };
        self.contacts.swap_remove(place);
        let Some((_, winner)) = self.anyone(world) else { return Ok(None) };
        world.merge_contacts(&winner, &loser, Webhook::Lost)?;
        Ok(Some(done(Deed::MergeContacts, RecordKind::Contact, &winner, Some(&winner))))
    }

    fn add_task(&mut self, world: &World, deed: Deed, fate: Webhook) -> Acted {
        let Some((_, id)) = self.anyone(world) else { return Ok(None) };
        let mut body = self.task(world);
        if deed == Deed::AddSharedTask {
            let other = self.anyone(world).map(|(_, other)| other).filter(|other| *other != id);
            if let Some(fields) = body.as_object_mut() {
                fields.insert("contactIds".to_owned(), json!(std::iter::once(id.clone()).chain(other).collect::<Vec<_>>()));
            }
        }
        let task = if deed == Deed::AddLooseTask { world.create_loose_task(&body, fate)? } else { world.create_task(&id, &body, fate)? };
        self.tasks.push(task.clone());
        let contact_id = Some(id.as_str()).filter(|_| deed != Deed::AddLooseTask);
        Ok(Some(done(deed, RecordKind::Task, &task, contact_id)))
    }

    fn task(&mut self, world: &World) -> Value {
        let dice = &mut self.dice;
        let due = dice.chance(0.8).then(|| wire::instant(in_days(dice.between(1, 30))));
        wire::present(json!({
            "title": population::task_title(dice),
            "body": population::task_body(dice),
            "assignedTo": population::user(world.premises(), dice),
            "completed": false,
            "dueDate": due,
        }))
    }

    fn change_task(&mut self, world: &World, deed: Deed, fate: Webhook) -> Acted {
        while !self.tasks.is_empty() {
            let place = self.dice.below(self.tasks.len());
            let Some(id) = self.tasks.get(place).cloned() else { break };
            let Some(held) = world.state().task(&id).cloned() else {
                self.tasks.swap_remove(place);
                continue;
            };
            let contact_id = held.contact_id.as_deref();
            let deed = if deed == Deed::DeleteTask {
                self.tasks.swap_remove(place);
                world.delete_any_task(&id, fate)?;
                self.deleted_tasks.push_back(id.clone());
                deed
            } else if deed == Deed::EditTask {
                let title = format!("{} ({})", population::task_title(&mut self.dice), self.told);
                let due = wire::instant(in_days(self.dice.between(1, 30)));
                world.update_any_task(&id, &json!({"title": title, "dueDate": due}), fate)?;
                deed
            } else {
                world.update_any_task(&id, &json!({"completed": !held.completed}), fate)?;
                if held.completed { Deed::ReopenTask } else { Deed::CompleteTask }
            };
            return Ok(Some(done(deed, RecordKind::Task, &id, contact_id)));
        }
        Ok(None)
    }

    fn restore_task(&mut self, world: &World) -> Acted {
        while let Some(id) = self.deleted_tasks.pop_front() {
            if world.restore_task(&id).is_ok() {
                let contact_id = world.state().task(&id).and_then(|task| task.contact_id.clone());
                self.tasks.push(id.clone());
                return Ok(Some(done(Deed::RestoreTask, RecordKind::Task, &id, contact_id.as_deref())));
            }
        }
        Ok(None)
    }

    /// A new rule now and then, otherwise the time of one has come.
    fn recur(&mut self, world: &World, fate: Webhook) -> Acted {
        let Some((_, id)) = self.anyone(world) else { return Ok(None) };
        if self.rules.is_empty() || self.dice.chance(0.1) {
            let options = json!({"intervalType": "weekly", "interval": 1, "startDate": "2030-01-07T09:00:00Z", "dueAfterSeconds": 86_400});
            let body = json!({"title": format!("Check in ({})", self.told), "contactIds": [id], "rruleOptions": options,
                "ignoreTaskCreation": true});
            self.rules.push(world.create_recurring_task(&body, fate)?);
        }
        while !self.rules.is_empty() {
            let place = self.dice.below(self.rules.len());
            let Some(rule) = self.rules.get(place) else { break };
            let made = world.run_recurring_task(rule, fate)?;
            let Some(task) = made.first() else {
                // Its contact is gone.
                self.rules.swap_remove(place);
                continue;
            };
            let contact_id = world.state().task(task).and_then(|task| task.contact_id.clone());
            let acted = done(Deed::RecurTask, RecordKind::Task, task, contact_id.as_deref());
            self.tasks.extend(made);
            return Ok(Some(acted));
        }
        Ok(None)
    }

    fn write_note(&mut self, world: &World, fate: Webhook) -> Acted {
        let Some((_, id)) = self.anyone(world) else { return Ok(None) };
        let (number, dice) = (self.told, &mut self.dice);
        // Some end in half of an emoji, as texts do that were cut by a length in UTF-16.
        let cut = if number.is_multiple_of(5) { "\u{fffd}" } else { "" };
        let text = format!("{}{cut}", population::note_body(dice));
        let body = json!({"body": text, "userId": population::user(world.premises(), dice)});
        let note = world.create_note(&id, &body, fate)?;
        self.notes.push((id.clone(), note.clone()));
        Ok(Some(done(Deed::WriteNote, RecordKind::Note, &note, Some(&id))))
    }

    fn change_note(&mut self, world: &World, deed: Deed, fate: Webhook) -> Acted {
        while !self.notes.is_empty() {
            let place = self.dice.below(self.notes.len());
            let Some((contact_id, id)) = self.notes.get(place).cloned() else { break };
            if world.state().note(&contact_id, &id).is_none() {
                self.notes.swap_remove(place);
                continue;
            }
            if deed == Deed::DeleteNote {
                self.notes.swap_remove(place);
                world.delete_note(&contact_id, &id, fate)?;
            } else {
                let body = format!("{}<p>Edited, {}.</p>", population::note_body(&mut self.dice), self.told);
                world.update_note(&contact_id, &id, &json!({ "body": body }), fate)?;
            }
            return Ok(Some(done(deed, RecordKind::Note, &id, Some(&contact_id))));
        }
        Ok(None)
    }

    fn book(&mut self, world: &World, fate: Webhook) -> Acted {
        let Some((_, id)) = self.anyone(world) else { return Ok(None) };
        let calendars = world.calendar_ids();
        let body = json!({
            "calendarId": calendars.get(self.dice.below(calendars.len())),
            "contactId": id,
            "title": population::visit_title(&mut self.dice),
            "startTime": self.slot(world),
            "appointmentStatus": "confirmed",
        });
        let booking = world.create_appointment(&body, fate)?;
        self.appointments.push(booking.clone());
        Ok(Some(done(Deed::Book, RecordKind::Appointment, &booking, Some(&id))))
    }

    fn change_booking(&mut self, world: &World, deed: Deed, fate: Webhook) -> Acted {
        while !self.appointments.is_empty() {
            let place = self.dice.below(self.appointments.len());
            let Some(id) = self.appointments.get(place).cloned() else { break };
            let Some(contact_id) = world.state().appointment(&id).map(|held| held.contact_id.clone()) else {
                self.appointments.swap_remove(place);
                continue;
            };
            if deed == Deed::DeleteBooking {
                self.appointments.swap_remove(place);
                world.delete_appointment(&id, fate)?;
            } else if deed == Deed::CancelBooking {
                world.update_appointment(&id, &json!({"appointmentStatus": "cancelled"}), fate)?;
            } else {
                let start = self.slot(world);
                world.update_appointment(&id, &json!({"startTime": start, "appointmentStatus": "confirmed"}), fate)?;
            }
            return Ok(Some(done(deed, RecordKind::Appointment, &id, Some(&contact_id))));
        }
        Ok(None)
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
