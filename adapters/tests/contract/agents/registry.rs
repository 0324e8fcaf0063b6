//! The records of agents: stored, found, listed, changed.

use super::{guarded, second};
use crate::harness::{TestStore, default_project};
use crate::samples::*;
use crate::{on_every_locking_store, on_every_store};
use chrono::TimeDelta;
use domain::agents::environment::{EnvironmentKind, EnvironmentTag};
use domain::agents::record::{AgentRecord, DisplayName, Metadata, ProfileName};
use domain::agents::wake::{Wake, WakeDetail, WakeMethod};
use domain::identity::principal::Role;
use domain::ids::{AgentId, AgentType};
use domain::locks::changes::Changes;
use domain::work::name::Capability;
use ports::agents::AgentFilter;
use ports::store::StoreError;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

fn capability(name: &str) -> Capability {
    Capability::parse(name).unwrap()
}

fn tag(name: &str) -> EnvironmentTag {
    EnvironmentTag::parse(name).unwrap()
}

/// Nothing but what a key says.
fn record(name: &str) -> AgentRecord {
    AgentRecord::of_session(&session(name, "s1"), Role::Agent)
}

/// With something in every field that a database might not give back as it was.
fn full(name: &str) -> AgentRecord {
    let metadata = json!({
        "z": u64::MAX, "float": 0.5, "null": null, "": {}, "words": "ключ \"'\\ 🔑 \u{0} \n", "key \u{0}": [[], false],
    });
    let Value::Object(metadata) = metadata else { panic!("an object") };
    AgentRecord {
        display_name: Some(DisplayName::parse("Ann \"'\\ 🔑").unwrap()),
        agent_type: AgentType::parse("s:1/a@b.c_d-e").unwrap(),
        role: Role::Admin,
        environment: EnvironmentKind::Cloud,
        tag: Some(tag("railway:1/a@b.c_d-e")),
        capabilities: ["rust", "gpu", "s:1/a@b.c_d-e", &"a".repeat(64)].map(capability).into(),
        profile: Some(ProfileName::parse("careful").unwrap()),
        owner: Some(agent("boss")),
        metadata: Metadata::try_new(metadata).unwrap(),
        wake: Wake {
            method: WakeMethod::CiDispatch,
            detail: Some(WakeDetail::parse("wörkflow.yml").unwrap()),
            tested_at: Some(second(1) + TimeDelta::microseconds(1)),
        },
        registered_at: second(2),
        updated_at: second(3) + TimeDelta::microseconds(1),
        deregistered_at: Some(second(4)),
        ..record(name)
    }
}

async fn add(store: &TestStore, records: &[AgentRecord]) {
    let mut uow = store.begin().await;
    uow.agents_add_missing(records).await.unwrap();
    uow.commit().await.unwrap();
}

async fn try_save(store: &TestStore, records: &[AgentRecord]) -> Result<(), StoreError> {
    let mut uow = store.begin().await;
    uow.agents_save(records).await?;
    uow.commit().await
}

async fn found(store: &TestStore, names: &[&str]) -> Vec<AgentRecord> {
    let ids: Vec<AgentId> = names.iter().map(|name| agent(name)).collect();
    let looked = store.begin_read().await.agents_look(&default_project(), &ids).await.unwrap();
    let loaded = store.begin().await.agents_load(&default_project(), &ids).await.unwrap();
    assert_eq!(loaded, looked);
    assert_eq!(store.begin_read().await.agents_load(&default_project(), &ids).await.unwrap(), looked);
    looked
}

async fn list(store: &TestStore, filter: &AgentFilter) -> Vec<String> {
    let page = store.begin_read().await.agent_list(&default_project(), filter, None, size(500)).await.unwrap();
    assert_eq!(page.next, None);
    page.rows.into_iter().map(|record| record.id.to_string()).collect()
}

async fn a_record_comes_back_to_the_last_field(store: Arc<TestStore>) {
    let here = default_project();
    let both = [full("ann"), record("bob")];
    assert_eq!(found(&store, &["ann", "bob"]).await, []);
    add(&store, &both).await;
    assert_eq!(found(&store, &["bob", "ann", "nobody", "ann"]).await, both, "by name, each once");
    assert_eq!(store.begin().await.agents_look(&here, &[]).await.unwrap(), []);
    let page = store.begin_read().await.agent_list(&here, &AgentFilter::default(), None, size(2)).await.unwrap();
    assert_eq!((page.rows.as_slice(), page.next), (both.as_slice(), None));
}

