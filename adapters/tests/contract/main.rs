//! What every store promises. Each case runs on the store in memory, on `SQLite` and on `PostgreSQL`.
//!
//! A case is an `async fn` that takes a fresh store, and stands in the list at the end of its file.

#![expect(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "this is a test")]

mod agents;
mod alerts;
mod audit;
mod driver;
mod events;
mod handoffs;
mod harness;
mod idempotency;
mod identity;
mod locks;
mod memory;
mod messages;
mod model;
mod samples;
mod store;
mod webhooks;
mod work;

/// Makes four tests of each named case: one for each store, and one more for the other way to use `PostgreSQL`.
macro_rules! on_every_store {
    ($($case:ident),+ $(,)?) => {
        $crate::on_every_store!(@ in_memory InMemory $($case)+);
        $crate::on_every_store!(@ sqlite Sqlite $($case)+);
        $crate::on_every_store!(@ postgres Postgres $($case)+);
        $crate::on_every_store!(@ optimistic Optimistic $($case)+);
    };
    (@ $module:ident $kind:ident $($case:ident)+) => {
        mod $module {
            $(#[test]
            fn $case() {
                crate::harness::run(crate::harness::Kind::$kind, super::$case);
            })+
        }
    };
}
use on_every_store;

/// Makes three tests of each named case that is about waiting for one another: one for each store.
macro_rules! on_every_locking_store {
    ($($case:ident),+ $(,)?) => {
        mod locking {
            use super::{$($case),+};
            $crate::on_every_store!(@ in_memory InMemory $($case)+);
            $crate::on_every_store!(@ sqlite Sqlite $($case)+);
            $crate::on_every_store!(@ postgres Postgres $($case)+);
        }
    };
}
use on_every_locking_store;

/// Makes two tests of each named case, one for each database.
macro_rules! on_every_database {
    ($($case:ident),+ $(,)?) => {
        $crate::on_every_store!(@ sqlite Sqlite $($case)+);
        $crate::on_every_store!(@ postgres Postgres $($case)+);
    };
}
use on_every_database;
