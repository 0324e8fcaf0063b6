use super::*;
use crate::messages::samples::*;

fn mover(name: &str, role: Role) -> Mover {
    Mover { agent: agent(name), role }
}

fn standing() -> Standing {
    Standing { member: None, members: 0, groups: 0, groups_of_agent: 0, last_number: Number::new(5), now: at(1) }
}

fn member() -> Member {
    Member {
        group: group("crew"),
        agent: agent("ann"),
        after: Number::new(5),
        joined_at: at(1),
        added_by: agent("ann"),
    }
}

fn ann_joins(standing: &Standing) -> Result<Option<Member>, MessageRefusal> {
    join(&group("crew"), &agent("ann"), &mover("ann", Role::Agent), standing)
}

#[test]
fn an_agent_moves_itself_and_orchestrators_move_others() {
    assert_eq!(ann_joins(&standing()), Ok(Some(member())));
    let refused = MessageRefusal::NotYourMembership { agent: agent("ann") };
    let (bob, boss) = (mover("bob", Role::Agent), mover("boss", Role::Orchestrator));
    assert_eq!(join(&group("crew"), &agent("ann"), &bob, &standing()), Err(refused.clone()));
    let added = join(&group("crew"), &agent("ann"), &boss, &standing()).unwrap();
    assert_eq!(added, Some(Member { added_by: agent("boss"), ..member() }));
    assert_eq!(leave(&group("crew"), &agent("ann"), &bob, Some(member())), Err(refused));
    assert_eq!(leave(&group("crew"), &agent("ann"), &boss, Some(member())), Ok(member()));
    assert_eq!(leave(&group("crew"), &agent("ann"), &mover("ann", Role::Agent), Some(member())), Ok(member()));
}

#[test]
fn joining_twice_changes_nothing_and_leaving_twice_is_told() {
    assert_eq!(ann_joins(&Standing { member: Some(member()), members: MEMBERS_MAX, ..standing() }), Ok(None));
    let gone = leave(&group("crew"), &agent("ann"), &mover("ann", Role::Agent), None);
    assert_eq!(gone, Err(MessageRefusal::NotInGroup { group: group("crew"), agent: agent("ann") }));
}

#[test]
fn groups_members_and_memberships_have_limits() {
    let full = Standing { members: MEMBERS_MAX, groups: 1, ..standing() };
    assert_eq!(ann_joins(&full), Err(MessageRefusal::GroupFull { group: group("crew") }));
    assert!(ann_joins(&Standing { members: MEMBERS_MAX - 1, ..full }).is_ok());
    let many = Standing { groups: GROUPS_MAX, ..standing() };
    assert_eq!(ann_joins(&many), Err(MessageRefusal::TooManyGroups));
    assert!(ann_joins(&Standing { members: 1, ..many }).is_ok(), "it is there already");
    let busy = Standing { groups_of_agent: AGENT_GROUPS_MAX, ..standing() };
    assert_eq!(ann_joins(&busy), Err(MessageRefusal::TooManyGroupsOfAgent { agent: agent("ann") }));
}
