//! What passes between two servers over one database: messages from a sender at one to a receiver who waits at the other,
//! and facts from one to a crowd that follows at the other.

pub(crate) mod followers;
mod mail;

use crate::cpu::Meter;
use crate::database::Database;
use crate::goals::{self, Goal};
use crate::http::{Caller, Connection};
use crate::plan::Plan;
use crate::server::Server;
use crate::target::{CONNECTIONS, Site, admin, make_callers};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Messages in a second.
const RATE: u32 = 100;
/// How many send at the same time, so that none has to wait for the one before.
const SENDERS: u32 = 8;
/// How many agents there are: the senders, the receiver, and those who follow.
const AGENTS: u32 = 32;
/// The name of the measure with a doorbell, and without one.
pub(crate) const MAIL: [&str; 2] = ["message to another server", "message to another server, no doorbell"];
/// The name of the measure of a crowd that follows.
pub(crate) const FOLLOWERS: &str = "1,000 followers";

/// Two servers over one database.
pub(crate) struct Pair {
    one: Server,
    other: Server,
    callers: Vec<Caller>,
    meter: Meter,
}

impl Pair {
    async fn start(site: &Site, name: &str, database: &Database) -> Result<Self> {
        let log = |number: u32| site.work.join(format!("postgres-{name}-{number}.log"));
        let mut settings = database.settings(CONNECTIONS);
        settings.extend(admin());
        settings.push(("API_MAX_CONNECTIONS", "2000".into()));
        let one = Server::start(&site.program, settings.clone(), &log(1)).await?;
        let other = Server::start(&site.program, settings, &log(2)).await?;
        let callers = make_callers(&one, AGENTS).await?;
        let meter = site.meter.with_server(other.pid);
        Ok(Self { one, other, callers, meter })
    }

    fn caller(&self, at: u32) -> Result<&Caller> {
        self.callers.get(usize::try_from(at)?).context("there are not as many agents")
    }

    async fn stop(self) -> Result<()> {
        self.one.stop().await?;
        self.other.stop().await
    }
}

/// Everything that is planned, each on a database of its own.
pub(crate) async fn measure(site: &Site, cluster_dsn: &str, plan: &Plan) -> Result<Vec<Goal>> {
    let mut goals = Vec::new();
    for (name, database, has_doorbell) in [(MAIL[0], "mail", true), (MAIL[1], "mail_silent", false)] {
        if plan.has(name) {
            let database = Database::create_postgres(cluster_dsn, &format!("load_{database}")).await?;
            if !has_doorbell {
                database.silence().await?;
            }
            let pair = Pair::start(site, if has_doorbell { "mail" } else { "mail-silent" }, &database).await?;
            let latencies = mail::measure(&pair, plan.idle).await?;
            pair.stop().await?;
            goals.push(goals::mail(name, RATE, has_doorbell, &latencies));
        }
    }
    if plan.has(FOLLOWERS) {
        let database = Database::create_postgres(cluster_dsn, "load_followers").await?;
        let pair = Pair::start(site, "followers", &database).await?;
        let crowd = followers::measure(&pair, plan.idle).await?;
        pair.stop().await?;
        goals.extend(goals::followers(FOLLOWERS, RATE, crowd));
    }
    Ok(goals)
}

/// Sends [`RATE`] messages a second for a while from one server; `began` is called right before each with its number.
async fn send(
    pair: &Pair,
    to: &Value,
    window: Duration,
    began: impl Fn(u32, Instant) + Clone + Send + 'static,
) -> Result<u32> {
    let mut sending = JoinSet::new();
    let each = Duration::from_secs(1) * SENDERS / RATE;
    let turns = u32::try_from(window.as_millis() / each.as_millis())?;
    for sender in 0..SENDERS {
        let mut connection = Connection::open(pair.one.address, pair.caller(sender)?).await?;
        let (to, began) = (to.clone(), began.clone());
        sending.spawn(async move {
            tokio::time::sleep(each * sender / SENDERS).await;
            let mut ticks = interval(each);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for turn in 0..turns {
                ticks.tick().await;
                let number = turn * SENDERS + sender;
                let body = json!({ "to": to, "subject": number.to_string(), "body": "x".repeat(200) }).to_string();
                began(number, Instant::now());
                let _: Value = connection.post("/v1/messages", &format!("message-{number}"), body).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent??;
    }
    Ok(turns * SENDERS)
}
