//! Refusals that were decided before there was a command.

use super::Executor;
use super::journal::{Journal, Refused};
use crate::call::Call;
use crate::refusal::{CallError, Refusal};
use serde_json::Value;

impl Executor {
    /// Counts such a refusal and writes it to the audit log, in a unit of work of its own. Folded like all refusals.
    pub async fn refuse(
        &self,
        call: &Call,
        operation: &str,
        target: String,
        refusal: &Refusal,
    ) -> Result<(), CallError> {
        self.core.metrics.refusal(refusal.slug());
        if !refusal.is_audited() {
            return Ok(());
        }
        let mut uow = self.core.store.begin().await?;
        let mut journal = Journal::new(self.ids(), uow.now().await?);
        let refused = Refused { operation, target, asked: Value::Null, refusal };
        let entry = journal.refusal(call, None, refused);
        if self.core.folds.deserves_a_line(&entry) {
            journal.add(entry);
            journal.append(uow.as_mut()).await?;
            uow.commit().await?;
        }
        Ok(())
    }
}
