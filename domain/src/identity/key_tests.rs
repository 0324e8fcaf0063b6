//! Which keys open the door, and who may change them.

use super::*;
use crate::ids::ProjectId;
use chrono::TimeDelta;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn second() -> TimeDelta {
    TimeDelta::seconds(1)
}

fn project(name: &str) -> Scope {
    Scope::Project(ProjectId::parse(name).unwrap())
}

fn key(scope: Scope) -> ApiKey {
    ApiKey {
        id: KeyId::parse("k1").unwrap(),
        scope,
        agent: None,
        agent_type: AgentType::parse("ci").unwrap(),
        role: Role::Agent,
        secret_hash: SecretHash([1; 32]),
        created_at: now(),
        expires_at: None,
        last_used_at: None,
        rotated_at: None,
        revoked_at: None,
    }
}

fn caller(scope: Scope) -> Principal {
    ApiKey { role: Role::Admin, ..key(scope) }.principal().unwrap()
}

#[test]
fn a_key_is_good_until_it_expires_or_is_revoked() {
    let forever = key(Scope::AllProjects);
    assert!(forever.is_good(now()));
    let short = ApiKey { expires_at: Some(now() + second()), ..forever.clone() };
    assert!(short.is_good(now()));
    assert!(!short.is_good(now() + second()), "at the instant itself it is not");
    assert!(!ApiKey { revoked_at: Some(now()), ..forever }.is_good(now()));
}

#[test]
fn an_unbound_key_speaks_for_an_agent_named_after_it() {
    assert_eq!(key(Scope::AllProjects).principal().unwrap().agent.as_str(), "key-k1");
    let agent = AgentId::parse("ann").unwrap();
    let bound = ApiKey { agent: Some(agent.clone()), ..key(Scope::AllProjects) };
    assert_eq!(bound.principal().unwrap().agent, agent);
}

#[test]
fn the_longest_key_name_still_makes_an_agent() {
    let id = KeyId::parse(&"k".repeat(KeyId::BYTES_MAX)).unwrap();
    assert!(agent_of_unbound_key(&id).is_ok());
}

#[test]
fn keys_are_managed_within_ones_own_scope() {
    assert_eq!(manageable(&caller(Scope::AllProjects), &project("a")), Ok(()));
    assert_eq!(manageable(&caller(Scope::AllProjects), &Scope::AllProjects), Ok(()));
    assert_eq!(manageable(&caller(project("a")), &project("a")), Ok(()));
    let other = manageable(&caller(project("a")), &project("b"));
    assert!(matches!(other, Err(Denial::OtherProject { .. })));
    assert_eq!(manageable(&caller(project("a")), &Scope::AllProjects), Err(Denial::NeedsAllProjects));
}

#[test]
fn a_new_key_must_fit_the_caller_and_end_in_the_future() {
    let caller = caller(project("a"));
    assert_eq!(create(&caller, key(project("a")), now()), Ok(key(project("a"))));
    assert!(matches!(create(&caller, key(project("b")), now()), Err(KeyRefusal::Denied(_))));
    let passed = ApiKey { expires_at: Some(now()), ..key(project("a")) };
    assert_eq!(create(&caller, passed, now()), Err(KeyRefusal::ExpiryPassed));
    let future = ApiKey { expires_at: Some(now() + second()), ..key(project("a")) };
    assert!(create(&caller, future, now()).is_ok());
}

#[test]
fn a_rotation_replaces_the_secret_and_nothing_else() {
    let before = key(project("a"));
    let after = rotate(&caller(project("a")), Some(before.clone()), &before.id, SecretHash([2; 32]), now()).unwrap();
    assert_eq!(after, ApiKey { secret_hash: SecretHash([2; 32]), rotated_at: Some(now()), ..before });
}

#[test]
fn a_revoked_key_is_changed_no_more() {
    let caller = caller(project("a"));
    let revoked = revoke(&caller, Some(key(project("a"))), &caller.key, now()).unwrap();
    assert_eq!(revoked.revoked_at, Some(now()));
    let refusal = Err(KeyRefusal::Revoked { id: revoked.id.clone(), at: now() });
    assert_eq!(revoke(&caller, Some(revoked.clone()), &revoked.id, now() + second()), refusal);
    assert_eq!(rotate(&caller, Some(revoked.clone()), &revoked.id, SecretHash([2; 32]), now()), refusal);
}

#[test]
fn a_key_of_another_project_is_as_unknown_as_none() {
    let id = KeyId::parse("k1").unwrap();
    let unknown = Err(KeyRefusal::Unknown { id: id.clone() });
    for found in [None, Some(key(project("b"))), Some(key(Scope::AllProjects))] {
        assert_eq!(revoke(&caller(project("a")), found.clone(), &id, now()), unknown);
        assert_eq!(rotate(&caller(project("a")), found, &id, SecretHash([2; 32]), now()), unknown);
    }
}

#[test]
fn a_hash_is_never_printed() {
    assert_eq!(format!("{:?}", SecretHash([65; 32])), "SecretHash(****)");
}
