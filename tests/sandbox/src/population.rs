//! A believable agency: what the location has from the start, and the people it may be filled with.

mod names;
mod texts;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{Span, Timestamp, ToSpan as _, tz::TimeZone};
use serde_json::{Value, json};

use crate::{
    Error, Settings,
    dice::Dice,
    premises::Premises,
    records::{Appointment, Calendar, Contact, CustomField, CustomValue, Note, Task, User},
    state::{State, now},
};

pub(crate) use names::person;
pub(crate) use texts::{note_body, note_title, task_body, task_title, visit_title};

/// Users, calendars and custom field definitions follow from the seed alone.
pub(crate) fn premises(settings: &Settings) -> Result<Premises, Error> {
    let mut dice = Dice::for_purpose(settings.seed, "premises");
    let zone = TimeZone::get(&settings.time_zone).map_err(|_opaque| Error::TimeZone { name: settings.time_zone.clone() })?;
    let (location_id, company_id) = (dice.id(), dice.id());
    let users = users(&mut dice);
    let calendars = calendars(&mut dice, &users.keys().cloned().collect::<Vec<_>>());
    Ok(Premises {
        location_id,
        company_id,
        name: settings.location_name.clone(),
        zone_name: settings.time_zone.clone(),
        zone,
        allow_duplicate_contact: settings.allow_duplicate_contact,
        custom_fields: custom_fields(&mut dice),
        users,
        calendars,
    })
}

fn users(dice: &mut Dice) -> BTreeMap<String, User> {
    let people = [("Maya", "Okafor", "admin"), ("Jonas", "Lindqvist", "user"), ("Priya", "Raman", "user"), ("Tomás", "Herrera", "user")];
    let mut users = BTreeMap::new();
    for (place, (first, last, role)) in people.into_iter().enumerate() {
        let user = User {
            id: dice.id(),
            first_name: first.to_owned(),
            last_name: last.to_owned(),
            email: format!("staff{place}@northwind.example"),
            phone: format!("+1207555010{place}"),
            role: role.to_owned(),
        };
        users.insert(user.id.clone(), user);
    }
    users
}

fn calendars(dice: &mut Dice, users: &[String]) -> BTreeMap<String, Calendar> {
    let kinds = [
        ("Discovery call", "A first conversation", 30),
        ("Coaching session", "The weekly hour", 60),
        ("On-site workshop", "Half a day at the client's", 240),
    ];
    let group_id = dice.id();
    let mut calendars = BTreeMap::new();
    for (name, description, slot_minutes) in kinds {
        let id = dice.id();
        let owner = users.get(dice.below(users.len())).cloned();
        calendars.insert(
            id.clone(),
            Calendar {
                id,
                group_id: group_id.clone(),
                name: name.to_owned(),
                description: description.to_owned(),
                slot_minutes,
                user_ids: owner.into_iter().collect(),
            },
        );
    }
    calendars
}

/// One of every type there is.
fn custom_fields(dice: &mut Dice) -> BTreeMap<String, CustomField> {
    let kinds: [(&str, &str, &str, &[&str]); 12] = [
        ("How they found us", "how_they_found_us", "TEXT", &[]),
        ("Goals", "goals", "LARGE_TEXT", &[]),
        ("Team size", "team_size", "NUMERICAL", &[]),
        ("Second phone", "second_phone", "PHONE", &[]),
        ("Budget", "budget", "MONETORY", &[]),
        ("Interests", "interests", "CHECKBOX", &["Strategy", "Sales", "Hiring", "Wellbeing"]),
        ("Package", "package", "SINGLE_OPTIONS", &["Starter", "Growth", "Enterprise"]),
        ("Languages", "languages", "MULTIPLE_OPTIONS", &["English", "Español", "العربية", "日本語"]),
        ("Prefers", "prefers", "RADIO", &["E-mail", "Phone"]),
        ("Client since", "client_since", "DATE", &[]),
        ("Assistant", "assistant", "TEXTBOX_LIST", &["Name", "Extension"]),
        ("Contract", "contract", "FILE_UPLOAD", &[]),
    ];
    let mut fields = BTreeMap::new();
    for ((name, key, data_type, options), position) in kinds.into_iter().zip(0_u32..) {
        let id = dice.id();
        let field = CustomField {
            id: id.clone(),
            name: name.to_owned(),
            key: format!("contact.{key}"),
            data_type: data_type.to_owned(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            position,
        };
        fields.insert(id, field);
    }
    fields
}

/// A value as its type has it: string, number, array or object.
pub(crate) fn custom_value(field: &CustomField, dice: &mut Dice) -> Value {
    let option = field.options.get(dice.below(field.options.len())).cloned().unwrap_or_default();
    match field.data_type.as_str() {
        "NUMERICAL" => json!(dice.between(1, 400)),
        "MONETORY" => json!(dice.between(10, 900) * 100),
        "CHECKBOX" | "MULTIPLE_OPTIONS" => {
            let chosen: Vec<&String> = field.options.iter().filter(|_| dice.chance(0.5)).collect();
            if chosen.is_empty() { json!([option]) } else { json!(chosen) }
        }
        "SINGLE_OPTIONS" | "RADIO" => json!(option),
        "PHONE" => json!(phone(dice)),
        "DATE" => json!(format!("20{:02}-{:02}-{:02}", dice.between(15, 25), dice.between(1, 12), dice.between(1, 28))),
        "LARGE_TEXT" => json!(texts::goal(dice)),
        "TEXTBOX_LIST" => json!({dice.uuid(): person(dice).0, dice.uuid(): dice.between(100, 999).to_string()}),
        "FILE_UPLOAD" => {
            let (uuid, document) = (dice.uuid(), dice.id());
            let meta = json!({"fieldname": field.id, "originalname": "contract.pdf", "encoding": "7bit",
                "mimetype": "application/pdf", "size": dice.between(20_000, 900_000), "uuid": uuid});
            let url = format!("https://services.leadconnectorhq.com/documents/download/{document}");
            json!({uuid: {"meta": meta, "url": url, "documentId": document}})
        }
        _ => json!(texts::found_us(dice)),
    }
}

pub(crate) fn phone(dice: &mut Dice) -> String {
    format!("+1{}{:07}", dice.between(201, 989), dice.between(2_000_000, 9_999_999))
}

/// How much hangs on each contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// As in life: much on some, nothing on others.
    Varied,
    /// The same on everybody.
    Each { tasks: usize, notes: usize, appointments: usize },
}

