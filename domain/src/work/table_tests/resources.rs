use super::yard::{claim, holder, item, ttl, wants, yard};
use crate::locks::lease::{Reason, Token};
use crate::locks::table::{Acquire, OnConflict};
use crate::work::task::Status;
use chrono::TimeDelta;

#[test]
fn a_claim_takes_the_task_and_all_its_locks() {
    let mut yard = yard();
    yard.submit(&[item("a").needs("src/a.rs ~docs/**")]);
    let claimed = yard.claim_as(&claim("ann/1", 1));
    assert_eq!(claimed.tasks[0].locks.len(), 2);
    let lease = yard.task("a").lease().unwrap();
    assert_eq!(lease.locks, yard.leases.keys().copied().collect::<Vec<Token>>());
    assert!(yard.leases.values().all(|lock| lock.expires_at == lease.until && lock.holder == lease.holder));
    assert!(yard.leases.values().all(|lock| lock.reason.is_some()), "it says for which task");
    assert!(yard.leases.keys().all(|lock| *lock > lease.token), "all tokens come from one counter");
}

#[test]
fn overlapping_tasks_are_kept_apart() {
    let mut yard = yard();
    yard.submit(&[item("a").needs("src/**"), item("b").needs("src/b.rs"), item("c").needs("lib/c.rs")]);
    assert_eq!(yard.claim("ann/1", 1), ["a"]);
    let got = yard.claim_as(&claim("bob/1", 2));
    assert_eq!((got.tasks.len(), got.passed_over.resources), (1, 1));
    assert_eq!(yard.status("c"), Status::Leased);
    assert_eq!(yard.task("b").attempts_made, 0);
}

#[test]
fn overlapping_tasks_are_kept_apart_within_one_session_too() {
    let mut yard = yard();
    yard.submit(&[
        item("a").needs("src/**"),
        item("b").needs("src/b.rs"),
        item("c").needs("~x"),
        item("d").needs("~x"),
    ]);
    assert_eq!(yard.claim("ann/1", 4), ["a", "c"]);
    assert_eq!(yard.claim("bob/1", 4), ["d"], "shared locks agree between sessions");
}

#[test]
fn a_task_does_without_locks_that_somebody_took_by_hand() {
    let mut yard = yard();
    yard.submit(&[item("a").needs("src/a.rs")]);
    let acquire = |who: &str| Acquire {
        holder: holder(who),
        wants: wants("src/**"),
        ttl: ttl(),
        reason: Some(Reason::parse("by hand").unwrap()),
        ticket: None,
        on_conflict: OnConflict::Refuse,
    };
    yard.run(|_, locks| locks.acquire(&acquire("ann/1")).unwrap());
    assert!(yard.claim("bob/1", 1).is_empty());
    assert!(yard.claim("ann/1", 1).is_empty(), "not even its own: the end of the task would free it");
    let id = yard.id("a");
    let obstacles = yard.run(|table, locks| table.obstacles(locks, id)).unwrap();
    assert_eq!(obstacles.len(), 1);
    assert_eq!(obstacles[0].agent.as_str(), "ann");
}

#[test]
fn the_locks_end_with_the_attempt_however_it_ends() {
    for end in ["complete", "fail", "release", "snooze", "lapse", "die"] {
        let mut yard = yard();
        yard.submit(&[item("a").needs("src/a.rs")]);
        yard.claim("ann/1", 1);
        let held = yard.held("a");
        let soon = yard.now + TimeDelta::seconds(5);
        match end {
            "complete" => drop(yard.complete(&held).unwrap()),
            "fail" => drop(yard.fail(&held, true, 0).unwrap()),
            "release" => drop(yard.run(|table, locks| table.release(locks, &held, None)).unwrap()),
            "snooze" => drop(yard.run(|table, locks| table.snooze(locks, &held, soon)).unwrap()),
            "lapse" => {
                yard.pass(60);
                yard.run(|_, _| ());
            }
            _ => {
                yard.session_ends.insert(held.holder.session.clone(), soon);
                yard.pass(5);
                yard.run(|_, _| ());
            }
        }
        assert!(yard.leases.is_empty(), "{end}");
        assert!(yard.task("a").lease().is_none(), "{end}");
    }
}

#[test]
fn a_heartbeat_extends_the_locks_and_tells_which_were_lost() {
    let mut yard = yard();
    yard.submit(&[item("a").needs("src/a.rs src/b.rs")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    let lost = yard.task("a").lease().unwrap().locks[0];
    let boss = holder("boss/1").agent;
    yard.run(|_, locks| locks.force_release(lost, boss, Reason::parse("mine").unwrap())).unwrap();
    yard.pass(30);
    let beat = yard.run(|table, locks| table.heartbeat(locks, &held, None, None)).unwrap();
    assert_eq!(beat.locks_lost, [lost]);
    assert_eq!(beat.until, yard.now + TimeDelta::seconds(60));
    assert!(yard.leases.values().all(|lock| lock.expires_at == beat.until));
}

#[test]
fn a_claim_goes_behind_whoever_stands_in_line_for_the_locks() {
    let mut yard = yard();
    yard.submit(&[item("a").needs("src/a.rs")]);
    let wait = |who: &str, ticket: u128| Acquire {
        holder: holder(who),
        wants: wants("src/a.rs"),
        ttl: ttl(),
        reason: None,
        ticket: None,
        on_conflict: OnConflict::Wait(crate::ids::TicketId::new(uuid::Uuid::from_u128(ticket))),
    };
    let got = yard.run(|table, locks| {
        locks.acquire(&wait("ann/1", 1)).unwrap();
        locks.acquire(&wait("bob/1", 2)).unwrap();
        locks.release_session(&holder("ann/1").session, &crate::locks::lease::Ending::Released);
        table.claim(locks, &claim("cyd/1", 1)).unwrap()
    });
    assert_eq!((got.tasks.len(), got.passed_over.resources), (0, 1));
}
