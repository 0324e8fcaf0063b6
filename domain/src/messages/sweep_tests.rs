use super::*;
use crate::messages::delivery::ATTEMPTS_MAX;
use crate::messages::samples::*;

fn to(name: &str, message: &Message) -> Delivery {
    Delivery::new(message, agent(name), true)
}

fn expiring(number: i64) -> Message {
    Message { expires_at: Some(at(50)), ..message(number) }
}

fn overdue(deliveries: Vec<Delivery>, messages: Vec<Message>, senders: &[&str]) -> Overdue {
    let senders = senders.iter().map(|name| agent(name)).collect();
    Overdue { now: at(50), last_number: Number::new(70), deliveries, messages, senders }
}

fn ids(count: i64) -> Vec<MessageId> {
    (900..900 + count).map(message_id).collect()
}

#[test]
fn all_that_ended_of_one_message_are_told_in_one_notice() {
    let (one, two) = (expiring(1), message(2));
    let used_up = Delivery {
        attempts: ATTEMPTS_MAX,
        state: DeliveryState::Offered { session: session("bob-1"), until: at(40) },
        ..to("bob", &two)
    };
    let going_on = to("cid", &message(3));
    let deliveries = vec![to("ann", &one), to("bob", &one), used_up, going_on];
    let changes = sweep(overdue(deliveries, vec![one.clone(), two, message(3)], &["sam"]), &ids(9));
    assert_eq!(changes.changed.len(), 3);
    assert!(changes.changed.iter().all(|changed| !changed.after.is_open()));
    let [first, second] = &changes.new[..] else { panic!("two notices") };
    assert_eq!((first.message.number, second.message.number), (Number::new(71), Number::new(72)));
    assert_eq!((first.message.sender.clone(), first.message.thread), (Sender::System, one.thread));
    assert_eq!(
        (first.message.in_reply_to, first.message.kind.as_ref().unwrap().as_str()),
        (Some(one.id), "delivery.failed")
    );
    assert_eq!(first.deliveries, [Delivery::new(&first.message, agent("sam"), false)]);
    let told = first.content.data.as_ref().unwrap().value();
    assert_eq!(told["recipients"][1], json!({ "agent": "bob", "status": "expired", "cause": null }));
    let told = second.content.data.as_ref().unwrap().value();
    assert_eq!(told["recipients"], json!([{ "agent": "bob", "status": "failed", "cause": "attempts_used_up" }]));
    assert_eq!(second.content.subject.as_str(), "A message to bob was not taken");
}

#[test]
fn notices_and_senders_without_a_record_are_told_nothing() {
    let notice = Message { sender: Sender::System, ..expiring(1) };
    let of_gone = expiring(2);
    let deliveries = vec![to("ann", &notice), to("ann", &of_gone)];
    let changes = sweep(overdue(deliveries, vec![notice, of_gone], &["bob"]), &ids(9));
    assert_eq!((changes.changed.len(), changes.new.len()), (2, 0), "they end all the same");
}

#[test]
fn without_an_id_for_the_notice_a_delivery_does_not_end() {
    let deliveries = vec![to("ann", &expiring(1)), to("ann", &expiring(2))];
    let changes = sweep(overdue(deliveries, vec![expiring(1), expiring(2)], &["sam"]), &ids(1));
    assert_eq!((changes.changed.len(), changes.new.len()), (1, 1));
    assert_eq!(changes.changed[0].after.number, Number::new(1));
}

#[test]
fn what_an_agent_leaves_unread_fails_when_it_goes() {
    let read = Delivery { state: DeliveryState::Read { at: at(3) }, ..to("ann", &message(3)) };
    let deliveries = vec![to("ann", &expiring(1)), to("ann", &message(2)), read];
    let changes = abandon(overdue(deliveries, vec![expiring(1), message(2), message(3)], &["sam"]), &ids(9));
    let ends: Vec<DeliveryState> = changes.changed.iter().map(|changed| changed.after.state.clone()).collect();
    let failed = DeliveryState::Failed { at: at(50), cause: FailCause::RecipientGone };
    assert_eq!(ends, [DeliveryState::Expired { at: at(50) }, failed]);
    assert_eq!(changes.new.len(), 2);
}

#[test]
fn an_announcement_goes_to_whom_it_names_or_to_all_or_to_nobody_yet() {
    let make = |audience, ack| {
        let announcement = Announcement { audience, ack, ..failure(&message(1), &agent("sam"), &[], at(0)) };
        let there = BTreeSet::from([agent("ann"), agent("bob")]);
        announce(announcement, message_id(9), Number::new(9), at(1), &there)
    };
    let named = Named::try_new(BTreeSet::from([agent("ann"), agent("gone")])).unwrap();
    let to_named = make(Audience::Agents(named), None);
    assert_eq!((to_named.deliveries.len(), to_named.message.is_broadcast), (1, false));
    let to_all = make(Audience::Orchestrators, Some(Ack { deadline: None }));
    assert_eq!((to_all.deliveries.len(), to_all.message.is_broadcast), (2, false));
    let to_whom_it_concerns = make(Audience::Orchestrators, None);
    assert_eq!((to_whom_it_concerns.deliveries.len(), to_whom_it_concerns.message.is_broadcast), (0, true));
}

#[test]
fn our_own_words_are_within_the_limits() {
    let long = "x".repeat(AgentId::BYTES_MAX);
    let many: Vec<Delivery> = (0..SWEEP_ROWS_MAX)
        .map(|number| Delivery::new(&message(1), agent(&format!("{}{number:03}", &long[3..])), true))
        .map(|delivery| Delivery {
            state: DeliveryState::Failed { at: at(1), cause: FailCause::AttemptsUsedUp },
            ..delivery
        })
        .collect();
    let all: Vec<&Delivery> = many.iter().collect();
    let said = failure(&message(1), &agent(&long), &all, at(1));
    assert!(said.content.data.is_some() && said.kind.is_some());
    let one = failure(&message(1), &agent(&long), &all[..1], at(1));
    let stop = stopped(&agent(&long), &agent("ann"), Audience::Orchestrators, message_id(1));
    for subject in [said.content.subject, one.content.subject, stop.content.subject] {
        assert_eq!(Subject::parse(subject.as_str()), Ok(subject));
    }
    assert!(stop.kind.is_some() && stop.content.data.is_some());
}
