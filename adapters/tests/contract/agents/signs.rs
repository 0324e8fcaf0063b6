//! What there is to see of agents.

use super::{default_session, ended, second};
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use crate::work::samples::{add_tasks, holder, leased, task, task_lease};
use chrono::{DateTime, TimeDelta, Utc};
use domain::agents::Session;
use domain::agents::status::{Held, SessionSigns, Signs};
use domain::agents::uptime::Span;
use domain::ids::AgentId;
use domain::locks::changes::Changes;
use domain::locks::lease::{Lease, Waiter};
use domain::work::task::{Task, TaskLease};
use std::collections::BTreeMap;
use std::sync::Arc;

fn held(count: u32, since: i64) -> Held {
    Held { count, since: Some(second(since)) }
}

/// The signs of a session that holds nothing.
fn of(session: &Session) -> SessionSigns {
    SessionSigns {
        id: session.id.clone(),
        ttl: session.ttl,
        started_at: session.started_at,
        last_seen_at: session.last_seen_at,
        live_until: session.live_until,
        ended_at: session.ended_at,
        tasks: Held::default(),
        locks: Held::default(),
        places: Held::default(),
    }
}

/// The sessions seen of each agent, by name.
async fn seen(store: &TestStore, names: &[&str], now: DateTime<Utc>) -> BTreeMap<String, Vec<SessionSigns>> {
    let ids: Vec<AgentId> = names.iter().map(|name| agent(name)).collect();
    let signs = store.begin_read().await.agents_signs(&default_project(), &ids, now).await.unwrap();
    let sorted = |(id, signs): (AgentId, Signs)| {
        let mut sessions = signs.sessions;
        sessions.sort_by(|one, other| one.id.cmp(&other.id));
        (id.to_string(), sessions)
    };
    signs.into_iter().map(sorted).collect()
}

fn leased_by(number: u128, agent_name: &str, name: &str, since: i64, until: i64) -> Task {
    let lease = task_lease(i64::try_from(number).unwrap(), second(until));
    leased(TaskLease { holder: holder(agent_name, name), since: second(since), ..lease }, task(number))
}

async fn open_sessions_are_seen_and_the_one_that_ended_last(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let (named, default) = (session("ann", "s1"), default_session("ann", "s2"));
    let first = ended(&session("ann", "s3"), second(1));
    let last = ended(&session("ann", "s4"), second(3));
    let between = ended(&session("ann", "s5"), second(2));
    let bobs = ended(&session("bob", "s6"), second(1));
    let there = Session { project: other, ..session("ann", "s7") };
    let all = [named.clone(), default.clone(), first, last.clone(), between, bobs.clone(), there, session("cat", "s8")];
    add_sessions(&store, &all).await;
    let found = seen(&store, &["bob", "ann", "nobody"], second(5)).await;
    let anns = vec![of(&named), of(&default), of(&last)];
    assert_eq!(found, [("ann".to_owned(), anns), ("bob".to_owned(), vec![of(&bobs)])].into());
    assert_eq!(seen(&store, &[], second(5)).await, BTreeMap::new());
}

