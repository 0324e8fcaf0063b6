//! Looking at tasks: lists and counts, one task, its attempts, the graph around it, and why it waits.

use crate::desk::call;
use crate::work::{NO_WAIT, Yard, build, token};
use chrono::TimeDelta;
use domain::ids::{AgentId, ProjectId, TaskId};
use domain::page::PageSize;
use domain::work::attempt::AttemptEnd;
use domain::work::graph::{Edge, Graph};
use domain::work::listing::TaskFilter;
use domain::work::refusal::WorkRefusal;
use domain::work::requires::Lack;
use domain::work::task::{Status, Task};
use domain::work::why::Why;
use pointsman::call::Call;
use pointsman::refusal::{CallError, Refusal};
use pointsman::work::look::queries::TaskQueries;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

fn queries(yard: &Yard) -> TaskQueries {
    TaskQueries::new(yard.desk.executor.clone())
}

fn with(mut task: Value, field: &str, value: Value) -> Value {
    task[field] = value;
    task
}

async fn submit(yard: &Yard, tasks: Value) -> Vec<TaskId> {
    yard.submit(&call("boss"), tasks).await.unwrap().into_iter().map(|task| task.id).collect()
}

async fn why(yard: &Yard, id: TaskId) -> Vec<Why> {
    queries(yard).why(&call("ada"), id).await.unwrap().reasons
}

/// Makes an agent live that has nothing special to offer.
async fn wake(yard: &Yard, agent: &str) {
    assert!(yard.claim(&call(agent), 1, NO_WAIT).await.is_empty());
}

#[tokio::test]
async fn a_task_that_nothing_keeps_stands_in_line_and_gains_with_time() {
    let yard = Yard::new();
    wake(&yard, "ada").await;
    let ids = submit(&yard, json!([build("a"), build("b"), build("c")])).await;
    yard.clock.advance(TimeDelta::minutes(5));
    let reasons = why(&yard, ids[2]).await;
    let [Why::InLine { ahead, boost_hundredths, .. }] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert_eq!((*ahead, *boost_hundredths), (2, 50));
    let claimed = yard.claim(&call("ada"), 1, NO_WAIT).await;
    let [Why::Running { with }] = &why(&yard, ids[0]).await[..] else { panic!("it was claimed") };
    assert_eq!((with.token, with.holder.agent.as_str()), (token(&claimed[0]), "ada"));
    yard.complete(&call("ada"), ids[0], token(&claimed[0])).await.unwrap();
    assert_eq!(why(&yard, ids[0]).await, [Why::Ended { status: Status::Succeeded }]);
}

#[tokio::test]
async fn what_a_task_waits_for_is_told_by_name() {
    let yard = Yard::new();
    wake(&yard, "ada").await;
    let later = with(build("later"), "not_before", json!("2027-01-15T10:00:00Z"));
    let ids = submit(&yard, json!([build("a"), with(build("b"), "depends_on", json!(["a"])), later])).await;
    let reasons = why(&yard, ids[1]).await;
    let [Why::UnfinishedDependencies { dependencies }] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert_eq!(dependencies.len(), 1);
    assert_eq!((dependencies[0].task, dependencies[0].status), (ids[0], Status::Ready));
    let reasons = why(&yard, ids[2]).await;
    let [Why::NotBefore { until, .. }] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert_eq!(until.to_rfc3339(), "2027-01-15T10:00:00+00:00");
}

#[tokio::test]
async fn who_holds_what_a_task_needs_is_told() {
    let yard = Yard::new();
    let (ada, ben) = (call("ada"), call("ben"));
    yard.desk.acquire(&ben, &["src/main.rs"], NO_WAIT).await.unwrap();
    wake(&yard, "ada").await;
    let needs = with(build("a"), "resources", json!([{ "key": "src/**" }, { "key": "docs/**" }]));
    let id = submit(&yard, json!([needs])).await[0];
    let reasons = why(&yard, id).await;
    let [Why::ResourcesHeld { conflicts }, Why::InLine { .. }] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert_eq!(conflicts.len(), 1);
    assert_eq!((conflicts[0].key.to_string().as_str(), conflicts[0].agent.as_str()), ("src/main.rs", "ben"));
    assert!(yard.claim(&ada, 1, NO_WAIT).await.is_empty(), "and so nobody gets it");
}

