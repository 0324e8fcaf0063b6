use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use super::reader::Reader;
use super::secret::Secret;

/// Keys given by the environment.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Every key, in the order given.
    pub keys: Vec<EnvKey>,
}

/// One key of `COORDINATION_API_KEYS`.
#[derive(Debug, Clone)]
pub struct EnvKey {
    /// What the client sends.
    pub secret: Secret,
    /// Whom it stands for; `None` is an agent named after the key, role `agent`, project `default`.
    pub identity: Option<KeyIdentity>,
}

/// Whom a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyIdentity {
    /// The agent no request with this key can depart from.
    pub agent_id: String,
    /// That agent's type.
    pub agent_type: String,
    /// The project, `default` if `None`.
    pub project: Option<String>,
    /// What the key may do.
    pub role: KeyRole,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    /// Work for itself.
    Agent,
    /// Also take locks away from others.
    Orchestrator,
    /// Also manage keys and projects.
    Admin,
}

/// Keys at most.
pub const KEYS_MAX: usize = 1000;
/// Bytes of a key at least.
pub const KEY_BYTES_MIN: usize = 8;
/// Bytes of a key at most.
pub const KEY_BYTES_MAX: usize = 256;
/// A shorter key is accepted with a warning.
const KEY_BYTES_ADVISED: usize = 16;
const WORD_BYTES_MAX: usize = 128;

const KEYS: &str = "COORDINATION_API_KEYS";
const IDENTITIES: &str = "COORDINATION_API_KEY_IDENTITIES";

#[derive(Default, Deserialize)]
struct Raw {
    api_keys: Option<String>,
    api_key_identities: Option<String>,
}

impl Identity {
    pub(super) fn read(reader: &mut Reader, notices: &mut Vec<String>) -> Self {
        let raw: Raw = reader.section("COORDINATION_");
        let mut keys = keys(reader, raw.api_keys.as_deref().unwrap_or_default());
        if let Some(raw) = raw.api_key_identities {
            bind(reader, &mut keys, &raw);
        }
        let short = keys.iter().filter(|key| key.secret.expose().len() < KEY_BYTES_ADVISED).count();
        if short > 0 {
            notices.push(format!(
                "{short} of the keys in {KEYS} are shorter than {KEY_BYTES_ADVISED} bytes and may be guessed"
            ));
        }
        Self { keys }
    }
}

fn keys(reader: &mut Reader, raw: &str) -> Vec<EnvKey> {
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    let given = raw.split(',').map(str::trim).filter(|key| !key.is_empty());
    for (place, key) in given.enumerate().map(|(index, key)| (index + 1, key)) {
        if place > KEYS_MAX {
            reader.refuse(KEYS, format!("holds more than {KEYS_MAX} keys; keep further ones in the database"));
            break;
        }
        if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()) {
            reader.refuse(KEYS, format!("key {place} is not {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes long"));
        } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            reader.refuse(KEYS, format!("key {place} holds something other than printable ASCII without spaces"));
        } else if !seen.insert(key) {
            reader.refuse(KEYS, format!("key {place} stands there twice"));
        } else {
            keys.push(EnvKey { secret: Secret::new(key), identity: None });
        }
    }
    keys
}

/// Gives each key its identity. Faults name an entry by its place, never by the key.
fn bind(reader: &mut Reader, keys: &mut [EnvKey], raw: &str) {
    let entries = match serde_json::from_str::<Pairs<Entry>>(raw) {
        Ok(Pairs(entries)) => entries,
        Err(fault) => {
            let reason = match fault.classify() {
                Category::Data => "must be one JSON object, from key to identity".to_owned(),
                Category::Syntax | Category::Eof | Category::Io => {
                    format!("is not JSON: it breaks at line {}, column {}", fault.line(), fault.column())
                }
            };
            return reader.refuse(IDENTITIES, reason);
        }
    };
    for (place, (key, entry)) in entries.into_iter().enumerate().map(|(index, entry)| (index + 1, entry)) {
        let identity = match KeyIdentity::parse(&entry) {
            Ok(identity) => identity,
            Err(reason) => {
                reader.refuse(IDENTITIES, format!("entry {place}: {reason}"));
                continue;
            }
        };
        match keys.iter_mut().find(|known| known.secret.expose() == key) {
            None => reader.refuse(IDENTITIES, format!("entry {place} is for a key that is not in {KEYS}")),
            Some(known) if known.identity.is_some() => {
                reader.refuse(IDENTITIES, format!("entry {place} is for a key that already has an identity"));
            }
            Some(known) => known.identity = Some(identity),
        }
    }
}

impl KeyIdentity {
    fn parse(entry: &Entry) -> Result<Self, String> {
        let fields = match entry {
            Entry::Object(Pairs(fields)) => fields,
            Entry::Other(IgnoredAny) => return Err("is not a JSON object".to_owned()),
        };
        let mut seen = BTreeSet::new();
        for (name, _) in fields {
            if !matches!(name.as_str(), "agent_id" | "agent_type" | "project" | "role") {
                return Err("has a field that is not agent_id, agent_type, project or role".to_owned());
            }
            if !seen.insert(name) {
                return Err(format!("has {name} twice"));
            }
        }
        let word = |name: &str| match fields.iter().find(|(field, _)| field == name).map(|(_, value)| value) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if is_word(text) => Ok(Some(text.clone())),
            Some(_) => Err(format!("{name} must be a text of 1 to {WORD_BYTES_MAX} bytes with no control characters")),
        };
        let role = match word("role")?.as_deref() {
            None | Some("agent") => KeyRole::Agent,
            Some("orchestrator") => KeyRole::Orchestrator,
            Some("admin") => KeyRole::Admin,
            Some(_) => return Err("role must be agent, orchestrator or admin".to_owned()),
        };
        Ok(Self {
            agent_id: word("agent_id")?.ok_or("agent_id is missing")?,
            agent_type: word("agent_type")?.ok_or("agent_type is missing")?,
            project: word("project")?,
            role,
        })
    }
}

fn is_word(text: &str) -> bool {
    (1..=WORD_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control) && text.trim() == text
}

/// One identity as it stands in the JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Object(Pairs<Value>),
    Other(IgnoredAny),
}

/// An object as pairs: it keeps repeated names, which a map would swallow.
struct Pairs<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Collect<T> {
            type Value = Pairs<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect(PhantomData))
    }
}
