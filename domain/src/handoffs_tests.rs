use super::*;
use crate::handoffs::content::{Content, FileName, Item, Lists};
use crate::handoffs::listing::{HandoffFilter, SearchWords};
use crate::ids::TaskId;
use crate::locks::key::LockKey;
use crate::locks::lease::{Lease, Mode, Token};
use crate::locks::stored::StoredLease;
use crate::work::name::Capability;
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

fn holder(who: &str, in_session: &str) -> Holder {
    Holder { agent: agent(who), session: session(in_session) }
}

fn token(value: i64) -> Token {
    Token::try_new(value).unwrap()
}

/// Somebody in the session of the same name.
fn somebody(name: &str) -> Candidate {
    Candidate { agent: agent(name), session: Some(session(name)), capabilities: BTreeSet::new() }
}

fn able(name: &str, capability: &str) -> Candidate {
    let capabilities = BTreeSet::from([Capability::parse(capability).unwrap()]);
    Candidate { capabilities, ..somebody(name) }
}

/// What Ann, in the session `ann`, writes.
fn draft(offer: Offer) -> Draft {
    Draft {
        id: HandoffId::new(Uuid::from_u128(7)),
        from: Giver { agent: agent("ann"), session: Some(session("ann")) },
        summary: Summary::parse("Half of the Parser is done").unwrap(),
        offer,
        to_move: ToMove::default(),
        length: OfferLength::try_new(60).unwrap(),
    }
}

fn offered(offer: Offer) -> Handoff {
    Handoff::write(draft(offer), &Held::default(), at(0)).unwrap()
}

fn to_agent(name: &str) -> Offer {
    Offer::Agent { agent: agent(name) }
}

fn to_capability(name: &str) -> Offer {
    Offer::Capability { capability: Capability::parse(name).unwrap() }
}

fn lease(number: i64, of: &str) -> StoredLease {
    let lease = Lease {
        key: LockKey::parse(&format!("src/{number}.rs")).unwrap(),
        mode: Mode::Exclusive,
        holder: holder(of, of),
        token: token(number),
        granted_at: at(0),
        expires_at: at(100),
        reason: None,
    };
    StoredLease { lease, session_until: at(50) }
}

#[test]
fn the_giver_must_hold_what_it_names_and_is_told_each_thing_it_does_not() {
    let task = TaskId::new(Uuid::from_u128(1));
    let to_move =
        ToMove { locks: BTreeSet::from([token(1), token(2), token(3)]), tasks: BTreeMap::from([(task, token(9))]) };
    let wanted = Draft { to_move, ..draft(Offer::Next) };
    let held = Held { locks: vec![lease(1, "ann"), lease(2, "bob")], tasks: Vec::new() };
    let not = |named, stays| NotMoved { named, stays };
    let not_held = vec![
        not(Named::Lock { token: token(2) }, Stays::WithOther { holder: holder("bob", "bob") }),
        not(Named::Lock { token: token(3) }, Stays::Unknown),
        not(Named::Task { task, token: token(9) }, Stays::Unknown),
    ];
    assert_eq!(Handoff::write(wanted.clone(), &held, at(1)), Err(HandoffRefusal::NotHeld { not_held }));
    let to_move = ToMove { locks: BTreeSet::from([token(1)]), tasks: BTreeMap::new() };
    let one = Draft { to_move: to_move.clone(), ..wanted };
    assert_eq!(Handoff::write(one.clone(), &held, at(49)).unwrap().to_move, to_move);
    let ended = vec![not(Named::Lock { token: token(1) }, Stays::Ended)];
    let refused = Handoff::write(one, &held, at(50));
    assert_eq!(refused, Err(HandoffRefusal::NotHeld { not_held: ended }), "its session has ended");
}

#[test]
fn without_a_session_nobody_holds_anything() {
    let to_move = ToMove { locks: BTreeSet::from([token(1)]), tasks: BTreeMap::new() };
    let from = Giver { agent: agent("ann"), session: None };
    let wanted = Draft { from, to_move, ..draft(Offer::Next) };
    let held = Held { locks: vec![lease(1, "ann")], tasks: Vec::new() };
    assert!(matches!(Handoff::write(wanted, &held, at(1)), Err(HandoffRefusal::NotHeld { .. })));
}

