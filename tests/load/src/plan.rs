//! How often, how long, and what of it all.

use crate::Arguments;
use crate::drive::Schedule;
use std::time::Duration;

/// How many clients there are, in turn.
const CLIENTS: [u32; 3] = [1, 16, 64];

/// What is to be measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) clients: Vec<u32>,
    /// How many finished tasks there are where there is a history.
    pub(crate) finished: i64,
    is_quick: bool,
    /// How long those are looked at who wait for nothing.
    pub(crate) idle: Duration,
    /// What the names of the measures begin with.
    measure: String,
}

impl Plan {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        Self {
            is_quick: arguments.quick,
            rounds: if arguments.quick { 3 } else { 5 },
            finished: if arguments.quick { 100_000 } else { 1_000_000 },
            idle: Duration::from_secs(if arguments.quick { 10 } else { 20 }),
            clients: arguments.clients.map_or(CLIENTS.to_vec(), |clients| vec![clients]),
            measure: arguments.measure.clone().unwrap_or_default(),
        }
    }

    /// How many memories there are where something is recalled, in turn.
    pub(crate) fn memories(&self, store: &str) -> &'static [u32] {
        match (store, self.is_quick) {
            ("postgres", true) => &[100_000],
            ("postgres", false) => &[100_000, 1_000_000],
            (_, true) => &[20_000],
            (_, false) => &[200_000],
        }
    }

    /// Whether this measure is wanted.
    pub(crate) fn has(&self, measure: &str) -> bool {
        measure.starts_with(&self.measure)
    }
}

/// How long each run is.
pub(crate) fn schedule(quick: bool) -> Schedule {
    let (warm_up_ms, window_ms) = if quick { (300, 1_000) } else { (500, 2_500) };
    Schedule { warm_up: Duration::from_millis(warm_up_ms), window: Duration::from_millis(window_ms) }
}
