//! Shared memory over HTTP, on SQLite and on PostgreSQL: what one agent learned another finds, and what nobody may find
//! nobody does.

#[path = "memory/hostile.rs"]
mod hostile;
#[path = "memory/life.rs"]
mod life;
#[path = "memory/recalling.rs"]
mod recalling;
#[path = "memory/redaction.rs"]
mod redaction;
#[path = "memory/remembering.rs"]
mod remembering;
#[path = "memory/scene.rs"]
mod scene;
#[path = "memory/secrets.rs"]
mod secrets;
#[path = "memory/tenancy.rs"]
mod tenancy;
#[path = "memory/transfer.rs"]
mod transfer;
