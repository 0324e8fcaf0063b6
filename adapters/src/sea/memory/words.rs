//! Where the two databases index and find words in their own ways.
//!
//! All that is ever searched for are hashes, so that no query has a syntax but ours.

use super::query::Query;
use super::rows::{CANDIDATE_FIELDS, number};
use crate::sea::dialect::{Column, Dialect, Kind};
use domain::memory::candidate::Wanted;
use domain::memory::filter::MemoryFilter;
use domain::memory::terms::TermHash;
use sea_orm::{DbBackend, Value};
use std::collections::BTreeSet;

impl Dialect {
    fn has_table_of_tokens(self) -> bool {
        self.0 != DbBackend::Postgres
    }

    /// What a column of memories takes from a row `r`; `None` if it is not in the table.
    fn taken(self, (column, kind): Column) -> Option<(&'static str, String)> {
        let value = match (self.has_table_of_tokens(), column, kind) {
            (true, "tokens", _) => return None,
            (false, "tokens", _) => "r.tokens::bigint[]".to_owned(),
            (false, _, Kind::Bytes) => format!("decode(r.{column}, 'hex')"),
            _ => format!("r.{column}"),
        };
        Some((column, value))
    }

    /// Adds memories: rows `r` with these columns.
    pub(super) fn insert_memories(self, columns: &[Column]) -> String {
        let (names, values): (Vec<&str>, Vec<String>) = columns.iter().filter_map(|column| self.taken(*column)).unzip();
        let (names, values) = (names.join(", "), values.join(", "));
        format!("INSERT INTO memories ({names}) SELECT {values} FROM {} WHERE true", self.batch(columns))
    }

    /// Changes memories of realm `$2` to what rows `r` say, each that has the revision right before.
    pub(super) fn update_memories(self, columns: &[Column]) -> String {
        let set: Vec<String> = columns
            .iter()
            .filter(|(column, _)| *column != "id")
            .filter_map(|column| self.taken(*column))
            .map(|(column, value)| format!("{column} = {value}"))
            .collect();
        let (row, from) = self.found(columns, "found.revision = r.revision - 1");
        format!("UPDATE memories AS m SET {} FROM {from} WHERE m.{row} = found.{row}", set.join(", "))
    }

    /// Deletes memories of realm `$2` that rows `r` name.
    pub(super) fn delete_memories(self, columns: &[Column]) -> String {
        let (row, from) = self.found(columns, "found.revision = r.revision");
        if self.has_table_of_tokens() {
            format!("DELETE FROM memories WHERE {row} IN (SELECT found.{row} FROM {from})")
        } else {
            format!("DELETE FROM memories AS m USING {from} WHERE m.{row} = found.{row}")
        }
    }

    /// The memories of realm `$2` that rows `r` name, as `found`, and by what a row is known. They are looked up one by one,
    /// whatever plan was made when there were few.
    fn found(self, columns: &[Column], condition: &str) -> (&'static str, String) {
        let row = if self.has_table_of_tokens() { "number" } else { "ctid" };
        let condition = format!("found.realm = $2 AND found.id = r.id AND {condition}");
        (row, self.beside(&self.batch(columns), "memories", &format!("found.{row}"), &condition))
    }

    /// Adds the tokens of rows `r` to the memories of realm `$2`, where they have a table of their own.
    pub(super) fn insert_tokens(self, columns: &[Column]) -> Option<String> {
        let sql = format!(
            "INSERT INTO memory_tokens (rowid, tokens) SELECT found.number, r.tokens FROM {} \
             CROSS JOIN memories AS found ON found.realm = $2 AND found.id = r.id",
            self.batch(columns)
        );
        self.has_table_of_tokens().then_some(sql)
    }

    /// Takes away the tokens of the memories of realm `$1` with the ids of `$2`, where they have a table of their own.
    pub(super) fn delete_tokens(self) -> Option<String> {
        let sql = format!(
            "DELETE FROM memory_tokens WHERE rowid IN (SELECT number FROM memories WHERE realm = $1 AND id {})",
            self.any("$2", Kind::Uuid)
        );
        self.has_table_of_tokens().then_some(sql)
    }

