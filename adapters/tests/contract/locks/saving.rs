//! Saving what was decided, and raising the epoch.

use crate::harness::{TestStore, default_project};
use crate::locks::second;
use crate::on_every_store;
use crate::samples::*;
use chrono::TimeDelta;
use domain::locks::changes::Changes;
use domain::locks::key::KeyScope;
use domain::locks::lease::{EndedLease, Ending, Holder, Lease, Mode, Reason, Token, Waiter};
use ports::locks::TableHead;
use std::sync::Arc;

async fn all(store: &TestStore) -> Vec<Lease> {
    let everything = KeyScope { everything: true, ..KeyScope::default() };
    bare(store.begin_read().await.leases_load(&default_project(), &everything).await.unwrap())
}

async fn past(store: &TestStore, number: i64) -> Option<EndedLease> {
    store.begin_read().await.ended_load(&default_project(), &[token(number)]).await.unwrap().pop()
}

async fn head(store: &TestStore) -> TableHead {
    store.begin_read().await.lock_table_lock(&default_project()).await.unwrap().unwrap()
}

async fn line(store: &TestStore) -> Vec<Waiter> {
    bare_line(store.begin_read().await.waiters_load(&default_project()).await.unwrap())
}

/// A lease with the greatest of everything.
fn largest() -> Lease {
    Lease {
        key: key("é/".repeat(170).trim_end_matches('/')),
        mode: Mode::Shared,
        holder: Holder { agent: agent(&"a".repeat(128)), session: session_id(&"s".repeat(128)) },
        token: token(Token::MAX),
        reason: Some(reason(&"🔑".repeat(Reason::BYTES_MAX / 4))),
        ..lease(1, "x")
    }
}

async fn a_lease_is_loaded_as_it_was_saved(store: Arc<TestStore>) {
    put(&store, &default_project(), &[lease(1, "a"), largest()]).await;
    assert_eq!(all(&store).await, [lease(1, "a"), largest()]);
    assert_eq!(head(&store).await.last_token, Token::MAX);
}

async fn many_leases_are_saved_at_once(store: Arc<TestStore>) {
    let many: Vec<Lease> = (1..=640).map(|number| lease(number, &format!("f{number}"))).collect();
    put(&store, &default_project(), &many).await;
    assert_eq!(all(&store).await, many);
    let longer: Vec<Lease> = many.into_iter().map(|lease| Lease { expires_at: second(60), ..lease }).collect();
    put(&store, &default_project(), &longer).await;
    assert_eq!(all(&store).await, longer);
    let ended = longer.iter().map(|lease| ended(lease.clone(), Ending::Released)).collect();
    save(&store, &default_project(), Changes { leases_ended: ended, ..Changes::default() }).await;
    assert_eq!(all(&store).await, []);
    assert!(past(&store, 640).await.is_some());
}

async fn a_lease_that_is_saved_again_is_changed_in_place(store: Arc<TestStore>) {
    put(&store, &default_project(), &[lease(1, "a"), lease(2, "b")]).await;
    let longer = Lease { expires_at: second(99), reason: Some(reason("go on")), ..lease(1, "a") };
    put(&store, &default_project(), std::slice::from_ref(&longer)).await;
    assert_eq!(all(&store).await, [longer, lease(2, "b")]);
    assert_eq!(head(&store).await.last_token, 2, "a renewal draws no token");
}

async fn an_ended_lease_moves_to_the_past_as_it_ended(store: Arc<TestStore>) {
    let forced = Ending::Forced { by: agent("boss"), reason: reason("it's \"stuck\" 🔑") };
    let endings = [Ending::Released, Ending::Expired, Ending::SessionEnded, Ending::Replaced, forced];
    let leases: Vec<Lease> = (1..=5).map(|number| lease(number, &format!("k{number}"))).collect();
    put(&store, &default_project(), &leases).await;
    for (lease, ending) in leases.into_iter().zip(endings) {
        // The lease as it was at its end counts, not as it was stored.
        let lease = Lease { expires_at: second(42), reason: Some(reason("last words")), ..lease };
        let ended = EndedLease { ended_at: second(7) + TimeDelta::microseconds(1), lease, ending };
        let changes = Changes { leases_ended: vec![ended.clone()], ..Changes::default() };
        save(&store, &default_project(), changes).await;
        assert_eq!(past(&store, ended.lease.token.value()).await, Some(ended));
    }
    assert_eq!(all(&store).await, []);
    assert_eq!(head(&store).await.last_token, 5);
}

