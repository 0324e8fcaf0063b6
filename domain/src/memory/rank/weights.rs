//! How much each part of a score counts.

use serde::{Deserialize, Serialize};

/// How much each part counts. The defaults are what was measured best on three collections at once (see
/// `docs/memory.md`); all of them are flat there, so that a little more or less changes little.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// The words around a memory, beside 1 for its own.
    pub window: f64,
    /// Its meaning, beside 1 for its words.
    pub semantic: f64,
    /// The meaning of what stands around it.
    pub semantic_window: f64,
    /// How far its age moves the score: half of it up for the newest, half of it down for the oldest.
    pub recency: f64,
    /// How far what others found of it moves the score.
    pub feedback: f64,
    /// How far its importance moves the score.
    pub importance: f64,
    /// How far it moves the score that it is pinned.
    pub pinned: f64,
    /// After how many days the recency of a memory is half.
    pub half_life_days: f64,
}

/// A weight out of bounds.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{name}` is {given}: it must be {min} to {max}")]
pub struct InvalidWeight {
    /// Which.
    pub name: &'static str,
    /// What was given.
    pub given: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Weights {
    /// The most that words and meaning may count.
    pub const PART_MAX: f64 = 10.0;
    /// The most that anything else may move a score: more than that and the order is no longer that of the question.
    pub const BOOST_MAX: f64 = 0.5;
    /// The shortest and longest half-life, in days.
    pub const HALF_LIFE_DAYS: (f64, f64) = (0.01, 36_500.0);

    /// The same, if it is within bounds.
    pub fn checked(self) -> Result<Self, InvalidWeight> {
        let part = (0.0, Self::PART_MAX);
        let boost = (0.0, Self::BOOST_MAX);
        let bounds = [
            ("window", self.window, part),
            ("semantic", self.semantic, part),
            ("semantic_window", self.semantic_window, part),
            ("recency", self.recency, boost),
            ("feedback", self.feedback, boost),
            ("importance", self.importance, boost),
            ("pinned", self.pinned, boost),
            ("half_life_days", self.half_life_days, Self::HALF_LIFE_DAYS),
        ];
        match bounds.into_iter().find(|(_, given, (min, max))| !(*min..=*max).contains(given)) {
            Some((name, given, (min, max))) => Err(InvalidWeight { name, given, min, max }),
            None => Ok(self),
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            window: 1.0,
            semantic: 1.0,
            semantic_window: 1.0,
            recency: 0.2,
            feedback: 0.2,
            importance: 0.1,
            pinned: 0.05,
            half_life_days: 30.0,
        }
    }
}
