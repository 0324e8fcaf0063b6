//! Many at once: real tasks on real connections fight for overlapping keys.

use crate::driver::{self, Touches};
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::locks::key::LockKey;
use domain::locks::lease::{Ending, Holder, Lease, Mode, Token, Ttl};
use domain::locks::refusal::LockRefusal;
use domain::locks::table::{Acquire, Acquired, LockTable, OnConflict};
use domain::locks::wants::{Want, Wants};
use ports::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

const CLIENTS: usize = 8;
const GRANTS_EACH: usize = 6;
const TRIES_MAX: usize = 10_000;

/// Who believes to hold what right now, and every token there was, in the order of the grants of each key.
#[derive(Default)]
struct Referee {
    held: Mutex<Vec<Lease>>,
    grants: Mutex<BTreeMap<LockKey, Vec<Token>>>,
    tokens: Mutex<BTreeSet<Token>>,
}

impl Referee {
    /// Called after a grant was committed and before anything is given back.
    fn granted(&self, leases: &[Lease]) {
        let mut held = self.held.lock().unwrap();
        let mut grants = self.grants.lock().unwrap();
        for lease in leases {
            for other in held.iter().filter(|other| other.holder.session != lease.holder.session) {
                let both_read = lease.mode == Mode::Shared && other.mode == Mode::Shared;
                assert!(both_read || !lease.key.overlaps(&other.key), "both held: {lease:?} and {other:?}");
            }
            assert!(self.tokens.lock().unwrap().insert(lease.token), "token {:?} was given twice", lease.token);
            let before = grants.entry(lease.key.clone()).or_default();
            if lease.mode == Mode::Exclusive {
                assert!(
                    before.iter().all(|before| *before < lease.token),
                    "{} went back on {}",
                    lease.token.value(),
                    lease.key
                );
            }
            before.push(lease.token);
        }
        held.extend(leases.iter().cloned());
    }

    /// Called before the leases are given back.
    fn released(&self, leases: &[Lease]) {
        self.held.lock().unwrap().retain(|held| leases.iter().all(|lease| lease.token != held.token));
    }
}

fn command(holder: Holder, client: usize, round: usize) -> Acquire {
    let universe = ["a", "b", "c/d", "c/**", "c/e/f", "c/e/**"];
    let want = |n: usize| Want {
        key: key(universe[n % universe.len()]),
        mode: if (client + round + n).is_multiple_of(3) { Mode::Shared } else { Mode::Exclusive },
    };
    let wants = Wants::try_new(vec![want(client + round), want(client * 5 + round * 3 + 1)]).unwrap();
    let ttl = Ttl::try_new(600).unwrap();
    Acquire { holder, wants, ttl, reason: None, ticket: None, on_conflict: OnConflict::Refuse }
}

/// A way into the store.
#[derive(Clone)]
struct Door {
    store: Arc<dyn Store>,
    /// Where to lock what is read, if this one does not. Who waits for the lock of the table cannot lose the race, since
    /// what was loaded under it stays true, so there any conflict fails the test.
    second_try: Option<Arc<dyn Store>>,
}

impl Door {
    async fn run<T>(&self, touches: &Touches, command: impl Fn(&mut LockTable) -> T) -> T {
        let run = async |store: &dyn Store| driver::run(store, &default_project(), touches, &command).await;
        match (run(self.store.as_ref()).await, &self.second_try) {
            (Err(StoreError::Conflict { .. }), Some(locking)) => run(locking.as_ref()).await.unwrap(),
            (answer, _) => answer.unwrap(),
        }
    }
}

/// Takes and gives back until it was granted often enough.
async fn client(door: Door, number: usize, referee: Arc<Referee>) {
    let holder = Holder { agent: agent("ann"), session: session_id(&format!("s{number}")) };
    let mut grants = 0;
    for round in 0..TRIES_MAX {
        let acquire = command(holder.clone(), number, round);
        let touches = Touches::Keys(acquire.wants.keys().cloned().collect());
        match door.run(&touches, |table| table.acquire(&acquire)).await {
            Ok(Acquired::Granted(leases)) => {
                referee.granted(&leases);
                grants += 1;
                tokio::task::yield_now().await;
                referee.released(&leases);
                give_back(&door, &holder, &leases, grants % 2 == 0).await;
                if grants == GRANTS_EACH {
                    return;
                }
            }
            Err(LockRefusal::Held { .. }) => tokio::task::yield_now().await,
            other => panic!("unexpected answer {other:?}"),
        }
    }
    panic!("client {number} was granted {grants} times only");
}

/// Gives leases back by their tokens, or with the whole session.
async fn give_back(door: &Door, holder: &Holder, leases: &[Lease], by_token: bool) {
    let count = if by_token {
        let tokens: BTreeSet<Token> = leases.iter().map(|lease| lease.token).collect();
        let touches = Touches::Tokens(tokens.clone());
        let released = door.run(&touches, |table| table.release(holder, &tokens)).await.unwrap();
        released.iter().filter(|released| !released.already).count()
    } else {
        let touches = Touches::Sessions(vec![holder.session.clone()]);
        door.run(&touches, |table| table.release_session(&holder.session, &Ending::SessionEnded)).await.len()
    };
    assert_eq!(count, leases.len(), "a lease was lost or doubled");
}

/// Sweeps all the while, and must find nothing: no lease of this test ever expires.
async fn sweeper(door: Door) {
    for _ in 0..GRANTS_EACH {
        let touches = Touches::Expired(100);
        assert_eq!(door.run(&touches, driver::ended_tokens).await, BTreeSet::new());
    }
}

async fn many_clients_at_two_doors_never_hold_one_key_together(store: Arc<TestStore>) {
    let referee = Arc::new(Referee::default());
    let second_try = store.second_try().await;
    let door = |store| Door { store, second_try: second_try.clone() };
    let doors = [store.second_door().await, store.second_door().await].map(door);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(doors[number % 2].clone(), number, Arc::clone(&referee)));
    }
    let mut sweepers = JoinSet::new();
    sweepers.spawn(sweeper(doors[0].clone()));
    clients.join_all().await;
    sweepers.join_all().await;
    let mut uow = store.begin().await;
    assert_eq!(uow.lock_counts().await.unwrap(), (0, 0));
    let head = uow.lock_table_lock(&default_project()).await.unwrap().unwrap();
    let drawn = referee.tokens.lock().unwrap().len();
    assert_eq!(usize::try_from(head.last_token).unwrap(), drawn, "each token was drawn once and given once");
    let tokens: Vec<Token> = referee.tokens.lock().unwrap().iter().copied().collect();
    assert_eq!(uow.ended_load(&default_project(), &tokens).await.unwrap().len(), drawn, "no lease was lost");
}

on_every_store!(many_clients_at_two_doors_never_hold_one_key_together);
