//! Signs of life and deaths, and what they mean for what a session holds.

use super::{end, ended, guarded, named, second};
use crate::driver::{self, Touches};
use crate::harness::{TestStore, default_project};
use crate::samples::*;
use crate::{on_every_locking_store, on_every_store};
use chrono::{DateTime, TimeDelta, Utc};
use domain::agents::{Session, SessionTtl};
use domain::locks::changes::Changes;
use domain::locks::key::KeyScope;
use domain::locks::lease::{Ending, Holder, Lease, Mode, Ttl, Waiter};
use domain::locks::stored::{StoredLease, StoredWaiter};
use domain::locks::table::{Acquire, Acquired, LockTable, OnConflict};
use domain::locks::wants::{Want, Wants};
use ports::locks::LeaseFilter;
use ports::store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

const MICRO: TimeDelta = TimeDelta::microseconds(1);

fn living(agent_name: &str, name: &str, live_until: DateTime<Utc>) -> Session {
    Session { live_until, ..session(agent_name, name) }
}

async fn try_see(store: &TestStore, sessions: &[Session]) -> Result<(), StoreError> {
    let mut uow = guarded(store).await;
    uow.sessions_seen(sessions).await?;
    uow.commit().await
}

async fn see(store: &TestStore, sessions: &[Session]) {
    try_see(store, sessions).await.unwrap();
}

async fn signs_of_life_are_written_down_for_many_at_once(store: Arc<TestStore>) {
    let here = default_project();
    let all = [session("ann", "s1"), session("ann", "s2"), session("bob", "s3")];
    add_sessions(&store, &all).await;
    store.pass(TimeDelta::seconds(100));
    let seen = |session: &Session, ttl| Session {
        ttl: SessionTtl::try_new(ttl).unwrap(),
        offers: offers(&["rust", "gpu"]),
        last_seen_at: second(100),
        live_until: second(100) + TimeDelta::seconds(i64::from(ttl)),
        ..session.clone()
    };
    let (third, first) = (seen(&all[2], 900), seen(&all[0], 3600));
    see(&store, &[third.clone(), first.clone()]).await;
    assert_eq!(named(&store, &here, &["s1", "s2", "s3"]).await, [first, all[1].clone(), third]);
    see(&store, &[]).await;
}

async fn neither_sign_nor_end_moves_back(store: Arc<TestStore>) {
    let stored = Session { last_seen_at: second(50), live_until: second(950), ..session("ann", "s1") };
    add_sessions(&store, std::slice::from_ref(&stored)).await;
    see(&store, &[session("ann", "s1")]).await;
    assert_eq!(named(&store, &default_project(), &["s1"]).await, std::slice::from_ref(&stored));
    let later = Session { last_seen_at: second(60), live_until: second(900), ..stored.clone() };
    see(&store, &[later]).await;
    let expected = Session { last_seen_at: second(60), ..stored };
    assert_eq!(named(&store, &default_project(), &["s1"]).await, [expected]);
}

async fn a_dead_or_ended_session_is_not_revived_and_nor_are_those_beside_it_seen(store: Arc<TestStore>) {
    let here = default_project();
    let live = living("ann", "live", second(60));
    let over = ended(&session("ann", "over"), second(1));
    let stored = [living("ann", "dead", second(20)), live.clone(), over];
    add_sessions(&store, &stored).await;
    store.pass(TimeDelta::seconds(20) - MICRO);
    let revived = |name: &str, at| Session { last_seen_at: at, live_until: second(999), ..session("ann", name) };
    see(&store, &[Session { live_until: second(20), ..revived("dead", second(0)) }]).await;
    store.pass(MICRO);
    for sign in [
        revived("dead", second(20)),
        // A sign from before its death that comes too late: somebody may hold what it held.
        revived("dead", second(20) - MICRO),
        revived("over", second(0)),
        revived("over", second(20)),
        revived("unknown", second(20)),
    ] {
        assert_conflict(try_see(&store, &[revived("live", second(20)), sign.clone()]).await);
        assert_conflict(try_see(&store, &[sign]).await);
    }
    assert_eq!(named(&store, &here, &["dead", "live", "over"]).await, stored);
}

async fn the_dead_are_found_longest_dead_first_until_their_end_is_written_down(store: Arc<TestStore>) {
    let here = default_project();
    let other = add_project(&store, "other").await.id;
    let dead = [living("ann", "b", second(10)), living("bob", "a", second(10)), living("ann", "c", second(5))];
    add_sessions(&store, &dead).await;
    add_sessions(&store, &[living("ann", "live", second(10) + MICRO)]).await;
    add_sessions(&store, &[ended(&session("ann", "over"), second(1))]).await;
    add_sessions(&store, &[Session { project: other.clone(), ..living("ann", "b", second(7)) }]).await;
    let mut uow = store.begin().await;
    let names = |found: Vec<Session>| found.into_iter().map(|session| session.id.to_string()).collect::<Vec<_>>();
    assert_eq!(names(uow.sessions_dead(&here, second(10), 9).await.unwrap()), ["c", "a", "b"]);
    assert_eq!(names(uow.sessions_dead(&here, second(10), 2).await.unwrap()), ["c", "a"]);
    assert_eq!(names(uow.sessions_dead(&here, second(10) - MICRO, 9).await.unwrap()), ["c"]);
    assert_eq!(uow.sessions_dead(&here, second(5) - MICRO, 9).await.unwrap(), []);
    assert_eq!(uow.sessions_dead(&here, second(10), 9).await.unwrap()[0], dead[2]);
    drop(uow);
    end(&store, &[ended(&dead[2], second(5)), ended(&dead[0], second(10))]).await;
    let mut uow = store.begin_read().await;
    assert_eq!(names(uow.sessions_dead(&here, second(10), 9).await.unwrap()), ["a"]);
    assert_eq!(names(uow.sessions_dead(&other, second(10), 9).await.unwrap()), ["b"]);
}

