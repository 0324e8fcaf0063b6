//! Where the words of the two databases differ. Both read `$1`, so most statements are written once.
//!
//! Many values travel as one argument, so that the text of a statement does not depend on how many there are.

pub(super) mod batch;

use sea_orm::{DbBackend, Value};
use serde_json::json;
use std::fmt::Write;
use uuid::Uuid;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Bool,
    /// As 32 hexadecimal digits in a batch.
    Uuid,
    /// As hexadecimal digits in JSON.
    Bytes,
}

/// A column and what it holds.
pub(super) type Column = (&'static str, Kind);

/// The words of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect(pub(super) DbBackend);

impl Dialect {
    fn is_postgres(self) -> bool {
        self.0 == DbBackend::Postgres
    }

    /// The clock of the database in microseconds; zero where the process's is used.
    pub(super) fn clock(self) -> &'static str {
        if self.is_postgres() { crate::sea::clock::CLOCK_US } else { "0" }
    }

    /// Locks the rows found until commit. SQLite has one writer, who has locked everything.
    pub(super) fn for_update(self) -> &'static str {
        if self.is_postgres() { " FOR UPDATE" } else { "" }
    }

    /// Keeps the rows found as they are until commit, shared with others who do the same.
    pub(super) fn for_share(self) -> &'static str {
        if self.is_postgres() { " FOR SHARE" } else { "" }
    }

    /// The greater of two values.
    pub(super) fn greater(self, one: &str, other: &str) -> String {
        let function = if self.is_postgres() { "greatest" } else { "max" };
        format!("{function}({one}, {other})")
    }

    /// The lesser of two values.
    pub(super) fn lesser(self, one: &str, other: &str) -> String {
        let function = if self.is_postgres() { "least" } else { "min" };
        format!("{function}({one}, {other})")
    }

    /// The order of facts, as far as the database knows it.
    pub(super) fn newest_facts_first(self) -> &'static str {
        if self.is_postgres() { "xid DESC, seq DESC" } else { "seq DESC" }
    }

    /// Counts the tables of this name, as `n`.
    pub(super) fn count_tables(self, table: &str) -> String {
        if self.is_postgres() {
            format!("SELECT count(*) AS n FROM pg_catalog.pg_class WHERE oid = to_regclass('{table}')")
        } else {
            format!("SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name = '{table}'")
        }
    }

    /// Deletes at most `$2` rows of a table whose time is before `$1`, leaving alone those that somebody else is deleting.
    /// An index must lead with the time; the order keeps PostgreSQL from reading the whole table instead.
    pub(super) fn delete_some(self, table: &str, time: &str) -> String {
        if self.is_postgres() {
            format!(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(\
                 SELECT ctid FROM {table} WHERE {time} < $1 ORDER BY {time} LIMIT $2 FOR UPDATE SKIP LOCKED))"
            )
        } else {
            format!("DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {time} < $1 LIMIT $2)")
        }
    }

    /// As [`Self::delete_some`], of a table that is only ever appended to and has no index for it. Its oldest rows are
    /// those that were inserted first: on PostgreSQL the first of each project in the order of the primary key, which is
    /// the project and then `order`. The projects are found by hops through that index.
    pub(super) fn delete_oldest(self, table: &str, order: &str) -> String {
        if self.is_postgres() {
            format!(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(\
                 WITH RECURSIVE p (project_id) AS (SELECT min(project_id) FROM {table} UNION ALL \
                 SELECT (SELECT min(t.project_id) FROM {table} AS t WHERE t.project_id > p.project_id) FROM p \
                 WHERE p.project_id IS NOT NULL) \
                 SELECT old.ctid FROM p CROSS JOIN LATERAL (\
                 SELECT at_us FROM {table} AS t WHERE t.project_id = p.project_id ORDER BY {order} LIMIT 1) AS oldest \
                 CROSS JOIN LATERAL (SELECT ctid, at_us FROM {table} AS t \
                 WHERE t.project_id = p.project_id AND oldest.at_us < $1 ORDER BY {order} LIMIT $2) AS old \
                 WHERE old.at_us < $1 LIMIT $2))"
            )
        } else {
            format!(
                "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} \
                 WHERE rowid IN (SELECT rowid FROM {table} ORDER BY rowid LIMIT $2) AND at_us < $1)"
            )
        }
    }

    /// `= ANY` over an argument made by [`Self::texts`], [`Self::ints`] or [`Self::uuids`].
    pub(super) fn any(self, argument: &str, kind: Kind) -> String {
        match (self.is_postgres(), kind) {
            (true, _) => format!("= ANY({argument})"),
            (false, Kind::Uuid) => format!("IN (SELECT unhex(value) FROM json_each({argument}))"),
            (false, _) => format!("IN (SELECT value FROM json_each({argument}))"),
        }
    }

    /// Rows of one column `value` out of an argument made by [`Self::texts`], [`Self::ints`] or [`Self::uuids`], under
    /// the name `r`.
    pub(super) fn elements(self, argument: &str, kind: Kind) -> String {
        match (self.is_postgres(), kind) {
            (true, _) => format!("unnest({argument}) AS r(value)"),
            (false, Kind::Uuid) => format!("(SELECT unhex(value) AS value FROM json_each({argument})) AS r"),
            (false, _) => format!("json_each({argument}) AS r"),
        }
    }

    /// The function that finds a text within another: where it begins, from 1, or 0.
    pub(super) fn position(self) -> &'static str {
        if self.is_postgres() { "strpos" } else { "instr" }
    }

    /// Several texts as one argument.
    pub(super) fn texts(self, texts: &[String]) -> Value {
        if self.is_postgres() { texts.to_vec().into() } else { json!(texts).to_string().into() }
    }

    /// Several integers as one argument.
    pub(super) fn ints(self, ints: &[i64]) -> Value {
        if self.is_postgres() { ints.to_vec().into() } else { json!(ints).to_string().into() }
    }

    /// Several UUIDs as one argument.
    pub(super) fn uuids(self, ids: &[Uuid]) -> Value {
        if self.is_postgres() {
            ids.to_vec().into()
        } else {
            let digits: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
            json!(digits).to_string().into()
        }
    }

    /// Rows out of an argument that is a JSON array of objects, under the name `r`.
    pub(super) fn records(self, argument: &str, columns: &[Column]) -> String {
        let mut sql = String::new();
        for (at, (column, kind)) in columns.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = match (self.is_postgres(), kind) {
                (true, Kind::Uuid) => write!(sql, "{comma}{column} uuid"),
                (true, Kind::Int) => write!(sql, "{comma}{column} bigint"),
                (true, Kind::Bool) => write!(sql, "{comma}{column} boolean"),
                (true, _) => write!(sql, "{comma}{column} text"),
                (false, Kind::Uuid | Kind::Bytes) => write!(sql, "{comma}unhex(value->>'{column}') AS {column}"),
                (false, _) => write!(sql, "{comma}value->>'{column}' AS {column}"),
            };
        }
        if self.is_postgres() {
            format!("json_to_recordset({argument}::json) AS r({sql})")
        } else {
            format!("(SELECT {sql} FROM json_each({argument})) AS r")
        }
    }

    /// Looks up the one row of a table that each row of `records` stands for.
    ///
    /// PostgreSQL keeps the plan that was good for an empty table, so there it is told to ask the index once for each: a
    /// join would go on reading the whole table.
    pub(super) fn look_up(self, table: &str, fields: &str, records: &str, condition: &str) -> String {
        if self.is_postgres() {
            format!(
                "SELECT {fields} FROM {records} \
                 CROSS JOIN LATERAL (SELECT {fields} FROM {table} WHERE {condition} LIMIT 1) AS found"
            )
        } else {
            format!("SELECT {fields} FROM {records} JOIN {table} ON {condition}")
        }
    }

    /// What stands behind FROM: for each row `r` of `records` all rows of a table that fit, under the name `found`, which
    /// are asked for one by one for the reason above. The condition names the columns of both by these names.
    pub(super) fn beside(self, records: &str, table: &str, fields: &str, condition: &str) -> String {
        if self.is_postgres() {
            // With an OFFSET, the planner leaves the query in the parentheses as it is.
            format!(
                "{records} CROSS JOIN LATERAL (SELECT {fields} FROM {table} AS found WHERE {condition} OFFSET 0) AS found"
            )
        } else {
            format!("{records} CROSS JOIN {table} AS found ON {condition}")
        }
    }

    /// What stands behind FROM: for each row `r` of `records` the first rows of a table, under the name `s`, as `order`
    /// has it with its LIMIT. The condition names the columns of both by these names.
    pub(super) fn first_of_each(
        self,
        records: &str,
        table: &str,
        fields: &str,
        condition: &str,
        order: &str,
    ) -> String {
        let query = |fields: &str| format!("SELECT {fields} FROM {table} AS s WHERE {condition} {order}");
        if self.is_postgres() {
            format!("{records} CROSS JOIN LATERAL ({}) AS s", query(fields))
        } else {
            format!("{records} CROSS JOIN {table} AS s ON s.rowid IN ({})", query("s.rowid"))
        }
    }

    /// An INSERT of all rows `r` that a source has. `tail` is what to do on conflict, or nothing.
    pub(super) fn insert(self, table: &str, columns: &[Column], source: &str, tail: &str) -> String {
        let names: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
        let values: Vec<String> = columns
            .iter()
            .map(|(column, kind)| match (self.is_postgres(), kind) {
                (true, Kind::Bytes) => format!("decode({column}, 'hex')"),
                _ => (*column).to_owned(),
            })
            .collect();
        let (names, values) = (names.join(", "), values.join(", "));
        // Without a WHERE, SQLite takes ON CONFLICT for the condition of a join.
        format!("INSERT INTO {table} ({names}) SELECT {values} FROM {source} WHERE {IF_STILL} {tail}")
    }
}

