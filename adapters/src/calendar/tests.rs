use super::*;
use chrono::DateTime;
use domain::work::name::ZoneName;
use domain::work::schedule::Cron;
use std::time::{Duration, Instant};

const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";

fn timing(cron: &str, zone: &str) -> Timing {
    Timing { cron: Cron::parse(cron).unwrap(), zone: ZoneName::parse(zone).unwrap() }
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// The next fires as the clock on the wall shows them, with its offset.
fn fires(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let (timing, clock) = (timing(cron, zone), zone.parse::<Tz>().unwrap());
    let next = |after: &DateTime<Utc>| IanaCalendar.next_after(&timing, *after).unwrap();
    let times = std::iter::successors(next(&at(after)), next).take(count);
    times.map(|at| at.with_timezone(&clock).format("%F %H:%M %:z").to_string()).collect()
}

fn refused(cron: &str) -> String {
    match IanaCalendar.next_after(&timing(cron, "UTC"), at("2027-01-01T00:00:00Z")) {
        Err(InvalidTiming::Cron { why, .. }) => why,
        other => panic!("`{cron}` gave {other:?}"),
    }
}

#[test]
fn a_time_comes_strictly_after_the_one_before() {
    assert_eq!(fires("0 12 * * *", "UTC", "2027-01-01T11:59:59.999999Z", 1), ["2027-01-01 12:00 +00:00"]);
    assert_eq!(fires("0 12 * * *", "UTC", "2027-01-01T12:00:00Z", 1), ["2027-01-02 12:00 +00:00"]);
    assert_eq!(
        fires("* * * * *", "UTC", "2027-01-01T23:59:30.5Z", 2),
        ["2027-01-02 00:00 +00:00", "2027-01-02 00:01 +00:00"]
    );
}

#[test]
fn a_pattern_is_read_on_the_clocks_of_its_zone() {
    assert_eq!(fires("30 9 * * *", "Asia/Kolkata", "2027-06-01T00:00:00Z", 1), ["2027-06-01 09:30 +05:30"]);
    assert_eq!(
        fires("0 9 * * *", BERLIN, "2027-03-26T12:00:00Z", 3),
        ["2027-03-27 09:00 +01:00", "2027-03-28 09:00 +02:00", "2027-03-29 09:00 +02:00"]
    );
}

#[test]
fn a_time_that_a_change_of_clocks_leaves_out_comes_right_after_the_gap() {
    assert_eq!(
        fires("30 2 * * *", BERLIN, "2027-03-27T00:00:00Z", 3),
        ["2027-03-27 02:30 +01:00", "2027-03-28 03:00 +02:00", "2027-03-29 02:30 +02:00"]
    );
    assert_eq!(
        fires("30 2 * * *", NEW_YORK, "2027-03-14T05:00:00Z", 2),
        ["2027-03-14 03:00 -04:00", "2027-03-15 02:30 -04:00"]
    );
    assert_eq!(
        fires("*/20 2,3 * * *", BERLIN, "2027-03-28T00:30:00Z", 4),
        ["2027-03-28 03:00 +02:00", "2027-03-28 03:20 +02:00", "2027-03-28 03:40 +02:00", "2027-03-29 02:00 +02:00"],
        "what falls together fires once"
    );
}

#[test]
fn a_time_that_a_change_of_clocks_repeats_comes_once() {
    assert_eq!(
        fires("30 2 * * *", BERLIN, "2027-10-30T12:00:00Z", 2),
        ["2027-10-31 02:30 +02:00", "2027-11-01 02:30 +01:00"]
    );
    assert_eq!(
        fires("30 1 * * *", NEW_YORK, "2027-11-07T04:00:00Z", 2),
        ["2027-11-07 01:30 -04:00", "2027-11-08 01:30 -05:00"]
    );
    // 02:15 is shown for the second time, and 02:30 came in the first hour.
    assert_eq!(fires("30 2 * * *", BERLIN, "2027-10-31T01:15:00Z", 1), ["2027-11-01 02:30 +01:00"]);
}

#[test]
fn what_comes_round_in_every_hour_follows_the_clock() {
    assert_eq!(
        fires("*/30 * * * *", BERLIN, "2027-03-28T00:10:00Z", 3),
        ["2027-03-28 01:30 +01:00", "2027-03-28 03:00 +02:00", "2027-03-28 03:30 +02:00"]
    );
    assert_eq!(
        fires("*/30 * * * *", BERLIN, "2027-10-30T23:40:00Z", 6),
        [
            "2027-10-31 02:00 +02:00",
            "2027-10-31 02:30 +02:00",
            "2027-10-31 02:00 +01:00",
            "2027-10-31 02:30 +01:00",
            "2027-10-31 03:00 +01:00",
            "2027-10-31 03:30 +01:00"
        ]
    );
    assert_eq!(
        fires("59 * * * *", NEW_YORK, "2027-11-07T05:00:00Z", 3),
        ["2027-11-07 01:59 -04:00", "2027-11-07 01:59 -05:00", "2027-11-07 02:59 -05:00"]
    );
}

#[test]
fn through_a_change_of_clocks_no_minute_is_lost_or_doubled() {
    for start in ["2027-03-27T20:00:00Z", "2027-10-30T20:00:00Z"] {
        for zone in [BERLIN, NEW_YORK, "Australia/Lord_Howe", "Antarctica/Troll"] {
            let timing = timing("* * * * *", zone);
            let mut now = at(start);
            for _ in 0..9 * 60 {
                let next = IanaCalendar.next_after(&timing, now).unwrap().unwrap();
                assert_eq!(next - now, TimeDelta::minutes(1), "{zone} after {now}");
                now = next;
            }
        }
    }
}

#[test]
fn a_day_that_never_comes_is_told_quickly() {
    let start = Instant::now();
    for cron in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "* * 30,31 FEB *"] {
        assert_eq!(IanaCalendar.next_after(&timing(cron, BERLIN), at("2027-01-01T00:00:00Z")), Ok(None), "{cron}");
    }
    assert!(start.elapsed() < Duration::from_secs(1), "took {:?}", start.elapsed());
}

