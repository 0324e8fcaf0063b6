//! Who may do what, as whom, where.

use super::*;

fn project(name: &str) -> ProjectId {
    ProjectId::parse(name).unwrap()
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn caller(scope: Scope, role: Role) -> Principal {
    Principal {
        key: KeyId::parse("k").unwrap(),
        scope,
        agent: agent("ann"),
        agent_type: AgentType::parse("ci").unwrap(),
        role,
    }
}

#[test]
fn each_action_has_a_least_role_and_greater_ones_may_too() {
    use Role::{Admin, Agent, Orchestrator};
    for (action, allowed) in [
        (Action::UseLocks, [true, true, true]),
        (Action::UseAgents, [true, true, true]),
        (Action::SteerAgents, [false, true, true]),
        (Action::ForceRelease, [false, true, true]),
        (Action::ReadAllAudit, [false, true, true]),
        (Action::ManageKeys, [false, false, true]),
        (Action::ManageProjects, [false, false, true]),
    ] {
        let asked = [Agent, Orchestrator, Admin].map(|role| authorize(&caller(Scope::AllProjects, role), action));
        assert_eq!(asked.clone().map(|answer| answer.is_ok()), allowed, "{action:?}");
        for denial in asked.into_iter().filter_map(Result::err) {
            assert!(matches!(denial, Denial::Role { needed, has } if needed == action.least_role() && has < needed));
        }
    }
}

#[test]
fn nobody_speaks_as_somebody_else_whatever_the_role() {
    let admin = caller(Scope::AllProjects, Role::Admin);
    assert_eq!(speaks_for(&admin, &agent("ann")), Ok(()));
    let denial = Denial::OtherAgent { bound: agent("ann"), claimed: agent("bob") };
    assert_eq!(speaks_for(&admin, &agent("bob")), Err(denial));
}

#[test]
fn acting_for_all_projects_needs_the_role_and_the_scope() {
    let bound = Scope::Project(project("a"));
    let ask = |scope, role| authorize_all_projects(&caller(scope, role), Action::ManageProjects);
    assert_eq!(ask(Scope::AllProjects, Role::Admin), Ok(()));
    assert_eq!(ask(bound, Role::Admin), Err(Denial::NeedsAllProjects));
    assert!(matches!(ask(Scope::AllProjects, Role::Orchestrator), Err(Denial::Role { .. })));
}

#[test]
fn a_call_runs_in_the_project_of_its_key() {
    let bound = caller(Scope::Project(project("a")), Role::Admin);
    let of = |principal: &Principal, named: Option<&str>| {
        project_of(principal, named.map(project), project("default")).map(|id| id.as_str().to_owned())
    };
    assert_eq!(of(&bound, None).as_deref(), Ok("a"));
    assert_eq!(of(&bound, Some("a")).as_deref(), Ok("a"));
    assert_eq!(of(&bound, Some("b")), Err(Denial::OtherProject { bound: project("a"), claimed: project("b") }));
    let free = caller(Scope::AllProjects, Role::Agent);
    assert_eq!(of(&free, None).as_deref(), Ok("default"));
    assert_eq!(of(&free, Some("b")).as_deref(), Ok("b"));
}

#[test]
fn roles_have_one_name_each_way() {
    for role in [Role::Agent, Role::Orchestrator, Role::Admin] {
        assert_eq!(Role::parse(role.as_str()), Some(role));
        assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
    }
    assert_eq!(Role::parse("Admin"), None);
}
