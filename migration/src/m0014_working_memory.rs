use crate::step::Step;

/// What sessions keep in their heads: one row for each that keeps something, and one for each entry.
///
/// No session writes after its end, so what is to be deleted is found by when it was written last.
pub(crate) const STEP: Step = Step {
    name: "m0014_working_memory",
    postgres: r#"
CREATE TABLE working_memories (
    project_id text COLLATE "C" NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    budget_tokens bigint NOT NULL,
    revision bigint NOT NULL,
    written_at_us bigint NOT NULL,
    PRIMARY KEY (project_id, session_id)
) WITH (fillfactor = 70);
CREATE INDEX working_memories_written ON working_memories (written_at_us);

CREATE TABLE working_entries (
    project_id text COLLATE "C" NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    entry_key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    tokens bigint NOT NULL,
    pinned boolean NOT NULL,
    written_at_us bigint NOT NULL,
    expires_at_us bigint,
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, session_id, entry_key)
);
CREATE INDEX working_entries_expire ON working_entries (expires_at_us) WHERE expires_at_us IS NOT NULL;
"#,
    sqlite: r"
CREATE TABLE working_memories (
    project_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    budget_tokens INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    written_at_us INTEGER NOT NULL,
    PRIMARY KEY (project_id, session_id)
) STRICT;
CREATE INDEX working_memories_written ON working_memories (written_at_us);

CREATE TABLE working_entries (
    project_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    entry_key TEXT NOT NULL,
    version INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    pinned INTEGER NOT NULL CHECK (pinned IN (0, 1)),
    written_at_us INTEGER NOT NULL,
    expires_at_us INTEGER,
    value TEXT NOT NULL,
    PRIMARY KEY (project_id, session_id, entry_key)
) STRICT;
CREATE INDEX working_entries_expire ON working_entries (expires_at_us) WHERE expires_at_us IS NOT NULL;
",
};
