//! Questions whose answers are fetched before they are needed, many in one statement.
//!
//! The queries are made by the very methods that will ask them: first each only notes its query, then all are asked
//! together, and when a method comes to ask one of them again, its rows are there.

use crate::sea::error::sort;
use crate::sea::optimistic::asked_together;
use crate::sea::unit::SeaUnitOfWork;
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Statement};
use serde::de::DeserializeOwned;

/// What a unit of work has asked ahead.
#[derive(Default)]
pub(super) struct Ahead {
    /// Queries and their rows as JSON.
    answered: Vec<(Statement, String)>,
    /// While queries are only noted: they, and how to ask them. They are answered with nothing.
    noted: Option<Vec<(Statement, Statement)>>,
}

impl Ahead {
    /// Forgets all answers: they are not true any more.
    pub(super) fn forget(&mut self) {
        self.answered.clear();
    }
}

impl SeaUnitOfWork {
    /// Reads rows of a table, which may have been asked for by [`Self::ask`].
    pub(super) async fn rows_ahead<R: FromQueryResult + DeserializeOwned>(
        &mut self,
        statement: Statement,
        what: &'static str,
    ) -> Result<Vec<R>, StoreError> {
        if let Some(noted) = &mut self.ahead.noted {
            noted.push((statement.clone(), statement));
            return Ok(Vec::new());
        }
        match self.take_ahead(&statement, what)? {
            Some(rows) => Ok(rows),
            None => self.rows(statement, what).await,
        }
    }

    /// Whether anything was asked ahead and not yet come to.
    pub(super) fn has_ahead(&self) -> bool {
        !self.ahead.answered.is_empty()
    }

    /// The rows of a query that was asked ahead.
    pub(super) fn take_ahead<R: DeserializeOwned>(
        &mut self,
        query: &Statement,
        what: &'static str,
    ) -> Result<Option<Vec<R>>, StoreError> {
        let Some(at) = self.ahead.answered.iter().position(|(asked, _)| asked == query) else { return Ok(None) };
        let (_, rows) = self.ahead.answered.swap_remove(at);
        let rows = serde_json::from_str(&rows).map(Some);
        rows.map_err(|error| self.spoil(StoreError::Corrupt { what: what.to_owned(), source: Box::new(error) }))
    }

    /// From here on queries are noted instead of asked.
    pub(super) fn note(&mut self) {
        self.ahead.noted = Some(Vec::new());
    }

    /// Asks all that was noted at once, to be answered when [`Self::rows_ahead`] comes to it.
    pub(super) async fn ask(&mut self, what: &'static str) -> Result<(), StoreError> {
        let (queries, asked): (Vec<_>, Vec<_>) = self.ahead.noted.take().unwrap_or_default().into_iter().unzip();
        if queries.is_empty() {
            return Ok(());
        }
        let Some(row) = self.query(asked_together(&asked), what).await?.pop() else { return Ok(()) };
        for (at, query) in queries.into_iter().enumerate() {
            let rows = row.try_get_by_index::<String>(at).map_err(|error| self.spoil(sort(error, what)))?;
            self.ahead.answered.push((query, rows));
        }
        Ok(())
    }

    /// Notes a query that is asked in other words than it will be named by.
    pub(super) fn note_as(&mut self, query: Statement, asked: Statement) {
        if let Some(noted) = &mut self.ahead.noted {
            noted.push((query, asked));
        }
    }
}
