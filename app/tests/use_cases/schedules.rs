//! Schedules through the executor: each fire once, what is missed, and what the log tells.

use crate::desk::{call, call_as, project, with_key};
use adapters::calendar::IanaCalendar;
use adapters::fixed::ManualClock;
use adapters::in_memory::InMemoryStore;
use adapters::system::RandomIds;
use chrono::{DateTime, TimeDelta, Utc};
use domain::audit::{Entry, Filter};
use domain::identity::principal::{Denial, Principal, Role, Scope};
use domain::ids::{AgentId, ProjectId, ScheduleId};
use domain::page::PageSize;
use domain::work::claim::ClaimFilter;
use domain::work::listing::TaskFilter;
use domain::work::name::{ScheduleName, ZoneName};
use domain::work::schedule::{Cron, Missed, MissedMax, Schedule, ScheduleRefusal, Timing};
use domain::work::task::Task;
use poem_openapi::types::ParseFromJSON;
use pointsman::call::Call;
use pointsman::executor::Executor;
use pointsman::identity::projects::{ArchiveProject, CreateProject};
use pointsman::refusal::{CallError, Refusal};
use pointsman::telemetry::Metrics;
use pointsman::work::bodies::TaskBody;
use pointsman::work::schedules::commands::{CreateSchedule, PauseSchedule, RemoveSchedule, ResumeSchedule};
use pointsman::work::schedules::firing::{RunSchedule, fire_due};
use ports::calendar::Calendar;
use ports::store::Store;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Two servers over one store, and the clock of that store.
struct Clockwork {
    store: Arc<dyn Store>,
    servers: [Executor; 2],
    clock: Arc<ManualClock>,
    calendar: Arc<dyn Calendar>,
}

/// The clock starts at a full hour.
fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}

fn chief() -> Call {
    call_as("chief", Role::Orchestrator)
}

impl Clockwork {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(start()));
        let store: Arc<dyn Store> = Arc::new(InMemoryStore::new(clock.clone()));
        let server = || Executor::new(store.clone(), Arc::new(RandomIds), Metrics::unexported().unwrap());
        Self { servers: [server(), server()], store, clock, calendar: Arc::new(IanaCalendar) }
    }

    fn wanted(&self, name: &str, cron: &str, missed: Missed) -> CreateSchedule {
        let task = json!({ "type": "chore", "title": "tidy up", "labels": ["night"] });
        CreateSchedule {
            id: self.servers[0].ids().schedule_id(),
            name: ScheduleName::parse(name).unwrap(),
            timing: Timing { cron: Cron::parse(cron).unwrap(), zone: ZoneName::parse("UTC").unwrap() },
            missed,
            draft: TaskBody::parse_from_json(Some(task)).unwrap().read("task").unwrap().draft,
            deadline_seconds: Some(90),
            calendar: self.calendar.clone(),
        }
    }

    async fn create(&self, name: &str, cron: &str, missed: Missed) -> ScheduleId {
        let command = self.wanted(name, cron, missed);
        self.servers[0].execute(&chief(), &command).await.unwrap().answer.schedule.id
    }

    async fn fire(&self) {
        fire_due(&self.servers[0], &self.calendar).await.unwrap();
    }

    async fn find(&self, id: ScheduleId) -> Option<Schedule> {
        self.store.begin_read().await.unwrap().schedule_find(&project(), id).await.unwrap()
    }

    /// Every task, the oldest first.
    async fn tasks(&self) -> Vec<Task> {
        let mut uow = self.store.begin_read().await.unwrap();
        let size = PageSize::try_new(PageSize::MAX).unwrap();
        let mut tasks = uow.task_list(&project(), &TaskFilter::default(), None, size).await.unwrap().rows;
        tasks.reverse();
        tasks
    }

    /// The lines of the log about schedules and their tasks, in order.
    async fn log(&self) -> Vec<Entry> {
        let mut uow = self.store.begin_read().await.unwrap();
        let size = PageSize::try_new(PageSize::MAX).unwrap();
        let mut lines = uow.audit_list(&project(), &Filter::default(), None, size).await.unwrap().rows;
        lines.retain(|line| line.change.operation.starts_with("schedule.") || line.change.operation == "task.submit");
        lines.reverse();
        lines
    }

    async fn operations(&self) -> Vec<String> {
        self.log().await.into_iter().map(|line| line.change.operation).collect()
    }
}

