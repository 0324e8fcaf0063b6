//! Is this answer right?

use super::{InTheWay, Ledger, Promise, clash};
use crate::model::command::{Answer, Command, speaker_of};
use chrono::{DateTime, TimeDelta, Utc};
use domain::handoffs::Stays;
use domain::ids::{SessionId, TicketId};
use domain::locks::conflict::{Conflict, Obstacle};
use domain::locks::lease::{Ending, Holder, Lease, Token, Ttl};
use domain::locks::refusal::{CycleStep, LockRefusal};
use domain::locks::table::{Acquire, Acquired, OnConflict, Released};
use std::collections::BTreeSet;

fn told(conflicts: &[Conflict]) -> BTreeSet<InTheWay> {
    let line = |conflict: &Conflict| {
        let ticket = match conflict.obstacle {
            Obstacle::Holder { .. } => None,
            Obstacle::AheadInLine { ticket } => Some(ticket),
        };
        let (wanted, key) = (conflict.wanted.as_str().to_owned(), conflict.key.as_str().to_owned());
        (wanted, key, conflict.session.clone(), ticket)
    };
    conflicts.iter().map(line).collect()
}

fn position(in_the_way: &BTreeSet<InTheWay>) -> usize {
    in_the_way.iter().filter_map(|(_, _, _, ticket)| *ticket).collect::<BTreeSet<TicketId>>().len() + 1
}

impl Ledger {
    /// Judges an answer, and remembers what it promised.
    pub(crate) fn judge(&mut self, command: &Command, answer: &Answer) {
        if let Answer::NoSession(refusal) = answer {
            return self.judge_no_session(command, refusal);
        }
        self.heard(command);
        match (command, answer) {
            (Command::Register(..) | Command::Heartbeat(_), Answer::Lives(session)) => self.judge_life(session),
            (Command::Reap, Answer::Reaped(sessions, ended)) => {
                self.judge_reaped(sessions);
                assert!(ended.iter().all(|token| self.live_promise(*token).is_none()), "reaped while it was held");
            }
            (Command::Acquire(acquire), Answer::Acquired(answer)) => self.judge_acquire(acquire, answer),
            (Command::Renew(holder, tokens, ttl), Answer::Renewed(answer)) => {
                self.judge_renew(holder, tokens, *ttl, answer);
            }
            (Command::Release(holder, tokens), Answer::Released(answer)) => self.judge_release(holder, tokens, answer),
            (Command::Force(token), Answer::Forced(answer)) => {
                assert_eq!(
                    answer.is_ok(),
                    self.live_promise(*token).is_some(),
                    "a lease is taken if it is held: {answer:?}"
                );
                if let Err(refusal) = answer {
                    assert!(matches!(refusal, LockRefusal::Stale { .. }), "{refusal:?}");
                }
                self.promises.remove(token);
            }
            (Command::HandOver(to, from, token, ttl), Answer::HandedOver(answer)) => {
                self.judge_handed_over(to, from, *token, *ttl, answer);
            }
            (Command::Leave(holder, ticket), Answer::Left(answer)) => {
                let session = self.place(*ticket).map(|place| place.session.clone());
                let expected = match session {
                    None => Ok(false),
                    Some(session) if session == holder.session => Ok(true),
                    Some(_) => Err(LockRefusal::TicketNotYours { ticket: *ticket }),
                };
                assert_eq!(*answer, expected);
                if expected == Ok(true) {
                    self.line.remove(ticket);
                }
            }
            (Command::EndSession(holder), Answer::Ended(ended)) => {
                let held = self.live().filter(|(_, promise)| promise.session == holder.session);
                let held: BTreeSet<Token> = held.map(|(token, _)| token).collect();
                assert_eq!(ended.iter().map(|ended| ended.lease.token).collect::<BTreeSet<_>>(), held);
                self.promises.retain(|token, _| !held.contains(token));
                self.line.retain(|_, place| place.session != holder.session);
                self.close(&holder.session);
            }
            (Command::Sweep, Answer::Swept(swept)) => {
                assert!(swept.iter().all(|token| self.live_promise(*token).is_none()), "swept while it was held");
            }
            (command, answer) => panic!("{command:?} was answered by {answer:?}"),
        }
    }