async fn a_record_goes_from_everything_to_nothing_and_back(store: Arc<TestStore>) {
    add(&store, &[record("ann"), full("bob"), record("cat")]).await;
    try_save(&store, &[full("ann"), record("bob")]).await.unwrap();
    assert_eq!(found(&store, &["ann", "bob", "cat"]).await, [full("ann"), record("bob"), record("cat")]);
    try_save(&store, &[]).await.unwrap();
}

async fn a_record_that_is_there_stays_and_one_that_is_not_cannot_be_changed(store: Arc<TestStore>) {
    add(&store, &[full("ann")]).await;
    add(&store, &[record("ann"), record("bob"), full("bob")]).await;
    assert_eq!(found(&store, &["ann", "bob"]).await, [full("ann"), record("bob")]);
    assert_conflict(try_save(&store, &[full("cat")]).await);
    assert_conflict(try_save(&store, &[record("ann"), full("cat")]).await);
    assert_eq!(found(&store, &["ann", "cat"]).await, [full("ann")], "all or none");
    add(&store, &[]).await;
}

async fn the_same_name_in_another_project_is_another_agent(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let there = AgentRecord { project: other.clone(), ..full("ann") };
    add(&store, &[record("ann"), there.clone()]).await;
    assert_eq!(found(&store, &["ann"]).await, [record("ann")]);
    assert_eq!(store.begin().await.agents_load(&other, &[agent("ann")]).await.unwrap(), std::slice::from_ref(&there));
    try_save(&store, &[AgentRecord { role: Role::Agent, ..there }]).await.unwrap();
    assert_eq!(found(&store, &["ann"]).await, [record("ann")]);
    assert_eq!(list(&store, &AgentFilter::default()).await, ["ann"]);
}

async fn a_record_is_made_in_the_commit_of_the_session_that_starts(store: Arc<TestStore>) {
    let here = default_project();
    let mut uow = guarded(&store).await;
    uow.sessions_add(&[session("ann", "s1")]).await.unwrap();
    uow.agents_add_missing(&[record("ann")]).await.unwrap();
    drop(uow);
    assert_eq!(found(&store, &["ann"]).await, []);
    let mut uow = store.begin().await;
    let head = uow.lock_table_lock(&here).await.unwrap().unwrap();
    uow.sessions_add(&[session("ann", "s1")]).await.unwrap();
    uow.agents_add_missing(&[record("ann")]).await.unwrap();
    uow.lock_table_save(&here, head, &Changes::default()).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(found(&store, &["ann"]).await, [record("ann")]);
}

async fn pages_go_by_name_and_tell_each_agent_once(store: Arc<TestStore>) {
    let names = ["B", "a", "a/b", "a:b", "b", "s10", "s9"];
    let records: Vec<AgentRecord> = names.iter().rev().map(|name| record(name)).collect();
    add(&store, &records).await;
    let (mut seen, mut after): (Vec<String>, Option<AgentId>) = (Vec::new(), None);
    for expected in [3, 3, 1] {
        let mut uow = store.begin_read().await;
        let filter = AgentFilter::default();
        let page = uow.agent_list(&default_project(), &filter, after.as_ref(), size(3)).await.unwrap();
        assert_eq!(page.rows.len(), expected);
        seen.extend(page.rows.iter().map(|record| record.id.to_string()));
        after = page.next;
    }
    assert_eq!((seen, after), (names.map(str::to_owned).to_vec(), None));
}

