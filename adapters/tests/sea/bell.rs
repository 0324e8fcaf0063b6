//! Word between servers over one database.

use crate::harness::{Cluster, Database, assert_unavailable, default_project, execute, postgres_options};
use adapters::sea::SeaBell;
use domain::ids::ProjectId;
use ports::bell::{Bell, Word};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

fn bell(dsn: &str) -> SeaBell {
    SeaBell::postgres(&postgres_options(dsn)).expect("the connection string can be read")
}

fn news_of(name: &str) -> Word {
    Word::Projects(BTreeSet::from([ProjectId::parse(name).expect("a name")]))
}

async fn heard(bell: &SeaBell) -> Word {
    timeout(SOON, bell.hear()).await.expect("nothing was heard").expect("it can be heard")
}

/// One that listens already.
async fn listening(dsn: &str) -> SeaBell {
    let bell = bell(dsn);
    assert_eq!(heard(&bell).await, Word::Anywhere, "nobody knows what was told before");
    bell
}

/// Ends the connections of all bells of a database, as a failing network would.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE datname = current_database() AND application_name = 'pointsman bell'";

#[tokio::test(flavor = "multi_thread")]
async fn what_one_tells_all_others_hear_in_order() {
    let database = Database::create().await;
    let (one, other, third) =
        (listening(&database.dsn).await, listening(&database.dsn).await, listening(&database.dsn).await);
    let words = [news_of("a"), Word::Anywhere, news_of("b")];
    for word in &words {
        one.tell(word).await.unwrap();
    }
    for word in &words {
        assert_eq!(heard(&other).await, *word);
        assert_eq!(heard(&third).await, *word);
    }
    other.tell(&news_of("c")).await.unwrap();
    assert_eq!(heard(&one).await, news_of("c"), "its own words it does not hear");
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_of_the_cluster_hears_nothing() {
    let (database, elsewhere) = (Database::create().await, Database::create().await);
    let (one, stranger) = (bell(&database.dsn), listening(&elsewhere.dsn).await);
    one.tell(&Word::Anywhere).await.unwrap();
    let heard = timeout(Duration::from_millis(300), stranger.hear()).await;
    assert!(heard.is_err(), "{heard:?}");
    database.drop().await;
    elsewhere.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_by_one_who_stops_waiting_and_waits_again() {
    let database = Database::create().await;
    let (one, other) = (bell(&database.dsn), listening(&database.dsn).await);
    for number in 0..50 {
        let word = news_of(&format!("p{number}"));
        let impatient = timeout(Duration::from_micros(number * 40), other.hear()).await;
        assert!(impatient.is_err(), "{impatient:?}");
        one.tell(&word).await.unwrap();
        assert_eq!(heard(&other).await, word);
    }
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_cut_is_told_and_laid_again() {
    let database = Database::create().await;
    let (one, other) = (bell(&database.dsn), listening(&database.dsn).await);
    for name in ["a", "b"] {
        one.tell(&news_of(name)).await.unwrap();
        assert_eq!(heard(&other).await, news_of(name));
        execute(&database.dsn, CUT).await.unwrap();
        assert_unavailable(&timeout(SOON, other.hear()).await.expect("it was not noticed"));
        assert_eq!(heard(&other).await, Word::Anywhere, "what was told meanwhile is not known");
        // Who tells finds out by telling, and has a fresh line the next time.
        assert_unavailable(&one.tell(&news_of("lost")).await);
    }
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_soon_and_heard_again_when_it_is_back() {
    let cluster = Cluster::start();
    let (one, other) = (bell(&cluster.dsn), listening(&cluster.dsn).await);
    one.tell(&Word::Anywhere).await.unwrap();
    assert_eq!(heard(&other).await, Word::Anywhere);
    cluster.run("stop", &["--immediate"]);
    let began = Instant::now();
    for _ in 0..2 {
        assert_unavailable(&timeout(SOON, other.hear()).await.expect("it was not noticed"));
        assert_unavailable(&one.tell(&Word::Anywhere).await);
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    cluster.run("start", &[]);
    assert_eq!(heard(&other).await, Word::Anywhere);
    one.tell(&Word::Projects(BTreeSet::from([default_project()]))).await.unwrap();
    assert_eq!(heard(&other).await, Word::Projects(BTreeSet::from([default_project()])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_does_not_hold_up_who_tells() {
    let cluster = Cluster::start();
    let one = bell(&cluster.dsn);
    one.tell(&Word::Anywhere).await.unwrap();
    cluster.run("pause", &[]);
    for _ in 0..2 {
        let began = Instant::now();
        assert_unavailable(&one.tell(&Word::Anywhere).await);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    }
    cluster.run("resume", &[]);
    one.tell(&Word::Anywhere).await.unwrap();
}
