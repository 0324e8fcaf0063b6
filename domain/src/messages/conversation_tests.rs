use super::*;
use crate::messages::samples::*;
use proptest::prelude::*;

fn pace(per_minute: u32) -> Pace {
    Pace::try_new(per_minute).unwrap()
}

fn fresh() -> Conversation {
    Conversation::new(Pair::of(agent("bob"), agent("ann")))
}

#[test]
fn a_pair_has_no_order_and_a_pace_has_bounds() {
    assert_eq!(Pair::of(agent("ann"), agent("bob")), Pair::of(agent("bob"), agent("ann")));
    assert_eq!(fresh().pair.first(), &agent("ann"));
    assert!(Pace::try_new(0).is_err() && Pace::try_new(101).is_err() && Pace::try_new(100).is_ok());
}

#[test]
fn the_reply_above_the_pace_waits_until_the_oldest_is_a_minute_old() {
    let mut talk = fresh();
    for second in [0, 10, 20] {
        assert_eq!(talk.reply(pace(3), at(second)), Ok(false));
    }
    let before = talk.clone();
    assert_eq!(talk.reply(pace(3), at(30)), Err(Held::Slowed { until: at(60) }));
    assert_eq!(talk.reply(pace(3), at(59)), Err(Held::Slowed { until: at(60) }));
    assert_eq!(talk, before, "what is refused is not counted");
    assert_eq!(talk.reply(pace(3), at(60)), Ok(false));
    assert_eq!(talk.reply(pace(3), at(60)), Err(Held::Slowed { until: at(70) }));
    assert_eq!(talk.reply(pace(2), at(60)), Err(Held::Slowed { until: at(80) }), "the pace was lowered");
}

#[test]
fn three_full_minutes_stop_it_for_ten_and_then_all_is_forgotten() {
    let mut talk = fresh();
    for second in [0, 0, 60, 60, 120] {
        assert_eq!(talk.reply(pace(2), at(second)), Ok(false));
    }
    assert_eq!(talk.reply(pace(2), at(121)), Ok(true), "this one was sent, and is the last");
    let until = at(121 + STOPPED_SECONDS);
    assert_eq!(talk.stale_at(), until);
    assert_eq!(talk.reply(pace(2), at(121)), Err(Held::Stopped { until }));
    assert_eq!(talk.reply(pace(2), at(120 + STOPPED_SECONDS)), Err(Held::Stopped { until }));
    assert_eq!(talk.resumed(at(200)), Some(fresh()));
    assert_eq!(talk.resumed(until), None, "it goes on by itself");
    assert_eq!(talk.reply(pace(2), until), Ok(false));
    assert_eq!((talk.replies.len(), talk.stopped_until), (1, None));
}

#[test]
fn who_answers_at_leisure_is_never_stopped() {
    let mut talk = fresh();
    // Three times the pace, but over longer than the window.
    for reply in 0..200 {
        assert_eq!(talk.reply(pace(2), at(reply * 60)), Ok(false), "reply {reply}");
    }
    assert!(talk.replies.len() < 7, "what does not matter is not kept");
    assert_eq!(talk.stale_at(), at(199 * 60 + STOP_WINDOW_SECONDS));
}

proptest! {
    #[test]
    fn no_minute_has_more_replies_than_the_pace(gaps in prop::collection::vec(0..40_i64, 1..200), limit in 1..8_u32) {
        let (mut talk, mut now, mut taken) = (fresh(), 0, Vec::new());
        for gap in gaps {
            now += gap;
            match talk.reply(pace(limit), at(now)) {
                Ok(_) => taken.push(now),
                Err(Held::Slowed { until }) => {
                    prop_assert!(at(now) < until && until <= at(now + WINDOW_SECONDS));
                    let mut later = talk.clone();
                    prop_assert!(later.reply(pace(limit), until).is_ok(), "the promise is kept");
                }
                Err(Held::Stopped { until }) => prop_assert!(at(now) < until),
            }
            let in_window = taken.iter().filter(|at| now - **at < WINDOW_SECONDS).count();
            prop_assert!(in_window <= limit as usize);
            prop_assert!(talk.replies.len() <= (limit * Pace::STOP_FACTOR) as usize);
        }
    }
}
