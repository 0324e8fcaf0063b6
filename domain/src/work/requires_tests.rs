use super::*;
use crate::ids::SessionId;

fn claimant() -> Claimant {
    Claimant {
        holder: Holder { agent: AgentId::parse("ann").unwrap(), session: SessionId::parse("ann/1").unwrap() },
        agent_type: AgentType::parse("worker").unwrap(),
        capabilities: BTreeSet::from([Capability::parse("rust").unwrap()]),
        environment: Some(Environment::parse("ci").unwrap()),
        trust: Trust::STANDARD,
    }
}

fn lacks(asked: Asked) -> Vec<Lack> {
    Requires::try_new(asked).unwrap().lacks(&claimant(), &AgentId::parse("ann").unwrap())
}

#[test]
fn who_is_asked_for_nothing_lacks_nothing() {
    assert!(lacks(Asked::default()).is_empty());
}

#[test]
fn everything_that_lacks_is_told() {
    let gpu = Capability::parse("gpu").unwrap();
    let laptop = Environment::parse("laptop").unwrap();
    let kinds = BTreeSet::from([AgentType::parse("reviewer").unwrap()]);
    let asked = Asked {
        capabilities: BTreeSet::from([gpu.clone(), Capability::parse("rust").unwrap()]),
        environment: Some(laptop.clone()),
        trust_min: Some(Trust::try_new(3).unwrap()),
        agent_types: kinds.clone(),
        not_submitter: true,
    };
    let expected = [
        Lack::Capability(gpu),
        Lack::Environment(laptop),
        Lack::Trust(Trust::try_new(3).unwrap()),
        Lack::AgentType(kinds),
        Lack::SubmittedIt,
    ];
    assert_eq!(lacks(asked), expected);
}

#[test]
fn one_of_several_kinds_is_enough() {
    let kinds = ["reviewer", "worker"].map(|kind| AgentType::parse(kind).unwrap());
    assert!(lacks(Asked { agent_types: BTreeSet::from(kinds), ..Asked::default() }).is_empty());
}

#[test]
fn there_are_at_most_32_names_of_a_sort() {
    let names = |count: usize| (0..count).map(|n| Capability::parse(&format!("c{n}")).unwrap()).collect();
    assert!(Requires::try_new(Asked { capabilities: names(32), ..Asked::default() }).is_ok());
    let refused = Requires::try_new(Asked { capabilities: names(33), ..Asked::default() });
    assert_eq!(refused, Err(InvalidRequires { what: "capabilities", given: 33 }));
}

#[test]
fn a_requirement_nobody_knows_is_not_passed_over() {
    assert!(serde_json::from_str::<Requires>(r#"{"capability": ["gpu"]}"#).is_err());
    assert_eq!(serde_json::from_str::<Requires>("{}").unwrap(), Requires::default());
}