    fn judge_acquire(&mut self, command: &Acquire, answer: &Result<Acquired, LockRefusal>) {
        let session = &command.holder.session;
        if let Some(ticket) = command.ticket {
            let expected = match self.place(ticket) {
                None => Some(LockRefusal::TicketExpired { ticket }),
                Some(place) if place.session != *session => Some(LockRefusal::TicketNotYours { ticket }),
                Some(place) if place.wants != command.wants => Some(LockRefusal::TicketMismatch { ticket }),
                Some(_) => None,
            };
            if let Some(refusal) = expected {
                assert_eq!(*answer, Err(refusal));
                return;
            }
        }
        let order = command.ticket.and_then(|ticket| self.place(ticket)).map_or(usize::MAX, |place| place.order);
        let in_the_way = self.in_the_way(session, &command.wants, order);
        let waits = matches!(command.on_conflict, OnConflict::Wait(_));
        let circle =
            (waits || command.ticket.is_some()) && !in_the_way.is_empty() && self.closes_a_circle(session, &in_the_way);
        match answer {
            Ok(Acquired::Granted(leases)) => {
                assert_eq!(in_the_way, BTreeSet::new(), "granted over the heads of others");
                assert_eq!(leases.len(), command.wants.iter().count());
                for lease in leases {
                    self.judge_grant(command, lease);
                }
                command.ticket.map(|ticket| self.line.remove(&ticket));
            }
            Ok(Acquired::InLine { place, conflicts }) => {
                assert!(!circle, "waits in a circle");
                assert_eq!(told(conflicts), in_the_way);
                assert_ne!(in_the_way, BTreeSet::new(), "waits for nothing");
                assert_eq!(usize::try_from(place.position).unwrap(), position(&in_the_way));
                let expected = match (command.ticket, command.on_conflict) {
                    (Some(ticket), OnConflict::Wait(_)) | (None, OnConflict::Wait(ticket)) => ticket,
                    (_, OnConflict::Refuse) => panic!("stands in line without having asked for it"),
                };
                assert_eq!(place.ticket, expected);
                self.keep(place.ticket, session, &command.wants);
            }
            Err(LockRefusal::Held { conflicts, place }) => {
                assert!(!waits && !circle);
                assert_eq!(told(conflicts), in_the_way);
                assert_ne!(in_the_way, BTreeSet::new(), "refused for nothing");
                assert_eq!(place.as_ref().map(|place| place.ticket), command.ticket);
                if let Some(place) = place {
                    self.keep(place.ticket, session, &command.wants);
                }
            }
            Err(LockRefusal::Deadlock { cycle }) => {
                assert!(circle, "there is no circle in {cycle:?}");
                self.judge_circle(session, cycle, &in_the_way);
                command.ticket.map(|ticket| self.line.remove(&ticket));
            }
            other => panic!("unexpected answer {other:?}"),
        }
    }

    fn judge_circle(&self, session: &SessionId, cycle: &[CycleStep], in_the_way: &BTreeSet<InTheWay>) {
        assert_eq!(cycle.first().map(|step| &step.session), Some(session));
        assert_eq!(cycle.last().map(|step| &step.held_by_session), Some(session));
        assert!(cycle.windows(2).all(|steps| steps[0].held_by_session == steps[1].session), "a gap in {cycle:?}");
        let first = &cycle[0];
        let is_first =
            |(wanted, _, who, _): &InTheWay| *wanted == first.waits_for.as_str() && *who == first.held_by_session;
        assert!(in_the_way.iter().any(is_first), "{first:?} is not true");
        for step in &cycle[1..] {
            assert!(self.waits_for(&step.session).contains(&step.held_by_session), "{step:?} is not true");
        }
    }

    fn judge_grant(&mut self, command: &Acquire, lease: &Lease) {
        let want = command.wants.iter().find(|want| want.key == lease.key).expect("granted what was not asked for");
        let session = &command.holder.session;
        assert_eq!(lease.holder, command.holder);
        let until = self.until(command.ttl);
        let own = self.live().find(|(_, promise)| promise.key == want.key.as_str() && promise.session == *session);
        let own = own.map(|(token, promise)| (token, promise.clone()));
        match own {
            Some((token, promise)) if promise.mode >= want.mode => {
                assert_eq!((lease.token, lease.mode), (token, promise.mode), "the same lease as before");
                assert_eq!(lease.expires_at, promise.until.max(until), "never shorter");
            }
            weaker => {
                assert_eq!(lease.mode, want.mode);
                assert!(lease.token.value() > self.greatest, "token {:?} is not greater than all before", lease.token);
                self.greatest = lease.token.value();
                self.grants.push((lease.token, speaker_of(session)));
                let before = weaker.map(|(token, promise)| {
                    self.promises.remove(&token);
                    promise.until
                });
                assert_eq!(lease.expires_at, before.map_or(until, |before| before.max(until)));
            }
        }
        self.promise(lease);
    }

