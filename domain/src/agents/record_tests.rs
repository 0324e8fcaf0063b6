//! What a record says, and who may change it.

use super::*;
use crate::agents::wake::WakeMethod;
use crate::agents::{Offers, SessionTtl};
use crate::identity::principal::Scope;
use crate::ids::{KeyId, SessionId};
use crate::work::name::Environment;
use serde_json::json;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn id(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn project() -> ProjectId {
    ProjectId::parse("default").unwrap()
}

fn caller(name: &str, role: Role) -> Principal {
    Principal {
        key: KeyId::parse("k").unwrap(),
        scope: Scope::AllProjects,
        agent: id(name),
        agent_type: AgentType::parse("claude_code").unwrap(),
        role,
    }
}

fn record(name: &str) -> AgentRecord {
    AgentRecord::of_key(project(), &caller(name, Role::Agent), at(0))
}

fn session(environment: Option<&str>) -> Session {
    let capabilities = [Capability::parse("rust").unwrap()].into();
    let environment = environment.map(|name| Environment::parse(name).unwrap());
    Session {
        project: project(),
        id: SessionId::parse("s1").unwrap(),
        agent: id("ann"),
        is_default: false,
        ttl: SessionTtl::DEFAULT,
        offers: Offers { agent_type: AgentType::parse("ci").unwrap(), capabilities, environment },
        started_at: at(7),
        last_seen_at: at(8),
        live_until: at(900),
        ended_at: None,
    }
}

/// Sets or clears everything that can be set.
fn everything() -> AgentChange {
    AgentChange {
        display_name: Edit::Set(DisplayName::parse("Ann").unwrap()),
        environment: Some(EnvironmentKind::Cloud),
        tag: Edit::Set(EnvironmentTag::parse("railway").unwrap()),
        capabilities: Some([Capability::parse("gpu").unwrap()].into()),
        profile: Edit::Set(ProfileName::parse("careful").unwrap()),
        owner: Edit::Set(id("boss")),
        metadata: Some(Metadata::try_new(Map::from_iter([("a".to_owned(), json!(1))])).unwrap()),
        wake: Some(Wake { method: WakeMethod::Hook, ..Wake::UNKNOWN }),
    }
}

fn nothing() -> AgentChange {
    AgentChange::default()
}

#[test]
fn a_record_of_a_session_says_what_key_and_session_say() {
    for (environment, kind, tag) in [
        (None, EnvironmentKind::Other, None),
        (Some("pc"), EnvironmentKind::Pc, None),
        (Some("cloud"), EnvironmentKind::Cloud, None),
        (Some("ci"), EnvironmentKind::Ci, None),
        (Some("other"), EnvironmentKind::Other, None),
        (Some("railway"), EnvironmentKind::Other, Some("railway")),
        (Some("PC"), EnvironmentKind::Other, Some("PC")),
    ] {
        let record = AgentRecord::of_session(&session(environment), Role::Orchestrator);
        assert_eq!((record.environment, record.tag.as_ref().map(EnvironmentTag::as_str)), (kind, tag));
        assert_eq!((record.id, record.role, record.registered_at), (id("ann"), Role::Orchestrator, at(7)));
        assert_eq!((record.agent_type.as_str(), record.capabilities.len()), ("ci", 1));
        assert_eq!((record.updated_at, record.deregistered_at, record.wake), (at(7), None, Wake::UNKNOWN));
    }
}

#[test]
fn registering_takes_kind_and_role_from_the_key_and_the_rest_from_the_caller() {
    let before = AgentRecord::of_session(&session(None), Role::Agent);
    let boss = caller("ann", Role::Orchestrator);
    let after = register_agent(&before, &boss, everything(), at(9)).unwrap();
    assert_eq!((after.agent_type.as_str(), after.role), ("claude_code", Role::Orchestrator));
    assert_eq!((after.registered_at, after.updated_at), (at(7), at(9)));
    assert_eq!(after.owner, Some(id("boss")));
    let again = register_agent(&after, &boss, everything(), at(10)).unwrap();
    assert_eq!(again, after, "doing so again changes nothing, not even the time");
    let kept = register_agent(&after, &boss, nothing(), at(11)).unwrap();
    assert_eq!(kept, after, "what is left out stays");
    let lower = register_agent(&after, &caller("ann", Role::Agent), nothing(), at(12)).unwrap();
    assert_eq!(lower, AgentRecord { role: Role::Agent, updated_at: at(12), ..after });
}

#[test]
fn nobody_registers_somebody_else_whatever_the_role() {
    let refused = register_agent(&record("bob"), &caller("ann", Role::Admin), nothing(), at(1));
    assert_eq!(refused, Err(Denial::OtherAgent { bound: id("ann"), claimed: id("bob") }.into()));
}

#[test]
fn who_comes_back_is_registered_anew_and_keeps_what_was_known() {
    let gone = deregister_agent(&caller("ann", Role::Agent), &id("ann"), Some(&record("ann")), at(5)).unwrap();
    assert_eq!((gone.deregistered_at, gone.updated_at, gone.is_registered()), (Some(at(5)), at(5), false));
    let back = register_agent(&gone, &caller("ann", Role::Agent), nothing(), at(9)).unwrap();
    assert_eq!(back, AgentRecord { registered_at: at(9), updated_at: at(9), ..record("ann") });
}

#[test]
fn an_agent_changes_itself_and_an_orchestrator_anybody() {
    let change = |who: &Principal, found| update_agent(who, &id("ann"), found, everything(), at(3));
    let record = record("ann");
    let denied = AgentRefusal::Denied(Denial::Role { needed: Role::Orchestrator, has: Role::Agent });
    assert_eq!(change(&caller("bob", Role::Agent), Some(&record)), Err(denied.clone()));
    assert_eq!(change(&caller("bob", Role::Agent), None), Err(denied.clone()), "nor is told who is there");
    let own = change(&caller("ann", Role::Agent), Some(&record)).unwrap();
    assert_eq!(change(&caller("boss", Role::Orchestrator), Some(&record)), Ok(own.clone()));
    assert_eq!(change(&caller("root", Role::Admin), Some(&record)), Ok(own.clone()));
    assert_eq!((own.agent_type, own.role, own.updated_at), (record.agent_type.clone(), Role::Agent, at(3)));
    assert_eq!(change(&caller("boss", Role::Admin), None), Err(AgentRefusal::Unknown { id: id("ann") }));
    let end = |who: &Principal, found| deregister_agent(who, &id("ann"), found, at(4));
    assert_eq!(end(&caller("bob", Role::Agent), Some(&record)), Err(denied));
    assert!(end(&caller("boss", Role::Orchestrator), Some(&record)).is_ok_and(|gone| !gone.is_registered()));
    assert_eq!(end(&caller("ann", Role::Agent), None), Err(AgentRefusal::Unknown { id: id("ann") }));
}

#[test]
fn everything_can_be_set_and_what_may_be_missing_cleared() {
    let ann = caller("ann", Role::Agent);
    let update = |before: &AgentRecord, change| update_agent(&ann, &id("ann"), Some(before), change, at(3)).unwrap();
    let full = update(&record("ann"), everything());
    assert_eq!(full.display_name.as_ref().map(DisplayName::as_str), Some("Ann"));
    assert_eq!((full.environment, full.capabilities.len()), (EnvironmentKind::Cloud, 1));
    assert_eq!((full.metadata.object().len(), full.wake.method), (1, WakeMethod::Hook));
    assert_eq!((full.tag.is_some(), full.profile.is_some(), full.owner.is_some()), (true, true, true));
    assert_eq!(update(&full, nothing()), full);
    let cleared = AgentChange {
        display_name: Edit::Clear,
        tag: Edit::Clear,
        profile: Edit::Clear,
        owner: Edit::Clear,
        ..nothing()
    };
    let expected = AgentRecord { display_name: None, tag: None, profile: None, owner: None, ..full.clone() };
    assert_eq!(update(&full, cleared), expected);
}

#[test]
fn who_is_deregistered_is_not_changed_and_stays_so_since_the_first_time() {
    let ann = caller("ann", Role::Agent);
    let gone = deregister_agent(&ann, &id("ann"), Some(&record("ann")), at(5)).unwrap();
    let refused = update_agent(&ann, &id("ann"), Some(&gone), everything(), at(6));
    assert_eq!(refused, Err(AgentRefusal::Deregistered { id: id("ann"), deregistered_at: at(5) }));
    assert_eq!(deregister_agent(&ann, &id("ann"), Some(&gone), at(6)), Ok(gone));
}

#[test]
fn metadata_has_a_limit_to_the_byte() {
    let of = |length: usize| Metadata::try_new(Map::from_iter([("a".to_owned(), json!("x".repeat(length)))]));
    let frame = r#"{"a":""}"#.len();
    assert!(of(Metadata::BYTES_MAX - frame).is_ok());
    assert_eq!(of(Metadata::BYTES_MAX - frame + 1), Err(InvalidMetadata { bytes: Metadata::BYTES_MAX + 1 }));
    assert!(serde_json::from_value::<Metadata>(json!({ "a": "x".repeat(Metadata::BYTES_MAX) })).is_err());
    assert!(serde_json::from_value::<Metadata>(json!([1])).is_err());
}

#[test]
fn names_read_back_what_they_show() {
    for kind in EnvironmentKind::ALL {
        assert_eq!(EnvironmentKind::parse(kind.as_str()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    for method in WakeMethod::ALL {
        assert_eq!(WakeMethod::parse(method.as_str()), Some(method));
        assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
    }
    assert_eq!((EnvironmentKind::parse("CI"), WakeMethod::parse("")), (None, None));
}
