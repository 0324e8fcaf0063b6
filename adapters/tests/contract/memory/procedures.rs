//! Procedures.

use crate::harness::{TestStore, default_project};
use crate::samples::*;
use crate::work::samples::{MICRO, second};
use crate::{on_every_locking_store, on_every_store};
use domain::identity::principal::Role;
use domain::ids::{ProjectId, TaskId};
use domain::memory::content::Tag;
use domain::memory::procedures::content::{
    AppliesWhen, AvoidWhen, HowTo, HowToWords, OutcomeNote, Precondition, ProcedureDescription, ProcedureName,
    ProcedureTitle, Step,
};
use domain::memory::procedures::evidence::Tally;
use domain::memory::procedures::finding::{Posting, postings};
use domain::memory::procedures::{About, Draft, Editor, Outcome, Procedure, Report, Reported, Verdict};
use domain::memory::terms::TermHash;
use domain::work::name::TaskType;
use ports::memory::procedures::ProcedureChange;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

fn name(text: &str) -> ProcedureName {
    ProcedureName::parse(text).unwrap()
}

fn how(title: &str) -> HowTo {
    HowTo::try_new(HowToWords {
        title: ProcedureTitle::parse(title).unwrap(),
        description: None,
        task_types: BTreeSet::new(),
        preconditions: Vec::new(),
        applies_when: None,
        avoid_when: None,
        steps: vec![Step::parse("do it").unwrap()],
        tags: BTreeSet::new(),
    })
    .unwrap()
}

fn full(title: &str) -> HowTo {
    HowTo::try_new(HowToWords {
        title: ProcedureTitle::parse(title).unwrap(),
        description: ProcedureDescription::parse("ключ \"'\\ 🔑\n\tsecond line").ok(),
        task_types: ["deploy", "a/b:c"].map(|name| TaskType::parse(name).unwrap()).into(),
        preconditions: vec![Precondition::parse("all is green").unwrap()],
        applies_when: AppliesWhen::parse("before a release").ok(),
        avoid_when: AvoidWhen::parse("on Fridays").ok(),
        steps: vec![Step::parse("one").unwrap(), Step::parse("two").unwrap(), Step::parse("one").unwrap()],
        tags: ["prod", "größe"].map(|tag| Tag::parse(tag).unwrap()).into(),
    })
    .unwrap()
}

/// What writing a version changes.
fn write(text: &str, how: &HowTo, before: Option<(&Procedure, &HowTo)>, at: i64) -> ProcedureChange {
    let draft = Draft { name: name(text), how: how.clone(), if_version: None };
    let written = Procedure::write(&draft, before, 0, &agent("ann"), second(at) + MICRO).unwrap();
    ProcedureChange {
        procedure: written.procedure,
        version: written.version.map(|version| (version, how.clone())),
        postings: Some(postings(&default_project(), &draft.name, how)),
    }
}

fn first(text: &str) -> ProcedureChange {
    write(text, &how(text), None, 1)
}

fn report(procedure: &Procedure, by: &str, about: u128, verdict: Verdict, before: Option<Outcome>) -> Reported {
    let report = Report {
        by: agent(by),
        about: About::Task(TaskId::new(Uuid::from_u128(about))),
        session: session_id("s1"),
        version: None,
        verdict,
        note: OutcomeNote::parse("so 🔑").ok(),
    };
    procedure.report(report, before, second(i64::try_from(about).unwrap())).unwrap()
}

async fn save_in(store: &TestStore, project: &ProjectId, change: &ProcedureChange) {
    let mut uow = store.begin().await;
    uow.procedures_lock(project).await.unwrap();
    uow.procedure_save(project, change).await.unwrap();
    uow.commit().await.unwrap();
}

async fn save(store: &TestStore, change: &ProcedureChange) {
    save_in(store, &default_project(), change).await;
}

async fn save_report(store: &TestStore, reported: &Reported) {
    let mut uow = store.begin().await;
    uow.procedures_lock(&default_project()).await.unwrap();
    uow.procedure_reported(&default_project(), reported).await.unwrap();
    uow.commit().await.unwrap();
}

async fn find(store: &TestStore, text: &str) -> Option<Procedure> {
    store.begin_read().await.procedure_find(&default_project(), &name(text)).await.unwrap()
}

