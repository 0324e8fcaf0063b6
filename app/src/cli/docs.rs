//! `pointsman docs`: the pages that are written from the program itself.

use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::config::reference;
use crate::http::problem;
use crate::identity::authenticate::Authenticator;
use crate::identity::env_keys::EnvKeys;
use crate::memory::recall::RecallSettings;
use crate::memory::secrets::SecretsPolicy;
use crate::telemetry::Metrics;
use crate::wiring::Parts;
use adapters::calendar::IanaCalendar;
use adapters::in_memory::InMemoryStore;
use adapters::system::{RandomIds, SystemClock};
use adapters::webhook_sender::HttpWebhookSender;
use clap::Subcommand;
use domain::alerts::alert::Escalation;
use domain::locks::lease::Ttl;
use domain::memory::working::Terms;
use domain::messages::conversation::Pace;
use domain::webhooks::address::AddressRules;
use serde_json::Value;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Which page.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Docs {
    /// `docs/configuration.md`
    Configuration,
    /// `.env.example`
    #[command(alias = "env")]
    Dotenv,
    /// `docs/problems.md`
    Problems,
    /// `docs/openapi.json`
    Openapi,
}

/// Runs `pointsman docs`.
pub fn run(page: Docs) -> Result<(), Failure> {
    let text = match page {
        Docs::Configuration => reference::markdown(),
        Docs::Dotenv => reference::dotenv(),
        Docs::Problems => problem::markdown(),
        Docs::Openapi => openapi().map_err(|error| Failure::new(Exit::Failed, error.as_ref()))?,
    };
    output::text(&text);
    Ok(())
}

/// The description of the API as it is committed: no database is needed for it.
pub fn openapi() -> Result<String, Box<dyn Error + Send + Sync>> {
    // The executor starts its lanes at once, though none of them gets anything to do here.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    let document: Value = parts()?.document()?;
    Ok(format!("{}\n", serde_json::to_string_pretty(&document)?))
}

fn parts() -> Result<Parts, Box<dyn Error + Send + Sync>> {
    // Fails only if a provider is there already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = Arc::new(InMemoryStore::new(Arc::new(SystemClock)));
    let metrics = Metrics::unexported()?;
    let env = EnvKeys::new(&crate::config::Identity::default())?;
    Ok(Parts {
        store: store.clone(),
        ids: Arc::new(RandomIds),
        calendar: Arc::new(IanaCalendar),
        metrics: metrics.clone(),
        authenticator: Arc::new(Authenticator::new(env, store, metrics)),
        unread: Arc::default(),
        secrets: SecretsPolicy::Refuse,
        recall: RecallSettings::default(),
        embedding: None,
        working: Terms::default(),
        pace: Pace::DEFAULT,
        webhook_sender: Arc::new(HttpWebhookSender::new(AddressRules::default(), Duration::from_secs(1))?),
        escalation: Escalation { after: None },
        default_ttl: Ttl::try_new(Ttl::SECONDS_MAX)?,
        request_timeout: Duration::from_secs(1),
        access_log: false,
        stopping: CancellationToken::new(),
    })
}
