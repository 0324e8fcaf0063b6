//! The session of a call that changes something outside of the lanes, and has to be known in it.

use crate::agents::commands::EnterSession;
use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::CallError;
use domain::ids::SessionId;

/// The session that a call runs in: the named one, or the agent's default one. It starts if it is not there. Costs nothing
/// for whoever was heard from within the last second.
pub async fn enter(executor: &Executor, call: &Call) -> Result<SessionId, CallError> {
    if let Some(session) = executor.signs_of_life().session(executor.store(), call).await? {
        return Ok(session);
    }
    // The idempotency key is that of what the caller wants to do in the session.
    let entering = Call { idempotency_key: None, ..call.clone() };
    let session = executor.execute_hot(&entering, EnterSession).await?.answer;
    executor.signs_of_life().forget(call);
    Ok(session)
}
