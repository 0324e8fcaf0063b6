//! What requests about alerts look like on the wire, and what they mean.

use crate::alerts::views::SeverityView;
use crate::http::problem::Problem;
use domain::alerts::alert::Raise;
use domain::alerts::content::{AlertDetail, AlertTitle, DedupKey};
use poem_openapi::Object;

/// An alert to raise.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RaiseAlert", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct RaiseAlertBody {
    /// What it is about: as long as one is not resolved, another of the same key raises its count. Up to 200 letters,
    /// digits and `- _ . : @ /`.
    #[oai(validator(min_length = 1, max_length = 200, pattern = "^[A-Za-z0-9_.:@/-]+$"))]
    pub dedup_key: String,
    /// How bad it is.
    pub severity: SeverityView,
    /// In one line.
    #[oai(validator(min_length = 1, max_length = 256))]
    pub title: String,
    /// At length, up to 8 KiB.
    #[oai(validator(min_length = 1, max_length = 8192))]
    pub detail: Option<String>,
}

impl RaiseAlertBody {
    /// Reads it.
    pub fn read(self) -> Result<Raise, Problem> {
        let detail = self.detail.as_deref().map(AlertDetail::parse).transpose();
        Ok(Raise {
            dedup_key: DedupKey::parse(&self.dedup_key).map_err(|error| Problem::invalid("dedup_key", &error))?,
            severity: self.severity.into(),
            title: AlertTitle::parse(&self.title).map_err(|error| Problem::invalid("title", &error))?,
            detail: detail.map_err(|error| Problem::invalid("detail", &error))?,
            times: 1,
        })
    }
}