impl Load {
    fn roll(self, dice: &mut Dice) -> [usize; 3] {
        match self {
            Self::Varied => [dice.pick(&[0, 0, 1, 1, 2, 3, 5]), dice.pick(&[0, 1, 1, 2, 4]), dice.pick(&[0, 0, 1, 1, 2])],
            Self::Each { tasks, notes, appointments } => [tasks, notes, appointments],
        }
    }
}

/// Contacts with all that hangs on them, dated into the past two years.
pub(crate) fn populate(state: &mut State, premises: &Premises, seed: u64, contacts: usize, load: Load) {
    let mut dice = Dice::for_purpose(seed, "population");
    let today = now();
    for _ in 0..contacts {
        let [tasks, notes, appointments] = load.roll(&mut dice);
        let id = state.new_id();
        let contact = contact(&id, premises, &mut dice, today);
        let added = contact.date_added;
        state.put_contact(Arc::new(contact));
        for _ in 0..tasks {
            let task = task(state.new_id(), &id, premises, &mut dice, added, today);
            state.put_task(Arc::new(task));
        }
        for _ in 0..notes {
            let note = note(state.new_id(), &id, premises, &mut dice, added, today);
            state.put_note(Arc::new(note));
        }
        for _ in 0..appointments {
            if let Some(appointment) = appointment(state.new_id(), &id, premises, &mut dice, today) {
                state.put_appointment(Arc::new(appointment));
            }
        }
    }
    state.settle_search();
}

fn contact(id: &str, premises: &Premises, dice: &mut Dice, today: Timestamp) -> Contact {
    let (first, last) = person(dice);
    let place = names::place(dice);
    let added = past(today, dice.between(1, 700), dice);
    let since = u64::try_from(today.duration_since(added).as_secs()).unwrap_or(1).max(1);
    let edited = added.checked_add(i64::try_from(dice.roll() % since).unwrap_or(0).seconds()).unwrap_or(added);
    let dnd = dice.chance(0.05);
    let mut contact = Contact {
        id: id.to_owned(),
        first_name: Some(first.to_owned()),
        last_name: Some(last.to_owned()).filter(|name| !name.is_empty()),
        email: dice.chance(0.9).then(|| names::email(dice, id)),
        phone: dice.chance(0.8).then(|| phone(dice)),
        company_name: dice.chance(0.6).then(|| names::company(dice).to_owned()),
        address1: dice.chance(0.7).then(|| place.street.to_owned()),
        city: Some(place.city.to_owned()),
        state: Some(place.state.to_owned()).filter(|state| !state.is_empty()),
        country: Some(place.country.to_owned()),
        postal_code: Some(place.postal_code.to_owned()),
        website: dice.chance(0.3).then(|| "https://client.example/".to_owned()),
        time_zone: dice.chance(0.5).then(|| place.zone.to_owned()),
        source: Some(dice.pick(&["public api", "website form", "referral", "csv import", "calendar"]).to_owned()),
        kind: Some(dice.pick(&["lead", "customer"]).to_owned()),
        assigned_to: dice.chance(0.8).then(|| user(premises, dice)).flatten(),
        date_of_birth: dice.chance(0.3).then(|| birthday(dice)),
        dnd,
        date_added: added,
        date_updated: edited,
        ..Contact::default()
    };
    if dnd {
        contact.dnd_settings.insert("Email".to_owned(), json!({"status": "active", "message": "asked for it", "code": "101"}));
        contact.dnd_settings.insert("SMS".to_owned(), json!({"status": "permanent"}));
    }
    contact.tags = names::tags(dice);
    for field in premises.custom_fields.values() {
        if dice.chance(0.4) {
            contact.custom_fields.push(CustomValue { id: field.id.clone(), value: custom_value(field, dice) });
        }
    }
    contact
}