async fn a_project_with_dead_sessions_is_work_for_the_sweeper_until_their_end_is_written_down(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let dead = living("ann", "s1", second(10));
    add_sessions(&store, &[dead.clone(), living("ann", "s2", second(20))]).await;
    add_sessions(&store, &[Session { project: other.clone(), ..living("ann", "s1", second(5)) }]).await;
    let work = async |at| {
        let mut found = store.begin_read().await.projects_with_expired(at, 9).await.unwrap();
        found.sort();
        found
    };
    assert_eq!(work(second(5) - MICRO).await, []);
    assert_eq!(work(second(10) - MICRO).await, std::slice::from_ref(&other));
    assert_eq!(work(second(10)).await, [default_project(), other.clone()]);
    assert_eq!(store.begin_read().await.projects_with_expired(second(10), 1).await.unwrap().len(), 1);
    end(&store, &[ended(&dead, second(10))]).await;
    assert_eq!(work(second(10)).await, [other]);
}

async fn leases_and_places_come_with_the_end_of_their_session(store: Arc<TestStore>) {
    let here = default_project();
    let other = add_project(&store, "other").await.id;
    // Sessions of the same names in another project must not be mistaken for those of this one.
    let there = |session: Session| Session { project: other.clone(), ..session };
    add_sessions(&store, &[living("ann", "s1", second(4)), living("bob", "s2", second(5))]).await;
    add_sessions(&store, &[there(living("ann", "s1", second(77))), there(living("ann", "s9", second(78)))]).await;
    let orphan = Lease { holder: Holder { agent: agent("ann"), session: session_id("s9") }, ..lease(2, "b/**") };
    let unknown = Waiter { holder: orphan.holder.clone(), ..waiter(4, &["a"]) };
    let changes = Changes {
        leases_put: vec![lease(1, "a"), orphan.clone()],
        waiters_put: vec![waiter(3, &["a"]), unknown.clone()],
        ..Changes::default()
    };
    save(&store, &here, changes).await;
    let first = StoredLease { lease: lease(1, "a"), session_until: second(4) };
    let second_one = StoredLease { session_until: orphan.expires_at, lease: orphan };
    let both = [first.clone(), second_one.clone()];
    let check = async |both: &[StoredLease]| {
        let mut uow = store.begin().await;
        let everything = KeyScope { everything: true, ..KeyScope::default() };
        let scope = KeyScope::overlapping([&key("a"), &key("b/**")]);
        let mut loaded = Vec::new();
        for scope in [everything, scope] {
            loaded.push(uow.leases_load(&here, &scope).await.unwrap());
        }
        loaded.push(uow.leases_load_by_token(&here, &[token(1), token(2)]).await.unwrap());
        loaded.push(uow.leases_load_by_session(&here, &[session_id("s9"), session_id("s1")]).await.unwrap());
        loaded.push(uow.leases_load_expired(&here, second(10), 9).await.unwrap());
        for mut leases in loaded {
            leases.sort_by_key(|stored| stored.lease.token);
            assert_eq!(leases, both);
        }
    };
    check(&both).await;
    let line = store.begin().await.waiters_load(&here).await.unwrap();
    let known = StoredWaiter { waiter: waiter(3, &["a"]), session_until: second(5) };
    assert_eq!(line, [known, StoredWaiter { session_until: unknown.kept_until, waiter: unknown }]);
    see(&store, &[Session { last_seen_at: second(1), live_until: second(901), ..session("ann", "s1") }]).await;
    check(&[StoredLease { session_until: second(901), ..first.clone() }, second_one.clone()]).await;
    end(&store, &[ended(&session("ann", "s1"), second(2))]).await;
    check(&[StoredLease { session_until: second(2), ..first }, second_one]).await;
}

