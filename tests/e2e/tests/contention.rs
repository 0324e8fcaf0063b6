//! Thirty-two clients on two servers over one PostgreSQL fight for fifty overlapping keys. Afterwards the audit log
//! alone must prove that no two of them ever held what only one may hold, that tokens rose, and that nothing that a
//! client was told has been forgotten: in peace, and with a server killed and the database crashed in the middle.

use e2e::audit::entries;
use e2e::checker::{End, History, judge};
use e2e::contention::{CLIENTS, Faults, Report, fight, keyring};
use e2e::database::Cluster;
use e2e::logs::note;
use e2e::random::seed;
use e2e::server::{Launch, Server};
use e2e::store::Store;
use e2e::{Fault, Outcome};
use std::time::{Duration, Instant};
use tempfile::TempDir;

async fn prove(auditor: &Server, report: &Report) -> Outcome<History> {
    let lines = entries(&auditor.agent("auditor")?, &[]).await?;
    let history = History::read(&lines);
    let grants: usize = report.grants.values().sum();
    note(format_args!(
        "{} lines, {} locks, {grants} granted calls, answers: {:#?}",
        lines.len(),
        history.held.len(),
        report.answers
    ));
    let wrong = judge(&history, &report.told);
    assert!(wrong.is_empty(), "{} faults, the first ones:\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
    Ok(history)
}

/// The fight was one: enough of everything happened for the proof to mean something.
fn was_a_fight(history: &History, report: &Report) {
    let ended = |end: End| history.held.iter().filter(|held| held.end == end).count();
    assert!(ended(End::Released) > 100, "only {} locks were released", ended(End::Released));
    assert!(report.answered("acquire 409 lock-held") > 50, "hardly anybody was refused: {:?}", report.answers);
    let shared = history.held.iter().filter(|held| !held.exclusive).count();
    assert!(shared > 20, "only {shared} shared locks");
    assert_eq!(report.grants.len(), CLIENTS, "every client got something");
}

async fn fight_in_peace(lasts: Duration) -> Outcome {
    let store = Store::postgres()?;
    let launch = store.launch()?.keys(&keyring());
    let one = launch.start().await?;
    let other = store.launch()?.keys(&keyring()).start().await?;
    let seed = seed();
    note(format_args!("seed {seed}"));
    let report = fight(vec![one.url(), other.url()], lasts, Faults::None, seed).await?;
    let history = prove(&one, &report).await?;
    was_a_fight(&history, &report);
    let rows = store.database().map(|database| database.sql("SELECT count(*) FROM audit_entries")).transpose()?;
    let lines = entries(&other.agent("auditor")?, &[]).await?.len();
    assert_eq!(rows, Some(lines.to_string()), "the pages of the audit log show every row once");
    Ok(())
}

#[tokio::test]
async fn no_two_of_thirty_two_clients_ever_hold_the_same() -> Outcome {
    fight_in_peace(Duration::from_secs(10)).await
}

#[tokio::test]
#[ignore = "a soak of five minutes, run by tests/nightly"]
async fn no_two_of_thirty_two_clients_ever_hold_the_same_for_minutes() -> Outcome {
    fight_in_peace(Duration::from_mins(5)).await
}

/// Kills a server and crashes the database `rounds` times during a fight.
async fn fight_with_faults(rounds: u32) -> Outcome {
    let cluster = Cluster::start()?;
    let (data, other_data) = (TempDir::new()?, TempDir::new()?);
    let launch = |data: &TempDir| Ok::<_, Fault>(Launch::new(data.path())?.postgres(&cluster.dsn).keys(&keyring()));
    let mut survivor = launch(&data)?.start().await?;
    let mut victim = launch(&other_data)?.start().await?;
    let urls = vec![survivor.url(), victim.url()];
    let seed = seed();
    note(format_args!("seed {seed}"));
    let round = Duration::from_secs(10);
    let fighting = fight(urls, round * rounds, Faults::Outages, seed);
    let breaking = async {
        let began = Instant::now();
        let mut crashed_at = began;
        for number in 0..rounds {
            let until =
                |seconds: u32| (round * number + Duration::from_secs(seconds.into())).saturating_sub(began.elapsed());
            tokio::time::sleep(until(3)).await;
            victim.kill().await?;
            tokio::time::sleep(until(4)).await;
            crashed_at = Instant::now();
            tokio::task::block_in_place(|| cluster.crash_and_restart())?;
            note(format_args!("the database was back after {:?}", crashed_at.elapsed()));
            tokio::time::sleep(until(7)).await;
            victim = victim.launch().start().await?;
        }
        Ok::<_, Fault>(crashed_at)
    };
    let (report, crashed_at) = tokio::join!(fighting, breaking);
    let (report, crashed_at) = (report?, crashed_at?);
    assert!(survivor.still_runs()?, "the other server must live through the crash of its database");
    let last = report.last_grant.get(&0).copied();
    assert!(last.is_some_and(|last| last > crashed_at), "the other server granted nothing after the crash");
    assert!(report.answered("no answer") > 0, "nobody noticed that a server was killed");
    let history = prove(&survivor, &report).await?;
    was_a_fight(&history, &report);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_grant_is_lost_when_a_server_is_killed_and_the_database_crashes() -> Outcome {
    fight_with_faults(1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a soak of some minutes, run by tests/nightly"]
async fn no_grant_is_lost_when_servers_and_databases_keep_failing() -> Outcome {
    fight_with_faults(20).await
}

#[tokio::test]
async fn no_grant_is_lost_when_the_only_server_is_killed_again_and_again_on_sqlite() -> Outcome {
    let store = Store::sqlite()?;
    let mut server = store.launch()?.keys(&keyring()).start().await?;
    let seed = seed();
    note(format_args!("seed {seed}"));
    let lasts = Duration::from_secs(8);
    let fighting = fight(vec![server.url()], lasts, Faults::Outages, seed);
    let breaking = async {
        let began = Instant::now();
        for number in 1..4 {
            tokio::time::sleep((lasts / 4 * number).saturating_sub(began.elapsed())).await;
            server.kill().await?;
            server = server.launch().start().await?;
        }
        Ok::<_, Fault>(())
    };
    let (report, broken) = tokio::join!(fighting, breaking);
    broken?;
    let report = report?;
    let history = prove(&server, &report).await?;
    was_a_fight(&history, &report);
    Ok(())
}
