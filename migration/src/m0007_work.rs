use crate::step::Step;

/// The work queue and its schedules.
///
/// What never changes about a task, with all that agents read, stands in `tasks` and is written once. What changes
/// stands in `task_states`, a narrow row: the columns are what is searched by, `state` is the whole truth. Of its indexes
/// those that a claim or the sweeper walks hold only what is ready or has an instant coming, so that finished tasks cost
/// them nothing. `due_us` is the instant from which there is something to do about a task. Payloads are text, since
/// `jsonb` has no `\u0000`.
///
/// Where an index holds all rows, it does not begin with the project as the key does: while a table is empty, PostgreSQL
/// would think both as good, and keep a plan that later reads the whole project.
pub(crate) const STEP: Step = Step {
    name: "m0007_work",
    postgres: r#"
CREATE TABLE tasks (
    project_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    submitted_at_us bigint NOT NULL,
    parent_id uuid,
    submitted_by text COLLATE "C" NOT NULL,
    terms text COLLATE "C" NOT NULL,
    title text COLLATE "C" NOT NULL,
    description text COLLATE "C",
    input text COLLATE "C",
    PRIMARY KEY (project_id, id)
);
CREATE INDEX tasks_parent ON tasks (project_id, parent_id, submitted_at_us, id) WHERE parent_id IS NOT NULL;

CREATE TABLE task_states (
    project_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    submitted_at_us bigint NOT NULL,
    ready_rank_us bigint,
    due_us bigint,
    since_us bigint,
    concurrency_limit bigint,
    status text COLLATE "C" NOT NULL,
    task_type text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    concurrency_key text COLLATE "C",
    agent_id text COLLATE "C",
    session_id text COLLATE "C",
    state text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX task_states_ready ON task_states (project_id, ready_rank_us, id) WHERE ready_rank_us IS NOT NULL;
CREATE INDEX task_states_ready_type ON task_states (project_id, task_type, ready_rank_us, id)
    WHERE ready_rank_us IS NOT NULL;
CREATE INDEX task_states_due ON task_states (project_id, due_us, id) WHERE due_us IS NOT NULL;
CREATE INDEX task_states_session ON task_states (project_id, session_id, id) WHERE session_id IS NOT NULL;
CREATE INDEX task_states_running ON task_states (project_id, concurrency_key, since_us)
    WHERE session_id IS NOT NULL AND concurrency_key IS NOT NULL;
CREATE INDEX task_states_listed ON task_states (status, project_id, submitted_at_us, task_type);

CREATE TABLE task_dependencies (
    project_id text COLLATE "C" NOT NULL,
    task_id uuid NOT NULL,
    depends_on uuid NOT NULL,
    PRIMARY KEY (project_id, task_id, depends_on)
);
CREATE INDEX task_dependencies_other_way ON task_dependencies (depends_on, project_id);

CREATE TABLE task_attempts (
    project_id text COLLATE "C" NOT NULL,
    token bigint NOT NULL,
    task_id uuid NOT NULL,
    number bigint NOT NULL,
    how text COLLATE "C" NOT NULL,
    attempt text COLLATE "C" NOT NULL,
    result text COLLATE "C",
    PRIMARY KEY (project_id, token)
);
CREATE INDEX task_attempts_task ON task_attempts (task_id, project_id, number);

CREATE TABLE schedules (
    project_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    due_us bigint,
    schedule text COLLATE "C" NOT NULL,
    input text COLLATE "C",
    PRIMARY KEY (project_id, id)
);
CREATE UNIQUE INDEX schedules_name ON schedules (project_id, name);
CREATE INDEX schedules_due ON schedules (due_us) WHERE due_us IS NOT NULL;
"#,
    sqlite: r"
CREATE TABLE tasks (
    project_id TEXT NOT NULL,
    id BLOB NOT NULL,
    submitted_at_us INTEGER NOT NULL,
    parent_id BLOB,
    submitted_by TEXT NOT NULL,
    terms TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT,
    input TEXT,
    PRIMARY KEY (project_id, id)
) STRICT;
CREATE INDEX tasks_parent ON tasks (project_id, parent_id, submitted_at_us, id) WHERE parent_id IS NOT NULL;

CREATE TABLE task_states (
    project_id TEXT NOT NULL,
    id BLOB NOT NULL,
    submitted_at_us INTEGER NOT NULL,
    ready_rank_us INTEGER,
    due_us INTEGER,
    since_us INTEGER,
    concurrency_limit INTEGER,
    status TEXT NOT NULL,
    task_type TEXT NOT NULL,
    labels TEXT NOT NULL,
    concurrency_key TEXT,
    agent_id TEXT,
    session_id TEXT,
    state TEXT NOT NULL,
    PRIMARY KEY (project_id, id)
) STRICT;
CREATE INDEX task_states_ready ON task_states (project_id, ready_rank_us, id) WHERE ready_rank_us IS NOT NULL;
CREATE INDEX task_states_ready_type ON task_states (project_id, task_type, ready_rank_us, id)
    WHERE ready_rank_us IS NOT NULL;
CREATE INDEX task_states_due ON task_states (project_id, due_us, id) WHERE due_us IS NOT NULL;
CREATE INDEX task_states_session ON task_states (project_id, session_id, id) WHERE session_id IS NOT NULL;
CREATE INDEX task_states_running ON task_states (project_id, concurrency_key, since_us)
    WHERE session_id IS NOT NULL AND concurrency_key IS NOT NULL;
CREATE INDEX task_states_listed ON task_states (status, project_id, submitted_at_us, task_type);

CREATE TABLE task_dependencies (
    project_id TEXT NOT NULL,
    task_id BLOB NOT NULL,
    depends_on BLOB NOT NULL,
    PRIMARY KEY (project_id, task_id, depends_on)
) STRICT;
CREATE INDEX task_dependencies_other_way ON task_dependencies (depends_on, project_id);

CREATE TABLE task_attempts (
    project_id TEXT NOT NULL,
    token INTEGER NOT NULL,
    task_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    how TEXT NOT NULL,
    attempt TEXT NOT NULL,
    result TEXT,
    PRIMARY KEY (project_id, token)
) STRICT;
CREATE INDEX task_attempts_task ON task_attempts (task_id, project_id, number);

CREATE TABLE schedules (
    project_id TEXT NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    due_us INTEGER,
    schedule TEXT NOT NULL,
    input TEXT,
    PRIMARY KEY (project_id, id)
) STRICT;
CREATE UNIQUE INDEX schedules_name ON schedules (project_id, name);
CREATE INDEX schedules_due ON schedules (due_us) WHERE due_us IS NOT NULL;
",
};
