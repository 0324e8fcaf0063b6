//! An open stream of events.

use super::CHECK_INTERVAL;
use crate::events::feed::{Follower, News};
use crate::events::views::{End, end_event, first_lines, gap_event, heartbeat};
use crate::http::problem::kinds;
use crate::identity::security::Pass;
use crate::refusal::chain;
use bytes::Bytes;
use domain::events::Position;
use futures_util::Stream;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// After how long something is sent when there is nothing to send, so that nobody on the way takes it for dead.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// How soon it is tried again after the store could not say.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// An open stream.
pub(super) struct Streaming {
    follower: Follower,
    pass: Pass,
    stopping: CancellationToken,
    stage: Stage,
    /// The position the client knows.
    told: Position,
    heartbeat_at: Instant,
    check_at: Instant,
    /// Nothing is sent while nobody can say whether the key is good.
    is_vouched: bool,
    /// Not to be asked before.
    read_at: Instant,
}

/// How far it is.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Beginning,
    Open,
    Over,
}

impl Streaming {
    pub(super) fn new(follower: Follower, pass: Pass, stopping: CancellationToken) -> Self {
        let now = Instant::now();
        let (stage, told) = (Stage::Beginning, follower.position());
        let (heartbeat_at, check_at) = (now + HEARTBEAT_INTERVAL, now + CHECK_INTERVAL);
        Self { follower, pass, stopping, stage, told, heartbeat_at, check_at, is_vouched: true, read_at: now }
    }

    /// What is sent, part by part.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
        futures_util::stream::unfold(self, async |mut streaming| {
            let part = streaming.next().await?;
            Some((Ok(part), streaming))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        match self.stage {
            Stage::Beginning => {
                self.stage = Stage::Open;
                return Some(first_lines(self.told).freeze());
            }
            Stage::Open => {}
            Stage::Over => return None,
        }
        loop {
            let part = tokio::select! {
                biased;
                () = self.stopping.cancelled() => Some(self.end(End::Stopping)),
                () = tokio::time::sleep_until(self.check_at) => self.check().await,
                () = tokio::time::sleep_until(self.heartbeat_at) => Some(self.beat()),
                news = read(&mut self.follower, self.read_at), if self.is_vouched => self.pass_on(news),
            };
            if let Some(part) = part.filter(|part| !part.is_empty()) {
                self.heartbeat_at = Instant::now() + HEARTBEAT_INTERVAL;
                return Some(part);
            }
        }
    }

    fn pass_on(&mut self, news: Result<News, ports::store::StoreError>) -> Option<Bytes> {
        match news {
            Ok(News::Gap(gap)) => {
                self.told = gap.goes_on_after;
                Some(gap_event(gap).freeze())
            }
            Ok(News::Facts(facts)) => {
                self.told = facts.told().last().map_or(self.told, |last| last.position);
                Some(facts.written())
            }
            Err(error) => {
                tracing::debug!(error = chain(&error), "a follower could not catch up, and will try again");
                self.read_at = Instant::now() + RETRY_INTERVAL;
                None
            }
        }
    }

    fn beat(&mut self) -> Bytes {
        let passed = (self.follower.position() > self.told).then(|| self.follower.position());
        self.told = passed.unwrap_or(self.told);
        heartbeat(passed).freeze()
    }

    /// Asks whether the key and the session are still good; the end if they are not.
    async fn check(&mut self) -> Option<Bytes> {
        match self.pass.check().await {
            Ok(()) => {
                self.is_vouched = true;
                self.check_at = Instant::now() + CHECK_INTERVAL;
                None
            }
            Err(problem) if *problem.kind() == kinds::UNAVAILABLE => {
                self.is_vouched = false;
                self.check_at = Instant::now() + RETRY_INTERVAL;
                None
            }
            Err(problem) => Some(self.end(End::Refused(problem.kind().slug))),
        }
    }

    fn end(&mut self, end: End) -> Bytes {
        self.stage = Stage::Over;
        end_event(end).freeze()
    }
}

async fn read(follower: &mut Follower, not_before: Instant) -> Result<News, ports::store::StoreError> {
    if not_before > Instant::now() {
        tokio::time::sleep_until(not_before).await;
    }
    follower.next().await
}
