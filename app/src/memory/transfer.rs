//! Taking memories out and in again: lines of JSON, one memory each.

pub mod api;
pub mod bodies;
pub mod views;

use crate::call::Call;
use crate::memory::filtering::Sought;
use crate::memory::queries::MemoryQueries;
use crate::refusal::{CallError, chain};
use bytes::Bytes;
use domain::memory::filter::{MemoryCursor, MemoryFilter, Order};
use domain::memory::record::Memory;
use domain::page::PageSize;
use futures_util::Stream;
use serde_json::{Value, json};

/// Exports memories page by page, the oldest first, so that no unit of work lasts longer than it takes to read a page.
pub struct Export {
    queries: MemoryQueries,
    call: Call,
    filter: MemoryFilter,
    next: Next,
}

enum Next {
    Page(Option<MemoryCursor>),
    End,
}

impl Export {
    /// Begins: what is refused, is refused before anything is sent.
    pub async fn begin(queries: MemoryQueries, call: Call, sought: Sought) -> Result<Self, CallError> {
        let mut uow = queries.enter(&call).await?;
        let now = uow.now().await?;
        drop(uow);
        let filter = if sought.ended_too { sought.filter_of_all_times(&call, now) } else { sought.filter(&call, now) };
        Ok(Self { queries, call, filter, next: Next::Page(None) })
    }

    /// The lines, a page at a time.
    pub fn into_parts(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
        futures_util::stream::unfold(self, async |mut export| {
            let part = export.part().await?;
            Some((part, export))
        })
    }

    async fn part(&mut self) -> Option<Result<Bytes, std::io::Error>> {
        let Next::Page(after) = self.next else { return None };
        self.next = Next::End;
        match self.page(after).await {
            Ok(lines) => Some(Ok(lines)),
            Err(error) => {
                tracing::warn!(error = chain(&error), "an export of memories broke off");
                // The answer has begun: breaking it off is all that is left to tell.
                Some(Err(std::io::Error::other("the export broke off")))
            }
        }
    }

    async fn page(&mut self, after: Option<MemoryCursor>) -> Result<Bytes, CallError> {
        let mut uow = self.queries.enter(&self.call).await?;
        let page = uow.memory_list(&self.filter, Order::OldestFirst, after, PageSize::LARGEST).await?;
        drop(uow);
        let mut lines = Vec::new();
        for memory in &page.rows {
            if let Some(line) = line(memory) {
                lines.extend_from_slice(line.to_string().as_bytes());
                lines.push(b'\n');
            }
        }
        if let Some(next) = page.next {
            self.next = Next::Page(Some(next));
        }
        Ok(lines.into())
    }
}

/// A memory as it is taken in again; `None` of one without words.
fn line(memory: &Memory) -> Option<Value> {
    let words = memory.content.as_ref()?.words();
    let mut line = json!({
        "ref": memory.id,
        "agent": memory.author.agent,
        "scope": memory.scope,
        "event_type": memory.event_type,
        "summary": words.summary,
        "details": words.details,
        "outcome": words.outcome,
        "lessons": words.lessons,
        "tags": words.tags,
        "links": words.links,
        "importance": memory.importance,
        "stream": memory.place.stream,
        "happened_at": memory.happened_at,
        // What says when it holds is kept apart from its twins, so it is said only where it has to be.
        "valid_from": (memory.valid_from != memory.happened_at).then_some(memory.valid_from),
        "valid_until": memory.valid_until,
        "pinned": memory.pinned,
        "supersedes": memory.supersedes,
    });
    if let Value::Object(fields) = &mut line {
        fields.retain(|_, value| !value.is_null());
    }
    Some(line)
}
