//! The one list of variables, and the two documents written from it.

mod variables;

pub use super::unknown::{FOREIGN, PREFIXES};
pub use variables::VARIABLES;

/// What the reference knows about one variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name in the environment.
    pub name: &'static str,
    /// The part of Pointsman it belongs to.
    pub section: Section,
    /// What its value may be.
    pub kind: Kind,
    /// The value it has when not set; empty if there is none to name.
    pub default: &'static str,
    /// A value that is accepted.
    pub example: &'static str,
    /// What it does, in Markdown.
    pub meaning: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, whose rules the meaning tells.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number in these bounds, both included.
    Number {
        /// The smallest number accepted.
        min: u64,
        /// The largest number accepted.
        max: u64,
    },
}

/// The part of Pointsman a variable belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Files.
    Data,
    /// The store.
    Database,
    /// The HTTP server.
    Http,
    /// Keys from the environment.
    Identity,
    /// Lock defaults.
    Locks,
    /// Limits of messages.
    Messages,
    /// How memories are kept and found.
    Memory,
    /// What turns memories into vectors.
    Embedder,
    /// How webhooks are told.
    Webhooks,
    /// When alerts are raised and become worse.
    Alerts,
    /// How long the past is kept.
    Retention,
    /// Logs, traces, metrics.
    Telemetry,
    /// The command line as a client of a server.
    Client,
    /// Read by `docker-compose.yml` alone.
    Compose,
}

impl Section {
    const ALL: [Self; 14] = [
        Self::Data,
        Self::Database,
        Self::Http,
        Self::Identity,
        Self::Locks,
        Self::Messages,
        Self::Memory,
        Self::Embedder,
        Self::Webhooks,
        Self::Alerts,
        Self::Retention,
        Self::Telemetry,
        Self::Client,
        Self::Compose,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Data => "Files",
            Self::Database => "Store",
            Self::Http => "HTTP server",
            Self::Identity => "Keys from the environment",
            Self::Locks => "Locks",
            Self::Messages => "Messages",
            Self::Memory => "Memory",
            Self::Embedder => "Embedder",
            Self::Webhooks => "Webhooks",
            Self::Alerts => "Alerts",
            Self::Retention => "How long the past is kept",
            Self::Telemetry => "Logs, traces and metrics",
            Self::Client => "Command line as a client",
            Self::Compose => "Compose file",
        }
    }
}

impl Section {
    fn variables(self) -> impl Iterator<Item = &'static Variable> {
        VARIABLES.iter().filter(move |variable| variable.section == self)
    }
}

/// The variable of that exact name.
pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// Where `name` stands in the list; names that are not in it come last.
pub(super) fn place(name: &str) -> usize {
    VARIABLES.iter().position(|variable| variable.name == name).unwrap_or(VARIABLES.len())
}

/// `docs/configuration.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- Written by `pointsman docs configuration`; edit app/src/config/reference/variables.rs instead. -->\n\n\
         Pointsman is configured by environment variables, read once at start. A variable set to nothing counts as not \
         set. Anything wrong stops the start, with every fault listed at once; values are never printed.\n\n",
    );
    for section in Section::ALL {
        page.extend(["## ", section.title(), "\n\n| Variable | Values | Default | Meaning |\n|---|---|---|---|\n"]);
        page.extend(section.variables().map(Variable::row));
        page.push('\n');
    }
    let code = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let unknown = format!(
        "## Unknown names\n\n\
         A name that begins with {} and is not listed above is refused at start, with the nearest known name, because \
         it is most often a typing error. Passed over are the names that other software puts there: {}, and the service \
         links of Kubernetes (`…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_PORT=tcp://…`, `…_PORT_5432_TCP` and the like).\n",
        code(&PREFIXES),
        code(&FOREIGN)
    );
    page + &unknown
}

/// `.env.example`: every variable, commented out.
pub fn dotenv() -> String {
    let mut file = String::from(
        "# Every variable of Pointsman. Copy to .env and take the # off the lines you need.\n\
         # Written by `pointsman docs dotenv`; edit app/src/config/reference/variables.rs instead.\n",
    );
    for section in Section::ALL {
        file.extend(["\n# ", section.title(), "\n"]);
        file.extend(section.variables().map(|variable| {
            let value = if variable.default.is_empty() { variable.example } else { variable.default };
            format!("# {}={value}\n", variable.name)
        }));
    }
    file
}

impl Variable {
    fn row(&self) -> String {
        let default = if self.default.is_empty() { "–".to_owned() } else { format!("`{}`", self.default) };
        let secret = if self.secret { " **Secret.**" } else { "" };
        format!("| `{}` | {} | {default} | {}{secret} |\n", self.name, self.values(), self.meaning)
    }

    fn values(&self) -> String {
        match self.kind {
            Kind::Text => format!("such as `{}`", self.example),
            Kind::Flag => "`true`, `false`".to_owned(),
            Kind::Number { min, max } => format!("{min} to {max}"),
        }
    }
}
