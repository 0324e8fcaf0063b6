use crate::step::Step;

/// The records of agents. What their status is judged by stands with the sessions, which get two more indexes: who of an
/// agent's is there, and who was there last. Neither holds what a sign of life changes.
///
/// `capabilities` is one text with a blank around each name, so that one is found by looking for it with its blanks.
/// `metadata` and `wake` are JSON, kept as text, for they are read and written as a whole.
pub(crate) const STEP: Step = Step {
    name: "m0008_agents_registry",
    postgres: r#"
CREATE TABLE agents (
    project_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    display_name text COLLATE "C",
    agent_type text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    environment text COLLATE "C" NOT NULL,
    tag text COLLATE "C",
    capabilities text COLLATE "C" NOT NULL,
    profile text COLLATE "C",
    owner_id text COLLATE "C",
    metadata text COLLATE "C" NOT NULL,
    wake text COLLATE "C" NOT NULL,
    registered_at_us bigint NOT NULL,
    updated_at_us bigint NOT NULL,
    deregistered_at_us bigint,
    PRIMARY KEY (project_id, id)
);
CREATE INDEX sessions_agent_open ON sessions (project_id, agent_id, id) WHERE ended_at_us IS NULL;
CREATE INDEX sessions_agent_ended ON sessions (project_id, agent_id, ended_at_us) WHERE ended_at_us IS NOT NULL;
"#,
    sqlite: r"
CREATE TABLE agents (
    project_id TEXT NOT NULL,
    id TEXT NOT NULL,
    display_name TEXT,
    agent_type TEXT NOT NULL,
    role TEXT NOT NULL,
    environment TEXT NOT NULL,
    tag TEXT,
    capabilities TEXT NOT NULL,
    profile TEXT,
    owner_id TEXT,
    metadata TEXT NOT NULL,
    wake TEXT NOT NULL,
    registered_at_us INTEGER NOT NULL,
    updated_at_us INTEGER NOT NULL,
    deregistered_at_us INTEGER,
    PRIMARY KEY (project_id, id)
) STRICT;
CREATE INDEX sessions_agent_open ON sessions (project_id, agent_id, ended_at_us, id) WHERE ended_at_us IS NULL;
CREATE INDEX sessions_agent_ended ON sessions (project_id, agent_id, ended_at_us) WHERE ended_at_us IS NOT NULL;
",
};
