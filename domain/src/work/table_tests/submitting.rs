use super::yard::{item, yard};
use crate::ids::{AgentId, TaskId};
use crate::work::name::LocalName;
use crate::work::refusal::{FaultAt, SubmissionFault, WorkRefusal};
use crate::work::submission::{Dependencies, InvalidSubmit, Submit, TaskRef, Together};
use crate::work::task::Status;
use chrono::TimeDelta;
use uuid::Uuid;

fn names(names: &str) -> Vec<LocalName> {
    names.split_whitespace().map(|name| LocalName::parse(name).unwrap()).collect()
}

#[test]
fn a_task_that_waits_for_nothing_is_ready_at_once() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    assert_eq!(yard.status("a"), Status::Ready);
    assert_eq!(yard.task("a").terms.submitted_by.as_str(), "boss");
    assert_eq!(yard.task("a").terms.submitted_at, yard.now);
    assert_eq!(yard.changes.events.len(), 1);
    assert_eq!(yard.changes.events[0].change().operation, "task.submit");
}

#[test]
fn a_task_may_name_others_of_the_call_in_any_order() {
    let mut yard = yard();
    yard.submit(&[item("c").after("a b"), item("b").after("a"), item("a")]);
    assert_eq!(yard.status("a"), Status::Ready);
    assert_eq!(yard.status("b"), Status::Blocked);
    yard.work_off("a");
    yard.work_off("b");
    yard.work_off("c");
}

#[test]
fn an_unknown_dependency_is_refused_and_named() {
    let mut yard = yard();
    let refused = yard.try_submit(&[item("a"), item("b").after("nobody")], Together::AllOrNothing);
    let on = TaskRef::Local(LocalName::parse("nobody").unwrap());
    let fault = SubmissionFault::UnknownDependency { on };
    assert_eq!(refused, Err(WorkRefusal::Submission { faults: vec![FaultAt { index: 1, fault }] }));
    assert!(yard.tasks.is_empty(), "all or nothing");
}

#[test]
fn an_unknown_parent_is_refused_and_named() {
    let mut yard = yard();
    let mut part = item("part");
    part.parent = Some("nobody".to_owned());
    let answers = yard.try_submit(&[part], Together::EachAlone).unwrap();
    let parent = TaskRef::Local(LocalName::parse("nobody").unwrap());
    assert_eq!(answers, [Err(SubmissionFault::UnknownParent { parent })]);
}

#[test]
fn a_circle_is_refused_and_told_from_where_each_stands() {
    let mut yard = yard();
    let items = [item("a").after("c"), item("b").after("a"), item("c").after("b"), item("d").after("a"), item("e")];
    let answers = yard.try_submit(&items, Together::EachAlone).unwrap();
    let faults: Vec<Option<SubmissionFault>> = answers.into_iter().map(Result::err).collect();
    assert_eq!(faults[0], Some(SubmissionFault::Cycle { cycle: names("a c b") }));
    assert_eq!(faults[1], Some(SubmissionFault::Cycle { cycle: names("b a c") }));
    assert_eq!(faults[2], Some(SubmissionFault::Cycle { cycle: names("c b a") }));
    assert_eq!(faults[3], Some(SubmissionFault::DependencyRefused { name: names("a").remove(0) }));
    assert_eq!(faults[4], None);
    assert_eq!(faults[0].as_ref().unwrap().to_string(), "it depends on itself: a → c → b → a");
}

#[test]
fn a_task_cannot_wait_for_itself_or_be_part_of_itself() {
    let mut yard = yard();
    let mut part = item("part");
    part.parent = Some("part".to_owned());
    let answers = yard.try_submit(&[item("a").after("a"), part], Together::EachAlone).unwrap();
    assert_eq!(answers[0], Err(SubmissionFault::Cycle { cycle: names("a") }));
    assert_eq!(answers[1], Err(SubmissionFault::ParentCycle { cycle: names("part") }));
}

#[test]
fn a_whole_may_wait_for_its_parts() {
    let mut yard = yard();
    let mut part = item("part");
    part.parent = Some("whole".to_owned());
    yard.submit(&[item("whole").after("part"), part]);
    assert_eq!(yard.task("part").terms.parent, Some(yard.id("whole")));
    yard.work_off("part");
    yard.work_off("whole");
}

