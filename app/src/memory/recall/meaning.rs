//! The vector of a question, asked for before any unit of work is begun.

use crate::memory::recall::{RecallRequest, RecallSettings, Way};
use domain::memory::vector::{Vector, VectorSpace};
use tokio::time::timeout;

/// What is known of the meaning of a question.
pub(super) enum Meaning {
    /// It is not asked for, or nothing could tell.
    Unasked,
    /// It is this.
    Known {
        /// Among the vectors of this space.
        space: VectorSpace,
        /// There.
        vector: Vector,
    },
    /// It was asked for, and nobody told it in time.
    Lost,
}

impl Meaning {
    /// Asks the embedder, if there is one, for as long as a search may wait.
    pub(super) async fn of(settings: &RecallSettings, request: &RecallRequest) -> Self {
        let Some(embedder) = settings.embedder.as_ref().filter(|_| request.way != Way::Lexical) else {
            return Self::Unasked;
        };
        let Some(query) = request.query.as_ref().filter(|query| !query.trim().is_empty()) else {
            return Self::Unasked;
        };
        let within = settings.embedder_timeout;
        match timeout(within, embedder.embed(std::slice::from_ref(query), within)).await {
            Ok(Ok(mut vectors)) => match vectors.pop() {
                Some(vector) => Self::Known { space: VectorSpace::of(embedder.model(), &vector), vector },
                None => Self::Lost,
            },
            Ok(Err(error)) => {
                tracing::debug!(%error, "a question got no vector");
                Self::Lost
            }
            Err(_) => {
                tracing::debug!("a question got no vector in time");
                Self::Lost
            }
        }
    }

    /// Why it is not known though it was asked for.
    pub(super) const fn degraded(&self) -> Option<&'static str> {
        match self {
            Self::Lost => Some("the embedder did not answer in time: found by words alone"),
            Self::Unasked | Self::Known { .. } => None,
        }
    }
}
