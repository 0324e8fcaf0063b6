//! Servers without sockets: the endpoint as it is served, called directly.

use adapters::calendar::IanaCalendar;
use adapters::in_memory::InMemoryStore;
use adapters::system::{RandomIds, SystemClock};
use adapters::webhook_sender::HttpWebhookSender;
use async_trait::async_trait;
use domain::alerts::alert::Escalation;
use domain::audit::{Entry, Filter};
use domain::ids::ProjectId;
use domain::locks::lease::Ttl;
use domain::memory::working::Terms;
use domain::messages::conversation::Pace;
use domain::page::PageSize;
use domain::webhooks::address::AddressRules;
use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{Endpoint, Request, RequestBuilder, Response};
use pointsman::config::Config;
use pointsman::executor::Executor;
use pointsman::identity::authenticate::Authenticator;
use pointsman::identity::env_keys::EnvKeys;
use pointsman::memory::recall::RecallSettings;
use pointsman::memory::secrets::SecretsPolicy;
use pointsman::telemetry::Metrics;
use pointsman::wiring::Parts;
use ports::store::{PoolState, SchemaState, Store, StoreError, UnitOfWork};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The keys that every server here accepts, with their identities.
pub(crate) const ROOT: &str = "root-key-of-all-projects";
pub(crate) const ANN: &str = "key-of-ann-in-default";
pub(crate) const BOB: &str = "key-of-bob-in-default";
pub(crate) const NOBODY: &str = "key-without-identity";
pub(crate) const TEAM_ADMIN: &str = "key-of-the-team-admin";

const IDENTITIES: &str = r#"{
    "root-key-of-all-projects": {"agent_id": "root", "agent_type": "person", "role": "admin", "project": "*"},
    "key-of-ann-in-default": {"agent_id": "ann", "agent_type": "ci"},
    "key-of-bob-in-default": {"agent_id": "bob", "agent_type": "ci"},
    "key-of-the-team-admin": {"agent_id": "lead", "agent_type": "person", "role": "admin", "project": "team"}
}"#;

pub(crate) struct Server {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) executor: Executor,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) metrics: Metrics,
    document: Value,
    endpoint: BoxEndpoint<'static, Response>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) authenticate: Option<String>,
}

impl Reply {
    /// The last part of the problem's type.
    pub(crate) fn slug(&self) -> &str {
        self.body["type"].as_str().and_then(|kind| kind.rsplit('/').next()).unwrap_or_default()
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, slug: &str) -> Self {
        assert_eq!((self.status, self.slug()), (status, slug), "{}", self.body);
        self
    }
}

pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(InMemoryStore::new(Arc::new(SystemClock)))
}

pub(crate) fn config() -> Config {
    let keys = [ROOT, ANN, BOB, NOBODY, TEAM_ADMIN].join(",");
    Config::from_vars([("COORDINATION_API_KEYS", keys.as_str()), ("COORDINATION_API_KEY_IDENTITIES", IDENTITIES)])
        .unwrap()
}

fn webhook_sender() -> HttpWebhookSender {
    // Tests of one process share it, and the first has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    HttpWebhookSender::new(AddressRules::default(), Duration::from_secs(1)).unwrap()
}

impl Server {
    /// A server over an empty store, with the projects `default` and `team`.
    pub(crate) async fn new() -> Self {
        let server = Self::over(memory());
        server.post("/v1/projects", ROOT, json!({ "id": "team" })).await.expect(201);
        server
    }

