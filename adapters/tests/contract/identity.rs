//! Projects and keys.

use crate::harness::{TestStore, default_project, start};
use crate::on_every_store;
use crate::samples::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::key::{ApiKey, SecretHash};
use domain::identity::principal::{Role, Scope};
use domain::identity::project::Project;
use domain::ids::{AgentType, KeyId};
use std::sync::Arc;

fn second(number: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(number)
}

async fn add(store: &TestStore, keys: &[ApiKey]) {
    let mut uow = store.begin().await;
    for key in keys {
        uow.key_add(key).await.unwrap();
    }
    uow.commit().await.unwrap();
}

async fn find(store: &TestStore, key: &ApiKey) -> Option<ApiKey> {
    store.begin().await.key_find(&key.id).await.unwrap()
}

async fn change(store: &TestStore, key: &ApiKey) {
    let mut uow = store.begin().await;
    uow.key_save(key).await.unwrap();
    uow.commit().await.unwrap();
}

async fn the_project_default_is_always_there(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    let found = uow.project_find(&default_project()).await.unwrap().unwrap();
    assert_eq!((found.id, found.archived_at), (default_project(), None));
    assert!(uow.lock_table_lock(&default_project()).await.unwrap().is_some());
}

async fn a_new_project_has_a_lock_table_and_its_name_is_taken(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    assert_eq!(uow.project_find(&project_id("other")).await.unwrap(), None);
    assert_eq!(uow.lock_table_lock(&project_id("other")).await.unwrap(), None);
    drop(uow);
    let project = add_project(&store, "other").await;
    let mut uow = store.begin().await;
    assert_eq!(uow.project_find(&project.id).await.unwrap(), Some(project.clone()));
    assert_eq!(uow.lock_table_lock(&project.id).await.unwrap().unwrap().last_token, 0);
    assert_conflict(uow.project_add(&project).await);
    drop(uow);
    let default = Project { id: default_project(), ..project };
    assert_conflict(store.begin().await.project_add(&default).await);
}

async fn projects_are_listed_by_name_in_byte_order(store: Arc<TestStore>) {
    for name in ["ab", "a0", "a-b", "zz", "a"] {
        add_project(&store, name).await;
    }
    let mut names = Vec::new();
    let mut after = None;
    for expected in [4, 2] {
        let page = store.begin_read().await.project_list(after.as_ref(), size(4)).await.unwrap();
        assert_eq!(page.rows.len(), expected);
        names.extend(page.rows.into_iter().map(|project| project.id.as_str().to_owned()));
        after = page.next;
    }
    assert_eq!(
        (names.as_slice(), after),
        (["a", "a-b", "a0", "ab", "default", "zz"].map(String::from).as_slice(), None)
    );
}

async fn a_project_is_archived_once(store: Arc<TestStore>) {
    let project = add_project(&store, "other").await;
    let archived = Project { archived_at: Some(second(5)), ..project };
    let mut uow = store.begin().await;
    uow.project_archive(&archived).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(store.begin().await.project_find(&archived.id).await.unwrap(), Some(archived.clone()));
    assert_conflict(store.begin().await.project_archive(&archived).await);
    let unknown = Project { id: project_id("unknown"), ..archived.clone() };
    assert_conflict(store.begin().await.project_archive(&unknown).await);
    assert_conflict(store.begin().await.project_add(&archived).await);
}

async fn a_key_is_found_as_it_was_stored(store: Arc<TestStore>) {
    let bare = api_key("bare");
    let full = ApiKey {
        scope: Scope::AllProjects,
        agent: Some(agent("ann@host:1/x")),
        agent_type: AgentType::parse("claude_code").unwrap(),
        role: Role::Admin,
        secret_hash: SecretHash(std::array::from_fn(|n| u8::try_from(n * 8).unwrap())),
        expires_at: Some(second(1)),
        last_used_at: Some(second(2)),
        rotated_at: Some(second(3)),
        revoked_at: Some(second(4)),
        ..api_key("full")
    };
    let other = ApiKey { scope: Scope::Project(project_id("elsewhere")), role: Role::Orchestrator, ..api_key("other") };
    assert_eq!(find(&store, &bare).await, None);
    add(&store, &[bare.clone(), full.clone(), other.clone()]).await;
    for key in [bare, full, other] {
        assert_eq!(find(&store, &key).await, Some(key));
    }
}

async fn a_name_of_a_key_is_taken_in_all_projects(store: Arc<TestStore>) {
    add(&store, &[api_key("k1")]).await;
    assert_conflict(store.begin().await.key_add(&api_key("k1")).await);
    let elsewhere = ApiKey { scope: Scope::AllProjects, ..api_key("k1") };
    assert_conflict(store.begin().await.key_add(&elsewhere).await);
    let elsewhere = ApiKey { scope: Scope::Project(project_id("other")), ..api_key("k1") };
    assert_conflict(store.begin().await.key_add(&elsewhere).await);
}

