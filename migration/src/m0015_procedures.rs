use crate::step::Step;

/// Procedures, their versions, the words they are found by, and what was reported of them.
///
/// `procedure` is the whole truth but for what the versions say. `term` is a hash of a word, see the analysis of texts.
pub(crate) const STEP: Step = Step {
    name: "m0015_procedures",
    postgres: r#"
CREATE TABLE procedures (
    project_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    procedure text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, name)
) WITH (fillfactor = 70);

CREATE TABLE procedure_versions (
    project_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    written_by text COLLATE "C" NOT NULL,
    written_at_us bigint NOT NULL,
    successes bigint NOT NULL,
    failures bigint NOT NULL,
    content text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, name, version)
);

CREATE TABLE procedure_terms (
    project_id text COLLATE "C" NOT NULL,
    term bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    times bigint NOT NULL,
    PRIMARY KEY (project_id, term, name)
);
CREATE INDEX procedure_terms_name ON procedure_terms (project_id, name);

CREATE TABLE procedure_outcomes (
    project_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    about text COLLATE "C" NOT NULL,
    at_us bigint NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, name, agent_id, about)
);
CREATE INDEX procedure_outcomes_latest ON procedure_outcomes (project_id, name, at_us);
CREATE INDEX procedure_outcomes_old ON procedure_outcomes (at_us);
"#,
    sqlite: r"
CREATE TABLE procedures (
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    procedure TEXT NOT NULL,
    PRIMARY KEY (project_id, name)
) STRICT;

CREATE TABLE procedure_versions (
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    written_by TEXT NOT NULL,
    written_at_us INTEGER NOT NULL,
    successes INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (project_id, name, version)
) STRICT;

CREATE TABLE procedure_terms (
    project_id TEXT NOT NULL,
    term INTEGER NOT NULL,
    name TEXT NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (project_id, term, name)
) STRICT;
CREATE INDEX procedure_terms_name ON procedure_terms (project_id, name);

CREATE TABLE procedure_outcomes (
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    about TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (project_id, name, agent_id, about)
) STRICT;
CREATE INDEX procedure_outcomes_latest ON procedure_outcomes (project_id, name, at_us);
CREATE INDEX procedure_outcomes_old ON procedure_outcomes (at_us);
",
};
