use serde::Deserialize;

use super::reader::Reader;
use crate::memory::secrets::SecretsPolicy;
use domain::memory::rank::{InvalidWeight, Weights};
use domain::memory::working::content::TokenBudget;
use domain::memory::working::{Kept, Terms};

/// How memories are kept and found.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// What becomes of what holds a secret.
    pub secrets: SecretsPolicy,
    /// How much each part of a score counts.
    pub weights: Weights,
    /// How many memories are looked at for a question, in each realm.
    pub candidates_max: u32,
    /// What holds for working memory.
    pub working: Terms,
}

#[derive(Default, Deserialize)]
struct Raw {
    secrets: Option<String>,
    weight_window: Option<String>,
    weight_semantic: Option<String>,
    weight_semantic_window: Option<String>,
    weight_recency: Option<String>,
    weight_feedback: Option<String>,
    weight_importance: Option<String>,
    weight_pinned: Option<String>,
    half_life_days: Option<String>,
    candidates: Option<String>,
    working_tokens: Option<String>,
    working_kept_days: Option<String>,
}

impl Memory {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut raw: Raw = reader.section("MEMORY_");
        let weights = raw.weights(reader);
        let candidates_max = reader.number("MEMORY_CANDIDATES", raw.candidates);
        let policies = [("refuse", SecretsPolicy::Refuse), ("mask", SecretsPolicy::Mask)];
        let secrets = reader.choice("MEMORY_SECRETS", raw.secrets.as_deref(), &policies, SecretsPolicy::Refuse);
        // A stand-in is out of bounds, and never used.
        let budget = TokenBudget::try_new(reader.number("MEMORY_WORKING_TOKENS", raw.working_tokens));
        let kept = Kept::try_new(reader.number("MEMORY_WORKING_KEPT_DAYS", raw.working_kept_days));
        let working = Terms { budget: budget.unwrap_or(TokenBudget::DEFAULT), kept: kept.unwrap_or(Kept::DEFAULT) };
        Self { secrets, weights, candidates_max, working }
    }
}

impl Raw {
    fn weights(&mut self, reader: &mut Reader) -> Weights {
        let usual = Weights::default();
        let mut read = |name: &str, raw: &mut Option<String>, usual: f64| {
            let Some(raw) = raw.take() else { return usual };
            raw.parse::<f64>().ok().filter(|number| number.is_finite()).unwrap_or_else(|| {
                reader.refuse(name, "must be a number, such as 0.5");
                usual
            })
        };
        let weights = Weights {
            window: read("MEMORY_WEIGHT_WINDOW", &mut self.weight_window, usual.window),
            semantic: read("MEMORY_WEIGHT_SEMANTIC", &mut self.weight_semantic, usual.semantic),
            semantic_window: read(
                "MEMORY_WEIGHT_SEMANTIC_WINDOW",
                &mut self.weight_semantic_window,
                usual.semantic_window,
            ),
            recency: read("MEMORY_WEIGHT_RECENCY", &mut self.weight_recency, usual.recency),
            feedback: read("MEMORY_WEIGHT_FEEDBACK", &mut self.weight_feedback, usual.feedback),
            importance: read("MEMORY_WEIGHT_IMPORTANCE", &mut self.weight_importance, usual.importance),
            pinned: read("MEMORY_WEIGHT_PINNED", &mut self.weight_pinned, usual.pinned),
            half_life_days: read("MEMORY_HALF_LIFE_DAYS", &mut self.half_life_days, usual.half_life_days),
        };
        weights.checked().unwrap_or_else(|InvalidWeight { name, min, max, .. }| {
            let variable = if name == "half_life_days" { String::new() } else { "WEIGHT_".to_owned() };
            let variable = format!("MEMORY_{variable}{}", name.to_uppercase());
            reader.refuse(&variable, format!("must be {min} to {max}"));
            usual
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::memory::secrets::SecretsPolicy;

    fn read(name: &str, value: &str) -> Result<Config, String> {
        Config::from_vars([(name, value)]).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_set_is_read() {
        let config = read("MEMORY_WEIGHT_RECENCY", "0.35").unwrap();
        assert!((config.memory.weights.recency - 0.35).abs() < f64::EPSILON);
        assert_eq!(read("MEMORY_CANDIDATES", "200").unwrap().memory.candidates_max, 200);
        assert_eq!(read("MEMORY_SECRETS", "mask").unwrap().memory.secrets, SecretsPolicy::Mask);
        assert_eq!(read("MEMORY_SECRETS", "").unwrap().memory.secrets, SecretsPolicy::Refuse);
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_its_name() {
        for (name, value) in [
            ("MEMORY_WEIGHT_RECENCY", "0.51"),
            ("MEMORY_WEIGHT_SEMANTIC", "-1"),
            ("MEMORY_WEIGHT_SEMANTIC_WINDOW", "much"),
            ("MEMORY_WEIGHT_PINNED", "NaN"),
            ("MEMORY_HALF_LIFE_DAYS", "0"),
            ("MEMORY_CANDIDATES", "1"),
            ("MEMORY_SECRETS", "keep"),
        ] {
            let told = read(name, value).unwrap_err();
            assert!(told.contains(name), "{name}={value}: {told}");
        }
    }
}
