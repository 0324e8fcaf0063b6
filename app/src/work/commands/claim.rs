//! Handing tasks out.

use super::ruling;
use crate::executor::{Choice, Defect, HotCommand, Ruling, Tables, Touches, Who, WorkTouches};
use domain::identity::principal::Action;
use domain::work::claim::{Claim, ClaimFilter, ClaimSize, Claimed};
use domain::work::name::{Capability, Environment};
use domain::work::rank::Place;
use domain::work::requires::{Claimant, Trust};
use domain::work::terms::LeaseLength;
use serde_json::Value;
use std::collections::BTreeSet;

/// How much that has run out or come due is looked at beside a claim.
const DUE_ROWS_MAX: u32 = 100;

/// One look at the queue. [`crate::work::claim`] looks until there is something or the wait is over.
#[derive(Debug, Clone)]
pub struct ClaimOnce {
    /// What the caller asked for, whatever the look.
    pub content: Value,
    /// Which tasks.
    pub filter: ClaimFilter,
    /// How many.
    pub size: ClaimSize,
    /// For how long without a heartbeat; `None` leaves it to each task.
    pub lease: Option<LeaseLength>,
    /// What the caller can do.
    pub capabilities: BTreeSet<Capability>,
    /// Where it runs.
    pub environment: Option<Environment>,
    /// Look behind this place only.
    pub after: Option<Place>,
    /// Whether finding nothing is the answer, or the caller looks on.
    pub is_last: bool,
}

/// What a look found, and how far it went.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Look {
    /// What was claimed.
    pub claimed: Claimed,
    /// Where the next look goes on, if the candidates were cut.
    pub horizon: Option<Place>,
}

impl HotCommand for ClaimOnce {
    const OPERATION: &'static str = "task.claim";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = Look;

    fn content(&self) -> Value {
        self.content.clone()
    }

    fn target(&self) -> String {
        "queue".to_owned()
    }

    fn touches(&self) -> Touches {
        let choice = Choice { filter: self.filter.clone(), after: self.after, tasks: self.size.tasks() };
        let work = WorkTouches { choice: Some(choice), due_rows_max: DUE_ROWS_MAX, ..WorkTouches::default() };
        Touches { work, ..Touches::default() }
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let claimant = Claimant {
            holder: who.holder()?,
            agent_type: who.call.principal.agent_type.clone(),
            capabilities: self.capabilities.clone(),
            environment: self.environment.clone(),
            trust: Trust::STANDARD,
        };
        let horizon = tables.horizons.get(&(self.filter.clone(), self.after)).copied();
        let claim = Claim {
            claimant,
            filter: self.filter.clone(),
            size: self.size,
            lease: self.lease,
            withheld: BTreeSet::new(),
            horizon,
        };
        let looked = tables.work.claim(&mut tables.locks, &claim);
        let ruling = ruling(looked.map(|claimed| Look { horizon: horizon.filter(|_| claimed.is_cut), claimed }))?;
        let is_final = ruling.result.as_ref().map_or(true, |look| self.is_last || !look.claimed.tasks.is_empty());
        Ok(Ruling { is_final, ..ruling })
    }
}
