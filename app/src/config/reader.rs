use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::de::DeserializeOwned;

use super::faults::{ConfigErrors, Fault};
use super::reference::{self, Kind};
use super::unknown;

/// Reads sections out of the variables and gathers every fault on the way.
///
/// A method that finds a fault hands back a stand-in so that reading can go on; [`Reader::finish`] then refuses, so a
/// stand-in is never used.
pub(super) struct Reader {
    variables: BTreeMap<String, String>,
    faults: Vec<Fault>,
}

impl Reader {
    /// Keeps the variables Pointsman knows (an empty one counts as not set) and refuses unknown ones in its prefixes.
    pub(super) fn new<I, K, V>(variables: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let mut reader = Self { variables: BTreeMap::new(), faults: Vec::new() };
        for (name, value) in variables {
            let (Ok(name), value) = (name.into().into_string(), value.into()) else { continue };
            if reference::find(&name).is_none() {
                reader.faults.extend(unknown::fault(&name, &value.to_string_lossy()));
                continue;
            }
            match value.into_string() {
                Ok(value) if value.trim().is_empty() => {}
                Ok(value) => {
                    reader.variables.insert(name, value.trim().to_owned());
                }
                Err(_) => reader.refuse(&name, "is not valid UTF-8"),
            }
        }
        reader
    }

    /// One section's raw struct: every field an `Option<String>` named after the variable without its prefix.
    pub(super) fn section<T: DeserializeOwned + Default>(&mut self, prefix: &str) -> T {
        envy::prefixed(prefix).from_iter(self.variables.clone()).unwrap_or_else(|_| {
            self.refuse(prefix, "can't be read as a section");
            T::default()
        })
    }

    /// A variable that stands alone, outside the section prefixes.
    pub(super) fn alone(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    /// A whole number inside the bounds the reference gives, or the reference's default.
    pub(super) fn number<T: TryFrom<u64> + Default>(&mut self, name: &str, raw: Option<String>) -> T {
        let default = reference::find(name).map_or("", |variable| variable.default);
        self.number_if_set(name, Some(raw.unwrap_or_else(|| default.to_owned()))).unwrap_or_default()
    }

    /// As [`Reader::number`], without a default.
    pub(super) fn number_if_set<T: TryFrom<u64>>(&mut self, name: &str, raw: Option<String>) -> Option<T> {
        let raw = raw?;
        let (min, max) = match reference::find(name).map(|variable| variable.kind) {
            Some(Kind::Number { min, max }) => (min, max),
            _ => (0, u64::MAX),
        };
        let number = raw.parse::<u64>().ok().filter(|number| (min..=max).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            let is_service_link = raw.starts_with("tcp://") || raw.starts_with("udp://");
            let cause = if is_service_link {
                "; this one looks like a Kubernetes service link: set `enableServiceLinks: false` or give the variable \
                 a value of its own"
            } else {
                ""
            };
            self.refuse(name, format!("must be a whole number from {min} to {max}{cause}"));
        }
        number
    }

    /// `true` or `false`, in the spellings people use.
    pub(super) fn flag(&mut self, name: &str, raw: Option<&str>) -> bool {
        match raw.map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0" | "no" | "off") => false,
            Some("true" | "1" | "yes" | "on") => true,
            Some(_) => {
                self.refuse(name, "must be `true` or `false`");
                false
            }
        }
    }

    /// What the chosen word stands for in `choices`, or `default` if the variable is not set.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, raw: Option<&str>, choices: &[(&str, T)], default: T) -> T {
        let Some(raw) = raw else { return default };
        if let Some((_, value)) = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(raw)) {
            return *value;
        }
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.refuse(name, format!("must be {}", words.join(" or ")));
        default
    }

    /// Records a fault of `name`; the reference supplies the example.
    pub(super) fn refuse(&mut self, name: &str, reason: impl Into<String>) {
        let example = reference::find(name).map(|variable| format!("{name}={}", variable.example));
        self.faults.push(Fault { variable: name.to_owned(), reason: reason.into(), example });
    }

    /// The value, if nothing was wrong.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, ConfigErrors> {
        if self.faults.is_empty() {
            return Ok(value);
        }
        self.faults.sort_by_key(|fault| reference::place(&fault.variable));
        Err(ConfigErrors(self.faults))
    }
}
