//! The relay under a clock that tests move: rests, giving up, taking over, and what finds no room.

use crate::desk::{call_as, project};
use adapters::fixed::ManualClock;
use adapters::in_memory::InMemoryStore;
use adapters::system::RandomIds;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::events::Fact;
use domain::identity::principal::Role;
use domain::ids::{AgentId, WebhookId};
use domain::page::PageSize;
use domain::webhooks::address::Target;
use domain::webhooks::delivery::{Delivery, Outcome, Stage};
use domain::webhooks::follows::Follows;
use domain::webhooks::policy::DeliveryPolicy;
use domain::webhooks::webhook::{DisabledBecause, PENDING_MAX, Standing, Webhook};
use pointsman::call::Call;
use pointsman::executor::Executor;
use pointsman::telemetry::Metrics;
use pointsman::webhooks::commands::{CreateWebhook, PauseWebhook, ResumeWebhook, draw_secret};
use pointsman::webhooks::relay::Relay;
use ports::ids::IdSource;
use ports::store::Store;
use ports::webhooks::{Dispatch, WebhookSender};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers what it is told to, and notes who was called with what. How calls are made is the adapter's affair, and tested
/// there and end to end.
#[derive(Default)]
struct Far {
    calls: Mutex<Vec<Value>>,
    status: Mutex<u16>,
    breaks_off: Mutex<bool>,
}

#[async_trait]
impl WebhookSender for Far {
    async fn check(&self, _target: &Target) -> Result<(), String> {
        Ok(())
    }

    async fn send(&self, dispatch: &Dispatch) -> Outcome {
        self.calls.lock().unwrap().push(serde_json::from_str(&dispatch.body).unwrap());
        assert!(!*self.breaks_off.lock().unwrap(), "the server dies");
        tokio::time::sleep(Duration::from_millis(1)).await;
        Outcome::Answered { status: *self.status.lock().unwrap() }
    }
}

impl Far {
    fn answers(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    fn calls(&self) -> Vec<Value> {
        self.calls.lock().unwrap().clone()
    }

    fn kinds(&self) -> Vec<String> {
        self.calls().iter().map(|call| call["type"].as_str().unwrap().to_owned()).collect()
    }
}

/// Two servers over one store, and the clock of that store.
struct Post {
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    executor: Executor,
    relays: [Relay; 2],
    far: Arc<Far>,
}

fn chief() -> Call {
    call_as("chief", Role::Orchestrator)
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

impl Post {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(start()));
        let store: Arc<dyn Store> = Arc::new(InMemoryStore::new(clock.clone()));
        let far = Arc::new(Far::default());
        far.answers(200);
        let server = || Executor::new(store.clone(), Arc::new(RandomIds), Metrics::unexported().unwrap());
        let relay = || Relay::new(server(), far.clone(), DeliveryPolicy::default());
        Self { executor: server(), relays: [relay(), relay()], store, clock, far }
    }

    async fn hook(&self) -> WebhookId {
        let command = CreateWebhook {
            id: RandomIds.webhook_id(),
            target: Target::parse("https://hooks.example/").unwrap(),
            checked: Ok(()),
            follows: Follows::try_new(["t.*".to_owned()], None).unwrap(),
            secret: draw_secret(&RandomIds).unwrap(),
        };
        self.executor.execute(&chief(), &command).await.unwrap().answer.webhook.id
    }

    /// Lets something happen.
    async fn happen(&self, kind: &str, subject: &str) {
        let fact = Fact {
            id: RandomIds.fact_id(),
            project: project(),
            at: start(),
            agent: AgentId::parse("ada").unwrap(),
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            body: json!({}),
        };
        let mut uow = self.store.begin().await.unwrap();
        uow.facts_append(&[fact]).await.unwrap();
        uow.commit().await.unwrap();
    }

    async fn turn(&self) {
        self.relays[0].turn().await.unwrap();
    }

    async fn webhook(&self, id: WebhookId) -> Webhook {
        self.store.begin_read().await.unwrap().webhooks_load(&project(), &[id]).await.unwrap().pop().unwrap()
    }

    /// Its deliveries, oldest first.
    async fn deliveries(&self, id: WebhookId) -> Vec<Delivery> {
        let mut uow = self.store.begin_read().await.unwrap();
        let page = uow.webhook_delivery_list(&project(), id, None, None, PageSize::LARGEST).await.unwrap();
        page.rows.into_iter().rev().collect()
    }
}

#[tokio::test]
async fn what_fails_is_tried_twelve_times_and_then_the_next_of_its_subject_has_its_turn() {
    let post = Post::new();
    let id = post.hook().await;
    post.happen("t.first", "x").await;
    post.happen("t.second", "x").await;
    post.far.answers(500);
    for attempt in 1..12 {
        post.turn().await;
        assert_eq!(post.far.kinds(), vec!["t.first"; attempt], "attempt {attempt}");
        // Nobody rests for longer.
        post.clock.advance(TimeDelta::hours(4));
    }
    post.turn().await;
    let mut kinds = vec!["t.first"; 12];
    kinds.push("t.second");
    assert_eq!(post.far.kinds(), kinds, "the last attempt, and at once the next");
    post.clock.advance(TimeDelta::hours(4));
    let delivery = post.deliveries(id).await.remove(0);
    assert!(matches!(delivery.stage, Stage::Dead { .. }), "{delivery:?}");
    post.far.answers(200);
    post.turn().await;
    assert_eq!(post.far.kinds().last().unwrap(), "t.second");
    assert_eq!(post.webhook(id).await.failures, 0);
}

