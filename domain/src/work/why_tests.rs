use super::*;
use crate::ids::{AgentId, AgentType, SessionId};
use crate::locks::lease::{Holder, Token};
use crate::work::name::{Capability, TaskType};
use crate::work::requires::{Asked, Trust};
use crate::work::retry::RetryPolicy;
use crate::work::task::TaskLease;
use crate::work::terms::{Concurrency, ConcurrencyLimit, Labels, LeaseLength, Terms};
use chrono::TimeDelta;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn task(number: u128, state: TaskState) -> Task {
    let terms = Terms {
        task_type: TaskType::parse("build").unwrap(),
        labels: Labels::default(),
        requires: Requires::default(),
        resources: None,
        concurrency: None,
        lease: LeaseLength::try_new(60).unwrap(),
        retry: RetryPolicy::DEFAULT,
        on_dependency_failure: OnDependencyFailure::Cancel,
        parent: None,
        submitted_by: agent("boss"),
        submitted_at: now() - TimeDelta::seconds(900),
    };
    Task {
        id: TaskId::new(Uuid::from_u128(number)),
        priority: Priority::DEFAULT,
        rank: Rank::new(terms.submitted_at, Priority::DEFAULT),
        terms: Arc::new(terms),
        not_before: None,
        deadline: None,
        attempts_made: 0,
        attempts_allowed: 3,
        state,
        untold: false,
    }
}

fn leased(number: u128) -> Task {
    let lease = TaskLease {
        attempt: 1,
        token: Token::try_new(7).unwrap(),
        holder: Holder { agent: agent("ann"), session: SessionId::parse("ann/1").unwrap() },
        since: now(),
        until: now() + TimeDelta::seconds(60),
        length: LeaseLength::try_new(60).unwrap(),
        locks: Vec::new(),
        progress: None,
        note: None,
        cancel: None,
    };
    task(number, TaskState::Leased(lease))
}

fn with(mut task: Task, change: impl FnOnce(&mut Terms)) -> Task {
    change(Arc::make_mut(&mut task.terms));
    task
}

fn around(task: Task) -> Surroundings {
    let ann = Claimant {
        holder: Holder { agent: agent("ann"), session: SessionId::parse("ann/1").unwrap() },
        agent_type: AgentType::parse("worker").unwrap(),
        capabilities: BTreeSet::new(),
        environment: None,
        trust: Trust::STANDARD,
    };
    Surroundings {
        now: now(),
        task,
        dependencies: Vec::new(),
        obstacles: Vec::new(),
        agents: vec![ann],
        running: Vec::new(),
        ahead: 0,
    }
}

fn ready() -> Task {
    task(1, TaskState::Ready { since: now() })
}

fn in_line() -> Why {
    Why::InLine { ahead: 0, priority: Priority::DEFAULT, boost_hundredths: 150, aging_step_seconds: 600, since: now() }
}

#[test]
fn what_nothing_keeps_stands_in_line() {
    assert_eq!(why(&around(ready())), [in_line()]);
}

#[test]
fn what_runs_or_has_ended_says_so_and_no_more() {
    assert!(matches!(&why(&around(leased(1)))[..], [Why::Running { .. }]));
    let done = task(1, TaskState::Succeeded { at: now() });
    assert_eq!(why(&around(done)), [Why::Ended { status: Status::Succeeded }]);
    let overdue = Task { deadline: Some(now()), ..ready() };
    assert_eq!(why(&around(overdue)), [Why::Ended { status: Status::Expired }], "tidied up or not");
}

#[test]
fn a_lapsed_task_is_not_running() {
    let mut about = around(leased(1));
    about.now = now() + TimeDelta::seconds(60);
    assert!(matches!(&why(&about)[..], [Why::InLine { .. }]));
}

#[test]
fn unfinished_and_failed_dependencies_are_told_apart() {
    let blocked = with(task(1, TaskState::Blocked { pending: 2 }), |terms| {
        terms.on_dependency_failure = OnDependencyFailure::Block;
    });
    let dead = task(2, TaskState::Expired { at: now() });
    let done = task(3, TaskState::Succeeded { at: now() });
    let running = leased(4);
    let state = |task: &Task| vec![DependencyState { task: task.id, status: task.status() }];
    let (failed, unfinished) = (state(&dead), state(&running));
    let about = Surroundings { dependencies: vec![dead, done, running], ..around(blocked) };
    let expected =
        [Why::UnfinishedDependencies { dependencies: unfinished }, Why::FailedDependencies { dependencies: failed }];
    assert_eq!(why(&about), expected);
}

#[test]
fn a_time_that_is_still_to_come_is_told_and_one_that_has_come_is_not() {
    let until = now() + TimeDelta::seconds(5);
    let resting = task(1, TaskState::Scheduled { until, delay: Delay::Retry });
    assert_eq!(why(&around(resting)), [Why::NotBefore { until, delay: Delay::Retry }]);
    let due = task(1, TaskState::Scheduled { until: now(), delay: Delay::NotBefore });
    assert_eq!(why(&around(due)), [in_line()]);
}

#[test]
fn what_no_living_agent_can_do_says_what_the_nearest_lacks() {
    let gpu = Capability::parse("gpu").unwrap();
    let asked = Asked { capabilities: BTreeSet::from([gpu.clone()]), ..Asked::default() };
    let requires = Requires::try_new(asked).unwrap();
    let hard = with(ready(), |terms| terms.requires = requires.clone());
    let lacks = vec![Lack::Capability(gpu.clone())];
    let expected = Why::NoAgent { requires: requires.clone(), live: 1, nearest_lacks: lacks };
    assert_eq!(why(&around(hard.clone())), [expected, in_line()]);
    let mut about = around(hard);
    about.agents[0].capabilities.insert(gpu);
    assert_eq!(why(&about), [in_line()]);
    about.agents.clear();
    let nobody = Why::NoAgent { requires, live: 0, nearest_lacks: Vec::new() };
    assert_eq!(why(&about), [nobody, in_line()]);
}

#[test]
fn a_full_key_says_who_holds_it_and_the_lapsed_do_not_count() {
    let concurrency =
        Concurrency { key: ConcurrencyKey::parse("k").unwrap(), limit: ConcurrencyLimit::try_new(1).unwrap() };
    let task = with(ready(), |terms| terms.concurrency = Some(concurrency));
    let mut about = Surroundings { running: vec![leased(9)], ..around(task) };
    let reasons = why(&about);
    let Why::ConcurrencyLimit { limit: 1, holders, .. } = &reasons[0] else { panic!("{reasons:?}") };
    assert_eq!(holders[0].with.holder.agent, agent("ann"));
    about.now = now() + TimeDelta::seconds(60);
    assert!(matches!(&why(&about)[..], [Why::InLine { .. }]));
}
