//! Where the two databases search for words in their own ways. What a word is says the domain.

use crate::sea::dialect::Dialect;
use domain::messages::listing::SearchWords;
use sea_orm::DbBackend;

impl Dialect {
    /// Stores contents: rows of `$1` with the fields of [`super::save::BODY_COLUMNS`]. On SQLite the words are for
    /// [`Self::insert_words`].
    pub(super) fn insert_bodies(self, records: &str) -> String {
        let (column, value) = match self.0 {
            DbBackend::Postgres => (", words", ", array_to_tsvector(string_to_array(words, ' '))"),
            _ => ("", ""),
        };
        format!(
            "INSERT INTO message_bodies (project_id, number, subject, body, data, links{column}) \
             SELECT project_id, number, subject, body, data, links{value} FROM {records} WHERE true"
        )
    }

    /// Stores the words of contents that were stored just now, where they have a table of their own.
    pub(super) fn insert_words(self, records: &str) -> Option<String> {
        let sql = format!(
            "INSERT INTO message_words (rowid, words) SELECT b.seq, r.words FROM {records} \
             CROSS JOIN message_bodies AS b ON b.project_id = r.project_id AND b.number = r.number"
        );
        (self.0 != DbBackend::Postgres).then_some(sql)
    }

    /// Deletes the words of the messages of project `$1` with the numbers of `$2`, where they have a table of their own.
    pub(super) fn delete_words(self, any: &str) -> Option<String> {
        let sql = format!(
            "DELETE FROM message_words WHERE rowid IN \
             (SELECT seq FROM message_bodies WHERE project_id = $1 AND number {any})"
        );
        (self.0 != DbBackend::Postgres).then_some(sql)
    }

    /// The condition that a row `b` of `message_bodies` has the words of an argument made by [`Self::search`].
    pub(super) fn has_words(self, argument: &str) -> String {
        if self.0 == DbBackend::Postgres {
            format!("b.words @@ {argument}::tsquery")
        } else {
            format!("b.seq IN (SELECT rowid FROM message_words WHERE message_words MATCH {argument})")
        }
    }

    /// Words to search for. They have nothing but letters and digits, so that quotation marks keep them whole.
    pub(super) fn search(self, words: &SearchWords) -> String {
        let (quote, and) = if self.0 == DbBackend::Postgres { ('\'', " & ") } else { ('"', " AND ") };
        words.iter().map(|word| format!("{quote}{word}{quote}")).collect::<Vec<_>>().join(and)
    }
}
