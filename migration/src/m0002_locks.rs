use crate::step::Step;

/// Lock tables, leases, past leases, the line, and the epoch of the tokens.
///
/// Nothing is indexed by `expires_at_us`, so that a renewal touches no index. The row in `lock_tables` is what a
/// decision on a project's locks holds on to; its version tells other servers that those who wait should look again. Past
/// leases are pruned by age. Their index grows at its end alone, which is cheap; a block range index would be cheaper, but
/// widens as pruned pages are used again, until it finds everything.
pub(crate) const STEP: Step = Step {
    name: "m0002_locks",
    postgres: r#"
CREATE TABLE epochs (
    is_only boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (is_only),
    epoch bigint NOT NULL,
    token_floor bigint NOT NULL,
    cause text NOT NULL,
    raised_at_us bigint NOT NULL,
    system_identifier bigint,
    timeline bigint,
    incarnation text
);
INSERT INTO epochs (epoch, token_floor, cause, raised_at_us)
VALUES (0, 0, 'created', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);

CREATE TABLE lock_tables (
    project_id text COLLATE "C" NOT NULL PRIMARY KEY,
    last_token bigint NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    revision bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
INSERT INTO lock_tables (project_id, last_token) SELECT project_id, 0 FROM projects;

CREATE TABLE leases (
    project_id text COLLATE "C" NOT NULL,
    token bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    mode text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    granted_at_us bigint NOT NULL,
    expires_at_us bigint NOT NULL,
    reason text COLLATE "C",
    PRIMARY KEY (project_id, token)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE UNIQUE INDEX leases_key ON leases (project_id, key, session_id);
CREATE INDEX leases_session ON leases (project_id, session_id);

CREATE TABLE lease_history (
    project_id text COLLATE "C" NOT NULL,
    token bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    mode text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    granted_at_us bigint NOT NULL,
    expires_at_us bigint NOT NULL,
    reason text COLLATE "C",
    ended_at_us bigint NOT NULL,
    ending text COLLATE "C" NOT NULL,
    forced_by text COLLATE "C",
    forced_reason text COLLATE "C",
    PRIMARY KEY (project_id, token)
);
CREATE INDEX lease_history_key ON lease_history (project_id, key, token);
CREATE INDEX lease_history_ended ON lease_history (ended_at_us);

CREATE TABLE waiters (
    project_id text COLLATE "C" NOT NULL,
    place bigint NOT NULL,
    ticket uuid NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    wants text COLLATE "C" NOT NULL,
    reason text COLLATE "C",
    joined_at_us bigint NOT NULL,
    kept_until_us bigint NOT NULL,
    PRIMARY KEY (project_id, place)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE UNIQUE INDEX waiters_ticket ON waiters (project_id, ticket);
"#,
    sqlite: r"
CREATE TABLE epochs (
    is_only INTEGER NOT NULL DEFAULT 1 PRIMARY KEY CHECK (is_only = 1),
    epoch INTEGER NOT NULL,
    token_floor INTEGER NOT NULL,
    cause TEXT NOT NULL,
    raised_at_us INTEGER NOT NULL,
    system_identifier INTEGER,
    timeline INTEGER,
    incarnation TEXT
) STRICT;
INSERT INTO epochs (epoch, token_floor, cause, raised_at_us)
VALUES (0, 0, 'created', CAST(unixepoch('subsec') * 1000000 AS INTEGER));

CREATE TABLE lock_tables (
    project_id TEXT NOT NULL PRIMARY KEY,
    last_token INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO lock_tables (project_id, last_token) SELECT project_id, 0 FROM projects;

CREATE TABLE leases (
    project_id TEXT NOT NULL,
    token INTEGER NOT NULL,
    key TEXT NOT NULL,
    mode TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    granted_at_us INTEGER NOT NULL,
    expires_at_us INTEGER NOT NULL,
    reason TEXT,
    PRIMARY KEY (project_id, token)
) STRICT;
CREATE UNIQUE INDEX leases_key ON leases (project_id, key, session_id);
CREATE INDEX leases_session ON leases (project_id, session_id);

CREATE TABLE lease_history (
    project_id TEXT NOT NULL,
    token INTEGER NOT NULL,
    key TEXT NOT NULL,
    mode TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    granted_at_us INTEGER NOT NULL,
    expires_at_us INTEGER NOT NULL,
    reason TEXT,
    ended_at_us INTEGER NOT NULL,
    ending TEXT NOT NULL,
    forced_by TEXT,
    forced_reason TEXT,
    PRIMARY KEY (project_id, token)
) STRICT;
CREATE INDEX lease_history_key ON lease_history (project_id, key, token);
CREATE INDEX lease_history_ended ON lease_history (ended_at_us);

CREATE TABLE waiters (
    project_id TEXT NOT NULL,
    place INTEGER NOT NULL,
    ticket BLOB NOT NULL,
    agent_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    wants TEXT NOT NULL,
    reason TEXT,
    joined_at_us INTEGER NOT NULL,
    kept_until_us INTEGER NOT NULL,
    PRIMARY KEY (project_id, place)
) STRICT;
CREATE UNIQUE INDEX waiters_ticket ON waiters (project_id, ticket);
",
};
