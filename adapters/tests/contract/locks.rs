//! Reading lock tables. Saving, looking, contention, races and overtaking have files of their own.

mod contention;
mod looking;
mod overtaken;
mod race;
mod saving;

use crate::harness::{TestStore, default_project, start};
use crate::on_every_store;
use crate::samples::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::locks::changes::Changes;
use domain::locks::key::{KeyScope, LockKey};
use domain::locks::lease::{Ending, Holder, Lease, Token, Waiter};
use domain::locks::stored::StoredLease;
use ports::locks::{LeaseCursor, LeaseFilter, TableHead};
use std::sync::Arc;

fn second(number: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(number)
}

fn of(agent_name: &str, session_name: &str, lease: Lease) -> Lease {
    Lease { holder: Holder { agent: agent(agent_name), session: session_id(session_name) }, ..lease }
}

fn tokens(leases: &[Lease]) -> Vec<i64> {
    leases.iter().map(|lease| lease.token.value()).collect()
}

async fn a_lock_table_begins_at_the_base_of_its_epoch(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    let head = uow.lock_table_lock(&default_project()).await.unwrap();
    assert_eq!(head, Some(TableHead { now: start(), last_token: Token::base_of_epoch(0), version: 0 }));
    assert_eq!(uow.lock_table_lock(&project_id("unknown")).await.unwrap(), None);
    assert_eq!(uow.waiters_load(&project_id("unknown")).await.unwrap(), []);
    assert_eq!(uow.lock_counts().await.unwrap(), (0, 0));
    assert_eq!(uow.epoch().await.unwrap(), 0);
}

/// Keys with everything in them that a database might take for a pattern, an escape or a neighbour.
fn tricky_keys() -> Vec<LockKey> {
    [
        "**",
        "a",
        "a/**",
        "a/b",
        "a/b/**",
        "a/b/c",
        "a%/b",
        "a%/**",
        "a_/b",
        "a_/**",
        "axb/b",
        "a\u{10FFFF}",
        "a0",
        "a0/b",
        "a.b",
        "a-b/c",
        "A/b",
        "é/x",
        "é/**",
        "src/[id]/(g)/x?.tsx",
        "it's/\"quoted\"",
        "it's/**",
        "a/ð",
        "a/🔑/k",
        "api:GET /",
        "api:GET /**",
        "api:GET /x/{id}",
        "api:GET /x/**",
        "db:schema:a",
        "db:migration-slot",
        "contract:a/b",
        "contract:a/**",
        "flag:a",
        "flag:a/**",
        "env:A",
    ]
    .map(key)
    .to_vec()
}

async fn put_tricky(store: &TestStore) -> Vec<Lease> {
    let numbered = (1_i64..).zip(tricky_keys());
    let leases: Vec<Lease> = numbered.map(|(number, key)| Lease { key, ..lease(number, "x") }).collect();
    put(store, &default_project(), &leases).await;
    leases
}

async fn a_scope_loads_exactly_the_leases_inside_it(store: Arc<TestStore>) {
    let leases = put_tricky(&store).await;
    store.pass(TimeDelta::hours(1));
    let mut uow = store.begin().await;
    uow.lock_table_lock(&default_project()).await.unwrap();
    for wanted in tricky_keys() {
        let scope = KeyScope::overlapping([&wanted]);
        let expected: Vec<Lease> = leases.iter().filter(|lease| scope.contains(&lease.key)).cloned().collect();
        let loaded = bare(uow.leases_load(&default_project(), &scope).await.unwrap());
        assert_eq!(loaded, expected, "scope of {wanted}, expired leases included");
    }
    let two = [key("a%/**"), key("db:schema:a")];
    let scope = KeyScope::overlapping(&two);
    assert_eq!(tokens(&bare(uow.leases_load(&default_project(), &scope).await.unwrap())), [1, 7, 8, 29]);
    assert_eq!(uow.leases_load(&default_project(), &KeyScope::default()).await.unwrap(), []);
    let everything = KeyScope { everything: true, ..KeyScope::default() };
    assert_eq!(bare(uow.leases_load(&default_project(), &everything).await.unwrap()), leases);
}