async fn what_a_session_holds_is_counted_as_long_as_it_holds(store: Arc<TestStore>) {
    let here = default_project();
    add_sessions(&store, &[session("ann", "s1"), session("ann", "s2"), session("bob", "s3")]).await;
    add_tasks(&store, &[leased_by(31, "ann", "s1", 2, 50), leased_by(32, "ann", "s1", 1, 20), task(33)]).await;
    let lock = |number: i64, key: &str, name: &str, since: i64, until: i64| Lease {
        holder: holder("ann", name),
        granted_at: second(since),
        expires_at: second(until),
        ..lease(number, key)
    };
    put(&store, &here, &[lock(1, "a", "s1", 4, 30), lock(2, "b", "s1", 3, 40), lock(3, "c", "s2", 5, 30)]).await;
    let place = |at: i64, keys: &[&str], until: i64| Waiter {
        holder: holder("bob", "s3"),
        joined_at: second(at),
        kept_until: second(until),
        ..waiter(at, keys)
    };
    let line = Changes { waiters_put: vec![place(6, &["a"], 60), place(7, &["b"], 30)], ..Changes::default() };
    save(&store, &here, line).await;
    let s = |name, agent_name| of(&session(agent_name, name));
    let at = async |now: i64| seen(&store, &["ann", "bob"], second(now)).await;
    let expected = |tasks, locks, others, places| -> BTreeMap<String, Vec<SessionSigns>> {
        let first = SessionSigns { tasks, locks, ..s("s1", "ann") };
        let second = SessionSigns { locks: others, ..s("s2", "ann") };
        let bobs = SessionSigns { places, ..s("s3", "bob") };
        [("ann".to_owned(), vec![first, second]), ("bob".to_owned(), vec![bobs])].into()
    };
    assert_eq!(at(10).await, expected(held(2, 1), held(2, 3), held(1, 5), held(2, 6)));
    assert_eq!(at(20).await, expected(held(1, 2), held(2, 3), held(1, 5), held(2, 6)), "a lease ends at its end");
    assert_eq!(at(30).await, expected(held(1, 2), held(1, 3), Held::default(), held(1, 6)));
    assert_eq!(at(60).await, expected(Held::default(), Held::default(), Held::default(), Held::default()));
}

async fn a_dead_session_is_seen_until_its_end_is_written_down_and_holds_nothing(store: Arc<TestStore>) {
    let dying = Session { live_until: second(10), ..session("ann", "s1") };
    add_sessions(&store, std::slice::from_ref(&dying)).await;
    put(&store, &default_project(), &[Lease { expires_at: second(100), ..lease(1, "a") }]).await;
    let holding = SessionSigns { locks: held(1, 0), ..of(&dying) };
    assert_eq!(seen(&store, &["ann"], second(9)).await, [("ann".to_owned(), vec![holding])].into());
    assert_eq!(seen(&store, &["ann"], second(10)).await, [("ann".to_owned(), vec![of(&dying)])].into());
}

async fn of_many_sessions_those_heard_from_last_are_seen(store: Arc<TestStore>) {
    let many: Vec<Session> = (0..Signs::SESSIONS_MAX + 20)
        .map(|number| Session {
            last_seen_at: second(i64::from((number * 37) % 120)),
            ..session("ann", &format!("s{number}"))
        })
        .collect();
    add_sessions(&store, &many).await;
    let found = seen(&store, &["ann"], second(5)).await;
    let latest = found["ann"].iter().map(|session| session.last_seen_at).min();
    assert_eq!((found["ann"].len(), latest), (100, Some(second(20))));
}

async fn spans_tell_when_sessions_lived_after_an_instant(store: Arc<TestStore>) {
    let here = default_project();
    let over = ended(&session("ann", "s1"), second(10));
    let dead = Session { live_until: second(20), ..session("ann", "s2") };
    let young = Session { started_at: second(15), ..default_session("ann", "s3") };
    add_sessions(&store, &[over, dead, young, session("bob", "s4")]).await;
    let spans = async |after: DateTime<Utc>, rows_max| {
        let mut uow = store.begin_read().await;
        let mut spans = uow.session_spans(&here, &agent("ann"), after, rows_max).await.unwrap();
        spans.sort_unstable();
        spans
    };
    let span = |start: i64, end: i64| Span { started_at: second(start), live_until: second(end) };
    let before = second(10) - TimeDelta::microseconds(1);
    assert_eq!(spans(before, 9).await, [span(0, 10), span(0, 20), span(15, 900)]);
    assert_eq!(spans(second(10), 9).await, [span(0, 20), span(15, 900)]);
    assert_eq!(spans(second(20), 9).await, [span(15, 900)]);
    assert_eq!(spans(second(900), 9).await, []);
    assert_eq!(spans(before, 2).await.len(), 2);
}

on_every_store!(
    open_sessions_are_seen_and_the_one_that_ended_last,
    what_a_session_holds_is_counted_as_long_as_it_holds,
    a_dead_session_is_seen_until_its_end_is_written_down_and_holds_nothing,
    of_many_sessions_those_heard_from_last_are_seen,
    spans_tell_when_sessions_lived_after_an_instant,
);
