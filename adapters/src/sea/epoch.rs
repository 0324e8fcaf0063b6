//! The epoch of the tokens: what keeps them increasing when the database itself goes back in time.

use crate::sea::SeaStore;
use crate::sea::clock::to_us;
use crate::sea::error::{corrupt, failed};
use crate::sea::sidecar::{Card, Sidecar};
use crate::sea::unit::{Access, SeaUnitOfWork};
use crate::system::RandomIds;
use domain::locks::lease::Token;
use ports::ids::IdSource;
use ports::store::{StoreError, UnitOfWork};
use sea_orm::{DbBackend, FromQueryResult};
use std::sync::Arc;

/// The epoch as it stands after a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Its number.
    pub number: i64,
    /// Why this start raised it; `None` if it did not.
    pub raised: Option<EpochCause>,
}

/// Why the epoch was raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochCause {
    /// Somebody asked for it.
    Command,
    /// The SQLite file is not the one that was used last: a copy was put in its place, or its `.epoch` file is gone.
    OtherFile,
    /// The PostgreSQL cluster is another one.
    OtherCluster,
    /// The PostgreSQL cluster was recovered or a standby was promoted: its timeline is another one.
    OtherTimeline,
}

impl EpochCause {
    /// The name in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::OtherFile => "other_file",
            Self::OtherCluster => "other_cluster",
            Self::OtherTimeline => "other_timeline",
        }
    }
}

/// An epoch past the last one.
#[derive(Debug, thiserror::Error)]
#[error("epoch {0} is past the last one, {max}", max = Token::EPOCH_MAX)]
struct EpochsUsedUp(i64);

/// A database without its row in `epochs`.
#[derive(Debug, thiserror::Error)]
#[error("the row is missing")]
struct RowMissing;

#[derive(Debug, FromQueryResult)]
pub(super) struct EpochRow {
    pub(super) epoch: i64,
    pub(super) token_floor: i64,
    system_identifier: Option<i64>,
    timeline: Option<i64>,
    incarnation: Option<String>,
}

#[derive(Debug, FromQueryResult)]
struct ClusterRow {
    system_identifier: i64,
    timeline: i64,
}

const CLUSTER: &str = "SELECT (SELECT system_identifier FROM pg_control_system()) AS system_identifier, \
     greatest((SELECT timeline_id FROM pg_control_checkpoint())::bigint, \
     ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint) AS timeline";

impl SeaUnitOfWork {
    /// The row of the epoch. `lock` is how it is held on to.
    pub(super) async fn epoch_row(&mut self, lock: &str) -> Result<EpochRow, StoreError> {
        let sql = format!("SELECT epoch, token_floor, system_identifier, timeline, incarnation FROM epochs{lock}");
        let statement = self.statement(sql, []);
        let row = self.row(statement, "epochs").await?;
        self.check(row.ok_or_else(|| corrupt("epochs", "epoch", "the database", RowMissing)))
    }

    /// Raises the epoch; false unless it is greater than the stored one.
    pub(super) async fn epoch_raise_for(&mut self, epoch: i64, cause: EpochCause) -> Result<bool, StoreError> {
        if epoch > Token::EPOCH_MAX {
            return Err(self.spoil(failed(EpochsUsedUp(epoch))));
        }
        if let Some(sidecar) = self.sidecar.clone() {
            let raised = sidecar.raise(epoch).await;
            self.check(raised)?;
        }
        let floor = Token::base_of_epoch(epoch);
        let now_us = to_us(self.now().await?);
        let statement = self.statement(
            "UPDATE epochs SET epoch = $1, token_floor = $2, cause = $3, raised_at_us = $4 WHERE epoch < $1",
            [epoch.into(), floor.into(), cause.as_str().into(), now_us.into()],
        );
        if self.run(statement, "epochs").await? == 0 {
            return Ok(false);
        }
        self.lift_counters(floor).await?;
        Ok(true)
    }

    async fn lift_counters(&mut self, floor: i64) -> Result<(), StoreError> {
        self.tables.clear();
        let statement = self.statement("UPDATE lock_tables SET last_token = $1 WHERE last_token < $1", [floor.into()]);
        self.run(statement, "lock_tables").await.map(|_| ())
    }
}

