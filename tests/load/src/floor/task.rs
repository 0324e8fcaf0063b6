//! The floor of work: the rows that a submit, a claim and a complete leave behind, each in one commit.
//!
//! A claim picks the first ready task that nobody else is about to take, as a raw queue would; beyond that nothing is
//! decided: no sessions, requirements, resources, limits or dependencies.

pub(crate) mod bulk;
pub(super) mod postgres;
pub(super) mod sqlite;

use uuid::Uuid;

pub(crate) const TERMS: &str = r#"{"task_type":"review","labels":[],"requires":{"capabilities":[],"environment":null,"trust_min":null,"agent_types":[],"not_submitter":false},"resources":null,"concurrency":null,"lease":900,"retry":{"max_attempts":3,"backoff_first_seconds":10,"backoff_cap_seconds":3600},"on_dependency_failure":"cancel","parent":null,"submitted_by":"load-agent-0","submitted_at":"$AT"}"#;
pub(crate) const TITLE: &str = "review crates/parser/src/file_17.rs";
pub(crate) const INPUT: &str = r#"{"file":"crates/parser/src/file_17.rs"}"#;
pub(crate) const RESULT: &str = r#"{"verdict":"fine"}"#;
pub(crate) const READY: &str =
    r#"{"priority":5,"rank":$RANK,"attempts_made":0,"attempts_allowed":3,"state":{"status":"ready","since":"$AT"}}"#;
pub(crate) const LEASED: &str = r#"{"priority":5,"rank":$RANK,"attempts_made":1,"attempts_allowed":3,"state":{"status":"leased","holder":{"agent":"load-agent-0","session":"load-session-0"},"attempt":1,"token":$TOKEN,"since":"$AT","length":900,"until":"$AT","locks":[],"progress":null,"note":null,"cancel":null}}"#;
pub(crate) const SUCCEEDED: &str =
    r#"{"priority":5,"rank":$RANK,"attempts_made":1,"attempts_allowed":3,"state":{"status":"succeeded","at":"$AT"}}"#;
pub(crate) const ATTEMPT: &str = r#"{"task":"$TASK","number":1,"token":$TOKEN,"holder":{"agent":"load-agent-0","session":"load-session-0"},"since":"$AT","ended_at":"$AT","end":{"how":"succeeded","result":null},"left":"succeeded","next_at":null}"#;

const AUDITED_TERMS: &str = r#"{"concurrency":null,"labels":[],"lease":900,"on_dependency_failure":"cancel","parent":null,"requires":{"agent_types":[],"capabilities":[],"environment":null,"not_submitter":false,"trust_min":null},"resources":null,"retry":{"backoff_cap_seconds":3600,"backoff_first_seconds":10,"max_attempts":3},"submitted_at":"$AT","submitted_by":"load-agent-0","task_type":"review"}"#;
const AUDITED_READY: &str =
    r#""attempts_allowed":3,"attempts_made":0,"not_before":null,"priority":5,"since":"$AT","status":"ready""#;
const AUDITED_LEASED: &str = r#""attempt":1,"attempts_allowed":3,"attempts_made":1,"cancel":null,"holder":{"agent":"load-agent-0","session":"load-session-0"},"length":900,"locks":[],"not_before":null,"note":null,"priority":5,"progress":null,"since":"$AT","status":"leased","token":$TOKEN,"until":"$AT""#;
const AUDITED_ENDED: &str = r#""at":"$AT","attempt":{"end":{"how":"succeeded"},"ended_at":"$AT","holder":{"agent":"load-agent-0","session":"load-session-0"},"number":1,"since":"$AT","token":$TOKEN},"attempts_allowed":3,"attempts_made":1,"not_before":null,"priority":5,"status":"succeeded""#;
const OF_TASK: &str = r#","id":"$TASK","type":"review""#;
const LEASED_STATE: &str = r#"{"attempt":1,"cancel":null,"holder":{"agent":"load-agent-0","session":"load-session-0"},"length":900,"locks":[],"note":null,"progress":null,"since":"$AT","status":"leased","token":$TOKEN,"until":"$AT"}"#;
const READY_STATE: &str = r#"{"since":"$AT","status":"ready"}"#;
const ENDED_ATTEMPT: &str = r#"{"already":false,"attempt":{"end":{"how":"succeeded","result":{"verdict":"fine"}},"ended_at":"$AT","holder":{"agent":"load-agent-0","session":"load-session-0"},"left":"succeeded","next_at":null,"number":1,"since":"$AT","task":"$TASK","token":$TOKEN}}"#;

const AT: &str = "2026-01-01T00:00:00.000001Z";
const RANK: &str = "1767225600000001";

/// One connection's tasks: every so manieth of those of a run.
struct Rows {
    first: i64,
    connections: i64,
    connection: i64,
    turn: i64,
    agent: String,
    session: String,
}

/// The values that each kind of operation has.
struct Row {
    number: i64,
    id: Uuid,
    task: String,
    state: String,
    entry_id: Uuid,
    before: Option<String>,
    after: String,
    request_id: String,
    fact_id: Uuid,
    fact: String,
    request_name: String,
    answer: String,
}

