//! Listings of sessions.

use super::{default_session, ended, second};
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::agents::Session;
use domain::ids::SessionId;
use ports::agents::SessionFilter;
use std::sync::Arc;

async fn list(store: &TestStore, filter: &SessionFilter, now: DateTime<Utc>) -> Vec<String> {
    let page = store.begin_read().await.session_list(&default_project(), filter, now, None, size(500)).await.unwrap();
    assert_eq!(page.next, None);
    page.rows.into_iter().map(|session| session.id.to_string()).collect()
}

async fn pages_go_by_name_and_tell_each_session_once(store: Arc<TestStore>) {
    let names = ["B", "a", "a/b", "a:b", "b", "s10", "s9"];
    let mut shuffled: Vec<Session> = names.iter().map(|name| session("ann", name)).collect();
    shuffled.reverse();
    add_sessions(&store, &shuffled).await;
    let other = add_project(&store, "other").await.id;
    add_sessions(&store, &[Session { project: other, ..session("ann", "a/c") }]).await;
    let mut seen: Vec<String> = Vec::new();
    let mut after: Option<SessionId> = None;
    for expected in [3, 3, 1] {
        let mut uow = store.begin_read().await;
        let filter = SessionFilter::default();
        let page = uow.session_list(&default_project(), &filter, second(0), after.as_ref(), size(3)).await.unwrap();
        assert_eq!(page.rows.len(), expected);
        seen.extend(page.rows.iter().map(|session| session.id.to_string()));
        after = page.next;
    }
    assert_eq!((seen, after), (names.iter().map(ToString::to_string).collect(), None));
}

async fn a_page_that_ends_with_the_sessions_has_no_next(store: Arc<TestStore>) {
    let stored = [default_session("ann", "a"), session("bob", "b")];
    add_sessions(&store, &stored).await;
    let mut uow = store.begin_read().await;
    let filter = SessionFilter::default();
    let page = uow.session_list(&default_project(), &filter, second(0), None, size(2)).await.unwrap();
    assert_eq!((page.rows.as_slice(), page.next), (stored.as_slice(), None));
    let page = uow.session_list(&default_project(), &filter, second(0), Some(&session_id("b")), size(2)).await.unwrap();
    assert_eq!((page.rows.as_slice(), page.next), ([].as_slice(), None));
}

async fn a_listing_is_filtered_by_agent_and_by_life_to_the_microsecond(store: Arc<TestStore>) {
    let short = Session { live_until: second(10), ..session("ann", "short") };
    let over = ended(&session("ann", "over"), second(3));
    add_sessions(&store, &[short, over, session("ann", "long"), session("ann-2", "x"), default_session("bob", "d")])
        .await;
    let filter = |agent_name: Option<&str>, is_live| SessionFilter { agent: agent_name.map(agent), is_live };
    let before = second(10) - TimeDelta::microseconds(1);
    assert_eq!(list(&store, &filter(Some("ann"), None), before).await, ["long", "over", "short"]);
    assert_eq!(list(&store, &filter(Some("ann"), Some(true)), before).await, ["long", "short"]);
    assert_eq!(list(&store, &filter(Some("ann"), Some(true)), second(10)).await, ["long"]);
    assert_eq!(list(&store, &filter(Some("ann"), Some(false)), before).await, ["over"]);
    assert_eq!(list(&store, &filter(Some("ann"), Some(false)), second(10)).await, ["over", "short"]);
    assert_eq!(list(&store, &filter(None, Some(true)), second(10)).await, ["d", "long", "x"]);
    assert_eq!(list(&store, &filter(None, Some(false)), second(1)).await, ["over"], "what ended is not live before");
    assert_eq!(list(&store, &filter(Some("cat"), None), second(0)).await, [""; 0]);
}

on_every_store!(
    pages_go_by_name_and_tell_each_session_once,
    a_page_that_ends_with_the_sessions_has_no_next,
    a_listing_is_filtered_by_agent_and_by_life_to_the_microsecond,
);
