//! The raw floor: what a database can do at best if each lock operation is one commit of its own.
//!
//! Acquire and release by turns, as the clients over HTTP do, each writing the rows that the server writes for it, into
//! tables made by the server's own migrations. It decides nothing and reads nothing: no project lock, no look at
//! conflicts, no session, and tokens from its own counting, so that connections wait for each other at the disk alone.

pub(crate) mod measure;
mod postgres;
mod sqlite;
pub(crate) mod task;

use uuid::Uuid;

const REASON: &str = "refactor the parser";
const KEY_ID: &str = "key_0195c2f7a1b27c3d9e4f5a6b7c8d9e0f";
const FILES_OF_A_CONNECTION: i64 = 100;

/// The values of one connection's operations.
struct Rows {
    connection: i64,
    turn: i64,
    holds: bool,
    agent: String,
    session: String,
}

/// The values of one operation.
struct Row {
    token: i64,
    key: String,
    entry_id: Uuid,
    fact_id: Uuid,
    request_id: String,
    request_name: String,
    lease: String,
    end: String,
    answer: String,
}

impl Rows {
    /// A connection whose rows are not those of an earlier run with a smaller `first_turn`.
    fn new(connection: u32, first_turn: i64) -> Self {
        Self {
            connection: i64::from(connection),
            turn: first_turn,
            holds: false,
            agent: format!("load-agent-{connection}"),
            session: format!("load-session-{connection}"),
        }
    }

    fn row(&self, operation: &str) -> Row {
        let Self { connection, turn, agent, session, .. } = self;
        let token = (turn << 12) + connection;
        let key = format!("crates/parser-{connection}/src/file_{}.rs", turn % FILES_OF_A_CONNECTION);
        let id = |of: u128| Uuid::from_u128((u128::from(token.unsigned_abs()) << 64) + of);
        let lease = format!(
            r#"{{"key":"{key}","mode":"exclusive","holder":{{"agent":"{agent}","session":"{session}"}},"token":{token},"granted_at":"2026-01-01T00:00:00.000001Z","expires_at":"2026-01-01T02:00:00.000001Z","reason":"{REASON}"}}"#
        );
        let holds = u128::from(self.holds);
        Row {
            token,
            entry_id: id(holds),
            fact_id: id(2 + holds),
            request_id: format!("req_{token:032x}"),
            request_name: format!("load-{connection}-{turn}-{operation}"),
            end: r#"{"how":"released","ended_at":"2026-01-01T00:00:01.000001Z"}"#.to_owned(),
            answer: format!(r#"{{"Ok":{{"leases":[{lease}],"now":"2026-01-01T00:00:00.000001Z"}}}}"#),
            key,
            lease,
        }
    }

    /// The operation was done.
    fn advance(&mut self) {
        if self.holds {
            self.turn += 1;
        }
        self.holds = !self.holds;
    }
}

/// The fingerprint of a request has this size.
const FINGERPRINT: [u8; 32] = [0x5a; 32];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_operations_share_a_name_an_id_or_while_held_a_key() {
        let (mut names, mut ids, mut tokens) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for connection in 0..16 {
            let mut rows = Rows::new(connection, 7);
            for _ in 0..100 {
                let acquired = rows.row("acquire");
                rows.advance();
                let released = rows.row("release");
                assert_eq!((acquired.token, &acquired.key), (released.token, &released.key));
                rows.advance();
                assert!(tokens.insert(acquired.token));
                for row in [acquired, released] {
                    assert!(names.insert(row.request_name));
                    assert!(ids.insert(row.entry_id) && ids.insert(row.fact_id));
                }
            }
        }
        assert_eq!((names.len(), ids.len(), tokens.len()), (3_200, 6_400, 1_600));
    }

    #[test]
    fn the_bodies_are_json() -> Result<(), serde_json::Error> {
        let row = Rows::new(1, 1).row("acquire");
        for body in [row.lease, row.end, row.answer] {
            serde_json::from_str::<serde_json::Value>(&body)?;
        }
        Ok(())
    }
}
