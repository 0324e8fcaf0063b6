//! Twenty thousand tasks that depend on one another in diamonds are handed in and drained by thirty-two claimers on two
//! servers at the same time: each once, none before what it depends on, and the database never had to end a deadlock.

use chrono::{DateTime, Utc};
use e2e::client::Client;
use e2e::database::Cluster;
use e2e::keyring::{Keyring, key_of};
use e2e::logs::note;
use e2e::random::{Random, seed};
use e2e::store::Store;
use e2e::work::{Claimed, task};
use e2e::{Fault, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

const TASKS: usize = 20_000;
/// Handed in with one call.
const TASKS_OF_A_CALL: usize = 1_000;
/// Tasks that do not depend on one another.
const LAYER: usize = 1_000;
const CLAIMERS: usize = 32;
/// Taken with one call.
const TASKS_OF_A_CLAIM: usize = 20;
/// By one claimer.
const COMPLETED_AT_ONCE: usize = 4;

fn claimer(number: usize) -> String {
    format!("claimer-{number:02}")
}

/// When a task was claimed, and when it ended, by the store's clock.
type Span = (DateTime<Utc>, DateTime<Utc>);

/// A task below its layer depends on both its neighbours in the layer above, so that each two neighbours make a diamond,
/// and on one further away.
fn parents(number: usize, random: &mut Random) -> Vec<usize> {
    let Some(above) = (number / LAYER).checked_sub(1).map(|layer| layer * LAYER) else { return Vec::new() };
    let place = number % LAYER;
    let mut parents = vec![above + place, above + (place + 1) % LAYER, above + random.below(LAYER)];
    if random.once_in(4) {
        parents.push(random.below(above + 1));
    }
    parents.sort_unstable();
    parents.dedup();
    parents
}

/// Hands everything in; answers the ids, and what each depends on.
async fn hand_in(client: &Client, tasks: usize) -> Outcome<(Vec<String>, Vec<Vec<usize>>)> {
    let seed = seed();
    note(format_args!("seed {seed}"));
    let mut random = Random::new(seed);
    let mut ids: Vec<String> = Vec::new();
    let graph: Vec<Vec<usize>> = (0..tasks).map(|number| parents(number, &mut random)).collect();
    for call in (0..tasks).collect::<Vec<_>>().chunks(TASKS_OF_A_CALL) {
        let named = |number: &usize| ids.get(*number).cloned().unwrap_or_else(|| format!("n{number}"));
        let bodies: Vec<Value> = call
            .iter()
            .map(|number| {
                let on: Vec<String> = graph[*number].iter().map(named).collect();
                task("x", &json!({ "name": format!("n{number}"), "depends_on": on }))
            })
            .collect();
        ids.extend(client.submit(&bodies).await?);
    }
    Ok((ids, graph))
}

/// Claims and completes until all is done; answers what it did.
async fn drain(client: Client, left: Arc<AtomicUsize>) -> Outcome<BTreeMap<String, Span>> {
    let wish = json!({ "max_tasks": TASKS_OF_A_CLAIM, "wait_seconds": 1 });
    let mut done = BTreeMap::new();
    while left.load(Ordering::Relaxed) > 0 {
        let mut claimed = client.claim(&wish).await?.claimed()?.into_iter();
        let mut completing = JoinSet::new();
        completing.extend(claimed.by_ref().take(COMPLETED_AT_ONCE).map(|one| complete(client.clone(), one)));
        while let Some(completed) = completing.join_next().await {
            let (id, span) = completed??;
            completing.extend(claimed.next().map(|one| complete(client.clone(), one)));
            if let Some(before) = done.insert(id.clone(), span) {
                return Err(Fault::new(format!("{id} was claimed twice, first at {before:?}")));
            }
            left.fetch_sub(1, Ordering::Relaxed);
        }
    }
    Ok(done)
}

async fn complete(client: Client, one: Claimed) -> Outcome<(String, Span)> {
    if one.attempt != 1 {
        return Err(Fault::new(format!("{} had been claimed before", one.id())));
    }
    let answer = client.say("complete", &one, &json!({})).await?.ok()?;
    let instant = |value: &Value| DateTime::parse_from_rfc3339(value.as_str().unwrap_or_default());
    let span = (instant(&one.task["lease"]["since"])?.to_utc(), instant(&answer["attempt"]["ended_at"])?.to_utc());
    Ok((one.id().to_owned(), span))
}

#[tokio::test]
async fn a_graph_of_diamonds_is_drained_in_order_and_once_and_without_deadlock() -> Outcome {
    let cluster = Cluster::start()?;
    let store = Store::in_cluster(&cluster)?;
    let keyring = (0..CLAIMERS)
        .map(claimer)
        .fold(Keyring::default(), |ring, name| ring.with(&name, "agent"))
        .with("boss", "agent");
    let one = store.launch()?.keys(&keyring).start().await?;
    let other = store.launch()?.keys(&keyring).start().await?;

    let began = Instant::now();
    let left = Arc::new(AtomicUsize::new(TASKS));
    let mut claimers = JoinSet::new();
    for number in 0..CLAIMERS {
        let url = if number % 2 == 0 { one.url() } else { other.url() };
        claimers.spawn(drain(Client::new(&url)?.key(key_of(&claimer(number))), left.clone()));
    }
    let boss = one.agent("boss")?;
    let (ids, graph) = hand_in(&boss, TASKS).await?;
    note(format_args!("handed in after {:?}, {} left to do", began.elapsed(), left.load(Ordering::Relaxed)));
    let mut spans: BTreeMap<String, Span> = BTreeMap::new();
    while let Some(done) = claimers.join_next().await {
        for (id, span) in done?? {
            assert_eq!(spans.insert(id.clone(), span), None, "{id} was done by two");
        }
    }
    note(format_args!("{TASKS} tasks were drained after {:?}", began.elapsed()));

    assert_eq!(spans.len(), TASKS);
    for (id, parents) in ids.iter().zip(&graph) {
        let (claimed_at, _) = spans[id];
        for parent in parents {
            let (_, ended_at) = spans[&ids[*parent]];
            assert!(ended_at <= claimed_at, "{id} began at {claimed_at}, {} ended at {ended_at}", ids[*parent]);
        }
    }
    rows_agree(&store, &graph).await?;
    let log = cluster.log()?;
    let complaints: Vec<&str> =
        log.lines().filter(|line| line.contains("deadlock") || line.contains("ERROR:")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    note(format_args!("checked after {:?}", began.elapsed()));
    Ok(())
}

/// The tables tell the same: everything once, and in order.
async fn rows_agree(store: &Store, graph: &[Vec<usize>]) -> Outcome {
    let counted = "SELECT status || ' ' || count(*) FROM task_states GROUP BY status \
        UNION ALL SELECT 'attempts ' || count(*) || ' ' || count(DISTINCT task_id) FROM task_attempts \
        UNION ALL SELECT 'edges ' || count(*) FROM task_dependencies \
        UNION ALL SELECT operation || ' ' || count(*) || ' ' || count(DISTINCT target) FROM audit_entries \
            WHERE operation LIKE 'task.%' GROUP BY operation";
    let mut counted = store.texts(counted).await?;
    counted.sort_unstable();
    let (edges, blocked) = (graph.iter().map(Vec::len).sum::<usize>(), TASKS - LAYER);
    let expected = [
        format!("attempts {TASKS} {TASKS}"),
        format!("edges {edges}"),
        format!("succeeded {TASKS}"),
        format!("task.claim {TASKS} {TASKS}"),
        format!("task.complete {TASKS} {TASKS}"),
        format!("task.submit {TASKS} {TASKS}"),
    ];
    let (readied, others): (Vec<_>, Vec<_>) = counted.into_iter().partition(|row| row.starts_with("task.ready "));
    assert_eq!(others, expected);
    // What was handed in after all it depends on had ended was ready from the first.
    let readied: Vec<usize> = readied[0].split(' ').skip(1).map(str::parse).collect::<Result<_, _>>()?;
    assert!(readied[0] == readied[1] && readied[0] <= blocked, "{readied:?}");
    let early = "SELECT d.task_id::text FROM task_dependencies d \
        JOIN task_attempts c ON c.task_id = d.task_id LEFT JOIN task_attempts p ON p.task_id = d.depends_on \
        WHERE p.task_id IS NULL OR CAST(p.attempt AS jsonb) ->> 'ended_at' > CAST(c.attempt AS jsonb) ->> 'since'";
    assert_eq!(store.texts(early).await?, [""; 0], "these began before what they depend on had ended");
    Ok(())
}