#[test]
fn each_alone_refuses_what_names_a_refused_task_and_nothing_else() {
    let mut yard = yard();
    let items = [item("a").after("nobody"), item("b").after("a"), item("c").after("b"), item("d")];
    let answers = yard.try_submit(&items, Together::EachAlone).unwrap();
    assert_eq!(answers[2], Err(SubmissionFault::DependencyRefused { name: names("b").remove(0) }));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(yard.tasks.len(), 1);
}

#[test]
fn a_name_is_used_once_in_a_call() {
    let mut yard = yard();
    let answers = yard.try_submit(&[item("a"), item("a"), item("b").after("a")], Together::EachAlone).unwrap();
    assert!(answers[0].is_ok());
    assert_eq!(answers[1], Err(SubmissionFault::NameTaken { name: names("a").remove(0) }));
    assert!(answers[2].is_ok(), "it means the first of that name");
}

#[test]
fn a_deadline_lies_ahead_and_behind_the_start() {
    let mut yard = yard();
    let now = yard.now;
    let late = item("late").with(|draft| draft.deadline = Some(now));
    let early = item("early").with(|draft| {
        draft.not_before = Some(now + TimeDelta::seconds(10));
        draft.deadline = Some(now + TimeDelta::seconds(10));
    });
    let far = item("far").with(|draft| draft.not_before = Some(now + TimeDelta::days(4_000)));
    let answers = yard.try_submit(&[late, early, far], Together::EachAlone).unwrap();
    assert!(matches!(answers[0], Err(SubmissionFault::DeadlineTooEarly { .. })));
    assert!(matches!(answers[1], Err(SubmissionFault::DeadlineTooEarly { .. })));
    assert!(matches!(answers[2], Err(SubmissionFault::TooFarAhead { .. })));
}

#[test]
fn a_task_that_is_not_to_start_yet_is_scheduled_and_comes_due_by_itself() {
    let mut yard = yard();
    let start = yard.now + TimeDelta::seconds(10);
    yard.submit(&[item("a").with(|draft| draft.not_before = Some(start))]);
    assert_eq!(yard.status("a"), Status::Scheduled);
    assert!(yard.claim("ann/1", 1).is_empty());
    yard.pass(10);
    assert_eq!(yard.claim("ann/1", 1), ["a"], "nobody had to tidy up before");
}

#[test]
fn only_so_many_may_depend_on_one_task() {
    let mut yard = yard();
    yard.submit(&[item("hub")]);
    let many: Vec<_> = (0..Dependencies::DEPENDENTS_MAX - 1).map(|n| item(&format!("t{n}")).after("hub")).collect();
    yard.submit(&many);
    let answers = yard.try_submit(&[item("last").after("hub"), item("more").after("hub")], Together::EachAlone);
    let answers = answers.unwrap();
    assert!(answers[0].is_ok());
    let on = TaskRef::Known(yard.id("hub"));
    assert_eq!(answers[1], Err(SubmissionFault::TooManyDependents { on }));
}

#[test]
fn a_call_has_1_to_1000_tasks_and_a_task_at_most_100_dependencies() {
    let boss = AgentId::parse("boss").unwrap();
    assert_eq!(Submit::try_new(boss, Vec::new(), Together::EachAlone), Err(InvalidSubmit(0)));
    let on = |n: u128| TaskRef::Known(TaskId::new(Uuid::from_u128(n)));
    assert!(Dependencies::try_new((0..100).map(on).collect()).is_ok());
    assert!(Dependencies::try_new((0..101).map(on).collect()).is_err());
}

#[test]
fn what_depends_on_a_finished_task_need_not_wait_for_it() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.work_off("a");
    yard.submit(&[item("b").after("a")]);
    assert_eq!(yard.status("b"), Status::Ready);
}

#[test]
fn what_depends_on_a_failed_task_goes_by_its_own_policy_from_the_start() {
    use crate::work::terms::OnDependencyFailure::{Block, Cancel, Run};
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.kill("a");
    let items = [
        item("cancel").after("a").policy(Cancel),
        item("run").after("a").policy(Run),
        item("block").after("a").policy(Block),
        item("child").after("cancel").policy(Cancel),
    ];
    yard.submit(&items);
    let statuses = ["cancel", "run", "block", "child"].map(|name| yard.status(name));
    assert_eq!(statuses, [Status::Cancelled, Status::Ready, Status::Blocked, Status::Cancelled]);
}