async fn a_listing_is_filtered_by_each_thing_alone_and_by_all_together(store: Arc<TestStore>) {
    let ci = AgentRecord { environment: EnvironmentKind::Ci, tag: Some(tag("github")), ..record("ci-1") };
    let able = AgentRecord { capabilities: ["rust", "gpu"].map(capability).into(), ..record("able") };
    let nearly = AgentRecord { capabilities: ["rust-analyzer", "xgpu", "us"].map(capability).into(), ..record("near") };
    let boss = AgentRecord { role: Role::Orchestrator, ..record("boss") };
    add(&store, &[ci, able, nearly, boss, full("full")]).await;
    let any = AgentFilter::default;
    let by = |capability_name| AgentFilter { capability: Some(capability(capability_name)), ..any() };
    assert_eq!(list(&store, &by("rust")).await, ["able", "full"]);
    assert_eq!(list(&store, &by("gpu")).await, ["able", "full"]);
    assert_eq!(list(&store, &by("us")).await, ["near"]);
    assert_eq!(list(&store, &by("ru")).await, [""; 0]);
    let environment = |environment| AgentFilter { environment: Some(environment), ..any() };
    assert_eq!(list(&store, &environment(EnvironmentKind::Ci)).await, ["ci-1"]);
    assert_eq!(list(&store, &environment(EnvironmentKind::Other)).await, ["able", "boss", "near"]);
    assert_eq!(list(&store, &AgentFilter { tag: Some(tag("github")), ..any() }).await, ["ci-1"]);
    let agent_type = |name| AgentFilter { agent_type: Some(AgentType::parse(name).unwrap()), ..any() };
    assert_eq!(list(&store, &agent_type("s:1/a@b.c_d-e")).await, ["full"]);
    assert_eq!(list(&store, &agent_type("ci")).await, ["able", "boss", "ci-1", "near"]);
    let least = |role| AgentFilter { least_role: Some(role), ..any() };
    assert_eq!(list(&store, &least(Role::Agent)).await.len(), 5);
    assert_eq!(list(&store, &least(Role::Orchestrator)).await, ["boss", "full"]);
    assert_eq!(list(&store, &least(Role::Admin)).await, ["full"]);
    let registered = |is_registered| AgentFilter { is_registered: Some(is_registered), ..any() };
    assert_eq!(list(&store, &registered(true)).await, ["able", "boss", "ci-1", "near"]);
    assert_eq!(list(&store, &registered(false)).await, ["full"]);
    let all = AgentFilter {
        agent_type: Some(full("x").agent_type),
        capability: Some(capability("gpu")),
        environment: Some(EnvironmentKind::Cloud),
        tag: full("x").tag,
        least_role: Some(Role::Orchestrator),
        is_registered: Some(false),
    };
    assert_eq!(list(&store, &all).await, ["full"]);
    assert_eq!(list(&store, &AgentFilter { is_registered: Some(true), ..all }).await, [""; 0]);
}

async fn a_record_that_was_loaded_stays_as_it_is_until_commit(store: Arc<TestStore>) {
    add(&store, &[record("ann"), record("bob")]).await;
    let mut first = store.begin().await;
    assert_eq!(first.agents_load(&default_project(), &[agent("ann")]).await.unwrap(), [record("ann")]);
    let other = Arc::clone(&store);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { try_save(&other, &[full("ann")]).await });
    let waited = tokio::time::timeout(Duration::from_millis(200), tasks.join_next()).await;
    assert!(waited.is_err(), "the other one did not wait");
    first.agents_save(&[AgentRecord { role: Role::Orchestrator, ..record("ann") }]).await.unwrap();
    first.commit().await.unwrap();
    tasks.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(found(&store, &["ann"]).await, [full("ann")], "whoever comes second has the last word");
}

async fn whoever_comes_second_to_make_a_record_waits_and_finds_it(store: Arc<TestStore>) {
    let mut first = store.begin().await;
    first.agents_add_missing(&[record("ann")]).await.unwrap();
    let other = Arc::clone(&store);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut uow = other.begin().await;
        uow.agents_add_missing(&[full("ann")]).await.unwrap();
        uow.agents_load(&default_project(), &[agent("ann")]).await.unwrap()
    });
    let waited = tokio::time::timeout(Duration::from_millis(200), tasks.join_next()).await;
    assert!(waited.is_err(), "who comes second waits to see whether the first one commits");
    first.commit().await.unwrap();
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), [record("ann")]);
}

async fn nothing_is_written_in_a_unit_of_work_that_only_reads(store: Arc<TestStore>) {
    add(&store, &[record("ann")]).await;
    assert!(store.begin_read().await.agents_add_missing(&[record("bob")]).await.is_err());
    assert!(store.begin_read().await.agents_save(&[full("ann")]).await.is_err());
    assert_eq!(found(&store, &["ann", "bob"]).await, [record("ann")]);
}

on_every_store!(
    a_record_comes_back_to_the_last_field,
    a_record_goes_from_everything_to_nothing_and_back,
    a_record_that_is_there_stays_and_one_that_is_not_cannot_be_changed,
    the_same_name_in_another_project_is_another_agent,
    a_record_is_made_in_the_commit_of_the_session_that_starts,
    pages_go_by_name_and_tell_each_agent_once,
    a_listing_is_filtered_by_each_thing_alone_and_by_all_together,
    a_record_that_was_loaded_stays_as_it_is_until_commit,
    nothing_is_written_in_a_unit_of_work_that_only_reads,
);

on_every_locking_store!(whoever_comes_second_to_make_a_record_waits_and_finds_it);
