//! How soon events come that happen on another server, with and without a word from it.

use e2e::events::Stream;
use e2e::logs::note;
use e2e::store::Store;
use e2e::{Fault, Outcome};
use std::time::{Duration, Instant};

/// What must happen soon happens within this time, also on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// Makes `NOTIFY` do nothing in this database: a function of the same name comes first.
const SILENCE: &str = "CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT'; \
     DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$";

#[tokio::test]
async fn on_another_server_events_come_soon_also_without_a_word() -> Outcome {
    for (is_silent, within) in [(false, Duration::from_secs(1)), (true, Duration::from_millis(1_500))] {
        let store = Store::postgres()?;
        let database = store.database().ok_or_else(|| Fault::new("this story needs PostgreSQL"))?;
        if is_silent {
            database.sql(SILENCE)?;
            let which =
                database.sql("SELECT pronamespace::regnamespace FROM pg_proc WHERE oid = 'pg_notify'::regproc")?;
            assert_eq!(which, "public", "nobody is told anything");
        }
        let (one, other) = (store.serve().await?, store.serve().await?);
        let alice = one.agent("alice")?;
        let bob = other.agent("bob")?;
        let mut stream = Stream::open(&bob, "?context=lock").await?;
        let mut slowest = Duration::ZERO;
        for round in 0..10 {
            let key = format!("k{round}");
            alice.take(&key).await?;
            let began = Instant::now();
            stream.until("lock.acquired", &key, SOON).await?;
            slowest = slowest.max(began.elapsed());
        }
        note(format_args!("followed across servers within {slowest:?}; in silence: {is_silent}"));
        assert!(slowest < within, "in silence: {is_silent}: followed only after {slowest:?}");
    }
    Ok(())
}