pub(crate) fn user(premises: &Premises, dice: &mut Dice) -> Option<String> {
    premises.users.keys().nth(dice.below(premises.users.len())).cloned()
}

fn birthday(dice: &mut Dice) -> String {
    format!("19{:02}-{:02}-{:02}", dice.between(50, 99), dice.between(1, 12), dice.between(1, 28))
}

fn past(today: Timestamp, days: i64, dice: &mut Dice) -> Timestamp {
    let back = Span::new().hours(days.saturating_mul(24)).seconds(dice.between(0, 80_000)).milliseconds(dice.between(0, 999));
    today.checked_sub(back).unwrap_or(today)
}

fn between(from: Timestamp, to: Timestamp, dice: &mut Dice) -> Timestamp {
    let width = to.duration_since(from).as_secs().max(1);
    from.checked_add(dice.between(0, width - 1).seconds()).unwrap_or(from)
}

fn task(id: String, contact_id: &str, premises: &Premises, dice: &mut Dice, added: Timestamp, today: Timestamp) -> Task {
    let due = today.checked_add((dice.between(-90, 60) * 24).hours()).unwrap_or(today);
    Task {
        id,
        contact_id: Some(contact_id.to_owned()),
        title: Some(task_title(dice).to_owned()),
        body: dice.chance(0.6).then(|| task_body(dice).to_owned()),
        assigned_to: dice.chance(0.7).then(|| user(premises, dice)).flatten(),
        due_date: dice.chance(0.85).then_some(due),
        completed: dice.chance(0.4),
        date_added: between(added, today, dice),
        ..Task::default()
    }
}

fn note(id: String, contact_id: &str, premises: &Premises, dice: &mut Dice, added: Timestamp, today: Timestamp) -> Note {
    Note {
        id,
        contact_id: contact_id.to_owned(),
        title: dice.chance(0.3).then(|| note_title(dice).to_owned()),
        body: Some(note_body(dice).to_owned()),
        user_id: user(premises, dice),
        color: dice.chance(0.2).then(|| "#FFAA00".to_owned()),
        pinned: dice.chance(0.1),
        date_added: between(added, today, dice),
    }
}

fn appointment(id: String, contact_id: &str, premises: &Premises, dice: &mut Dice, today: Timestamp) -> Option<Appointment> {
    let calendar = premises.calendars.values().nth(dice.below(premises.calendars.len()))?;
    let day = dice.between(-60, 45);
    let start = slot(today, day, premises, dice)?;
    let status = if day < 0 {
        dice.pick(&["showed", "showed", "noshow", "cancelled"])
    } else {
        dice.pick(&["confirmed", "confirmed", "new", "cancelled"])
    };
    let booked = start.checked_sub((dice.between(2, 20) * 24).hours()).ok()?.min(today);
    Some(Appointment {
        id,
        contact_id: contact_id.to_owned(),
        calendar_id: calendar.id.clone(),
        group_id: Some(calendar.group_id.clone()),
        title: Some(visit_title(dice).to_owned()),
        address: Some(dice.pick(&["https://meet.example/northwind", "12 Harbour Street, Portland", "Phone"]).to_owned()),
        notes: dice.chance(0.3).then(|| "Bring the <b>signed</b> proposal.".to_owned()),
        description: None,
        status: status.to_owned(),
        assigned_user_id: calendar.user_ids.first().cloned(),
        source: Some("booking_widget".to_owned()),
        start,
        end: start.checked_add(i64::from(calendar.slot_minutes).minutes()).ok()?,
        date_added: booked,
        date_updated: booked,
    })
}

/// A half hour of office time so many days from today, as clocks in the location show it.
pub(crate) fn slot(today: Timestamp, days: i64, premises: &Premises, dice: &mut Dice) -> Option<Timestamp> {
    let hour = i8::try_from(dice.between(8, 17)).ok()?;
    let minute = dice.pick(&[0, 30]);
    let day = today.to_zoned_datetime(premises.zone.clone()).date().checked_add(Span::new().days(days)).ok()?;
    Some(day.at(hour, minute, 0, 0).to_zoned_datetime(premises.zone.clone()).ok()?.timestamp())
}
