//! When keys were last used: noted in memory, written now and then.

use chrono::{DateTime, Utc};
use domain::ids::KeyId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many keys' uses are remembered at once; those of further keys are not noted.
const NOTED_KEYS_MAX: usize = 10_000;

/// How long after a write of one key the next is due.
const WRITE_INTERVAL: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(super) struct Usage {
    noted: Mutex<HashMap<KeyId, Noted>>,
}

struct Noted {
    used_at: DateTime<Utc>,
    is_new: bool,
    written: Option<Instant>,
}

impl Usage {
    pub(super) fn note(&self, key: &KeyId, used_at: DateTime<Utc>) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = noted.get_mut(key) {
            known.used_at = known.used_at.max(used_at);
            known.is_new = true;
        } else if noted.len() < NOTED_KEYS_MAX {
            noted.insert(key.clone(), Noted { used_at, is_new: true, written: None });
        }
    }

    /// What is to be written now: the uses of keys that were not written for a minute, or with `all` every one.
    pub(super) fn due(&self, all: bool) -> Vec<(KeyId, DateTime<Utc>)> {
        let is_rested = |noted: &Noted| noted.written.is_none_or(|at| at.elapsed() >= WRITE_INTERVAL);
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        // What is written and has not been used for a minute is forgotten.
        noted.retain(|_, noted| noted.is_new || !is_rested(noted));
        let due = noted.iter().filter(|(_, noted)| noted.is_new && (all || is_rested(noted)));
        due.map(|(key, noted)| (key.clone(), noted.used_at)).collect()
    }

    /// These were written.
    pub(super) fn written(&self, uses: &[(KeyId, DateTime<Utc>)]) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, used_at) in uses {
            if let Some(known) = noted.get_mut(key) {
                known.is_new = known.used_at > *used_at;
                known.written = Some(Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn uses_of_one_key_are_one_write_a_minute() {
        let (usage, key) = (Usage::default(), KeyId::parse("k1").unwrap());
        usage.note(&key, at(1));
        usage.note(&key, at(2));
        usage.note(&key, at(1));
        assert_eq!(usage.due(false), [(key.clone(), at(2))]);
        assert_eq!(usage.due(false), [(key.clone(), at(2))], "what was not written stays due");
        usage.written(&[(key.clone(), at(2))]);
        assert!(usage.due(true).is_empty(), "nothing new");
        usage.note(&key, at(3));
        assert!(usage.due(false).is_empty(), "a minute has not passed");
        assert_eq!(usage.due(true), [(key.clone(), at(3))]);
    }

    #[test]
    fn a_use_during_the_write_is_not_lost() {
        let (usage, key) = (Usage::default(), KeyId::parse("k1").unwrap());
        usage.note(&key, at(1));
        let due = usage.due(false);
        usage.note(&key, at(2));
        usage.written(&due);
        assert_eq!(usage.due(true), [(key, at(2))]);
    }

    #[test]
    fn there_is_a_limit_to_the_keys() {
        let usage = Usage::default();
        for number in 0..=NOTED_KEYS_MAX {
            usage.note(&KeyId::parse(&format!("k{number}")).unwrap(), at(0));
        }
        assert_eq!(usage.due(true).len(), NOTED_KEYS_MAX);
    }
}
