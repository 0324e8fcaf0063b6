use super::*;
use crate::messages::audience::Audience;
use crate::messages::samples::*;

#[test]
fn the_sender_and_orchestrators_see_what_became_of_a_message() {
    assert!(may_see(&message(1), &agent("sam"), Role::Agent));
    assert!(!may_see(&message(1), &agent("ann"), Role::Agent));
    assert!(may_see(&message(1), &agent("ann"), Role::Orchestrator));
}

#[test]
fn those_of_a_broadcast_that_have_not_looked_are_stored_or_expired() {
    let written = BTreeMap::from([(DeliveryStatus::Read, 2), (DeliveryStatus::Stored, 1)]);
    let count = |message: &Message, audience, now| {
        let counts = counts(&written, message, audience, at(now));
        assert_eq!(counts.len(), 7);
        (counts[&DeliveryStatus::Stored], counts[&DeliveryStatus::Read], counts[&DeliveryStatus::Expired])
    };
    let to_all = Message { expires_at: Some(at(10)), ..broadcast(1, Audience::Everyone) };
    assert_eq!(count(&to_all, 10, 9), (8, 2, 0));
    assert_eq!(count(&to_all, 10, 10), (1, 2, 7));
    assert_eq!(count(&to_all, 2, 9), (1, 2, 0), "some have left since");
    assert_eq!(count(&message(1), 10, 9), (1, 2, 0), "it was no broadcast");
}