impl Rows {
    /// `first` is the number of the run's first task.
    fn new(connection: u32, connections: u32, first: i64) -> Self {
        Self {
            first,
            connections: i64::from(connections),
            connection: i64::from(connection),
            turn: 0,
            agent: format!("load-agent-{connection}"),
            session: format!("load-session-{connection}"),
        }
    }

    fn submit(&self) -> Row {
        let terms = AUDITED_TERMS;
        let after = format!(r#"{{{AUDITED_READY},"deadline":null,"terms":{terms}}}"#);
        let fact = format!(r#"{{{AUDITED_READY},"deadline":null,"terms":{terms}{OF_TASK}}}"#);
        let answer = format!(r#"{{"Ok":[{{"task":{}}}]}}"#, answered_task(0, READY_STATE));
        self.row("submit", [READY, &after, &fact, &answer], None)
    }

    fn claim(&self) -> Row {
        let after = format!("{{{AUDITED_LEASED}}}");
        let fact = format!("{{{AUDITED_LEASED}{OF_TASK}}}");
        let answer = format!(
            r#"{{"Ok":{{"claimed":{{"is_cut":false,"passed_over":{{"concurrency":0,"lacking":0,"resources":0,"withheld":0}},"tasks":[{{"locks":[],"task":{}}}]}},"horizon":null}}}}"#,
            answered_task(1, LEASED_STATE)
        );
        self.row("claim", [LEASED, &after, &fact, &answer], Some(&format!("{{{AUDITED_READY}}}")))
    }

    fn complete(&self) -> Row {
        let after = format!("{{{AUDITED_ENDED}}}");
        let fact = format!("{{{AUDITED_ENDED}{OF_TASK}}}");
        let answer = format!(r#"{{"Ok":{ENDED_ATTEMPT}}}"#);
        self.row("complete", [SUCCEEDED, &after, &fact, &answer], Some(&format!("{{{AUDITED_LEASED}}}")))
    }

    fn row(&self, operation: &str, texts: [&str; 4], before: Option<&str>) -> Row {
        let number = self.first + self.turn * self.connections + self.connection;
        let id = |of: u128| Uuid::from_u128((u128::from(number.unsigned_abs()) << 64) + of);
        let task = format!("tsk_{}", id(0).simple());
        let token = number.to_string();
        let tell = |text: &str| told(text, &task, &token);
        let [state, after, fact, answer] = texts.map(tell);
        Row {
            number,
            id: id(0),
            state,
            entry_id: id(1),
            before: before.map(tell),
            after,
            request_id: format!("req_{number:032x}"),
            fact_id: id(2),
            fact,
            request_name: format!("load-{number}-{operation}"),
            answer,
            task,
        }
    }
}

impl Row {
    fn attempt(&self) -> String {
        told(ATTEMPT, &self.task, &self.number.to_string())
    }
}

fn answered_task(attempts_made: u32, state: &str) -> String {
    format!(
        r#"{{"attempts_allowed":3,"attempts_made":{attempts_made},"deadline":null,"id":"$TASK","not_before":null,"priority":5,"rank":$RANK,"state":{state},"terms":{AUDITED_TERMS},"untold":false}}"#
    )
}

fn told(text: &str, task: &str, token: &str) -> String {
    text.replace("$AT", AT).replace("$RANK", RANK).replace("$TASK", task).replace("$TOKEN", token)
}

/// Binds what every kind of operation has, `$1` to `$13`.
macro_rules! bind_common {
    ($sql:expr, $rows:expr, $row:expr) => {
        sqlx::query($sql)
            .bind(&$rows.agent)
            .bind(&$rows.session)
            .bind(crate::floor::KEY_ID)
            .bind($row.state)
            .bind($row.entry_id)
            .bind($row.before)
            .bind($row.after)
            .bind($row.request_id)
            .bind($row.fact_id)
            .bind($row.fact)
            .bind($row.request_name)
            .bind(crate::floor::FINGERPRINT.as_slice())
            .bind($row.answer)
    };
}
use bind_common;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_tasks_of_a_run_share_a_name_or_an_id_and_together_they_leave_no_gap() {
        let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
        for connection in 0..16 {
            let mut rows = Rows::new(connection, 16, 1 << 32);
            for _ in 0..100 {
                for row in [rows.submit(), rows.claim(), rows.complete()] {
                    assert!(names.insert(row.request_name));
                    numbers.insert(row.number);
                    assert_eq!(row.task, format!("tsk_{:016x}0000000000000000", row.number));
                }
                rows.turn += 1;
            }
        }
        assert_eq!(names.len(), 4_800);
        assert!(numbers.into_iter().eq((1 << 32)..(1 << 32) + 1_600));
    }

    #[test]
    fn all_texts_are_json_with_every_place_filled_in() -> Result<(), serde_json::Error> {
        let rows = Rows::new(0, 1, 1);
        let mut texts = vec![rows.complete().attempt(), told(TERMS, "", "")];
        for row in [rows.submit(), rows.claim(), rows.complete()] {
            texts.extend([row.state, row.after, row.fact, row.answer]);
            texts.extend(row.before);
        }
        for text in texts {
            assert!(!text.contains('$'), "{text}");
            serde_json::from_str::<serde_json::Value>(&text)?;
        }
        Ok(())
    }
}
