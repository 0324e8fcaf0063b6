//! Messages: Alice, Bob and Olga write to each other, take what they get into their hands, and see what became of what they
//! sent, on SQLite and on PostgreSQL.

use e2e::audit::Watch;
use e2e::client::Client;
use e2e::keyring::Keyring;
use e2e::mail::{
    ACKNOWLEDGE, MESSAGES, READ, RECEIVE, RETURN, SOON, became, here, in_seconds, named, receive, send, served,
    subjects, with,
};
use e2e::poll::until;
use e2e::store::Store;
use e2e::work::task;
use e2e::{Fault, Outcome, on_both_stores};
use serde_json::{Value, json};
use tokio::task::JoinSet;

on_both_stores! {
    a_message_is_taken_into_hand_and_its_sender_sees_what_became_of_it
    an_audience_gets_what_is_sent_to_it_and_nobody_else
    what_has_to_be_acknowledged_is_and_in_time
    an_agent_says_the_truth_about_itself
    two_who_only_answer_each_other_are_slowed_and_stopped
    a_full_inbox_refuses_and_drops_nothing
    messages_are_found_by_those_who_may_see_them
    nonsense_is_refused_in_words_and_changes_nothing
}

fn counted(ledger: &Value, status: &str) -> u64 {
    let counts = ledger["counts"].as_array().into_iter().flatten();
    counts.filter(|count| count["status"] == status).filter_map(|count| count["deliveries"].as_u64()).sum()
}

async fn a_message_is_taken_into_hand_and_its_sender_sees_what_became_of_it(store: Store) -> Outcome {
    let (server, [alice, bob, olga]) = served(&store).await?;
    let mut log = Watch::new(olga.clone()).await?;
    let data = json!({ "commit": "abc", "n": [1, 2.5, null] });
    let more = json!({
        "body": "two\nlines", "data": data, "kind": "review.done", "priority": 3, "type": "request",
        "correlation_id": "c-1", "links": [{ "lock": "src/main.rs" }],
    });
    let id = send(&alice, &with(named(&["bob"], "look at this"), &more)).await?;
    assert_eq!(became(&alice, &id).await?, "bob stored");
    assert_eq!(log.told().await?, ["alice message.send ok"]);

    let got = receive(&bob, &json!({ "visibility_seconds": 30 })).await?;
    let [one] = got.as_slice() else { return Err(Fault::new(format!("not one message: {got:?}"))) };
    let message = &one["message"];
    assert_eq!((&message["from"], &message["subject"]), (&json!("alice"), &json!("look at this")));
    assert_eq!((&message["body"], &message["data"]), (&json!("two\nlines"), &data));
    assert_eq!((&message["type"], &message["kind"]), (&json!("request"), &json!("review.done")));
    assert_eq!((&message["to"], &message["thread"]), (&json!({ "agents": ["bob"] }), &json!(id)));
    assert_eq!(message["links"], json!([{ "lock": "src/main.rs" }]));
    assert_eq!((&one["attempt"], &one["yours_for_ms"]), (&json!(1), &json!(30_000)));
    assert_eq!(became(&alice, &id).await?, "bob offered");
    assert!(receive(&bob, &json!({})).await?.is_empty(), "it is in hand already");
    assert_eq!(log.told().await?, ["bob message.receive ok"]);

    let said = bob.post(READ, &json!({ "messages": [id, id] })).await?.ok()?;
    assert_eq!(said["deliveries"], json!([{ "message": id, "status": "read", "already": false }]));
    let again = bob.post(READ, &json!({ "messages": [id] })).await?.ok()?;
    assert_eq!(again["deliveries"][0]["already"], json!(true));
    assert_eq!(became(&alice, &id).await?, "bob read");
    assert_eq!(log.told().await?, ["bob message.read ok"], "said twice, told once");

    let reply = json!({ "to": { "agents": ["alice"] }, "subject": "fine", "in_reply_to": id });
    let sent = bob.post(MESSAGES, &reply).await?;
    assert_eq!((sent.status, &sent.body["answers"], &sent.body["thread"]), (201, &json!(true), &json!(id)));
    assert_eq!(became(&alice, &id).await?, "bob answered");
    assert_eq!(log.told().await?, ["bob message.answer ok", "bob message.send ok"]);
    let got = receive(&alice, &json!({})).await?;
    assert_eq!((&got[0]["message"]["type"], &got[0]["message"]["in_reply_to"]), (&json!("reply"), &json!(id)));

    let stranger = server.agent("ada")?;
    stranger.get(&format!("{MESSAGES}/{id}")).await?.ok()?;
    bob.get(&format!("{MESSAGES}/{id}/deliveries")).await?.problem(404, "message-unknown")?;
    let rows = store.texts("SELECT recipient FROM deliveries ORDER BY 1").await?;
    assert_eq!(rows, ["alice", "bob"], "one for each message and recipient");
    Ok(())
}

