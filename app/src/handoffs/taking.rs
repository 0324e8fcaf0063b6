//! Taking a handoff: what was named with it goes over in the same commit.

use crate::call::Call;
use crate::executor::{Defect, Executor, HotCommand, Ruling, Tables, Touches, Who};
use crate::handoffs::candidate::recorded;
use crate::handoffs::commands::happening;
use crate::refusal::{CallError, Refusal};
use domain::handoffs::{Candidate, Handoff, HandoffRefusal};
use domain::identity::principal::Action;
use domain::ids::HandoffId;
use domain::locks::lease::Ttl;
use domain::work::name::Capability;
use domain::work::requires::{Claimant, Trust};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Lets a caller take a handoff.
pub async fn accept(executor: &Executor, call: &Call, id: HandoffId, ttl: Ttl) -> Result<Handoff, CallError> {
    // What a record says need not stay so until the commit, and the lane waits for nobody who changes one.
    let mut uow = executor.store().begin_glance().await?;
    let recorded = recorded(uow.as_mut(), call, &call.principal.agent).await?;
    drop(uow);
    Ok(executor.execute_hot(call, AcceptHandoff { id, ttl, recorded }).await?.answer)
}

/// Takes a handoff, with all of what was named that can go over.
#[derive(Debug, Clone, Serialize)]
pub struct AcceptHandoff {
    /// Which.
    pub id: HandoffId,
    /// How long locks last then, those of tasks apart.
    pub ttl: Ttl,
    /// What the taker's record says it can do; no part of the request.
    #[serde(skip)]
    pub recorded: BTreeSet<Capability>,
}

impl HotCommand for AcceptHandoff {
    const OPERATION: &'static str = "handoff.accept";
    const ACTION: Action = Action::UseHandoffs;
    const IN_SESSION: bool = true;
    type Answer = Handoff;

    fn content(&self) -> Value {
        json!(self)
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    fn touches(&self) -> Touches {
        Touches { handoffs: vec![self.id], ..Touches::default() }
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let refused = |refusal: HandoffRefusal| Ok(Ruling::of(Err(refusal)));
        let Some(before) = tables.handoffs.get(&self.id).cloned() else {
            return refused(HandoffRefusal::Unknown { id: self.id });
        };
        let (session, holder, now) = (who.session()?, who.holder()?, tables.locks.now());
        let mut capabilities = session.offers.capabilities.clone();
        capabilities.extend(self.recorded.iter().cloned());
        let taker = Candidate {
            agent: holder.agent.clone(),
            session: Some(holder.session.clone()),
            capabilities: capabilities.clone(),
        };
        match before.accept(&taker, now) {
            Err(refusal) => return refused(refusal),
            Ok(false) => return Ok(Ruling::of(Ok::<_, Refusal>(before))),
            Ok(true) => {}
        }
        let claimant = Claimant {
            holder: holder.clone(),
            agent_type: who.call.principal.agent_type.clone(),
            capabilities,
            environment: session.offers.environment.clone(),
            trust: Trust::STANDARD,
        };
        let moved = match before.hand_over(&claimant, self.ttl, &mut tables.locks, &mut tables.work) {
            Ok(moved) => moved,
            Err(refusal) => return refused(refusal.into()),
        };
        let after = before.accepted(holder, moved, now);
        let happening = happening(Self::OPERATION, "handoff.accepted", Some(&before), &after);
        tables.change_handoff(after.clone());
        Ok(Ruling { happenings: vec![happening], ..Ruling::of(Ok::<_, Refusal>(after)) })
    }
}
