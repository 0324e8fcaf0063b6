use std::time::Duration;

use domain::webhooks::address::{AddressRules, Network, Target};
use domain::webhooks::policy::DeliveryPolicy;
use serde::Deserialize;

use super::reader::Reader;

/// How webhooks are told.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// What may be called beyond public hosts over https.
    pub rules: AddressRules,
    /// How often and how patiently.
    pub policy: DeliveryPolicy,
    /// How long one call may take.
    pub timeout: Duration,
}

#[derive(Default, Deserialize)]
struct Raw {
    allowed_hosts: Option<String>,
    allowed_networks: Option<String>,
    attempts_max: Option<String>,
    backoff_first_seconds: Option<String>,
    backoff_cap_seconds: Option<String>,
    disable_after_failures: Option<String>,
    disable_after_seconds: Option<String>,
    timeout_seconds: Option<String>,
}

/// Hosts and networks at most.
const ENTRIES_MAX: usize = 100;
const HOSTS: &str = "WEBHOOKS_ALLOWED_HOSTS";
const NETWORKS: &str = "WEBHOOKS_ALLOWED_NETWORKS";
const FIRST: &str = "WEBHOOKS_BACKOFF_FIRST_SECONDS";

impl Webhooks {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let raw: Raw = reader.section("WEBHOOKS_");
        let policy = DeliveryPolicy {
            attempts_max: reader.number("WEBHOOKS_ATTEMPTS_MAX", raw.attempts_max),
            backoff_first_seconds: reader.number(FIRST, raw.backoff_first_seconds),
            backoff_cap_seconds: reader.number("WEBHOOKS_BACKOFF_CAP_SECONDS", raw.backoff_cap_seconds),
            disable_after_failures: reader.number("WEBHOOKS_DISABLE_AFTER_FAILURES", raw.disable_after_failures),
            disable_after_seconds: reader.number("WEBHOOKS_DISABLE_AFTER_SECONDS", raw.disable_after_seconds),
            timeout_seconds: reader.number("WEBHOOKS_TIMEOUT_SECONDS", raw.timeout_seconds),
        };
        if policy.backoff_first_seconds > policy.backoff_cap_seconds {
            reader.refuse(FIRST, "must not be more than WEBHOOKS_BACKOFF_CAP_SECONDS");
        }
        let hosts = entries(reader, HOSTS, raw.allowed_hosts.as_deref(), host);
        let networks = entries(reader, NETWORKS, raw.allowed_networks.as_deref(), |entry| {
            Network::parse(entry).map_err(|e| e.to_string())
        });
        let timeout = Duration::from_secs(policy.timeout_seconds.into());
        Self { rules: AddressRules { hosts, networks }, policy, timeout }
    }
}

/// Reads a list; what is wrong with an entry is told by its place.
fn entries<T>(reader: &mut Reader, name: &str, raw: Option<&str>, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    let given = raw.unwrap_or_default().split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let mut all = Vec::new();
    for (place, entry) in given.enumerate().map(|(index, entry)| (index + 1, entry)) {
        if place > ENTRIES_MAX {
            reader.refuse(name, format!("holds more than {ENTRIES_MAX} entries"));
            break;
        }
        match read(entry) {
            Ok(entry) => all.push(entry),
            Err(reason) => reader.refuse(name, format!("entry {place} {reason}")),
        }
    }
    all
}

/// The name of a host, or an address, with or without `*.` before it.
fn host(entry: &str) -> Result<String, String> {
    let entry = entry.to_ascii_lowercase();
    let name = entry.strip_prefix("*.").unwrap_or(&entry);
    let url = if name.contains(':') { format!("https://[{name}]/") } else { format!("https://{name}/") };
    match Target::parse(&url) {
        Ok(target) if target.origin().len() + 1 == url.len() => Ok(entry),
        _ => Err("is not the name of a host".to_owned()),
    }
}