async fn saving_a_key_stores_hash_rotation_and_revocation(store: Arc<TestStore>) {
    let stored = api_key("k1");
    assert_conflict(store.begin().await.key_save(&stored).await);
    let bystander = api_key("k2");
    add(&store, &[stored.clone(), bystander.clone()]).await;
    let rotated = ApiKey { secret_hash: SecretHash([8; 32]), rotated_at: Some(second(1)), ..stored };
    change(&store, &rotated).await;
    assert_eq!(find(&store, &rotated).await, Some(rotated.clone()));
    let revoked = ApiKey { revoked_at: Some(second(2)), ..rotated };
    change(&store, &revoked).await;
    assert_eq!(find(&store, &revoked).await, Some(revoked));
    assert_eq!(find(&store, &bystander).await, Some(bystander));
}

async fn keys_are_listed_by_name_of_one_project_or_of_all(store: Arc<TestStore>) {
    let elsewhere = |name: &str| ApiKey { scope: Scope::Project(project_id("other")), ..api_key(name) };
    let everywhere = ApiKey { scope: Scope::AllProjects, ..api_key("b") };
    add(&store, &[api_key("c"), elsewhere("a"), everywhere, api_key("a-b"), api_key("ab"), elsewhere("d")]).await;
    let names = async |project: Option<&str>, after: Option<&str>, rows: u32| {
        let project = project.map(project_id);
        let after = after.map(|after| KeyId::parse(after).unwrap());
        let mut uow = store.begin_read().await;
        let page = uow.key_list(project.as_ref(), after.as_ref(), size(rows)).await.unwrap();
        let names: Vec<String> = page.rows.iter().map(|key| key.id.as_str().to_owned()).collect();
        (names.join(" "), page.next.map(|next| next.as_str().to_owned()))
    };
    let is = |names: &str, next: Option<&str>| (names.to_owned(), next.map(str::to_owned));
    assert_eq!(names(None, None, 10).await, is("a a-b ab b c d", None));
    assert_eq!(names(Some("default"), None, 10).await, is("a-b ab c", None));
    assert_eq!(names(Some("other"), None, 2).await, is("a d", None));
    assert_eq!(names(Some("unknown"), None, 2).await, is("", None));
    assert_eq!(names(None, None, 3).await, is("a a-b ab", Some("ab")));
    assert_eq!(names(None, Some("ab"), 3).await, is("b c d", None));
    assert_eq!(names(Some("default"), None, 2).await, is("a-b ab", Some("ab")));
    assert_eq!(names(Some("default"), Some("ab"), 2).await, is("c", None));
    assert_eq!(names(Some("default"), Some("aa"), 9).await, is("ab c", None), "a cursor need not be a key");
}

async fn whether_any_key_is_good_agrees_with_the_domain(store: Arc<TestStore>) {
    let any = async |now| store.begin_read().await.key_any_good(now).await.unwrap();
    assert!(!any(start()).await);
    add(&store, &[ApiKey { revoked_at: Some(start()), ..api_key("revoked") }]).await;
    assert!(!any(start()).await);
    add(&store, &[ApiKey { expires_at: Some(second(5)), ..api_key("short") }]).await;
    assert!(any(second(5) - TimeDelta::microseconds(1)).await);
    assert!(!any(second(5)).await);
    add(&store, &[ApiKey { scope: Scope::AllProjects, ..api_key("forever") }]).await;
    assert!(any(second(5)).await);
}

async fn the_last_use_of_a_key_never_moves_back(store: Arc<TestStore>) {
    let (one, two, untouched) = (api_key("one"), api_key("two"), api_key("untouched"));
    add(&store, &[one.clone(), two.clone(), untouched.clone()]).await;
    let note = async |used: &[(KeyId, DateTime<Utc>)]| {
        let mut uow = store.begin().await;
        uow.key_note_used(used).await.unwrap();
        uow.commit().await.unwrap();
    };
    note(&[]).await;
    note(&[(one.id.clone(), second(5)), (KeyId::parse("unknown").unwrap(), second(5)), (two.id.clone(), second(6))])
        .await;
    note(&[(one.id.clone(), second(4)), (two.id.clone(), second(7))]).await;
    let used = async |key: &ApiKey| find(&store, key).await.unwrap().last_used_at;
    assert_eq!(used(&one).await, Some(second(5)));
    assert_eq!(used(&two).await, Some(second(7)));
    assert_eq!(used(&untouched).await, None);
    change(&store, &ApiKey { revoked_at: Some(second(9)), ..one.clone() }).await;
    assert_eq!(used(&one).await, Some(second(5)), "saving a key does not touch its last use");
}

on_every_store!(
    the_project_default_is_always_there,
    a_new_project_has_a_lock_table_and_its_name_is_taken,
    projects_are_listed_by_name_in_byte_order,
    a_project_is_archived_once,
    a_key_is_found_as_it_was_stored,
    a_name_of_a_key_is_taken_in_all_projects,
    saving_a_key_stores_hash_rotation_and_revocation,
    keys_are_listed_by_name_of_one_project_or_of_all,
    whether_any_key_is_good_agrees_with_the_domain,
    the_last_use_of_a_key_never_moves_back,
);
