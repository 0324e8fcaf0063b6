//! Groups.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::ids::ProjectId;
use domain::messages::group::{Group, Member};
use domain::messages::message::Number;
use std::collections::BTreeMap;
use std::sync::Arc;

fn member(group_name: &str, name: &str) -> Member {
    Member {
        group: group(group_name),
        agent: agent(name),
        after: Number::new(1 << 40),
        joined_at: second(3) + MICRO,
        added_by: agent("boss"),
    }
}

async fn join(store: &TestStore, project: &ProjectId, members: &[Member]) {
    let mut uow = store.begin().await;
    for member in members {
        uow.member_add(project, member).await.unwrap();
    }
    uow.commit().await.unwrap();
}

async fn members_come_and_go(store: Arc<TestStore>) {
    let here = default_project();
    let full = member("it:is/a", "b:1/a@b.c_d-e");
    join(&store, &here, &[full.clone(), member("crew", "ann"), member("crew", "bob")]).await;
    let find = async |group_name: &str, name: &str| {
        store.begin_read().await.member_find(&here, &group(group_name), &agent(name)).await.unwrap()
    };
    assert_eq!(find("it:is/a", "b:1/a@b.c_d-e").await, Some(full));
    assert_eq!((find("crew", "cid").await, find("Crew", "ann").await), (None, None));
    assert_conflict(store.begin().await.member_add(&here, &member("crew", "ann")).await);
    let leave = async |name: &str| {
        let mut uow = store.begin().await;
        let was_there = uow.member_remove(&here, &group("crew"), &agent(name)).await.unwrap();
        uow.commit().await.unwrap();
        was_there
    };
    assert_eq!((leave("ann").await, leave("ann").await, leave("cid").await), (true, false, false));
    assert_eq!((find("crew", "ann").await, find("crew", "bob").await), (None, Some(member("crew", "bob"))));
    let other = add_project(&store, "other").await.id;
    join(&store, &other, &[member("crew", "bob")]).await;
}

async fn groups_and_members_are_counted_and_listed_by_name(store: Arc<TestStore>) {
    let here = default_project();
    let names = ["B", "a", "a/b", "a:b", "b"];
    let in_a: Vec<Member> = names.iter().map(|name| member("a", name)).collect();
    join(&store, &here, &in_a).await;
    join(&store, &here, &[member("B", "ann"), member("a:b", "ann"), member("b", "ann")]).await;
    let other = add_project(&store, "other").await.id;
    join(&store, &other, &[member("a", "x"), member("z", "x")]).await;
    let mut uow = store.begin_read().await;
    assert_eq!(uow.group_count(&here).await.unwrap(), 4);
    assert_eq!(uow.member_count(&here, &group("a")).await.unwrap(), 5);
    assert_eq!(uow.member_count(&here, &group("z")).await.unwrap(), 0);
    let first = uow.group_list(&here, None, size(2)).await.unwrap();
    let listed = |name: &str, members| Group { name: group(name), members };
    assert_eq!((first.rows, &first.next), (vec![listed("B", 1), listed("a", 5)], &Some(group("a"))));
    let rest = uow.group_list(&here, first.next.as_ref(), size(2)).await.unwrap();
    assert_eq!((rest.rows, rest.next), (vec![listed("a:b", 1), listed("b", 1)], None));
    let first = uow.member_list(&here, &group("a"), None, size(3)).await.unwrap();
    assert_eq!((&first.rows[..], &first.next), (&in_a[..3], &Some(agent("a/b"))));
    let rest = uow.member_list(&here, &group("a"), first.next.as_ref(), size(3)).await.unwrap();
    assert_eq!((&rest.rows[..], rest.next), (&in_a[3..], None));
}

async fn the_groups_of_agents_are_known(store: Arc<TestStore>) {
    let here = default_project();
    let late = Member { after: Number::new(7), ..member("late", "ann") };
    join(&store, &here, &[member("crew", "ann"), late, member("crew", "bob")]).await;
    let other = add_project(&store, "other").await.id;
    join(&store, &other, &[member("theirs", "ann")]).await;
    let groups = store.begin_read().await.groups_of(&here, &agents(&["ann", "bob", "cid"])).await.unwrap();
    let crew = (group("crew"), Number::new(1 << 40));
    let expected = BTreeMap::from([
        (agent("ann"), BTreeMap::from([crew.clone(), (group("late"), Number::new(7))])),
        (agent("bob"), BTreeMap::from([crew])),
    ]);
    assert_eq!(groups, expected);
    assert_eq!(store.begin_read().await.groups_of(&here, &[]).await.unwrap(), BTreeMap::new());
}

on_every_store!(members_come_and_go, groups_and_members_are_counted_and_listed_by_name, the_groups_of_agents_are_known,);
