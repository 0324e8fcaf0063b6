//! The audit log.

use crate::harness::{Kind, TestStore, default_project, start};
use crate::samples::*;
use crate::{on_every_database, on_every_store};
use chrono::{DateTime, TimeDelta, Utc};
use domain::audit::{Change, Cursor, Entry, Filter};
use ports::store::StoreError;
use std::collections::BTreeSet;
use std::sync::Arc;

async fn append(store: &TestStore, entries: &[Entry]) {
    let mut uow = store.begin().await;
    uow.audit_append(entries).await.unwrap();
    uow.commit().await.unwrap();
}

async fn list(store: &TestStore, filter: &Filter) -> Vec<Entry> {
    let page = store.begin_read().await.audit_list(&default_project(), filter, None, size(500)).await.unwrap();
    assert_eq!(page.next, None);
    page.rows
}

async fn a_line_is_read_as_it_was_written(store: Arc<TestStore>) {
    let full = Entry { trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()), repeats: 41, ..entry(&store) };
    let change = Change { before: full.change.after.clone(), after: None, ..full.change.clone() };
    let bare = Entry {
        session: None,
        change,
        outcome: "lock-held".to_owned(),
        duration_us: 0,
        at: start() + TimeDelta::microseconds(1),
        ..entry(&store)
    };
    append(&store, &[full.clone(), bare.clone()]).await;
    assert_eq!(list(&store, &Filter::default()).await, [bare, full]);
}

async fn appending_nothing_is_fine(store: Arc<TestStore>) {
    append(&store, &[]).await;
    assert_eq!(list(&store, &Filter::default()).await, []);
}

async fn many_lines_go_in_at_once(store: Arc<TestStore>) {
    let many: Vec<Entry> = (0..400).map(|_| entry(&store)).collect();
    append(&store, &many).await;
    assert_eq!(list(&store, &Filter::default()).await.len(), 400);
}

async fn pages_go_from_the_newest_line_to_the_oldest_and_tell_each_once(store: Arc<TestStore>) {
    let mut entries = Vec::new();
    for _ in 0..3 {
        // Several lines of one instant: their ids decide.
        entries.extend([entry(&store), entry(&store), entry(&store)]);
        store.pass(TimeDelta::microseconds(1));
    }
    append(&store, &entries).await;
    entries.reverse();
    let mut seen = Vec::new();
    let mut after: Option<Cursor> = None;
    for expected in [4, 4, 1] {
        let mut uow = store.begin_read().await;
        let page = uow.audit_list(&default_project(), &Filter::default(), after, size(4)).await.unwrap();
        assert_eq!(page.rows.len(), expected);
        seen.extend(page.rows);
        after = page.next;
    }
    assert_eq!(after, None);
    assert_eq!(seen, entries);
}

async fn a_page_that_ends_with_the_log_has_no_next(store: Arc<TestStore>) {
    append(&store, &[entry(&store), entry(&store)]).await;
    let mut uow = store.begin_read().await;
    let page = uow.audit_list(&default_project(), &Filter::default(), None, size(2)).await.unwrap();
    assert_eq!((page.rows.len(), page.next), (2, None));
}

async fn lines_that_come_later_do_not_move_a_page(store: Arc<TestStore>) {
    let old = entry(&store);
    store.pass(TimeDelta::seconds(1));
    let middle = entry(&store);
    append(&store, &[old.clone(), middle.clone()]).await;
    let mut uow = store.begin_read().await;
    let first = uow.audit_list(&default_project(), &Filter::default(), None, size(1)).await.unwrap();
    drop(uow);
    assert_eq!(first.rows, [middle]);
    store.pass(TimeDelta::seconds(1));
    append(&store, &[entry(&store)]).await;
    let mut uow = store.begin_read().await;
    let second = uow.audit_list(&default_project(), &Filter::default(), first.next, size(5)).await.unwrap();
    assert_eq!(second.rows, [old]);
}

