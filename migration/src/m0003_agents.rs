use crate::step::Step;

/// Sessions. An agent has at most one default session in a project whose end is not written down.
///
/// `offers` is JSON, for it is read and written as a whole. Nothing is indexed by what a sign of life changes, so that it touches no index.
/// SQLite takes the index of open sessions only if it finds the condition in it as a column too.
pub(crate) const STEP: Step = Step {
    name: "m0003_agents",
    postgres: r#"
CREATE TABLE sessions (
    project_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    is_default boolean NOT NULL,
    ttl_seconds bigint NOT NULL,
    offers text NOT NULL,
    started_at_us bigint NOT NULL,
    last_seen_at_us bigint NOT NULL,
    live_until_us bigint NOT NULL,
    ended_at_us bigint,
    PRIMARY KEY (project_id, id)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX sessions_default ON sessions (project_id, agent_id) WHERE is_default AND ended_at_us IS NULL;
CREATE INDEX sessions_open ON sessions (project_id, id) WHERE ended_at_us IS NULL;
CREATE INDEX sessions_agent ON sessions (project_id, agent_id, id);
"#,
    sqlite: r"
CREATE TABLE sessions (
    project_id TEXT NOT NULL,
    id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    is_default INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    ttl_seconds INTEGER NOT NULL,
    offers TEXT NOT NULL,
    started_at_us INTEGER NOT NULL,
    last_seen_at_us INTEGER NOT NULL,
    live_until_us INTEGER NOT NULL,
    ended_at_us INTEGER,
    PRIMARY KEY (project_id, id)
) STRICT;
CREATE UNIQUE INDEX sessions_default ON sessions (project_id, agent_id) WHERE is_default = 1 AND ended_at_us IS NULL;
CREATE INDEX sessions_open ON sessions (project_id, ended_at_us, id) WHERE ended_at_us IS NULL;
CREATE INDEX sessions_agent ON sessions (project_id, agent_id, id);
",
};
