//! What PostgreSQL finds memories with when it has extensions for it. Where it has none, that is said.

use super::samples::{save, *};
use super::vectors::{Random, crowd, embed, embedded, space, truly_near};
use crate::harness::{Kind, TestStore, run};
use crate::work::samples::second;
use adapters::sea::SeaStore;
use adapters::sea::connect::PostgresOptions;
use domain::memory::candidate::Wanted;
use domain::memory::filter::MemoryFilter;
use domain::memory::realm::Scope;
use domain::memory::record::Memory;
use domain::memory::vector::Vector;
use ports::store::{Store, VectorEngine, WordEngine};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the database may take to count what it has used.
const COUNTED_WITHIN: Duration = Duration::from_secs(20);

async fn near(store: &SeaStore, filter: &MemoryFilter, to: &Vector, rows: u32) -> Vec<u128> {
    let mut uow = store.begin_read().await.unwrap();
    let found = uow.memory_nearest(filter, &space("m", 16), to, rows).await.unwrap();
    assert!(found.is_sorted_by(|(_, nearer), (_, cosine)| nearer >= cosine), "{found:?}");
    found.iter().map(|(candidate, _)| candidate.id.uuid().as_u128()).collect()
}

/// Whether the database says this, soon.
async fn soon(store: &TestStore, condition: &'static str) -> bool {
    let began = Instant::now();
    while began.elapsed() < COUNTED_WITHIN {
        if store.sabotage(condition).await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

const USED: &str = "DO $$ BEGIN ASSERT (SELECT idx_scan FROM pg_stat_user_indexes \
     WHERE indexrelname = 'memory_vectors_near_16') > 10; END $$";
const IS_THERE: &str = "DO $$ BEGIN ASSERT (SELECT indisvalid FROM pg_index \
     WHERE indexrelid = to_regclass('memory_vectors_near_16')); END $$";

#[expect(clippy::print_stderr, reason = "what was not tested is said")]
async fn an_index_of_vectors_finds_nearly_what_comparing_finds(store: Arc<TestStore>) {
    let indexed = store.door(|options| PostgresOptions { vectors_compared_max: Some(0), ..options }).await;
    if indexed.engines().vectors == VectorEngine::Exact {
        eprintln!("skipped: no pgvector 0.8 or newer");
        return;
    }
    let plain = store.door(|options| PostgresOptions { use_extensions: false, ..options }).await;
    assert_eq!(plain.engines().vectors, VectorEngine::Exact);
    indexed.prepare_vectors(16).await.unwrap();
    indexed.prepare_vectors(16).await.unwrap();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    // By a server that knows nothing of the index.
    let crowd = crowd(&store, 3_000, &mut random).await;
    let everything = all(&[here()]);
    let mut hits = 0;
    for _ in 0..20 {
        let to = random.vector(16);
        let exact = truly_near(&crowd, &everything, &to, 20);
        assert_eq!(near(&plain, &everything, &to, 20).await, exact);
        let found: BTreeSet<u128> = near(&indexed, &everything, &to, 20).await.into_iter().collect();
        assert_eq!(found.len(), 20);
        hits += exact.iter().filter(|number| found.contains(number)).count();
    }
    assert!(hits >= 380, "{hits} of 400");
    assert!(soon(&store, USED).await, "the index was not used");
    let to = random.vector(16);
    let rare = MemoryFilter { tags_all: BTreeSet::from([tag("rare")]), ..everything.clone() };
    assert_eq!(near(&indexed, &rare, &to, 20).await, truly_near(&crowd, &rare, &to, 20));
    let private = Memory { scope: Scope::Private, ..memory(9_999) };
    add(&store, std::slice::from_ref(&private)).await;
    embed(&store, &space("m", 16), &[embedded(&private, random.vector(16))]).await;
    assert_eq!(near(&indexed, &all(&[own("ann")]), &to, 1).await, [9_999], "what lies elsewhere was found");
    let nearest = near(&indexed, &everything, &to, 1).await[0];
    let (memory, _) = crowd.iter().find(|(memory, _)| memory.id == id(nearest)).unwrap();
    save(&store, &[change(memory, &redacted(memory))]).await;
    assert!(!near(&indexed, &everything, &to, 20).await.contains(&nearest));
    store.sabotage("DROP INDEX memory_vectors_near_16").await.unwrap();
    indexed.prepare_vectors(16).await.unwrap();
    store.sabotage(IS_THERE).await.unwrap();
    // There are vectors that no index takes.
    indexed.prepare_vectors(4_001).await.unwrap();
    assert_eq!(near(&indexed, &everything, &to, 20).await.len(), 20);
}

/// What the operators of `ParadeDB` mean, without its index.
const STAND_IN: &str = "CREATE SCHEMA pdb; \
     CREATE FUNCTION memory_tokens_text(tokens bigint[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT \
     RETURN array_to_string(tokens, ' '); \
     CREATE FUNCTION pdb.score(key bigint) RETURNS real LANGUAGE sql IMMUTABLE RETURN 1.0; \
     CREATE FUNCTION pdb.has_any(text, text[]) RETURNS boolean LANGUAGE sql IMMUTABLE \
     RETURN string_to_array($1, ' ') && $2; \
     CREATE FUNCTION pdb.has_all(text, text[]) RETURNS boolean LANGUAGE sql IMMUTABLE \
     RETURN string_to_array($1, ' ') @> $2; \
     CREATE OPERATOR ||| (LEFTARG = text, RIGHTARG = text[], FUNCTION = pdb.has_any); \
     CREATE OPERATOR &&& (LEFTARG = text, RIGHTARG = text[], FUNCTION = pdb.has_all)";

/// Asks both of some memories; answers must be the same.
async fn asked_alike(store: &TestStore, paradedb: &SeaStore) {
    let memories = [
        saying(1, "the lease ends after two minutes", &["locks"]),
        saying(2, "a lease is renewed by its holder", &["locks", "time"]),
        saying(3, "deploys wait for the release train", &["deploy"]),
        Memory { valid_until: Some(second(30)), ..saying(4, "the lease of the old office", &["locks"]) },
        Memory { scope: Scope::Private, ..saying(5, "my own lease", &[]) },
    ];
    add(store, &memories).await;
    let everything = all(&[here()]);
    let tagged = MemoryFilter { tags_any: BTreeSet::from([tag("time"), tag("deploy")]), ..everything.clone() };
    let both = MemoryFilter { tags_all: BTreeSet::from([tag("time"), tag("locks")]), ..everything.clone() };
    for (filter, texts, numbers_of) in [
        (&everything, vec!["lease"], vec![1, 2]),
        (&everything, vec!["lease minutes"], vec![1]),
        (&everything, vec!["lease minutes", "train"], vec![1, 3]),
        (&everything, vec!["minutes", "holder", "nothing"], vec![1, 2]),
        (&everything, vec!["office"], vec![]),
        (&tagged, vec!["lease", "train"], vec![2, 3]),
        (&both, vec!["lease"], vec![2]),
    ] {
        let mut uow = paradedb.begin_read().await.unwrap();
        let candidates = uow.memory_candidates(filter, &wanted(&here(), &texts)).await.unwrap();
        assert_eq!(numbers(&candidates), numbers_of, "{texts:?}");
        assert_eq!(found(store, filter, &here(), &texts).await, numbers_of, "{texts:?}");
    }
    let mut uow = paradedb.begin_read().await.unwrap();
    let one = Wanted { rows_max: 1, ..wanted(&here(), &["lease"]) };
    assert_eq!(uow.memory_candidates(&everything, &one).await.unwrap().len(), 1);
}

async fn paradedb_is_asked_in_its_words(store: Arc<TestStore>) {
    store.sabotage(STAND_IN).await.unwrap();
    let paradedb = store.door(|options| PostgresOptions { assume_pg_search: true, ..options }).await;
    assert_eq!(paradedb.engines().words, WordEngine::PgSearch);
    asked_alike(&store, &paradedb).await;
}

#[expect(clippy::print_stderr, reason = "what was not tested is said")]
async fn a_real_paradedb_finds_what_postgresql_finds(store: Arc<TestStore>) {
    if let Err(why) = store.sabotage("CREATE EXTENSION pg_search CASCADE").await {
        eprintln!("skipped: no pg_search: {why}");
        return;
    }
    let plain = store.door(|options| PostgresOptions { use_extensions: false, ..options }).await;
    assert_eq!(plain.engines().words, WordEngine::Postgres);
    let paradedb = store.door(|options| options).await;
    assert_eq!(paradedb.engines().words, WordEngine::PgSearch);
    asked_alike(&store, &paradedb).await;
}

macro_rules! on_postgres {
    ($($case:ident),+ $(,)?) => {
        $(#[test]
        fn $case() {
            run(Kind::Postgres, super::$case);
        })+
    };
}

mod postgres {
    use super::{Kind, run};
    on_postgres!(
        an_index_of_vectors_finds_nearly_what_comparing_finds,
        paradedb_is_asked_in_its_words,
        a_real_paradedb_finds_what_postgresql_finds,
    );
}