impl SeaStore {
    /// Raises the epoch if the database is not the one that was used last. Called at every start, after
    /// [`SeaStore::migrate`] and before anything else.
    pub async fn settle_epoch(&self) -> Result<Epoch, StoreError> {
        match (self.backend, &self.sidecar) {
            (DbBackend::Postgres, _) => self.settle_postgres().await,
            (_, Some(sidecar)) => self.settle_sqlite(sidecar).await,
            (_, None) => {
                let number = self.unit(Access::Read).await?.epoch_row("").await?.epoch;
                Ok(Epoch { number, raised: None })
            }
        }
    }

    async fn settle_postgres(&self) -> Result<Epoch, StoreError> {
        // In a unit of work of its own: where this is not permitted, the transaction is over.
        let cluster: Result<Option<ClusterRow>, StoreError> = {
            let mut unit = self.unit(Access::Read).await?;
            let statement = unit.statement(CLUSTER, []);
            unit.row(statement, "the control data of the cluster").await
        };
        let cluster = match cluster {
            Err(StoreError::Failed(error)) => {
                tracing::warn!(
                    %error,
                    "this database role may not ask which cluster it is on, so a restored database is not noticed: \
                     run `pointsman epoch bump` after every restore"
                );
                None
            }
            cluster => cluster?,
        };
        let mut unit = self.unit(Access::Write).await?;
        let lock = unit.for_update();
        let stored = unit.epoch_row(lock).await?;
        let Some(cluster) = cluster else { return Ok(Epoch { number: stored.epoch, raised: None }) };
        let differs = |stored: Option<i64>, now: i64| stored.is_some_and(|stored| stored != now);
        let cause = if differs(stored.system_identifier, cluster.system_identifier) {
            Some(EpochCause::OtherCluster)
        } else if differs(stored.timeline, cluster.timeline) {
            Some(EpochCause::OtherTimeline)
        } else {
            None
        };
        let mut number = stored.epoch;
        if let Some(cause) = cause {
            number += 1;
            unit.epoch_raise_for(number, cause).await?;
        }
        let statement = unit.statement(
            "UPDATE epochs SET system_identifier = $1, timeline = $2",
            [cluster.system_identifier.into(), cluster.timeline.into()],
        );
        unit.run(statement, "epochs").await?;
        unit.finish().await?;
        Ok(Epoch { number, raised: cause })
    }

    async fn settle_sqlite(&self, sidecar: &Arc<Sidecar>) -> Result<Epoch, StoreError> {
        let mut unit = self.unit(Access::Write).await?;
        let stored = unit.epoch_row("").await?;
        let card = sidecar.read().await?;
        let is_the_same = card.as_ref().map(|card| card.incarnation.as_str()) == stored.incarnation.as_deref();
        let card_epoch = card.as_ref().map_or(0, |card| card.epoch);
        let number = if is_the_same { stored.epoch } else { stored.epoch.max(card_epoch) + 1 };
        // A copy made since the last start names the same incarnation, so tokens also go past all that may be out.
        let floor = Token::base_of_epoch(number).max(card.map_or(0, |card| card.tokens_below)).max(stored.token_floor);
        let incarnation = RandomIds.random_name();
        let fresh = Card { epoch: number.max(card_epoch), incarnation: incarnation.clone(), tokens_below: floor };
        if number > Token::EPOCH_MAX {
            return Err(failed(EpochsUsedUp(number)));
        }
        sidecar.write(fresh).await?;
        if number > stored.epoch {
            unit.epoch_raise_for(number, EpochCause::OtherFile).await?;
        }
        unit.lift_counters(floor).await?;
        let statement =
            unit.statement("UPDATE epochs SET incarnation = $1, token_floor = $2", [incarnation.into(), floor.into()]);
        unit.run(statement, "epochs").await?;
        unit.finish().await?;
        Ok(Epoch { number, raised: (number > stored.epoch).then_some(EpochCause::OtherFile) })
    }
}
