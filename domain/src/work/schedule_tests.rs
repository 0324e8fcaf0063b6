use super::*;
use crate::work::content::{Content, Title};
use crate::work::name::TaskType;
use crate::work::rank::Priority;
use crate::work::requires::Requires;
use crate::work::retry::RetryPolicy;
use crate::work::terms::{Labels, LeaseLength, OnDependencyFailure};
use proptest::prelude::*;
use std::cell::Cell;
use uuid::Uuid;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap()
}

/// Every ten minutes.
fn next_after(after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp((after.timestamp() / 600 + 1) * 600, 0)
}

fn schedule(missed: Missed) -> Schedule {
    let draft = TaskDraft {
        content: Content { title: Title::parse("tidy").unwrap(), description: None, input: None },
        task_type: TaskType::parse("chore").unwrap(),
        priority: Priority::DEFAULT,
        labels: Labels::default(),
        requires: Requires::default(),
        resources: None,
        concurrency: None,
        lease: LeaseLength::try_new(60).unwrap(),
        retry: RetryPolicy::DEFAULT,
        on_dependency_failure: OnDependencyFailure::Cancel,
        not_before: Some(at(-99)),
        deadline: Some(at(-9)),
    };
    Schedule {
        id: ScheduleId::new(Uuid::from_u128(1)),
        name: ScheduleName::parse("tidy").unwrap(),
        timing: Timing { cron: Cron::parse("*/10 * * * *").unwrap(), zone: ZoneName::parse("UTC").unwrap() },
        draft,
        deadline_seconds: Some(300),
        missed,
        paused: false,
        next_at: Some(at(0)),
        fired_for: None,
        created_by: AgentId::parse("boss").unwrap(),
        created_at: at(-5),
        revision: 1,
    }
}

fn times(fired: &Fired) -> Vec<DateTime<Utc>> {
    fired.tasks.iter().map(|(at, _)| *at).collect()
}

fn all(max: u32) -> Missed {
    Missed::All { max: MissedMax::try_new(max).unwrap() }
}

#[test]
fn a_new_schedule_needs_a_name_and_a_place_of_its_own_and_a_time_to_come() {
    let wanted = schedule(Missed::One);
    assert_eq!(Schedule::create(wanted.clone(), None, SCHEDULES_MAX - 1), Ok(wanted.clone()));
    let taken = ScheduleRefusal::NameTaken { name: wanted.name.clone() };
    assert_eq!(Schedule::create(wanted.clone(), Some(&wanted), 1), Err(taken));
    assert_eq!(Schedule::create(wanted.clone(), None, SCHEDULES_MAX), Err(ScheduleRefusal::TooMany));
    let never = Schedule { next_at: None, ..wanted };
    assert_eq!(Schedule::create(never, None, 0), Err(ScheduleRefusal::Never { cron: "*/10 * * * *".to_owned() }));
}

#[test]
fn a_schedule_fires_when_it_is_time_and_once() {
    for missed in [Missed::Skip, Missed::One, all(5)] {
        let before = schedule(missed);
        assert!(before.fire(at(0) - TimeDelta::seconds(1), next_after).tasks.is_empty());
        let fired = before.fire(at(0), next_after);
        assert_eq!(times(&fired), [at(0)]);
        assert_eq!(fired.schedule.next_at, Some(at(10)));
        assert_eq!(fired.schedule.fired_for, Some(at(0)));
        assert_eq!(fired.schedule.revision, 2, "whoever read it before cannot save any more");
        assert!(fired.schedule.fire(at(0), next_after).tasks.is_empty());
    }
}

#[test]
fn a_fire_is_in_time_for_a_minute() {
    let fired = schedule(Missed::Skip).fire(at(1), next_after);
    assert_eq!(times(&fired), [at(0)]);
    let fired = schedule(Missed::Skip).fire(at(1) + TimeDelta::microseconds(1), next_after);
    assert!(fired.tasks.is_empty());
    assert_eq!(fired.schedule.next_at, Some(at(10)));
    assert_eq!(fired.schedule.revision, 2, "that it was left out is a change too");
}

