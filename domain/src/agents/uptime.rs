//! For which part of a time an agent was there.

use chrono::{DateTime, TimeDelta, Utc};

/// The time in which a session lived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// When it was first used.
    pub started_at: DateTime<Utc>,
    /// Until when it lived, exclusive: when it was ended or its TTL had passed. Of one that lives, the end its TTL promises.
    pub live_until: DateTime<Utc>,
}

/// How long a look back may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(TimeDelta);

/// A look back that is too short or too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the window is {given} seconds: it must be {} to {}", Window::SECONDS_MIN, Window::SECONDS_MAX)]
pub struct InvalidWindow {
    /// What was asked for, in seconds.
    pub given: u32,
}

impl Window {
    /// The shortest: a minute.
    pub const SECONDS_MIN: u32 = 60;
    /// The longest: 90 days.
    pub const SECONDS_MAX: u32 = 90 * 24 * 3600;
    /// The one of those who ask for none: a day.
    pub const SECONDS_DEFAULT: u32 = 24 * 3600;
    /// The most sessions that may have lived in a window.
    pub const SESSIONS_MAX: u32 = 10_000;

    /// Checks the bounds.
    pub fn try_new(seconds: u32) -> Result<Self, InvalidWindow> {
        let fits = (Self::SECONDS_MIN..=Self::SECONDS_MAX).contains(&seconds);
        if fits { Ok(Self(TimeDelta::seconds(seconds.into()))) } else { Err(InvalidWindow { given: seconds }) }
    }

    /// When it begins, if it ends now.
    pub fn start(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now - self.0
    }
}

/// For which part of a window at least one session lived.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uptime {
    /// Where the window begins.
    pub from: DateTime<Utc>,
    /// Where it ends.
    pub to: DateTime<Utc>,
    /// The time in which at least one session lived.
    pub lived: TimeDelta,
    /// That time as a part of the window, 0 to 1.
    pub share: f64,
    /// How many sessions lived in the window.
    pub sessions: u32,
    /// The longest time in which none did.
    pub longest_gap: TimeDelta,
}

/// Adds up the times of sessions, those that overlap once.
pub fn uptime(spans: &[Span], from: DateTime<Utc>, to: DateTime<Utc>) -> Uptime {
    let clipped = spans.iter().map(|span| (span.started_at.max(from), span.live_until.min(to)));
    let mut clipped: Vec<(DateTime<Utc>, DateTime<Utc>)> = clipped.filter(|(start, end)| start < end).collect();
    clipped.sort_unstable();
    let (mut lived, mut longest_gap, mut known_until) = (TimeDelta::zero(), TimeDelta::zero(), from);
    for (start, end) in &clipped {
        longest_gap = longest_gap.max(*start - known_until);
        lived += (*end - known_until.max(*start)).max(TimeDelta::zero());
        known_until = known_until.max(*end);
    }
    let longest_gap = longest_gap.max(to - known_until);
    let share = if to > from { seconds(lived) / seconds(to - from) } else { 0.0 };
    let sessions = u32::try_from(clipped.len()).unwrap_or(u32::MAX);
    Uptime { from, to, lived, share, sessions, longest_gap }
}

fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}

#[cfg(test)]
#[path = "uptime_tests.rs"]
mod tests;
