//! A header on every answer to an agent, so that one that never looks into its inbox learns of mail all the same.

use domain::ids::{AgentId, ProjectId};
use poem::http::{HeaderName, HeaderValue};
use poem::{Endpoint, IntoResponse, Request, Response, Result};
use std::sync::{Arc, OnceLock};

/// The header: `3; urgent=1`. Absent where it is not known.
pub const UNREAD: &str = "pointsman-unread";

/// Who was admitted with a request, once that is known. Request data.
#[derive(Debug, Clone, Default)]
pub struct Admitted(Arc<OnceLock<(ProjectId, AgentId)>>);

impl Admitted {
    /// Notes who it is.
    pub fn note(&self, project: &ProjectId, agent: &AgentId) {
        // Whoever was admitted first stays.
        let _ = self.0.set((project.clone(), agent.clone()));
    }
}

/// Knows what there is to read for an agent, as the header says it.
pub type Unread = Arc<dyn Fn(&ProjectId, &AgentId) -> Option<String> + Send + Sync>;

/// Adds the header to whatever `inner` answers.
pub fn tell<E>(inner: E, unread: Unread) -> Telling<E> {
    Telling { inner, unread }
}

/// See [`tell`].
pub struct Telling<E> {
    inner: E,
    unread: Unread,
}

impl<E: Endpoint> Endpoint for Telling<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let admitted = Admitted::default();
        request.set_data(admitted.clone());
        let mut response = self.inner.call(request).await?.into_response();
        let unread = admitted.0.get().and_then(|(project, agent)| (self.unread)(project, agent));
        if let Some(value) = unread.and_then(|unread| HeaderValue::from_str(&unread).ok()) {
            response.headers_mut().insert(HeaderName::from_static(UNREAD), value);
        }
        Ok(response)
    }
}
