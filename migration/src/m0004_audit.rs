use crate::step::Step;

/// The audit log. The database itself refuses to change a line, or to remove one that is not older than the instant in
/// `audit_retention`; and that instant only moves forward, and never to less than a day ago.
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
    before text COLLATE "C",
    after text COLLATE "C",
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


CREATE TABLE audit_retention (
    is_only boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (is_only),
    before_us bigint NOT NULL
);
INSERT INTO audit_retention (before_us) VALUES (0);

CREATE FUNCTION audit_entries_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever appended to: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_entries_keep BEFORE UPDATE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse();

-- The table is named with its schema, so that a temporary one of that name is not asked instead.
CREATE FUNCTION audit_entries_keep_young() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    cut bigint;
BEGIN
    EXECUTE format('SELECT before_us FROM %I.audit_retention', TG_TABLE_SCHEMA) INTO cut;
    IF OLD.at_us < cut THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is only ever appended to: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_entries_keep_young BEFORE DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entries_keep_young();

CREATE FUNCTION audit_retention_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.before_us >= OLD.before_us
            AND NEW.before_us <= (extract(epoch FROM clock_timestamp() - interval '1 day') * 1000000)::bigint THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit log is kept for a day at least, and its cut only moves forward: % refused', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_retention_forward BEFORE UPDATE ON audit_retention
    FOR EACH ROW EXECUTE FUNCTION audit_retention_keep();
CREATE TRIGGER audit_retention_keep BEFORE INSERT OR DELETE OR TRUNCATE ON audit_retention
    FOR EACH STATEMENT EXECUTE FUNCTION audit_retention_keep();
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

CREATE TABLE audit_retention (
    is_only INTEGER NOT NULL DEFAULT 1 PRIMARY KEY CHECK (is_only = 1),
    before_us INTEGER NOT NULL
) STRICT;
INSERT INTO audit_retention (before_us) VALUES (0);

CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever appended to: UPDATE refused');
END;
CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries
WHEN OLD.at_us >= coalesce((SELECT before_us FROM audit_retention), 0)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever appended to: DELETE refused');
END;

CREATE TRIGGER audit_retention_forward BEFORE UPDATE ON audit_retention
WHEN NEW.before_us < OLD.before_us OR NEW.before_us > CAST((unixepoch('subsec') - 86400) * 1000000 AS INTEGER)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is kept for a day at least, and its cut only moves forward: UPDATE refused');
END;
CREATE TRIGGER audit_retention_no_insert BEFORE INSERT ON audit_retention
BEGIN
    SELECT RAISE(ABORT, 'the audit log is kept for a day at least, and its cut only moves forward: INSERT refused');
END;
CREATE TRIGGER audit_retention_no_delete BEFORE DELETE ON audit_retention
BEGIN
    SELECT RAISE(ABORT, 'the audit log is kept for a day at least, and its cut only moves forward: DELETE refused');
END;
",
};
