//! Settings in layers: the defaults, then what is given over them by a file and by the environment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::Serialized;
use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;
use settings::Check;
use toml::Table;

/// How many mistakes are named at once.
const MISTAKES_MAX: usize = 100;

/// What settings are read from.
#[derive(Default)]
pub(super) struct Layers {
    defaults: Table,
    given: Dict,
    /// Where `given` was read from.
    file: Option<PathBuf>,
    /// How the names of variables begin.
    prefix: String,
    /// By key, what the environment says.
    variables: Vec<(String, String)>,
    /// The variables that are text although they look like something else.
    texts: BTreeSet<String>,
}

/// A mistake in what is given, and the key to leave out so that further mistakes can be found.
struct Mistake {
    key: String,
    problem: String,
    /// Whether there is such a key: its default then takes its place, and what is wrong with that is no mistake of the user's.
    is_known: bool,
}

impl Layers {
    pub(super) fn new(defaults: Table) -> Self {
        Self { defaults, ..Self::default() }
    }

    pub(super) fn with_file(self, file: &Path) -> Result<Self, String> {
        let name = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| format!("--config: cannot read {name}: {error}"))?;
        // The error itself shows the line, in which a secret may stand.
        let bad = |error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            format!("--config: {name} is not TOML from line {} on", before.matches('\n').count() + 1)
        };
        Ok(Self { file: Some(file.to_owned()), ..self.with_table(&text.parse().map_err(bad)?)? })
    }

    pub(super) fn with_table(self, given: &Table) -> Result<Self, String> {
        let given = Figment::from(Serialized::defaults(given)).extract().map_err(|error| error.kind.to_string())?;
        Ok(Self { given, ..self })
    }

    /// Variables are called `MIRROR_<SERVICE>__<TABLE>__<KEY>`.
    pub(super) fn with_environment(self, service: &str, environment: impl Iterator<Item = (String, String)>) -> Self {
        let prefix = format!("MIRROR_{}__", service.to_uppercase());
        let key = |(name, text): (String, String)| Some((name.strip_prefix(&prefix)?.replace("__", ".").to_lowercase(), text));
        let variables = environment.filter_map(key).collect();
        Self { prefix, variables, ..self }
    }

    /// Settings that are right in every way, or every mistake at once: whoever reads stops at the first value of a wrong type, so that
    /// value is noted and left out, and all is read again.
    pub(super) fn read<C: DeserializeOwned + Check>(mut self) -> Result<C, Vec<String>> {
        let mut mistakes: Vec<Mistake> = Vec::new();
        loop {
            let error = match self.whole().extract::<C>() {
                Ok(config) => return checked(config, mistakes),
                Err(error) => error,
            };
            let mut goes_on = mistakes.len() < MISTAKES_MAX;
            for error in error {
                if self.take_as_text(&error) {
                    continue;
                }
                let mistake = self.mistake(&error);
                goes_on &= self.leave_out(&mistake.key);
                mistakes.push(mistake);
            }
            if !goes_on {
                return Err(mistakes.into_iter().map(|mistake| mistake.problem).collect());
            }
        }
    }

    /// Variables are read as TOML would be, so that numbers and lists can be given.
    fn whole(&self) -> Figment {
        let figment = Figment::from(Serialized::defaults(&self.defaults)).merge(Serialized::defaults(&self.given));
        self.variables.iter().fold(figment, |figment, (key, text)| {
            let parsed = text.parse::<Value>().ok().filter(|_| !self.texts.contains(key));
            figment.merge(Serialized::default(key, parsed.unwrap_or_else(|| Value::from(text.as_str()))))
        })
    }

    /// Where a text is wanted and a variable is `12e4` or `true`, it is taken as that text: a token may look like anything. Says whether
    /// that is news.
    fn take_as_text(&mut self, error: &figment::Error) -> bool {
        let wants_text = matches!(&error.kind, Kind::InvalidType(_, expected) if expected.contains("string"));
        let key = error.path.join(".");
        wants_text && self.variables.iter().any(|(variable, _)| *variable == key) && self.texts.insert(key)
    }

    /// Leaves out what is given for a key, or the smallest thing around it. Says whether anything was.
    fn leave_out(&mut self, key: &str) -> bool {
        let before = self.variables.len();
        self.variables.retain(|(variable, _)| !is_within(key, variable) && !is_within(variable, key));
        if self.variables.len() < before {
            return true;
        }
        let path: Vec<&str> = key.split('.').collect();
        remove(&mut self.given, &path)
    }

    /// Where the mistake is and of what kind; the value stays out, since it may be a secret.
    fn mistake(&self, error: &figment::Error) -> Mistake {
        let key = error.path.join(".");
        let variable = self.variables.iter().map(|(variable, _)| variable).find(|variable| is_within(&key, variable));
        let from = match (variable, &self.file) {
            (Some(variable), _) => format!(" (from {}{})", self.prefix, variable.to_uppercase().replace('.', "__")),
            (None, Some(file)) => format!(" (from {})", file.display()),
            (None, None) => String::new(),
        };
        let said = match &error.kind {
            Kind::UnknownField(_, _) => "is not a setting".to_owned(),
            Kind::MissingField(field) => format!("must have the key {field:?}"),
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("must be {}", in_words(&expected.to_string())),
            Kind::UnknownVariant(_, known) => format!("must be one of {}", known.join(", ")),
            // Their own words may hold the value.
            Kind::Message(_) | Kind::Unsupported(_) | Kind::UnsupportedKey(_, _) => "cannot be read as what it should be".to_owned(),
            Kind::InvalidLength(_, _) | Kind::DuplicateField(_) | Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => {
                error.kind.to_string()
            }
        };
        let is_known = !matches!(error.kind, Kind::UnknownField(_, _));
        let problem = if key.is_empty() { format!("{said}{from}") } else { format!("{key} {said}{from}") };
        Mistake { key, problem, is_known }
    }
}

fn checked<C: Check>(config: C, mistakes: Vec<Mistake>) -> Result<C, Vec<String>> {
    let is_default = |problem: &String| mistakes.iter().any(|mistake| mistake.is_known && is_about(problem, &mistake.key));
    let found: Vec<String> = config.problems().into_iter().filter(|problem| !is_default(problem)).collect();
    let problems: Vec<String> = mistakes.into_iter().map(|mistake| mistake.problem).chain(found).collect();
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// Whether a problem is one of this key or of what is in it.
fn is_about(problem: &str, key: &str) -> bool {
    problem.strip_prefix(key).is_some_and(|rest| rest.starts_with([' ', ':', '.', '[']))
}

/// Whether a key is `table` or in it.
fn is_within(key: &str, table: &str) -> bool {
    key.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Removes what is at the path, or the list or value around it.
fn remove(table: &mut Dict, path: &[&str]) -> bool {
    let Some((key, rest)) = path.split_first() else { return false };
    match table.get_mut(*key) {
        None => false,
        Some(Value::Dict(_, inner)) if !rest.is_empty() => {
            let before = inner.len();
            remove(inner, rest) || (before > 0 && table.remove(*key).is_some())
        }
        Some(_) => table.remove(*key).is_some(),
    }
}

/// What serde says it expects, as the documentation of the settings would say it.
fn in_words(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "text",
        "a sequence" => "a list",
        "a duration" => "a duration such as 500ms or 1h",
        nonzero if nonzero.starts_with("a nonzero ") => "at least 1",
        _ => expected,
    }
}
