//! A server decides without a lock where it seems to be alone, and meets somebody.

use e2e::audit::entries;
use e2e::store::Store;
use e2e::{Fault, Outcome, poll};
use serde_json::json;
use std::time::Duration;

/// Somebody else decides something in the project, and takes his time to commit it.
const SOMEBODY_ELSE: &str =
    "UPDATE lock_tables SET revision = revision + 1 WHERE project_id = 'default'; SELECT pg_sleep(2)";

/// A server that has read, and waits with what it writes.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity \
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'WITH guard AS %'";

#[tokio::test]
async fn what_was_decided_too_early_is_decided_again_and_has_one_effect() -> Outcome {
    let store = Store::postgres()?;
    let server = store.serve().await?;
    let dsn = store.database().map(|database| database.dsn.clone()).ok_or_else(|| Fault::new("no PostgreSQL"))?;
    let (alice, olga) = (server.agent("alice")?, server.agent("olga")?);
    alice.take("src/before.rs").await?;
    let sleeper = {
        let dsn = dsn.clone();
        tokio::task::spawn_blocking(move || e2e::database::psql(&dsn, SOMEBODY_ELSE))
    };
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let soon = Duration::from_secs(2);
    let counted = async |sql: &str| Ok((e2e::database::psql(&dsn, sql)? == "1").then_some(()));
    poll::until("somebody else to hold the lock table", soon, async || counted(asleep).await).await?;
    let once = alice.once("overtaken");
    let wish = json!({ "keys": [{ "key": "src/main.rs" }] });
    let acquire = async { once.acquire(&wish).await?.grants() };
    let watch = poll::until("the server to wait with what it has decided", soon, async || counted(WAITING).await);
    let (grants, waited) = tokio::join!(acquire, watch);
    waited?;
    let grants = grants?;
    sleeper.await??;
    assert_eq!(alice.once("overtaken").acquire(&wish).await?.grants()?, grants, "the first answer stays");
    let lines = entries(&olga, &[("operation", "lock.acquire")]).await?;
    assert_eq!(lines.iter().filter(|line| line["target"] == "src/main.rs").count(), 1, "{lines:?}");
    let sql =
        "SELECT count(*), max(token) = (SELECT last_token FROM lock_tables WHERE project_id = 'default') FROM leases";
    assert_eq!(e2e::database::psql(&dsn, sql)?, "2|t");
    Ok(())
}
