//! Inboxes: in which order messages come, that they come again, and how whoever waits or never looks learns of them, on SQLite
//! and on PostgreSQL.

use e2e::audit::Watch;
use e2e::client::Client;
use e2e::events::Stream;
use e2e::mail::{
    ACKNOWLEDGE, MESSAGES, READ, RECEIVE, RETURN, SOON, became, named, receive, send, served, subjects, with,
};
use e2e::poll::until;
use e2e::store::Store;
use e2e::{Fault, Outcome, on_both_stores};
use serde_json::json;
use std::time::{Duration, Instant};

on_both_stores! {
    those_of_one_sender_come_in_order_and_the_urgent_first
    an_inbox_streams_no_more_than_fits_into_the_hands
    who_waits_is_woken_at_once
    who_never_looks_learns_of_mail_all_the_same
    what_nobody_takes_comes_again_and_then_its_sender_is_told
    a_repeated_request_gets_its_first_answer
    who_is_deregistered_gets_nothing_more_and_senders_are_told
}

async fn those_of_one_sender_come_in_order_and_the_urgent_first(store: Store) -> Outcome {
    let (_server, [alice, bob, olga]) = served(&store).await?;
    for (number, priority) in [(1, 9), (2, 5), (3, 1)] {
        let priority = json!({ "priority": priority });
        send(&alice, &with(named(&["bob"], &format!("alice {number}")), &priority)).await?;
    }
    send(&olga, &with(named(&["bob"], "olga 1"), &json!({ "priority": 2 }))).await?;
    let first = receive(&bob, &json!({ "max_messages": 2 })).await?;
    assert_eq!(subjects(&first), ["alice 1", "alice 2"], "what comes before the most urgent is as urgent");
    assert_eq!(subjects(&receive(&bob, &json!({})).await?), ["alice 3", "olga 1"]);
    Ok(())
}

async fn an_inbox_streams_no_more_than_fits_into_the_hands(store: Store) -> Outcome {
    let (_server, [alice, bob, _]) = served(&store).await?;
    let mut stream = Stream::of(&bob, "/v1/inbox/stream?max_in_hand=2&visibility_seconds=60").await?;
    for number in 0..5 {
        send(&alice, &named(&["bob"], &format!("m{number}"))).await?;
    }
    let mut got = Vec::new();
    for expected in 0..5 {
        if expected >= 2 {
            assert!(stream.next(Duration::from_millis(300)).await.is_err(), "the hands are full");
            bob.post(READ, &json!({ "messages": [got[expected - 2]] })).await?.ok()?;
        }
        let event = stream.next(SOON).await?.ok_or_else(|| Fault::new("the stream has ended"))?;
        assert_eq!(event.kind, "message");
        assert_eq!(event.data["message"]["subject"], json!(format!("m{expected}")));
        got.push(event.data["message"]["id"].clone());
    }
    Ok(())
}

async fn who_waits_is_woken_at_once(store: Store) -> Outcome {
    let (_server, [alice, bob, _]) = served(&store).await?;
    // Under an idempotency key too: looks that find nothing are no answers.
    for bob in [bob.clone(), bob.once("wait")] {
        let waiting = async {
            let began = Instant::now();
            let got = receive(&bob, &json!({ "wait_seconds": 30 })).await?;
            Ok::<_, Fault>((subjects(&got), began.elapsed()))
        };
        let sending = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            send(&alice, &json!({ "to": { "agents": ["alice"] }, "subject": "for another" })).await?;
            send(&alice, &named(&["bob"], "wake up")).await
        };
        let (woken, sent) = tokio::join!(waiting, sending);
        sent?;
        let (subjects, after) = woken?;
        assert_eq!(subjects, ["wake up"]);
        assert!(after < Duration::from_secs(4), "woken after {after:?}, which is as late as by chance");
    }
    Ok(())
}

async fn who_never_looks_learns_of_mail_all_the_same(store: Store) -> Outcome {
    let (_server, [alice, bob, _]) = served(&store).await?;
    let told = async |agent: &Client, expected: &str| {
        until(&format!("the header to say {expected}"), SOON, async || {
            let reply = agent.get("/v1/locks").await?;
            Ok((reply.header("pointsman-unread") == Some(expected)).then_some(()))
        })
        .await
    };
    told(&bob, "0; urgent=0").await?;
    let id = send(&alice, &with(named(&["bob"], "now"), &json!({ "priority": 1 }))).await?;
    send(&alice, &json!({ "to": { "everyone": true }, "subject": "all" })).await?;
    told(&bob, "2; urgent=1").await?;
    let refused = bob.post("/v1/locks/release", &json!({ "tokens": [1] })).await?;
    assert!(refused.status >= 400 && refused.header("pointsman-unread").is_some(), "on a refusal too");
    bob.post(READ, &json!({ "messages": [id] })).await?.ok()?;
    told(&bob, "1; urgent=0").await?;
    told(&alice, "0; urgent=0").await
}

