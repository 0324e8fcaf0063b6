use std::time::Duration;

use domain::memory::vector::{ModelName, Vector};
use serde::Deserialize;

use super::reader::Reader;
use super::secret::Secret;

/// What turns memories into vectors, if anything does.
#[derive(Debug, Clone)]
pub enum Embedder {
    /// Nothing: memories are found by their words.
    None,
    /// An endpoint that speaks as `OpenAI`'s does.
    OpenAi(EmbedderEndpoint),
}

/// Where an embedder is and how it is asked.
#[derive(Debug, Clone)]
pub struct EmbedderEndpoint {
    /// The address that `/embeddings` is put behind.
    pub url: String,
    /// The model.
    pub model: ModelName,
    /// The key, if it wants one.
    pub api_key: Option<Secret>,
    /// How many numbers the vectors must have.
    pub dimension: Option<usize>,
    /// The most texts of one request.
    pub batch_size: usize,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long a search waits for the vector of what it looks for.
    pub query_timeout: Duration,
}

impl Embedder {
    /// How long a search waits for the vector of what it looks for; no time where there is none.
    pub fn query_timeout(&self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::OpenAi(endpoint) => endpoint.query_timeout,
        }
    }
}

#[derive(Default, Deserialize)]
struct Raw {
    url: Option<String>,
    model: Option<String>,
    api_key: Option<String>,
    dimensions: Option<String>,
    batch_size: Option<String>,
    timeout_seconds: Option<String>,
    query_timeout_ms: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    OpenAi,
}

const KIND: &str = "EMBEDDER";
const URL: &str = "EMBEDDER_URL";
const MODEL: &str = "EMBEDDER_MODEL";

impl Embedder {
    /// Reads the section; a sentence for the operator goes to `notices` where something is set but passed over, or unwise.
    pub(super) fn read(reader: &mut Reader, notices: &mut Vec<String>) -> Self {
        let raw: Raw = reader.section("EMBEDDER_");
        let kind = reader.alone(KIND);
        let choices = [("none", Kind::None), ("openai", Kind::OpenAi)];
        if kind.is_none() && raw.url.is_some() {
            reader.refuse(KIND, "is not set though EMBEDDER_URL is; say `openai` to use that endpoint, or `none`");
        }
        let is_wanted = reader.choice(KIND, kind.as_deref(), &choices, Kind::None) == Kind::OpenAi;
        let dimension = reader.number_if_set("EMBEDDER_DIMENSIONS", raw.dimensions);
        let batch_size = reader.number("EMBEDDER_BATCH_SIZE", raw.batch_size);
        let timeout = Duration::from_secs(reader.number("EMBEDDER_TIMEOUT_SECONDS", raw.timeout_seconds));
        let query_timeout = Duration::from_millis(reader.number("EMBEDDER_QUERY_TIMEOUT_MS", raw.query_timeout_ms));
        if !is_wanted {
            if kind.is_some() && raw.url.is_some() {
                notices.push("EMBEDDER_URL is set but not used, because EMBEDDER is `none`".to_owned());
            }
            return Self::None;
        }
        let url = url(reader, raw.url);
        let model = model(reader, raw.model);
        let api_key = raw.api_key.filter(|key| {
            let is_plain = key.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_plain {
                reader.refuse("EMBEDDER_API_KEY", "must be printable ASCII without spaces");
            }
            is_plain
        });
        let (Some(url), Some(model)) = (url, model) else { return Self::None };
        if api_key.is_some() && is_open(&url) {
            notices
                .push("EMBEDDER_API_KEY and every memory are sent to EMBEDDER_URL in the clear; use https".to_owned());
        }
        let api_key = api_key.map(Secret::new);
        Self::OpenAi(EmbedderEndpoint { url, model, api_key, dimension, batch_size, timeout, query_timeout })
    }
}

fn url(reader: &mut Reader, raw: Option<String>) -> Option<String> {
    let Some(raw) = raw else {
        reader.refuse(URL, "is needed when EMBEDDER is `openai`");
        return None;
    };
    let fault = match reqwest::Url::parse(&raw) {
        Err(_) => "is not an address",
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "must start with `http://` or `https://`",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "must not hold a name or password; a key belongs into EMBEDDER_API_KEY"
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => "must not hold `?` or `#`",
        Ok(url) if url.path().trim_end_matches('/').ends_with("/embeddings") => {
            "must be the address before `/embeddings`, which is put behind it"
        }
        Ok(_) => return Some(raw),
    };
    reader.refuse(URL, fault);
    None
}