fn refusal<T>(outcome: Result<T, CallError>) -> Refusal {
    match outcome {
        Err(CallError::Refused(refusal)) => refusal,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[tokio::test]
async fn each_fire_happens_once_however_many_servers_look() {
    let work = Clockwork::new();
    let id = work.create("tidy", "*/5 * * * *", Missed::One).await;
    for round in 1..=5 {
        work.clock.advance(minutes(5) - TimeDelta::seconds(1));
        work.fire().await;
        assert_eq!(work.tasks().await.len(), round - 1, "not before its time");
        work.clock.advance(TimeDelta::seconds(1));
        let looks = (0..10).map(|look| fire_due(&work.servers[look % 2], &work.calendar));
        for look in futures_util::future::join_all(looks).await {
            look.unwrap();
        }
        assert_eq!(work.tasks().await.len(), round);
    }
    let schedule = work.find(id).await.unwrap();
    assert_eq!((schedule.fired_for, schedule.next_at), (Some(start() + minutes(25)), Some(start() + minutes(30))));
    let last = work.tasks().await.pop().unwrap();
    assert_eq!(last.terms.submitted_by, AgentId::parse("chief").unwrap(), "in the name of who made the schedule");
    assert_eq!(last.deadline, Some(start() + minutes(25) + TimeDelta::seconds(90)));
    let log = work.log().await;
    let fires: Vec<&Entry> = log.iter().filter(|line| line.change.operation == "schedule.fire").collect();
    assert_eq!(
        (log.len(), fires.len()),
        (11, 5),
        "one line for its making, and for each fire one with one for its task"
    );
    assert!(fires.iter().all(|line| line.agent.as_str() == "pointsman"));
    let told = fires[4].change.after.as_ref().unwrap();
    assert_eq!(told["fires"][0]["task"], json!(last.id));
    assert_eq!(told["fires"][0]["for"], json!(start() + minutes(25)));
}

#[tokio::test]
async fn whoever_waits_for_work_is_woken_by_a_fire() {
    let work = Clockwork::new();
    work.create("tidy", "*/5 * * * *", Missed::One).await;
    let mut bell = work.servers[0].doorbell().listen();
    work.clock.advance(minutes(5));
    work.fire().await;
    let (project, filter) = (project(), ClaimFilter::default());
    let heard = bell.heard_of_work(&project, &filter, false);
    tokio::time::timeout(Duration::from_secs(5), heard).await.unwrap();
}

#[tokio::test]
async fn missed_fires_are_left_out_or_made_up_by_one_or_one_by_one() {
    let all = Missed::All { max: MissedMax::try_new(3).unwrap() };
    for (missed, made_up) in [(Missed::Skip, 0), (Missed::One, 1), (all, 3)] {
        let work = Clockwork::new();
        let id = work.create("tidy", "*/10 * * * *", missed).await;
        work.clock.advance(minutes(65));
        work.fire().await;
        work.fire().await;
        assert_eq!(work.tasks().await.len(), made_up, "{missed:?}");
        assert_eq!(work.find(id).await.unwrap().next_at, Some(start() + minutes(70)));
        let mut expected = vec!["schedule.create"];
        expected.extend(vec!["task.submit"; made_up]);
        expected.push("schedule.fire");
        assert_eq!(work.operations().await, expected, "{missed:?}: that some were left out is told too");
    }
}

#[tokio::test]
async fn a_schedule_that_rests_fires_nothing_and_makes_nothing_up() {
    let work = Clockwork::new();
    let id = work.create("tidy", "*/10 * * * *", Missed::One).await;
    for _ in 0..2 {
        let paused = work.servers[0].execute(&chief(), &PauseSchedule { id }).await.unwrap().answer;
        assert!(paused.schedule.paused);
    }
    work.clock.advance(minutes(35));
    work.fire().await;
    for _ in 0..2 {
        let resume = ResumeSchedule { id, calendar: work.calendar.clone() };
        let resumed = work.servers[1].execute(&chief(), &resume).await.unwrap().answer;
        assert_eq!(resumed.schedule.next_at, Some(start() + minutes(40)));
    }
    work.fire().await;
    assert_eq!(work.tasks().await, []);
    work.clock.advance(minutes(5));
    work.fire().await;
    assert_eq!(work.tasks().await.len(), 1);
    let expected = ["schedule.create", "schedule.pause", "schedule.resume", "task.submit", "schedule.fire"];
    assert_eq!(work.operations().await, expected, "to rest twice is no change");
}

#[tokio::test]
async fn one_more_fire_by_hand_leaves_the_coming_ones_as_they_are() {
    let work = Clockwork::new();
    let id = work.create("tidy", "*/10 * * * *", Missed::One).await;
    let before = work.find(id).await;
    let run = || RunSchedule { id, task_id: work.servers[0].ids().task_id() };
    let once = with_key(chief(), "run");
    let task = work.servers[0].execute_hot(&once, run()).await.unwrap().answer;
    let again = work.servers[1].execute_hot(&once, run()).await.unwrap();
    assert_eq!((again.answer.id, again.is_replay), (task.id, true));
    assert_eq!(work.tasks().await.len(), 1);
    assert_eq!(work.find(id).await, before);
    assert_eq!(work.operations().await, ["schedule.create", "task.submit", "schedule.run"]);
}

#[tokio::test]
async fn schedules_are_kept_by_orchestrators_alone() {
    let work = Clockwork::new();
    let id = work.create("tidy", "*/10 * * * *", Missed::One).await;
    let (server, agent) = (&work.servers[0], call("ada"));
    let wanted = work.wanted("mine", "* * * * *", Missed::One);
    let task_id = server.ids().task_id();
    for refused in [
        refusal(server.execute(&agent, &wanted).await),
        refusal(server.execute(&agent, &PauseSchedule { id }).await),
        refusal(server.execute(&agent, &RemoveSchedule { id }).await),
        refusal(server.execute_hot(&agent, RunSchedule { id, task_id }).await),
    ] {
        assert!(matches!(refused, Refusal::Denied(Denial::Role { .. })), "{refused}");
    }
    assert_eq!(work.tasks().await, []);
}

#[tokio::test]
async fn a_schedule_needs_a_name_of_its_own_and_a_time_that_comes() {
    let work = Clockwork::new();
    let id = work.create("tidy", "*/10 * * * *", Missed::One).await;
    let attempts = [("tidy", "0 0 * * *"), ("leap", "0 0 30 2 *"), ("late", "61 0 * * *")];
    let mut refusals = Vec::new();
    for (name, cron) in attempts {
        let wanted = work.wanted(name, cron, Missed::One);
        refusals.push(refusal(work.servers[0].execute(&chief(), &wanted).await));
    }
    assert!(matches!(refusals[0], Refusal::Schedule(ScheduleRefusal::NameTaken { .. })), "{}", refusals[0]);
    assert!(matches!(refusals[1], Refusal::Schedule(ScheduleRefusal::Never { .. })), "{}", refusals[1]);
    assert!(matches!(refusals[2], Refusal::Schedule(ScheduleRefusal::Timing { .. })), "{}", refusals[2]);
    work.servers[0].execute(&chief(), &RemoveSchedule { id }).await.unwrap();
    work.create("tidy", "0 0 * * *", Missed::One).await;
}

#[tokio::test]
async fn under_one_idempotency_key_a_schedule_is_made_once() {
    let work = Clockwork::new();
    let once = with_key(chief(), "make");
    let first = work.servers[0].execute(&once, &work.wanted("tidy", "0 0 * * *", Missed::One)).await.unwrap();
    let again = work.servers[1].execute(&once, &work.wanted("tidy", "0 0 * * *", Missed::One)).await.unwrap();
    assert_eq!(first.answer.schedule, again.answer.schedule);
    assert!(again.is_replay);
}

#[tokio::test]
async fn a_schedule_that_was_taken_away_fires_no_more_and_its_tasks_stay() {
    let work = Clockwork::new();
    let id = work.create("tidy", "*/10 * * * *", Missed::One).await;
    work.clock.advance(minutes(10));
    work.fire().await;
    assert_eq!(work.servers[0].execute(&chief(), &RemoveSchedule { id }).await.unwrap().answer, id);
    let unknown = refusal(work.servers[0].execute(&chief(), &RemoveSchedule { id }).await);
    assert_eq!(unknown, Refusal::Schedule(ScheduleRefusal::Unknown { id }));
    let task_id = work.servers[0].ids().task_id();
    let unknown = refusal(work.servers[0].execute_hot(&chief(), RunSchedule { id, task_id }).await);
    assert_eq!(unknown, Refusal::Schedule(ScheduleRefusal::Unknown { id }));
    work.clock.advance(minutes(10));
    work.fire().await;
    assert_eq!(work.tasks().await.len(), 1);
}

#[tokio::test]
async fn the_schedules_of_an_archived_project_rest() {
    let work = Clockwork::new();
    let root = call_as("root", Role::Admin);
    let admin = Call { principal: Principal { scope: Scope::AllProjects, ..root.principal.clone() }, ..root };
    let closing = ProjectId::parse("closing").unwrap();
    work.servers[0].execute(&admin, &CreateProject { id: closing.clone() }).await.unwrap();
    let inside = Call { project: closing.clone(), ..admin.clone() };
    let wanted = work.wanted("tidy", "*/10 * * * *", Missed::One);
    let id = work.servers[0].execute(&inside, &wanted).await.unwrap().answer.schedule.id;
    work.servers[0].execute(&admin, &ArchiveProject { id: closing.clone() }).await.unwrap();
    for _ in 0..3 {
        work.clock.advance(minutes(10));
        work.fire().await;
    }
    let mut uow = work.store.begin_read().await.unwrap();
    assert!(uow.schedule_find(&closing, id).await.unwrap().unwrap().paused);
    let size = PageSize::try_new(PageSize::MAX).unwrap();
    assert_eq!(uow.task_list(&closing, &TaskFilter::default(), None, size).await.unwrap().rows, []);
    let lines = uow.audit_list(&closing, &Filter::default(), None, size).await.unwrap().rows;
    let fires: Vec<Entry> = lines.into_iter().filter(|line| line.change.operation == "schedule.fire").collect();
    assert_eq!(fires.len(), 1, "it is told once");
    assert_eq!(fires[0].change.after.as_ref().unwrap()["rests_because"], json!("its project is archived"));
}
