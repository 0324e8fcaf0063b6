use crate::step::Step;

/// Webhooks and their deliveries. `webhook` and `delivery` are the whole truth, the columns what is searched by; `due_us` is there while a delivery is the first of its subject and not
/// over, so that the relay walks over nothing that has to wait.
pub(crate) const STEP: Step = Step {
    name: "m0011_webhooks",
    postgres: r#"
CREATE TABLE webhooks (
    project_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    state text COLLATE "C" NOT NULL,
    webhook text COLLATE "C" NOT NULL,
    secrets text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, id)
) WITH (fillfactor = 70);
CREATE INDEX webhooks_active ON webhooks (project_id, id) WHERE state = 'active';

CREATE TABLE webhook_deliveries (
    project_id text COLLATE "C" NOT NULL,
    webhook_id uuid NOT NULL,
    number bigint NOT NULL,
    fact_id uuid NOT NULL,
    due_us bigint,
    finished_us bigint,
    stage text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    delivery text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, webhook_id, number)
);
CREATE UNIQUE INDEX webhook_deliveries_fact ON webhook_deliveries (project_id, webhook_id, fact_id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (project_id, webhook_id, due_us) WHERE due_us IS NOT NULL;
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (project_id, webhook_id, number)
    WHERE finished_us IS NULL;
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_us) WHERE finished_us IS NOT NULL;
"#,
    sqlite: r"
CREATE TABLE webhooks (
    project_id TEXT NOT NULL,
    id BLOB NOT NULL,
    state TEXT NOT NULL,
    webhook TEXT NOT NULL,
    secrets TEXT NOT NULL,
    PRIMARY KEY (project_id, id)
) STRICT;
CREATE INDEX webhooks_active ON webhooks (project_id, id) WHERE state = 'active';

CREATE TABLE webhook_deliveries (
    project_id TEXT NOT NULL,
    webhook_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    fact_id BLOB NOT NULL,
    due_us INTEGER,
    finished_us INTEGER,
    stage TEXT NOT NULL,
    subject TEXT NOT NULL,
    delivery TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project_id, webhook_id, number)
) STRICT;
CREATE UNIQUE INDEX webhook_deliveries_fact ON webhook_deliveries (project_id, webhook_id, fact_id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (project_id, webhook_id, due_us) WHERE due_us IS NOT NULL;
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (project_id, webhook_id, number)
    WHERE finished_us IS NULL;
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_us) WHERE finished_us IS NOT NULL;
",
};
