use serde::Deserialize;

use super::faults::ConfigErrors;
use super::reader::Reader;
use super::secret::Secret;

/// How the command line reaches a server. Read apart from [`super::Config`], because a client has no use for the rest.
#[derive(Debug, Clone)]
pub struct Client {
    /// The server's address, without a slash at the end.
    pub url: String,
    /// The key to send.
    pub key: Option<Secret>,
    /// Hosts the key may be sent to besides the loopback ones; `*.example.com` stands for one or more labels.
    pub allowed_hosts: Vec<String>,
    /// The agent to act as.
    pub agent_id: Option<String>,
    /// That agent's type.
    pub agent_type: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawCoordination {
    api_url: Option<String>,
    api_key: Option<String>,
    allowed_hosts: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawAgent {
    id: Option<String>,
    r#type: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawApi {
    port: Option<String>,
}

impl Client {
    /// Reads the section from `variables`.
    ///
    /// # Errors
    ///
    /// Every fault of these variables, and unknown names under Pointsman's prefixes.
    pub fn from_vars<I, K, V>(variables: I) -> Result<Self, ConfigErrors>
    where
        I: IntoIterator<Item = (K, V)>,
        K: Into<std::ffi::OsString>,
        V: Into<std::ffi::OsString>,
    {
        let mut reader = Reader::new(variables);
        let raw: RawCoordination = reader.section("COORDINATION_");
        let agent: RawAgent = reader.section("AGENT_");
        let api: RawApi = reader.section("API_");
        let port: u16 = reader.number("API_PORT", api.port);
        let url = raw.api_url.unwrap_or_else(|| format!("http://127.0.0.1:{port}"));
        match reqwest::Url::parse(&url) {
            Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() => {
                reader.refuse("COORDINATION_API_URL", "must start with `http://` or `https://`");
            }
            Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
                reader
                    .refuse("COORDINATION_API_URL", "must not carry a user name or password; use COORDINATION_API_KEY");
            }
            Ok(_) => {}
            Err(_) => reader.refuse("COORDINATION_API_URL", "is not an address"),
        }
        let client = Self {
            url: url.trim_end_matches('/').to_owned(),
            key: raw.api_key.map(Secret::new),
            allowed_hosts: raw
                .allowed_hosts
                .iter()
                .flat_map(|hosts| hosts.split(','))
                .map(|host| host.trim().to_ascii_lowercase())
                .filter(|host| !host.is_empty())
                .collect(),
            agent_id: agent.id,
            agent_type: agent.r#type,
        };
        reader.finish(client)
    }
}
