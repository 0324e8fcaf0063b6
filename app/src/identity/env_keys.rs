//! The keys of the environment, as hashes.

use crate::call::SYSTEM_NAME;
use crate::config;
use crate::identity::token;
use domain::identity::key::{SecretHash, agent_of_unbound_key};
use domain::identity::principal::{Principal, Role, Scope};
use domain::identity::project::DEFAULT_PROJECT;
use domain::ids::{AgentId, AgentType, InvalidId, KeyId, ProjectId};
use std::collections::BTreeSet;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// The type of an agent nobody has given a type.
pub const AGENT_TYPE_UNKNOWN: &str = "unknown";

/// The project of an identity that is bound to all of them.
const ALL_PROJECTS: &str = "*";

/// Bytes of its hash in the id of a key, each two hexadecimal digits.
const ID_BYTES: usize = 6;

/// Every key the environment gave.
pub struct EnvKeys {
    keys: Vec<EnvKey>,
    default_project: ProjectId,
}

struct EnvKey {
    hash: SecretHash,
    principal: Principal,
}

/// An identity that cannot be used. It names the key by its place, never by itself.
#[derive(Debug, thiserror::Error)]
pub enum EnvKeyError {
    /// A name of the server's own is not one: a defect.
    #[error(transparent)]
    Builtin(InvalidId),
    /// A name has characters it may not have.
    #[error("COORDINATION_API_KEY_IDENTITIES, for key {place} of COORDINATION_API_KEYS: {source}")]
    Name {
        /// The place of the key, from 1.
        place: usize,
        /// What is wrong.
        source: InvalidId,
    },
    /// The server's own name.
    #[error(
        "COORDINATION_API_KEY_IDENTITIES, for key {place} of COORDINATION_API_KEYS: the agent `{SYSTEM_NAME}` is the \
         server itself; choose another name"
    )]
    Reserved {
        /// The place of the key, from 1.
        place: usize,
    },
    /// All projects, but no admin.
    #[error(
        "COORDINATION_API_KEY_IDENTITIES, for key {place} of COORDINATION_API_KEYS: only the role `admin` can be bound \
         to all projects (`*`)"
    )]
    AllProjects {
        /// The place of the key, from 1.
        place: usize,
    },
}

impl EnvKeys {
    /// Hashes every key and checks its identity.
    pub fn new(settings: &config::Identity) -> Result<Self, EnvKeyError> {
        let keys = settings.keys.iter().enumerate().map(|(index, key)| EnvKey::new(index + 1, key));
        let default_project = ProjectId::parse(DEFAULT_PROJECT).map_err(EnvKeyError::Builtin)?;
        Ok(Self { keys: keys.collect::<Result<_, _>>()?, default_project })
    }