async fn filters_agree_with_the_domain(store: Arc<TestStore>) {
    let mut entries = Vec::new();
    for (name, operation, target, outcome) in [
        ("ann", "lock.acquire", "a", "ok"),
        ("ann", "lock.acquire", "a/b", "lock-held"),
        ("bob", "lock.release", "a", "ok"),
        ("ann-2", "lock.acquire.x", "A", "ok"),
    ] {
        let mut line = entry(&store);
        line.agent = agent(name);
        operation.clone_into(&mut line.change.operation);
        target.clone_into(&mut line.change.target);
        outcome.clone_into(&mut line.outcome);
        entries.push(line);
        store.pass(TimeDelta::seconds(1));
    }
    append(&store, &entries).await;
    entries.reverse();
    let none = Filter::default;
    let second = |n: i64| Some(start() + TimeDelta::seconds(n));
    for filter in [
        none(),
        Filter { agent: Some(agent("ann")), ..none() },
        Filter { operation: Some("lock.acquire".to_owned()), ..none() },
        Filter { target: Some("a".to_owned()), ..none() },
        Filter { outcome: Some("lock-held".to_owned()), ..none() },
        Filter { since: second(1), ..none() },
        Filter { until: second(1), ..none() },
        Filter { since: second(1), until: second(3), agent: Some(agent("ann")), ..none() },
        Filter { target: Some("%".to_owned()), ..none() },
        Filter {
            agent: Some(agent("ann")),
            operation: Some("lock.acquire".to_owned()),
            outcome: Some("ok".to_owned()),
            ..none()
        },
    ] {
        let expected: Vec<Entry> = entries.iter().filter(|entry| filter.accepts(entry)).cloned().collect();
        assert_eq!(list(&store, &filter).await, expected, "{filter:?}");
    }
}

async fn a_filtered_listing_pages_too(store: Arc<TestStore>) {
    let mut wanted = BTreeSet::new();
    for number in 0..9 {
        let mut line = entry(&store);
        if number % 2 == 0 {
            line.agent = agent("bob");
            wanted.insert(line.id);
        }
        append(&store, &[line]).await;
    }
    let filter = Filter { agent: Some(agent("bob")), ..Filter::default() };
    let mut uow = store.begin_read().await;
    let first = uow.audit_list(&default_project(), &filter, None, size(3)).await.unwrap();
    let second = uow.audit_list(&default_project(), &filter, first.next, size(3)).await.unwrap();
    assert_eq!((first.rows.len(), second.rows.len(), second.next), (3, 2, None));
    let seen: BTreeSet<_> = first.rows.iter().chain(&second.rows).map(|line| line.id).collect();
    assert_eq!(seen, wanted);
}

async fn lines_of_another_project_are_never_seen(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let there = Entry { project: other.clone(), ..entry(&store) };
    let here = entry(&store);
    append(&store, &[there.clone(), here.clone()]).await;
    assert_eq!(list(&store, &Filter::default()).await, [here]);
    let mut uow = store.begin_read().await;
    let page = uow.audit_list(&other, &Filter::default(), None, size(5)).await.unwrap();
    assert_eq!(page.rows, [there]);
}

/// Long before any clock of these tests and of the database.
fn long_ago() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_000_000_000_000_000).unwrap()
}

async fn prune(store: &TestStore, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
    let mut uow = store.begin().await;
    let pruned = uow.audit_prune(before, rows_max).await?;
    uow.commit().await?;
    Ok(pruned)
}

async fn pruning_takes_the_old_lines_of_all_projects_and_no_more_than_it_may(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let mut young = Vec::new();
    for second in 0..3 {
        let at = long_ago() + TimeDelta::seconds(second);
        let there = Entry { project: other.clone(), at, ..entry(&store) };
        append(&store, &[Entry { at, ..entry(&store) }, there]).await;
    }
    let limit = long_ago() + TimeDelta::seconds(3);
    for at in [limit, start()] {
        young.insert(0, Entry { at, ..entry(&store) });
        append(&store, &young[..1]).await;
    }
    assert_eq!(prune(&store, limit, 0).await.unwrap(), 0);
    assert_eq!(prune(&store, limit, 4).await.unwrap(), 4);
    assert_eq!(prune(&store, limit, 100).await.unwrap(), 2);
    assert_eq!(prune(&store, limit, 100).await.unwrap(), 0);
    assert_eq!(list(&store, &Filter::default()).await, young, "a line of the very instant stays");
}

async fn a_shorter_time_later_prunes_no_less_and_a_longer_one_no_more(store: Arc<TestStore>) {
    let second = |n| long_ago() + TimeDelta::seconds(n);
    for n in 0..6 {
        append(&store, &[Entry { at: second(n), ..entry(&store) }]).await;
    }
    for (before, pruned) in [(2, 2), (1, 0), (4, 2), (3, 0)] {
        assert_eq!(prune(&store, second(before), 100).await.unwrap(), pruned, "before {before}");
    }
    assert_eq!(list(&store, &Filter::default()).await.len(), 2);
}