#[tokio::test]
async fn what_no_living_agent_has_to_offer_is_told() {
    let yard = Yard::new();
    let id = submit(&yard, json!([with(build("a"), "requires", json!({ "capabilities": ["gpu"] }))])).await[0];
    let reasons = why(&yard, id).await;
    let alone = |live: usize| matches!(&reasons[0], Why::NoAgent { live: found, .. } if *found == live);
    // Whoever submitted it lives too.
    assert!(alone(1), "{reasons:?}");
    wake(&yard, "ada").await;
    let reasons = why(&yard, id).await;
    let Why::NoAgent { live: 2, nearest_lacks, .. } = &reasons[0] else { panic!("{reasons:?}") };
    assert!(matches!(nearest_lacks.as_slice(), [Lack::Capability(capability)] if capability.as_str() == "gpu"));
    yard.clock.advance(TimeDelta::minutes(16));
    let reasons = why(&yard, id).await;
    assert!(matches!(&reasons[0], Why::NoAgent { live: 0, .. }), "both are dead by now: {reasons:?}");
}

#[tokio::test]
async fn who_fills_a_concurrency_key_is_told() {
    let yard = Yard::new();
    let limited = |name: &str| with(build(name), "concurrency", json!({ "key": "deploy", "limit": 1 }));
    let ids = submit(&yard, json!([limited("a"), limited("b")])).await;
    let claimed = yard.claim(&call("ada"), 2, NO_WAIT).await;
    assert_eq!(claimed.len(), 1);
    let reasons = why(&yard, ids[1]).await;
    let Why::ConcurrencyLimit { limit: 1, holders, .. } = &reasons[0] else { panic!("{reasons:?}") };
    assert_eq!(holders.len(), 1);
    assert_eq!((holders[0].task, holders[0].with.token), (ids[0], token(&claimed[0])));
}

#[tokio::test]
async fn tasks_are_listed_by_what_is_asked_newest_first_page_by_page() {
    let yard = Yard::new();
    let tasks: Vec<Value> =
        (0..7).map(|n| with(build(&format!("t{n}")), "labels", json!([format!("n{}", n % 2)]))).collect();
    let mut ids = submit(&yard, Value::Array(tasks)).await;
    ids.reverse();
    let (queries, size) = (queries(&yard), PageSize::try_new(3).unwrap());
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = queries.list(&call("ada"), &TaskFilter::default(), after, size).await.unwrap();
        listed.extend(page.rows);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed.iter().map(|(task, _)| task.id).collect::<Vec<_>>(), ids);
    assert_eq!(listed[0].1.as_str(), "t6", "with its title");
    let claimed = yard.claim(&call("ada"), 2, NO_WAIT).await;
    let find = async |filter: TaskFilter| {
        let size = PageSize::try_new(PageSize::MAX).unwrap();
        let page = queries.list(&call("ada"), &filter, None, size).await.unwrap();
        page.rows.into_iter().map(|(task, _)| task).collect::<Vec<Task>>()
    };
    let any = TaskFilter::default();
    let held = find(TaskFilter { held_by: Some(AgentId::parse("ada").unwrap()), ..any.clone() }).await;
    assert_eq!(held.len(), claimed.len());
    let both = BTreeSet::from([Status::Ready, Status::Leased]);
    assert_eq!(find(TaskFilter { statuses: both, ..any.clone() }).await.len(), 7);
    assert_eq!(find(TaskFilter { statuses: BTreeSet::from([Status::Dead]), ..any.clone() }).await.len(), 0);
    let label = domain::work::name::Label::parse("n1").unwrap();
    assert_eq!(find(TaskFilter { label: Some(label), ..any.clone() }).await.len(), 3);
    let counts = queries.counts(&call("ada")).await.unwrap();
    let counts: BTreeMap<Status, u64> = counts.into_iter().map(|count| (count.status, count.tasks)).collect();
    assert_eq!(counts, BTreeMap::from([(Status::Ready, 5), (Status::Leased, 2)]));
}

