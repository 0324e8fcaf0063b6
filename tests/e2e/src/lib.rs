//! What the end-to-end tests stand on: the built server as a process, real databases, clients over real HTTP, and a
//! checker that judges a history from the audit log alone.
//!
//! Nothing here knows the server's code; whatever it says about the rules is said a second time on purpose.

pub mod agents;
pub mod audit;
pub mod checker;
pub mod client;
pub mod contention;
pub mod database;
pub mod embedder;
pub mod events;
pub mod fault;
pub mod http;
pub mod keyring;
pub mod logs;
pub mod mail;
pub mod poll;
pub mod random;
pub mod relay;
pub mod rows;
pub mod server;
pub mod store;
pub mod survival;
pub mod target;
pub mod work;

pub use fault::{Fault, Outcome};

/// Tells a story on SQLite and on PostgreSQL: for each function `async fn(Store) -> Outcome` a test in the module
/// `on_sqlite` and one in `on_postgres`.
#[macro_export]
macro_rules! on_both_stores {
    ($($story:ident)*) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $story() -> $crate::Outcome {
                    super::$story($crate::store::Store::sqlite()?).await
                }
            )*
        }
        mod on_postgres {
            $(
                #[tokio::test]
                async fn $story() -> $crate::Outcome {
                    super::$story($crate::store::Store::postgres()?).await
                }
            )*
        }
    };
}
