//! Pages of long answers.

use serde::{Deserialize, Serialize};

/// How many rows a page may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u32);

/// A page size outside 1 to [`PageSize::MAX`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`limit` is {given}: it must be 1 to {}", PageSize::MAX)]
pub struct InvalidPageSize {
    /// What was asked for.
    pub given: u32,
}

impl PageSize {
    /// The most rows a page may hold.
    pub const MAX: u32 = 500;
    /// The rows of a page when the caller names no number.
    pub const DEFAULT: Self = Self(50);
    /// The largest one, for whoever reads all pages.
    pub const LARGEST: Self = Self(Self::MAX);

    /// Checks the bounds.
    pub fn try_new(rows: u32) -> Result<Self, InvalidPageSize> {
        if (1..=Self::MAX).contains(&rows) { Ok(Self(rows)) } else { Err(InvalidPageSize { given: rows }) }
    }

    /// The number of rows.
    pub const fn rows(self) -> u32 {
        self.0
    }
}

/// Rows and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T, C> {
    /// At most the asked number of rows.
    pub rows: Vec<T>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// Cuts rows that were read with one row too many to see whether there is a next page.
    pub fn cut(mut rows: Vec<T>, size: PageSize, cursor: impl Fn(&T) -> C) -> Self {
        let limit = size.rows() as usize;
        let next = (rows.len() > limit).then(|| rows.get(limit - 1).map(cursor)).flatten();
        rows.truncate(limit);
        Self { rows, next }
    }
}
