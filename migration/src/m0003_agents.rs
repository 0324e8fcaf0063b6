use crate::step::Step;

/// Sessions. An agent has at most one live default session in a project.
pub(crate) const STEP: Step = Step {
    name: "m0003_agents",
    postgres: r#"
CREATE TABLE sessions (
    project_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    is_default boolean NOT NULL,
    started_at_us bigint NOT NULL,
    ended_at_us bigint,
    PRIMARY KEY (project_id, id)
);
CREATE UNIQUE INDEX sessions_default ON sessions (project_id, agent_id) WHERE is_default AND ended_at_us IS NULL;
"#,
    sqlite: r"
CREATE TABLE sessions (
    project_id TEXT NOT NULL,
    id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    is_default INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    started_at_us INTEGER NOT NULL,
    ended_at_us INTEGER,
    PRIMARY KEY (project_id, id)
) STRICT;
CREATE UNIQUE INDEX sessions_default ON sessions (project_id, agent_id) WHERE is_default = 1 AND ended_at_us IS NULL;
",
};