#[test]
fn missed_fires_are_left_out_or_made_up_by_one_or_one_by_one() {
    let now = at(35);
    assert!(schedule(Missed::Skip).fire(now, next_after).tasks.is_empty());
    assert_eq!(times(&schedule(Missed::One).fire(now, next_after)), [at(0)]);
    assert_eq!(times(&schedule(all(9)).fire(now, next_after)), [at(0), at(10), at(20), at(30)]);
    assert_eq!(times(&schedule(all(2)).fire(now, next_after)), [at(0), at(10)]);
    for missed in [Missed::Skip, Missed::One, all(9), all(2)] {
        assert_eq!(schedule(missed).fire(now, next_after).schedule.next_at, Some(at(40)));
    }
}

#[test]
fn what_is_in_time_happens_even_if_others_were_missed() {
    assert_eq!(times(&schedule(Missed::Skip).fire(at(30), next_after)), [at(30)]);
}

#[test]
fn a_year_of_missed_fires_costs_no_more_than_those_that_are_made_up() {
    let asked = Cell::new(0);
    let counting = |after| {
        asked.set(asked.get() + 1);
        next_after(after)
    };
    let fired = schedule(all(3)).fire(at(365 * 24 * 60), counting);
    assert_eq!(fired.tasks.len(), 3);
    assert!(asked.get() <= 5, "asked {} times", asked.get());
}

#[test]
fn the_task_of_a_fire_has_its_own_deadline() {
    let fired = schedule(Missed::One).fire(at(0), next_after);
    let (_, draft) = &fired.tasks[0];
    assert_eq!(draft.deadline, Some(at(5)));
    assert_eq!(draft.not_before, None);
}

#[test]
fn one_more_fire_by_hand_changes_nothing_else() {
    let schedule = schedule(Missed::One);
    assert_eq!(schedule.task(at(3)).deadline, Some(at(8)));
    assert_eq!(schedule.next_at, Some(at(0)));
}

#[test]
fn what_a_resting_schedule_misses_is_never_made_up() {
    let resting = schedule(all(9)).pause();
    assert_eq!((resting.next_at, resting.revision), (None, 2));
    assert!(resting.fire(at(60), next_after).tasks.is_empty());
    let awake = resting.resume(at(55), next_after);
    assert_eq!((awake.next_at, awake.revision), (Some(at(60)), 3));
    assert_eq!(awake.pause().pause(), awake.pause(), "to rest twice is to rest");
    assert_eq!(awake.resume(at(99), next_after), awake, "and to go on twice is to go on");
}

#[test]
fn a_pattern_that_never_comes_round_again_ends_the_schedule() {
    let fired = schedule(Missed::One).fire(at(0), |_| None);
    assert_eq!((fired.tasks.len(), fired.schedule.next_at), (1, None));
    assert!(fired.schedule.fire(at(10_000), |_| None).tasks.is_empty());
}

#[test]
fn a_calendar_that_does_not_move_on_cannot_hang_anybody() {
    let fired = schedule(all(100)).fire(at(35), Some);
    assert_eq!(fired.tasks.len(), 1);
    assert!(coming(at(0), Some).is_empty());
}

#[test]
fn the_next_five_fires_are_shown() {
    assert_eq!(coming(at(3), next_after), [10, 20, 30, 40, 50].map(at));
}

#[test]
fn a_pattern_has_five_fields() {
    assert_eq!(Cron::parse(" 0  9 * * MON-FRI ").unwrap().as_str(), "0 9 * * MON-FRI");
    for wrong in ["", "* * * *", "* * * * * *", "@daily", "* * * * $x", "0 9 * * é"] {
        assert_eq!(Cron::parse(wrong), Err(InvalidCron), "{wrong}");
    }
    assert!(Cron::parse(&format!("{} * * * *", "1,".repeat(130))).is_err());
}

proptest! {
    #[test]
    fn however_seldom_somebody_looks_no_time_fires_twice(looks in prop::collection::vec(0..40_i64, 1..30), policy in 0..3_u8) {
        let mut schedule = schedule([Missed::Skip, Missed::One, all(3)][usize::from(policy)]);
        let mut now = at(-10);
        let mut seen = Vec::new();
        for minutes in looks {
            now += TimeDelta::minutes(minutes);
            let fired = schedule.fire(now, next_after);
            seen.extend(times(&fired));
            schedule = fired.schedule;
            prop_assert!(schedule.next_at.is_some_and(|next| next > now));
        }
        prop_assert!(seen.is_sorted_by(|one, other| one < other));
    }
}
