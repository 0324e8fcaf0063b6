//! How times of sessions add up.

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn span(start: i64, end: i64) -> Span {
    Span { started_at: at(start), live_until: at(end) }
}

/// Seconds lived, share, sessions, and the longest gap, of a window of 100 seconds.
fn of(spans: &[Span]) -> (i64, f64, u32, i64) {
    let Uptime { lived, share, sessions, longest_gap, from, to } = uptime(spans, at(0), at(100));
    assert_eq!((from, to), (at(0), at(100)));
    (lived.num_seconds(), share, sessions, longest_gap.num_seconds())
}

#[test]
fn sessions_add_up_and_overlaps_count_once() {
    assert_eq!(of(&[]), (0, 0.0, 0, 100));
    assert_eq!(of(&[span(0, 100)]), (100, 1.0, 1, 0));
    assert_eq!(of(&[span(50, 60), span(10, 30)]), (30, 0.3, 2, 40));
    assert_eq!(of(&[span(10, 40), span(20, 30), span(30, 60)]), (50, 0.5, 3, 40));
    assert_eq!(of(&[span(10, 40), span(40, 60)]), (50, 0.5, 2, 40));
    assert_eq!(of(&[span(0, 20), span(0, 20), span(90, 100)]), (30, 0.3, 3, 70));
}

#[test]
fn what_lies_outside_the_window_does_not_count() {
    assert_eq!(of(&[span(-50, 10), span(95, 900)]), (15, 0.15, 2, 85));
    assert_eq!(of(&[span(-50, 0), span(100, 900)]), (0, 0.0, 0, 100));
    assert_eq!(of(&[span(-50, 900)]), (100, 1.0, 1, 0));
}

#[test]
fn a_window_of_no_length_is_no_uptime() {
    assert_eq!(uptime(&[span(-1, 1)], at(0), at(0)).share.to_bits(), 0.0_f64.to_bits());
}

#[test]
fn a_window_lasts_a_minute_to_ninety_days() {
    for (seconds, fits) in [(0, false), (59, false), (60, true), (7_776_000, true), (7_776_001, false)] {
        assert_eq!(Window::try_new(seconds).is_ok(), fits, "{seconds}");
    }
    assert!(Window::try_new(Window::SECONDS_DEFAULT).is_ok());
    assert_eq!(Window::try_new(60).unwrap().start(at(60)), at(0));
}
