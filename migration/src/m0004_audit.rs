use crate::step::Step;

/// The audit log. The database itself refuses to change or remove a line.
pub(crate) const STEP: Step = Step {
    name: "m0004_audit",
    postgres: r#"
CREATE TABLE audit_entries (
    project_id text COLLATE "C" NOT NULL,
    at_us bigint NOT NULL,
    id uuid NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    session_id text COLLATE "C",
    key_id text COLLATE "C" NOT NULL,
    operation text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    before jsonb,
    after jsonb,
    outcome text COLLATE "C" NOT NULL,
    repeats bigint NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    trace_id text COLLATE "C",
    duration_us bigint NOT NULL,
    PRIMARY KEY (project_id, at_us, id)
);
CREATE INDEX audit_entries_agent ON audit_entries (project_id, agent_id, at_us, id);
CREATE INDEX audit_entries_target ON audit_entries (project_id, target, at_us, id);
CREATE INDEX audit_entries_operation ON audit_entries (project_id, operation, at_us, id);

CREATE FUNCTION audit_entries_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever appended to: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_entries_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse();
"#,
    sqlite: r"
CREATE TABLE audit_entries (
    project_id TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    id BLOB NOT NULL,
    agent_id TEXT NOT NULL,
    session_id TEXT,
    key_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    target TEXT NOT NULL,
    before TEXT,
    after TEXT,
    outcome TEXT NOT NULL,
    repeats INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    trace_id TEXT,
    duration_us INTEGER NOT NULL,
    PRIMARY KEY (project_id, at_us, id)
) STRICT;
CREATE INDEX audit_entries_agent ON audit_entries (project_id, agent_id, at_us, id);
CREATE INDEX audit_entries_target ON audit_entries (project_id, target, at_us, id);
CREATE INDEX audit_entries_operation ON audit_entries (project_id, operation, at_us, id);

CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever appended to: UPDATE refused');
END;
CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever appended to: DELETE refused');
END;
",
};
