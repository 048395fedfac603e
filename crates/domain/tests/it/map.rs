//! The intents that events cause: one check for each feature.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Appointment, Body, Change, Contact, DeliveryFact, DeliveryOutcome, Intent, Names, Note, OperatorFact, Record, Recorded, Rules, Task,
    map,
};
use insta::assert_snapshot;
use serde_json::json;

use crate::support::{moment, named, names, recorded};

fn mapped(recorded: &Recorded) -> Vec<Intent> {
    map(recorded, &Rules::builtin().unwrap())
}

/// The intents of an event: a line for the object and its revision, then the content.
fn described(recorded: &Recorded) -> String {
    let describe = |intent: &Intent| {
        let content = match &intent.action {
            domain::Action::Put(content) => {
                assert_eq!(content.kind(), intent.kind);
                format!("\n{}", serde_json::to_string_pretty(&content.to_json().unwrap()).unwrap())
            }
            domain::Action::Remove => " remove".to_owned(),
        };
        format!("{} {} {:?} as of {}{content}", intent.kind, intent.object, intent.policy, intent.revision)
    };
    mapped(recorded).iter().map(describe).collect::<Vec<_>>().join("\n")
}

fn appeared(id: &str, record: Record, names: Names) -> Recorded {
    recorded(7, id, Change::Appeared, record, names, false)
}

fn contact(contact: Contact) -> Record {
    Record::Contact(Box::new(contact))
}

/// Somebody with every field and every type of custom field, and the names that they refer to.
fn ann() -> (Record, Names) {
    let fields = json!({
        "f1": "large text\nof two lines", "f2": 42, "f3": 4.5, "f4": true, "f5": false, "f6": ["red", "", "blue"], "f7": null, "f8": "",
        "f9": {"street": "Main 1", "floor": 3}, "f10": "<p>rich <b>text</b></p>", "f11": [{"url": "https://example.com/a.pdf"}],
        "unnamed": "x",
    });
    let record = contact(Contact {
        first_name: Some(" Ann ".to_owned()),
        last_name: Some("Łukasz\u{7}\n".to_owned()),
        email: Some("ann@example.com".to_owned()),
        phone: Some("+1 555 0100".to_owned()),
        company: Some("Example".to_owned()),
        street: Some("Main 1".to_owned()),
        city: Some("Berlin".to_owned()),
        postal_code: Some("10115".to_owned()),
        country: Some("DE".to_owned()),
        date_of_birth: moment("1990-05-01T00:00:00.000Z"),
        do_not_disturb: Some(false),
        assigned_to: Some("u1".to_owned()),
        tags: BTreeSet::from(["vip".to_owned(), "مهم".to_owned(), "line\nbreak".to_owned(), " ".to_owned()]),
        custom_fields: serde_json::from_value(fields).unwrap(),
        ..Contact::default()
    });
    let names = names(
        &[("u1", "Ben")],
        &[
            ("f1", "Notes"),
            ("f2", "Size"),
            ("f3", "Score"),
            ("f4", "Agreed"),
            ("f5", "Paid"),
            ("f6", "Colours"),
            ("f7", "Null"),
            ("f8", "Empty"),
            ("f9", "Delivery"),
            ("f10", "Bio"),
            ("f11", "Files"),
            ("unnamed", " "),
        ],
        &[],
    );
    (record, names)
}

