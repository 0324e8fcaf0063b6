//! Alerts over HTTP.

use crate::alerts::bodies::RaiseAlertBody;
use crate::alerts::commands::{AcknowledgeAlert, RaiseAlert, ResolveAlert};
use crate::alerts::queries::AlertQueries;
use crate::alerts::views::{AlertPageView, AlertStateView, AlertView, RaisedAlert, SeverityView};
use crate::executor::Executor;
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use domain::alerts::alert::Escalation;
use domain::alerts::listing::{AlertCursor, AlertFilter};
use domain::ids::AlertId;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

/// The operations on alerts.
pub struct AlertsApi {
    executor: Executor,
    queries: AlertQueries,
    escalation: Escalation,
}

impl AlertsApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor, escalation: Escalation) -> Self {
        let queries = AlertQueries::new(executor.clone());
        Self { executor, queries, escalation }
    }
}

#[OpenApi(prefix_path = "/v1/alerts", tag = "crate::http::tags::Tag::Alerts")]
impl AlertsApi {
    /// Raise an alert
    ///
    /// Every orchestrator gets a message, and webhooks that follow `alert.*` a call. If one of the same key is not
    /// resolved, its count rises, and nobody is told again unless it became worse.
    #[oai(path = "/", method = "post", operation_id = "raise_alert")]
    async fn raise(&self, Auth(call): Auth, body: JsonBody<RaiseAlertBody>) -> Result<RaisedAlert, Problem> {
        let (raise, ids) = (body.0.read()?, self.executor.ids());
        let (id, message) = (ids.alert_id(), ids.message_id());
        let command = RaiseAlert { id, raise, escalation: self.escalation, message };
        Ok(RaisedAlert::Raised(Json(self.executor.execute(&call, &command).await?.answer.into())))
    }

    /// List alerts
    ///
    /// Newest first. Several filters must all fit.
    #[oai(path = "/", method = "get", operation_id = "list_alerts")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// Those that are so far.
        state: Query<Option<AlertStateView>>,
        /// Those at least so bad.
        severity_min: Query<Option<SeverityView>>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<AlertPageView>, Problem> {
        let filter = AlertFilter { stage: state.0.map(Into::into), severity_min: severity_min.0.map(Into::into) };
        let after: Option<AlertCursor> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.list(&call, &filter, after, cursor::page_size(limit.0)?).await?;
        Ok(Json(AlertPageView {
            alerts: page.rows.into_iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Look at an alert
    #[oai(path = "/:id", method = "get", operation_id = "get_alert")]
    async fn get(
        &self,
        Auth(call): Auth,
        /// The alert.
        id: Path<String>,
    ) -> Result<Json<AlertView>, Problem> {
        Ok(Json(self.queries.find(&call, alert_id(&id.0)?).await?.into()))
    }

    /// Take an alert up
    ///
    /// Needs the role `orchestrator` or `admin`. It becomes no worse from then on.
    #[oai(path = "/:id/acknowledge", method = "post", operation_id = "acknowledge_alert")]
    async fn acknowledge(
        &self,
        Auth(call): Auth,
        /// The alert.
        id: Path<String>,
    ) -> Result<Json<AlertView>, Problem> {
        let command = AcknowledgeAlert { id: alert_id(&id.0)? };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Resolve an alert
    ///
    /// Needs the role `orchestrator` or `admin`, but for whoever raised it. When it happens again, it is a new one.
    #[oai(path = "/:id/resolve", method = "post", operation_id = "resolve_alert")]
    async fn resolve(
        &self,
        Auth(call): Auth,
        /// The alert.
        id: Path<String>,
    ) -> Result<Json<AlertView>, Problem> {
        let command = ResolveAlert { id: alert_id(&id.0)? };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }
}

fn alert_id(text: &str) -> Result<AlertId, Problem> {
    AlertId::parse(text).map_err(|error| Problem::invalid("id", &error))
}
