//! Handing tasks out.

use super::ruling;
use crate::executor::{Choice, Defect, HotCommand, Ruling, Tables, Touches, Who, WorkTouches};
use domain::agents::{Offers, offer};
use domain::identity::principal::Action;
use domain::work::claim::{Claim, ClaimFilter, ClaimSize, Claimed, PassedOver};
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
    /// What the caller can do; `None` for what its session offers.
    pub capabilities: Option<BTreeSet<Capability>>,
    /// Where it runs; `None` for what its session offers.
    pub environment: Option<Environment>,
    /// Look behind this place only.
    pub after: Option<Place>,
    /// What the looks before passed over.
    pub passed_over: PassedOver,
    /// Whether finding nothing is the caller's answer, or it will look again.
    pub is_last: bool,
    /// Whether the caller looks on behind what was loaded.
    pub looks_on: bool,
}

/// What a look found, and how far it went.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Look {
    /// What was claimed, and what all looks so far passed over.
    pub claimed: Claimed,
    /// Where the next look goes on, if the candidates were cut.
    pub horizon: Option<Place>,
}

impl ClaimOnce {
    /// What the caller offers: what it names with the claim stays with its session.
    fn offers(&self, who: &Who<'_>) -> Result<Offers, Defect> {
        let before = &who.session()?.offers;
        Ok(Offers {
            agent_type: who.call.principal.agent_type.clone(),
            capabilities: self.capabilities.clone().unwrap_or_else(|| before.capabilities.clone()),
            environment: self.environment.clone().or_else(|| before.environment.clone()),
        })
    }
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
        let offers = self.offers(who)?;
        tables.sessions_changed.extend(offer(who.session()?, offers.clone(), tables.locks.now()));
        let Offers { agent_type, capabilities, environment } = offers;
        let claimant =
            Claimant { holder: who.holder()?, agent_type, capabilities, environment, trust: Trust::STANDARD };
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
        // Counted here, so that an answer that is told again tells the same.
        let whole = |claimed: Claimed| Claimed { passed_over: self.passed_over.and(claimed.passed_over), ..claimed };
        let look = |claimed: Claimed| Look { horizon: horizon.filter(|_| claimed.is_cut), claimed: whole(claimed) };
        let ruling = ruling(looked.map(look))?;
        let is_end = |look: &Look| self.is_last && (look.horizon.is_none() || !self.looks_on);
        let is_final = ruling.result.as_ref().map_or(true, |look| is_end(look) || !look.claimed.tasks.is_empty());
        Ok(Ruling { is_final, ..ruling })
    }
}
