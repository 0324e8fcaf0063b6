//! The relay: reads facts for webhooks, and tells what is due.
//!
//! Every server runs one, and they need not know of each other: a webhook's row is its lock, under which its cursor moves
//! in the commit that makes the deliveries, and under which a delivery is claimed for one server before it is sent. What a
//! server that died had claimed is due again when the claim has run out. Nothing is awaited outside while a row is locked.

mod dispatch;
mod reading;
mod settle;

use crate::events::pulse::Listener;
use crate::executor::Executor;
use crate::refusal::{CallError, chain};
use dispatch::{Done, Errand};
use domain::ids::{ProjectId, WebhookId};
use domain::webhooks::policy::DeliveryPolicy;
use futures_util::future::select_all;
use ports::webhooks::WebhookSender;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the store is looked at without being woken: deliveries also come due by the passing of time.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How long facts gather after the first that wakes for a look.
const LOOK_GAP: Duration = Duration::from_millis(50);

/// The most calls of this server at a time.
const CALLS_MAX: usize = 64;

/// The most calls of this server to one webhook at a time, so that a target that hangs leaves room for the others.
const CALLS_PER_WEBHOOK_MAX: usize = 8;

/// How long calls may take to end when the server stops. What is cut short then is told again by another.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Reads facts for webhooks and tells what is due.
#[derive(Clone)]
pub struct Relay {
    executor: Executor,
    sender: Arc<dyn WebhookSender>,
    policy: DeliveryPolicy,
}

/// The calls under way.
#[derive(Default)]
struct Calls {
    running: JoinSet<Done>,
    by_webhook: BTreeMap<(ProjectId, WebhookId), usize>,
}

impl Calls {
    fn start(&mut self, errand: Errand, sender: &Arc<dyn WebhookSender>) {
        *self.by_webhook.entry((errand.project.clone(), errand.webhook)).or_default() += 1;
        let sender = sender.clone();
        self.running.spawn(async move { errand.run(sender.as_ref()).await });
    }

    /// Waits for one to end, and takes what has ended with it.
    async fn ended(&mut self) -> Vec<Done> {
        let mut done = Vec::new();
        let first = self.running.join_next().await;
        let rest = std::iter::from_fn(|| self.running.try_join_next());
        for ended in first.into_iter().chain(rest) {
            match ended {
                Ok(ended) => done.push(ended),
                // Its claim runs out, and it is told again.
                Err(error) => tracing::error!(%error, "a call to a webhook broke off"),
            }
        }
        for Done { project, webhook, .. } in &done {
            let at = (project.clone(), *webhook);
            if let Some(running) = self.by_webhook.get_mut(&at) {
                *running -= 1;
            }
        }
        if self.running.is_empty() {
            self.by_webhook.clear();
        }
        done
    }
}

impl Relay {
    /// Tells through `sender`, as patiently as `policy` has it.
    pub fn new(executor: Executor, sender: Arc<dyn WebhookSender>, policy: DeliveryPolicy) -> Self {
        Self { executor, sender, policy }
    }

    /// Reads and tells until `stopping` is cancelled.
    pub async fn run(&self, stopping: &CancellationToken) {
        let mut calls = Calls::default();
        let mut listeners: BTreeMap<ProjectId, Listener> = BTreeMap::new();
        let mut failing = false;
        while !stopping.is_cancelled() {
            let mut has_more = false;
            match self.look(&mut calls, &mut listeners).await {
                Ok(more) => {
                    has_more = more;
                    if std::mem::take(&mut failing) {
                        tracing::info!(worker = "webhooks", "works again");
                    }
                }
                // Told once, not every time, while the database is away.
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(worker = "webhooks", error = chain(&error), "failed, and will try again");
                }
                Err(error) => tracing::debug!(worker = "webhooks", error = chain(&error), "still fails"),
            }
            let (is_idle, rest) = (calls.running.is_empty(), if has_more { Duration::ZERO } else { LOOK_INTERVAL });
            tokio::select! {
                () = stopping.cancelled() => {}
                done = calls.ended(), if !is_idle => self.note(done).await,
                () = beat(&mut listeners) => tokio::time::sleep(LOOK_GAP).await,
                () = tokio::time::sleep(rest) => {}
            }
        }
        let drained = tokio::time::timeout(DRAIN_MAX, async {
            while !calls.running.is_empty() {
                let done = calls.ended().await;
                self.note(done).await;
            }
        });
        if drained.await.is_err() {
            tracing::info!(calls = calls.running.len(), "calls to webhooks were cut short; they are made again");
        }
    }

    /// Reads and tells all that is due now, and waits for it to end. [`Self::run`] does the same without waiting.
    pub async fn turn(&self) -> Result<(), CallError> {
        let mut calls = Calls::default();
        while self.read_facts().await?.has_more {}
        loop {
            for errand in self.claim(&calls.by_webhook, CALLS_MAX).await? {
                calls.start(errand, &self.sender);
            }
            if calls.running.is_empty() {
                return Ok(());
            }
            let mut done = Vec::new();
            while !calls.running.is_empty() {
                done.extend(calls.ended().await);
            }
            self.settle(done).await?;
        }
    }

    /// One look at the store: facts become deliveries, and what is due is told. Whether there is more to read at once.
    async fn look(&self, calls: &mut Calls, listeners: &mut BTreeMap<ProjectId, Listener>) -> Result<bool, CallError> {
        let read = self.read_facts().await?;
        self.listen(listeners, read.projects);
        let room = CALLS_MAX.saturating_sub(calls.running.len());
        for errand in self.claim(&calls.by_webhook, room).await? {
            calls.start(errand, &self.sender);
        }
        Ok(read.has_more)
    }

    fn listen(&self, listeners: &mut BTreeMap<ProjectId, Listener>, projects: BTreeSet<ProjectId>) {
        listeners.retain(|project, _| projects.contains(project));
        for project in projects {
            let listener = self.executor.pulse().listen(&project);
            listeners.entry(project).or_insert(listener);
        }
    }

    /// Settles what has ended. If the store cannot be reached, the claims run out and the deliveries are told again.
    async fn note(&self, done: Vec<Done>) {
        if let Err(error) = self.settle(done).await {
            tracing::warn!(error = chain(&error), "how calls to webhooks came out could not be written down");
        }
    }
}

async fn beat(listeners: &mut BTreeMap<ProjectId, Listener>) {
    if listeners.is_empty() {
        return std::future::pending().await;
    }
    select_all(listeners.values_mut().map(|listener| Box::pin(listener.beat()))).await;
}