async fn what_nobody_takes_comes_again_and_then_its_sender_is_told(store: Store) -> Outcome {
    let (_server, [alice, bob, olga]) = served(&store).await?;
    let id = send(&alice, &named(&["bob"], "take me")).await?;
    let began = Instant::now();
    let first = receive(&bob, &json!({ "visibility_seconds": 5 })).await?;
    assert_eq!(first[0]["attempt"], json!(1));
    // Nothing is said about it, so it comes again after five seconds, and not before.
    let second = receive(&bob, &json!({ "visibility_seconds": 30, "wait_seconds": 20 })).await?;
    assert_eq!((subjects(&second), &second[0]["attempt"]), (vec!["take me".to_owned()], &json!(2)));
    assert!(began.elapsed() >= Duration::from_millis(4_900), "after {:?}", began.elapsed());
    let mut log = Watch::new(olga).await?;
    for attempt in 3..=5 {
        bob.post(RETURN, &json!({ "messages": [id] })).await?.ok()?;
        let got = receive(&bob, &json!({})).await?;
        assert_eq!(got[0]["attempt"], json!(attempt));
    }
    bob.post(RETURN, &json!({ "messages": [id] })).await?.ok()?;
    assert!(receive(&bob, &json!({})).await?.is_empty(), "five times and no more");
    let notice = receive(&alice, &json!({ "wait_seconds": 20 })).await?;
    let [notice] = notice.as_slice() else { return Err(Fault::new("the sender was told nothing")) };
    let notice = &notice["message"];
    assert_eq!((&notice["from"], &notice["kind"]), (&json!("pointsman"), &json!("delivery.failed")));
    assert_eq!((&notice["data"]["message"], &notice["type"]), (&json!(id), &json!("event")));
    let cause = json!([{ "agent": "bob", "status": "failed", "cause": "attempts_used_up" }]);
    assert_eq!(notice["data"]["recipients"], cause);
    assert_eq!(became(&alice, &id).await?, "bob failed");
    bob.post(ACKNOWLEDGE, &json!({ "messages": [id] })).await?.problem(410, "delivery-ended")?;
    bob.post(RETURN, &json!({ "messages": [id] })).await?.problem(410, "delivery-ended")?;
    let told = log.told().await?;
    let count = |line: &str| told.iter().filter(|told| *told == line).count();
    assert_eq!((count("bob message.return ok"), count("bob message.receive ok")), (4, 3), "{told:?}");
    assert_eq!((count("pointsman message.fail ok"), count("pointsman message.send ok")), (1, 1), "{told:?}");
    assert!(receive(&alice, &json!({})).await?.is_empty(), "told once");
    Ok(())
}

async fn a_repeated_request_gets_its_first_answer(store: Store) -> Outcome {
    let (_server, [alice, bob, olga]) = served(&store).await?;
    let mut log = Watch::new(olga).await?;
    let body = named(&["bob"], "once");
    let (one, other) = (alice.once("k"), alice.once("k"));
    let (first, second) = tokio::join!(one.post(MESSAGES, &body), other.post(MESSAGES, &body));
    assert_eq!(first?.body, second?.body);
    let got = bob.once("r").post(RECEIVE, &json!({})).await?.ok()?;
    assert_eq!(
        bob.once("r").post(RECEIVE, &json!({})).await?.ok()?["messages"][0]["message"],
        got["messages"][0]["message"]
    );
    let empty = bob.once("e").post(RECEIVE, &json!({})).await?.ok()?;
    assert_eq!(empty["messages"], json!([]));
    send(&alice, &named(&["bob"], "later")).await?;
    assert_eq!(bob.once("e").post(RECEIVE, &json!({})).await?.ok()?, empty, "an empty answer is one too");
    bob.once("r").post(RECEIVE, &json!({ "max_messages": 2 })).await?.problem(409, "idempotency-key-reused")?;
    let told = log.told().await?;
    let count = |line: &str| told.iter().filter(|told| *told == line).count();
    assert_eq!((count("alice message.send ok"), count("bob message.receive ok")), (2, 1), "{told:?}");
    Ok(())
}

async fn who_is_deregistered_gets_nothing_more_and_senders_are_told(store: Store) -> Outcome {
    let (_server, [alice, bob, olga]) = served(&store).await?;
    let id = send(&alice, &named(&["bob", "olga"], "for two")).await?;
    bob.post("/v1/groups/crew/join", &json!({})).await?.ok()?;
    olga.delete("/v1/agents/bob").await?.ok()?;
    assert_eq!(alice.get("/v1/groups").await?.ok()?["groups"], json!([]), "it was the last member");
    assert_eq!(became(&alice, &id).await?, "bob failed, olga stored");
    let notice = receive(&alice, &json!({})).await?;
    assert_eq!(notice[0]["message"]["data"]["recipients"][0]["cause"], json!("recipient_gone"));
    alice.post(MESSAGES, &named(&["bob"], "too late")).await?.problem(422, "recipients-unknown")?;
    bob.post(RECEIVE, &json!({})).await?.problem(422, "recipients-unknown")?;
    bob.post("/v1/agents", &json!({})).await?.ok()?;
    send(&alice, &named(&["bob"], "welcome back")).await?;
    assert_eq!(subjects(&receive(&bob, &json!({})).await?), ["welcome back"]);
    Ok(())
}
