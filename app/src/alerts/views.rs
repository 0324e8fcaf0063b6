//! What alerts look like on the wire.

use chrono::{DateTime, Utc};
use domain::alerts::alert::{Alert, Stage, State};
use domain::alerts::content::Severity;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, Object};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "Severity", rename_all = "snake_case")]
pub enum SeverityView {
    /// To be known.
    Info,
    /// To be looked at some time.
    Warning,
    /// To be looked at soon.
    Error,
    /// To be looked at now.
    Critical,
}

impl From<SeverityView> for Severity {
    fn from(severity: SeverityView) -> Self {
        match severity {
            SeverityView::Info => Self::Info,
            SeverityView::Warning => Self::Warning,
            SeverityView::Error => Self::Error,
            SeverityView::Critical => Self::Critical,
        }
    }
}

impl From<Severity> for SeverityView {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
            Severity::Error => Self::Error,
            Severity::Critical => Self::Critical,
        }
    }
}

/// How far an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "AlertState", rename_all = "snake_case")]
pub enum AlertStateView {
    /// Nobody has taken it up.
    Open,
    /// Somebody sees to it.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl From<AlertStateView> for Stage {
    fn from(state: AlertStateView) -> Self {
        match state {
            AlertStateView::Open => Self::Open,
            AlertStateView::Acknowledged => Self::Acknowledged,
            AlertStateView::Resolved => Self::Resolved,
        }
    }
}

/// An alert: something that somebody has to see to.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Alert", skip_serializing_if_is_none)]
pub struct AlertView {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub dedup_key: String,
    /// How bad it is by now.
    pub severity: SeverityView,
    /// In one line.
    pub title: String,
    /// At length.
    pub detail: Option<String>,
    /// Who raised it first: an agent, or `pointsman` itself.
    pub raised_by: String,
    /// How far it is.
    pub state: AlertStateView,
    /// Who took it up, or said that it is over.
    pub state_by: Option<String>,
    /// When.
    pub state_at: Option<DateTime<Utc>>,
    /// How often it was raised.
    pub count: u64,
    /// When it was first raised.
    pub first_at: DateTime<Utc>,
    /// When it was last raised.
    pub last_at: DateTime<Utc>,
    /// How often it has escalated.
    pub escalations: u32,
    /// When it escalates next, unless somebody takes it up.
    pub escalates_at: Option<DateTime<Utc>>,
}

impl From<Alert> for AlertView {
    fn from(alert: Alert) -> Self {
        let (state, state_by, state_at) = match alert.state {
            State::Open => (AlertStateView::Open, None, None),
            State::Acknowledged { by, at } => (AlertStateView::Acknowledged, Some(by.into()), Some(at)),
            State::Resolved { by, at } => (AlertStateView::Resolved, Some(by.into()), Some(at)),
        };
        Self {
            id: alert.id.to_string(),
            dedup_key: alert.dedup_key.into(),
            severity: alert.severity.into(),
            title: alert.title.into(),
            detail: alert.detail.map(Into::into),
            raised_by: alert.raised_by.into(),
            state,
            state_by,
            state_at,
            count: alert.count,
            first_at: alert.first_at,
            last_at: alert.last_at,
            escalations: alert.escalations,
            escalates_at: alert.escalates_at,
        }
    }
}

/// A page of alerts.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AlertPage", skip_serializing_if_is_none)]
pub struct AlertPageView {
    /// At most the asked number, newest first.
    pub alerts: Vec<AlertView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// An answer to the raising of an alert.
#[derive(ApiResponse)]
pub enum RaisedAlert {
    /// The alert: a new one, or the one that stood already.
    #[oai(status = 201)]
    Raised(Json<AlertView>),
}
