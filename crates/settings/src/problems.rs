//! What is wrong with settings, beyond what their types refuse.

use std::fmt;

/// Settings that can be wrong although every value has its type.
pub trait Check {
    /// Notes every mistake, by the key as the settings themselves call it.
    fn check(&self, problems: &mut Problems);

    /// Every mistake at once.
    fn problems(&self) -> Vec<String> {
        let mut problems = Problems::default();
        self.check(&mut problems);
        problems.found
    }
}

/// Collects mistakes: a sentence each, which begins with the whole key and never shows a value.
#[derive(Debug, Default)]
pub struct Problems {
    /// The tables around the keys that are checked now, with a dot after each.
    prefix: String,
    found: Vec<String>,
}

impl Problems {
    /// Notes a mistake unless all is well: `("retry.first", "must not be longer than retry.longest")`.
    pub fn check(&mut self, is_right: bool, key: impl fmt::Display, must: impl fmt::Display) {
        if !is_right {
            self.found.push(format!("{}{key} {must}", self.prefix));
        }
    }

    /// Notes why the value of a key cannot be used.
    pub fn refuse(&mut self, key: impl fmt::Display, reason: impl fmt::Display) {
        self.found.push(format!("{}{key}: {reason}", self.prefix));
    }

    /// Checks the settings in the table `key`.
    pub fn nest(&mut self, key: impl fmt::Display, inner: &impl Check) {
        let outside = self.prefix.len();
        self.prefix.push_str(&format!("{key}."));
        inner.check(self);
        self.prefix.truncate(outside);
    }
}

/// Adds mistakes that were found elsewhere, with the tables around them named.
impl Extend<String> for Problems {
    fn extend<I: IntoIterator<Item = String>>(&mut self, found: I) {
        self.found.extend(found.into_iter().map(|problem| format!("{}{problem}", self.prefix)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Inner;

    impl Check for Inner {
        fn check(&self, problems: &mut Problems) {
            problems.check(true, "sum", "must be right");
            problems.check(false, "size", "must be 1, 3 or 5");
            problems.refuse("file", "there is none");
        }
    }

    struct Outer;

    impl Check for Outer {
        fn check(&self, problems: &mut Problems) {
            problems.nest("inner", &Inner);
            problems.check(false, format_args!("list[{}]", 1), "must differ from the others");
        }
    }

    #[test]
    fn every_mistake_names_its_whole_key() {
        assert_eq!(Outer.problems(), ["inner.size must be 1, 3 or 5", "inner.file: there is none", "list[1] must differ from the others"]);
    }
}