async fn an_audience_gets_what_is_sent_to_it_and_nobody_else(store: Store) -> Outcome {
    let keys = Keyring::usual().with("pc", "agent").with("cloud", "agent").with("ci", "agent").with("late", "agent");
    let server = store.launch()?.keys(&keys).start().await?;
    let (olga, late) = (server.agent("olga")?, server.agent("late")?);
    let mut agents = Vec::new();
    for (name, capability) in [("pc", "rust"), ("cloud", "gpu"), ("ci", "rust")] {
        let agent = server.agent(name)?;
        let body = json!({ "environment": name, "capabilities": [capability], "tag": format!("{name}-1") });
        agent.post("/v1/agents", &body).await?.ok()?;
        agents.push(agent);
    }
    here(&olga).await?;
    let [pc, cloud, ci] = agents.as_slice() else { return Err(Fault::new("three agents")) };
    olga.post("/v1/groups/crew/join", &json!({ "agent": "cloud" })).await?.ok()?;
    pc.post("/v1/groups/crew/join", &json!({})).await?.ok()?;
    let everyone = send(pc, &json!({ "to": { "everyone": true }, "subject": "everyone" })).await?;
    send(pc, &json!({ "to": { "environment": "ci" }, "subject": "environment" })).await?;
    send(pc, &json!({ "to": { "environment": "cloud-1" }, "subject": "tag" })).await?;
    send(pc, &json!({ "to": { "capability": "rust" }, "subject": "capability" })).await?;
    send(pc, &json!({ "to": { "group": "crew" }, "subject": "group" })).await?;
    send(pc, &json!({ "to": { "orchestrators": true }, "subject": "orchestrators" })).await?;
    here(&late).await?;
    for (agent, expected) in [
        (cloud, vec!["everyone", "tag", "group"]),
        (ci, vec!["everyone", "environment", "capability"]),
        (&olga, vec!["everyone", "orchestrators"]),
        (pc, vec![]),
        (&late, vec![]),
    ] {
        assert_eq!(subjects(&receive(agent, &json!({ "max_messages": 50 })).await?), expected);
    }
    let ledger = pc.get(&format!("{MESSAGES}/{everyone}/deliveries")).await?.ok()?;
    assert_eq!((counted(&ledger, "offered"), counted(&ledger, "stored")), (3, 1), "Late may still look: {ledger}");
    ci.post("/v1/groups/crew/join", &json!({ "agent": "late" })).await?.problem(403, "not-your-membership")?;
    cloud.post("/v1/groups/crew/leave", &json!({})).await?.ok()?;
    cloud.post("/v1/groups/crew/leave", &json!({})).await?.problem(404, "not-in-group")?;
    send(&olga, &json!({ "to": { "group": "crew" }, "subject": "later" })).await?;
    assert_eq!(subjects(&receive(pc, &json!({})).await?), ["later"]);
    assert!(receive(cloud, &json!({})).await?.is_empty(), "it has left");
    pc.post(MESSAGES, &json!({ "to": { "group": "nobody" }, "subject": "s" })).await?.problem(422, "audience-empty")?;
    let members = ci.get("/v1/groups/crew/members").await?.ok()?;
    assert_eq!(members["members"].as_array().map(Vec::len), Some(1));
    assert_eq!(ci.get("/v1/groups").await?.ok()?["groups"], json!([{ "name": "crew", "members": 1 }]));
    Ok(())
}