    fn judge_renew(
        &mut self,
        holder: &Holder,
        tokens: &BTreeSet<Token>,
        ttl: Ttl,
        answer: &Result<Vec<Lease>, LockRefusal>,
    ) {
        let Ok(renewed) = answer else {
            return self.judge_refusal(holder, tokens, answer.as_ref().unwrap_err(), false);
        };
        assert_eq!(renewed.iter().map(|lease| lease.token).collect::<BTreeSet<_>>(), *tokens);
        for lease in renewed {
            let promise = self.live_promise(lease.token).expect("what has ended is not renewed");
            assert_eq!(promise.session, holder.session, "renewed what another session holds");
            assert_eq!(lease.expires_at, promise.until.max(self.until(ttl)));
            self.promise(lease);
        }
    }

    /// It goes over if its giver holds it and the taker does not hold the key, under a token greater than all before.
    fn judge_handed_over(
        &mut self,
        to: &Holder,
        from: &SessionId,
        token: Token,
        ttl: Ttl,
        answer: &Result<Lease, Stays>,
    ) {
        let Some(promise) = self.live_promise(token).cloned() else {
            return assert_eq!(*answer, Err(Stays::Ended));
        };
        if promise.session != *from {
            assert!(matches!(answer, Err(Stays::WithOther { holder }) if holder.session == promise.session));
            return;
        }
        let own = self.live().find(|(_, other)| other.session == to.session && other.key == promise.key);
        if let Some((own, _)) = own {
            assert!(matches!(answer, Err(Stays::TakerHolds { token, .. }) if *token == own), "{answer:?}");
            return;
        }
        let of_giver = self.live().filter(|(other, kept)| *other != token && kept.session == *from);
        let clashing = |kept: &Promise| clash((&kept.key, kept.mode), (&promise.key, promise.mode));
        let tied: BTreeSet<Token> = of_giver.filter(|(_, kept)| clashing(kept)).map(|(token, _)| token).collect();
        if !tied.is_empty() {
            assert!(matches!(answer, Err(Stays::Tied { token, .. }) if tied.contains(token)), "{answer:?}");
            return;
        }
        let lease = answer.as_ref().unwrap();
        assert_eq!((lease.key.as_str(), lease.mode, &lease.holder), (promise.key.as_str(), promise.mode, to));
        assert_eq!(lease.expires_at, promise.until.max(self.until(ttl)), "never shorter");
        assert!(lease.token.value() > self.greatest, "token {:?} is not greater than all before", lease.token);
        self.greatest = lease.token.value();
        self.grants.push((lease.token, speaker_of(&to.session)));
        self.promises.remove(&token);
        self.promise(lease);
    }

    fn judge_release(
        &mut self,
        holder: &Holder,
        tokens: &BTreeSet<Token>,
        answer: &Result<Vec<Released>, LockRefusal>,
    ) {
        let Ok(released) = answer else {
            return self.judge_refusal(holder, tokens, answer.as_ref().unwrap_err(), true);
        };
        assert_eq!(released.iter().map(|one| one.ended.lease.token).collect::<BTreeSet<_>>(), *tokens);
        for Released { ended, already } in released {
            let token = ended.lease.token;
            assert_eq!(ended.ending, Ending::Released);
            if *already {
                assert_eq!(self.given_back.get(&token), Some(&holder.session), "it was not given back before");
            } else {
                let promise = self.live_promise(token).expect("what has ended is not given back");
                assert_eq!(promise.session, holder.session, "gave back what another session holds");
                self.promises.remove(&token);
                self.given_back.insert(token, holder.session.clone());
            }
        }
    }

    /// A refusal of tokens must be true of one of them.
    fn judge_refusal(&self, holder: &Holder, tokens: &BTreeSet<Token>, refusal: &LockRefusal, may_be_again: bool) {
        match refusal {
            LockRefusal::NotHolder { token, session, .. } => {
                let promise = self.live_promise(*token).expect("nobody holds it");
                assert!(tokens.contains(token) && promise.session == *session && *session != holder.session);
            }
            LockRefusal::Stale { stale } => {
                let again = |token: &Token| may_be_again && self.given_back.get(token) == Some(&holder.session);
                let gone = tokens.iter().filter(|token| self.live_promise(**token).is_none() && !again(token));
                let named: BTreeSet<Token> = stale.iter().map(|stale| stale.token).collect();
                assert_eq!(named, gone.copied().collect(), "names what is gone, and all of it");
                assert_ne!(named, BTreeSet::new());
            }
            other => panic!("unexpected refusal {other:?}"),
        }
    }

    fn until(&self, ttl: Ttl) -> DateTime<Utc> {
        self.now + TimeDelta::seconds(i64::from(ttl.seconds()))
    }

    fn promise(&mut self, lease: &Lease) {
        let (key, session) = (lease.key.as_str().to_owned(), lease.holder.session.clone());
        self.promises.insert(lease.token, Promise { key, mode: lease.mode, session, until: lease.expires_at });
    }
}