async fn a_scope_as_large_as_a_full_line_can_be_loaded(store: Arc<TestStore>) {
    put_tricky(&store).await;
    let wanted = (0..Waiter::PER_PROJECT_MAX * 64).map(|n| key(&format!("deep/{}/er/{n}/**", n % 7)));
    let mut wanted: Vec<LockKey> = wanted.collect();
    wanted.push(key("a/b/c"));
    let scope = KeyScope::overlapping(&wanted);
    let mut uow = store.begin().await;
    let loaded = uow.leases_load(&default_project(), &scope).await.unwrap();
    assert_eq!(tokens(&bare(loaded)), [1, 3, 5, 6]);
}

async fn leases_are_loaded_by_token_and_by_session(store: Arc<TestStore>) {
    let leases = [lease(1, "a"), of("ann", "s2", lease(2, "b")), of("bob", "s1-", lease(3, "c")), lease(4, "d")];
    put(&store, &default_project(), &leases).await;
    store.pass(TimeDelta::hours(1));
    let mut uow = store.begin().await;
    let by_token = uow.leases_load_by_token(&default_project(), &[token(4), token(2), token(9)]).await.unwrap();
    assert_eq!(tokens(&bare(by_token)), [2, 4]);
    assert_eq!(uow.leases_load_by_token(&default_project(), &[]).await.unwrap(), []);
    let by_session = uow.leases_load_by_session(&default_project(), &[session_id("s1")]).await.unwrap();
    assert_eq!(bare(by_session), [lease(1, "a"), lease(4, "d")]);
    let unknown = uow.leases_load_by_session(&default_project(), &[session_id("s")]).await.unwrap();
    assert_eq!(unknown, []);
    let several = [session_id("s1-"), session_id("s"), session_id("s2"), session_id("s2")];
    let by_sessions = uow.leases_load_by_session(&default_project(), &several).await.unwrap();
    assert_eq!(tokens(&bare(by_sessions)), [2, 3]);
    assert_eq!(uow.leases_load_by_session(&default_project(), &[]).await.unwrap(), []);
}

async fn expired_leases_are_loaded_oldest_first_and_to_the_microsecond(store: Arc<TestStore>) {
    let until = |number, at| Lease { expires_at: at, ..lease(number, &format!("k{number}")) };
    let micro = TimeDelta::microseconds(1);
    let leases = [until(1, second(5)), until(2, second(4)), until(3, second(5) + micro), until(4, second(3))];
    put(&store, &default_project(), &leases).await;
    let mut uow = store.begin().await;
    let expired = uow.leases_load_expired(&default_project(), second(5), 10).await.unwrap();
    let in_order = |found: Vec<StoredLease>| found.iter().map(|stored| stored.lease.token.value()).collect::<Vec<_>>();
    assert_eq!(in_order(expired), [4, 2, 1]);
    let two = uow.leases_load_expired(&default_project(), second(5), 2).await.unwrap();
    assert_eq!(in_order(two), [4, 2]);
    assert_eq!(uow.leases_load_expired(&default_project(), second(3) - micro, 10).await.unwrap(), []);
    assert_eq!(uow.projects_with_expired(second(3) - micro, 10).await.unwrap(), []);
    assert_eq!(uow.projects_with_expired(second(3), 10).await.unwrap(), [default_project()]);
}

async fn projects_with_work_for_the_sweeper_are_named_once_each(store: Arc<TestStore>) {
    for name in ["one", "two", "three"] {
        let project = add_project(&store, name).await.id;
        let changes = match name {
            "one" => Changes { leases_put: vec![lease(1, "a"), lease(2, "b")], ..Changes::default() },
            "two" => Changes { waiters_put: vec![waiter(1, &["a"]), waiter(2, &["a"])], ..Changes::default() },
            _ => Changes {
                leases_put: vec![Lease { expires_at: second(99), ..lease(1, "a") }],
                waiters_put: vec![Waiter { kept_until: second(99), ..waiter(2, &["a"]) }],
                ..Changes::default()
            },
        };
        save(&store, &project, changes).await;
    }
    let mut uow = store.begin_read().await;
    let mut found = uow.projects_with_expired(second(10), 10).await.unwrap();
    found.sort();
    assert_eq!(found, [project_id("one"), project_id("two")]);
    assert_eq!(uow.projects_with_expired(second(10), 1).await.unwrap().len(), 1);
    assert_eq!(uow.projects_with_expired(second(9), 10).await.unwrap(), []);
}

