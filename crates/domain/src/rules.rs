//! Which fields are mirrored, and what a new contact starts.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::{Change, RecordFact, RecordKind, RulesRevision};

/// The rules that map events to intents. The default is `default_rules.toml`, compiled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    revision: RulesRevision,
    pub(crate) text: RulesText,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulesText {
    pub(crate) mirror: MirroredFields,
    #[serde(default, rename = "trigger")]
    pub(crate) triggers: Vec<Trigger>,
}

/// The fields that are mirrored, by kind of record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MirroredFields {
    pub(crate) contact: BTreeSet<ContactField>,
    pub(crate) task: BTreeSet<TaskField>,
    pub(crate) note: BTreeSet<NoteField>,
    pub(crate) appointment: BTreeSet<AppointmentField>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContactField {
    Name,
    Email,
    Phone,
    Company,
    Address,
    Website,
    Owner,
    Birthday,
    Source,
    TimeZone,
    DoNotDisturb,
    Tags,
    CustomFields,
    Attachments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskField {
    Title,
    Notes,
    Due,
    Done,
    Assignee,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NoteField {
    Title,
    Body,
    WrittenAt,
    Author,
    Pinned,
    Attachments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AppointmentField {
    Title,
    Start,
    End,
    TimeZone,
    Status,
    Place,
    Notes,
    Calendar,
    Assignee,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trigger {
    pub(crate) name: String,
    pub(crate) when: When,
    pub(crate) project: Option<ProjectTemplate>,
    #[serde(default, rename = "task")]
    pub(crate) tasks: Vec<TaskTemplate>,
    #[serde(default, rename = "note")]
    pub(crate) notes: Vec<NoteTemplate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum When {
    /// GHL created a contact after its location was connected.
    #[serde(rename = "contact created")]
    ContactCreated,
}

impl When {
    const ALL: [Self; 1] = [Self::ContactCreated];

    /// Whether an event fires a trigger.
    pub(crate) fn fires(self, fact: &RecordFact) -> bool {
        self.may_fire(fact.record.kind(), fact.change)
            && match self {
                Self::ContactCreated => fact.new_in_ghl,
            }
    }

    /// Whether an event may fire a trigger, judged by its kind and change alone.
    pub(crate) fn any_may_fire(kind: RecordKind, change: Change) -> bool {
        Self::ALL.into_iter().any(|when| when.may_fire(kind, change))
    }

    fn may_fire(self, kind: RecordKind, change: Change) -> bool {
        match self {
            Self::ContactCreated => (kind, change) == (RecordKind::Contact, Change::Appeared),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectTemplate {
    pub(crate) title: String,
    pub(crate) notes: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskTemplate {
    /// Part of the task's key: after a rename, a replay starts another task.
    pub(crate) step: String,
    pub(crate) title: String,
    pub(crate) notes: Option<String>,
    pub(crate) due_days: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteTemplate {
    pub(crate) step: String,
    pub(crate) title: String,
    pub(crate) body: String,
}

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadRules {
    #[error("malformed rules: {0}")]
    Syntax(String),
    #[error("trigger {trigger:?}: {problem}")]
    Trigger { trigger: String, problem: String },
}

/// The version of what `map` makes of records by the same text of rules, a part of the rules' revision. It is raised with every change of the
/// code after which a record that did not change reads otherwise in Pagico: what the mapping before has written is then written again by a
/// plan, as after other rules, and is no drift until that is done.
const MAPPING: u32 = 2;

/// The names that a template may use in braces.
pub(crate) const PLACEHOLDERS: [&str; 5] = ["name", "email", "phone", "company", "owner"];

impl Rules {
    /// The text of the rules that are compiled in.
    pub const BUILTIN: &str = include_str!("default_rules.toml");

    /// Reads and checks rules.
    ///
    /// # Errors
    /// The line that cannot be parsed, a name or step that appears twice, or an unknown placeholder.
    pub fn parse(text: &str) -> Result<Self, BadRules> {
        Self::followed_by(text, MAPPING)
    }

    /// Rules as a certain mapping follows them.
    pub(crate) fn followed_by(text: &str, mapping: u32) -> Result<Self, BadRules> {
        let revision = RulesRevision::of(text, mapping);
        let text: RulesText = toml::from_str(text).map_err(|error| BadRules::Syntax(error.to_string()))?;
        let mut names = BTreeSet::new();
        for trigger in &text.triggers {
            let once = names.insert(&trigger.name).then_some(()).ok_or_else(|| "its name is used by another trigger".to_owned());
            once.and_then(|()| check(trigger)).map_err(|problem| BadRules::Trigger { trigger: trigger.name.clone(), problem })?;
        }
        Ok(Self { revision, text })
    }

    /// The rules that are compiled in.
    ///
    /// # Errors
    /// Never: a test parses these rules.
    pub fn builtin() -> Result<Self, BadRules> {
        Self::parse(Self::BUILTIN)
    }

    pub fn revision(&self) -> &RulesRevision {
        &self.revision
    }
}

/// The longest trigger name, in bytes. It is part of the key of every object that the trigger starts.
const NAME_BYTES_MAX: usize = 64;

fn check(trigger: &Trigger) -> Result<(), String> {
    if trigger.name.is_empty() || trigger.name.len() > NAME_BYTES_MAX || !trigger.name.bytes().all(is_name_byte) {
        return Err(format!("its name must be 1 to {NAME_BYTES_MAX} characters of a-z, 0-9, - and _"));
    }
    let mut steps = BTreeSet::from(["project"]);
    for step in trigger.tasks.iter().map(|task| &task.step).chain(trigger.notes.iter().map(|note| &note.step)) {
        if !steps.insert(step) {
            return Err(format!("step {step:?} appears twice"));
        }
    }
    let project = trigger.project.iter().flat_map(|project| [Some(&project.title), project.notes.as_ref()]);
    let tasks = trigger.tasks.iter().flat_map(|task| [Some(&task.title), task.notes.as_ref()]);
    let notes = trigger.notes.iter().flat_map(|note| [Some(&note.title), Some(&note.body)]);
    for template in project.chain(tasks).chain(notes).flatten() {
        for rest in template.split('{').skip(1) {
            let (placeholder, _) = rest.split_once('}').ok_or_else(|| format!("missing }} after {{{rest}"))?;
            if !PLACEHOLDERS.contains(&placeholder) {
                return Err(format!(
                    "unknown placeholder {{{placeholder}}}, expected one of {}",
                    PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ")
                ));
            }
        }
    }
    Ok(())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_rules_are_valid() {
        let rules = Rules::builtin().unwrap();
        assert_eq!(rules.text.triggers.len(), 1);
        assert!(rules.revision().is_of_same_text(&RulesRevision::of(Rules::BUILTIN, 1)));
    }

    #[test]
    fn a_revision_tells_the_text_and_the_mapping() {
        let of = |text: &str, mapping| RulesRevision::of(text, mapping);
        assert_eq!(of("a", 1).as_str(), "ca978112ca1bbdca");
        assert_eq!(of("a", 12).as_str(), "ca978112ca1bbdca.12");
        assert!(of("a", 1).is_of_same_text(&of("a", 2)) && !of("a", 1).is_of_same_text(&of("b", 1)));
        assert!(of("a", 1).is_of_other_mapping(&of("a", 2)) && of("a", 1).is_of_other_mapping(&of("b", 2)));
        assert!(!of("a", 2).is_of_other_mapping(&of("b", 2)));
        for unknown in ["imported", "ca978112ca1bbdca.x", "zzz78112ca1bbdca", ""] {
            assert!(!RulesRevision::from(unknown.to_owned()).is_of_other_mapping(&of("a", 2)), "{unknown}");
        }
    }

    #[track_caller]
    fn refused(change: (&str, &str), because: &str) {
        let text = include_str!("default_rules.toml").replace(change.0, change.1);
        let error = Rules::parse(&text).unwrap_err().to_string();
        assert!(error.contains(because), "{error}");
    }

    #[test]
    fn malformed_rules_are_refused_with_the_reason() {
        refused(("{name}", "{nmae}"), "unknown placeholder {nmae}, expected one of {name}");
        refused(("step = \"plan\"", "step = \"call\""), "\"call\" appears twice");
        refused(("with {name}\"", "with {name\""), "missing } after {name");
        refused(("name = \"onboarding\"", "name = \"On/boarding\""), "a-z");
        refused(("[[trigger]]", "[[trigger]]\nname = \"onboarding\"\nwhen = \"contact created\"\n[[trigger]]"), "used by another trigger");
        refused(("\"email\"", "\"mail\""), "mail");
        refused(("contact created", "contact creatd"), "contact creatd");
    }
}
