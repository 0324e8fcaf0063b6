use crate::step::Step;

/// Memories, what is counted of them, and what agents found of them.
///
/// The keys lead with the realm instead of the project: a realm says who may read, and what is shared between all projects
/// belongs to none. `project_id` says where a memory was written.
///
/// `terms` are its words for scoring, `tags` its tags between commas, `fingerprint` what its twins have too. The full-text
/// index holds the tokens of both words and tags, which are hashes. All of these are null once it is redacted, and what it
/// said is deleted. `ended_at_us` and `worth` follow from other columns. `number` is what indexes know a row by.
///
/// Candidates are read by the thousand, so what they say lies apart, and the rows are short. On PostgreSQL the tokens are
/// moved out of the row before the words for scoring are, if there are too many of them. No column that changes with a
/// verdict or a pin is in an index, and pages have room for a changed row, so that such a change touches no index.
///
/// `memory_terms` has in how many memories of a realm a word occurs, `memory_streams` the last place of a row that was
/// ever taken. Rows are named there by hashes, since both outlive what they came from.
pub(crate) const STEP: Step = Step {
    name: "m0013_memory",
    postgres: r#"
CREATE TABLE memories (
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    realm text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    session_id text COLLATE "C",
    event_type text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    importance bigint NOT NULL,
    pinned boolean NOT NULL,
    seen bigint NOT NULL,
    happened_at_us bigint NOT NULL,
    created_at_us bigint NOT NULL,
    updated_at_us bigint NOT NULL,
    valid_from_us bigint NOT NULL,
    valid_until_us bigint,
    ended_at_us bigint,
    supersedes uuid,
    superseded_by uuid,
    superseded_at_us bigint,
    redacted_by text COLLATE "C",
    redacted_at_us bigint,
    redacted_reason text COLLATE "C",
    helpful bigint NOT NULL,
    wrong bigint NOT NULL,
    stale bigint NOT NULL,
    worth bigint NOT NULL,
    revision bigint NOT NULL,
    fingerprint bytea,
    length bigint NOT NULL,
    terms bytea,
    tags text COLLATE "C",
    tokens bigint[],
    PRIMARY KEY (realm, id)
) WITH (fillfactor = 85);
ALTER TABLE memories ALTER terms SET STORAGE MAIN, ALTER tokens SET STORAGE EXTERNAL;
CREATE INDEX memories_happened ON memories (realm, happened_at_us, id);
CREATE UNIQUE INDEX memories_place ON memories (realm, stream, position);
CREATE INDEX memories_fingerprint ON memories (fingerprint, realm, happened_at_us) WHERE fingerprint IS NOT NULL;
CREATE INDEX memories_old ON memories (happened_at_us);
CREATE INDEX memories_tokens ON memories USING gin (array_to_tsvector(tokens::text[])) WITH (fastupdate = off);

CREATE TABLE memory_contents (
    realm text COLLATE "C" NOT NULL,
    memory_id uuid NOT NULL,
    content text COLLATE "C" NOT NULL,
    PRIMARY KEY (realm, memory_id)
);

CREATE TABLE memory_realms (
    realm text COLLATE "C" NOT NULL PRIMARY KEY,
    memories bigint NOT NULL,
    length bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE memory_streams (
    realm text COLLATE "C" NOT NULL,
    stream_hash bigint NOT NULL,
    last_position bigint NOT NULL,
    PRIMARY KEY (realm, stream_hash)
) WITH (fillfactor = 70);

CREATE TABLE memory_terms (
    realm text COLLATE "C" NOT NULL,
    term bigint NOT NULL,
    memories bigint NOT NULL,
    PRIMARY KEY (realm, term)
) WITH (fillfactor = 70);

CREATE TABLE memory_verdicts (
    realm text COLLATE "C" NOT NULL,
    memory_id uuid NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    verdict text COLLATE "C" NOT NULL,
    at_us bigint NOT NULL,
    PRIMARY KEY (realm, memory_id, agent_id)
);
"#,
    sqlite: r"
CREATE TABLE memories (
    number INTEGER PRIMARY KEY,
    realm TEXT NOT NULL,
    id BLOB NOT NULL,
    project_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    session_id TEXT,
    event_type TEXT NOT NULL,
    stream TEXT NOT NULL,
    position INTEGER NOT NULL,
    importance INTEGER NOT NULL,
    pinned INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    happened_at_us INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    updated_at_us INTEGER NOT NULL,
    valid_from_us INTEGER NOT NULL,
    valid_until_us INTEGER,
    ended_at_us INTEGER,
    supersedes BLOB,
    superseded_by BLOB,
    superseded_at_us INTEGER,
    redacted_by TEXT,
    redacted_at_us INTEGER,
    redacted_reason TEXT,
    helpful INTEGER NOT NULL,
    wrong INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    worth INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    fingerprint BLOB,
    length INTEGER NOT NULL,
    terms BLOB,
    tags TEXT
) STRICT;
CREATE UNIQUE INDEX memories_id ON memories (realm, id);
CREATE INDEX memories_happened ON memories (realm, happened_at_us, id);
CREATE UNIQUE INDEX memories_place ON memories (realm, stream, position);
CREATE INDEX memories_fingerprint ON memories (fingerprint, realm, happened_at_us) WHERE fingerprint IS NOT NULL;
CREATE INDEX memories_old ON memories (happened_at_us);
CREATE VIRTUAL TABLE memory_tokens USING fts5(tokens, content='', contentless_delete=1, detail='none', tokenize='ascii');

CREATE TABLE memory_contents (
    realm TEXT NOT NULL,
    memory_id BLOB NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX memory_contents_id ON memory_contents (realm, memory_id);

CREATE TABLE memory_realms (
    realm TEXT NOT NULL PRIMARY KEY,
    memories INTEGER NOT NULL,
    length INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE memory_streams (
    realm TEXT NOT NULL,
    stream_hash INTEGER NOT NULL,
    last_position INTEGER NOT NULL,
    PRIMARY KEY (realm, stream_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE memory_terms (
    realm TEXT NOT NULL,
    term INTEGER NOT NULL,
    memories INTEGER NOT NULL,
    PRIMARY KEY (realm, term)
) STRICT, WITHOUT ROWID;

CREATE TABLE memory_verdicts (
    realm TEXT NOT NULL,
    memory_id BLOB NOT NULL,
    agent_id TEXT NOT NULL,
    verdict TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (realm, memory_id, agent_id)
) STRICT, WITHOUT ROWID;
",
};
