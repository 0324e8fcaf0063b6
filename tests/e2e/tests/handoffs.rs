//! Handoffs over HTTP, on SQLite and on PostgreSQL: what each call answers, what it leaves in the tables, and what the audit
//! log tells of it.

#[path = "handoffs/ending.rs"]
mod ending;
#[path = "handoffs/finding.rs"]
mod finding;
#[path = "handoffs/killed.rs"]
mod killed;
#[path = "handoffs/racing.rs"]
mod racing;
#[path = "handoffs/scene.rs"]
mod scene;
#[path = "handoffs/taking.rs"]
mod taking;