/// The statement with its arguments counted from further on. None of ours has a dollar sign for anything else.
pub(super) fn renumbered(sql: &str, by: usize) -> String {
    let mut pieces = sql.split('$');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        // Writing to a string cannot fail.
        let _ = match number.parse::<usize>() {
            Ok(number) => write!(out, "${}{rest}", number + by),
            Err(_) => write!(out, "${piece}"),
        };
    }
    out
}

/// Stands among the conditions of whatever a unit of work writes. Where nothing was locked, it is replaced by the question
/// whether what was read is still true, see [`crate::sea::optimistic`]; elsewhere nobody has to ask.
pub(super) const IF_STILL: &str = "(true /* if still */)";

/// The least text that is greater than every text with this prefix; `None` if there is none.
pub(super) fn prefix_end(prefix: &str) -> Option<String> {
    let mut head = prefix;
    while let Some(last) = head.chars().next_back() {
        head = &head[..head.len() - last.len_utf8()];
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            _ => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            return Some(format!("{head}{next}"));
        }
    }
    None
}

/// For serde: a UUID as 32 hexadecimal digits.
pub(super) fn hex_uuid<S: serde::Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&id.simple())
}

/// For serde: bytes as PostgreSQL writes them in JSON, `\x` and hexadecimal digits.
pub(super) fn bytes_of_hex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    let digits = text.strip_prefix("\\x").unwrap_or_default();
    let byte = |at| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.ok_or_else(|| serde::de::Error::custom("these are no bytes in hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::{prefix_end, renumbered};

    #[test]
    fn the_end_of_a_prefix_is_past_every_text_with_it_and_before_any_other() {
        for prefix in ["a", "src/", "ä", "a\u{D7FF}", "x\u{10FFFF}", "100%_"] {
            let end = prefix_end(prefix).expect("there is one");
            assert!(prefix < end.as_str(), "{prefix}");
            assert!(format!("{prefix}\u{10FFFF}\u{10FFFF}") < end, "{prefix}");
            assert!(!end.starts_with(prefix), "{prefix}");
        }
        assert_eq!(prefix_end("src/").as_deref(), Some("src0"));
        assert_eq!(prefix_end(""), None);
        assert_eq!(prefix_end("\u{10FFFF}"), None);
    }

    #[test]
    fn arguments_are_counted_from_further_on() {
        assert_eq!(renumbered("a = $1 AND b = $12 OR $2", 30), "a = $31 AND b = $42 OR $32");
        assert_eq!(renumbered("no argument", 3), "no argument");
        assert_eq!(renumbered("$1", 0), "$1");
    }
}
