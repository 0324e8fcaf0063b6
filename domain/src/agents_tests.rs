//! Whose session a call runs in.

use super::*;
use chrono::TimeDelta;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn session_id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn request(agent: &str, named: Option<&str>) -> SessionRequest {
    SessionRequest {
        project: ProjectId::parse("default").unwrap(),
        agent: AgentId::parse(agent).unwrap(),
        named: named.map(session_id),
    }
}

fn session(agent: &str, id: &str, is_default: bool) -> Session {
    let SessionRequest { project, agent, .. } = request(agent, None);
    Session { project, id: session_id(id), agent, is_default, started_at: now(), ended_at: None }
}

fn resolved(request: SessionRequest, found: Option<Session>) -> Result<Resolved, SessionRefusal> {
    resolve(request, found, session_id("fresh"), now())
}

#[test]
fn a_named_session_starts_with_its_first_call() {
    let started = resolved(request("ann", Some("s1")), None);
    assert_eq!(started, Ok(Resolved::Started(session("ann", "s1", false))));
}

#[test]
fn a_call_that_names_no_session_starts_a_default_one_under_the_fresh_name() {
    let started = resolved(request("ann", None), None);
    assert_eq!(started, Ok(Resolved::Started(session("ann", "fresh", true))));
}

#[test]
fn a_known_session_goes_on() {
    let known = session("ann", "s1", false);
    let again = resolved(request("ann", Some("s1")), Some(known.clone())).unwrap();
    assert_eq!(again, Resolved::Known(known.clone()));
    assert_eq!(again.session(), &known);
}

#[test]
fn a_session_belongs_to_the_agent_that_first_used_it_even_after_its_end() {
    let mut known = session("ann", "s1", false);
    let refusal = Err(SessionRefusal::NotYours { id: session_id("s1") });
    assert_eq!(resolved(request("bob", Some("s1")), Some(known.clone())), refusal);
    known.ended_at = Some(now());
    assert_eq!(resolved(request("bob", Some("s1")), Some(known)), refusal);
}

#[test]
fn an_ended_session_never_comes_back() {
    let ended = end(session("ann", "s1", false), now()).unwrap();
    let refusal = SessionRefusal::Ended { id: session_id("s1"), ended_at: now() };
    assert_eq!(resolved(request("ann", Some("s1")), Some(ended.clone())), Err(refusal.clone()));
    assert_eq!(end(ended, now() + TimeDelta::seconds(1)), Err(refusal));
}

#[test]
fn after_the_end_of_a_default_session_the_next_call_starts_another() {
    let ended = end(session("ann", "s1", true), now()).unwrap();
    let next = resolved(request("ann", None), Some(ended)).unwrap();
    assert_eq!(next, Resolved::Started(session("ann", "fresh", true)));
}