fn sorted(mut postings: Vec<Posting>) -> Vec<Posting> {
    postings.sort_by(|one, other| (&one.name, one.term).cmp(&(&other.name, other.term)));
    postings
}

async fn a_procedure_comes_back_to_the_last_field(store: Arc<TestStore>) {
    let project = default_project();
    let one = write("roll-out", &full("One"), None, 1);
    save(&store, &one).await;
    let two = write("roll-out", &how("Two"), Some((&one.procedure, &full("One"))), 2);
    save(&store, &two).await;
    assert_eq!(find(&store, "roll-out").await.as_ref(), Some(&two.procedure));
    assert_eq!(find(&store, "other").await, None);
    let mut uow = store.begin_read().await;
    let mut says = async |version| uow.procedure_words(&project, &name("roll-out"), version).await.unwrap();
    assert_eq!((says(1).await, says(2).await, says(3).await), (Some(full("One")), Some(how("Two")), None));
    let versions = uow.procedure_versions(&project, &name("roll-out")).await.unwrap();
    let expected = [two.version, one.version].map(|version| version.unwrap().0);
    assert_eq!(versions, expected, "the latest first");
    let by = Editor { agent: agent("olga"), role: Role::Orchestrator };
    let retired = two.procedure.retire(&by, Some(reason("so 🔑")), second(3) + MICRO).unwrap();
    drop(uow);
    save(&store, &ProcedureChange { procedure: retired.clone(), version: None, postings: Some(Vec::new()) }).await;
    assert_eq!(find(&store, "roll-out").await, Some(retired));
}

async fn all_of_a_project_come_by_name(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    for text in ["b", "a", "B"] {
        save(&store, &first(text)).await;
    }
    save_in(&store, &other, &first("a")).await;
    let mut uow = store.begin_read().await;
    let all = uow.procedures_all(&default_project()).await.unwrap();
    assert_eq!(all.iter().map(|procedure| procedure.name.as_str()).collect::<Vec<_>>(), ["B", "a", "b"]);
    assert_eq!(uow.procedures_count(&default_project()).await.unwrap(), 3);
    assert_eq!(uow.procedures_count(&other).await.unwrap(), 1);
}

async fn only_the_revision_right_before_can_be_changed(store: Arc<TestStore>) {
    let project = default_project();
    let one = first("a");
    save(&store, &one).await;
    assert_conflict(store.begin().await.procedure_save(&project, &one).await);
    let two = write("a", &how("two"), Some((&one.procedure, &how("a"))), 2);
    save(&store, &two).await;
    let late = write("a", &how("late"), Some((&one.procedure, &how("a"))), 3);
    assert_conflict(store.begin().await.procedure_save(&project, &late).await);
    let said = report(&one.procedure, "ann", 1, Verdict::Success, None);
    assert_conflict(store.begin().await.procedure_reported(&project, &said).await);
    let nowhere = ProcedureChange { procedure: Procedure { name: name("b"), ..two.procedure.clone() }, ..two.clone() };
    assert_conflict(store.begin().await.procedure_save(&project, &nowhere).await);
    let of_nothing = report(&nowhere.procedure, "ann", 1, Verdict::Success, None);
    assert_conflict(store.begin().await.procedure_reported(&project, &of_nothing).await);
    assert_eq!(find(&store, "a").await, Some(two.procedure));
}

