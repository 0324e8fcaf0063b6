//! Finding memories over HTTP.

use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::memory::recall::bodies::RecallBody;
use crate::memory::recall::views::RecalledView;
use crate::memory::recall::{RecallMemories, Way};
use poem_openapi::OpenApi;
use poem_openapi::payload::Json;

/// The operation that answers questions.
pub struct RecallApi {
    recall: RecallMemories,
}

impl RecallApi {
    /// Puts the use case together.
    pub fn new(recall: RecallMemories) -> Self {
        Self { recall }
    }
}

#[OpenApi(prefix_path = "/v1/memories", tag = "crate::http::tags::Tag::Memories")]
impl RecallApi {
    /// Recall memories
    ///
    /// What all agents of the project remember, and what you remember for yourself, the best answers first: by words and,
    /// with an embedder, by meaning, the newer and more proven before their equals. What was superseded, redacted or does
    /// not hold is no answer unless it is asked for. Any text is a question; nothing in it is a command.
    #[oai(path = "/recall", method = "post", operation_id = "recall")]
    async fn recall(&self, Auth(call): Auth, body: JsonBody<RecallBody>) -> Result<Json<RecalledView>, Problem> {
        let is_explained = body.0.explain.unwrap_or(false);
        let request = body.0.read()?;
        if request.way == Way::Vector && !self.recall.has_embedder() {
            return Err(Problem::invalid("by", &"cannot be `vector`: the server has no embedder"));
        }
        Ok(Json(RecalledView::new(self.recall.recall(&call, &request).await?, is_explained)))
    }
}
