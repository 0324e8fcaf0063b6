//! Receiving messages, with or without waiting for some.

use crate::agents::enter::enter;
use crate::call::Call;
use crate::executor::Executor;
use crate::messages::inbox::commands::{Look, ReceiveOnce, Taken, look};
use crate::messages::post::{Listener, PostRounds};
use crate::refusal::{CallError, Refusal};
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{MessageId, SessionId};
use domain::messages::content::Content;
use domain::messages::delivery::Delivery;
use domain::messages::inbox::{Receive, ReceiveCount, Visibility};
use domain::messages::message::Message;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a caller may wait, in seconds.
pub const WAIT_SECONDS_MAX: u32 = 60;

/// How often whoever waits looks by itself.
const REFRESH: Duration = Duration::from_secs(5);

/// What a caller asks for.
#[derive(Debug, Clone, Copy)]
pub struct ReceiveRequest {
    /// How many at most.
    pub count: ReceiveCount,
    /// For how long it is to have them.
    pub visibility: Visibility,
    /// How long to wait for the first one; zero answers at once.
    pub wait: Duration,
}

/// A message in the caller's hands.
#[derive(Debug)]
pub struct InHand {
    /// What became of it so far.
    pub delivery: Delivery,
    /// The message.
    pub message: Message,
    /// What is to be read.
    pub content: Content,
}

/// The use case.
#[derive(Clone)]
pub struct ReceiveMessages {
    executor: Executor,
    post: PostRounds,
    stopping: CancellationToken,
}

impl ReceiveMessages {
    /// Puts the parts together; waits end when `stopping` is cancelled.
    pub fn new(executor: Executor, post: PostRounds, stopping: CancellationToken) -> Self {
        Self { executor, post, stopping }
    }

    /// What runs every change.
    pub(super) fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Whether the server is to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Waits until the server is to stop.
    pub(super) async fn stopped(&self) {
        self.stopping.cancelled().await;
    }

    /// Takes messages out of the caller's inbox, waiting for as long as asked until there is one. Answers them, and the
    /// store's clock.
    pub async fn receive(
        &self,
        call: &Call,
        request: &ReceiveRequest,
    ) -> Result<(Vec<InHand>, DateTime<Utc>), CallError> {
        let deadline = Instant::now() + request.wait;
        let mut mail = if request.wait.is_zero() { None } else { Some(self.listen(call).await?) };
        let mut is_first = true;
        loop {
            let is_last = Instant::now() >= deadline || self.stopping.is_cancelled();
            let session = match enter(&self.executor, call).await {
                Ok(session) => Some(session),
                // It is refused again where it is decided, a replay before everything else.
                Err(CallError::Refused(_)) => None,
                Err(error) => return Err(error),
            };
            let ahead = match &session {
                // Whoever repeats a request gets its first answer, whatever there is now.
                Some(session) if !is_first || call.idempotency_key.is_none() => {
                    Some(self.peek(call, request, session).await?)
                }
                _ => None,
            };
            let has_mail = ahead.as_ref().is_none_or(|ahead| !ahead.received.offered.is_empty());
            if has_mail || (is_last && call.idempotency_key.is_some()) {
                let taken = self.take(call, request, session, is_last).await?;
                if is_last || !taken.offered.is_empty() {
                    return self.hand_out(call, taken).await;
                }
            }
            match ahead {
                Some(ahead) if is_last => return Ok((Vec::new(), ahead.now)),
                Some(ahead) if !has_mail => self.wait(mail.as_mut(), &ahead, deadline).await,
                // Another session of the agent was faster, or it was a try for a replay.
                _ => {}
            }
            is_first = false;
        }
    }

    /// What there would be to have.
    pub(super) async fn peek(
        &self,
        call: &Call,
        request: &ReceiveRequest,
        session: &SessionId,
    ) -> Result<Look, CallError> {
        let mut uow = self.executor.store().begin_read().await?;
        let command = asked(request, session.clone());
        let looked = look(uow.as_mut(), &call.project, &call.principal.agent, &command).await?;
        Ok(looked.map_err(Refusal::from)?)
    }

    pub(super) async fn take(
        &self,
        call: &Call,
        request: &ReceiveRequest,
        session: Option<SessionId>,
        is_last: bool,
    ) -> Result<Taken, CallError> {
        let ReceiveRequest { count, visibility, wait } = request;
        let command = ReceiveOnce {
            content: json!({ "count": count, "visibility": visibility, "wait_ms": wait.as_millis() }),
            receive: session.map(|session| asked(request, session)),
            is_last,
        };
        Ok(self.executor.execute(call, &command).await?.answer)
    }

    /// Listens for mail in the project of a call.
    pub(super) async fn listen(&self, call: &Call) -> Result<Listener, CallError> {
        Ok(self.post.listen(&call.project).await?)
    }

    /// Waits for something to receive, or until it is to be looked again.
    pub(super) async fn wait(&self, mail: Option<&mut Listener>, ahead: &Look, deadline: Instant) {
        let patience = deadline.saturating_duration_since(Instant::now()).min(REFRESH);
        // A millisecond on top, so that it is not looked at just before it comes.
        let until = |at: DateTime<Utc>| (at - ahead.now + TimeDelta::milliseconds(1)).to_std().unwrap_or_default();
        let rest = ahead.next_at.map_or(patience, |at| patience.min(until(at)));
        let heard = async {
            match mail {
                Some(mail) => mail.heard_of_mail(&ahead.recipient).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = heard => {}
            () = tokio::time::sleep(rest) => {}
            () = self.stopping.cancelled() => {}
        }
    }

    /// Adds to what was taken what is to be read: it never changes, so it is read after the commit.
    pub(super) async fn hand_out(&self, call: &Call, taken: Taken) -> Result<(Vec<InHand>, DateTime<Utc>), CallError> {
        let Taken { offered, now } = taken;
        if offered.is_empty() {
            return Ok((Vec::new(), now));
        }
        let ids: Vec<MessageId> = offered.iter().map(|delivery| delivery.message).collect();
        let mut uow = self.executor.store().begin_read().await?;
        let messages = uow.messages_load(&call.project, &ids).await?;
        let mut messages: BTreeMap<MessageId, Message> =
            messages.into_iter().map(|message| (message.id, message)).collect();
        let mut contents = uow.message_contents_load(&call.project, &ids).await?;
        let in_hand = |delivery: Delivery| {
            let (message, content) = (messages.remove(&delivery.message)?, contents.remove(&delivery.message)?);
            Some(InHand { delivery, message, content })
        };
        // Only a replay can tell of a message that was forgotten since.
        Ok((offered.into_iter().filter_map(in_hand).collect(), now))
    }
}

fn asked(request: &ReceiveRequest, session: SessionId) -> Receive {
    Receive { session, visibility: request.visibility, count: request.count }
}