async fn words_are_found_in_the_latest_version_alone(store: Arc<TestStore>) {
    let (project, other) = (default_project(), add_project(&store, "other").await.id);
    let one = write("a", &full("Flaky tests"), None, 1);
    let b = write("b", &how("Flaky clocks"), None, 1);
    save(&store, &one).await;
    save(&store, &b).await;
    save_in(&store, &other, &first("a")).await;
    let all: Vec<Posting> = one.postings.iter().chain(&b.postings).flatten().cloned().collect();
    let terms: Vec<TermHash> = all.iter().map(|posting| posting.term).collect::<BTreeSet<_>>().into_iter().collect();
    assert!(terms.iter().any(|term| term.0 > u64::MAX / 2), "hashes have 64 bits");
    let found =
        async |terms: &[TermHash]| sorted(store.begin_read().await.procedure_postings(&project, terms).await.unwrap());
    assert_eq!(found(&terms).await, sorted(all.clone()));
    let common: Vec<TermHash> =
        terms.iter().copied().filter(|term| all.iter().filter(|posting| posting.term == *term).count() == 2).collect();
    assert!(!common.is_empty());
    assert_eq!(found(&common).await.len(), 2 * common.len());
    assert_eq!(found(&[]).await, []);
    assert_eq!(found(&[TermHash(1)]).await, []);
    let two = write("a", &how("Something else"), Some((&one.procedure, &full("Flaky tests"))), 2);
    save(&store, &two).await;
    let now: Vec<Posting> = two.postings.iter().chain(&b.postings).flatten().cloned().collect();
    let known = now.iter().filter(|posting| terms.contains(&posting.term)).cloned().collect();
    assert_eq!(found(&terms).await, sorted(known));
    let unchanged = report(&two.procedure, "ann", 1, Verdict::Success, None);
    save_report(&store, &unchanged).await;
    let kept = ProcedureChange {
        procedure: Procedure { revision: unchanged.procedure.revision + 1, ..unchanged.procedure },
        version: None,
        postings: None,
    };
    save(&store, &kept).await;
    let terms: Vec<TermHash> = now.iter().map(|posting| posting.term).collect();
    assert_eq!(found(&terms).await, sorted(now), "as before if nothing is said of them");
}

