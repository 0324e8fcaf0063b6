//! Following by asking again and again, for those who cannot keep a stream open.

use crate::events::feed::{Follower, Gap, News, Told};
use domain::events::Position;
use ports::store::StoreError;

/// How many facts may be gone over for one answer, however few of them are wanted.
pub const SCANNED_FACTS_MAX: usize = 10_000;

/// The greatest number of events in one answer.
pub const EVENTS_MAX: usize = 500;

/// What one answer has.
#[derive(Debug)]
pub struct Polled {
    /// The wanted facts, in order.
    pub told: Vec<Told>,
    /// Where to go on.
    pub position: Position,
    /// What is missing before them.
    pub gap: Option<Gap>,
    events_max: usize,
}

impl Polled {
    /// Nothing so far, and room for so many events.
    pub fn new(follower: &Follower, events_max: usize) -> Self {
        Self { told: Vec::new(), position: follower.position(), gap: None, events_max }
    }

    /// Whether there is nothing to answer yet.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty() && self.gap.is_none()
    }

    /// Takes what can be had without waiting.
    pub async fn take(&mut self, follower: &mut Follower) -> Result<(), StoreError> {
        let mut scanned = 0;
        while self.told.len() < self.events_max && scanned < SCANNED_FACTS_MAX {
            let Some(news) = follower.at_hand().await? else {
                self.position = follower.position();
                return Ok(());
            };
            scanned += match &news {
                News::Gap(_) => 0,
                News::Facts(facts) => facts.passed(),
            };
            if !self.note(&news) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes what the follower has come to; whether there is room for what comes next.
    pub fn note(&mut self, news: &News) -> bool {
        match news {
            // It stands between these and the next ones, who will be told of it.
            News::Gap(gap) if !self.told.is_empty() => {
                self.position = gap.after;
                false
            }
            News::Gap(gap) => {
                (self.gap, self.position) = (Some(*gap), gap.goes_on_after);
                true
            }
            News::Facts(facts) => {
                for told in facts.told() {
                    if self.told.len() >= self.events_max {
                        return false;
                    }
                    self.position = told.position;
                    self.told.push(told.clone());
                }
                self.position = facts.last();
                true
            }
        }
    }
}
