//! What is told of it all, and whether it reads back.

use super::yard::{item, yard};
use crate::work::content::Payload;
use crate::work::refusal::WorkRefusal;
use crate::work::submission::Together;
use crate::work::table::Finished;
use crate::work::task::{Status, Task};
use serde_json::json;

#[test]
fn each_change_is_told_once_and_what_came_by_itself_says_so() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b").after("a")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    yard.complete(&held).unwrap();
    let told: Vec<(String, String, bool)> = yard
        .changes
        .events
        .iter()
        .map(|event| (event.change().operation, yard.name(event.task()), event.what.is_by_itself()))
        .collect();
    let expected = [("task.complete", "a", false), ("task.ready", "b", true)];
    assert_eq!(told, expected.map(|(operation, name, by_itself)| (operation.to_owned(), name.to_owned(), by_itself)));
}

#[test]
fn the_log_tells_from_what_to_what_and_leaves_long_things_out() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    let submitted = yard.changes.events[0].change();
    assert_eq!(submitted.before, None);
    assert_eq!(submitted.after.unwrap()["terms"]["task_type"], "build");
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    let result = Some(Payload::try_new(json!("a long result")).unwrap());
    yard.run(|table, locks| table.complete(locks, &held, result)).unwrap();
    let event = &yard.changes.events[0];
    let change = event.change();
    assert_eq!(change.target, yard.id("a").to_string());
    assert_eq!(change.before.unwrap()["token"], held.token.value());
    let after = change.after.unwrap();
    assert_eq!((&after["status"], &after["attempt"]["number"]), (&json!("succeeded"), &json!(1)));
    assert_eq!(event.body()["type"], "build");
    assert!(!event.body().to_string().contains("a long result"));
}

#[test]
fn tasks_answers_and_refusals_read_back_as_they_were_written() {
    let mut yard = yard();
    let soon = yard.now + chrono::TimeDelta::seconds(9);
    yard.submit(&[
        item("dead"),
        item("leased").needs("src/a.rs"),
        item("done"),
        item("cancelled"),
        item("blocked").after("leased"),
        item("scheduled").with(|draft| draft.not_before = Some(soon)),
    ]);
    yard.kill("dead");
    yard.cancel("cancelled", true).unwrap();
    yard.claim("ann/1", 2);
    let (done, leased) = (yard.held("done"), yard.held("leased"));
    let finished = yard.complete(&done).unwrap();
    yard.cancel("leased", false).unwrap();
    for task in yard.tasks.values() {
        assert_eq!(serde_json::from_value::<Task>(serde_json::to_value(task).unwrap()).unwrap(), *task);
    }
    assert_eq!(serde_json::from_value::<Finished>(serde_json::to_value(&finished).unwrap()).unwrap(), finished);
    let refusals = [
        yard.fail(&done, true, 0).unwrap_err(),
        yard.try_submit(&[item("x").after("x")], Together::AllOrNothing).unwrap_err(),
        yard.complete(&crate::work::table::ClaimRef { holder: super::yard::holder("bob/1"), ..leased }).unwrap_err(),
        WorkRefusal::Locks(crate::locks::refusal::LockRefusal::TokensUsedUp),
    ];
    for refusal in refusals {
        let written = serde_json::to_value(&refusal).unwrap();
        assert_eq!(serde_json::from_value::<WorkRefusal>(written).unwrap(), refusal);
    }
}

#[test]
fn each_state_has_the_name_it_is_written_with() {
    for status in Status::ALL {
        assert_eq!(Status::parse(status.as_str()), Some(status));
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
}