async fn reports_are_counted_by_version_and_the_last_word_counts(store: Arc<TestStore>) {
    let project = default_project();
    let one = first("a");
    save(&store, &one).await;
    let ann = report(&one.procedure, "ann", 1, Verdict::Success, None);
    save_report(&store, &ann).await;
    let bob = report(&ann.procedure, "bob", 2, Verdict::Success, None);
    save_report(&store, &bob).await;
    let two = write("a", &how("two"), Some((&bob.procedure, &how("a"))), 2);
    save(&store, &two).await;
    let said = async |by: &str, about| {
        let about = About::Task(TaskId::new(Uuid::from_u128(about)));
        store.begin_read().await.procedure_outcome(&project, &name("a"), &agent(by), &about).await.unwrap()
    };
    assert_eq!(said("ann", 1).await.as_ref(), Some(&ann.outcome));
    assert_eq!((said("ann", 2).await, said("bob", 1).await), (None, None));
    let changed = report(&two.procedure, "ann", 1, Verdict::Failure, Some(ann.outcome.clone()));
    save_report(&store, &changed).await;
    assert_eq!(said("ann", 1).await.as_ref(), Some(&changed.outcome));
    let tallies = async || {
        let versions = store.begin_read().await.procedure_versions(&project, &name("a")).await.unwrap();
        versions.into_iter().map(|version| (version.tally.successes, version.tally.failures)).collect::<Vec<_>>()
    };
    assert_eq!(tallies().await, [(0, 1), (1, 0)]);
    let stored = find(&store, "a").await.unwrap();
    assert_eq!(stored, changed.procedure);
    assert_eq!(stored.evidence.all, Tally { successes: 1, failures: 1 });
    let cat = report(&changed.procedure, "cat", 2, Verdict::Failure, None);
    save_report(&store, &cat).await;
    let mut uow = store.begin_read().await;
    let mut latest = async |rows| {
        let outcomes = uow.procedure_outcomes(&project, &name("a"), rows).await.unwrap();
        outcomes.into_iter().map(|outcome| outcome.by.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(latest(9).await, ["bob", "cat", "ann"]);
    assert_eq!(latest(2).await, ["bob", "cat"]);
}

async fn reports_go_when_they_are_old_and_stay_counted(store: Arc<TestStore>) {
    let one = first("a");
    save(&store, &one).await;
    let mut procedure = one.procedure;
    for about in 1..=3 {
        let said = report(&procedure, "ann", about, Verdict::Success, None);
        save_report(&store, &said).await;
        procedure = said.procedure;
    }
    let prune = async |before, rows_max| {
        let mut uow = store.begin().await;
        let gone = uow.procedure_outcomes_prune(before, rows_max).await.unwrap();
        uow.commit().await.unwrap();
        gone
    };
    assert_eq!((prune(second(1), 9).await, prune(second(3), 1).await, prune(second(3), 9).await), (0, 1, 1));
    let mut uow = store.begin_read().await;
    let left = uow.procedure_outcomes(&default_project(), &name("a"), 9).await.unwrap();
    assert_eq!(left.iter().map(|outcome| outcome.at).collect::<Vec<_>>(), [second(3)]);
    let versions = uow.procedure_versions(&default_project(), &name("a")).await.unwrap();
    assert_eq!(versions[0].tally, Tally { successes: 3, failures: 0 });
}

async fn a_deleted_procedure_leaves_nothing(store: Arc<TestStore>) {
    let project = default_project();
    let one = write("a", &full("One"), None, 1);
    save(&store, &one).await;
    save(&store, &first("b")).await;
    let said = report(&one.procedure, "ann", 1, Verdict::Success, None);
    save_report(&store, &said).await;
    let delete = async |text: &str| {
        let mut uow = store.begin().await;
        uow.procedures_lock(&project).await.unwrap();
        let was_there = uow.procedure_delete(&project, &name(text)).await.unwrap();
        uow.commit().await.unwrap();
        was_there
    };
    assert!(delete("a").await);
    assert!(!delete("a").await);
    let mut uow = store.begin_read().await;
    assert_eq!(uow.procedure_find(&project, &name("a")).await.unwrap(), None);
    assert_eq!(uow.procedure_words(&project, &name("a"), 1).await.unwrap(), None);
    assert_eq!(uow.procedure_versions(&project, &name("a")).await.unwrap(), []);
    assert_eq!(uow.procedure_outcomes(&project, &name("a"), 9).await.unwrap(), []);
    let terms: Vec<TermHash> = one.postings.iter().flatten().map(|posting| posting.term).collect();
    let left = uow.procedure_postings(&project, &terms).await.unwrap();
    assert!(left.iter().all(|posting| posting.name == name("b")), "{left:?}");
    assert_eq!(uow.procedures_count(&project).await.unwrap(), 1);
    drop(uow);
    save(&store, &one).await;
}

async fn what_was_dropped_has_not_happened(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    uow.procedure_save(&default_project(), &first("a")).await.unwrap();
    drop(uow);
    assert_eq!(find(&store, "a").await, None);
    assert!(store.begin_read().await.procedure_save(&default_project(), &first("a")).await.is_err());
}

async fn who_changes_procedures_stands_in_line(store: Arc<TestStore>) {
    let project = default_project();
    let other_door = store.second_door().await;
    let mut uow = store.begin().await;
    uow.procedures_lock(&project).await.unwrap();
    uow.procedure_save(&project, &first("a")).await.unwrap();
    let mut others = JoinSet::new();
    let own = project.clone();
    others.spawn(async move {
        let mut uow = other_door.begin().await.unwrap();
        uow.procedures_lock(&own).await.unwrap();
        uow.procedures_count(&own).await.unwrap()
    });
    assert!(timeout(Duration::from_millis(200), others.join_next()).await.is_err(), "the second one did not wait");
    uow.commit().await.unwrap();
    assert_eq!(timeout(Duration::from_secs(5), others.join_next()).await.unwrap().unwrap().unwrap(), 1);
}

async fn reports_made_at_once_are_all_counted(store: Arc<TestStore>) {
    save(&store, &first("a")).await;
    let mut reporters = JoinSet::new();
    for by in ["ann", "bob"] {
        let door = store.second_door().await;
        reporters.spawn(async move {
            for about in 1..=10 {
                let mut uow = door.begin().await.unwrap();
                uow.procedures_lock(&default_project()).await.unwrap();
                let procedure = uow.procedure_find(&default_project(), &name("a")).await.unwrap().unwrap();
                let said = report(&procedure, by, about, Verdict::Success, None);
                uow.procedure_reported(&default_project(), &said).await.unwrap();
                uow.commit().await.unwrap();
            }
        });
    }
    while let Some(done) = timeout(Duration::from_secs(30), reporters.join_next()).await.unwrap() {
        done.unwrap();
    }
    let stored = find(&store, "a").await.unwrap();
    assert_eq!(stored.evidence.all.successes, 20);
}

on_every_store!(
    a_procedure_comes_back_to_the_last_field,
    all_of_a_project_come_by_name,
    only_the_revision_right_before_can_be_changed,
    words_are_found_in_the_latest_version_alone,
    reports_are_counted_by_version_and_the_last_word_counts,
    reports_go_when_they_are_old_and_stay_counted,
    a_deleted_procedure_leaves_nothing,
    what_was_dropped_has_not_happened,
);

on_every_locking_store!(who_changes_procedures_stands_in_line, reports_made_at_once_are_all_counted);