fn model(reader: &mut Reader, raw: Option<String>) -> Option<ModelName> {
    let Some(raw) = raw else {
        reader.refuse(MODEL, "is needed when EMBEDDER is `openai`");
        return None;
    };
    match ModelName::parse(&raw) {
        Ok(model) => Some(model),
        Err(error) => {
            reader.refuse(MODEL, error.to_string());
            None
        }
    }
}

/// Whether what is sent there can be read on the way: not on this machine.
fn is_open(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_here = host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "http" && !is_here
}

/// The bounds that the reference names.
pub(super) const DIMENSIONS_MAX: u64 = Vector::DIMENSION_MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const WHOLE: [(&str, &str); 3] =
        [("EMBEDDER", "openai"), ("EMBEDDER_URL", "http://127.0.0.1:9/v1"), ("EMBEDDER_MODEL", "m")];

    fn read(more: &[(&str, &str)]) -> Result<Config, String> {
        let variables = WHOLE.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
        Config::from_vars(variables.chain(more).copied()).map_err(|error| error.to_string())
    }

    fn endpoint(more: &[(&str, &str)]) -> (EmbedderEndpoint, Vec<String>) {
        let config = read(more).unwrap();
        let Embedder::OpenAi(endpoint) = config.embedder else { panic!("there is one") };
        (endpoint, config.notices)
    }

    #[test]
    fn there_is_none_unless_one_is_asked_for() {
        let config = Config::from_vars([("HOME", "/home/x")]).unwrap();
        assert!(matches!(config.embedder, Embedder::None));
        let config = read(&[("EMBEDDER", "none")]).unwrap();
        assert!(matches!(config.embedder, Embedder::None));
        assert!(config.notices.iter().any(|notice| notice.contains("EMBEDDER_URL")), "{:?}", config.notices);
    }

    #[test]
    fn an_endpoint_has_usual_settings() {
        let (endpoint, notices) = endpoint(&[("EMBEDDER_API_KEY", "key-one")]);
        assert_eq!((endpoint.url.as_str(), endpoint.model.as_str()), ("http://127.0.0.1:9/v1", "m"));
        assert_eq!((endpoint.dimension, endpoint.batch_size), (None, 64));
        assert_eq!((endpoint.timeout, endpoint.query_timeout), (Duration::from_secs(30), Duration::from_millis(800)));
        assert!(!format!("{endpoint:?}").contains("key-one"));
        assert!(!notices.iter().any(|notice| notice.contains("in the clear")), "{notices:?}");
    }

    #[test]
    fn a_key_in_the_clear_is_told() {
        let (_, notices) = endpoint(&[("EMBEDDER_URL", "http://a.example/v1"), ("EMBEDDER_API_KEY", "key-one")]);
        assert!(notices.iter().any(|notice| notice.contains("in the clear")), "{notices:?}");
        assert!(!notices.iter().any(|notice| notice.contains("key-one")), "{notices:?}");
    }

    #[test]
    fn half_of_an_endpoint_is_refused_with_every_fault() {
        for (name, value) in [
            ("EMBEDDER_URL", ""),
            ("EMBEDDER_MODEL", ""),
            ("EMBEDDER", ""),
            ("EMBEDDER", "voyage"),
            ("EMBEDDER_URL", "ftp://a.example"),
            ("EMBEDDER_URL", "a.example"),
            ("EMBEDDER_URL", "http://user:word@a.example/v1"),
            ("EMBEDDER_URL", "http://a.example/v1?x=1"),
            ("EMBEDDER_URL", "http://a.example/v1/embeddings/"),
            ("EMBEDDER_MODEL", "two words"),
            ("EMBEDDER_API_KEY", "two words"),
            ("EMBEDDER_DIMENSIONS", "4097"),
            ("EMBEDDER_DIMENSIONS", "0"),
            ("EMBEDDER_BATCH_SIZE", "0"),
            ("EMBEDDER_TIMEOUT_SECONDS", "0"),
            ("EMBEDDER_MODLE", "m"),
        ] {
            let told = read(&[(name, value)]).unwrap_err();
            assert!(told.contains(name), "{name}={value}: {told}");
            assert!(value.len() < 3 || name == "EMBEDDER_MODLE" || !told.contains(&format!("{value} ")), "{told}");
        }
    }
}
