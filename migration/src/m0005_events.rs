use crate::step::Step;

/// The log of facts. PostgreSQL notes the transaction of each, because numbers are not drawn in commit order; SQLite
/// has one writer, so there they are. Old facts are the first of each project, so pruning them needs no index; how far
/// that went is kept, so that whoever comes back late is told of the gap.
pub(crate) const STEP: Step = Step {
    name: "m0005_events",
    postgres: r#"
CREATE TABLE facts (
    project_id text COLLATE "C" NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    id uuid NOT NULL,
    at_us bigint NOT NULL,
    agent_id text COLLATE "C" NOT NULL DEFAULT 'pointsman',
    kind text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, xid, seq)
);
CREATE TABLE facts_forgotten (
    project_id text COLLATE "C" NOT NULL PRIMARY KEY,
    commit_number bigint NOT NULL,
    number bigint NOT NULL
);
"#,
    sqlite: r"
CREATE TABLE facts (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project_id TEXT NOT NULL,
    id BLOB NOT NULL,
    at_us INTEGER NOT NULL,
    agent_id TEXT NOT NULL DEFAULT 'pointsman',
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX facts_project ON facts (project_id, seq);
CREATE TABLE facts_forgotten (
    project_id TEXT NOT NULL PRIMARY KEY,
    commit_number INTEGER NOT NULL,
    number INTEGER NOT NULL
) STRICT;
",
};
