use crate::step::Step;

/// Projects and API keys. A key of all projects stands under the project `*`, which cannot be the name of one.
pub(crate) const STEP: Step = Step {
    name: "m0001_identity",
    postgres: r#"
CREATE TABLE projects (
    project_id text COLLATE "C" NOT NULL PRIMARY KEY,
    created_at_us bigint NOT NULL,
    archived_at_us bigint
);
INSERT INTO projects (project_id, created_at_us)
VALUES ('default', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);

CREATE TABLE api_keys (
    project_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C",
    agent_type text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    secret_hash bytea NOT NULL,
    created_at_us bigint NOT NULL,
    expires_at_us bigint,
    last_used_at_us bigint,
    rotated_at_us bigint,
    revoked_at_us bigint,
    PRIMARY KEY (project_id, id)
);
CREATE UNIQUE INDEX api_keys_id ON api_keys (id);
"#,
    sqlite: r"
CREATE TABLE projects (
    project_id TEXT NOT NULL PRIMARY KEY,
    created_at_us INTEGER NOT NULL,
    archived_at_us INTEGER
) STRICT;
INSERT INTO projects (project_id, created_at_us)
VALUES ('default', CAST(unixepoch('subsec') * 1000000 AS INTEGER));

CREATE TABLE api_keys (
    project_id TEXT NOT NULL,
    id TEXT NOT NULL,
    agent_id TEXT,
    agent_type TEXT NOT NULL,
    role TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    created_at_us INTEGER NOT NULL,
    expires_at_us INTEGER,
    last_used_at_us INTEGER,
    rotated_at_us INTEGER,
    revoked_at_us INTEGER,
    PRIMARY KEY (project_id, id)
) STRICT;
CREATE UNIQUE INDEX api_keys_id ON api_keys (id);
",
};
