//! One who follows.

use super::limits::Place;
use super::{Beginning, Core, PAGE_FACTS_MAX, Page, Told};
use bytes::{Bytes, BytesMut};
use domain::events::{Fact, FactFilter, Position};
use domain::ids::ProjectId;
use ports::store::StoreError;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

/// One who follows the facts of a project.
pub struct Follower {
    core: Arc<Core>,
    project: ProjectId,
    filter: FactFilter,
    /// Everything up to here was passed.
    position: Position,
    /// What is to be told of before everything else.
    gap: Option<Gap>,
    /// Whether what was deleted before this follower began is none of its business.
    is_from_start: bool,
    /// What it has read by itself and not gone over yet.
    own: VecDeque<Page>,
    /// The pages that are handed out; `None` while it reads by itself.
    pages: Option<broadcast::Receiver<Arc<Page>>>,
    _place: Place,
}

/// What a follower gets to know.
#[derive(Debug)]
pub enum News {
    /// Facts are missing at this place.
    Gap(Gap),
    /// It went on; perhaps over nothing that it wants.
    Facts(Facts),
}

/// A place where facts are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Where the follower stood.
    pub after: Position,
    /// Where it goes on.
    pub goes_on_after: Position,
    /// Why.
    pub cause: GapCause,
}

/// Why facts are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapCause {
    /// They were deleted because of their age.
    Forgotten,
    /// The position is none of this database, as it is now. It goes on with the oldest fact that is kept.
    OtherHistory,
}

/// Facts that follow each other, of which a follower wants some.
#[derive(Debug)]
pub struct Facts {
    page: Arc<Page>,
    /// The wanted ones; `None` for all.
    wanted: Option<Vec<usize>>,
}

impl Facts {
    /// How many it went over.
    pub fn passed(&self) -> usize {
        self.page.told().len()
    }

    /// Where the last one stands, wanted or not.
    pub fn last(&self) -> Position {
        self.page.told().last().map_or(Position::START, |told| told.position)
    }

    /// The wanted ones, in order.
    pub fn told(&self) -> impl Iterator<Item = &Told> {
        let all = self.page.told();
        let (whole, some) = match &self.wanted {
            None => (all, &[][..]),
            Some(wanted) => (&[][..], wanted.as_slice()),
        };
        whole.iter().chain(some.iter().filter_map(|at| all.get(*at)))
    }

    /// The wanted ones as they are sent; empty if there are none.
    pub fn written(&self) -> Bytes {
        let mut told = self.told();
        match (&self.wanted, told.next(), told.next()) {
            (None, ..) => self.page.written().clone(),
            (_, None, _) => Bytes::new(),
            (_, Some(only), None) => only.written.clone(),
            _ => {
                let mut written = BytesMut::new();
                self.told().for_each(|told| written.extend_from_slice(&told.written));
                written.freeze()
            }
        }
    }
}

impl Follower {
    pub(super) fn new(
        core: Arc<Core>,
        project: ProjectId,
        (from, horizon): (Beginning, Position),
        filter: FactFilter,
        place: Place,
    ) -> Self {
        let (position, gap) = match from {
            Beginning::Now => (horizon, None),
            Beginning::Start => (Position::START, None),
            Beginning::After(after) if after > horizon => {
                let gap = Gap { after, goes_on_after: Position::START, cause: GapCause::OtherHistory };
                (Position::START, Some(gap))
            }
            Beginning::After(after) => (after, None),
        };
        let is_from_start = from == Beginning::Start || gap.is_some();
        Self { core, project, filter, position, gap, is_from_start, own: VecDeque::new(), pages: None, _place: place }
    }

    /// Everything up to here was passed: who goes on from here later misses nothing and gets nothing twice.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Waits until there is something. May be given up and called again at any time. An error is one of the store, and it
    /// goes on where it was when it is called again.
    pub async fn next(&mut self) -> Result<News, StoreError> {
        loop {
            if let Some(news) = self.at_hand().await? {
                return Ok(news);
            }
            let Some(pages) = &mut self.pages else { return std::future::pending().await };
            match pages.recv().await {
                Ok(page) => {
                    if let Some(facts) = self.pass(page) {
                        return Ok(News::Facts(facts));
                    }
                }
                // It was too slow, or its reader is gone.
                Err(RecvError::Lagged(_) | RecvError::Closed) => self.pages = None,
            }
        }
    }

    /// As [`Self::next`], but `None` if there is nothing yet, or the server stops.
    pub async fn at_hand(&mut self) -> Result<Option<News>, StoreError> {
        while !self.core.stopping.is_cancelled() {
            if let Some(gap) = self.gap.take() {
                self.position = gap.goes_on_after;
                return Ok(Some(News::Gap(gap)));
            }
            let facts = match &mut self.pages {
                _ if !self.own.is_empty() => self.own.pop_front().and_then(|page| self.pass(Arc::new(page))),
                None => {
                    self.catch_up().await?;
                    None
                }
                Some(pages) => match pages.try_recv() {
                    Ok(page) => self.pass(page),
                    Err(TryRecvError::Empty) => return Ok(None),
                    Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => {
                        self.pages = None;
                        None
                    }
                },
            };
            if let Some(facts) = facts {
                return Ok(Some(News::Facts(facts)));
            }
        }
        Ok(None)
    }

    /// Reads a page from the store, or joins those whom it is read for.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let (pages, tail) = self.core.join(&self.project).await?;
        if self.position >= tail {
            (self.pages, self.is_from_start) = (Some(pages), false);
            return Ok(());
        }
        let (facts, forgotten) = self.read().await?;
        if let Some(forgotten) = forgotten.filter(|forgotten| *forgotten > self.position && !self.is_from_start) {
            let gap = Gap { after: self.position, goes_on_after: forgotten, cause: GapCause::Forgotten };
            self.gap = Some(gap);
            return Ok(());
        }
        // From here on it matters what is deleted.
        self.is_from_start = false;
        let is_all = facts.len() < PAGE_FACTS_MAX as usize;
        if is_all || facts.last().is_some_and(|(last, _)| *last >= tail) {
            // What it has read now and what is handed out from here on is all there is; both may have some of it.
            self.pages = Some(pages);
        }
        self.own = Page::write(facts, self.core.write).into();
        if is_all && self.own.is_empty() {
            self.position = self.position.max(tail);
        }
        Ok(())
    }

    /// Reads the next facts, and how far those before them were deleted.
    async fn read(&self) -> Result<(Vec<(Position, Fact)>, Option<Position>), StoreError> {
        // Never closed; if it were, everybody had a turn.
        let _turn = self.core.catch_ups.acquire().await;
        let mut uow = self.core.store().begin_read().await?;
        let facts = uow.facts_after(&self.project, Some(self.position), PAGE_FACTS_MAX).await?;
        Ok((facts, uow.facts_forgotten(&self.project).await?))
    }

    /// Goes over a page; `None` if it has been there.
    fn pass(&mut self, page: Arc<Page>) -> Option<Facts> {
        let last = page.last().filter(|last| *last > self.position)?;
        let is_new = page.told().first().is_some_and(|first| first.position > self.position);
        let wanted = (!is_new || !self.filter.is_open()).then(|| {
            let is_wanted = |told: &Told| told.position > self.position && self.filter.admits(&told.fact);
            let all = page.told().iter().enumerate();
            all.filter(|(_, told)| is_wanted(told)).map(|(at, _)| at).collect()
        });
        self.position = last;
        Some(Facts { page, wanted })
    }
}