async fn what_was_granted_and_ended_in_one_decision_is_history_only(store: Arc<TestStore>) {
    let ended = ended(lease(1, "a"), Ending::Released);
    let changes = Changes { leases_ended: vec![ended.clone()], last_token: Some(1), ..Changes::default() };
    save(&store, &default_project(), changes).await;
    assert_eq!(all(&store).await, []);
    assert_eq!(past(&store, 1).await, Some(ended));
}

async fn an_upgrade_ends_the_old_lease_and_puts_the_new_one_in_one_save(store: Arc<TestStore>) {
    let old = Lease { mode: Mode::Shared, ..lease(1, "a") };
    put(&store, &default_project(), std::slice::from_ref(&old)).await;
    let changes = Changes {
        leases_put: vec![lease(2, "a")],
        leases_ended: vec![ended(old, Ending::Replaced)],
        ..Changes::default()
    };
    save(&store, &default_project(), changes).await;
    assert_eq!(all(&store).await, [lease(2, "a")]);
    assert_eq!(past(&store, 1).await.map(|ended| ended.ending), Some(Ending::Replaced));
}

async fn an_expired_lease_and_its_successor_are_saved_together(store: Arc<TestStore>) {
    put(&store, &default_project(), &[lease(1, "a")]).await;
    let changes = Changes {
        leases_put: vec![lease(2, "a")],
        leases_ended: vec![ended(lease(1, "a"), Ending::Expired)],
        ..Changes::default()
    };
    save(&store, &default_project(), changes).await;
    assert_eq!(all(&store).await, [lease(2, "a")]);
}

async fn a_waiter_is_loaded_as_it_was_saved_and_changed_in_place(store: Arc<TestStore>) {
    let full = Waiter { reason: Some(reason("soon 🔑")), ..waiter(5, &["a", "b/**", "it's"]) };
    let changes = |waiter: &Waiter| Changes { waiters_put: vec![waiter.clone()], ..Changes::default() };
    save(&store, &default_project(), changes(&full)).await;
    assert_eq!(line(&store).await, std::slice::from_ref(&full));
    let heard = Waiter { kept_until: second(77), ..full };
    save(&store, &default_project(), changes(&heard)).await;
    assert_eq!(line(&store).await, [heard]);
}

async fn a_place_that_is_gone_is_gone(store: Arc<TestStore>) {
    let places = [waiter(1, &["a"]), waiter(2, &["a"]), waiter(3, &["a"])];
    let changes = Changes { waiters_put: places.to_vec(), ..Changes::default() };
    save(&store, &default_project(), changes).await;
    let gone = vec![places[0].ticket, places[2].ticket, ticket(99)];
    save(&store, &default_project(), Changes { waiters_removed: gone, ..Changes::default() }).await;
    assert_eq!(line(&store).await, [places[1].clone()]);
}

async fn a_waiter_with_the_most_keys_fits(store: Arc<TestStore>) {
    let keys: Vec<String> = (10..74).map(|n| format!("{n}/{}", "x".repeat(509))).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let large = waiter(1, &keys);
    save(&store, &default_project(), Changes { waiters_put: vec![large.clone()], ..Changes::default() }).await;
    assert_eq!(line(&store).await, [large]);
}

async fn saving_against_another_counter_is_a_conflict(store: Arc<TestStore>) {
    put(&store, &default_project(), &[lease(5, "a")]).await;
    let read = head(&store).await;
    for last_token in [4, 6, 0] {
        let stale = TableHead { last_token, ..read };
        for changes in [
            Changes { last_token: Some(7), leases_put: vec![lease(7, "b")], ..Changes::default() },
            Changes { leases_ended: vec![ended(lease(5, "a"), Ending::Released)], ..Changes::default() },
        ] {
            let mut uow = store.begin().await;
            uow.lock_table_lock(&default_project()).await.unwrap();
            assert_conflict(uow.lock_table_save(&default_project(), stale, &changes).await);
        }
    }
    assert_eq!(all(&store).await, [lease(5, "a")]);
    assert_eq!(head(&store).await, read);
}

