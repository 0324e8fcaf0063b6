//! The rules of the work table, told as short stories.

#[path = "table_tests/cancelling.rs"]
mod cancelling;
#[path = "table_tests/claiming.rs"]
mod claiming;
#[path = "table_tests/dependencies.rs"]
mod dependencies;
#[path = "table_tests/events.rs"]
mod events;
#[path = "table_tests/handing.rs"]
mod handing;
#[path = "table_tests/lapses.rs"]
mod lapses;
#[path = "table_tests/random.rs"]
mod random;
#[path = "table_tests/resources.rs"]
mod resources;
#[path = "table_tests/running.rs"]
mod running;
#[path = "table_tests/steering.rs"]
mod steering;
#[path = "table_tests/submitting.rs"]
mod submitting;
#[path = "table_tests/telling.rs"]
mod telling;
#[path = "table_tests/yard.rs"]
mod yard;
