use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Patience;

/// What a connection is doing, and since when. One task writes and reads it, so relaxed ordering is enough.
pub(super) struct Activity {
    opened: Instant,
    /// The phase in the lowest two bits, above them the milliseconds from `opened` to its beginning.
    phase: AtomicU64,
    /// Milliseconds from `opened` to the moment a write got stuck, plus one; 0 while none is.
    stuck: AtomicU64,
    unread: AtomicBool,
}

/// Whom a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The client, for another request.
    Idle = 0,
    /// The client, for the rest of a head. A new connection begins here.
    Head = 1,
    /// The client, for the rest of a body.
    Body = 2,
    /// Us.
    Serving = 3,
}

/// Why a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Idle,
    HeadIncomplete,
    BodyStalled,
    AnswerNotTaken,
}

const PHASE_BITS: u32 = 2;
const PHASE_MASK: u64 = (1 << PHASE_BITS) - 1;

impl Activity {
    pub(super) fn new() -> Self {
        let activity = Self {
            opened: Instant::now(),
            phase: AtomicU64::new(0),
            stuck: AtomicU64::new(0),
            unread: AtomicBool::new(false),
        };
        activity.enter(Phase::Head);
        activity
    }

    pub(super) fn bytes_read(&self) {
        match self.now_in() {
            Phase::Idle => self.enter(Phase::Head),
            // Progress: each part of a body gets the whole patience.
            Phase::Body => self.enter(Phase::Body),
            Phase::Head | Phase::Serving => {}
        }
    }

    pub(super) fn request_arrived(&self, has_body: bool) {
        self.enter(if has_body { Phase::Body } else { Phase::Serving });
    }

    pub(super) fn body_complete(&self) {
        if self.now_in() == Phase::Body {
            self.enter(Phase::Serving);
        }
    }

    /// Whether some of the body is still to be read.
    pub(super) fn has_body_unread(&self) -> bool {
        self.now_in() == Phase::Body
    }

    pub(super) fn answer_complete(&self) {
        if self.has_body_unread() {
            self.unread.store(true, Ordering::Relaxed);
        }
        self.enter(Phase::Idle);
    }

    /// Whether a request was answered before its body was read, after which no other can follow.
    pub(super) fn left_body_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    pub(super) fn write_stuck(&self, is_stuck: bool) {
        if !is_stuck {
            self.stuck.store(0, Ordering::Relaxed);
        } else if self.stuck.load(Ordering::Relaxed) == 0 {
            self.stuck.store(self.elapsed_ms() + 1, Ordering::Relaxed);
        }
    }

    /// The fault to cut the connection for, if somebody's patience has run out.
    pub(super) fn overdue(&self, head_patience: Duration, patience: Patience) -> Option<Fault> {
        let now_ms = self.elapsed_ms();
        let is_over =
            |since_ms: u64, patience: Duration| u128::from(now_ms.saturating_sub(since_ms)) >= patience.as_millis();
        let stuck = self.stuck.load(Ordering::Relaxed);
        if stuck > 0 && is_over(stuck - 1, patience.read) {
            return Some(Fault::AnswerNotTaken);
        }
        let since_ms = self.phase.load(Ordering::Relaxed) >> PHASE_BITS;
        match self.now_in() {
            Phase::Idle => is_over(since_ms, patience.idle).then_some(Fault::Idle),
            Phase::Head => is_over(since_ms, head_patience).then_some(Fault::HeadIncomplete),
            Phase::Body => is_over(since_ms, patience.read).then_some(Fault::BodyStalled),
            Phase::Serving => None,
        }
    }

    fn now_in(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) & PHASE_MASK {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Body,
            _ => Phase::Serving,
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(self.elapsed_ms() << PHASE_BITS | phase as u64, Ordering::Relaxed);
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX >> PHASE_BITS)
    }
}
