//! What an open stream shows again and again.

use super::unauthenticated;
use crate::call::Call;
use crate::executor::Executor;
use crate::http::problem::Problem;
use crate::identity::authenticate::{AuthError, Authenticator};
use std::sync::Arc;

/// What lets a request stay that goes on for long.
pub struct Pass {
    authenticator: Arc<Authenticator>,
    executor: Executor,
    token: String,
    call: Call,
}

impl Pass {
    /// The pass of whoever showed this token and was admitted as this call.
    pub(super) fn new(authenticator: Arc<Authenticator>, executor: Executor, token: String, call: Call) -> Self {
        Self { authenticator, executor, token, call }
    }

    /// Whether the request would be admitted again, as the same caller; the problem if not. A sign of life of its session.
    pub async fn check(&self) -> Result<(), Problem> {
        match self.authenticator.authenticate(&self.token).await {
            Ok(principal) if principal == self.call.principal => {}
            Ok(_) | Err(AuthError::Unknown | AuthError::Expired | AuthError::Revoked) => return Err(unauthenticated()),
            Err(AuthError::Unavailable(error)) => return Err(error.into()),
        }
        Ok(self.executor.signs_of_life().heard(self.executor.store(), &self.call).await?)
    }
}
