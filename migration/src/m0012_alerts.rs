use crate::step::Step;

/// Alerts, and how far the facts of each project were looked through for them. `alert` is the whole truth, the columns
/// what is searched by. Of each key there is one alert that is not resolved.
pub(crate) const STEP: Step = Step {
    name: "m0012_alerts",
    postgres: r#"
CREATE TABLE alerts (
    project_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    dedup_key text COLLATE "C" NOT NULL,
    first_us bigint NOT NULL,
    due_us bigint,
    resolved_us bigint,
    severity bigint NOT NULL,
    stage text COLLATE "C" NOT NULL,
    alert text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, id)
);
CREATE UNIQUE INDEX alerts_standing ON alerts (project_id, dedup_key) WHERE resolved_us IS NULL;
CREATE INDEX alerts_due ON alerts (due_us) WHERE due_us IS NOT NULL;
CREATE INDEX alerts_resolved ON alerts (resolved_us) WHERE resolved_us IS NOT NULL;
CREATE INDEX alerts_listed ON alerts (project_id, first_us, id);

CREATE TABLE alert_cursors (
    project_id text COLLATE "C" NOT NULL PRIMARY KEY,
    position text COLLATE "C" NOT NULL
) WITH (fillfactor = 50);
"#,
    sqlite: r"
CREATE TABLE alerts (
    project_id TEXT NOT NULL,
    id BLOB NOT NULL,
    dedup_key TEXT NOT NULL,
    first_us INTEGER NOT NULL,
    due_us INTEGER,
    resolved_us INTEGER,
    severity INTEGER NOT NULL,
    stage TEXT NOT NULL,
    alert TEXT NOT NULL,
    PRIMARY KEY (project_id, id)
) STRICT;
CREATE UNIQUE INDEX alerts_standing ON alerts (project_id, dedup_key) WHERE resolved_us IS NULL;
CREATE INDEX alerts_due ON alerts (due_us) WHERE due_us IS NOT NULL;
CREATE INDEX alerts_resolved ON alerts (resolved_us) WHERE resolved_us IS NOT NULL;
CREATE INDEX alerts_listed ON alerts (project_id, first_us, id);

CREATE TABLE alert_cursors (
    project_id TEXT NOT NULL PRIMARY KEY,
    position TEXT NOT NULL
) STRICT;
",
};