async fn a_listing_shows_live_leases_by_key_then_token(store: Arc<TestStore>) {
    let shared = |number, session_name| of("bob", session_name, lease(number, "b"));
    let long = Lease { expires_at: second(11), ..lease(6, "0") };
    let leases = [lease(1, "c"), shared(4, "s4"), shared(2, "s2"), shared(3, "s3"), lease(5, "a-b"), long];
    put(&store, &default_project(), &leases).await;
    let mut seen = Vec::new();
    let mut after: Option<LeaseCursor> = None;
    for expected in [2, 2, 2] {
        let mut uow = store.begin_read().await;
        let filter = LeaseFilter::default();
        let now = second(10) - TimeDelta::microseconds(1);
        let page = uow.lease_list(&default_project(), &filter, now, after.as_ref(), size(2)).await.unwrap();
        assert_eq!(page.rows.len(), expected);
        seen.extend(tokens(&page.rows));
        after = page.next;
    }
    assert_eq!((seen, after), (vec![6, 5, 2, 3, 4, 1], None));
    let mut uow = store.begin_read().await;
    let page = uow.lease_list(&default_project(), &LeaseFilter::default(), second(10), None, size(9)).await.unwrap();
    assert_eq!((tokens(&page.rows), page.next), (vec![6], None), "at the instant they expire the others are gone");
}

async fn a_listing_is_filtered_and_prefixes_are_plain_text(store: Arc<TestStore>) {
    let mut leases = put_tricky(&store).await;
    let more = [of("bob", "s1-", lease(101, "a/b")), of("ann", "s9", lease(102, "a/x"))];
    put(&store, &default_project(), &more).await;
    leases.extend(more);
    let list = async |filter: LeaseFilter| {
        let mut uow = store.begin_read().await;
        let mut listed = uow.lease_list(&default_project(), &filter, start(), None, size(500)).await.unwrap().rows;
        listed.sort_by_key(|lease| lease.token);
        listed
    };
    for prefix in
        ["", "a", "a%", "a_", "a/", "a/b", "A", "%", "_", "\\", "it's", "it's/\"", "é", "api:GET /", "*", "a\u{10FFFF}"]
    {
        let expected: Vec<Lease> =
            leases.iter().filter(|lease| lease.key.as_str().starts_with(prefix)).cloned().collect();
        let filter = LeaseFilter { key_prefix: Some(prefix.to_owned()), ..LeaseFilter::default() };
        assert_eq!(list(filter).await, expected, "prefix {prefix:?}");
    }
    let of_bob = LeaseFilter { agent: Some(agent("bob")), ..LeaseFilter::default() };
    assert_eq!(tokens(&list(of_bob).await), [101]);
    let of_session = LeaseFilter { session: Some(session_id("s9")), ..LeaseFilter::default() };
    assert_eq!(tokens(&list(of_session).await), [102]);
    let all =
        LeaseFilter { agent: Some(agent("ann")), session: Some(session_id("s1")), key_prefix: Some("a/b".to_owned()) };
    assert_eq!(tokens(&list(all).await), [4, 5, 6]);
}

async fn history_is_that_of_exactly_one_key_newest_first(store: Arc<TestStore>) {
    let past = [(1, "a"), (2, "a/b"), (4, "a"), (3, "a"), (5, "a/**"), (6, "A"), (7, "a")]
        .map(|(number, text)| ended(lease(number, text), Ending::Released));
    let changes = Changes { leases_ended: past.to_vec(), ..Changes::default() };
    save(&store, &default_project(), changes).await;
    let mut uow = store.begin_read().await;
    let of_a = uow.ended_list(&default_project(), &key("a"), 3).await.unwrap();
    assert_eq!(of_a.iter().map(|ended| ended.lease.token.value()).collect::<Vec<_>>(), [7, 4, 3]);
    assert_eq!(uow.ended_list(&default_project(), &key("a"), 9).await.unwrap().len(), 4);
    assert_eq!(uow.ended_list(&default_project(), &key("b"), 9).await.unwrap(), []);
    let mut loaded = uow.ended_load(&default_project(), &[token(2), token(6), token(99)]).await.unwrap();
    loaded.sort_by_key(|ended| ended.lease.token);
    assert_eq!(loaded, [past[1].clone(), past[5].clone()]);
    assert_eq!(uow.ended_load(&default_project(), &[]).await.unwrap(), []);
}

