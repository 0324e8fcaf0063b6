//! What was promised to whom, known from the answers alone, and the judgement of the next answer by it.

mod judge;
mod lives;

use crate::model::Stored;
use crate::model::command::{Command, SPEAKERS, speaker_of};
use crate::model::ledger::lives::Life;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{SessionId, TicketId};
use domain::locks::key::LockKey;
use domain::locks::lease::{Lease, Mode, Token, Waiter};
use domain::locks::wants::Wants;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Ledger {
    now: DateTime<Utc>,
    /// Grants that nobody has ended, also those whose time has run out since.
    promises: BTreeMap<Token, Promise>,
    /// Places nobody gave up, also those lost since.
    line: BTreeMap<TicketId, InLine>,
    /// Everything drawn lies at or below this.
    greatest: i64,
    /// Every grant there was, in order.
    grants: Vec<(Token, usize)>,
    /// Every ticket there was, in order.
    tickets: Vec<(TicketId, usize, Wants)>,
    /// Who gave what back.
    given_back: BTreeMap<Token, SessionId>,
    /// Every session there was.
    lives: BTreeMap<SessionId, Life>,
    /// How often each speaker has begun anew.
    incarnations: [u32; SPEAKERS.len()],
    fresh_tickets: u128,
}

#[derive(Debug, Clone)]
struct Promise {
    key: String,
    mode: Mode,
    session: SessionId,
    until: DateTime<Utc>,
}

#[derive(Debug, Clone)]
struct InLine {
    session: SessionId,
    wants: Wants,
    order: usize,
    kept_until: DateTime<Utc>,
}

/// One thing in the way: what was wanted, what stands against it, whose that is, and whether it is only ahead in line.
type InTheWay = (String, String, SessionId, Option<TicketId>);

/// Whether two keys have anything in common, told in segments and not in prefixes of text.
fn overlap(one: &str, other: &str) -> bool {
    fn read(key: &str) -> (Vec<&str>, bool) {
        let mut segments: Vec<&str> = key.split('/').collect();
        let is_tree = segments.last() == Some(&"**");
        segments.truncate(segments.len() - usize::from(is_tree));
        (segments, is_tree)
    }
    let ((one_base, one_tree), (other_base, other_tree)) = (read(one), read(other));
    let is_named = |base: &[&str]| base.first().is_some_and(|first| first.contains(':'));
    if is_named(&one_base) != is_named(&other_base) {
        return false;
    }
    one_base == other_base
        || (one_tree && other_base.starts_with(&one_base))
        || (other_tree && one_base.starts_with(&other_base))
}

pub(crate) fn clash(one: (&str, Mode), other: (&str, Mode)) -> bool {
    (one.1 == Mode::Exclusive || other.1 == Mode::Exclusive) && overlap(one.0, other.0)
}

impl Ledger {
    pub(crate) fn new(now: DateTime<Utc>, greatest: i64) -> Self {
        Self {
            now,
            promises: BTreeMap::new(),
            line: BTreeMap::new(),
            greatest,
            grants: Vec::new(),
            tickets: Vec::new(),
            given_back: BTreeMap::new(),
            lives: BTreeMap::new(),
            incarnations: [0; SPEAKERS.len()],
            fresh_tickets: 0,
        }
    }

    pub(crate) fn pass(&mut self, time: TimeDelta) {
        self.now += time;
    }

    pub(crate) fn epoch_raised(&mut self, epoch: i64) {
        self.greatest = self.greatest.max(Token::base_of_epoch(epoch));
    }

