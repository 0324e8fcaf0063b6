//! The schema of the database, one step per context, forward only.
//!
//! SQLite and PostgreSQL stand side by side in each step. Instants are whole microseconds (`*_us`), made ids are UUIDs,
//! given ids are text in byte order, and every key leads with the project.

mod m0001_identity;
mod m0002_locks;
mod m0003_agents;
mod m0004_audit;
mod m0005_events;
mod m0006_idempotency;
mod m0007_work;
mod m0008_agents_registry;
mod m0009_messages;
mod m0010_handoffs;
mod m0011_webhooks;
mod m0012_alerts;
mod m0013_memory;
mod m0014_working_memory;
mod m0015_procedures;
mod m0016_memory_vectors;
mod step;

use sea_orm_migration::sea_orm::DatabaseTransaction;
use sea_orm_migration::{DbErr, MigrationTrait, MigratorTrait};

/// Every step, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_identity::STEP),
            Box::new(m0002_locks::STEP),
            Box::new(m0003_agents::STEP),
            Box::new(m0004_audit::STEP),
            Box::new(m0005_events::STEP),
            Box::new(m0006_idempotency::STEP),
            Box::new(m0007_work::STEP),
            Box::new(m0008_agents_registry::STEP),
            Box::new(m0009_messages::STEP),
            Box::new(m0010_handoffs::STEP),
            Box::new(m0011_webhooks::STEP),
            Box::new(m0012_alerts::STEP),
            Box::new(m0013_memory::STEP),
            Box::new(m0014_working_memory::STEP),
            Box::new(m0015_procedures::STEP),
            Box::new(m0016_memory_vectors::STEP),
        ]
    }
}

/// The names of all steps, in order.
pub fn names() -> Vec<String> {
    Migrator::migrations().iter().map(|step| step.name().to_owned()).collect()
}

/// Applies every step that waits, inside a transaction. The caller sees to it that nobody else does so meanwhile.
pub async fn up(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    Migrator::up(transaction, None).await
}
