use super::content::{HowToWords, OutcomeNote, Precondition, Step};
use super::*;
use crate::ids::{SessionId, TaskId};
use uuid::Uuid;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn words(title: &str) -> HowToWords {
    HowToWords {
        title: ProcedureTitle::parse(title).unwrap(),
        description: None,
        task_types: BTreeSet::from([TaskType::parse("deploy").unwrap()]),
        preconditions: vec![Precondition::parse("all is green").unwrap()],
        applies_when: None,
        avoid_when: None,
        steps: vec![Step::parse("do it").unwrap()],
        tags: BTreeSet::new(),
    }
}

fn how(title: &str) -> HowTo {
    HowTo::try_new(words(title)).unwrap()
}

fn draft(title: &str) -> Draft {
    Draft { name: ProcedureName::parse("roll-out").unwrap(), how: how(title), if_version: None }
}

fn first() -> Procedure {
    Procedure::write(&draft("one"), None, 0, &agent("ann"), at(0)).unwrap().procedure
}

fn report(by: &str, about: u128, verdict: Verdict) -> Report {
    Report {
        by: agent(by),
        about: About::Task(TaskId::new(Uuid::from_u128(about))),
        session: SessionId::parse("s1").unwrap(),
        version: None,
        verdict,
        note: OutcomeNote::parse("so").ok(),
    }
}

#[test]
fn a_new_version_follows_the_old_and_what_says_the_same_is_none() {
    let one = first();
    assert_eq!(
        (one.version, &one.created, &one.written),
        (1, &Signed { by: agent("ann"), at: at(0) }, &Signed { by: agent("ann"), at: at(0) })
    );
    let same = Procedure::write(&draft("one"), Some((&one, &how("one"))), 0, &agent("bob"), at(1)).unwrap();
    assert_eq!((same.version, &same.procedure), (None, &one));
    let two = Procedure::write(&draft("two"), Some((&one, &how("one"))), 0, &agent("bob"), at(2)).unwrap();
    assert_eq!(
        two.version,
        Some(Version { number: 2, written: Signed { by: agent("bob"), at: at(2) }, tally: Tally::default() })
    );
    let Procedure { version, created, written, title, revision, .. } = two.procedure;
    assert_eq!((version, created.by, written.by, title.as_str(), revision), (2, agent("ann"), agent("bob"), "two", 2));
}

#[test]
fn a_version_that_was_overtaken_is_not_followed() {
    let one = first();
    let over = |if_version| Draft { if_version: Some(if_version), ..draft("two") };
    let write = |draft: &Draft| Procedure::write(draft, Some((&one, &how("one"))), 0, &agent("bob"), at(1));
    for given in [0, 2] {
        let refused = write(&over(given)).unwrap_err();
        assert_eq!(refused, ProcedureRefusal::Changed { name: one.name.clone(), given, current: 1 });
    }
    assert!(write(&over(1)).is_ok());
    assert!(Procedure::write(&over(0), None, 0, &agent("bob"), at(1)).is_ok());
    assert!(Procedure::write(&over(1), None, 0, &agent("bob"), at(1)).is_err());
}

#[test]
fn there_are_only_so_many_procedures_and_versions() {
    let write = |others| Procedure::write(&draft("one"), None, others, &agent("ann"), at(0)).map(drop);
    assert_eq!((write(PER_PROJECT_MAX - 1), write(PER_PROJECT_MAX)), (Ok(()), Err(ProcedureRefusal::TooMany)));
    let old = Procedure { version: VERSIONS_MAX, ..first() };
    let next = Procedure::write(&draft("two"), Some((&old, &how("one"))), PER_PROJECT_MAX, &agent("ann"), at(0));
    assert_eq!(next, Err(ProcedureRefusal::TooManyVersions { name: old.name }));
}

#[test]
fn who_wrote_it_first_may_retire_it_and_so_may_orchestrators() {
    let one = first();
    let editor = |name, role| Editor { agent: agent(name), role };
    let refused = one.retire(&editor("bob", Role::Agent), None, at(1));
    assert_eq!(refused, Err(ProcedureRefusal::NotYours { name: one.name.clone(), author: agent("ann") }));
    let retired = one.retire(&editor("olga", Role::Orchestrator), Reason::parse("old").ok(), at(1)).unwrap();
    assert_eq!(retired.retired.as_ref().map(|it| (&it.by, it.at)), Some((&agent("olga"), at(1))));
    assert_eq!(retired.retire(&editor("ann", Role::Agent), None, at(2)).unwrap(), retired, "once");
    let back = Procedure::write(&draft("one"), Some((&retired, &how("one"))), 0, &agent("bob"), at(3)).unwrap();
    assert_eq!((back.version, back.procedure.retired, back.procedure.revision), (None, None, 3));
}