#[test]
fn a_record_is_for_everybody_to_read_and_for_nobody_to_take() {
    let record = offered(Offer::Nobody);
    assert_eq!((record.status(), record.expires_at), (Status::Written, None));
    let refused = Err(HandoffRefusal::NotOffered { id: record.id });
    assert_eq!(record.accept(&somebody("bob"), at(1)), refused);
    assert!(record.decline(&somebody("bob"), None, at(1)).is_err());
    assert!(record.withdraw(&agent("ann"), None, at(1)).is_err());
    assert_eq!(record.as_of(at(1_000_000)).status(), Status::Written);
}

#[test]
fn it_is_taken_by_those_it_is_offered_to_alone() {
    let to_bob = offered(to_agent("bob"));
    assert_eq!(to_bob.accept(&somebody("bob"), at(1)), Ok(true));
    assert_eq!(to_bob.accept(&somebody("cat"), at(1)), Err(HandoffRefusal::NotForYou { id: to_bob.id }));
    let to_able = offered(to_capability("rust"));
    assert_eq!(to_able.accept(&able("cat", "rust"), at(1)), Ok(true));
    assert!(to_able.accept(&able("cat", "gpu"), at(1)).is_err());
    let next = offered(Offer::Next);
    assert_eq!(next.accept(&somebody("cat"), at(1)), Ok(true));
}

#[test]
fn no_session_takes_what_it_gave_but_the_next_of_the_same_agent_may() {
    for offer in [Offer::Next, to_agent("ann"), to_capability("rust")] {
        let handoff = offered(offer);
        let same = able("ann", "rust");
        assert_eq!(handoff.accept(&same, at(1)), Err(HandoffRefusal::OwnSession { id: handoff.id }));
        assert!(!handoff.is_open_to(&same));
        let next = Candidate { session: Some(session("ann-2")), ..same };
        assert_eq!(handoff.accept(&next, at(1)), Ok(true));
        assert!(handoff.is_open_to(&next));
    }
}

#[test]
fn one_session_takes_it_and_every_other_is_told_who() {
    let handoff = offered(Offer::Next);
    let taken = handoff.accepted(holder("bob", "bob"), Moved::default(), at(2));
    assert_eq!((taken.status(), taken.revision), (Status::Accepted, 2));
    assert_eq!(taken.accept(&somebody("bob"), at(3)), Ok(false), "it has it already");
    let other = Candidate { session: Some(session("bob-2")), ..somebody("bob") };
    for late in [somebody("cat"), other] {
        let by = holder("bob", "bob");
        assert_eq!(taken.accept(&late, at(3)), Err(HandoffRefusal::Taken { id: taken.id, by, at: at(2) }));
    }
    assert!(taken.withdraw(&agent("ann"), None, at(3)).is_err(), "what is taken is not taken back");
}

#[test]
fn an_offer_ends_at_its_instant_whether_anybody_notices_or_not() {
    let handoff = offered(to_agent("bob"));
    assert_eq!(handoff.expires_at, Some(at(60)));
    let just_before = at(60) - TimeDelta::microseconds(1);
    assert_eq!(handoff.accept(&somebody("bob"), just_before), Ok(true));
    let over = HandoffRefusal::Over { id: handoff.id, status: Status::Expired };
    assert_eq!(handoff.accept(&somebody("bob"), at(60)), Err(over));
    assert_eq!(handoff.expire(just_before), None);
    let expired = handoff.expire(at(99)).unwrap();
    assert_eq!(expired.state, State::Expired { at: at(60) }, "it is dated when it ended");
    assert_eq!(handoff.as_of(at(99)), expired);
    assert_eq!(expired.expire(at(100)), None, "once");
}

#[test]
fn one_agent_that_declines_ends_an_offer_to_it_and_hides_any_other() {
    let to_bob = offered(to_agent("bob"));
    let Declined::Ended(declined) = to_bob.decline(&somebody("bob"), None, at(5)).unwrap() else { panic!("it stands") };
    assert_eq!(declined.state, State::Declined { by: agent("bob"), at: at(5), reason: None });
    let over = HandoffRefusal::Over { id: to_bob.id, status: Status::Declined };
    assert_eq!(declined.accept(&somebody("bob"), at(6)), Err(over));
    assert!(to_bob.decline(&somebody("cat"), None, at(5)).is_err(), "it is not hers to decline");
    assert_eq!(offered(Offer::Next).decline(&somebody("cat"), None, at(5)), Ok(Declined::Hidden));
    assert_eq!(offered(to_capability("gpu")).decline(&able("cat", "gpu"), None, at(5)), Ok(Declined::Hidden));
}

