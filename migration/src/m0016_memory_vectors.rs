use crate::step::Step;

/// Vectors of memories, and which memories wait for one.
///
/// There is a row in `memory_vectors_due` for each memory that has words: `words_revision` is the revision that brought
/// them, `space` names the model and dimension of its vector, or that there can be none of that model, and is empty while
/// it has none. It waits from `due_us` on, since `since_us`. Vectors lie apart, a signed byte for each number, so that all
/// of a realm are read in one go and are not touched when a server takes one in hand.
///
/// On PostgreSQL `vector` is kept within the row, since it cannot be compressed.
pub(crate) const STEP: Step = Step {
    name: "m0016_memory_vectors",
    postgres: r#"
CREATE TABLE memory_vectors_due (
    realm text COLLATE "C" NOT NULL,
    memory_id uuid NOT NULL,
    words_revision bigint NOT NULL,
    space text COLLATE "C" NOT NULL,
    due_us bigint NOT NULL,
    since_us bigint NOT NULL,
    PRIMARY KEY (realm, memory_id)
) WITH (fillfactor = 70);
CREATE INDEX memory_vectors_due_next ON memory_vectors_due (space, due_us, since_us);

CREATE TABLE memory_vectors (
    realm text COLLATE "C" NOT NULL,
    memory_id uuid NOT NULL,
    space text COLLATE "C" NOT NULL,
    vector bytea NOT NULL,
    PRIMARY KEY (realm, memory_id)
);
ALTER TABLE memory_vectors ALTER vector SET STORAGE PLAIN;

CREATE TABLE memory_vector_space (
    number bigint NOT NULL PRIMARY KEY,
    space text COLLATE "C" NOT NULL,
    set_us bigint NOT NULL
);

INSERT INTO memory_vectors_due (realm, memory_id, words_revision, space, due_us, since_us)
SELECT realm, id, revision, '', updated_at_us, updated_at_us FROM memories WHERE redacted_at_us IS NULL;
"#,
    sqlite: r"
CREATE TABLE memory_vectors_due (
    realm TEXT NOT NULL,
    memory_id BLOB NOT NULL,
    words_revision INTEGER NOT NULL,
    space TEXT NOT NULL,
    due_us INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    PRIMARY KEY (realm, memory_id)
) STRICT;
CREATE INDEX memory_vectors_due_next ON memory_vectors_due (space, due_us, since_us);

CREATE TABLE memory_vectors (
    realm TEXT NOT NULL,
    memory_id BLOB NOT NULL,
    space TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (realm, memory_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE memory_vector_space (
    number INTEGER PRIMARY KEY,
    space TEXT NOT NULL,
    set_us INTEGER NOT NULL
) STRICT;

INSERT INTO memory_vectors_due (realm, memory_id, words_revision, space, due_us, since_us)
SELECT realm, id, revision, '', updated_at_us, updated_at_us FROM memories WHERE redacted_at_us IS NULL;
",
};
