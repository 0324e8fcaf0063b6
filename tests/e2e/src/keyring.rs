//! Keys as a server gets them from its environment.

use serde_json::{Map, Value, json};

/// The keys of one server, with the agent, role and project each stands for.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    keys: Vec<String>,
    identities: Map<String, Value>,
}

impl Keyring {
    /// The keys most stories need: of the agents `alice` and `bob`, of the orchestrator `olga` and the admin `ada`, all
    /// in project `default`.
    pub fn usual() -> Self {
        Self::default().with("alice", "agent").with("bob", "agent").with("olga", "orchestrator").with("ada", "admin")
    }

    /// One more agent of project `default`.
    #[must_use]
    pub fn with(mut self, agent: &str, role: &str) -> Self {
        let key = key_of(agent);
        self.identities.insert(key.clone(), json!({ "agent_id": agent, "agent_type": "test", "role": role }));
        self.keys.push(key);
        self
    }

    /// The variables that hand the keys to a server.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        let identities = Value::Object(self.identities.clone()).to_string();
        [("COORDINATION_API_KEYS", self.keys.join(",")), ("COORDINATION_API_KEY_IDENTITIES", identities)]
    }
}

/// The key of an agent in any [`Keyring`].
pub fn key_of(agent: &str) -> String {
    format!("key-for-tests-of-{agent}")
}
