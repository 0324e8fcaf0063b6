//! An agent on a laptop, one in the cloud and a job of CI converse while servers are killed and started again: nothing is
//! lost, nothing is answered twice, and what one agent writes to another stays in order.

use e2e::client::{Client, Reply};
use e2e::keyring::Keyring;
use e2e::logs::note;
use e2e::server::Server;
use e2e::store::Store;
use e2e::{Fault, Outcome, on_both_stores};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

on_both_stores! {
    three_places_converse_while_a_server_is_killed
}

/// How many requests the laptop sends to each of the others.
const REQUESTS: usize = 40;

/// When it all must be over, on a busy machine too.
const OVER_WITHIN: Duration = Duration::from_mins(2);

const PLACES: [&str; 2] = ["cloud", "ci"];

/// Somebody who does not give up: what fails for the server's sake is tried again, at the next server.
#[derive(Clone)]
struct Stubborn {
    callers: Vec<Client>,
}

impl Stubborn {
    fn of(name: &str, servers: &[&Server]) -> Outcome<Self> {
        Ok(Self { callers: servers.iter().map(|server| server.agent(name)).collect::<Outcome<_>>()? })
    }

    async fn post(&self, path: &str, body: &Value, once: Option<&str>) -> Outcome<Reply> {
        let deadline = Instant::now() + OVER_WITHIN;
        let mut turn = 0;
        while Instant::now() < deadline {
            let caller = &self.callers[turn % self.callers.len()];
            let caller = once.map_or_else(|| caller.clone(), |name| caller.once(name));
            match caller.post(path, body).await {
                Ok(reply) if reply.status < 500 => return Ok(reply),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
            turn += 1;
        }
        Err(Fault::new(format!("{path} was not answered for {OVER_WITHIN:?}")))
    }

    /// The turn names the request: repeated, it gets what it would have got, in case that was lost on the way.
    async fn receive(&self, turn: &mut u32) -> Outcome<Vec<Value>> {
        *turn += 1;
        let body = json!({ "wait_seconds": 2, "visibility_seconds": 5 });
        let mut answer = self.post("/v1/inbox/receive", &body, Some(&format!("receive-{turn}"))).await?.ok()?;
        Ok(answer["messages"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Asks both of the others, one question after the other.
async fn ask(pc: Stubborn) -> Outcome {
    for number in 0..REQUESTS {
        for place in PLACES {
            let body = json!({ "to": { "agents": [place] }, "type": "request", "subject": format!("{number}") });
            let sent = pc.post("/v1/messages", &body, Some(&format!("ask-{place}-{number}"))).await?;
            if sent.status != 201 {
                return Err(Fault::new(format!("not sent: {}", sent.text)));
            }
        }
    }
    Ok(())
}

/// Answers every question, once however often it comes.
async fn answer(own: Stubborn) -> Outcome<Vec<String>> {
    let (mut answered, mut turn) = (Vec::new(), 0);
    while answered.len() < REQUESTS {
        for received in own.receive(&mut turn).await? {
            let message = &received["message"];
            let (id, subject) = (text(&message["id"]), text(&message["subject"]));
            let body = json!({ "to": { "agents": ["pc"] }, "in_reply_to": id, "subject": format!("re {subject}") });
            let sent = own.post("/v1/messages", &body, Some(&format!("re-{id}"))).await?;
            if sent.status != 201 {
                return Err(Fault::new(format!("not answered: {}", sent.text)));
            }
            if !answered.contains(&subject) {
                answered.push(subject);
            }
        }
    }
    Ok(answered)
}

/// Reads every answer; tells from whom they came, in the order in which they came for the first time.
async fn collect(pc: Stubborn) -> Outcome<BTreeMap<String, Vec<String>>> {
    let (mut collected, mut turn) = (BTreeMap::<String, Vec<String>>::new(), 0);
    while collected.values().map(Vec::len).sum::<usize>() < PLACES.len() * REQUESTS {
        for received in pc.receive(&mut turn).await? {
            let message = &received["message"];
            let from = collected.entry(text(&message["from"])).or_default();
            let subject = text(&message["subject"]);
            if !from.contains(&subject) {
                from.push(subject);
            }
            pc.post("/v1/inbox/acknowledge", &json!({ "messages": [message["id"]] }), None).await?.ok()?;
        }
    }
    Ok(collected)
}

async fn three_places_converse_while_a_server_is_killed(store: Store) -> Outcome {
    let keys = Keyring::usual().with("pc", "agent").with("cloud", "agent").with("ci", "agent");
    let launch = || Ok::<_, Fault>(store.launch()?.keys(&keys).set("MESSAGES_REPLIES_PER_MINUTE", "100"));
    let mut servers = vec![launch()?.start().await?];
    if store.database().is_some() {
        servers.push(launch()?.start().await?);
    }
    let all: Vec<&Server> = servers.iter().collect();
    let stubborn = |name: &str| Stubborn::of(name, &all);
    let (pc, cloud, ci) = (stubborn("pc")?, stubborn("cloud")?, stubborn("ci")?);
    for (name, agent) in [("pc", &pc), ("cloud", &cloud), ("ci", &ci)] {
        agent.post("/v1/agents", &json!({ "environment": name }), None).await?.ok()?;
    }
    let collector = pc.clone();
    drop(all);
    let talk = async { tokio::try_join!(ask(pc), answer(cloud), answer(ci), collect(collector)) };
    let killer = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let again = servers[0].launch().clone();
            servers[0].kill().await?;
            note(format_args!("killed"));
            tokio::time::sleep(Duration::from_millis(300)).await;
            servers[0] = again.start().await?;
            note(format_args!("there again"));
        }
        Ok::<_, Fault>(())
    };
    let (talked, outage) = tokio::join!(tokio::time::timeout(OVER_WITHIN, talk), killer);
    outage?;
    let ((), by_cloud, by_ci, collected) = talked??;

    let asked: Vec<String> = (0..REQUESTS).map(|number| number.to_string()).collect();
    assert_eq!((&by_cloud, &by_ci), (&asked, &asked), "each question came, in the order it was asked");
    for place in PLACES {
        let answers: Vec<String> = asked.iter().map(|subject| format!("re {subject}")).collect();
        assert_eq!(collected.get(place), Some(&answers), "each answer of {place} came, in order");
    }
    let counts = "SELECT status || ' ' || count(*) FROM deliveries GROUP BY status ORDER BY 1";
    let expected = PLACES.len() * REQUESTS;
    assert_eq!(store.texts(counts).await?, [format!("acknowledged {expected}"), format!("answered {expected}")]);
    let sent = store.texts("SELECT CAST(count(*) AS text) FROM messages").await?;
    assert_eq!(sent, [(2 * expected).to_string()], "nothing was sent twice");
    let lines = "SELECT operation || ' ' || count(*) FROM audit_entries WHERE operation IN \
                 ('message.send', 'message.acknowledge', 'message.answer') GROUP BY operation ORDER BY 1";
    let told = [
        format!("message.acknowledge {expected}"),
        format!("message.answer {expected}"),
        format!("message.send {}", 2 * expected),
    ];
    assert_eq!(store.texts(lines).await?, told, "and each was told once");
    Ok(())
}
