//! An inbox as a stream: messages are put into the caller's hands as they come, as long as the hands are not full.

use crate::agents::enter::enter;
use crate::call::Call;
use crate::events::views::{End, end_event, heartbeat};
use crate::http::problem::kinds;
use crate::identity::security::Pass;
use crate::messages::inbox::commands::Look;
use crate::messages::inbox::receive::{ReceiveMessages, ReceiveRequest};
use crate::messages::inbox::views::message_event;
use crate::messages::post::Listener;
use crate::refusal::{CallError, chain};
use bytes::Bytes;
use domain::messages::inbox::{ReceiveCount, Visibility};
use futures_util::Stream;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// After how long something is sent when there is nothing to send, so that nobody on the way takes it for dead.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// How often it is asked whether the key and the session are still good. It is a sign of life as well.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// How soon it is tried again after the store could not say.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What the caller asks of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamTerms {
    /// For how long each message is in its hands.
    pub(super) visibility: Visibility,
    /// How many may be.
    pub(super) in_hand_max: ReceiveCount,
}

/// An open stream.
pub(super) struct MailStream {
    receive: ReceiveMessages,
    call: Call,
    terms: StreamTerms,
    pass: Pass,
    mail: Listener,
    /// Written, and not sent yet.
    parts: VecDeque<Bytes>,
    heartbeat_at: Instant,
    check_at: Instant,
    is_over: bool,
}

impl MailStream {
    /// Opens it, in the session that the call runs in, which starts if it is not there.
    pub(super) async fn open(
        receive: ReceiveMessages,
        call: Call,
        terms: StreamTerms,
        pass: Pass,
    ) -> Result<Self, CallError> {
        // Before the first look, so that nothing is missed.
        let mail = receive.listen(&call).await?;
        let call = Call { idempotency_key: None, ..call };
        enter(receive.executor(), &call).await?;
        let (now, parts) = (Instant::now(), VecDeque::from([heartbeat(None).freeze()]));
        let (heartbeat_at, check_at) = (now + HEARTBEAT_INTERVAL, now + CHECK_INTERVAL);
        Ok(Self { receive, call, terms, pass, mail, parts, heartbeat_at, check_at, is_over: false })
    }

    /// What is sent, part by part.
    pub(super) fn into_parts(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
        futures_util::stream::unfold(self, async |mut stream| {
            let part = stream.next().await?;
            Some((Ok(part), stream))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                self.heartbeat_at = Instant::now() + HEARTBEAT_INTERVAL;
                return Some(part);
            }
            if self.is_over {
                return None;
            }
            if self.receive.is_stopping() {
                self.end(End::Stopping);
            } else if Instant::now() >= self.check_at {
                self.check().await;
            } else if let Err(error) = self.look().await {
                match error {
                    CallError::Refused(refusal) => self.end(End::Refused(refusal.slug())),
                    error => {
                        tracing::debug!(error = chain(&error), "a stream of mail could not look, and will try again");
                        tokio::time::sleep(RETRY_INTERVAL).await;
                    }
                }
            }
            if self.parts.is_empty() && Instant::now() >= self.heartbeat_at {
                self.parts.push_back(heartbeat(None).freeze());
            }
        }
    }

    /// Takes what there is room for, or waits a while.
    async fn look(&mut self) -> Result<(), CallError> {
        // Before looking, so that what is said meanwhile is not missed.
        let mut pulse = self.receive.executor().pulse().listen(&self.call.project);
        let session = enter(self.receive.executor(), &self.call).await?;
        let StreamTerms { visibility, in_hand_max } = self.terms;
        let all = ReceiveRequest { count: in_hand_max, visibility, wait: Duration::ZERO };
        let ahead = self.receive.peek(&self.call, &all, &session).await?;
        let room = in_hand_max.count().saturating_sub(u32::try_from(ahead.in_hand).unwrap_or(u32::MAX));
        match ReceiveCount::try_new(room) {
            Ok(count) if !ahead.received.offered.is_empty() => {
                let request = ReceiveRequest { count, ..all };
                let taken = self.receive.take(&self.call, &request, Some(session), true).await?;
                let (messages, now) = self.receive.hand_out(&self.call, taken).await?;
                self.parts.extend(messages.into_iter().filter_map(|in_hand| message_event(in_hand, now)));
            }
            Ok(_) => self.rest(&ahead).await,
            Err(_) => {
                // Full hands become free by what this agent says, here or elsewhere.
                let until = self.check_at.min(self.heartbeat_at).saturating_duration_since(Instant::now());
                tokio::select! {
                    () = pulse.beat() => {}
                    () = tokio::time::sleep(until) => {}
                    () = self.receive.stopped() => {}
                }
            }
        }
        Ok(())
    }

    async fn rest(&mut self, ahead: &Look) {
        let until = self.check_at.min(self.heartbeat_at);
        self.receive.wait(Some(&mut self.mail), ahead, until).await;
    }

    /// Asks whether the key and the session are still good, and ends if they are not.
    async fn check(&mut self) {
        self.check_at = Instant::now() + CHECK_INTERVAL;
        match self.pass.check().await {
            Err(problem) if *problem.kind() != kinds::UNAVAILABLE => self.end(End::Refused(problem.kind().slug)),
            // While nobody can say, nothing can be received either.
            Ok(()) | Err(_) => {}
        }
    }

    fn end(&mut self, end: End) {
        self.is_over = true;
        self.parts.push_back(end_event(end).freeze());
    }
}
