use crate::step::Step;

/// The answers given to requests that carried an idempotency key. They are text, since `jsonb` has no `\u0000`, and what
/// agents hand in may.
pub(crate) const STEP: Step = Step {
    name: "m0006_idempotency",
    postgres: r#"
CREATE TABLE idempotency_records (
    project_id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    answer text COLLATE "C" NOT NULL,
    created_at_us bigint NOT NULL,
    PRIMARY KEY (project_id, agent_id, key)
);
CREATE INDEX idempotency_records_created ON idempotency_records (created_at_us);
"#,
    sqlite: r"
CREATE TABLE idempotency_records (
    project_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer TEXT NOT NULL,
    created_at_us INTEGER NOT NULL,
    PRIMARY KEY (project_id, agent_id, key)
) STRICT;
CREATE INDEX idempotency_records_created ON idempotency_records (created_at_us);
",
};