async fn an_unknown_project_has_nothing_to_save_to(store: Arc<TestStore>) {
    let head = head(&store).await;
    let changes = Changes { last_token: Some(1), leases_put: vec![lease(1, "a")], ..Changes::default() };
    assert_conflict(store.begin().await.lock_table_save(&project_id("unknown"), head, &changes).await);
}

async fn one_unit_of_work_may_decide_several_times(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    for number in 1..=3 {
        let head = uow.lock_table_lock(&default_project()).await.unwrap().unwrap();
        assert_eq!(head.last_token, number - 1, "it reads what it saved before");
        let changes = Changes {
            last_token: Some(number),
            leases_put: vec![lease(number, &format!("k{number}"))],
            ..Changes::default()
        };
        uow.lock_table_save(&default_project(), head, &changes).await.unwrap();
        let scope = KeyScope::overlapping([&key(&format!("k{number}"))]);
        assert_eq!(uow.leases_load(&default_project(), &scope).await.unwrap().len(), 1);
    }
    uow.commit().await.unwrap();
    assert_eq!(all(&store).await.len(), 3);
}

async fn saving_nothing_changes_nothing(store: Arc<TestStore>) {
    put(&store, &default_project(), &[lease(3, "a")]).await;
    let before = head(&store).await;
    save(&store, &default_project(), Changes::default()).await;
    assert_eq!(head(&store).await, before);
    assert_eq!(all(&store).await, [lease(3, "a")]);
}

async fn a_raised_epoch_lifts_every_counter_to_its_base(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    put(&store, &default_project(), &[lease(3, "a")]).await;
    let raise = async |epoch: i64| {
        let mut uow = store.begin().await;
        uow.epoch_raise(epoch).await?;
        uow.commit().await
    };
    raise(2).await.unwrap();
    let base = Token::base_of_epoch(2);
    let later = add_project(&store, "later").await.id;
    let mut uow = store.begin().await;
    assert_eq!(uow.epoch().await.unwrap(), 2);
    for project in [&default_project(), &other, &later] {
        assert_eq!(uow.lock_table_lock(project).await.unwrap().unwrap().last_token, base, "{project}");
    }
    drop(uow);
    for epoch in [2, 1, 0, -1] {
        assert_conflict(raise(epoch).await);
    }
    assert_eq!(all(&store).await, [lease(3, "a")], "leases of the epoch before go on");
    put(&store, &default_project(), &[lease(base + 1, "b")]).await;
    raise(3).await.unwrap();
    assert_eq!(head(&store).await.last_token, Token::base_of_epoch(3));
}

async fn an_epoch_never_takes_a_counter_back(store: Arc<TestStore>) {
    let far = Token::base_of_epoch(7) + 5;
    put(&store, &default_project(), &[lease(far, "a")]).await;
    let mut uow = store.begin().await;
    uow.epoch_raise(3).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(head(&store).await.last_token, far);
}

on_every_store!(
    a_lease_is_loaded_as_it_was_saved,
    many_leases_are_saved_at_once,
    a_lease_that_is_saved_again_is_changed_in_place,
    an_ended_lease_moves_to_the_past_as_it_ended,
    what_was_granted_and_ended_in_one_decision_is_history_only,
    an_upgrade_ends_the_old_lease_and_puts_the_new_one_in_one_save,
    an_expired_lease_and_its_successor_are_saved_together,
    a_waiter_is_loaded_as_it_was_saved_and_changed_in_place,
    a_place_that_is_gone_is_gone,
    a_waiter_with_the_most_keys_fits,
    saving_against_another_counter_is_a_conflict,
    an_unknown_project_has_nothing_to_save_to,
    one_unit_of_work_may_decide_several_times,
    saving_nothing_changes_nothing,
    a_raised_epoch_lifts_every_counter_to_its_base,
    an_epoch_never_takes_a_counter_back,
);
