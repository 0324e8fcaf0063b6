//! The way into every operation: the key, and the headers that say where and for whom the call is made.

use crate::call::Call;
use crate::executor::Executor;
use crate::http::problem::{FieldError, Problem, kinds};
use crate::http::request_id::RequestContext;
use crate::http::unread::Admitted;
use crate::identity::authenticate::{AuthError, Authenticator};
use crate::refusal::{CallError, Refusal};
use crate::telemetry::Metrics;
use domain::idempotency::IdempotencyKey;
use domain::identity::principal::{Scope, project_of, speaks_for};
use domain::ids::{AgentId, ProjectId, SessionId};
use poem::http::{HeaderMap, Method, header};
use poem::{Request, RequestBody};
use poem_openapi::auth::{ApiKey, Bearer};
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, SecurityScheme};
use std::sync::Arc;
use std::time::Instant;

mod document;
mod pass;

pub use document::document_headers;
pub use pass::Pass;

/// The other header a key may come in.
pub const API_KEY: &str = "X-API-Key";
/// Names the session a call runs in.
pub const SESSION: &str = "X-Session-Id";
/// Names the project, for keys that are good in all of them.
pub const PROJECT: &str = "X-Project";
/// Claims to be an agent; refused unless it is the key's own.
pub const AGENT: &str = "X-Agent-Id";
/// Names the request, for safe retries.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The operation under which a refusal at the door stands in the audit log.
pub const DOOR_OPERATION: &str = "call.enter";

/// How much of a request's path the audit log gets, in bytes.
const TARGET_BYTES_MAX: usize = 256;

/// The parameter of every operation that needs a key: whoever has it has been admitted.
///
/// ```ignore
/// async fn acquire(&self, Auth(call): Auth, body: JsonBody<AcquireBody>) -> Result<Json<LeasesView>, Problem>
/// ```
///
/// The routes must be given an `Arc<FrontDoor>` as data.
pub struct Auth(pub Call);

/// Decides who may come in.
pub struct FrontDoor {
    authenticator: Arc<Authenticator>,
    executor: Executor,
    metrics: Metrics,
}

/// An API key: `Authorization: Bearer <key>`.
#[derive(SecurityScheme)]
#[oai(ty = "bearer", rename = "Bearer")]
#[expect(dead_code, reason = "it describes the header; `FrontDoor` reads it, because both headers may be sent at once")]
struct BearerScheme(Bearer);

/// An API key: `X-API-Key: <key>`.
#[derive(SecurityScheme)]
#[oai(ty = "api_key", key_in = "header", key_name = "X-API-Key", rename = "ApiKey")]
#[expect(dead_code, reason = "it describes the header; `FrontDoor` reads it, because both headers may be sent at once")]
struct ApiKeyScheme(ApiKey);

impl<'a> ApiExtractor<'a> for Auth {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        BearerScheme::register(registry);
        ApiKeyScheme::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        [BearerScheme::security_schemes(), ApiKeyScheme::security_schemes()].concat()
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let Some(door) = request.data::<Arc<FrontDoor>>() else {
            return Err(Problem::internal("the routes were not given a front door").into());
        };
        Ok(Self(door.admit(request).await?))
    }
}

impl FrontDoor {
    /// Puts the parts together.
    pub fn new(authenticator: Arc<Authenticator>, executor: Executor, metrics: Metrics) -> Self {
        Self { authenticator, executor, metrics }
    }