#[test]
fn a_contact_becomes_a_profile_with_every_type_of_custom_field() {
    let (record, names) = ann();
    assert_snapshot!(described(&appeared("ann", record, names)), @r#"
    contact ghl:contact/ann Mirror as of 1.7
    {
      "address": "Main 1\n10115 Berlin\nDE",
      "birthday": "1990-05-01",
      "company": "Example",
      "custom_fields": [
        {
          "name": "Agreed",
          "value": "yes"
        },
        {
          "name": "Bio",
          "value": "rich **text**"
        },
        {
          "name": "Colours",
          "value": "red, blue"
        },
        {
          "name": "Delivery",
          "value": "floor: 3; street: Main 1"
        },
        {
          "name": "Files",
          "value": "url: https://example.com/a.pdf"
        },
        {
          "name": "Notes",
          "value": "large text\nof two lines"
        },
        {
          "name": "Paid",
          "value": "no"
        },
        {
          "name": "Score",
          "value": "4.5"
        },
        {
          "name": "Size",
          "value": "42"
        },
        {
          "name": "unnamed",
          "value": "x"
        }
      ],
      "do_not_disturb": false,
      "email": "ann@example.com",
      "name": "Ann Łukasz",
      "owner": "Ben",
      "phone": "+1 555 0100",
      "tags": [
        "line break",
        "vip",
        "مهم"
      ]
    }
    "#);
}

#[test]
fn a_contact_without_a_name_is_called_by_what_is_known() {
    #[track_caller]
    fn check(known: Contact, name: &str) {
        let intents = mapped(&appeared("ann", contact(known), Names::default()));
        let domain::Action::Put(content) = &intents[0].action else { panic!("a put") };
        assert_eq!(content.to_json().unwrap()["name"], name);
    }
    let some = |text: &str| Some(text.to_owned());
    check(Contact { first_name: some("Ann"), company: some("Example"), ..named("ann lower") }, "Ann");
    check(named("Ann Lower"), "Ann Lower");
    check(Contact { company: some("Example"), email: some("a@example.com"), ..named(" ") }, "Example");
    check(Contact { email: some("a@example.com"), phone: some("1"), ..Contact::default() }, "a@example.com");
    check(Contact { phone: some("1"), ..Contact::default() }, "1");
    check(Contact::default(), "ann");
}

#[test]
fn a_note_in_html_becomes_readable_text() {
    let note = Note {
        body: Some("<p>Called <b>Ann</b>.</p><ul><li>likes <a href=\"https://example.com\">this</a></li></ul>".to_owned()),
        user_id: Some("u9".to_owned()),
        added_at: moment("2026-03-01T09:00:00+02:00"),
        ..Note::default()
    };
    assert_snapshot!(described(&appeared("n1", Record::Note(note), Names::default())), @r#"
    note ghl:note/n1 Mirror as of 1.7
    {
      "author": "unknown user (u9)",
      "body": "Called **Ann**.\n* likes [this][1]\n\n[1]: https://example.com",
      "container": "ghl:contact/ann",
      "pinned": false,
      "title": "Called **Ann**.",
      "written_at": "2026-03-01T07:00:00Z"
    }
    "#);
}

#[test]
fn a_task_without_a_due_date_has_none() {
    let task = Task { title: Some("Call".to_owned()), done: true, assigned_to: Some("u1".to_owned()), ..Task::default() };
    assert_snapshot!(described(&appeared("t1", Record::Task(task), names(&[("u1", "Ben")], &[], &[]))), @r#"
    task ghl:task/t1 Mirror as of 1.7
    {
      "assignee": "Ben",
      "container": "ghl:contact/ann",
      "done": true,
      "title": "Call"
    }
    "#);
}

#[test]
fn an_appointment_in_a_naive_local_time_keeps_it_with_its_zone() {
    let appointment = Appointment {
        starts_at: moment("2021-07-16 11:00:00"),
        ends_at: moment("2021-07-16T09:30:00Z"),
        time_zone: Some("Europe/Berlin".to_owned()),
        status: Some("confirmed".to_owned()),
        place: Some("<p>Room 1</p>".to_owned()),
        calendar_id: Some("c1".to_owned()),
        assigned_to: Some("u1".to_owned()),
        ..Appointment::default()
    };
    assert_snapshot!(described(&appeared("a1", Record::Appointment(appointment), names(&[], &[], &[("c1", "Calls")]))), @r#"
    appointment ghl:appointment/a1 Mirror as of 1.7
    {
      "assignee": "unknown user (u1)",
      "calendar": "Calls",
      "container": "ghl:contact/ann",
      "ends_at": "2021-07-16T09:30:00Z",
      "place": "Room 1",
      "starts_at": "2021-07-16 11:00:00",
      "status": "confirmed",
      "time_zone": "Europe/Berlin",
      "title": "Appointment without a title"
    }
    "#);
}

#[test]
fn what_vanished_is_removed_and_what_returned_is_put() {
    let task = || Record::Task(Task::default());
    assert_snapshot!(described(&recorded(9, "t1", Change::Vanished, task(), Names::default(), false)), @"
    task ghl:task/t1 Mirror as of 1.9 remove
    ");
    assert_snapshot!(described(&recorded(10, "t1", Change::Returned, task(), Names::default(), false)), @r#"
    task ghl:task/t1 Mirror as of 1.10
    {
      "container": "ghl:contact/ann",
      "done": false,
      "title": "Task without a title"
    }
    "#);
    assert_snapshot!(described(&recorded(11, "ann", Change::Vanished, contact(named("Ann")), Names::default(), false)), @"
    contact ghl:contact/ann Mirror as of 1.11 remove
    ");
}

fn new_contact(seq: u64) -> Recorded {
    let record = contact(Contact { phone: Some("1".to_owned()), ..named("Ann {email}") });
    recorded(seq, "ann", Change::Appeared, record, Names::default(), true)
}

#[test]
fn a_new_contact_starts_its_onboarding_once() {
    assert_snapshot!(described(&new_contact(7)), @r#"
    contact ghl:contact/ann Mirror as of 1.7
    {
      "name": "Ann {email}",
      "phone": "1"
    }
    project rule:onboarding/b74e8024-ace2-58be-b699-0567775f5fcc Once as of 1.7
    {
      "container": "ghl:contact/ann",
      "notes": "Started because Ann {email} is a new contact in GoHighLevel.",
      "title": "Onboarding: Ann {email}"
    }
    task rule:onboarding/5bcf8add-3f1d-58cf-aef4-f832a6c9c97b Once as of 1.7
    {
      "container": "rule:onboarding/b74e8024-ace2-58be-b699-0567775f5fcc",
      "done": false,
      "due": "2026-03-02T01:00:00Z",
      "notes": "Phone: 1\nE-mail: –",
      "title": "Welcome call with Ann {email}"
    }
    task rule:onboarding/37d52b7c-6aab-5812-9246-fef1c770c076 Once as of 1.7
    {
      "container": "rule:onboarding/b74e8024-ace2-58be-b699-0567775f5fcc",
      "done": false,
      "due": "2026-03-08T01:00:00Z",
      "title": "Agree on goals and plan with Ann {email}"
    }
    task rule:onboarding/483670dd-a3e1-5384-b5c6-8c10aec53f0a Once as of 1.7
    {
      "container": "rule:onboarding/b74e8024-ace2-58be-b699-0567775f5fcc",
      "done": false,
      "due": "2026-03-31T01:00:00Z",
      "title": "First review with Ann {email}"
    }
    note rule:onboarding/850eccda-34fc-5501-abb2-5e1c2a0744da Once as of 1.7
    {
      "body": "New contact from GoHighLevel.\nCompany: –\nOwner: –",
      "container": "rule:onboarding/b74e8024-ace2-58be-b699-0567775f5fcc",
      "pinned": false,
      "title": "Welcome, Ann {email}",
      "written_at": "2026-03-01T01:00:00Z"
    }
    "#);
}

#[test]
fn a_replay_starts_the_same_objects_and_another_contact_others() {
    let keys = |recorded: &Recorded| mapped(recorded).into_iter().skip(1).map(|intent| intent.object).collect::<BTreeSet<_>>();
    assert_eq!(mapped(&new_contact(7)), mapped(&new_contact(7)));
    assert_eq!(keys(&new_contact(7)).len(), 5);
    assert!(keys(&new_contact(7)).is_disjoint(&keys(&new_contact(8))));
}

#[test]
fn what_was_there_before_or_came_back_starts_nothing() {
    let task = recorded(7, "t1", Change::Appeared, Record::Task(Task::default()), Names::default(), true);
    assert_eq!(mapped(&task).len(), 1);
    assert_eq!(mapped(&appeared("ann", contact(named("Ann")), Names::default())).len(), 1);
    assert_eq!(mapped(&recorded(7, "ann", Change::Returned, contact(named("Ann")), Names::default(), false)).len(), 1);
}

#[test]
fn deliveries_and_operators_acts_ask_for_nothing() {
    let fact = DeliveryFact { outcome: DeliveryOutcome::Delivered, deliveries: Vec::new() };
    for body in [Body::Delivery(fact), Body::Operator(OperatorFact { verb: "redrive".to_owned(), detail: json!(null) })] {
        assert_eq!(mapped(&Recorded { body, ..new_contact(7) }), []);
    }
}

#[test]
fn rules_choose_the_fields_that_are_carried() {
    let text = "[mirror]\ncontact = [\"email\"]\ntask = []\nnote = []\nappointment = []";
    let rules = Rules::parse(text).unwrap();
    let record = contact(Contact { email: Some("a@example.com".to_owned()), phone: Some("1".to_owned()), ..named("Ann") });
    let intents = map(&recorded(7, "ann", Change::Appeared, record, Names::default(), true), &rules);
    let domain::Action::Put(content) = &intents[0].action else { panic!("a put") };
    assert_eq!(content.to_json().unwrap(), json!({"name": "ann", "email": "a@example.com"}));
    assert_eq!((intents.len(), &intents[0].rules), (1, rules.revision()));
}

#[test]
fn a_field_of_a_record_is_not_lost_in_the_builtin_rules() {
    let tagged = Contact { custom_fields: BTreeMap::from([("f".to_owned(), json!([1, [2, {"a": null}]]))]), ..Contact::default() };
    let intents = mapped(&appeared("ann", contact(tagged), Names::default()));
    let domain::Action::Put(content) = &intents[0].action else { panic!("a put") };
    assert_eq!(content.to_json().unwrap()["custom_fields"], json!([{"name": "f", "value": "1, 2, a: "}]));
}

#[test]
fn how_a_contact_can_be_reached_and_must_not_be() {
    let text = str::to_owned;
    let reached = Contact {
        email: Some(text("ann@example.com")),
        phone: Some(text("+1")),
        additional_emails: ["ann@example.com", " b@example.com "].map(text).into(),
        additional_phones: [("+1", "Main"), ("+2", "Mobile"), ("+3", "")].map(|(number, label)| (text(number), text(label))).into(),
        do_not_disturb_channels: [("sms", "active"), ("call", "permanent"), ("pigeon", "active")]
            .map(|(channel, status)| (text(channel), text(status)))
            .into(),
        attachments: [text("https://files.example/1")].into(),
        ..named("Ann")
    };
    let intents = mapped(&appeared("ann", contact(reached), Names::default()));
    let domain::Action::Put(content) = &intents[0].action else { panic!("a put") };
    let content = content.to_json().unwrap();
    assert_eq!(content["further_emails"], json!(["b@example.com"]), "the first one is not repeated");
    assert_eq!(content["further_phones"], json!(["+2 (Mobile)", "+3"]));
    assert_eq!(content["do_not_disturb_on"], json!(["Calls (permanent)", "pigeon", "SMS"]));
    assert_eq!(content["attachments"], json!(["https://files.example/1"]));
}

#[test]
fn a_user_without_a_name_is_said_to_be_unknown() {
    let assigned = Task { assigned_to: Some("u-9".to_owned()), ..Task::default() };
    let intents = mapped(&appeared("t1", Record::Task(assigned), names(&[("u-1", "Ben")], &[], &[])));
    let domain::Action::Put(content) = &intents[0].action else { panic!("a put") };
    assert_eq!(content.to_json().unwrap()["assignee"], "unknown user (u-9)");
}
