use crate::step::Step;

/// Messages, and what became of them.
///
/// What never changes of a message stands in `messages`, a narrow row whose `message` is the whole truth, and what agents
/// read of it in `message_bodies`, which also has the words it is searched by. What changes stands in `deliveries`. Of its
/// indexes those that a receive or the sweeper walks hold only what is open: `due_us` is the instant at which time alone
/// ends it. `audience_key` is there of broadcasts alone.
///
/// The words come from the application, so both databases find the same. On SQLite the index of words knows a message by
/// `seq`, since a row number may change.
pub(crate) const STEP: Step = Step {
    name: "m0009_messages",
    postgres: r#"
CREATE TABLE mail_heads (
    project_id text COLLATE "C" NOT NULL PRIMARY KEY,
    last_number bigint NOT NULL
);

CREATE TABLE messages (
    project_id text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    id uuid NOT NULL,
    at_us bigint NOT NULL,
    expires_at_us bigint,
    priority bigint NOT NULL,
    thread_id uuid NOT NULL,
    sender text COLLATE "C",
    message_type text COLLATE "C" NOT NULL,
    correlation_id text COLLATE "C",
    audience_key text COLLATE "C",
    message text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, number)
);
CREATE UNIQUE INDEX messages_id ON messages (project_id, id);
CREATE INDEX messages_thread ON messages (project_id, thread_id, number);
CREATE INDEX messages_sender ON messages (project_id, sender, number) WHERE sender IS NOT NULL;
CREATE INDEX messages_correlation ON messages (project_id, correlation_id, number) WHERE correlation_id IS NOT NULL;
CREATE INDEX messages_broadcast ON messages (project_id, audience_key, number) WHERE audience_key IS NOT NULL;
CREATE INDEX messages_oldest ON messages (at_us);

CREATE TABLE message_bodies (
    project_id text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    subject text COLLATE "C" NOT NULL,
    body text COLLATE "C",
    data text COLLATE "C",
    links text COLLATE "C" NOT NULL,
    words tsvector NOT NULL,
    PRIMARY KEY (project_id, number)
);
CREATE INDEX message_bodies_words ON message_bodies USING gin (words);

CREATE TABLE deliveries (
    project_id text COLLATE "C" NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    message_id uuid NOT NULL,
    sent_at_us bigint NOT NULL,
    priority bigint NOT NULL,
    is_counted boolean NOT NULL,
    needs_ack boolean NOT NULL,
    ack_deadline_us bigint,
    expires_at_us bigint,
    attempts bigint NOT NULL,
    read_at_us bigint,
    acknowledged_at_us bigint,
    free_at_us bigint,
    due_us bigint,
    ended_at_us bigint,
    answered_by uuid,
    sender text COLLATE "C",
    session_id text COLLATE "C",
    status text COLLATE "C" NOT NULL,
    cause text COLLATE "C",
    PRIMARY KEY (project_id, recipient, number)
) WITH (fillfactor = 80);
CREATE INDEX deliveries_open ON deliveries (project_id, recipient, number) WHERE ended_at_us IS NULL;
CREATE INDEX deliveries_due ON deliveries (project_id, due_us, number) WHERE due_us IS NOT NULL;
CREATE INDEX deliveries_message ON deliveries (project_id, number, recipient);

CREATE TABLE mailboxes (
    project_id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    looked_to bigint NOT NULL,
    PRIMARY KEY (project_id, agent_id)
);

CREATE TABLE conversations (
    project_id text COLLATE "C" NOT NULL,
    first_agent text COLLATE "C" NOT NULL,
    second_agent text COLLATE "C" NOT NULL,
    stale_at_us bigint NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, first_agent, second_agent)
);
CREATE INDEX conversations_stale ON conversations (stale_at_us);

CREATE TABLE group_members (
    project_id text COLLATE "C" NOT NULL,
    group_name text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    after_number bigint NOT NULL,
    joined_at_us bigint NOT NULL,
    added_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, group_name, agent_id)
);
CREATE INDEX group_members_agent ON group_members (project_id, agent_id, group_name);
"#,
    sqlite: r"
CREATE TABLE mail_heads (
    project_id TEXT NOT NULL PRIMARY KEY,
    last_number INTEGER NOT NULL
) STRICT;

CREATE TABLE messages (
    project_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    id BLOB NOT NULL,
    at_us INTEGER NOT NULL,
    expires_at_us INTEGER,
    priority INTEGER NOT NULL,
    thread_id BLOB NOT NULL,
    sender TEXT,
    message_type TEXT NOT NULL,
    correlation_id TEXT,
    audience_key TEXT,
    message TEXT NOT NULL,
    PRIMARY KEY (project_id, number)
) STRICT;
CREATE UNIQUE INDEX messages_id ON messages (project_id, id);
CREATE INDEX messages_thread ON messages (project_id, thread_id, number);
CREATE INDEX messages_sender ON messages (project_id, sender, number) WHERE sender IS NOT NULL;
CREATE INDEX messages_correlation ON messages (project_id, correlation_id, number) WHERE correlation_id IS NOT NULL;
CREATE INDEX messages_broadcast ON messages (project_id, audience_key, number) WHERE audience_key IS NOT NULL;
CREATE INDEX messages_oldest ON messages (at_us);

CREATE TABLE message_bodies (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    subject TEXT NOT NULL,
    body TEXT,
    data TEXT,
    links TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX message_bodies_number ON message_bodies (project_id, number);
CREATE VIRTUAL TABLE message_words USING fts5(words, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 0');

CREATE TABLE deliveries (
    project_id TEXT NOT NULL,
    recipient TEXT NOT NULL,
    number INTEGER NOT NULL,
    message_id BLOB NOT NULL,
    sent_at_us INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    is_counted INTEGER NOT NULL,
    needs_ack INTEGER NOT NULL,
    ack_deadline_us INTEGER,
    expires_at_us INTEGER,
    attempts INTEGER NOT NULL,
    read_at_us INTEGER,
    acknowledged_at_us INTEGER,
    free_at_us INTEGER,
    due_us INTEGER,
    ended_at_us INTEGER,
    answered_by BLOB,
    sender TEXT,
    session_id TEXT,
    status TEXT NOT NULL,
    cause TEXT,
    PRIMARY KEY (project_id, recipient, number)
) STRICT;
CREATE INDEX deliveries_open ON deliveries (project_id, recipient, number) WHERE ended_at_us IS NULL;
CREATE INDEX deliveries_due ON deliveries (project_id, due_us, number) WHERE due_us IS NOT NULL;
CREATE INDEX deliveries_message ON deliveries (project_id, number, recipient);

CREATE TABLE mailboxes (
    project_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    looked_to INTEGER NOT NULL,
    PRIMARY KEY (project_id, agent_id)
) STRICT;

CREATE TABLE conversations (
    project_id TEXT NOT NULL,
    first_agent TEXT NOT NULL,
    second_agent TEXT NOT NULL,
    stale_at_us INTEGER NOT NULL,
    conversation TEXT NOT NULL,
    PRIMARY KEY (project_id, first_agent, second_agent)
) STRICT;
CREATE INDEX conversations_stale ON conversations (stale_at_us);

CREATE TABLE group_members (
    project_id TEXT NOT NULL,
    group_name TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    after_number INTEGER NOT NULL,
    joined_at_us INTEGER NOT NULL,
    added_by TEXT NOT NULL,
    PRIMARY KEY (project_id, group_name, agent_id)
) STRICT;
CREATE INDEX group_members_agent ON group_members (project_id, agent_id, group_name);
",
};
