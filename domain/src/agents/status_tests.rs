//! How an agent is judged.

use super::*;
use crate::identity::principal::{Principal, Role, Scope};
use crate::ids::{AgentId, AgentType, KeyId, ProjectId};
use chrono::TimeDelta;

const TTL: i64 = 900;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn micro() -> TimeDelta {
    TimeDelta::microseconds(1)
}

fn record() -> AgentRecord {
    let principal = Principal {
        key: KeyId::parse("k").unwrap(),
        scope: Scope::AllProjects,
        agent: AgentId::parse("ann").unwrap(),
        agent_type: AgentType::parse("ci").unwrap(),
        role: Role::Agent,
    };
    AgentRecord::of_key(ProjectId::parse("default").unwrap(), &principal, at(-5))
}

/// Heard from at an instant, with the default TTL.
fn seen(name: &str, seen_at: i64) -> SessionSigns {
    SessionSigns {
        id: SessionId::parse(name).unwrap(),
        ttl: SessionTtl::DEFAULT,
        started_at: at(0),
        last_seen_at: at(seen_at),
        live_until: at(seen_at + TTL),
        ended_at: None,
        tasks: Held::default(),
        locks: Held::default(),
        places: Held::default(),
    }
}

fn held(count: u32, since: i64) -> Held {
    Held { count, since: Some(at(since)) }
}

fn judged(sessions: Vec<SessionSigns>, now: DateTime<Utc>) -> Verdict {
    judge(&record(), &Signs { sessions }, now)
}

fn status(session: SessionSigns) -> Status {
    judged(vec![session], at(1)).status
}

fn kinds(verdict: &Verdict) -> Vec<GroundKind> {
    verdict.grounds.iter().map(|ground| ground.kind).collect()
}

#[test]
fn what_a_live_session_holds_says_how_the_agent_is() {
    let one = held(1, 0);
    let base = || seen("s1", 0);
    assert_eq!(status(base()), Status::Idle);
    assert_eq!(status(SessionSigns { locks: one, ..base() }), Status::Working);
    assert_eq!(status(SessionSigns { places: one, ..base() }), Status::Waiting);
    assert_eq!(status(SessionSigns { places: one, locks: one, ..base() }), Status::Waiting);
    assert_eq!(status(SessionSigns { tasks: one, ..base() }), Status::Working);
    assert_eq!(status(SessionSigns { tasks: one, places: one, ..base() }), Status::Working);
}

#[test]
fn one_of_many_sessions_is_enough_and_dead_ones_hold_nothing() {
    let busy = SessionSigns { tasks: held(1, 0), ..seen("s1", 0) };
    let waiting = SessionSigns { places: held(1, 0), ..seen("s2", 0) };
    assert_eq!(judged(vec![seen("s3", 0), waiting.clone(), busy.clone()], at(1)).status, Status::Working);
    assert_eq!(judged(vec![seen("s3", 0), waiting], at(1)).status, Status::Waiting);
    let dead = SessionSigns { live_until: at(1), ..busy.clone() };
    let ended = SessionSigns { ended_at: Some(at(500)), ..busy };
    assert_eq!(judged(vec![dead, ended, seen("s3", 0)], at(1)).status, Status::Idle);
}

#[test]
fn an_agent_is_unreachable_after_half_a_ttl_of_silence_of_all_its_sessions() {
    let half = at(TTL / 2);
    assert_eq!(judged(vec![seen("s1", 0)], half).status, Status::Idle);
    let silent = judged(vec![SessionSigns { tasks: held(1, 0), ..seen("s1", 0) }], half + micro());
    assert_eq!((silent.status, kinds(&silent)[0]), (Status::Unreachable, GroundKind::SessionSilent));
    assert!(kinds(&silent).contains(&GroundKind::Task), "what it holds is told all the same");
    assert_eq!(judged(vec![seen("s1", 0), seen("s2", 1)], half + micro()).status, Status::Idle);
}

#[test]
fn an_agent_is_dead_at_the_instant_its_last_session_is() {
    let end = at(TTL);
    assert_eq!(judged(vec![seen("s1", 0)], end - micro()).status, Status::Unreachable);
    let dead = judged(vec![seen("s1", 0), seen("s0", -9)], end);
    assert_eq!((dead.status, kinds(&dead)), (Status::Dead, vec![GroundKind::SessionEnded]));
    assert_eq!((dead.grounds[0].at, dead.last_seen_at), (end, Some(at(0))));
    assert_eq!(dead.grounds[0].session.as_ref().map(SessionId::as_str), Some("s1"), "the one that ended last");
    let ended = SessionSigns { ended_at: Some(at(1)), live_until: at(1), ..seen("s1", 0) };
    assert_eq!(judged(vec![ended], at(1)).status, Status::Dead);
}

#[test]
fn who_never_came_is_unreachable_and_who_left_is_dead() {
    let never = judged(Vec::new(), at(1));
    assert_eq!((never.status, kinds(&never)), (Status::Unreachable, vec![GroundKind::NeverSeen]));
    assert_eq!((never.grounds[0].at, never.last_seen_at), (at(-5), None));
    let gone = AgentRecord { deregistered_at: Some(at(2)), ..record() };
    let gone = judge(&gone, &Signs { sessions: vec![SessionSigns { tasks: held(1, 0), ..seen("s1", 1) }] }, at(3));
    assert_eq!((gone.status, kinds(&gone)), (Status::Dead, vec![GroundKind::Deregistered]));
    assert_eq!((gone.grounds[0].at, gone.last_seen_at), (at(2), Some(at(1))));
}

#[test]
fn the_most_telling_ground_comes_first_and_all_are_told() {
    let full = SessionSigns { tasks: held(2, 3), locks: held(4, 2), places: held(1, 5), ..seen("s1", 6) };
    let working = judged(vec![seen("s0", 7), full.clone()], at(8));
    let expected =
        [GroundKind::Task, GroundKind::Lock, GroundKind::SessionLive, GroundKind::SessionLive, GroundKind::Line];
    assert_eq!(kinds(&working), expected);
    assert_eq!(
        working.grounds[0],
        Ground { kind: GroundKind::Task, session: Some(full.id.clone()), at: at(3), until: None, count: 2 }
    );
    assert_eq!((working.grounds[2].at, working.grounds[2].until), (at(7), Some(at(7 + TTL))));
    let waiting = judged(vec![SessionSigns { tasks: Held::default(), ..full }], at(8));
    assert_eq!((waiting.status, kinds(&waiting)[0]), (Status::Waiting, GroundKind::Line));
}

#[test]
fn names_read_back_what_they_show() {
    for status in Status::ALL {
        assert_eq!(Status::parse(status.as_str()), Some(status));
    }
    assert_eq!(Status::parse("Dead"), None);
}