#[tokio::test]
async fn one_task_is_shown_with_its_content_its_dependencies_and_its_attempts() {
    let yard = Yard::new();
    let (boss, ada) = (call("boss"), call("ada"));
    let first = with(build("a"), "input", json!({ "file": "x" }));
    let ids = submit(&yard, json!([first, with(build("b"), "depends_on", json!(["a"]))])).await;
    let lost = yard.claim(&ada, 1, NO_WAIT).await;
    yard.clock.advance(TimeDelta::minutes(16));
    let claimed = yard.claim(&call("ben"), 1, NO_WAIT).await;
    yard.complete(&call("ben"), ids[0], token(&claimed[0])).await.unwrap();
    let queries = queries(&yard);
    let detail = queries.find(&boss, ids[0]).await.unwrap();
    assert_eq!(detail.content.input.unwrap().value(), &json!({ "file": "x" }));
    assert_eq!(queries.find(&boss, ids[1]).await.unwrap().depends_on, [ids[0]]);
    let attempts = queries.attempts(&boss, ids[0]).await.unwrap();
    let told: Vec<_> = attempts.iter().map(|attempt| (attempt.number, attempt.token, attempt.end.as_str())).collect();
    assert_eq!(told, [(2, token(&claimed[0]), "succeeded"), (1, token(&lost[0]), "lapsed")]);
    assert!(matches!(attempts[0].end, AttemptEnd::Succeeded { result: None }));
}

#[tokio::test]
async fn the_graph_of_a_task_shows_what_comes_before_and_after_and_nothing_beside() {
    let yard = Yard::new();
    let after = |name: &str, on: &[&str]| with(build(name), "depends_on", json!(on));
    // A diamond over a root, a tail below it, and a cousin that has the root in common.
    let tasks = json!([
        build("root"),
        after("left", &["root"]),
        after("right", &["root"]),
        after("join", &["left", "right"]),
        after("tail", &["join"]),
        after("cousin", &["root"]),
    ]);
    let ids = submit(&yard, tasks).await;
    let Graph { nodes, edges, is_cut } = queries(&yard).graph(&call("ada"), ids[3]).await.unwrap();
    assert_eq!(nodes.iter().map(|node| node.id).collect::<Vec<_>>(), ids[..5]);
    assert_eq!(nodes[3].title.as_str(), "join");
    let edge = |task: usize, on: usize| Edge { task: ids[task], depends_on: ids[on] };
    let mut expected = [edge(1, 0), edge(2, 0), edge(3, 1), edge(3, 2), edge(4, 3)];
    expected.sort_unstable();
    assert_eq!(edges, expected);
    assert!(!is_cut);
}

#[tokio::test]
async fn a_graph_that_is_too_great_is_cut_and_says_so() {
    let yard = Yard::new();
    let root = submit(&yard, json!([build("root")])).await[0];
    for part in 0..2 {
        let child = |n: usize| with(build(&format!("c{part}-{n}")), "depends_on", json!([root.to_string()]));
        submit(&yard, Value::Array((0..500).map(child).collect())).await;
    }
    let graph = queries(&yard).graph(&call("ada"), root).await.unwrap();
    assert_eq!((graph.nodes.len(), graph.is_cut), (Graph::NODES_MAX, true));
    assert!(graph.nodes.iter().any(|node| node.id == root));
    assert_eq!(graph.edges.len(), Graph::NODES_MAX - 1);
}

#[tokio::test]
async fn what_is_not_there_is_told_apart_from_what_is_empty() {
    let yard = Yard::new();
    let (queries, id) = (queries(&yard), TaskId::new(Uuid::from_u128(7)));
    let unknown = |error: CallError| match error {
        CallError::Refused(Refusal::Work(WorkRefusal::UnknownTask { task })) => assert_eq!(task, id),
        error => panic!("{error}"),
    };
    let ada = call("ada");
    unknown(queries.find(&ada, id).await.unwrap_err());
    unknown(queries.why(&ada, id).await.unwrap_err());
    unknown(queries.graph(&ada, id).await.unwrap_err());
    unknown(queries.attempts(&ada, id).await.unwrap_err());
    assert_eq!(queries.counts(&ada).await.unwrap(), []);
    let nowhere = Call { project: ProjectId::parse("nowhere").unwrap(), ..ada };
    let refused = queries.counts(&nowhere).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused(Refusal::Project(_))), "{refused}");
}
