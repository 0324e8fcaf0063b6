//! What keeps something from being remembered, as refusals tell it.

use crate::http::problem::FieldError;
use crate::memory::remembering::LineFault;
use crate::memory::secrets::SecretAt;

/// The faults of lines.
pub fn lines(faults: Vec<LineFault>) -> Vec<FieldError> {
    let told = |LineFault { line, refusal }| FieldError { field: format!("line {line}"), reason: refusal.to_string() };
    faults.into_iter().map(told).collect()
}

/// Where secrets are, without the secrets.
pub fn secrets(found: Vec<SecretAt>) -> Vec<FieldError> {
    let told = |SecretAt { field, rule, what }| FieldError { field, reason: format!("holds {what} (rule `{rule}`)") };
    found.into_iter().map(told).collect()
}
