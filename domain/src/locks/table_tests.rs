//! The rules of a lock table, told as short stories.

#[path = "table_tests/board.rs"]
mod board;
#[path = "table_tests/deadlocks.rs"]
mod deadlocks;
#[path = "table_tests/deaths.rs"]
mod deaths;
#[path = "table_tests/endings.rs"]
mod endings;
#[path = "table_tests/grants.rs"]
mod grants;
#[path = "table_tests/handing.rs"]
mod handing;
#[path = "table_tests/line.rs"]
mod line;
#[path = "table_tests/tokens.rs"]
mod tokens;