#[tokio::test]
async fn a_webhook_is_given_up_after_twenty_failures_over_an_hour_and_loses_nothing() {
    let post = Post::new();
    let id = post.hook().await;
    post.far.answers(503);
    for number in 0..25 {
        post.happen("t.x", &number.to_string()).await;
    }
    post.turn().await;
    assert_eq!((post.far.calls().len(), post.webhook(id).await.failures), (25, 25));
    assert!(post.webhook(id).await.is_active(), "all failed within a moment");
    post.clock.advance(TimeDelta::minutes(61));
    post.turn().await;
    let standing = post.webhook(id).await.standing;
    assert!(matches!(standing, Standing::Disabled { because: DisabledBecause::Failing, .. }), "{standing:?}");
    let facts = post.store.begin_read().await.unwrap().facts_latest(&project(), 1).await.unwrap();
    assert_eq!((facts[0].kind.as_str(), facts[0].agent.as_str()), ("webhook.disabled", "pointsman"));
    let calls = post.far.calls().len();
    post.happen("t.later", "later").await;
    post.clock.advance(TimeDelta::days(3));
    post.turn().await;
    assert_eq!(post.far.calls().len(), calls, "nothing is told any more");
    post.far.answers(200);
    post.executor.execute(&chief(), &ResumeWebhook { id }).await.unwrap();
    post.turn().await;
    let deliveries = post.deliveries(id).await;
    assert_eq!(deliveries.len(), 26);
    assert!(deliveries.iter().all(|it| matches!(it.stage, Stage::Delivered { .. })), "{deliveries:?}");
}

#[tokio::test]
async fn what_finds_no_room_waits_in_the_log_of_facts() {
    let post = Post::new();
    let id = post.hook().await;
    post.far.answers(500);
    let all = PENDING_MAX as usize + 60;
    for number in 0..all {
        post.happen("t.x", &format!("s{}", number % 7)).await;
    }
    post.turn().await;
    let pending =
        async || post.store.begin_read().await.unwrap().webhook_deliveries_pending(&project(), id).await.unwrap();
    assert_eq!(pending().await, PENDING_MAX);
    post.far.answers(200);
    post.far.calls.lock().unwrap().clear();
    while post.far.calls().len() < all {
        post.clock.advance(TimeDelta::hours(4));
        let before = post.far.calls().len();
        post.turn().await;
        assert!(post.far.calls().len() > before, "nothing more comes after {before}");
    }
    assert_eq!((pending().await, post.far.calls().len()), (0, all));
    let mut by_subject: BTreeMap<String, usize> = BTreeMap::new();
    for call in post.far.calls() {
        *by_subject.entry(call["subject"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(by_subject.values().sum::<usize>(), all);
}

#[tokio::test]
async fn two_servers_tell_each_thing_once_and_those_of_a_subject_in_order() {
    let post = Post::new();
    post.hook().await;
    for number in 0..60 {
        post.happen(&format!("t.n{number}"), &format!("s{}", number % 3)).await;
    }
    for _ in 0..40 {
        let (one, other) = tokio::join!(post.relays[0].turn(), post.relays[1].turn());
        one.and(other).unwrap();
    }
    let calls = post.far.calls();
    assert_eq!(calls.len(), 60);
    for subject in ["s0", "s1", "s2"] {
        let of_subject = calls.iter().filter(|call| call["subject"] == subject);
        let numbers: Vec<u32> = of_subject.map(|call| call["type"].as_str().unwrap()[3..].parse().unwrap()).collect();
        assert!(numbers.is_sorted() && numbers.len() == 20, "{subject}: {numbers:?}");
    }
}

#[tokio::test]
async fn what_a_server_had_claimed_when_it_died_is_taken_over_when_its_lease_is_over() {
    let post = Post::new();
    let id = post.hook().await;
    post.happen("t.x", "x").await;
    *post.far.breaks_off.lock().unwrap() = true;
    post.turn().await;
    *post.far.breaks_off.lock().unwrap() = false;
    post.clock.advance(TimeDelta::seconds(29));
    post.relays[1].turn().await.unwrap();
    assert_eq!(post.far.calls().len(), 1, "it may still be at it");
    post.clock.advance(TimeDelta::seconds(1));
    post.relays[1].turn().await.unwrap();
    let log: Vec<Outcome> = post.deliveries(id).await.remove(0).log.into_iter().map(|it| it.outcome).collect();
    assert_eq!(log, [Outcome::Lost, Outcome::Answered { status: 200 }]);
    let calls = post.far.calls();
    assert_eq!((calls.len(), &calls[0]["id"]), (2, &calls[1]["id"]), "the target can tell that it is the same");
}

#[tokio::test]
async fn facts_that_were_forgotten_meanwhile_are_told_of_as_a_gap() {
    let post = Post::new();
    let id = post.hook().await;
    post.executor.execute(&chief(), &PauseWebhook { id }).await.unwrap();
    post.happen("t.forgotten", "x").await;
    let mut uow = post.store.begin().await.unwrap();
    assert!(uow.facts_prune(start() + TimeDelta::seconds(1), 100).await.unwrap() > 0);
    uow.commit().await.unwrap();
    post.happen("t.kept", "x").await;
    post.executor.execute(&chief(), &ResumeWebhook { id }).await.unwrap();
    post.turn().await;
    assert_eq!(post.far.kinds(), ["webhook.gap", "t.kept"]);
}