    /// Who calls, where and as what; or the problem to answer with: 401 without a good key, 422 for a header that
    /// cannot be read, 403 for a claim the key does not bear out, 503 when the store cannot say. A read is a sign of life
    /// of its session, and is refused with 410 if that lives no more.
    pub async fn admit(&self, request: &Request) -> Result<Call, Problem> {
        let started = Instant::now();
        let headers = request.headers();
        let Some(token) = token(headers) else {
            self.metrics.authentication_failure("missing");
            return Err(unauthenticated());
        };
        let principal = match self.authenticator.authenticate(token).await {
            Ok(principal) => principal,
            Err(AuthError::Unknown | AuthError::Expired | AuthError::Revoked) => return Err(unauthenticated()),
            Err(AuthError::Unavailable(error)) => return Err(error.into()),
        };
        let session = parsed(headers, SESSION, |text| SessionId::parse(text).map_err(|e| e.to_string()))?;
        let named = parsed(headers, PROJECT, |text| ProjectId::parse(text).map_err(|e| e.to_string()))?;
        let claimed = parsed(headers, AGENT, |text| AgentId::parse(text).map_err(|e| e.to_string()))?;
        let idempotency_key =
            parsed(headers, IDEMPOTENCY_KEY, |text| IdempotencyKey::parse(text).map_err(|e| e.to_string()))?;
        let context = request.data::<RequestContext>();
        let default_project = self.authenticator.env_keys().default_project();
        let own_project = match &principal.scope {
            Scope::Project(project) => project.clone(),
            Scope::AllProjects => default_project.clone(),
        };
        let agreed = claimed.map_or(Ok(()), |claimed| speaks_for(&principal, &claimed));
        let project = agreed.and_then(|()| project_of(&principal, named, default_project.clone()));
        let mut call = Call {
            principal,
            project: own_project,
            session,
            idempotency_key,
            request_id: match context {
                Some(context) => context.request_id.to_string(),
                None => self.executor.ids().random_name(),
            },
            trace_id: context.and_then(|context| context.trace_id.as_deref()).map(str::to_owned),
            started,
        };
        match project {
            Ok(project) => call.project = project,
            Err(denial) => return Err(self.turn_away(request, &call, denial.into()).await),
        }
        if let Some(admitted) = request.data::<Admitted>() {
            admitted.note(&call.project, &call.principal.agent);
        }
        // Whatever changes something is judged where it is decided, a replay before everything else.
        if is_read(request) {
            let heard = self.executor.signs_of_life().heard(self.executor.store(), &call).await;
            match heard {
                Ok(()) => {}
                Err(CallError::Refused(refusal)) => return Err(self.turn_away(request, &call, refusal).await),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(call)
    }

    /// The pass of a request that was admitted as this call.
    pub fn pass(&self, request: &Request, call: &Call) -> Result<Pass, Problem> {
        let token = token(request.headers()).ok_or_else(unauthenticated)?.to_owned();
        Ok(Pass::new(Arc::clone(&self.authenticator), self.executor.clone(), token, call.clone()))
    }

    /// A refusal of an authenticated call that would have changed something is audited, in the key's own project.
    async fn turn_away(&self, request: &Request, call: &Call, refusal: Refusal) -> Problem {
        let method = request.method();
        if is_read(request) {
            self.metrics.refusal(refusal.slug());
            return refusal.into();
        }
        let path: String = request.uri().path().chars().take(TARGET_BYTES_MAX).collect();
        match self.executor.refuse(call, DOOR_OPERATION, format!("{method} {path}"), &refusal).await {
            Ok(()) => refusal.into(),
            Err(error) => error.into(),
        }
    }
}

fn is_read(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The same answer whatever was wrong with the key.
fn unauthenticated() -> Problem {
    Problem::new(&kinds::UNAUTHENTICATED)
}

/// The key of a request: from either header, or from both if they say the same.
fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = match only(headers, header::AUTHORIZATION.as_str()) {
        Ok(value) => value.and_then(after_bearer),
        Err(Unreadable) => return None,
    };
    let Ok(api_key) = only(headers, API_KEY) else { return None };
    match (bearer, api_key) {
        (Some(bearer), Some(api_key)) => (bearer == api_key).then_some(bearer),
        (one, other) => one.or(other),
    }
    .filter(|token| !token.is_empty())
}

/// What follows the scheme's name, in any case; another scheme is meant for somebody else on the way.
fn after_bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A header that was sent twice or is not plain text.
struct Unreadable;

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Unreadable> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Unreadable),
        (Some(_), Some(_)) => Err(Unreadable),
    }
}

fn parsed<T>(
    headers: &HeaderMap,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Problem> {
    let fault = |reason: String| {
        let problem = Problem::new(&kinds::INVALID_VALUE).detail(format!("`{name}`: {reason}"));
        problem.errors(vec![FieldError { field: name.to_owned(), reason }])
    };
    let text = only(headers, name).map_err(|Unreadable| fault("must be sent once, as plain text".to_owned()))?;
    text.map(parse).transpose().map_err(fault)
}
