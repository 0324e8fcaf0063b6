use super::faults::Fault;
use super::reference;

/// The prefixes Pointsman claims: an unknown name under one of them is a fault, because it is most often a typing error.
pub const PREFIXES: [&str; 13] = [
    "ALERTS_",
    "API_",
    "COORDINATION_",
    "DB_",
    "EMBEDDER_",
    "LOCK_",
    "MEMORY_",
    "MESSAGES_",
    "POINTSMAN_",
    "POSTGRES_",
    "RETENTION_",
    "SQLITE_",
    "WEBHOOKS_",
];

/// Names under our prefixes that belong to somebody else, mostly to the `postgres` container image, and are passed over.
pub const FOREIGN: [&str; 11] = [
    "POSTGRES_DB",
    "POSTGRES_DB_FILE",
    "POSTGRES_HOST",
    "POSTGRES_HOST_AUTH_METHOD",
    "POSTGRES_INITDB_ARGS",
    "POSTGRES_INITDB_WALDIR",
    "POSTGRES_PASSWORD",
    "POSTGRES_PASSWORD_FILE",
    "POSTGRES_PORT",
    "POSTGRES_USER",
    "POSTGRES_USER_FILE",
];

/// A fault if `name` stands under one of our prefixes and is nobody's.
pub(super) fn fault(name: &str, value: &str) -> Option<Fault> {
    let claimed = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if !claimed || FOREIGN.contains(&name) || is_service_link(name, value) {
        return None;
    }
    let reason = match nearest(name) {
        Some(known) => format!("is not a variable of Pointsman; did you mean {known}?"),
        None => "is not a variable of Pointsman; see docs/configuration.md, or unset it for this process".to_owned(),
    };
    Some(Fault { variable: name.to_owned(), reason, example: None })
}

/// Whether Kubernetes put the variable there to describe a service of that name.
fn is_service_link(name: &str, value: &str) -> bool {
    const ENDINGS: [&str; 8] =
        ["_TCP", "_TCP_PROTO", "_TCP_PORT", "_TCP_ADDR", "_UDP", "_UDP_PROTO", "_UDP_PORT", "_UDP_ADDR"];
    let numbered_port = || {
        ENDINGS
            .iter()
            .filter_map(|ending| name.strip_suffix(ending))
            .any(|rest| rest.rsplit_once("_PORT_").is_some_and(|(_, port)| port.parse::<u16>().is_ok()))
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && (value.starts_with("tcp://") || value.starts_with("udp://")))
        || numbered_port()
}

fn nearest(name: &str) -> Option<&'static str> {
    const LIKENESS_MIN: f64 = 0.7;
    reference::VARIABLES
        .iter()
        .map(|variable| (strsim::normalized_damerau_levenshtein(name, variable.name), variable.name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}