async fn what_has_to_be_acknowledged_is_and_in_time(store: Store) -> Outcome {
    let (_server, [alice, bob, olga]) = served(&store).await?;
    let id = send(&olga, &json!({ "to": { "everyone": true }, "subject": "all hands", "ack_required": true })).await?;
    assert_eq!(became(&olga, &id).await?, "alice stored, bob stored", "made at once, for each of them");
    receive(&bob, &json!({})).await?;
    let said = bob.post(READ, &json!({ "messages": [id] })).await?.ok()?;
    assert_eq!(said["deliveries"][0]["status"], json!("read"));
    bob.post(ACKNOWLEDGE, &json!({ "messages": [id] })).await?.ok()?;
    let twice = bob.post(ACKNOWLEDGE, &json!({ "messages": [id] })).await?.ok()?;
    assert_eq!(twice["deliveries"][0]["already"], json!(true));
    assert_eq!(became(&olga, &id).await?, "alice stored, bob acknowledged");
    // To read is not to acknowledge: it still comes again.
    receive(&alice, &json!({ "visibility_seconds": 5 })).await?;
    alice.post(READ, &json!({ "messages": [id] })).await?.ok()?;
    let again = receive(&alice, &json!({ "wait_seconds": 20 })).await?;
    assert_eq!(again[0]["attempt"], json!(2));

    let deadline = in_seconds(3);
    let more = json!({ "ack_required": true, "ack_deadline": deadline });
    let late = send(&olga, &with(named(&["bob"], "quick"), &more)).await?;
    receive(&bob, &json!({})).await?;
    let notice = receive(&olga, &json!({ "wait_seconds": 20 })).await?;
    assert_eq!(notice[0]["message"]["data"]["recipients"][0]["cause"], json!("ack_deadline"));
    assert_eq!(became(&olga, &late).await?, "bob failed");
    bob.post(ACKNOWLEDGE, &json!({ "messages": [late] })).await?.problem(410, "delivery-ended")?;

    let soon = in_seconds(2);
    let brief = send(&olga, &with(named(&["bob"], "brief"), &json!({ "expires_at": soon }))).await?;
    until("the message to expire", SOON, async || Ok((became(&olga, &brief).await? == "bob expired").then_some(())))
        .await?;
    assert!(receive(&bob, &json!({})).await?.is_empty(), "it is of no use any more");
    Ok(())
}

async fn an_agent_says_the_truth_about_itself(store: Store) -> Outcome {
    let (_server, [alice, bob, olga]) = served(&store).await?;
    let submitted = alice.post("/v1/tasks", &json!({ "tasks": [task("t", &json!({}))] })).await?.ok()?;
    let id = submitted["tasks"][0]["task"]["id"].clone();
    let about = |more: Value| with(named(&["olga"], "about it"), &more);
    bob.post(MESSAGES, &about(json!({ "task": id }))).await?.problem(403, "task-not-held")?;
    bob.post(MESSAGES, &about(json!({ "on_behalf_of": "alice" }))).await?.problem(403, "not-on-behalf")?;
    bob.claim(&json!({})).await?.ok()?;
    send(&bob, &about(json!({ "task": id, "on_behalf_of": "alice" }))).await?;
    bob.post(MESSAGES, &about(json!({ "task": id, "on_behalf_of": "olga" }))).await?.problem(403, "not-on-behalf")?;
    bob.session("other").post(MESSAGES, &about(json!({ "task": id }))).await?.problem(403, "task-not-held")?;
    let got = receive(&olga, &json!({})).await?;
    let [one] = got.as_slice() else { return Err(Fault::new(format!("not one message: {got:?}"))) };
    let message = &one["message"];
    assert_eq!((&message["from"], &message["on_behalf_of"]), (&json!("bob"), &json!("alice")));
    assert_eq!(message["task"], id);
    send(&olga, &with(named(&["bob"], "an orchestrator may"), &json!({ "on_behalf_of": "alice" }))).await?;
    bob.post(MESSAGES, &with(named(&["alice"], "x"), &json!({ "from": "olga" })))
        .await?
        .problem(422, "invalid-value")?;
    Ok(())
}

