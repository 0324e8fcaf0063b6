use super::*;
use uuid::Uuid;

const HOUR: Escalation = Escalation { after: Some(TimeDelta::hours(1)) };

fn id(number: u128) -> AlertId {
    AlertId::new(Uuid::from_u128(number))
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn wish(severity: Severity) -> Raise {
    Raise {
        dedup_key: DedupKey::parse("disk").unwrap(),
        severity,
        title: AlertTitle::parse("The disk is full").unwrap(),
        detail: None,
        times: 1,
    }
}

fn raised(severity: Severity) -> Alert {
    Alert::raise(id(1), &wish(severity), &agent("ada"), None, 0, at(0), HOUR).unwrap().alert
}

fn again(alert: &Alert, severity: Severity, minutes: i64) -> Raised {
    Alert::raise(id(2), &wish(severity), &agent("bob"), Some(alert), 1, at(minutes), HOUR).unwrap()
}

#[test]
fn the_same_thing_raises_the_count_and_tells_nobody_twice() {
    let first = raised(Severity::Warning);
    let second = again(&first, Severity::Warning, 5);
    assert!(!second.is_news);
    assert_eq!((second.alert.id, second.alert.count, second.alert.last_at), (id(1), 2, at(5)));
    assert_eq!((&second.alert.raised_by, second.alert.first_at), (&agent("ada"), at(0)));
    assert_eq!(second.alert.escalates_at, first.escalates_at, "raising it again does not put its escalation off");
    let milder = again(&second.alert, Severity::Info, 6);
    assert_eq!((milder.alert.severity, milder.is_news), (Severity::Warning, false));
    let many =
        Alert::raise(id(3), &Raise { times: 500, ..wish(Severity::Info) }, &agent("x"), Some(&first), 1, at(7), HOUR);
    assert_eq!(many.unwrap().alert.count, 501);
}

#[test]
fn what_became_worse_is_told_and_open_again() {
    let seen = raised(Severity::Warning).acknowledge(&agent("olga"), at(1)).unwrap();
    let same = again(&seen, Severity::Warning, 2);
    assert_eq!((same.alert.state.stage(), same.is_news), (Stage::Acknowledged, false));
    let worse = again(&seen, Severity::Critical, 2);
    assert_eq!(
        (worse.alert.severity, worse.alert.state.stage(), worse.is_news),
        (Severity::Critical, Stage::Open, true)
    );
    assert_eq!(worse.alert.escalates_at, Some(at(62)));
}

#[test]
fn an_open_alert_escalates_three_times_and_no_more() {
    let mut alert = raised(Severity::Info);
    assert_eq!(alert.escalate(at(59), HOUR), None);
    for (hour, severity) in [(1, Severity::Warning), (2, Severity::Error), (3, Severity::Critical)] {
        alert = alert.escalate(at(hour * 60), HOUR).unwrap();
        assert_eq!((alert.severity, i64::from(alert.escalations)), (severity, hour));
        assert_eq!(alert.escalate(at(hour * 60), HOUR), None, "once");
    }
    assert_eq!((alert.escalates_at, alert.escalate(at(100_000), HOUR)), (None, None));
    let critical = raised(Severity::Critical).escalate(at(60), HOUR).unwrap();
    assert_eq!(
        (critical.severity, critical.escalations),
        (Severity::Critical, 1),
        "it cannot be worse, but is told again"
    );
}

#[test]
fn what_somebody_sees_to_does_not_escalate() {
    let seen = raised(Severity::Info).acknowledge(&agent("olga"), at(1)).unwrap();
    assert_eq!((seen.escalates_at, seen.escalate(at(999), HOUR)), (None, None));
    assert_eq!(seen.acknowledge(&agent("otto"), at(2)).unwrap(), seen, "the first stays");
    let never = Alert::raise(id(1), &wish(Severity::Info), &agent("ada"), None, 0, at(0), Escalation { after: None });
    assert_eq!(never.unwrap().alert.escalates_at, None);
}

#[test]
fn an_alert_is_resolved_by_an_orchestrator_or_by_who_raised_it() {
    let alert = raised(Severity::Error);
    let refused = alert.resolve(&agent("bob"), Role::Agent, at(1));
    assert_eq!(refused, Err(AlertRefusal::NotYours { id: id(1) }));
    let own = alert.resolve(&agent("ada"), Role::Agent, at(1)).unwrap();
    let over = alert.resolve(&agent("olga"), Role::Orchestrator, at(2)).unwrap();
    assert_eq!((own.resolved_at(), over.resolved_at()), (Some(at(1)), Some(at(2))));
    assert_eq!(over.resolve(&agent("otto"), Role::Admin, at(3)).unwrap(), over, "the first stays");
    assert_eq!(over.acknowledge(&agent("otto"), at(3)), Err(AlertRefusal::Resolved { id: id(1) }));
    assert_eq!(over.escalate(at(999), HOUR), None);
}

#[test]
fn there_is_a_limit_to_new_ones_and_none_to_counting() {
    let one = raised(Severity::Info);
    let wish = wish(Severity::Info);
    let refused = Alert::raise(id(2), &wish, &agent("a"), None, UNRESOLVED_MAX, at(1), HOUR);
    assert_eq!(refused, Err(AlertRefusal::TooMany));
    assert!(Alert::raise(id(2), &wish, &agent("a"), Some(&one), UNRESOLVED_MAX, at(1), HOUR).is_ok());
}
