use crate::step::Step;

/// Handoffs, the files they are about, and who has declined which.
///
/// `handoff` is the whole truth but for the lists, which stand in `content` and never change; the columns are what is
/// searched by. `due_us` is the end of an offer that nobody took yet, `over_us` since when nothing can become of a handoff
/// any more: one of the two is there. `words` is all that is written, in small letters.
pub(crate) const STEP: Step = Step {
    name: "m0010_handoffs",
    postgres: r#"
CREATE TABLE handoffs (
    project_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    written_at_us bigint NOT NULL,
    due_us bigint,
    over_us bigint,
    revision bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    from_agent text COLLATE "C" NOT NULL,
    from_session text COLLATE "C",
    offer_kind text COLLATE "C" NOT NULL,
    offer_name text COLLATE "C",
    taken_by text COLLATE "C",
    handoff text COLLATE "C" NOT NULL,
    content text COLLATE "C" NOT NULL,
    words text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, id),
    CHECK ((due_us IS NULL) <> (over_us IS NULL))
);
CREATE INDEX handoffs_listed ON handoffs (written_at_us, project_id, id);
CREATE INDEX handoffs_from ON handoffs (from_agent, project_id, written_at_us);
CREATE INDEX handoffs_due ON handoffs (due_us) WHERE due_us IS NOT NULL;
CREATE INDEX handoffs_offered ON handoffs (project_id, offer_kind, offer_name, written_at_us) WHERE due_us IS NOT NULL;
CREATE INDEX handoffs_over ON handoffs (over_us) WHERE over_us IS NOT NULL;

CREATE TABLE handoff_files (
    project_id text COLLATE "C" NOT NULL,
    handoff_id uuid NOT NULL,
    path text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, handoff_id, path)
);
CREATE INDEX handoff_files_path ON handoff_files (path, project_id, handoff_id);

CREATE TABLE handoff_declines (
    project_id text COLLATE "C" NOT NULL,
    handoff_id uuid NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    declined_at_us bigint NOT NULL,
    PRIMARY KEY (project_id, handoff_id, agent_id)
);
"#,
    sqlite: r"
CREATE TABLE handoffs (
    project_id TEXT NOT NULL,
    id BLOB NOT NULL,
    written_at_us INTEGER NOT NULL,
    due_us INTEGER,
    over_us INTEGER,
    revision INTEGER NOT NULL,
    status TEXT NOT NULL,
    from_agent TEXT NOT NULL,
    from_session TEXT,
    offer_kind TEXT NOT NULL,
    offer_name TEXT,
    taken_by TEXT,
    handoff TEXT NOT NULL,
    content TEXT NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (project_id, id),
    CHECK ((due_us IS NULL) <> (over_us IS NULL))
) STRICT;
CREATE INDEX handoffs_listed ON handoffs (written_at_us, project_id, id);
CREATE INDEX handoffs_from ON handoffs (from_agent, project_id, written_at_us);
CREATE INDEX handoffs_due ON handoffs (due_us) WHERE due_us IS NOT NULL;
CREATE INDEX handoffs_offered ON handoffs (project_id, offer_kind, offer_name, written_at_us) WHERE due_us IS NOT NULL;
CREATE INDEX handoffs_over ON handoffs (over_us) WHERE over_us IS NOT NULL;

CREATE TABLE handoff_files (
    project_id TEXT NOT NULL,
    handoff_id BLOB NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (project_id, handoff_id, path)
) STRICT;
CREATE INDEX handoff_files_path ON handoff_files (path, project_id, handoff_id);

CREATE TABLE handoff_declines (
    project_id TEXT NOT NULL,
    handoff_id BLOB NOT NULL,
    agent_id TEXT NOT NULL,
    declined_at_us INTEGER NOT NULL,
    PRIMARY KEY (project_id, handoff_id, agent_id)
) STRICT;
",
};
