//! The first start: somebody must be able to come in, and nobody by accident.

use crate::call::Call;
use crate::config::Data;
use crate::executor::Executor;
use crate::identity::commands::{CreateFirstKey, FirstKey};
use crate::identity::env_keys::{AGENT_TYPE_UNKNOWN, EnvKeyError, EnvKeys};
use crate::identity::projects::EnsureProjects;
use crate::refusal::CallError;
use domain::ids::{AgentId, AgentType, InvalidId};

pub mod key_file;
mod welcome;

pub use welcome::Welcome;

use key_file::{KeyFile, KeyFileError};

/// The agent the first key speaks for.
pub const ADMIN_AGENT: &str = "admin";

/// Why the server cannot start as it is.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A key of the environment cannot be used.
    #[error(transparent)]
    Env(#[from] EnvKeyError),
    /// Other machines could reach the server, and nobody has a key.
    #[error(
        "other machines can reach this address, and there is no key: set COORDINATION_API_KEYS, with \
         COORDINATION_API_KEY_IDENTITIES if agents are to have names; or start once on this machine alone \
         (API_HOST=127.0.0.1), which makes an admin key"
    )]
    NoKey,
    /// The file of the first key cannot be written or used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The store could not be asked, or did not take the key.
    #[error("the first key could not be settled: {0}")]
    Call(#[from] CallError),
    /// A name of the server's own is not one: a defect.
    #[error(transparent)]
    Name(#[from] InvalidId),
}

/// Settles who can come in before anybody is listened to.
///
/// Creates the projects that keys of the environment are bound to. If there is no good key at all and only this machine
/// can reach the server, makes an admin key of all projects and keeps it in a file. Servers that start together on one
/// empty store make one key between them.
pub async fn prepare(
    executor: &Executor,
    env: &EnvKeys,
    data: &Data,
    is_loopback: bool,
) -> Result<Welcome, BootstrapError> {
    let call = Call::of_system(env.default_project().clone(), format!("start_{}", executor.ids().random_name()))?;
    let ids = env.projects();
    if !ids.is_empty() {
        executor.execute(&call, &EnsureProjects { ids }).await?;
    }
    if !env.is_empty() || has_good_key(executor).await? {
        return Ok(Welcome::back());
    }
    if !is_loopback {
        return Err(BootstrapError::NoKey);
    }
    let mut file = KeyFile::take_or_make(data, executor.ids())?;
    loop {
        let command = CreateFirstKey {
            agent: AgentId::parse(ADMIN_AGENT)?,
            agent_type: AgentType::parse(AGENT_TYPE_UNKNOWN)?,
            minted: file.minted.clone(),
        };
        match executor.execute(&call, &command).await?.answer {
            FirstKey::Created => return Ok(Welcome::first(file.token(), data)),
            FirstKey::NotNeeded => {
                // Another server was quicker: what was written here is the key to nothing.
                file.discard_if_new()?;
                return Ok(Welcome::back());
            }
            FirstKey::Spent => file = file.replace(executor.ids())?,
        }
    }
}

async fn has_good_key(executor: &Executor) -> Result<bool, CallError> {
    let mut uow = executor.store().begin_read().await?;
    let now = uow.now().await?;
    Ok(uow.key_any_good(now).await?)
}