async fn leases_of_dead_sessions_have_expired_at_its_death(store: Arc<TestStore>) {
    let here = default_project();
    add_sessions(&store, &[living("ann", "s1", second(4)), living("bob", "s2", second(7))]).await;
    let of_bob = Holder { agent: agent("bob"), session: session_id("s2") };
    let until = |number, at| Lease { expires_at: second(at), ..lease(number, &format!("k{number}")) };
    let mine = Lease { holder: of_bob, ..until(4, 5) };
    let changes = Changes { leases_put: vec![until(1, 10), until(2, 3), until(3, 99), mine], ..Changes::default() };
    save(&store, &here, changes).await;
    let mut uow = store.begin_read().await;
    let mut expired = async |at, rows_max| {
        let found = uow.leases_load_expired(&here, at, rows_max).await.unwrap();
        found.into_iter().map(|stored| stored.lease.token.value()).collect::<Vec<_>>()
    };
    assert_eq!(expired(second(3) - MICRO, 9).await, [0; 0]);
    assert_eq!(expired(second(4) - MICRO, 9).await, [2]);
    assert_eq!(expired(second(4), 9).await, [2, 1, 3]);
    assert_eq!(expired(second(4), 2).await, [2, 1]);
    assert_eq!(expired(second(5), 9).await, [2, 1, 3, 4]);
}

async fn a_listing_shows_nothing_of_the_dead(store: Arc<TestStore>) {
    add_sessions(&store, &[living("ann", "s1", second(4)), session("bob", "s2")]).await;
    let of_bob = Holder { agent: agent("bob"), session: session_id("s2") };
    let others = Lease { holder: of_bob, ..lease(2, "b") };
    put(&store, &default_project(), &[lease(1, "a"), others, lease(3, "c")]).await;
    let list = async |at| {
        let mut uow = store.begin_read().await;
        let page = uow.lease_list(&default_project(), &LeaseFilter::default(), at, None, size(1)).await.unwrap();
        (page.rows.iter().map(|lease| lease.token.value()).collect::<Vec<_>>(), page.next.is_some())
    };
    assert_eq!(list(second(4) - MICRO).await, (vec![1], true));
    assert_eq!(list(second(4)).await, (vec![2], false));
}

fn wanting(name: &str, text: &str) -> Acquire {
    let want = Want { key: key(text), mode: Mode::Exclusive };
    Acquire {
        holder: Holder { agent: agent("bob"), session: session_id(name) },
        wants: Wants::try_new(vec![want]).unwrap(),
        ttl: Ttl::try_new(60).unwrap(),
        reason: None,
        ticket: None,
        on_conflict: OnConflict::Refuse,
    }
}

async fn what_a_dead_session_held_is_granted_at_once_and_remembered_as_it_ended(store: Arc<TestStore>) {
    let here = default_project();
    add_sessions(&store, &[living("ann", "s1", second(4)), session("bob", "s2")]).await;
    put(&store, &here, &[lease(1, "a")]).await;
    let touches = Touches::Keys(vec![key("a")]);
    let acquire = async || {
        let command = wanting("s2", "a");
        let decision = |table: &mut LockTable| table.acquire(&command);
        driver::run(store.store(), &here, &touches, decision).await.unwrap()
    };
    store.pass(TimeDelta::seconds(4) - MICRO);
    assert!(acquire().await.is_err(), "its session lives");
    store.pass(MICRO);
    assert!(matches!(acquire().await, Ok(Acquired::Granted(_))));
    let past = store.begin_read().await.ended_load(&here, &[token(1)]).await.unwrap();
    assert_eq!((past[0].ended_at, &past[0].ending), (second(4), &Ending::SessionEnded));
}

/// The race of a heartbeat and a grant: a sign of life that was decided in time but not committed yet must be waited for.
async fn nobody_is_granted_what_a_session_holds_whose_sign_of_life_is_under_way(store: Arc<TestStore>) {
    let here = default_project();
    add_sessions(&store, &[living("ann", "s1", second(4)), session("bob", "s2")]).await;
    put(&store, &here, &[Lease { expires_at: second(500), ..lease(1, "a") }]).await;
    let door = store.second_door().await;
    store.pass(TimeDelta::seconds(3));
    let mut heartbeat = guarded(&store).await;
    let seen = Session { last_seen_at: second(3), live_until: second(903), ..session("ann", "s1") };
    heartbeat.sessions_seen(&[seen]).await.unwrap();
    store.pass(TimeDelta::seconds(2));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let command = wanting("s2", "a");
        let decision = |table: &mut LockTable| table.acquire(&command);
        driver::run(door.as_ref(), &default_project(), &Touches::Keys(vec![key("a")]), decision).await.unwrap()
    });
    assert!(timeout(Duration::from_millis(200), tasks.join_next()).await.is_err(), "it did not wait");
    heartbeat.commit().await.unwrap();
    assert!(tasks.join_next().await.unwrap().unwrap().is_err(), "granted over a live session");
}

on_every_store!(
    signs_of_life_are_written_down_for_many_at_once,
    neither_sign_nor_end_moves_back,
    a_dead_or_ended_session_is_not_revived_and_nor_are_those_beside_it_seen,
    the_dead_are_found_longest_dead_first_until_their_end_is_written_down,
    a_project_with_dead_sessions_is_work_for_the_sweeper_until_their_end_is_written_down,
    leases_and_places_come_with_the_end_of_their_session,
    leases_of_dead_sessions_have_expired_at_its_death,
    a_listing_shows_nothing_of_the_dead,
    what_a_dead_session_held_is_granted_at_once_and_remembered_as_it_ended,
);

on_every_locking_store!(nobody_is_granted_what_a_session_holds_whose_sign_of_life_is_under_way);
