//! Runs over HTTP and runs of the floor by turns.

use crate::drive::Measure;
use crate::operation::Operation;
use crate::report::{Report, middle};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt;

/// What one run is of, with how many clients or connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Http(u32),
    Floor(u32),
}

impl fmt::Display for Side {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(clients) => write!(to, "{clients} clients"),
            Self::Floor(connections) => write!(to, "floor over {connections}"),
        }
    }
}

/// The runs of one round: floors between those over HTTP, and all of them in the other direction every second round, so
/// that none always meets what the same other one left behind. The floor has one connection where one client is to be
/// held against it, and as many as it may have.
pub(crate) fn sides(clients: &[u32], connections: u32, round: usize) -> Vec<Side> {
    let mut floors = vec![connections];
    if connections > 1 && clients.contains(&1) {
        floors.insert(0, 1);
    }
    let mut floors = floors.into_iter().map(Side::Floor);
    let mut sides = Vec::new();
    for clients in clients {
        sides.push(Side::Http(*clients));
        sides.extend(floors.next());
    }
    sides.extend(floors);
    if round % 2 == 1 {
        sides.reverse();
    }
    sides
}

/// All runs of one operation on one store.
#[derive(Debug, Default)]
pub(crate) struct Series(BTreeMap<Side, Vec<Measure>>);

impl Series {
    pub(crate) fn add(&mut self, side: Side, measure: Measure) {
        self.0.entry(side).or_default().push(measure);
    }

    fn middle(&self, side: Side) -> Option<Measure> {
        self.0.get(&side).and_then(|runs| middle(runs))
    }

    /// Adds the medians to the report: each number of clients beside the floor, one client also beside one connection.
    pub(crate) fn report(
        &self,
        report: &mut Report,
        operation: Operation,
        store: &'static str,
        connections: u32,
    ) -> Result<()> {
        let floor = self.middle(Side::Floor(connections)).context("the floor was not measured")?;
        for side in self.0.keys() {
            let Some(measure) = self.middle(*side) else { continue };
            match *side {
                Side::Http(clients) => {
                    let alone = if clients == 1 { self.middle(Side::Floor(1)) } else { None };
                    report.add(operation.name(), store, clients, measure, floor, alone);
                }
                Side::Floor(connections) => report.add_extra(operation.floor_name(), store, connections, measure),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Side::{Floor, Http};

    #[test]
    fn floors_stand_between_and_every_second_round_goes_the_other_way() {
        let forth = [Http(1), Floor(1), Http(16), Floor(16), Http(64)];
        assert_eq!(sides(&[1, 16, 64], 16, 0), forth);
        assert!(sides(&[1, 16, 64], 16, 1).iter().eq(forth.iter().rev()));
        assert_eq!(sides(&[1, 16, 64], 1, 2), [Http(1), Floor(1), Http(16), Http(64)]);
        assert_eq!(sides(&[64], 16, 0), [Http(64), Floor(16)]);
        assert_eq!(sides(&[1], 16, 0), [Http(1), Floor(1), Floor(16)]);
    }
}
