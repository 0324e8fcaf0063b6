//! Wakes those who wait for mail: one look at a project's new messages serves all who wait in it.
//!
//! Like every waking it is a hint. Whoever waits looks by itself every now and then.

use crate::executor::Executor;
use crate::refusal::chain;
use domain::ids::ProjectId;
use domain::messages::audience::{Audience, Recipient};
use domain::messages::listing::{Direction, MessageFilter};
use domain::messages::message::{Message, Number};
use domain::page::PageSize;
use ports::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many pages of new messages whoever waits may miss before it is woken without knowing why.
const PAGES_MAX: usize = 64;

/// The rounds of this server, one for each project in which somebody waits.
#[derive(Clone)]
pub struct PostRounds {
    core: Arc<Core>,
}

struct Core {
    executor: Executor,
    stopping: CancellationToken,
    walking: TaskTracker,
    rounds: Mutex<BTreeMap<ProjectId, broadcast::WeakSender<Arc<Vec<Message>>>>>,
}

impl PostRounds {
    /// None yet. They end when `stopping` is cancelled.
    pub fn new(executor: Executor, stopping: CancellationToken) -> Self {
        let (walking, rounds) = (TaskTracker::new(), Mutex::default());
        Self { core: Arc::new(Core { executor, stopping, walking, rounds }) }
    }

    /// Listens for what is sent in a project from now on. To be called before looking, so that nothing is missed.
    pub async fn listen(&self, project: &ProjectId) -> Result<Listener, StoreError> {
        if let Some(mail) = self.core.join(project) {
            return Ok(Listener { mail });
        }
        // Before the last number is read: what is committed in between makes it beat.
        let pulse = self.core.executor.pulse().listen(project);
        let last = last_number(self.core.executor.store(), project).await?;
        let mut rounds = self.core.rounds();
        if let Some(mail) = rounds.get(project).and_then(broadcast::WeakSender::upgrade) {
            return Ok(Listener { mail: mail.subscribe() });
        }
        let (sender, mail) = broadcast::channel(PAGES_MAX);
        rounds.insert(project.clone(), sender.downgrade());
        let (core, project) = (Arc::clone(&self.core), project.clone());
        self.core.walking.spawn(async move { core.walk(&project, pulse, sender, last).await });
        Ok(Listener { mail })
    }
}

impl Core {
    fn rounds(&self) -> MutexGuard<'_, BTreeMap<ProjectId, broadcast::WeakSender<Arc<Vec<Message>>>>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, project: &ProjectId) -> Option<broadcast::Receiver<Arc<Vec<Message>>>> {
        Some(self.rounds().get(project)?.upgrade()?.subscribe())
    }

    /// Hands out what is new as long as anybody waits.
    async fn walk(
        &self,
        project: &ProjectId,
        mut pulse: crate::events::pulse::Listener,
        mail: broadcast::Sender<Arc<Vec<Message>>>,
        mut last: Number,
    ) {
        loop {
            tokio::select! {
                () = pulse.beat() => {}
                () = mail.closed() => {}
                () = self.stopping.cancelled() => return,
            }
            {
                // Under the lock, so that nobody joins a round that is about to end.
                let mut rounds = self.rounds();
                if mail.receiver_count() == 0 {
                    rounds.remove(project);
                    return;
                }
            }
            match self.new_mail(project, last).await {
                Ok(new) => {
                    last = new.last().map_or(last, |message| message.number);
                    if !new.is_empty() {
                        // An error means that nobody listens any more.
                        let _ = mail.send(Arc::new(new));
                    }
                }
                Err(error) => tracing::debug!(%project, error = chain(&error), "new mail could not be looked for"),
            }
        }
    }

    async fn new_mail(&self, project: &ProjectId, last: Number) -> Result<Vec<Message>, StoreError> {
        if last_number(self.executor.store(), project).await? <= last {
            return Ok(Vec::new());
        }
        let filter = MessageFilter { direction: Direction::OldestFirst, ..MessageFilter::default() };
        let mut uow = self.executor.store().begin_read().await?;
        let (mut new, mut after) = (Vec::new(), last);
        loop {
            let page = uow.message_list(project, &filter, Some(after), PageSize::LARGEST).await?;
            new.extend(page.rows);
            match page.next {
                Some(next) => after = next,
                None => return Ok(new),
            }
        }
    }
}

async fn last_number(store: &dyn Store, project: &ProjectId) -> Result<Number, StoreError> {
    store.begin_glance().await?.mail_last_number(project).await
}

/// Somebody who waits for mail.
#[derive(Debug)]
pub struct Listener {
    mail: broadcast::Receiver<Arc<Vec<Message>>>,
}

impl Listener {
    /// Waits until something was sent that may be for this agent, or it cannot be told.
    pub async fn heard_of_mail(&mut self, recipient: &Recipient) {
        loop {
            match self.mail.recv().await {
                Ok(new) if new.iter().any(|message| is_for(message, recipient)) => return,
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

fn is_for(message: &Message, recipient: &Recipient) -> bool {
    match (&message.audience, message.is_broadcast) {
        (Audience::Agents(named), _) => named.contains(&recipient.agent),
        (_, true) => recipient.gets(message),
        (audience, false) => audience.includes(recipient),
    }
}
