//! Keys, projects and who is calling, over HTTP.

use crate::call::SYSTEM_NAME;
use crate::executor::Executor;
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::authenticate::Authenticator;
use crate::identity::commands::{CreateKey, Expiry, RevokeKey, RotateKey};
use crate::identity::env_keys::AGENT_TYPE_UNKNOWN;
use crate::identity::projects::{ArchiveProject, CreateProject};
use crate::identity::queries::IdentityQueries;
use crate::identity::security::Auth;
use crate::identity::token::{Minted, MintedSecret};
use crate::identity::views::{
    CreateKeyBody, CreateProjectBody, EXPIRES_IN_SECONDS_MAX, IssuedKeyView, KeyPageView, KeyView, MeView,
    ProjectPageView, ProjectView, RoleView,
};
use chrono::{DateTime, Datelike, SubsecRound, Utc};
use domain::identity::principal::{Role, Scope};
use domain::ids::{AgentId, AgentType, KeyId, ProjectId};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, OpenApi};
use std::sync::Arc;

/// Digits of a timestamp's fraction that are kept.
const FRACTION_DIGITS: u16 = 6;

/// The last year a key may expire in: RFC 3339 has four digits.
const EXPIRY_YEAR_MAX: i32 = 9999;

/// An answer to the creation of a key.
#[derive(ApiResponse)]
pub enum CreatedKey {
    /// The key, and this once its secret.
    #[oai(status = 201)]
    Created(Json<IssuedKeyView>),
}

/// An answer to the creation of a project.
#[derive(ApiResponse)]
pub enum CreatedProject {
    /// The project.
    #[oai(status = 201)]
    Created(Json<ProjectView>),
}

/// The operations on keys and projects, and the one that tells who is calling.
pub struct IdentityApi {
    executor: Executor,
    queries: IdentityQueries,
    authenticator: Arc<Authenticator>,
}

impl IdentityApi {
    /// Puts the use cases together; the authenticator forgets the keys that are changed here.
    pub fn new(executor: Executor, authenticator: Arc<Authenticator>) -> Self {
        let queries = IdentityQueries::new(executor.clone());
        Self { executor, queries, authenticator }
    }
}

#[OpenApi(prefix_path = "/v1", tag = "crate::http::tags::Tag::Identity")]
impl IdentityApi {
    /// Who am I?
    ///
    /// The agent, role and project this call was made as.
    #[oai(path = "/me", method = "get", operation_id = "me")]
    async fn me(&self, Auth(call): Auth) -> Result<Json<MeView>, Problem> {
        self.queries.enter(&call).await?;
        Ok(Json(call.into()))
    }

    /// Create a key
    ///
    /// Needs the role `admin`: of the project the key is for, or of all projects. The secret is in this answer and
    /// nowhere else; a replay under the same `Idempotency-Key` comes without it.
    #[oai(path = "/keys", method = "post", operation_id = "create_key")]
    async fn create_key(&self, Auth(call): Auth, body: JsonBody<CreateKeyBody>) -> Result<CreatedKey, Problem> {
        let JsonBody(body) = body;
        let minted = Minted::draw(self.executor.ids()).map_err(Problem::internal)?;
        let command = CreateKey {
            scope: scope(&body, &call.project)?,
            expiry: expiry(&body)?,
            agent: body.agent.as_deref().map(agent).transpose()?,
            agent_type: AgentType::parse(body.agent_type.as_deref().unwrap_or(AGENT_TYPE_UNKNOWN))
                .map_err(|error| Problem::invalid("agent_type", &error))?,
            role: body.role.map_or(Role::Agent, RoleView::into),
            minted,
        };
        Ok(CreatedKey::Created(Json(self.executor.execute(&call, &command).await?.answer.into())))
    }

