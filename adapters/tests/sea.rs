//! What only databases can show: files, schemas, triggers, and what happens when a server goes away.
//!
//! What every store promises is in the contract suite.

#![expect(unreachable_pub, reason = "tests are not an interface")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "this is a test")]

#[path = "sea/bell.rs"]
mod bell;
#[path = "sea/epoch.rs"]
mod epoch;
#[path = "sea/files.rs"]
mod files;
#[path = "sea/given_up.rs"]
mod given_up;
#[path = "sea/harness.rs"]
mod harness;
#[path = "sea/recovery.rs"]
mod recovery;
#[path = "sea/schema.rs"]
mod schema;
#[path = "sea/work.rs"]
mod work;
