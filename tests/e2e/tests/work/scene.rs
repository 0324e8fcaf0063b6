//! Where most stories about work begin: a server, the usual people, and an eye on the log and the tables.

use chrono::{DateTime, Utc};
use e2e::audit::Watch;
use e2e::client::Client;
use e2e::rows::Census;
use e2e::server::Server;
use e2e::store::Store;
use e2e::work::Claimed;
use e2e::{Fault, Outcome};
use serde_json::json;

/// Alice and Bob are agents, Olga is an orchestrator; all three are in a session that began before.
pub(crate) struct Scene<'a> {
    pub(crate) server: Server,
    pub(crate) alice: Client,
    pub(crate) bob: Client,
    pub(crate) olga: Client,
    pub(crate) rows: Census<'a>,
    log: Watch,
}

impl<'a> Scene<'a> {
    pub(crate) async fn open(store: &'a Store) -> Outcome<Self> {
        let server = store.serve().await?;
        let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
        for agent in [&alice, &bob, &olga] {
            agent.claim(&json!({})).await?.ok()?;
        }
        let (rows, log) = (Census::new(store).await?, Watch::new(olga.clone()).await?);
        Ok(Self { server, alice, bob, olga, rows, log })
    }

    /// The new lines of the audit log, as `agent operation outcome`.
    pub(crate) async fn told(&mut self) -> Outcome<Vec<String>> {
        self.log.told().await
    }

    /// Forgets what happened so far.
    pub(crate) async fn look_away(&mut self) -> Outcome {
        self.log.fresh().await?;
        self.rows.change().await.map(drop)
    }

    /// The server's clock, by its header `Date`.
    pub(crate) async fn now(&self) -> Outcome<DateTime<Utc>> {
        let reply = self.server.stranger()?.get("/live").await?;
        let date = reply.header("date").ok_or_else(|| Fault::new("an answer without a date"))?;
        Ok(DateTime::parse_from_rfc2822(date)?.to_utc())
    }

    /// Nobody finds anything to do.
    pub(crate) async fn nothing_to_claim(&self) -> Outcome {
        for agent in [&self.alice, &self.bob] {
            let claimed: Vec<Claimed> = agent.claim(&json!({ "max_tasks": 50 })).await?.claimed()?;
            assert!(claimed.is_empty(), "there is something to do: {claimed:?}");
        }
        Ok(())
    }
}

/// An instant of an answer.
pub(crate) fn instant(value: &serde_json::Value) -> Outcome<DateTime<Utc>> {
    Ok(DateTime::parse_from_rfc3339(value.as_str().unwrap_or_default())?.to_utc())
}
