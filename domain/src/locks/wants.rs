//! What one acquire asks for: several keys, all or nothing.

use crate::locks::key::LockKey;
use crate::locks::lease::Mode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One key in one mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// What.
    pub key: LockKey,
    /// How.
    pub mode: Mode,
}

/// 1 to [`Wants::KEYS_MAX`] keys, sorted, each once, in its stronger mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Want>", into = "Vec<Want>")]
pub struct Wants(Vec<Want>);

/// Too few or too many keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} keys were asked for: it must be 1 to {}", Wants::KEYS_MAX)]
pub struct InvalidWants {
    /// How many were asked for.
    pub given: usize,
}

impl Wants {
    /// The most keys of one call.
    pub const KEYS_MAX: usize = 64;

    /// Sorts, merges and counts.
    pub fn try_new(wants: Vec<Want>) -> Result<Self, InvalidWants> {
        let given = wants.len();
        if !(1..=Self::KEYS_MAX).contains(&given) {
            return Err(InvalidWants { given });
        }
        let mut merged = BTreeMap::new();
        for Want { key, mode } in wants {
            merged.entry(key).and_modify(|known: &mut Mode| *known = mode.max(*known)).or_insert(mode);
        }
        Ok(Self(merged.into_iter().map(|(key, mode)| Want { key, mode }).collect()))
    }

    /// Each wanted key, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Want> {
        self.0.iter()
    }

    /// The keys alone.
    pub fn keys(&self) -> impl Iterator<Item = &LockKey> {
        self.0.iter().map(|want| &want.key)
    }
}

impl From<Wants> for Vec<Want> {
    fn from(wants: Wants) -> Self {
        wants.0
    }
}

impl TryFrom<Vec<Want>> for Wants {
    type Error = InvalidWants;
    fn try_from(wants: Vec<Want>) -> Result<Self, InvalidWants> {
        Self::try_new(wants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(key: &str, mode: Mode) -> Want {
        Want { key: LockKey::parse(key).unwrap(), mode }
    }

    #[test]
    fn wants_are_sorted_and_each_key_is_wanted_once_in_its_stronger_mode() {
        let both = [want("b", Mode::Shared), want("./b", Mode::Exclusive), want("a", Mode::Shared)];
        let wants = Wants::try_new(both.to_vec()).unwrap();
        assert_eq!(Vec::from(wants.clone()), [want("a", Mode::Shared), want("b", Mode::Exclusive)]);
        let reversed = Wants::try_new(both.into_iter().rev().collect()).unwrap();
        assert_eq!(reversed, wants, "the order they are given in does not matter");
    }

    #[test]
    fn there_are_1_to_64_keys() {
        let many = |n: usize| (0..n).map(|n| want(&format!("f{n}"), Mode::Shared)).collect::<Vec<_>>();
        assert_eq!(Wants::try_new(many(0)), Err(InvalidWants { given: 0 }));
        assert!(Wants::try_new(many(Wants::KEYS_MAX)).is_ok());
        assert_eq!(Wants::try_new(many(Wants::KEYS_MAX + 1)), Err(InvalidWants { given: 65 }));
    }
}
