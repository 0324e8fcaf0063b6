//! Puts the parts together: the one place that knows them all.

use crate::agents::api::AgentsApi;
use crate::agents::registry::api::RegistryApi;
use crate::alerts::api::AlertsApi;
use crate::audit::api::AuditApi;
use crate::audit::queries::AuditQueries;
use crate::events::api::EventsApi;
use crate::executor::Executor;
use crate::handoffs::api::HandoffsApi;
use crate::health::HealthApi;
use crate::http::methods::Methods;
use crate::http::timeout::TimeLimits;
use crate::http::{Stack, docs_page, problem, stack};
use crate::identity::api::IdentityApi;
use crate::identity::authenticate::Authenticator;
use crate::identity::security::{FrontDoor, document_headers};
use crate::locks::acquire::AcquireLocks;
use crate::locks::api::LocksApi;
use crate::memory::api::MemoriesApi;
use crate::memory::embedding::Embedding;
use crate::memory::procedures::api::ProceduresApi;
use crate::memory::recall::api::RecallApi;
use crate::memory::recall::{RecallMemories, RecallSettings};
use crate::memory::secrets::SecretsPolicy;
use crate::memory::transfer::api::TransferApi;
use crate::memory::working::api::WorkingMemoryApi;
use crate::messages::api::MessagesApi;
use crate::messages::groups::api::GroupsApi;
use crate::messages::inbox::api::InboxApi;
use crate::messages::inbox::receive::ReceiveMessages;
use crate::messages::post::PostRounds;
use crate::messages::queries::MessageQueries;
use crate::messages::send::SendMessages;
use crate::messages::unread::UnreadBoard;
use crate::telemetry::Metrics;
use crate::webhooks::api::WebhooksApi;
use crate::work::api::TasksApi;
use crate::work::claim::ClaimTasks;
use crate::work::look::api::LookApi;
use crate::work::reading::Reader;
use crate::work::schedules::api::SchedulesApi;
use crate::work::steering::api::SteeringApi;
use domain::alerts::alert::Escalation;
use domain::ids::InvalidId;
use domain::locks::lease::{Ttl, Waiter};
use domain::memory::working::Terms;
use domain::messages::conversation::Pace;
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, Response, Route};
use poem_openapi::OpenApiService;
use ports::calendar::Calendar;
use ports::ids::IdSource;
use ports::store::Store;
use ports::webhooks::WebhookSender;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What everything is built from.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Where ids and secrets come from.
    pub ids: Arc<dyn IdSource>,
    /// What knows when schedules fire.
    pub calendar: Arc<dyn Calendar>,
    /// Where everything is counted.
    pub metrics: Metrics,
    /// Who may come in.
    pub authenticator: Arc<Authenticator>,
    /// What there is to read for the agents that call.
    pub unread: Arc<UnreadBoard>,
    /// How many replies a minute two agents may send each other.
    pub pace: Pace,
    /// What becomes of memories that hold secrets.
    pub secrets: SecretsPolicy,
    /// How questions about memories are answered.
    pub recall: RecallSettings,
    /// What turns memories into vectors, if anything does.
    pub embedding: Option<Embedding>,
    /// What holds for working memory.
    pub working: Terms,
    /// What calls webhooks, and knows which addresses may be called.
    pub webhook_sender: Arc<dyn WebhookSender>,
    /// When alerts become worse.
    pub escalation: Escalation,
    /// How long locks last whose takers name no time.
    pub default_ttl: Ttl,
    /// How long a request may take, waiting on purpose apart.
    pub request_timeout: Duration,
    /// Whether each answered request is logged.
    pub access_log: bool,
    /// Cancelled when the server is to stop.
    pub stopping: CancellationToken,
}

/// The paths whose requests may wait on purpose.
const WAITING_PATHS: &[&str] = &["/v1/events", "/v1/inbox/receive", "/v1/locks/acquire", "/v1/tasks/claim"];

