//! Whose session a call runs in, and how long it lives.

use super::*;
use crate::work::name::Capability;

const TTL: i64 = 900;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn micro() -> TimeDelta {
    TimeDelta::microseconds(1)
}

fn session_id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn project() -> ProjectId {
    ProjectId::parse("default").unwrap()
}

fn offers(capabilities: &[&str]) -> Offers {
    let capabilities = capabilities.iter().map(|name| Capability::parse(name).unwrap()).collect();
    Offers { capabilities, ..Offers::of_type(AgentType::parse("ci").unwrap()) }
}

fn ttl(seconds: u32) -> SessionTtl {
    SessionTtl::try_new(seconds).unwrap()
}

fn request(agent_name: &str, named: Option<&str>) -> SessionRequest {
    SessionRequest {
        project: project(),
        agent: agent(agent_name),
        agent_type: offers(&[]).agent_type,
        named: named.map(session_id),
    }
}

/// Started and last seen at the start, with the default TTL.
fn session(agent_name: &str, id: &str, is_default: bool) -> Session {
    Session {
        project: project(),
        id: session_id(id),
        agent: agent(agent_name),
        is_default,
        ttl: SessionTtl::DEFAULT,
        offers: offers(&[]),
        started_at: at(0),
        last_seen_at: at(0),
        live_until: at(TTL),
        ended_at: None,
    }
}

fn resolved(request: SessionRequest, found: Session, now: DateTime<Utc>) -> Result<Resolved, SessionRefusal> {
    resolve(request, Some(found), session_id("fresh"), now)
}

fn registration(agent_name: &str, seconds: u32) -> Registration {
    Registration {
        project: project(),
        agent: agent(agent_name),
        id: session_id("s1"),
        ttl: ttl(seconds),
        offers: offers(&[]),
    }
}

fn unchanged(session: Session) -> Resolved {
    Resolved::Known { session, is_changed: false }
}

fn ended_refusal(ended_at: DateTime<Utc>) -> SessionRefusal {
    SessionRefusal::Ended { id: session_id("s1"), ended_at }
}

#[test]
fn a_ttl_of_a_session_lasts_30_seconds_to_a_day() {
    for (seconds, fits) in [(0, false), (29, false), (30, true), (86_400, true), (86_401, false), (u32::MAX, false)] {
        assert_eq!(SessionTtl::try_new(seconds).is_ok(), fits, "{seconds}");
        assert_eq!(serde_json::from_value::<SessionTtl>(seconds.into()).is_ok(), fits, "{seconds}");
    }
    assert_eq!(SessionTtl::default().seconds(), 900);
    assert_eq!(serde_json::to_value(ttl(60)).unwrap(), 60);
}

#[test]
fn a_named_session_starts_with_its_first_call() {
    let started = resolve(request("ann", Some("s1")), None, session_id("fresh"), at(0));
    assert_eq!(started, Ok(Resolved::Started(session("ann", "s1", false))));
}

#[test]
fn a_call_that_names_no_session_starts_a_default_one_under_the_fresh_name() {
    let started = resolve(request("ann", None), None, session_id("fresh"), at(0));
    assert_eq!(started, Ok(Resolved::Started(session("ann", "fresh", true))));
}

#[test]
fn a_known_session_goes_on() {
    let named = session("ann", "s1", false);
    assert_eq!(resolved(request("ann", Some("s1")), named.clone(), at(1)), Ok(unchanged(named.clone())));
    let default = session("ann", "d1", true);
    assert_eq!(resolved(request("ann", None), default.clone(), at(1)), Ok(unchanged(default)));
    assert_eq!(resolved(request("ann", Some("s1")), named.clone(), at(1)).unwrap().session(), &named);
}

#[test]
fn a_session_belongs_to_the_agent_that_first_used_it_even_after_its_end() {
    let known = session("ann", "s1", false);
    let refusal = Err(SessionRefusal::NotYours { id: session_id("s1") });
    let ended = end(known.clone(), at(1)).unwrap();
    for (found, now) in [(&known, at(1)), (&known, at(TTL)), (&ended, at(2))] {
        assert_eq!(resolved(request("bob", Some("s1")), found.clone(), now), refusal);
        assert_eq!(register(registration("bob", 60), Some(found.clone()), now), refusal);
        assert_eq!(heartbeat(&agent("bob"), &session_id("s1"), Some(found.clone()), now), refusal);
        assert_eq!(vouch(&request("bob", Some("s1")), Some(found.clone()), now).map(|_| ()), refusal.clone().map(|_| ()));
    }
    assert_eq!(resolved(request("bob", None), known, at(TTL)), refusal, "not even a default one that was mixed up");
}