    /// What has to be said before [`Self::candidates`].
    ///
    /// An inverted index of PostgreSQL is read by bitmap scans alone, which are switched off elsewhere.
    pub(super) fn before_candidates(self) -> Option<&'static str> {
        (!self.has_table_of_tokens()).then_some("SET LOCAL enable_bitmapscan = on")
    }

    /// The memories of a realm that a filter shows and that have wanted tokens.
    pub(super) fn candidates(self, filter: &MemoryFilter, wanted: &Wanted) -> (String, Vec<Value>) {
        let tags_all: Vec<TermHash> =
            filter.tags_all.iter().map(|tag| TermHash::of_tag(&wanted.realm, tag.as_str())).collect();
        let tags_any: Vec<TermHash> =
            filter.tags_any.iter().map(|tag| TermHash::of_tag(&wanted.realm, tag.as_str())).collect();
        let any_of: Vec<String> = wanted.any_of.iter().map(|terms| self.all(terms)).collect();
        let mut parts = vec![self.any_of(&any_of)];
        parts.extend((!tags_all.is_empty()).then(|| self.all(&tags_all)));
        let any_tag: Vec<String> = tags_any.iter().map(|tag| self.all(&[*tag])).collect();
        parts.extend((!any_tag.is_empty()).then(|| self.any_of(&any_tag)));
        let first: [Value; 2] = [parts.join(self.and()).into(), wanted.realm.key().into()];
        // So PostgreSQL cannot come upon going through the realm instead.
        let in_realm = if self.has_table_of_tokens() { "s.realm = $2" } else { "s.realm || '' = $2" };
        let mut query = Query::filtered(self, in_realm, first, filter);
        let limit = query.add(i64::from(wanted.rows_max));
        let conditions = query.conditions;
        let sql = if self.has_table_of_tokens() {
            format!(
                "SELECT {CANDIDATE_FIELDS} FROM memory_tokens CROSS JOIN memories AS s ON s.number = memory_tokens.rowid \
                 WHERE memory_tokens MATCH $1 AND {conditions} ORDER BY memory_tokens.rowid DESC LIMIT {limit}"
            )
        } else {
            format!(
                "SELECT {CANDIDATE_FIELDS} FROM memories AS s \
                 WHERE array_to_tsvector(s.tokens::text[]) @@ $1::tsquery AND {conditions} LIMIT {limit}"
            )
        };
        (sql, query.values)
    }

    /// What stands behind FROM: the memories in realm `$2` between two places of each row `r`, as far as they fit.
    pub(super) fn between_places(self, records: &str, fields: &str, conditions: &str) -> String {
        let between = "s.stream = r.stream AND s.position BETWEEN r.first_position AND r.last_position";
        if self.has_table_of_tokens() {
            format!("{records} CROSS JOIN memories AS s ON {conditions} AND {between}")
        } else {
            format!(
                "{records} CROSS JOIN LATERAL \
                 (SELECT {fields} FROM memories AS s WHERE {conditions} AND {between} OFFSET 0) AS s"
            )
        }
    }

    fn and(self) -> &'static str {
        if self.has_table_of_tokens() { " AND " } else { " & " }
    }

    fn all(self, terms: &[TermHash]) -> String {
        let terms: BTreeSet<TermHash> = terms.iter().copied().collect();
        let tokens: Vec<String> = terms.into_iter().map(|term| self.token(term)).collect();
        format!("({})", tokens.join(self.and()))
    }

    /// A term as the index knows it.
    fn token(self, term: TermHash) -> String {
        if self.has_table_of_tokens() { term.token() } else { format!("'{}'", number(term)) }
    }

    fn any_of(self, parts: &[String]) -> String {
        let or = if self.has_table_of_tokens() { " OR " } else { " | " };
        format!("({})", parts.join(or))
    }
}