async fn two_who_only_answer_each_other_are_slowed_and_stopped(store: Store) -> Outcome {
    let server = store.launch()?.keys(&Keyring::usual()).set("MESSAGES_REPLIES_PER_MINUTE", "2").start().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    for agent in [&alice, &bob, &olga] {
        here(agent).await?;
    }
    let mut last = send(&alice, &named(&["bob"], "ping")).await?;
    let reply = |to: &str, last: &str| with(named(&[to], "re"), &json!({ "in_reply_to": last }));
    last = send(&bob, &reply("alice", &last)).await?;
    last = send(&alice, &reply("bob", &last)).await?;
    let slowed = bob.post(MESSAGES, &reply("alice", &last)).await?;
    assert!(slowed.header("retry-after").is_some(), "{}", slowed.text);
    slowed.problem(429, "conversation-slowed")?;
    send(&bob, &named(&["alice"], "no reply, so it goes")).await?;
    send(&bob, &with(named(&["olga"], "to another"), &json!({}))).await?;
    olga.post("/v1/conversations/resume", &json!({ "agents": ["alice", "bob"] }))
        .await?
        .problem(409, "conversation-not-stopped")?;
    alice
        .post("/v1/conversations/resume", &json!({ "agents": ["alice", "bob"] }))
        .await?
        .problem(403, "role-too-low")?;
    Ok(())
}

