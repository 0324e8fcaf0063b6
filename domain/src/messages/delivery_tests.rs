use super::*;
use crate::messages::message::Ack;
use crate::messages::samples::*;

fn delivery() -> Delivery {
    Delivery::new(&message(1), agent("ann"), true)
}

fn offered(until: i64, attempts: u32) -> Delivery {
    let state = DeliveryState::Offered { session: session("ann-1"), until: at(until) };
    Delivery { attempts, state, ..delivery() }
}

#[test]
fn an_offer_lapses_at_its_instant_and_not_before() {
    assert_eq!(offered(10, 1).settled(at(9)).state, offered(10, 1).state);
    assert_eq!(offered(10, 1).settled(at(10)).state, DeliveryState::Waiting { visible_at: at(10) });
}

#[test]
fn the_last_offer_that_lapses_fails() {
    let lapsed = offered(10, ATTEMPTS_MAX).settled(at(99));
    assert_eq!(lapsed.state, DeliveryState::Failed { at: at(10), cause: FailCause::AttemptsUsedUp });
    assert_eq!(offered(10, ATTEMPTS_MAX - 1).settled(at(99)).state, DeliveryState::Waiting { visible_at: at(10) });
}

#[test]
fn who_has_it_in_hand_may_finish_what_expires() {
    let expires = |delivery| Delivery { expires_at: Some(at(5)), ..delivery };
    assert_eq!(expires(delivery()).settled(at(5)).state, DeliveryState::Expired { at: at(5) });
    assert!(expires(delivery()).settled(at(4)).is_open());
    assert_eq!(expires(offered(10, 1)).settled(at(9)).status(), DeliveryStatus::Offered);
    assert_eq!(expires(offered(10, 1)).settled(at(10)).state, DeliveryState::Expired { at: at(10) });
    assert_eq!(expires(offered(3, 1)).settled(at(6)).state, DeliveryState::Expired { at: at(5) });
}

#[test]
fn a_deadline_waits_for_nobody_and_the_first_end_counts() {
    let asked = |delivery| Delivery { ack: Some(Ack { deadline: Some(at(7)) }), ..delivery };
    let failed = DeliveryState::Failed { at: at(7), cause: FailCause::AckDeadline };
    assert_eq!(asked(offered(10, 1)).settled(at(7)).state, failed);
    let both = |expires| Delivery { expires_at: Some(at(expires)), ..asked(delivery()) };
    assert_eq!(both(6).settled(at(99)).state, DeliveryState::Expired { at: at(6) });
    assert_eq!(both(7).settled(at(99)).state, failed);
    assert_eq!(both(8).time_out(), Some((at(7), failed)));
}

#[test]
fn what_has_ended_stays_as_it_is() {
    let ends = [
        DeliveryState::Read { at: at(1) },
        DeliveryState::Acknowledged { at: at(1) },
        DeliveryState::Answered { at: at(1), by: message_id(9) },
        DeliveryState::Expired { at: at(1) },
        DeliveryState::Failed { at: at(1), cause: FailCause::RecipientGone },
    ];
    for state in ends {
        let over = Delivery {
            state,
            attempts: ATTEMPTS_MAX,
            expires_at: Some(at(2)),
            ack: Some(Ack { deadline: Some(at(2)) }),
            ..delivery()
        };
        assert_eq!(over.clone().settled(at(99)), over);
        assert_eq!((over.ended_at(), over.is_open(), over.time_out()), (Some(at(1)), false, None));
    }
}

#[test]
fn names_read_back() {
    for status in DeliveryStatus::ALL {
        assert_eq!(DeliveryStatus::parse(status.as_str()), Some(status));
    }
    for cause in FailCause::ALL {
        assert_eq!(FailCause::parse(cause.as_str()), Some(cause));
    }
    assert_eq!(DeliveryStatus::parse("Stored"), None);
    let read = Delivery { read_at: Some(at(1)), ..offered(10, 1) };
    assert_eq!(read.status(), DeliveryStatus::Read, "it is open, but read");
}