#[test]
fn a_session_lives_for_its_ttl_and_not_a_microsecond_longer() {
    let known = session("ann", "s1", false);
    assert!(known.is_live(at(TTL) - micro()));
    assert!(!known.is_live(at(TTL)));
    assert!(!end(known, at(5)).unwrap().is_live(at(1)), "an end that is written down counts whatever the clock says");
}

#[test]
fn an_ended_session_never_comes_back() {
    let ended = end(session("ann", "s1", false), at(5)).unwrap();
    assert_eq!((ended.ended_at, ended.live_until), (Some(at(5)), at(5)));
    let refusal = ended_refusal(at(5));
    assert_eq!(resolved(request("ann", Some("s1")), ended.clone(), at(6)), Err(refusal.clone()));
    assert_eq!(register(registration("ann", 900), Some(ended.clone()), at(6)), Err(refusal.clone()));
    assert_eq!(heartbeat(&agent("ann"), &session_id("s1"), Some(ended.clone()), at(6)), Err(refusal.clone()));
    assert_eq!(vouch(&request("ann", Some("s1")), Some(ended.clone()), at(6)), Err(refusal.clone()));
    assert_eq!(offer(&ended, offers(&["gpu"]), at(6)), None);
    assert_eq!(seen(&ended, at(6)), None);
    assert_eq!(reap(&ended, at(6)), None);
    assert_eq!(end(ended, at(6)), Err(refusal));
}

#[test]
fn a_dead_session_never_comes_back_though_nobody_noticed_its_death() {
    let dead = session("ann", "s1", false);
    for now in [at(TTL), at(TTL) + TimeDelta::days(9)] {
        let refusal = ended_refusal(at(TTL));
        assert_eq!(resolved(request("ann", Some("s1")), dead.clone(), now), Err(refusal.clone()));
        assert_eq!(register(registration("ann", 900), Some(dead.clone()), now), Err(refusal.clone()));
        assert_eq!(register(registration("ann", 60), Some(dead.clone()), now), Err(refusal.clone()));
        assert_eq!(heartbeat(&agent("ann"), &session_id("s1"), Some(dead.clone()), now), Err(refusal.clone()));
        assert_eq!(vouch(&request("ann", Some("s1")), Some(dead.clone()), now), Err(refusal.clone()));
        assert_eq!(end(dead.clone(), now), Err(refusal));
        assert_eq!(offer(&dead, offers(&["gpu"]), now), None);
        assert_eq!(seen(&dead, now), None);
    }
}

#[test]
fn a_default_session_that_is_named_is_not_replaced() {
    let dead = session("ann", "s1", true);
    assert_eq!(resolved(request("ann", Some("s1")), dead, at(TTL)), Err(ended_refusal(at(TTL))));
}

#[test]
fn after_the_death_of_a_default_session_the_next_call_starts_another_and_notes_the_death() {
    let dead = session("ann", "s1", true);
    let next = resolved(request("ann", None), dead.clone(), at(TTL + 7)).unwrap();
    let now = at(TTL + 7);
    let started =
        Session { started_at: now, last_seen_at: now, live_until: at(TTL + 7 + TTL), ..session("ann", "fresh", true) };
    assert_eq!(next.session(), &started);
    let dead = Session { ended_at: Some(at(TTL)), ..dead };
    assert_eq!(next, Resolved::Replaced { dead, started });
}

#[test]
fn after_the_end_of_a_default_session_the_next_call_starts_another() {
    let ended = end(session("ann", "s1", true), at(0)).unwrap();
    let next = resolved(request("ann", None), ended, at(0)).unwrap();
    assert_eq!(next, Resolved::Started(session("ann", "fresh", true)));
}

#[test]
fn a_sign_of_life_is_written_down_when_a_tenth_of_the_ttl_has_passed() {
    let known = Session { ttl: ttl(60), live_until: at(60), ..session("ann", "s1", false) };
    assert_eq!(seen(&known, at(6) - micro()), None);
    let later = Session { last_seen_at: at(6), live_until: at(66), ..known.clone() };
    assert_eq!(seen(&known, at(6)), Some(later.clone()));
    assert_eq!(seen(&known, at(-100)), None, "a clock that went back is no sign");
    let changed = Ok(Resolved::Known { session: later, is_changed: true });
    assert_eq!(resolved(request("ann", Some("s1")), known.clone(), at(6)), changed);
    assert_eq!(heartbeat(&agent("ann"), &session_id("s1"), Some(known.clone()), at(6)), changed);
    assert_eq!(register(registration("ann", 60), Some(known.clone()), at(6)), changed);
    assert_eq!(heartbeat(&agent("ann"), &session_id("s1"), Some(known.clone()), at(5)), Ok(unchanged(known)));
}

#[test]
fn a_sign_of_life_at_the_last_moment_counts() {
    let known = session("ann", "s1", false);
    let last = at(TTL) - micro();
    let later = seen(&known, last).unwrap();
    assert_eq!((later.last_seen_at, later.live_until), (last, last + TimeDelta::seconds(TTL)));
    assert_eq!((later.started_at, later.ended_at), (known.started_at, None));
}

