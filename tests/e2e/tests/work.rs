//! The work queue over HTTP, on SQLite and on PostgreSQL: what each call answers, what it leaves in the tables and what
//! the audit log tells of it.

#[path = "work/claiming.rs"]
mod claiming;
#[path = "work/doing.rs"]
mod doing;
#[path = "work/handing_in.rs"]
mod handing_in;
#[path = "work/limits.rs"]
mod limits;
#[path = "work/scene.rs"]
mod scene;
#[path = "work/steering.rs"]
mod steering;
#[path = "work/waiting.rs"]
mod waiting;