    /// List keys
    ///
    /// Needs the role `admin`. Keys of the caller's project, or with a key of all projects every key; by id, without
    /// secrets. Keys of the environment are not among them.
    #[oai(path = "/keys", method = "get", operation_id = "list_keys")]
    async fn list_keys(
        &self,
        Auth(call): Auth,
        /// Keys of this project only.
        #[oai(validator(min_length = 1, max_length = 63))]
        project: Query<Option<String>>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<KeyPageView>, Problem> {
        let project = project.0.as_deref().map(ProjectId::parse).transpose();
        let project = project.map_err(|error| Problem::invalid("project", &error))?;
        let after: Option<KeyId> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.keys(&call, project, after.as_ref(), cursor::page_size(limit.0)?).await?;
        Ok(Json(KeyPageView {
            keys: page.rows.into_iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Replace the secret of a key
    ///
    /// Needs the role `admin`. The old secret stops working: at once on this server, within two seconds on every other.
    #[oai(path = "/keys/:id/rotate", method = "post", operation_id = "rotate_key")]
    async fn rotate_key(
        &self,
        Auth(call): Auth,
        /// The key's public name.
        id: Path<String>,
    ) -> Result<Json<IssuedKeyView>, Problem> {
        let id = key_id(&id.0)?;
        let command = RotateKey { id: id.clone(), secret: MintedSecret::draw(self.executor.ids()) };
        let answered = self.executor.execute(&call, &command).await;
        self.authenticator.forget(&id);
        Ok(Json(answered?.answer.into()))
    }

    /// Revoke a key
    ///
    /// Needs the role `admin`. For good: the key stops working at once on this server, within two seconds on every other.
    #[oai(path = "/keys/:id/revoke", method = "post", operation_id = "revoke_key")]
    async fn revoke_key(
        &self,
        Auth(call): Auth,
        /// The key's public name.
        id: Path<String>,
    ) -> Result<Json<KeyView>, Problem> {
        let id = key_id(&id.0)?;
        let answered = self.executor.execute(&call, &RevokeKey { id: id.clone() }).await;
        self.authenticator.forget(&id);
        Ok(Json(answered?.answer.into()))
    }

    /// Create a project
    ///
    /// Needs an admin key of all projects.
    #[oai(path = "/projects", method = "post", operation_id = "create_project")]
    async fn create_project(
        &self,
        Auth(call): Auth,
        body: JsonBody<CreateProjectBody>,
    ) -> Result<CreatedProject, Problem> {
        let command = CreateProject { id: project_id(&body.0.id)? };
        Ok(CreatedProject::Created(Json(self.executor.execute(&call, &command).await?.answer.into())))
    }

    /// List projects
    ///
    /// Needs an admin key of all projects. By name, archived ones included.
    #[oai(path = "/projects", method = "get", operation_id = "list_projects")]
    async fn list_projects(
        &self,
        Auth(call): Auth,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<ProjectPageView>, Problem> {
        let after: Option<ProjectId> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.projects(&call, after.as_ref(), cursor::page_size(limit.0)?).await?;
        Ok(Json(ProjectPageView {
            projects: page.rows.into_iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Archive a project
    ///
    /// Needs an admin key of all projects. For good: from then on it can be read, not changed. `default` stays.
    #[oai(path = "/projects/:id/archive", method = "post", operation_id = "archive_project")]
    async fn archive_project(
        &self,
        Auth(call): Auth,
        /// The project's name.
        id: Path<String>,
    ) -> Result<Json<ProjectView>, Problem> {
        let command = ArchiveProject { id: project_id(&id.0)? };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }
}

fn key_id(text: &str) -> Result<KeyId, Problem> {
    KeyId::parse(text).map_err(|error| Problem::invalid("id", &error))
}

fn project_id(text: &str) -> Result<ProjectId, Problem> {
    ProjectId::parse(text).map_err(|error| Problem::invalid("id", &error))
}

fn agent(text: &str) -> Result<AgentId, Problem> {
    if text == SYSTEM_NAME {
        return Err(Problem::invalid("agent", &format!("`{SYSTEM_NAME}` is the server itself; choose another name")));
    }
    AgentId::parse(text).map_err(|error| Problem::invalid("agent", &error))
}

fn scope(body: &CreateKeyBody, own: &ProjectId) -> Result<Scope, Problem> {
    match (&body.project, body.all_projects.unwrap_or(false)) {
        (Some(_), true) => Err(Problem::invalid("all_projects", &"goes without `project`")),
        (None, true) => Ok(Scope::AllProjects),
        (None, false) => Ok(Scope::Project(own.clone())),
        (Some(project), false) => {
            ProjectId::parse(project).map(Scope::Project).map_err(|error| Problem::invalid("project", &error))
        }
    }
}

fn expiry(body: &CreateKeyBody) -> Result<Expiry, Problem> {
    match (body.expires_at, body.expires_in_seconds) {
        (None, None) => Ok(Expiry::Never),
        (Some(_), Some(_)) => Err(Problem::invalid("expires_in_seconds", &"goes without `expires_at`")),
        (Some(at), None) => expires_at(at),
        (None, Some(seconds)) if (1..=EXPIRES_IN_SECONDS_MAX).contains(&seconds) => Ok(Expiry::AfterSeconds(seconds)),
        (None, Some(_)) => {
            Err(Problem::invalid("expires_in_seconds", &format!("must be 1 to {EXPIRES_IN_SECONDS_MAX}")))
        }
    }
}

fn expires_at(at: DateTime<Utc>) -> Result<Expiry, Problem> {
    if at.year() > EXPIRY_YEAR_MAX {
        return Err(Problem::invalid("expires_at", &format!("must lie before the year {}", EXPIRY_YEAR_MAX + 1)));
    }
    Ok(Expiry::At(at.trunc_subsecs(FRACTION_DIGITS)))
}