#[test]
fn only_its_giver_takes_it_back_and_from_any_session() {
    let handoff = offered(Offer::Next);
    let refused = HandoffRefusal::NotGiver { id: handoff.id, giver: agent("ann") };
    assert_eq!(handoff.withdraw(&agent("bob"), None, at(1)), Err(refused));
    let withdrawn = handoff.withdraw(&agent("ann"), None, at(1)).unwrap();
    assert_eq!(withdrawn.status(), Status::Withdrawn);
    assert_eq!(withdrawn.over_since(), Some(at(1)));
    assert!(withdrawn.withdraw(&agent("ann"), None, at(2)).is_err());
}

#[test]
fn the_length_of_an_offer_and_what_goes_over_have_limits() {
    assert!(OfferLength::try_new(0).is_err());
    assert!(OfferLength::try_new(OfferLength::SECONDS_MAX).is_ok());
    assert!(OfferLength::try_new(OfferLength::SECONDS_MAX + 1).is_err());
    let tokens = |count: i64| (1..=count).map(token).collect::<BTreeSet<_>>();
    assert!(ToMove::try_new(tokens(64), BTreeMap::new()).is_ok());
    assert_eq!(ToMove::try_new(tokens(65), BTreeMap::new()).unwrap_err().field, "locks");
}

#[test]
fn filters_must_all_fit() {
    let handoff = offered(to_agent("bob"));
    let lists = Lists {
        next_steps: vec![Item::parse("Measure the LEXER").unwrap()],
        files: BTreeSet::from([FileName::parse("src/parser.rs").unwrap()]),
        ..Lists::default()
    };
    let content = Content::try_new(lists).unwrap();
    let nobody = BTreeSet::new();
    let passes = |filter: HandoffFilter, now| filter.accepts(&handoff, &content, &nobody, now);
    let any = HandoffFilter::default;
    assert!(passes(any(), at(1)));
    assert!(passes(HandoffFilter { from: Some(agent("ann")), ..any() }, at(1)));
    assert!(!passes(HandoffFilter { from: Some(agent("bob")), ..any() }, at(1)));
    assert!(passes(HandoffFilter { to: Some(agent("bob")), ..any() }, at(1)));
    assert!(!passes(HandoffFilter { to: Some(agent("cat")), ..any() }, at(1)));
    let file = |text| HandoffFilter { file: Some(FileName::parse(text).unwrap()), ..any() };
    assert!(passes(file("./src//parser.rs"), at(1)));
    assert!(!passes(file("src/lexer.rs"), at(1)));
    let words = |text| HandoffFilter { words: Some(SearchWords::parse(text).unwrap()), ..any() };
    assert!(passes(words("lexer PARSER"), at(1)));
    assert!(!passes(words("lexer tokens"), at(1)));
    let status = |status| HandoffFilter { status: Some(status), ..any() };
    assert!(passes(status(Status::Offered), at(59)));
    assert!(!passes(status(Status::Offered), at(60)));
    assert!(passes(status(Status::Expired), at(60)));
    let offered_to = |who: &str| HandoffFilter { offered_to: Some(somebody(who)), ..any() };
    assert!(passes(offered_to("bob"), at(59)));
    assert!(!passes(offered_to("bob"), at(60)));
    assert!(!passes(offered_to("cat"), at(1)));
    assert!(!offered_to("bob").accepts(&handoff, &content, &BTreeSet::from([agent("bob")]), at(1)), "he declined");
}

#[test]
fn questions_have_limits() {
    assert!(SearchWords::parse("one two three four five six seven eight").is_ok());
    for bad in ["", "   ", "1 2 3 4 5 6 7 8 9", &"x".repeat(257), "a\u{0}b"] {
        assert!(SearchWords::parse(bad).is_err(), "{bad:?}");
    }
}
