use super::yard::{item, yard};
use crate::work::task::{CancelCause, Status, TaskState};
use crate::work::terms::OnDependencyFailure::{Block, Cancel, Run};
use chrono::TimeDelta;

#[test]
fn a_child_waits_for_all_its_parents() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b"), item("child").after("a b")]);
    yard.claim("ann/1", 2);
    let (a, b) = (yard.held("a"), yard.held("b"));
    yard.complete(&b).unwrap();
    assert_eq!(yard.task("child").state, TaskState::Blocked { pending: 1 });
    yard.complete(&b).unwrap();
    assert_eq!(yard.task("child").state, TaskState::Blocked { pending: 1 }, "a repeat counts once");
    yard.complete(&a).unwrap();
    assert_eq!(yard.status("child"), Status::Ready);
    let readied = &yard.changes.events[1];
    assert_eq!((readied.task(), readied.what.kind()), (yard.id("child"), "task.ready"));
}

#[test]
fn two_parents_that_finish_in_one_batch_ready_their_child_once() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b"), item("child").after("a b")]);
    yard.claim("ann/1", 2);
    let (a, b) = (yard.held("a"), yard.held("b"));
    yard.run(|table, locks| {
        table.complete(locks, &a, None).unwrap();
        table.complete(locks, &b, None).unwrap();
    });
    assert_eq!(yard.status("child"), Status::Ready);
    let readied = yard.changes.events.iter().filter(|event| event.what.kind() == "task.ready");
    assert_eq!(readied.count(), 1);
}

#[test]
fn a_readied_child_still_waits_for_its_time() {
    let mut yard = yard();
    let start = yard.now + TimeDelta::seconds(100);
    yard.submit(&[item("a"), item("child").after("a").with(|draft| draft.not_before = Some(start))]);
    yard.work_off("a");
    assert_eq!(yard.status("child"), Status::Scheduled);
    yard.pass(100);
    assert_eq!(yard.claim("ann/1", 1), ["child"]);
}

#[test]
fn when_a_parent_dies_each_child_goes_by_its_own_policy() {
    let mut yard = yard();
    yard.submit(&[
        item("a"),
        item("cancel").after("a").policy(Cancel),
        item("run").after("a").policy(Run),
        item("block").after("a").policy(Block),
    ]);
    yard.kill("a");
    let statuses = ["cancel", "run", "block"].map(|name| yard.status(name));
    assert_eq!(statuses, [Status::Cancelled, Status::Ready, Status::Blocked]);
    let cause = CancelCause::Dependency { task: yard.id("a"), with_dependents: false };
    assert_eq!(yard.task("cancel").state, TaskState::Cancelled { at: yard.now, cause });
}

#[test]
fn a_failure_runs_through_the_whole_graph_and_stops_where_a_task_bears_it() {
    let mut yard = yard();
    yard.submit(&[
        item("a"),
        item("b").after("a"),
        item("c").after("b"),
        item("brave").after("c").policy(Run),
        item("behind").after("brave"),
        item("elsewhere"),
    ]);
    yard.kill("a");
    let statuses = ["b", "c", "brave", "behind", "elsewhere"].map(|name| yard.status(name));
    assert_eq!(statuses, [Status::Cancelled, Status::Cancelled, Status::Ready, Status::Blocked, Status::Ready]);
}

#[test]
fn a_long_chain_of_cancelled_tasks_needs_no_stack() {
    let mut yard = yard();
    yard.submit(&[item("t0")]);
    let chain: Vec<_> = (1..1_000).map(|n| item(&format!("t{n}")).after(&format!("t{}", n - 1))).collect();
    yard.submit(&chain);
    yard.cancel("t0", false).unwrap();
    assert_eq!(yard.status("t999"), Status::Cancelled);
}

#[test]
fn a_diamond_comes_together_once() {
    let mut yard = yard();
    yard.submit(&[item("top"), item("l").after("top"), item("r").after("top"), item("bottom").after("l r top")]);
    yard.work_off("top");
    yard.work_off("l r");
    yard.work_off("bottom");
}

#[test]
fn a_dead_letter_that_is_tried_again_still_readies_who_waited_for_it() {
    let mut yard = yard();
    yard.submit(&[
        item("a"),
        item("slow"),
        item("block").after("a").policy(Block),
        item("run").after("a slow").policy(Run),
    ]);
    yard.kill("a");
    assert_eq!(yard.task("run").state, TaskState::Blocked { pending: 1 });
    yard.pass(1);
    let id = yard.id("a");
    yard.run(|table, _| table.retry(id)).unwrap();
    assert_eq!(yard.task("run").state, TaskState::Blocked { pending: 2 }, "it waits again");
    yard.work_off("slow a");
    assert_eq!(yard.status("block"), Status::Ready);
    assert_eq!(yard.status("run"), Status::Ready);
}