/// Whoever reaches the database with the rights of the server.
async fn the_database_itself_refuses_to_remove_lines_that_were_not_given_up(store: Arc<TestStore>) {
    let old = Entry { at: long_ago(), ..entry(&store) };
    append(&store, &[old.clone(), Entry { at: long_ago() + TimeDelta::seconds(10), ..entry(&store) }]).await;
    append(&store, &[entry(&store)]).await;
    prune(&store, long_ago() + TimeDelta::seconds(1), 0).await.unwrap();
    let too_young = "DELETE FROM audit_entries WHERE at_us >= 1000000001000000";
    let refused = store.sabotage(too_young).await.expect_err("they are not that old");
    assert!(refused.contains("only ever appended to"), "{refused}");
    store.sabotage("DELETE FROM audit_entries WHERE at_us < 1000000001000000").await.expect("it was given up");
    for sql in [
        "UPDATE audit_retention SET before_us = 0",
        match store.kind() {
            Kind::Postgres | Kind::Optimistic => {
                "UPDATE audit_retention \
                 SET before_us = (extract(epoch FROM clock_timestamp() - interval '23 hours') * 1000000)::bigint"
            }
            Kind::InMemory | Kind::Sqlite => {
                "UPDATE audit_retention SET before_us = CAST((unixepoch('subsec') - 82800) * 1000000 AS INTEGER)"
            }
        },
        "UPDATE audit_retention SET before_us = 9000000000000000000",
        "DELETE FROM audit_retention",
        "INSERT INTO audit_retention (before_us) VALUES (9000000000000000000)",
    ] {
        let refused = store.sabotage(sql).await.expect_err(sql);
        assert!(refused.contains("kept for a day at least"), "{sql}: {refused}");
    }
    let by_force = match store.kind() {
        Kind::Postgres | Kind::Optimistic => "TRUNCATE audit_retention",
        Kind::InMemory | Kind::Sqlite => "INSERT OR REPLACE INTO audit_retention VALUES (1, 9000000000000000000)",
    };
    let refused = store.sabotage(by_force).await.expect_err(by_force);
    assert!(refused.contains("kept for a day at least"), "{by_force}: {refused}");
    if matches!(store.kind(), Kind::Postgres | Kind::Optimistic) {
        let aside = "CREATE TEMPORARY TABLE audit_retention AS SELECT 9000000000000000000 AS before_us; \
             DELETE FROM audit_entries";
        let refused = store.sabotage(aside).await.expect_err(aside);
        assert!(refused.contains("only ever appended to"), "{refused}");
    }
    assert_eq!(list(&store, &Filter::default()).await.len(), 2);
}

async fn the_database_itself_refuses_to_prune_what_is_younger_than_a_day(store: Arc<TestStore>) {
    append(&store, &[entry(&store)]).await;
    let far_ahead = store.now() + TimeDelta::days(36_500);
    let refused = prune(&store, far_ahead, 100).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert_eq!(list(&store, &Filter::default()).await.len(), 1);
}

async fn the_database_itself_refuses_to_change_the_log(store: Arc<TestStore>) {
    append(&store, &[entry(&store)]).await;
    let changes = ["UPDATE audit_entries SET outcome = 'ok'", "DELETE FROM audit_entries"];
    let truncation = ["TRUNCATE audit_entries", "TRUNCATE audit_entries CASCADE"];
    let has_truncate = matches!(store.kind(), Kind::Postgres | Kind::Optimistic);
    for sql in changes.into_iter().chain(truncation.into_iter().filter(|_| has_truncate)) {
        let refused = store.sabotage(sql).await.expect_err(sql);
        assert!(refused.contains("only ever appended to"), "{sql}: {refused}");
    }
    assert_eq!(list(&store, &Filter::default()).await.len(), 1);
}

on_every_store!(
    a_line_is_read_as_it_was_written,
    appending_nothing_is_fine,
    many_lines_go_in_at_once,
    pages_go_from_the_newest_line_to_the_oldest_and_tell_each_once,
    a_page_that_ends_with_the_log_has_no_next,
    lines_that_come_later_do_not_move_a_page,
    filters_agree_with_the_domain,
    a_filtered_listing_pages_too,
    lines_of_another_project_are_never_seen,
    pruning_takes_the_old_lines_of_all_projects_and_no_more_than_it_may,
    a_shorter_time_later_prunes_no_less_and_a_longer_one_no_more,
);

mod in_a_database {
    use super::{
        on_every_database, the_database_itself_refuses_to_change_the_log,
        the_database_itself_refuses_to_prune_what_is_younger_than_a_day,
        the_database_itself_refuses_to_remove_lines_that_were_not_given_up,
    };
    on_every_database!(
        the_database_itself_refuses_to_change_the_log,
        the_database_itself_refuses_to_remove_lines_that_were_not_given_up,
        the_database_itself_refuses_to_prune_what_is_younger_than_a_day,
    );
}