async fn a_full_inbox_refuses_and_drops_nothing(store: Store) -> Outcome {
    let (_server, [alice, bob, olga]) = served(&store).await?;
    // Many at once: the limit holds under concurrency as well.
    let mut sending = JoinSet::new();
    for number in 0..8 {
        let alice = alice.clone();
        sending.spawn(async move {
            for turn in 0..125 {
                send(&alice, &named(&["bob"], &format!("{number} {turn}"))).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent??;
    }
    let mut crowd = JoinSet::new();
    for _ in 0..8 {
        let olga = olga.clone();
        crowd.spawn(async move { olga.post(MESSAGES, &named(&["alice", "bob"], "one too many")).await });
    }
    while let Some(reply) = crowd.join_next().await {
        let problem = reply??.problem(429, "inbox-full")?;
        assert!(problem["detail"].to_string().contains("bob"), "{problem}");
    }
    assert!(receive(&alice, &json!({})).await?.is_empty(), "all or nothing");
    let unread = bob.get("/v1/inbox/unread").await?.ok()?;
    assert_eq!(unread["unread"], json!(1_000));
    let got = receive(&bob, &json!({ "max_messages": 1 })).await?;
    bob.post(READ, &json!({ "messages": [got[0]["message"]["id"]] })).await?.ok()?;
    send(&olga, &named(&["alice", "bob"], "now there is room")).await?;
    Ok(())
}

async fn messages_are_found_by_those_who_may_see_them(store: Store) -> Outcome {
    let (_server, [alice, bob, olga]) = served(&store).await?;
    let secret =
        send(&alice, &with(named(&["olga"], "The Release plan"), &json!({ "body": "ship on Friday" }))).await?;
    let open = send(&alice, &json!({ "to": { "everyone": true }, "subject": "Release party" })).await?;
    let answer = send(&bob, &with(named(&["alice"], "count me in"), &json!({ "in_reply_to": open }))).await?;
    let found = async |agent: &Client, query: &str| -> Outcome<Vec<String>> {
        let page = agent.get(&format!("{MESSAGES}?{query}")).await?.ok()?;
        let messages = page["messages"].as_array().cloned().unwrap_or_default();
        Ok(messages.iter().filter_map(|message| message["id"].as_str().map(str::to_owned)).collect())
    };
    assert_eq!(found(&olga, "search=release").await?, [open.clone(), secret.clone()]);
    assert_eq!(found(&bob, "search=RELEASE").await?, std::slice::from_ref(&open), "not what was written to another");
    assert_eq!(found(&olga, "search=friday%20ship").await?, std::slice::from_ref(&secret));
    assert_eq!(found(&bob, "search=friday").await?, [""; 0]);
    assert_eq!(found(&alice, &format!("thread={open}&oldest_first=true")).await?, [open.clone(), answer.clone()]);
    assert_eq!(found(&olga, "from=bob").await?, [answer]);
    assert_eq!(found(&alice, "type=reply&limit=1").await?.len(), 1);
    bob.get(&format!("{MESSAGES}/{secret}")).await?.problem(404, "message-unknown")?;
    bob.post(READ, &json!({ "messages": [secret] })).await?.problem(404, "message-unknown")?;
    bob.post(MESSAGES, &with(named(&["alice"], "s"), &json!({ "in_reply_to": secret })))
        .await?
        .problem(422, "reply-unknown")?;
    Ok(())
}

async fn nonsense_is_refused_in_words_and_changes_nothing(store: Store) -> Outcome {
    let (_server, [alice, bob, olga]) = served(&store).await?;
    let mut log = Watch::new(olga).await?;
    let past = "2001-01-01T00:00:00Z";
    for (slug, body) in [
        ("invalid-value", json!({ "to": {}, "subject": "s" })),
        ("invalid-value", json!({ "to": { "agents": ["bob"], "everyone": true }, "subject": "s" })),
        ("invalid-value", json!({ "to": { "agents": [] }, "subject": "s" })),
        ("invalid-value", json!({ "to": { "agents": ["b b"] }, "subject": "s" })),
        ("invalid-value", json!({ "to": { "everyone": false }, "subject": "s" })),
        ("invalid-value", named(&["bob"], "")),
        ("invalid-value", named(&["bob"], &"x".repeat(257))),
        ("invalid-value", with(named(&["bob"], "s"), &json!({ "body": "x".repeat(65_537) }))),
        ("invalid-value", with(named(&["bob"], "s"), &json!({ "data": "x".repeat(65_537) }))),
        ("invalid-value", with(named(&["bob"], "s"), &json!({ "priority": 11 }))),
        ("invalid-value", with(named(&["bob"], "s"), &json!({ "type": "reply" }))),
        ("invalid-value", with(named(&["bob"], "s"), &json!({ "links": [{}] }))),
        ("invalid-value", with(named(&["bob"], "s"), &json!({ "ack_deadline": past }))),
        ("time-out-of-reach", with(named(&["bob"], "s"), &json!({ "ack_required": true, "ack_deadline": past }))),
        ("time-out-of-reach", with(named(&["bob"], "s"), &json!({ "expires_at": past }))),
        ("time-out-of-reach", with(named(&["bob"], "s"), &json!({ "expires_at": "9999-01-01T00:00:00Z" }))),
        ("recipients-unknown", named(&["bob", "nobody", "no-one"], "s")),
    ] {
        let problem = alice.post(MESSAGES, &body).await?.problem(422, slug)?;
        assert!(!problem["detail"].as_str().unwrap_or_default().is_empty(), "{problem}");
    }
    let zero = alice.post(MESSAGES, &with(named(&["bob"], "s"), &json!({ "body": "a\u{0}b" }))).await?;
    assert_eq!(zero.status, 422, "{}", zero.text);
    let data = alice.post(MESSAGES, &with(named(&["bob"], "s"), &json!({ "data": { "a\u{0}": "\u{0}" } }))).await?;
    assert!(data.status == 201 || data.status == 422, "{}", data.text);
    for (path, body) in [
        (RECEIVE, json!({ "max_messages": 51 })),
        (RECEIVE, json!({ "visibility_seconds": 4 })),
        (RECEIVE, json!({ "wait_seconds": 61 })),
        (READ, json!({ "messages": [] })),
        (READ, json!({ "messages": ["x"] })),
        (RETURN, json!({ "messages": [], "delay_seconds": 1 })),
    ] {
        bob.post(path, &body).await?.problem(422, "invalid-value")?;
    }
    let told: Vec<String> = log.told().await?.into_iter().filter(|line| !line.contains("message.send ok")).collect();
    assert_eq!(told, [""; 0]);
    Ok(())
}
