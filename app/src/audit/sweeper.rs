//! Writes the lines that stand for folded refusals.

use crate::executor::Executor;
use crate::refusal::CallError;
use domain::audit::Entry;

/// Writes one line for each refusal that was repeated too often to be written each time.
pub async fn write_folded(executor: &Executor, all: bool) -> Result<(), CallError> {
    let now = executor.store().begin_read().await?.now().await?;
    let folded: Vec<Entry> = executor.take_folded(now, all);
    if folded.is_empty() {
        return Ok(());
    }
    let mut uow = executor.store().begin().await?;
    uow.audit_append(&folded).await?;
    uow.commit().await?;
    Ok(())
}
