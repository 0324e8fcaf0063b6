//! The changes to handoffs that move nothing, one command each: they lock nothing but the handoff itself.

use crate::executor::{Command, Decision, Happening, Scene};
use crate::handoffs::candidate::candidate;
use async_trait::async_trait;
use domain::audit::Change;
use domain::handoffs::content::{Content, Summary};
use domain::handoffs::{Declined, Draft, Giver, Handoff, HandoffRefusal, Held, Offer, OfferLength, State, ToMove};
use domain::identity::principal::Action;
use domain::ids::{HandoffId, TaskId};
use domain::locks::lease::{Reason, Token};
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Writes a handoff.
#[derive(Debug, Clone, Serialize)]
pub struct WriteHandoff {
    /// The id it will have; no part of the request.
    #[serde(skip)]
    pub id: HandoffId,
    /// Where the work stands.
    pub summary: Summary,
    /// The rest that is to be read.
    pub content: Content,
    /// To whom it is offered.
    pub offer: Offer,
    /// What goes over.
    pub to_move: ToMove,
    /// How long the offer stands.
    pub length: OfferLength,
}

#[async_trait]
impl Command for WriteHandoff {
    const OPERATION: &'static str = "handoff.write";
    const ACTION: Action = Action::UseHandoffs;
    type Answer = Handoff;

    fn content(&self) -> Value {
        json!(self)
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        let giver = candidate(uow, scene.call, scene.now).await?;
        let mut held = Held::default();
        if !self.to_move.is_empty() {
            let tokens: Vec<Token> = self.to_move.locks.iter().copied().collect();
            let ids: Vec<TaskId> = self.to_move.tasks.keys().copied().collect();
            held.locks = uow.leases_load_by_token(project, &tokens).await?;
            held.tasks = uow.tasks_load(project, &ids).await?;
            held.tasks.extend(uow.tasks_load_by_session(project, giver.session.as_slice()).await?);
        }
        let draft = Draft {
            id: self.id,
            from: Giver { agent: giver.agent, session: giver.session },
            summary: self.summary.clone(),
            offer: self.offer.clone(),
            to_move: self.to_move.clone(),
            length: self.length,
        };
        let handoff = match Handoff::write(draft, &held, scene.now) {
            Ok(handoff) => handoff,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.handoff_add(project, &handoff, &self.content).await?;
        let kind = if handoff.offer.is_made() { "handoff.offered" } else { "handoff.written" };
        let happening = happening(Self::OPERATION, kind, None, &handoff);
        Ok(Decision::answered(handoff, vec![happening]))
    }
}

/// Says that an agent does not want what it is offered.
#[derive(Debug, Clone, Serialize)]
pub struct DeclineHandoff {
    /// Which.
    pub id: HandoffId,
    /// Why.
    pub reason: Option<Reason>,
}

/// What came of declining.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeclinedHandoff {
    /// The handoff.
    pub handoff: Handoff,
    /// Whether it still stands for others.
    pub still_offered: bool,
}

#[async_trait]
impl Command for DeclineHandoff {
    const OPERATION: &'static str = "handoff.decline";
    const ACTION: Action = Action::UseHandoffs;
    type Answer = DeclinedHandoff;

    fn content(&self) -> Value {
        json!(self)
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        let Some(before) = uow.handoffs_load(project, &[self.id]).await?.pop() else {
            return Ok(Decision::refused(HandoffRefusal::Unknown { id: self.id }));
        };
        let by = candidate(uow, scene.call, scene.now).await?;
        match before.decline(&by, self.reason.clone(), scene.now) {
            Err(refusal) => Ok(Decision::refused(refusal)),
            Ok(Declined::Ended(after)) => {
                uow.handoff_save(project, &after).await?;
                let happening = happening(Self::OPERATION, DECLINED, Some(&before), &after);
                let answer = DeclinedHandoff { handoff: *after, still_offered: false };
                Ok(Decision::answered(answer, vec![happening]))
            }
            Ok(Declined::Hidden) => {
                let is_new = uow.handoff_declined(project, self.id, &by.agent, scene.now).await?;
                let mut happening = happening(Self::OPERATION, DECLINED, Some(&before), &before);
                let hidden = json!({ "agent": by.agent, "at": scene.now, "reason": self.reason });
                for told in [&mut happening.body].into_iter().chain(&mut happening.change.after) {
                    if let Value::Object(fields) = told {
                        fields.insert("hidden_from".to_owned(), hidden.clone());
                    }
                }
                let happenings = if is_new { vec![happening] } else { Vec::new() };
                let answer = DeclinedHandoff { handoff: before, still_offered: true };
                Ok(Decision::answered(answer, happenings))
            }
        }
    }
}

const DECLINED: &str = "handoff.declined";

/// Takes an offer back.
#[derive(Debug, Clone, Serialize)]
pub struct WithdrawHandoff {
    /// Which.
    pub id: HandoffId,
    /// Why.
    pub reason: Option<Reason>,
}

#[async_trait]
impl Command for WithdrawHandoff {
    const OPERATION: &'static str = "handoff.withdraw";
    const ACTION: Action = Action::UseHandoffs;
    type Answer = Handoff;

    fn content(&self) -> Value {
        json!(self)
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        let Some(before) = uow.handoffs_load(project, &[self.id]).await?.pop() else {
            return Ok(Decision::refused(HandoffRefusal::Unknown { id: self.id }));
        };
        let after = match before.withdraw(&scene.call.principal.agent, self.reason.clone(), scene.now) {
            Ok(after) => after,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.handoff_save(project, &after).await?;
        let happening = happening(Self::OPERATION, "handoff.withdrawn", Some(&before), &after);
        Ok(Decision::answered(after, vec![happening]))
    }
}

/// What happened to a handoff.
pub(super) fn happening(operation: &str, kind: &'static str, before: Option<&Handoff>, after: &Handoff) -> Happening {
    let change = Change {
        operation: operation.to_owned(),
        target: after.id.to_string(),
        before: before.map(|before| json!({ "state": told_state(&before.state) })),
        after: Some(told(after)),
    };
    let mut body = told(after);
    if let Value::Object(fields) = &mut body {
        fields.insert("summary".to_owned(), json!(after.summary));
    }
    Happening { change, kind, body, by_itself: false }
}

/// A handoff without its words, which are kept with it.
fn told(handoff: &Handoff) -> Value {
    json!({
        "id": handoff.id,
        "from": handoff.from,
        "offer": handoff.offer,
        "to_move": handoff.to_move,
        "written_at": handoff.written_at,
        "expires_at": handoff.expires_at,
        "state": told_state(&handoff.state),
        "revision": handoff.revision,
    })
}

fn told_state(state: &State) -> Value {
    // Its keys are texts, so this cannot fail; null would show in the log all the same.
    serde_json::to_value(state).unwrap_or(Value::Null)
}
