use super::*;
use crate::messages::samples::*;

#[test]
fn named_agents_are_1_to_100() {
    let named = |count: u32| (0..count).map(|number| agent(&format!("a{number}"))).collect::<BTreeSet<_>>();
    assert!(Named::try_new(named(1)).is_ok() && Named::try_new(named(100)).is_ok());
    assert_eq!(Named::try_new(named(0)), Err(InvalidNamed { given: 0 }));
    assert_eq!(Named::try_new(named(101)), Err(InvalidNamed { given: 101 }));
}

fn everything() -> Recipient {
    Recipient {
        role: Role::Admin,
        environments: BTreeSet::from([environment("cloud"), environment("railway")]),
        capabilities: BTreeSet::from([capability("rust")]),
        groups: BTreeMap::from([(group("crew"), Number::new(7))]),
        ..recipient("ann")
    }
}

#[test]
fn who_belongs_to_an_audience() {
    let (all, none) = (everything(), recipient("bob"));
    let of_all = [
        Audience::Group(group("crew")),
        Audience::Environment(environment("railway")),
        Audience::Environment(environment("cloud")),
        Audience::Capability(capability("rust")),
        Audience::Orchestrators,
        Audience::Agents(Named::one(agent("ann"))),
    ];
    for audience in of_all {
        assert!(audience.includes(&all) && !audience.includes(&none), "{audience:?}");
    }
    assert!(Audience::Everyone.includes(&all) && Audience::Everyone.includes(&none));
    // Names of one kind do not stand for another.
    assert!(!Audience::Group(group("rust")).includes(&all));
    assert!(!Audience::Environment(environment("crew")).includes(&all));
}

#[test]
fn a_broadcast_brings_nothing_to_its_sender_or_to_who_came_later() {
    let to_crew = broadcast(8, Audience::Group(group("crew")));
    assert!(everything().gets(&to_crew));
    assert!(!everything().gets(&Message { number: Number::new(7), ..to_crew.clone() }), "joined after it");
    let sender = Recipient { agent: agent("sam"), ..everything() };
    assert!(!sender.gets(&to_crew), "its own");
    let late = |at| Recipient { registered_at: at, ..everything() };
    assert!(late(to_crew.at).gets(&to_crew));
    assert!(!late(to_crew.at + chrono::TimeDelta::microseconds(1)).gets(&to_crew));
    assert!(!everything().gets(&Message { is_broadcast: false, ..to_crew.clone() }), "its deliveries are there");
    assert!(everything().gets(&Message { sender: crate::messages::message::Sender::System, ..to_crew }));
}

#[test]
fn a_record_is_a_recipient_until_it_is_deregistered() {
    let principal = crate::identity::principal::Principal {
        key: crate::ids::KeyId::parse("k").unwrap(),
        scope: crate::identity::principal::Scope::AllProjects,
        agent: agent("ann"),
        agent_type: crate::ids::AgentType::parse("ci").unwrap(),
        role: Role::Orchestrator,
    };
    let record = AgentRecord {
        environment: crate::agents::environment::EnvironmentKind::Cloud,
        tag: Some(crate::agents::environment::EnvironmentTag::parse("railway").unwrap()),
        capabilities: BTreeSet::from([capability("rust")]),
        owner: Some(agent("sue")),
        ..AgentRecord::of_key(crate::ids::ProjectId::parse("p").unwrap(), &principal, at(3))
    };
    let groups = BTreeMap::from([(group("crew"), Number::new(7))]);
    let expected =
        Recipient { role: Role::Orchestrator, owner: Some(agent("sue")), registered_at: at(3), ..everything() };
    assert_eq!(Recipient::of(&record, groups.clone()), Some(expected));
    let gone = AgentRecord { deregistered_at: Some(at(4)), ..record };
    assert_eq!(Recipient::of(&gone, groups), None);
}