#[test]
fn a_session_is_registered_with_a_ttl_of_its_own() {
    let started = register(registration("ann", 30), None, at(0)).unwrap();
    let expected = Session { ttl: ttl(30), live_until: at(30), ..session("ann", "s1", false) };
    assert_eq!(started, Resolved::Started(expected));
}

#[test]
fn registering_again_is_the_same_session_and_never_brings_its_end_nearer() {
    let known = session("ann", "s1", false);
    assert_eq!(register(registration("ann", 900), Some(known.clone()), at(1)), Ok(unchanged(known.clone())));
    let longer = register(registration("ann", 3600), Some(known.clone()), at(1)).unwrap();
    let expected = Session { ttl: ttl(3600), last_seen_at: at(1), live_until: at(3601), ..known.clone() };
    assert_eq!(longer, Resolved::Known { session: expected, is_changed: true });
    let shorter = register(registration("ann", 30), Some(known.clone()), at(1)).unwrap();
    let expected = Session { ttl: ttl(30), last_seen_at: at(1), ..known };
    assert_eq!(shorter, Resolved::Known { session: expected.clone(), is_changed: true });
    assert_eq!(seen(&expected, at(100)).unwrap().live_until, at(TTL), "what was promised stands");
    assert_eq!(seen(&expected, at(880)).unwrap().live_until, at(910));
}

#[test]
fn a_heartbeat_starts_nothing() {
    let refusal = SessionRefusal::Unknown { id: session_id("s1") };
    assert_eq!(heartbeat(&agent("ann"), &session_id("s1"), None, at(0)), Err(refusal));
}

#[test]
fn a_call_beside_a_session_starts_none_and_is_a_sign_of_life() {
    let (named, unnamed) = (request("ann", Some("s1")), request("ann", None));
    for (request, known) in [(named, session("ann", "s1", false)), (unnamed, session("ann", "d1", true))] {
        assert_eq!(vouch(&request, None, at(0)), Ok(None));
        assert_eq!(vouch(&request, Some(known.clone()), at(89)), Ok(Some(unchanged(known.clone()))));
        let later = Session { last_seen_at: at(90), live_until: at(90 + TTL), ..known.clone() };
        let changed = Resolved::Known { session: later, is_changed: true };
        assert_eq!(vouch(&request, Some(known), at(90)), Ok(Some(changed)));
    }
}

#[test]
fn a_call_beside_a_default_session_that_has_died_neither_revives_nor_replaces_it() {
    let dead = session("ann", "d1", true);
    assert_eq!(vouch(&request("ann", None), Some(dead.clone()), at(TTL)), Ok(None));
    let refusal = SessionRefusal::Ended { id: session_id("d1"), ended_at: at(TTL) };
    assert_eq!(vouch(&request("ann", Some("d1")), Some(dead), at(TTL)), Err(refusal), "unless it is named");
}

#[test]
fn what_a_session_offers_is_that_of_the_last_time() {
    let first = Registration { offers: offers(&["rust"]), ..registration("ann", 900) };
    let known = register(first.clone(), None, at(0)).unwrap().session().clone();
    assert_eq!(known.offers, offers(&["rust"]));
    assert_eq!(register(first.clone(), Some(known.clone()), at(1)), Ok(unchanged(known.clone())));
    let other = Session { offers: offers(&["gpu"]), last_seen_at: at(1), live_until: at(1 + TTL), ..known.clone() };
    let again = register(Registration { offers: offers(&["gpu"]), ..first }, Some(known.clone()), at(1));
    assert_eq!(again, Ok(Resolved::Known { session: other.clone(), is_changed: true }));
    assert_eq!(offer(&known, offers(&["gpu"]), at(1)), Some(other));
    assert_eq!(offer(&known, offers(&["rust"]), at(890)), None, "nothing new, and no sign of life by itself");
}

#[test]
fn there_is_a_limit_to_what_a_session_offers() {
    let ci = || AgentType::parse("ci").unwrap();
    let many = |count: usize| (0..count).map(|number| Capability::parse(&format!("c{number}")).unwrap()).collect();
    assert_eq!(Offers::try_new(ci(), many(32), None).unwrap().capabilities.len(), 32);
    assert_eq!(Offers::try_new(ci(), many(33), None), Err(InvalidOffers { given: 33 }));
}

#[test]
fn a_death_is_written_down_once_at_the_instant_it_happened() {
    let known = session("ann", "s1", false);
    assert_eq!(reap(&known, at(TTL) - micro()), None);
    let dead = reap(&known, at(TTL + 50)).unwrap();
    assert_eq!(dead, Session { ended_at: Some(at(TTL)), ..known });
    assert_eq!(reap(&dead, at(TTL + 60)), None);
}
