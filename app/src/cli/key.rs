//! `pointsman key`: keys, through a running server.

use crate::cli::Variables;
use crate::cli::exit::{Exit, Failure, Message};
use crate::cli::output;
use crate::config::{Client, Config, Secret};
use crate::identity::bootstrap::key_file;
use adapters::http_client::{HttpAnswer, HttpClient};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use domain::ids::KeyId;
use serde_json::{Map, Value, json};
use std::io::IsTerminal;

mod show;

/// The pages of a list that are fetched at most.
const PAGES_MAX: usize = 1_000;

/// Rows of a page: the most the server gives.
const PAGE_ROWS: u32 = 500;

/// Keys, through a running server: `COORDINATION_API_URL`, with `COORDINATION_API_KEY` or the first key in the data folder
#[derive(Debug, Args)]
pub struct Key {
    /// What to do.
    #[command(subcommand)]
    pub command: KeyCommand,
    /// Answer in JSON, as is done anyway when the output is no terminal
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key; its secret is shown once
    Create(Create),
    /// List keys, without their secrets
    List {
        /// Keys of this project only
        #[arg(long)]
        project: Option<String>,
    },
    /// Replace the secret of a key; the old one stops working
    Rotate {
        /// The key's public name
        #[arg(value_parser = KeyId::parse)]
        id: KeyId,
    },
    /// Revoke a key for good
    Revoke {
        /// The key's public name
        #[arg(value_parser = KeyId::parse)]
        id: KeyId,
    },
}

/// A key to create.
#[derive(Debug, Args)]
pub struct Create {
    /// The agent the key is bound to; left out, the key is an agent of its own
    #[arg(long)]
    pub agent: Option<String>,
    /// The kind of that agent, such as `claude_code`
    #[arg(long)]
    pub agent_type: Option<String>,
    /// What it may do
    #[arg(long, value_enum)]
    pub role: Option<RoleArgument>,
    /// The project it is good in; left out, the project of the calling key, or `default`
    #[arg(long, conflicts_with = "all_projects")]
    pub project: Option<String>,
    /// Make it good in all projects
    #[arg(long)]
    pub all_projects: bool,
    /// When it stops being good, such as `2030-01-31T00:00:00Z`
    #[arg(long, conflicts_with = "expires_in_seconds")]
    pub expires_at: Option<DateTime<Utc>>,
    /// After how many seconds it stops being good
    #[arg(long)]
    pub expires_in_seconds: Option<u32>,
}

/// A role on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RoleArgument {
    /// Works: locks, and reads its own audit lines
    Agent,
    /// Steers others too: takes locks away, reads the whole audit log
    Orchestrator,
    /// Runs the place: keys and projects
    Admin,
}

/// Runs `pointsman key`.
pub async fn run(arguments: Key, variables: Variables) -> Result<(), Failure> {
    let as_json = arguments.json || !std::io::stdout().is_terminal();
    let client = client(variables)?;
    let answer = match &arguments.command {
        KeyCommand::Create(create) => client.post("/v1/keys", Some(&create.body())).await?,
        KeyCommand::List { project } => list(&client, project.as_deref()).await?,
        KeyCommand::Rotate { id } => client.post(&format!("/v1/keys/{id}/rotate"), None).await?,
        KeyCommand::Revoke { id } => client.post(&format!("/v1/keys/{id}/revoke"), None).await?,
    };
    if Exit::of_status(answer.status) != Exit::Done {
        return Err(refused(&answer, as_json));
    }
    if as_json {
        output::line(&answer.body.to_string());
    } else {
        output::line(&match arguments.command {
            KeyCommand::Create(_) | KeyCommand::Rotate { .. } => show::issued(&answer.body),
            KeyCommand::List { .. } => show::keys(&answer.body),
            KeyCommand::Revoke { .. } => show::revoked(&answer.body),
        });
    }
    Ok(())
}

impl Create {
    fn body(&self) -> Value {
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        put("agent", self.agent.as_ref().map(|agent| json!(agent)));
        put("agent_type", self.agent_type.as_ref().map(|kind| json!(kind)));
        put("role", self.role.and_then(|role| role.to_possible_value()).map(|role| json!(role.get_name())));
        put("project", self.project.as_ref().map(|project| json!(project)));
        put("all_projects", self.all_projects.then_some(Value::Bool(true)));
        put("expires_at", self.expires_at.map(|at| json!(at)));
        put("expires_in_seconds", self.expires_in_seconds.map(|seconds| json!(seconds)));
        Value::Object(body)
    }
}

/// Every page of the list in one answer; or the first answer that is not a page.
async fn list(client: &HttpClient, project: Option<&str>) -> Result<HttpAnswer, Failure> {
    let mut keys = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut query = vec![("limit", PAGE_ROWS.to_string())];
        query.extend(project.map(|project| ("project", project.to_owned())));
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let mut answer = client.get("/v1/keys", &query).await?;
        if Exit::of_status(answer.status) != Exit::Done {
            return Ok(answer);
        }
        if let Some(Value::Array(page)) = answer.body.get_mut("keys").map(Value::take) {
            keys.extend(page);
        }
        cursor = answer.body.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(HttpAnswer { status: answer.status, body: json!({ "keys": keys }) });
        }
    }
    Err(Failure::words(Exit::Failed, format!("there are more than {} keys", PAGES_MAX * PAGE_ROWS as usize)))
}

fn client(variables: Variables) -> Result<HttpClient, Failure> {
    let settings = Client::from_vars(variables.clone())?;
    let key = match settings.key {
        Some(key) => key,
        None => first_key(variables)?,
    };
    Ok(HttpClient::new(&settings.url, key.expose(), &settings.allowed_hosts)?)
}

/// The key a server on this machine made at its first start.
fn first_key(variables: Variables) -> Result<Secret, Failure> {
    let data = Config::from_vars(variables)?.data;
    let found = key_file::read(&data).map_err(|error| Failure::new(Exit::Unauthenticated, &error))?;
    found.ok_or_else(|| {
        let words = format!(
            "there is no key: set COORDINATION_API_KEY, or POINTSMAN_DATA to the folder with {} (looked for in {})",
            key_file::KEY_FILE_NAME,
            data.folder.display()
        );
        Failure::words(Exit::Unauthenticated, words)
    })
}

fn refused(answer: &HttpAnswer, as_json: bool) -> Failure {
    let exit = Exit::of_status(answer.status);
    if as_json {
        return Failure { exit, message: Message::Problem(answer.body.clone()) };
    }
    let text = |name: &str| answer.body.get(name).and_then(Value::as_str);
    let mut words = text("title").unwrap_or("the server refused").to_owned();
    for more in [text("detail"), text("hint")].into_iter().flatten() {
        words.push_str(": ");
        words.push_str(more);
    }
    if let Some(id) = text("request_id") {
        words.push_str(" (request ");
        words.push_str(id);
        words.push(')');
    }
    Failure::words(exit, words)
}
