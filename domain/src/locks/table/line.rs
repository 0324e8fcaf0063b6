//! The line: who joins, stays, leaves and loses the place.

use super::{Acquire, Acquired, LockTable};
use crate::ids::TicketId;
use crate::locks::conflict::{Conflict, Obstacle};
use crate::locks::event::LockEvent;
use crate::locks::lease::{Holder, Waiter};
use crate::locks::refusal::{LockRefusal, Place};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

impl LockTable {
    /// Gives a place in line up. True if there was one.
    pub fn leave(&mut self, holder: &Holder, ticket: TicketId) -> Result<bool, LockRefusal> {
        match self.waiters.iter().find(|waiter| waiter.ticket == ticket) {
            Some(waiter) if waiter.holder.session != holder.session => Err(LockRefusal::TicketNotYours { ticket }),
            Some(_) => {
                self.remove_waiter(ticket);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    pub(super) fn place_of(&self, ticket: TicketId, command: &Acquire) -> Result<Waiter, LockRefusal> {
        let waiter = self.waiters.iter().find(|waiter| waiter.ticket == ticket);
        let waiter = waiter.ok_or(LockRefusal::TicketExpired { ticket })?;
        if waiter.holder.session != command.holder.session {
            return Err(LockRefusal::TicketNotYours { ticket });
        }
        if waiter.wants != command.wants {
            return Err(LockRefusal::TicketMismatch { ticket });
        }
        Ok(waiter.clone())
    }

    pub(super) fn record_gone(&mut self, event: LockEvent, waiter: &Waiter) {
        self.changes.waiters_put.retain(|other| other.ticket != waiter.ticket);
        self.changes.waiters_removed.push(waiter.ticket);
        self.changes.events.push(event);
    }

    pub(super) fn remove_waiter(&mut self, ticket: TicketId) {
        if let Some(at) = self.waiters.iter().position(|waiter| waiter.ticket == ticket) {
            let waiter = self.waiters.remove(at);
            self.record_gone(LockEvent::Left(waiter.clone()), &waiter);
        }
    }

    pub(super) fn join(
        &mut self,
        command: &Acquire,
        ticket: TicketId,
        obstacles: Vec<Conflict>,
    ) -> Result<Acquired, LockRefusal> {
        let own = self.waiters.iter().filter(|waiter| waiter.holder.session == command.holder.session).count();
        if self.waiters.len() >= Waiter::PER_PROJECT_MAX || own >= Waiter::PER_SESSION_MAX {
            return Err(LockRefusal::LineFull);
        }
        // Places come from the same counter as tokens: both are drawn under the project's lock.
        let place = self.draw_token()?.value();
        let waiter = Waiter {
            ticket,
            place,
            holder: command.holder.clone(),
            wants: command.wants.clone(),
            reason: command.reason.clone(),
            joined_at: self.now,
            kept_until: self.kept_until(),
        };
        self.changes.events.push(LockEvent::Waiting(waiter.clone()));
        Ok(self.stay(waiter, obstacles))
    }

    fn kept_until(&self) -> DateTime<Utc> {
        self.now + TimeDelta::seconds(Waiter::KEPT_SECONDS)
    }

    pub(super) fn stay(&mut self, mut waiter: Waiter, obstacles: Vec<Conflict>) -> Acquired {
        waiter.kept_until = self.kept_until();
        let first: BTreeSet<TicketId> = obstacles
            .iter()
            .filter_map(|conflict| match conflict.obstacle {
                Obstacle::AheadInLine { ticket } => Some(ticket),
                Obstacle::Holder { .. } => None,
            })
            .collect();
        let position = u32::try_from(first.len()).unwrap_or(u32::MAX).saturating_add(1);
        let place = Place { ticket: waiter.ticket, position };
        self.waiters.retain(|other| other.ticket != waiter.ticket);
        self.changes.waiters_put.retain(|other| other.ticket != waiter.ticket);
        self.waiters.push(waiter.clone());
        self.waiters.sort_by_key(|waiter| waiter.place);
        self.changes.waiters_put.push(waiter);
        Acquired::InLine { place, conflicts: obstacles }
    }
}