#[test]
fn a_leap_day_is_found_over_the_turn_of_a_century_without_one() {
    assert_eq!(fires("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1), ["2104-02-29 00:00 +00:00"]);
}

#[test]
fn the_day_of_the_month_or_the_day_of_the_week_is_enough() {
    // The 13th of August 2027 is a Friday.
    assert_eq!(
        fires("0 0 13 * FRI", "UTC", "2027-08-06T00:00:00Z", 4),
        ["2027-08-13 00:00 +00:00", "2027-08-20 00:00 +00:00", "2027-08-27 00:00 +00:00", "2027-09-03 00:00 +00:00"]
    );
    assert_eq!(
        fires("0 0 15 * FRI", "UTC", "2027-08-13T00:00:00Z", 2),
        ["2027-08-15 00:00 +00:00", "2027-08-20 00:00 +00:00"]
    );
    assert_eq!(fires("0 0 * * FRI", "UTC", "2027-08-13T00:00:00Z", 1), ["2027-08-20 00:00 +00:00"]);
    assert_eq!(
        fires("0 0 */2 * FRI", "UTC", "2027-08-13T00:00:00Z", 1),
        ["2027-08-27 00:00 +00:00"],
        "a field that begins with a star has to fit as well"
    );
}

#[test]
fn ranges_steps_lists_and_names_are_read() {
    let hours = |cron: &str| fires(cron, "UTC", "2027-08-15T23:00:00Z", 4).join(" ");
    assert_eq!(hours("0 9-17/4 * * MON-FRI"), hours("0 9,13,17 * 1-12 1-5"));
    assert_eq!(hours("5 0 1 jan,MAR *"), hours("5 0 1 1,3 *"));
    assert_eq!(hours("0 0 * * SUN"), hours("0 0 * * 7"));
    assert_eq!(hours("0 0 * * 0"), hours("0 0 * * 7"));
    assert_eq!(hours("0 0 * * FRI-SUN"), hours("0 0 * * 5,6,0"));
    assert_eq!(hours("0 0 * * sun-tue"), hours("0 0 * * 0-2"));
    assert_eq!(hours("0 */6 * * *"), hours("0 0-23/6 * * *"));
}

#[test]
fn fields_that_mean_nothing_are_refused_by_name() {
    for (cron, what) in [
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of the month"),
        ("* * 32 * *", "day of the month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "weekday"),
        ("MON * * * *", "minute"),
        ("* * * * JAN", "weekday"),
        ("* * * * MONDAY", "weekday"),
        ("*/0 * * * *", "step of the minute"),
        ("*/60 * * * *", "step of the minute"),
        ("5/10 * * * *", "needs a range"),
        ("30-10 * * * *", "goes backwards"),
        ("* * * * SAT-MON", "goes backwards"),
        (", * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("1- * * * *", "minute"),
        ("1-2-3 * * * *", "minute"),
        ("*/5/5 * * * *", "step of the minute"),
        ("*-5 * * * *", "minute"),
        ("** * * * *", "minute"),
        ("* * ? * *", "day of the month"),
        ("* * * * 5#2", "weekday"),
        ("000000000001 * * * *", "minute"),
    ] {
        let why = refused(cron);
        assert!(why.contains(what), "`{cron}`: {why}");
    }
}

#[test]
fn zones_that_do_not_exist_are_refused() {
    for zone in ["Mars/Olympus", "europe/berlin", "UTC+3", "local"] {
        let answer = IanaCalendar.next_after(&timing("* * * * *", zone), at("2027-01-01T00:00:00Z"));
        assert_eq!(answer, Err(InvalidTiming::Zone { zone: zone.to_owned() }));
    }
}