    /// The project of calls that name none and whose key is bound to none.
    pub fn default_project(&self) -> &ProjectId {
        &self.default_project
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The projects that some key is bound to.
    pub fn projects(&self) -> BTreeSet<ProjectId> {
        self.keys
            .iter()
            .filter_map(|key| match &key.principal.scope {
                Scope::Project(project) => Some(project.clone()),
                Scope::AllProjects => None,
            })
            .collect()
    }

    /// Who calls with this token. Takes as long whichever key it is, and whether it is one or not.
    pub fn find(&self, token: &str) -> Option<&Principal> {
        let hash = token::hash(token);
        let (mut place, mut found) = (0_u64, Choice::from(0));
        for (at, key) in (0_u64..).zip(&self.keys) {
            let is_it = key.hash.0.ct_eq(&hash.0);
            place.conditional_assign(&at, is_it);
            found |= is_it;
        }
        let key = usize::try_from(place).ok().and_then(|place| self.keys.get(place));
        key.filter(|_| bool::from(found)).map(|key| &key.principal)
    }
}

impl EnvKey {
    fn new(place: usize, key: &config::EnvKey) -> Result<Self, EnvKeyError> {
        let hash = token::hash(key.secret.expose());
        let number = hash.0.iter().take(ID_BYTES).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        let name = |source: InvalidId| EnvKeyError::Name { place, source };
        let id = KeyId::parse(&format!("env-{number:0digits$x}", digits = 2 * ID_BYTES)).map_err(name)?;
        let principal = match &key.identity {
            None => Principal {
                scope: Scope::Project(ProjectId::parse(DEFAULT_PROJECT).map_err(name)?),
                agent: agent_of_unbound_key(&id).map_err(name)?,
                agent_type: AgentType::parse(AGENT_TYPE_UNKNOWN).map_err(name)?,
                role: Role::Agent,
                key: id,
            },
            Some(identity) => {
                let role = role(identity.role);
                let scope = match identity.project.as_deref().unwrap_or(DEFAULT_PROJECT) {
                    ALL_PROJECTS if role == Role::Admin => Scope::AllProjects,
                    ALL_PROJECTS => return Err(EnvKeyError::AllProjects { place }),
                    project => Scope::Project(ProjectId::parse(project).map_err(name)?),
                };
                if identity.agent_id == SYSTEM_NAME {
                    return Err(EnvKeyError::Reserved { place });
                }
                let agent = AgentId::parse(&identity.agent_id).map_err(name)?;
                let agent_type = AgentType::parse(&identity.agent_type).map_err(name)?;
                Principal { key: id, scope, agent, agent_type, role }
            }
        };
        Ok(Self { hash, principal })
    }
}

fn role(role: config::KeyRole) -> Role {
    match role {
        config::KeyRole::Agent => Role::Agent,
        config::KeyRole::Orchestrator => Role::Orchestrator,
        config::KeyRole::Admin => Role::Admin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Identity, KeyIdentity, KeyRole, Secret};

    fn key(secret: &str, identity: Option<(&str, Option<&str>, KeyRole)>) -> config::EnvKey {
        let identity = identity.map(|(agent, project, role)| KeyIdentity {
            agent_id: agent.to_owned(),
            agent_type: "ci".to_owned(),
            project: project.map(str::to_owned),
            role,
        });
        config::EnvKey { secret: Secret::new(secret), identity }
    }

    fn keys(keys: Vec<config::EnvKey>) -> Result<EnvKeys, EnvKeyError> {
        EnvKeys::new(&Identity { keys })
    }

    #[test]
    fn each_key_finds_its_own_identity() {
        let keys = keys(vec![
            key("key-number-one", Some(("ann", None, KeyRole::Agent))),
            key("key-number-two", Some(("bob", Some("team-7"), KeyRole::Orchestrator))),
            key("key-number-three", Some(("root", Some("*"), KeyRole::Admin))),
        ])
        .unwrap();
        let found = |secret: &str| keys.find(secret).cloned().unwrap();
        assert_eq!(found("key-number-one").agent.as_str(), "ann");
        assert_eq!(found("key-number-two").role, Role::Orchestrator);
        assert_eq!(found("key-number-two").scope, Scope::Project(ProjectId::parse("team-7").unwrap()));
        assert_eq!(found("key-number-three").scope, Scope::AllProjects);
        assert!(keys.find("key-number-on").is_none());
        assert!(keys.find("").is_none());
        assert!(self::keys(Vec::new()).unwrap().find("key-number-one").is_none());
    }

    #[test]
    fn an_unbound_key_is_an_agent_of_its_own() {
        let keys = keys(vec![key("key-number-one", None)]).unwrap();
        let principal = keys.find("key-number-one").unwrap();
        // printf key-number-one | sha256sum
        assert_eq!(principal.key.as_str(), "env-91e354acfa5e");
        assert_eq!(principal.agent.as_str(), "key-env-91e354acfa5e");
        assert_eq!(principal.role, Role::Agent);
        assert_eq!(principal.scope, Scope::Project(ProjectId::parse("default").unwrap()));
        assert_eq!(principal.agent_type.as_str(), "unknown");
    }

    #[test]
    fn identities_that_cannot_be_are_refused_by_place() {
        let refused = |agent: &str, project: Option<&str>, role: KeyRole, words: &str| {
            let error = keys(vec![key("key-number-one", None), key("key-number-two", Some((agent, project, role)))]);
            let text = error.err().unwrap().to_string();
            assert!(text.contains(words) && text.contains("key 2"), "{text}");
            assert!(!text.contains("key-number-two"), "{text}");
        };
        refused("an agent", None, KeyRole::Agent, "AgentId");
        refused("ann", Some("Team"), KeyRole::Agent, "ProjectId");
        refused("ann", Some("*"), KeyRole::Orchestrator, "all projects");
        refused("pointsman", None, KeyRole::Agent, "the server itself");
    }
}