async fn history_is_pruned_by_age_and_no_more_than_it_may(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let past = |number: i64| domain::locks::lease::EndedLease {
        ended_at: second(number),
        ..ended(lease(number, "a"), Ending::Expired)
    };
    for project in [&default_project(), &other] {
        let changes = Changes { leases_ended: (1..=4).map(past).collect(), ..Changes::default() };
        save(&store, project, changes).await;
    }
    let prune = async |before: i64, rows_max: u32| {
        let mut uow = store.begin().await;
        let pruned = uow.ended_prune(second(before), rows_max).await.unwrap();
        uow.commit().await.unwrap();
        pruned
    };
    assert_eq!(prune(1, 10).await, 0);
    assert_eq!(prune(4, 0).await, 0);
    assert_eq!(prune(4, 5).await, 5);
    assert_eq!(prune(4, 5).await, 1);
    assert_eq!(prune(4, 5).await, 0);
    let mut uow = store.begin_read().await;
    for project in [&default_project(), &other] {
        assert_eq!(uow.ended_list(project, &key("a"), 9).await.unwrap(), [past(4)]);
    }
}

async fn the_line_is_loaded_by_place_with_lost_places(store: Arc<TestStore>) {
    let line = [waiter(3, &["c"]), waiter(1, &["a", "b/**", "api:GET /x"]), waiter(2, &["it's/\"x\"", "é"])];
    let changes = Changes { waiters_put: line.to_vec(), ..Changes::default() };
    save(&store, &default_project(), changes).await;
    store.pass(TimeDelta::hours(1));
    let mut uow = store.begin().await;
    let [third, first, two] = line;
    assert_eq!(bare_line(uow.waiters_load(&default_project()).await.unwrap()), [first, two, third]);
    assert_eq!(uow.lock_counts().await.unwrap(), (0, 3));
}

async fn rows_of_another_project_are_never_seen(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let changes = |number: i64| Changes {
        last_token: Some(3 * number),
        leases_put: vec![lease(number, "a")],
        leases_ended: vec![ended(lease(number + 1, "a"), Ending::Released)],
        waiters_put: vec![waiter(number + 2, &["a"])],
        ..Changes::default()
    };
    save(&store, &other, changes(7)).await;
    let mut uow = store.begin().await;
    let here = default_project();
    assert_eq!(uow.lock_table_lock(&here).await.unwrap().unwrap().last_token, 0);
    let everything = KeyScope { everything: true, ..KeyScope::default() };
    assert_eq!(uow.leases_load(&here, &everything).await.unwrap(), []);
    assert_eq!(uow.leases_load(&here, &KeyScope::overlapping([&key("a")])).await.unwrap(), []);
    assert_eq!(uow.leases_load(&here, &KeyScope::overlapping([&key("**")])).await.unwrap(), []);
    assert_eq!(uow.leases_load_by_token(&here, &[token(7)]).await.unwrap(), []);
    assert_eq!(uow.leases_load_by_session(&here, &[session_id("s1")]).await.unwrap(), []);
    assert_eq!(uow.leases_load_expired(&here, second(99), 9).await.unwrap(), []);
    let listed = uow.lease_list(&here, &LeaseFilter::default(), start(), None, size(9)).await.unwrap();
    assert_eq!(listed.rows, []);
    assert_eq!(uow.ended_load(&here, &[token(8)]).await.unwrap(), []);
    assert_eq!(uow.ended_list(&here, &key("a"), 9).await.unwrap(), []);
    assert_eq!(uow.waiters_load(&here).await.unwrap(), []);
    drop(uow);
    save(&store, &here, changes(7)).await;
    let mut uow = store.begin().await;
    assert_eq!(uow.lock_counts().await.unwrap(), (2, 2), "the same tokens and tickets may stand in both");
    assert_eq!(bare(uow.leases_load_by_token(&other, &[token(7)]).await.unwrap()), [lease(7, "a")]);
}

on_every_store!(
    a_lock_table_begins_at_the_base_of_its_epoch,
    a_scope_loads_exactly_the_leases_inside_it,
    a_scope_as_large_as_a_full_line_can_be_loaded,
    leases_are_loaded_by_token_and_by_session,
    expired_leases_are_loaded_oldest_first_and_to_the_microsecond,
    projects_with_work_for_the_sweeper_are_named_once_each,
    a_listing_shows_live_leases_by_key_then_token,
    a_listing_is_filtered_and_prefixes_are_plain_text,
    history_is_that_of_exactly_one_key_newest_first,
    history_is_pruned_by_age_and_no_more_than_it_may,
    the_line_is_loaded_by_place_with_lost_places,
    rows_of_another_project_are_never_seen,
);
