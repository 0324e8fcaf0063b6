//! An agent's process: it claims one task and says that it is alive until it reads the word to finish. Whatever it is
//! answered goes to standard output, a line each.
//!
//! Usage: `worker URL KEY SESSION TASK_TYPE LEASE_SECONDS`

use e2e::client::{Client, Reply};
use e2e::work::Claimed;
use e2e::{Fault, Outcome};
use serde_json::json;
use std::io::Write;
use std::time::Duration;

const BEAT_EVERY: Duration = Duration::from_millis(500);

fn tell(said: &str, reply: &Reply) -> Outcome {
    let mut out = std::io::stdout();
    writeln!(out, "{}", json!({ "said": said, "status": reply.status, "body": reply.body }))?;
    Ok(out.flush()?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, key, session, task_type, lease_seconds] = arguments.as_slice() else {
        return Err(Fault::new("usage: worker URL KEY SESSION TASK_TYPE LEASE_SECONDS"));
    };
    let lease_seconds: u32 = lease_seconds.parse()?;
    let client = Client::new(url)?.key(key).session(session);
    let reply = client.claim(&json!({ "types": [task_type], "lease_seconds": lease_seconds })).await?;
    tell("claim", &reply)?;
    let claimed: Claimed = reply.claimed()?.pop().ok_or_else(|| Fault::new("there was nothing to claim"))?;
    let (word, mut words) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        // The end of the input is a word too.
        let _ = std::io::stdin().read_line(&mut String::new());
        word.blocking_send(())
    });
    loop {
        tokio::select! {
            // The word first, however late the beat is.
            biased;
            _ = words.recv() => {
                return tell("complete", &client.say("complete", &claimed, &json!({ "result": "late" })).await?);
            }
            () = tokio::time::sleep(BEAT_EVERY) => {
                tell("heartbeat", &client.say("heartbeat", &claimed, &json!({})).await?)?;
            }
        }
    }
}