    /// Another server over the same store.
    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        let metrics = Metrics::unexported().unwrap();
        let env = EnvKeys::new(&config().identity).unwrap();
        let authenticator = Arc::new(Authenticator::new(env, store.clone(), metrics.clone()));
        let parts = Parts {
            store: store.clone(),
            ids: Arc::new(RandomIds),
            calendar: Arc::new(IanaCalendar),
            metrics: metrics.clone(),
            authenticator: authenticator.clone(),
            webhook_sender: Arc::new(webhook_sender()),
            escalation: Escalation { after: None },
            unread: Arc::default(),
            secrets: SecretsPolicy::Refuse,
            recall: RecallSettings::default(),
            embedding: None,
            working: Terms::default(),
            pace: Pace::DEFAULT,
            default_ttl: Ttl::try_new(60).unwrap(),
            request_timeout: Duration::from_secs(10),
            access_log: false,
            stopping: CancellationToken::new(),
        };
        let executor = parts.executor();
        let document = parts.document().unwrap();
        let endpoint = parts.endpoint(&executor).unwrap();
        Self { store, executor, authenticator, metrics, document, endpoint }
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Reply {
        self.send(request(Method::GET, path).header("Authorization", format!("Bearer {key}")), Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: Value) -> Reply {
        self.send(request(Method::POST, path).header("X-API-Key", key), body).await
    }

    /// Sends a request; `Null` is no body. Its answer must be one that the description tells of, whatever it is.
    pub(crate) async fn send(&self, request: RequestBuilder, body: Value) -> Reply {
        let request = match body {
            Value::Null => request.finish(),
            body => request.content_type("application/json").body(body.to_string()),
        };
        let described = described(&self.document, &request);
        let response = self.endpoint.get_response(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.into_bytes().await.unwrap();
        let authenticate = parts.headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let reply = Reply { status: parts.status.as_u16(), body, authenticate };
        if let Some(operation) = described {
            let answer = &operation["responses"][reply.status.to_string()];
            let told = answer["description"].as_str().unwrap_or_default();
            let is_told = !answer.is_null() && (reply.status < 400 || told.contains(&format!("`{}`", reply.slug())));
            assert!(is_told, "the description does not tell of {reply:?}: {told}");
        }
        reply
    }

    /// The audit lines of a project, oldest first.
    pub(crate) async fn audit(&self, project: &str) -> Vec<Entry> {
        let mut uow = self.store.begin_read().await.unwrap();
        let size = PageSize::try_new(PageSize::MAX).unwrap();
        let project = ProjectId::parse(project).unwrap();
        let mut lines = uow.audit_list(&project, &Filter::default(), None, size).await.unwrap().rows;
        lines.reverse();
        lines
    }

    /// Operation, target, agent and outcome of each of those lines.
    pub(crate) async fn told(&self, project: &str) -> Vec<[String; 4]> {
        let lines = self.audit(project).await.into_iter();
        lines.map(|line| [line.change.operation, line.change.target, line.agent.to_string(), line.outcome]).collect()
    }

    /// Creates a key with `ROOT`; its id and what to send.
    pub(crate) async fn create_key(&self, body: Value) -> (String, String) {
        let reply = self.post("/v1/keys", ROOT, body).await.expect(201);
        (reply.text("/key/id").to_owned(), reply.text("/secret").to_owned())
    }
}

pub(crate) fn request(method: Method, path: &str) -> RequestBuilder {
    Request::builder().method(method).uri(path.parse().unwrap())
}

/// The operation that a request is for; `None` is a page.
fn described<'a>(document: &'a Value, request: &Request) -> Option<&'a Value> {
    let fits = |template: &str| {
        let (given, wanted) = (request.uri().path().split('/'), template.split('/'));
        given.clone().count() == wanted.clone().count()
            && given.zip(wanted).all(|(given, wanted)| given == wanted || wanted.starts_with('{'))
    };
    let mut paths = document["paths"].as_object().unwrap().iter();
    let (_, operations) = paths.find(|(template, _)| fits(template))?;
    operations.get(request.method().as_str().to_ascii_lowercase())
}

/// A store that can be taken away.
pub(crate) struct Fragile {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) is_away: AtomicBool,
}

impl Fragile {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { inner: memory(), is_away: AtomicBool::new(false) })
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.is_away.load(Ordering::SeqCst) { Err(StoreError::Unavailable("away".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl Store for Fragile {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.check()?;
        self.inner.begin().await
    }

    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.check()?;
        self.inner.begin_read().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.check()
    }

    async fn schema(&self) -> Result<SchemaState, StoreError> {
        self.check()?;
        self.inner.schema().await
    }

    fn pool(&self) -> PoolState {
        self.inner.pool()
    }
}