#[test]
fn an_agents_last_word_about_a_task_counts_and_counts_once() {
    let one = first();
    let said = one.report(report("ann", 1, Verdict::Success), None, at(1)).unwrap();
    assert_eq!(said.procedure.evidence.all, Tally { successes: 1, failures: 0 });
    let again = said.procedure.report(report("ann", 1, Verdict::Success), Some(said.outcome.clone()), at(2)).unwrap();
    assert_eq!(again.procedure.evidence.all, Tally { successes: 1, failures: 0 });
    let other = again.procedure.report(report("ann", 1, Verdict::Failure), Some(again.outcome.clone()), at(3)).unwrap();
    assert_eq!(other.procedure.evidence.all, Tally { successes: 0, failures: 1 });
    assert_eq!(other.instead_of, Some(again.outcome));
    let more = other.procedure.report(report("bob", 1, Verdict::Success), None, at(4)).unwrap();
    assert_eq!(more.procedure.evidence.latest, Tally { successes: 1, failures: 1 });
}

#[test]
fn a_report_of_an_earlier_version_does_not_speak_of_the_latest() {
    let one = first();
    let said = one.report(report("ann", 1, Verdict::Failure), None, at(1)).unwrap();
    let two = Procedure::write(&draft("two"), Some((&said.procedure, &how("one"))), 0, &agent("ann"), at(2))
        .unwrap()
        .procedure;
    assert_eq!(two.evidence.latest, Tally::default());
    let late = Report { version: Some(1), ..report("bob", 1, Verdict::Failure) };
    let late = two.report(late, None, at(3)).unwrap().procedure;
    assert_eq!((late.evidence.latest, late.evidence.all), (Tally::default(), Tally { successes: 0, failures: 2 }));
    let moved = Report { version: Some(2), ..report("ann", 1, Verdict::Success) };
    let moved = late.report(moved, Some(said.outcome), at(4)).unwrap().procedure;
    assert_eq!(
        (moved.evidence.latest, moved.evidence.all),
        (Tally { successes: 1, failures: 0 }, Tally { successes: 1, failures: 1 })
    );
    for version in [0, 3] {
        let unknown = Report { version: Some(version), ..report("ann", 2, Verdict::Success) };
        assert_eq!(
            two.report(unknown, None, at(3)),
            Err(ProcedureRefusal::UnknownVersion { name: two.name.clone(), version })
        );
    }
}

#[test]
fn what_a_procedure_says_has_limits() {
    let field = |words: HowToWords| HowTo::try_new(words).unwrap_err().field;
    let step = |text: &str| Step::parse(text).unwrap();
    assert_eq!(field(HowToWords { steps: Vec::new(), ..words("x") }), "steps");
    assert_eq!(field(HowToWords { steps: vec![step("a"); 101], ..words("x") }), "steps");
    assert!(HowTo::try_new(HowToWords { steps: vec![step("a"); 100], ..words("x") }).is_ok());
    assert_eq!(field(HowToWords { steps: vec![step(&"a".repeat(2_048)); 33], ..words("x") }), "steps", "64 KiB in all");
    let precondition = Precondition::parse("a").unwrap();
    assert_eq!(field(HowToWords { preconditions: vec![precondition; 21], ..words("x") }), "preconditions");
    let types = (0..17).map(|number| TaskType::parse(&format!("t{number}")).unwrap()).collect();
    assert_eq!(field(HowToWords { task_types: types, ..words("x") }), "task_types");
    let tags = (0..21).map(|number| Tag::parse(&format!("t{number}")).unwrap()).collect();
    assert_eq!(field(HowToWords { tags, ..words("x") }), "tags");
    for bad in ["", "a b", "a/b", "..", "~x", "é"] {
        assert!(ProcedureName::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn an_occasion_reads_back_what_it_shows() {
    for about in [About::Task(TaskId::new(Uuid::from_u128(7))), About::Session(SessionId::parse("a/b:c").unwrap())] {
        assert_eq!(About::try_from(String::from(about.clone())), Ok(about));
    }
    for bad in ["task/x", "session/", "other/x", "", "task"] {
        assert!(About::try_from(bad.to_owned()).is_err(), "{bad}");
    }
}