/// Why the parts do not fit together: a defect.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The description of the API is not JSON.
    #[error("the description of the API cannot be made: {0}")]
    Document(#[from] serde_json::Error),
    /// A built-in name is not valid.
    #[error(transparent)]
    Name(#[from] InvalidId),
}

type Apis = (
    HealthApi,
    LocksApi,
    TasksApi,
    SteeringApi,
    LookApi,
    SchedulesApi,
    HandoffsApi,
    RegistryApi,
    (MemoriesApi, TransferApi, RecallApi),
    (WorkingMemoryApi, ProceduresApi),
    (MessagesApi, InboxApi, GroupsApi),
    AgentsApi,
    EventsApi,
    (AlertsApi, WebhooksApi),
    AuditApi,
    IdentityApi,
);

impl Parts {
    /// What runs every change.
    pub fn executor(&self) -> Executor {
        Executor::new(self.store.clone(), self.ids.clone(), self.metrics.clone())
    }

    /// The whole of what is served.
    pub fn endpoint(self, executor: &Executor) -> Result<BoxEndpoint<'static, Response>, WiringError> {
        let service = self.service(executor);
        let document = document(&service)?;
        let door = FrontDoor::new(self.authenticator.clone(), executor.clone(), self.metrics.clone());
        let methods = Methods::of_openapi(&document, "").with("/openapi.json", "GET").with("/docs", "GET");
        let routes = Route::new()
            .at("/openapi.json", docs_page::json(&document))
            .at("/docs", docs_page::page(&service, &document))
            .at("/problems/:slug", problem::pages())
            .nest("/", service)
            .data(Arc::new(door));
        let (ids, unread) = (self.ids.clone(), self.unread.clone());
        let plumbing = Stack {
            metrics: self.metrics.clone(),
            access_log: self.access_log,
            request_ids: Arc::new(move || format!("req_{}", ids.random_name())),
            time_limits: TimeLimits {
                request: self.request_timeout,
                wait_max: Duration::from_secs(u64::from(Waiter::WAIT_SECONDS_MAX)),
                waiting_paths: WAITING_PATHS.into(),
            },
            methods,
            unread: Arc::new(move |project, agent| unread.told(project, agent)),
        };
        Ok(stack(routes, plumbing).boxed())
    }

    /// The description of the API, as committed in `docs/openapi.json`.
    pub fn document(&self) -> Result<Value, WiringError> {
        document(&self.service(&self.executor()))
    }

    fn service(&self, executor: &Executor) -> OpenApiService<Apis, ()> {
        let acquire = AcquireLocks::new(executor.clone(), self.metrics.clone(), self.stopping.clone());
        let reader = Reader::new(self.store.clone());
        let claim = ClaimTasks::new(executor.clone(), reader.clone(), self.stopping.clone());
        let messages = MessageQueries::new(executor.clone());
        let post = PostRounds::new(executor.clone(), self.stopping.clone());
        let receive = ReceiveMessages::new(executor.clone(), post, self.stopping.clone());
        let apis = (
            HealthApi::new(self.store.clone(), self.metrics.clone(), self.embedding.clone(), self.stopping.clone()),
            LocksApi::new(executor.clone(), acquire, self.default_ttl),
            TasksApi::new(executor.clone(), claim),
            SteeringApi::new(executor.clone(), reader.clone()),
            LookApi::new(executor.clone()),
            SchedulesApi::new(executor.clone(), reader, self.calendar.clone()),
            HandoffsApi::new(executor.clone(), self.default_ttl),
            RegistryApi::new(executor.clone()),
            (
                MemoriesApi::new(executor.clone(), self.secrets),
                TransferApi::new(executor.clone(), self.secrets),
                RecallApi::new(RecallMemories::new(executor.clone(), self.recall.clone(), self.metrics.clone())),
            ),
            (
                WorkingMemoryApi::new(executor.clone(), self.secrets, self.working),
                ProceduresApi::new(executor.clone(), self.secrets),
            ),
            (
                MessagesApi::new(SendMessages::new(executor.clone(), self.pace), messages.clone()),
                InboxApi::new(executor.clone(), receive, messages.clone()),
                GroupsApi::new(executor.clone(), messages),
            ),
            AgentsApi::new(executor.clone()),
            EventsApi::new(executor.clone(), self.stopping.clone()),
            (
                AlertsApi::new(executor.clone(), self.escalation),
                WebhooksApi::new(executor.clone(), self.webhook_sender.clone()),
            ),
            AuditApi::new(AuditQueries::new(executor.clone())),
            IdentityApi::new(executor.clone(), self.authenticator.clone()),
        );
        OpenApiService::new(apis, "Pointsman", env!("CARGO_PKG_VERSION")).description(
            "Coordinates fleets of agents: leases on files, folders and named resources, with fencing tokens, waiting \
             in line; work handed out once; who is there, messages and handoffs between them; shared memory; events, \
             alerts and webhooks; and an audit log that tells what happened.",
        )
    }
}

fn document(service: &OpenApiService<Apis, ()>) -> Result<Value, WiringError> {
    let mut document = docs_page::document(service)?;
    document_headers(&mut document);
    Ok(document)
}