    pub(crate) fn fresh_ticket(&mut self) -> u128 {
        self.fresh_tickets += 1;
        self.fresh_tickets
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = Token> {
        self.grants.iter().map(|(token, _)| *token)
    }

    pub(crate) fn recent_token(&self, back: usize) -> Option<(Token, usize)> {
        let at = self.grants.len().checked_sub(1 + back % self.grants.len().max(1))?;
        self.grants.get(at).copied()
    }

    pub(crate) fn recent_ticket(&self, back: usize) -> Option<(TicketId, usize, Wants)> {
        let at = self.tickets.len().checked_sub(1 + back % self.tickets.len().max(1))?;
        self.tickets.get(at).cloned()
    }

    /// What holds now.
    fn live(&self) -> impl Iterator<Item = (Token, &Promise)> {
        self.promises.iter().filter(|(_, promise)| self.holds(promise)).map(|(token, promise)| (*token, promise))
    }

    fn live_promise(&self, token: Token) -> Option<&Promise> {
        self.promises.get(&token).filter(|promise| self.holds(promise))
    }

    fn holds(&self, promise: &Promise) -> bool {
        self.now < promise.until && self.lives(&promise.session)
    }

    fn is_kept(&self, place: &InLine) -> bool {
        self.now < place.kept_until && self.lives(&place.session)
    }

    /// Who stands in line now.
    fn standing(&self) -> impl Iterator<Item = (TicketId, &InLine)> {
        self.line.iter().filter(|(_, place)| self.is_kept(place)).map(|(ticket, place)| (*ticket, place))
    }

    fn place(&self, ticket: TicketId) -> Option<&InLine> {
        self.line.get(&ticket).filter(|place| self.is_kept(place))
    }

    /// Everything in the way of a session that wants something and came at some point of the order.
    fn in_the_way(&self, session: &SessionId, wants: &Wants, order: usize) -> BTreeSet<InTheWay> {
        let mut found = BTreeSet::new();
        let waits_for_me = |place: &InLine| {
            place.wants.iter().any(|want| {
                let mut mine = self.live().filter(|(_, promise)| promise.session == *session);
                mine.any(|(_, promise)| clash((want.key.as_str(), want.mode), (&promise.key, promise.mode)))
            })
        };
        for want in wants.iter() {
            let wanted = (want.key.as_str(), want.mode);
            for (_, promise) in self.live().filter(|(_, promise)| promise.session != *session) {
                if clash(wanted, (&promise.key, promise.mode)) {
                    found.insert((wanted.0.to_owned(), promise.key.clone(), promise.session.clone(), None));
                }
            }
            for (ticket, place) in self.standing() {
                if place.session == *session || place.order >= order || waits_for_me(place) {
                    continue;
                }
                for other in place.wants.iter().filter(|other| clash(wanted, (other.key.as_str(), other.mode))) {
                    let (key, who) = (other.key.as_str().to_owned(), place.session.clone());
                    found.insert((wanted.0.to_owned(), key, who, Some(ticket)));
                }
            }
        }
        found
    }

    /// The sessions that this one waits for, over all its places and one more wish.
    fn waits_for(&self, session: &SessionId) -> BTreeSet<SessionId> {
        let places = self.standing().filter(|(_, place)| place.session == *session);
        places
            .flat_map(|(_, place)| self.in_the_way(session, &place.wants, place.order))
            .map(|(_, _, who, _)| who)
            .collect()
    }

    /// Whether somebody in the way waits, maybe through others, for this session.
    fn closes_a_circle(&self, session: &SessionId, in_the_way: &BTreeSet<InTheWay>) -> bool {
        let mut reached: BTreeSet<SessionId> = in_the_way.iter().map(|(_, _, who, _)| who.clone()).collect();
        loop {
            let further: BTreeSet<SessionId> = reached.iter().flat_map(|who| self.waits_for(who)).collect();
            let before = reached.len();
            reached.extend(further);
            if reached.contains(session) {
                return true;
            }
            if reached.len() == before {
                return false;
            }
        }
    }

    /// The tickets that somebody or something is in the way of.
    pub(crate) fn stuck(&self) -> BTreeSet<TicketId> {
        let is_stuck = |place: &InLine| !self.in_the_way(&place.session, &place.wants, place.order).is_empty();
        self.standing().filter(|(_, place)| is_stuck(place)).map(|(ticket, _)| ticket).collect()
    }

    /// Whoever could go on now and could not before waits for a key that became freer. The caller itself is not asleep.
    pub(crate) fn check_that_the_unstuck_are_woken(
        &self,
        before: &BTreeSet<TicketId>,
        command: &Command,
        freed: &[LockKey],
    ) {
        for ticket in before.difference(&self.stuck()) {
            let Some(place) = self
                .place(*ticket)
                .filter(|place| command.holder().map(|holder| &holder.session) != Some(&place.session))
            else {
                continue;
            };
            let is_woken =
                place.wants.keys().any(|wanted| freed.iter().any(|key| overlap(wanted.as_str(), key.as_str())));
            assert!(is_woken, "{ticket} could go on after {command:?}, but only {freed:?} are told to be freer");
        }
    }

    /// Compares with what the stores hold.
    pub(crate) fn compare(&self, stored: &Stored) {
        let live: BTreeMap<Token, DateTime<Utc>> = self.live().map(|(token, promise)| (token, promise.until)).collect();
        let held: Vec<&Lease> =
            stored.leases.iter().filter(|one| one.is_live(self.now)).map(|one| &one.lease).collect();
        for held in [held, stored.listed.iter().collect()] {
            let held: BTreeMap<Token, DateTime<Utc>> = held.iter().map(|one| (one.token, one.expires_at)).collect();
            assert_eq!(held, live, "the stores hold what was promised, no more and no less");
        }
        let standing: BTreeSet<TicketId> = self.standing().map(|(ticket, _)| ticket).collect();
        let waiting = stored.line.iter().filter(|stored| stored.is_live(self.now));
        assert_eq!(waiting.map(|stored| stored.waiter.ticket).collect::<BTreeSet<_>>(), standing);
        self.check_that_nothing_was_lost(stored);
        Self::check_exclusion(&stored.listed);
        self.compare_sessions(stored);
        assert!(stored.last_token >= self.greatest, "the counter fell behind what was drawn");
    }

    fn check_that_nothing_was_lost(&self, stored: &Stored) {
        let now: BTreeSet<Token> = stored.leases.iter().map(|stored| stored.lease.token).collect();
        let past: BTreeSet<Token> = stored.ended.iter().map(|ended| ended.lease.token).collect();
        assert_eq!((now.len(), past.len()), (stored.leases.len(), stored.ended.len()), "a lease is there twice");
        assert!(now.is_disjoint(&past), "a lease holds and has ended");
        assert_eq!(now.union(&past).copied().collect::<BTreeSet<_>>(), self.tokens().collect(), "a lease was lost");
    }

    fn check_exclusion(leases: &[Lease]) {
        for (number, one) in leases.iter().enumerate() {
            for other in leases.iter().skip(number + 1).filter(|other| other.holder.session != one.holder.session) {
                let together = clash((one.key.as_str(), one.mode), (other.key.as_str(), other.mode));
                assert!(!together, "two hold what only one may: {one:?} and {other:?}");
            }
        }
    }

    fn keep(&mut self, ticket: TicketId, session: &SessionId, wants: &Wants) {
        if self.place(ticket).is_none() {
            self.tickets.push((ticket, speaker_of(session), wants.clone()));
            // A place in line has a number from the counter of the tokens.
            self.greatest += 1;
        }
        let order = self.line.get(&ticket).map_or(self.tickets.len(), |place| place.order);
        let kept_until = self.now + TimeDelta::seconds(Waiter::KEPT_SECONDS);
        self.line.insert(ticket, InLine { session: session.clone(), wants: wants.clone(), order, kept_until });
    }
}
