//! A server is killed when what it was asked for is in its store, and nobody has been told.
//!
//! On PostgreSQL the server dies before it hears that its commit went through. On SQLite, which is part of the server,
//! it dies with its answer on the way.

use crate::audit::Watch;
use crate::client::Reply;
use crate::logs::note;
use crate::relay::Relay;
use crate::rows::Census;
use crate::server::Server;
use crate::store::Store;
use crate::{Fault, Outcome};
use reqwest::Url;
use serde_json::Value;

/// What became of a request.
#[derive(Debug)]
pub struct Survived {
    /// The server that was started after the crash.
    pub server: Server,
    /// What came of asking again, twice.
    pub again: [Reply; 2],
    /// The lines that came of all of it.
    pub told: Vec<String>,
    /// The rows that came of all of it.
    pub rows: String,
}

/// Bob asks for something and the server is killed after it has come true. Then he asks twice more.
pub async fn survives(store: &Store, path: &str, body: &Value) -> Outcome<Survived> {
    let mut before = store.serve().await?;
    let (mut rows, mut log) = (Census::new(store).await?, Watch::new(before.agent("olga")?).await?);
    before.stop().await?;

    let launch = before.launch();
    let mut relay;
    let mut victim;
    let bob = if let Some(database) = store.database() {
        let mut dsn = Url::parse(&database.dsn)?;
        let host = dsn.host_str().unwrap_or_default();
        relay = Relay::open(&format!("{host}:{}", dsn.port().unwrap_or(5432))).await?;
        let near: Url = format!("postgres://{}", relay.address()).parse()?;
        dsn.set_port(near.port()).map_err(|()| Fault::new("a connection string without a port"))?;
        victim = launch.clone().postgres(dsn.as_str()).start().await?;
        victim.agent("bob")?
    } else {
        victim = launch.start().await?;
        relay = Relay::open(&victim.address()).await?;
        victim.agent("bob")?.at(&format!("http://{}", relay.address()))
    };
    let bob = bob.once("the-same");
    let victim = &mut victim;
    let breaking = async move {
        relay
            .keep_back_when(async || {
                let records = "SELECT key FROM idempotency_records WHERE key = 'the-same' AND agent_id = 'bob'";
                Ok(!store.texts(records).await?.is_empty())
            })
            .await?;
        // With the relay goes what it has kept back.
        victim.kill().await
    };
    let (unheard, broken) = tokio::join!(bob.post(path, body), breaking);
    broken?;
    if let Ok(reply) = unheard {
        return Err(Fault::new(format!("the server answered before it was killed: {reply:?}")));
    }
    note(format_args!("killed; the tasks are {}", store.texts("SELECT status FROM task_states").await?.join(" ")));

    let server = launch.start().await?;
    let bob = server.agent("bob")?.once("the-same");
    let again = [bob.post(path, body).await?, bob.post(path, body).await?];
    if again[0].text != again[1].text {
        return Err(Fault::new(format!("asked twice more, it was answered {} and {}", again[0].text, again[1].text)));
    }
    log.move_to(server.agent("olga")?);
    let (told, rows) = (log.told().await?, rows.change().await?);
    Ok(Survived { server, again, told, rows })
}
