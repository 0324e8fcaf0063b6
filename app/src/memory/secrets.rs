//! No secret gets in: every text of every write comes by here before anything else is done with it.

use crate::refusal::{CallError, Refusal};
use domain::memory::secrets::{mask_json, scan_json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most secrets that are told of one call.
pub const TOLD_MAX: usize = 50;

/// What becomes of what holds a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretsPolicy {
    /// It is refused.
    Refuse,
    /// It is kept without the secret.
    Mask,
}

/// A secret that was found. It does not hold the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretAt {
    /// In which field, such as `details.env.TOKEN`.
    pub field: String,
    /// The name of the rule that found it.
    pub rule: String,
    /// What it is, in words.
    pub what: String,
}

/// Secrets that keep something from being written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("there are secrets in it, and nothing was written: {}", told(found))]
pub struct SecretsFound {
    /// Where they are, the first [`TOLD_MAX`] of them.
    pub found: Vec<SecretAt>,
}

impl From<SecretsFound> for CallError {
    fn from(found: SecretsFound) -> Self {
        Self::Refused(Refusal::Secrets(found))
    }
}

/// What may be written, and what was taken out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Clean<T> {
    /// Without secrets.
    pub value: T,
    /// What was masked; empty if nothing was found.
    pub masked: Vec<SecretAt>,
}

impl SecretsPolicy {
    /// Looks through every text of a value, the names of its fields included. `place` is where the value stands in the
    /// request, empty if it is the whole of it. What cannot be masked, because it would not be what it must be any more
    /// (a tag, a name), is refused under either policy.
    pub fn clean<T: Serialize + DeserializeOwned>(self, place: &str, value: T) -> Result<Clean<T>, CallError> {
        let written = serde_json::to_value(&value).map_err(|error| CallError::Internal(error.to_string()))?;
        let found = find(place, &written);
        if found.is_empty() {
            return Ok(Clean { value, masked: found });
        }
        let masked = match self {
            Self::Refuse => None,
            Self::Mask => serde_json::from_value(mask_json(&written)).ok(),
        };
        masked.map(|value| Clean { value, masked: found.clone() }).ok_or_else(|| SecretsFound { found }.into())
    }
}

fn find(place: &str, value: &Value) -> Vec<SecretAt> {
    let placed = scan_json(place, value);
    let at = placed.into_iter().take(TOLD_MAX).map(|placed| SecretAt {
        field: placed.place.trim_start_matches('.').to_owned(),
        rule: placed.finding.rule.to_owned(),
        what: placed.finding.what.to_owned(),
    });
    at.collect()
}

fn told(found: &[SecretAt]) -> String {
    let each: Vec<String> = found.iter().map(|at| format!("{} in `{}`", at.what, at.field)).collect();
    each.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{SecretAt, SecretsFound, SecretsPolicy};
    use crate::refusal::{CallError, Refusal};
    use domain::memory::content::{Tag, Words};
    use serde_json::{Value, json};

    /// Put together here, so that nobody who looks for secrets in this file finds one.
    fn token() -> String {
        format!("ghp_{}", "x7Kq2ZpLw9Rt4VbN8sYc1MdF6hJg3QaE5uTk")
    }

    fn found(error: CallError) -> Vec<SecretAt> {
        match error {
            CallError::Refused(Refusal::Secrets(SecretsFound { found })) => found,
            other => panic!("refused otherwise: {other}"),
        }
    }

    #[test]
    fn a_secret_is_refused_with_its_place_and_without_itself() {
        let value = json!({ "summary": "it works now", "details": { "env": { "GH": token() } } });
        let error = SecretsPolicy::Refuse.clean("", value).unwrap_err();
        assert!(!error.to_string().contains(&token()), "{error}");
        let found = found(error);
        assert_eq!((found.len(), found[0].field.as_str()), (1, "details.env.GH"));
        assert!(!found[0].rule.is_empty() && !found[0].what.is_empty());
    }

    #[test]
    fn a_secret_is_masked_and_told() {
        let value = json!({ "lessons": ["fine", format!("use {}", token())] });
        let clean = SecretsPolicy::Mask.clean("lines[3]", value).unwrap();
        let text = clean.value.to_string();
        assert!(!text.contains(&token()) && text.contains("use [masked: "), "{text}");
        assert_eq!(clean.masked[0].field, "lines[3].lessons[1]");
    }

    #[test]
    fn what_must_keep_its_form_is_refused_even_where_secrets_are_masked() {
        let tag = Tag::parse(&token()).unwrap();
        let words = serde_json::from_value::<Words>(json!({ "summary": "s", "tags": [tag] })).unwrap();
        let told = found(SecretsPolicy::Mask.clean("", words).unwrap_err());
        assert_eq!(told[0].field, "tags[0]");
    }

    #[test]
    fn what_holds_none_stays_as_it_is() {
        let value = json!({ "summary": "no secret", "details": { "n": 1.50, "none": Value::Null } });
        for policy in [SecretsPolicy::Refuse, SecretsPolicy::Mask] {
            let clean = policy.clean("", value.clone()).unwrap();
            assert_eq!((clean.value, clean.masked.len()), (value.clone(), 0));
        }
    }
}
