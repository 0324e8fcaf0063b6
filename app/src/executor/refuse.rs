//! Refusals that were decided before there was a command.

use super::{Executor, refused_change};
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
        self.metrics.refusal(refusal.slug());
        if !refusal.is_audited() {
            return Ok(());
        }
        let mut uow = self.store.begin().await?;
        let now = uow.now().await?;
        let change = refused_change(operation, target, &Value::Null, refusal);
        let entry = self.entry(call, call.session.clone(), change, false, refusal.slug(), now)?;
        if self.folds.deserves_a_line(&entry) {
            uow.audit_append(&[entry]).await?;
            uow.commit().await?;
        }
        Ok(())
    }
}
