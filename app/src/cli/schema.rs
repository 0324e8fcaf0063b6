//! `pointsman migrate` and `pointsman epoch`: work on the database itself, without a server.

use crate::call::Call;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::config::Config;
use crate::executor::{Command, Decision, Executor, Happening, Scene};
use crate::store;
use crate::telemetry::Metrics;
use adapters::system::RandomIds;
use async_trait::async_trait;
use clap::Subcommand;
use domain::audit::Change;
use domain::identity::principal::Action;
use domain::identity::project::DEFAULT_PROJECT;
use domain::ids::ProjectId;
use domain::locks::lease::Token;
use domain::locks::refusal::LockRefusal;
use ports::ids::IdSource;
use ports::store::{SchemaState, Store, StoreError, UnitOfWork};
use serde_json::{Value, json};
use std::sync::Arc;

/// The schema of the database.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Migrate {
    /// Bring the schema up to date; `serve` does it too
    Up,
    /// Tell whether the schema is the one of this binary
    Status,
}

/// The epoch of fencing tokens.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Epoch {
    /// Raise the epoch, so that every new token is greater than any given before. Run it after a restore
    Bump,
}

/// Runs `pointsman migrate`.
pub async fn migrate(command: Migrate, config: Config) -> Result<(), Failure> {
    let store = store::connect(&config).await?;
    match command {
        Migrate::Up => {
            let applied = store.migrate().await?;
            if applied.is_empty() {
                output::line("the schema is up to date");
            }
            for step in applied {
                output::line(&format!("applied {step}"));
            }
        }
        Migrate::Status => {
            differs(store.schema().await?)?;
            output::line("the schema is up to date");
        }
    }
    Ok(store.close().await?)
}

/// Runs `pointsman epoch`.
pub async fn epoch(command: Epoch, config: Config) -> Result<(), Failure> {
    let store = Arc::new(store::connect(&config).await?);
    differs(store.schema().await?)?;
    match command {
        Epoch::Bump => {
            let internal = |error: &dyn std::error::Error| Failure::new(Exit::Failed, error);
            let metrics = Metrics::unexported().map_err(|error| internal(&error))?;
            let ids = Arc::new(RandomIds);
            let project = ProjectId::parse(DEFAULT_PROJECT).map_err(|error| internal(&error))?;
            let call = Call::of_system(project, format!("cli_{}", ids.random_name())).map_err(|e| internal(&e))?;
            let executor = Executor::new(store.clone(), ids, metrics);
            let epoch = executor.execute(&call, &BumpEpoch).await?.answer;
            output::line(&format!("the epoch is {epoch} now: every new token is greater than any given before"));
        }
    }
    Ok(store.close().await?)
}

fn differs(state: SchemaState) -> Result<(), Failure> {
    let message = match state {
        SchemaState::Current => return Ok(()),
        SchemaState::Behind { pending } => {
            format!("the schema is older than this binary; `pointsman migrate up` would apply {}", pending.join(", "))
        }
        SchemaState::Newer { unknown } => format!(
            "the schema is newer than this binary, which does not know {}: use a newer binary",
            unknown.join(", ")
        ),
    };
    Err(Failure::words(Exit::SchemaDiffers, message))
}

/// Raises the epoch by one.
struct BumpEpoch;

#[async_trait]
impl Command for BumpEpoch {
    const OPERATION: &'static str = "epoch.bump";
    const ACTION: Action = Action::ManageProjects;
    type Answer = i64;

    fn content(&self) -> Value {
        Value::Null
    }

    fn target(&self) -> String {
        "epoch".to_owned()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, _scene: &Scene<'_>) -> Result<Decision<i64>, StoreError> {
        let before = uow.epoch().await?;
        if before >= Token::EPOCH_MAX {
            return Ok(Decision::refused(LockRefusal::TokensUsedUp));
        }
        let after = before + 1;
        uow.epoch_raise(after).await?;
        let change = Change {
            operation: Self::OPERATION.to_owned(),
            target: self.target(),
            before: Some(json!({ "epoch": before })),
            after: Some(json!({ "epoch": after })),
        };
        let happening = Happening { change, kind: "epoch.raised", body: json!({ "epoch": after }), by_itself: false };
        Ok(Decision::answered(after, vec![happening]))
    }
}
