//! Judges a history of locks from the audit log alone.
//!
//! It knows nothing of how the server decides. What overlaps, how long a lock lasts and which order tokens have are
//! said here a second time, in other words, so that an error in the one is not an error in the other.

mod history;
mod overlap;

pub use history::{End, Held, History};
pub use overlap::Place;

use crate::client::Grant;
use std::collections::{BTreeMap, BTreeSet};

/// A grant or a release that a client was told of.
#[derive(Debug, Clone, PartialEq)]
pub enum Acknowledged {
    /// This was granted, anew or again.
    Granted(Grant),
    /// The lock of this token was given back by this session.
    Released {
        /// The token.
        token: i64,
        /// The session.
        session: String,
    },
}

/// Everything that is wrong with a history: in itself, and against what clients were told. Nothing if all is well.
pub fn judge(history: &History, told: &[Acknowledged]) -> Vec<String> {
    let mut wrong = history.faults.clone();
    wrong.extend(shared_by_force(&history.held));
    wrong.extend(tokens_out_of_order(&history.held));
    wrong.extend(forgotten(history, told));
    wrong
}

/// Mutual exclusion: no two sessions hold overlapping keys at one instant unless both share.
fn shared_by_force(held: &[Held]) -> Vec<String> {
    let mut by_start: Vec<&Held> = held.iter().collect();
    by_start.sort_by_key(|one| (one.from_us, one.token));
    let mut open: Vec<&Held> = Vec::new();
    let mut wrong = Vec::new();
    for one in by_start {
        open.retain(|other| other.until_us > one.from_us);
        for other in &open {
            // A lock that ended at the instant it began was never held.
            let together = one.until_us > one.from_us;
            let foreign = one.session != other.session;
            let exclusive = one.exclusive || other.exclusive;
            if together && foreign && exclusive && one.place.overlaps(&other.place) {
                wrong.push(format!("held at once: {other} and {one}"));
            }
        }
        open.push(one);
    }
    wrong
}

/// Tokens: whoever got a key later, or anything that overlaps it, has the greater one; and none is drawn twice.
fn tokens_out_of_order(held: &[Held]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut drawn = BTreeSet::new();
    for one in held {
        if !drawn.insert(one.token) {
            wrong.push(format!("token {} was drawn twice", one.token));
        }
    }
    let places: BTreeMap<&str, &Place> = held.iter().map(|one| (one.key.as_str(), &one.place)).collect();
    let overlapping: BTreeMap<&str, Vec<&str>> = places
        .iter()
        .map(|(key, place)| {
            let others = places.iter().filter(|(_, other)| place.overlaps(other)).map(|(other, _)| *other).collect();
            (*key, others)
        })
        .collect();
    let mut by_token: Vec<&Held> = held.iter().collect();
    by_token.sort_by_key(|one| one.token);
    // The latest begin among all smaller tokens, by key.
    let mut latest: BTreeMap<&str, &Held> = BTreeMap::new();
    for one in by_token {
        let earlier = overlapping.get(one.key.as_str()).into_iter().flatten().filter_map(|key| latest.get(key));
        for other in earlier.filter(|other| other.from_us > one.from_us) {
            wrong.push(format!("the later grant has the smaller token: {other}, {one}"));
        }
        let entry = latest.entry(&one.key).or_insert(one);
        if one.from_us >= entry.from_us {
            *entry = one;
        }
    }
    wrong
}

/// Durability: what a client was told has happened, has happened.
fn forgotten(history: &History, told: &[Acknowledged]) -> Vec<String> {
    let by_token: BTreeMap<i64, &Held> = history.held.iter().map(|one| (one.token, one)).collect();
    let mut wrong = Vec::new();
    for one in told {
        match one {
            Acknowledged::Granted(grant) => match by_token.get(&grant.token) {
                None => wrong.push(format!("an acknowledged grant is not in the log: {grant:?}")),
                Some(held) => {
                    let same = held.key == grant.key
                        && held.session == grant.session
                        && held.exclusive == (grant.mode == "exclusive")
                        && held.from_us == grant.granted_at.timestamp_micros();
                    if !same {
                        wrong.push(format!("an acknowledged grant is another one in the log: {grant:?}, {held}"));
                    }
                    if held.expires_us < grant.expires_at.timestamp_micros() {
                        wrong.push(format!("a lock ran out before the time its holder was told: {grant:?}, {held}"));
                    }
                }
            },
            Acknowledged::Released { token, session } => match by_token.get(token) {
                Some(held) if held.session == *session && held.end == End::Released => {}
                Some(held) => wrong.push(format!("an acknowledged release by {session} is not in the log: {held}")),
                None => wrong.push(format!("an acknowledged release of {token}, of which the log knows nothing")),
            },
        }
    }
    wrong
}

#[cfg(test)]
#[path = "checker/checker_tests.rs"]
mod tests;
