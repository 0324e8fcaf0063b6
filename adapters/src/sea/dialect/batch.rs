//! Many rows as one argument, or on SQLite as many: rows on their way into a statement whose text stays the same.
//!
//! PostgreSQL gets them as one text of JSON. SQLite takes three times as long to read JSON as to write the row, so there each
//! field is an argument of its own, and the text depends on the number of rows rounded up.

use crate::sea::dialect::{Column, Dialect, renumbered};
use crate::sea::error::failed;
use crate::sea::unit::SeaUnitOfWork;
use ports::store::StoreError;
use sea_orm::{DbBackend, Statement, Value};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write;
use uuid::Uuid;

/// A field of a row.
#[derive(Debug, Clone)]
pub(in crate::sea) enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Int(i64),
    Bool(bool),
    Uuid(Uuid),
    Bytes(&'a [u8]),
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Cell<'_> {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<u32> for Cell<'_> {
    fn from(int: u32) -> Self {
        Self::Int(int.into())
    }
}

impl From<bool> for Cell<'_> {
    fn from(is: bool) -> Self {
        Self::Bool(is)
    }
}

impl From<Uuid> for Cell<'_> {
    fn from(id: Uuid) -> Self {
        Self::Uuid(id)
    }
}

impl<'a> From<&'a [u8]> for Cell<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(maybe: Option<T>) -> Self {
        maybe.map_or(Self::Null, Into::into)
    }
}

/// Rows of a table, or of what a statement says of them. The first column MUST NOT be null.
#[derive(Debug)]
pub(in crate::sea) struct Batch<'a> {
    columns: &'static [Column],
    cells: Vec<Cell<'a>>,
}

impl<'a> Batch<'a> {
    /// Rows of these columns, each in their order.
    pub(in crate::sea) fn new<const N: usize>(
        columns: &'static [Column; N],
        rows: impl IntoIterator<Item = [Cell<'a>; N]>,
    ) -> Self {
        Self { columns, cells: rows.into_iter().flatten().collect() }
    }

    /// As [`Self::new`], of rows whose cells come one after another.
    pub(in crate::sea) fn of_cells(columns: &'static [Column], cells: Vec<Cell<'a>>) -> Self {
        Self { columns, cells }
    }
}

impl SeaUnitOfWork {
    /// Writes many rows as one statement; `tail` is what to do on conflict, or nothing. For what is written now and then;
    /// what is written with every command goes by [`Self::append`] and [`Self::put`], which costs less.
    pub(in crate::sea) async fn insert_rows(
        &mut self,
        table: &'static str,
        columns: &[Column],
        tail: &str,
        rows: &[impl Serialize + Sync],
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows = serde_json::to_string(rows).map_err(failed);
        let rows = self.check(rows)?;
        let sql = self.dialect.insert(table, columns, &self.dialect.records("$1", columns), tail);
        let statement = self.statement(sql, [rows.into()]);
        self.write(statement, None, table).await
    }

    /// Adds rows to a table, where none of them may be yet.
    pub(in crate::sea) async fn append(&mut self, table: &'static str, batch: Batch<'_>) -> Result<(), StoreError> {
        let sql = self.dialect.insert(table, batch.columns, &self.dialect.batch(batch.columns), "");
        for (statement, _) in self.dialect.over(&sql, batch, &[]) {
            self.write_last(statement, table).await?;
        }
        Ok(())
    }

    /// Writes rows of a table; `tail` is what to do on conflict.
    pub(in crate::sea) async fn put(
        &mut self,
        table: &'static str,
        tail: &str,
        batch: Batch<'_>,
    ) -> Result<(), StoreError> {
        let sql = self.dialect.insert(table, batch.columns, &self.dialect.batch(batch.columns), tail);
        for (statement, _) in self.dialect.over(&sql, batch, &[]) {
            self.write(statement, None, table).await?;
        }
        Ok(())
    }

    /// Writes what a statement on [`Dialect::batch`] says of rows; `$1` are the rows. A conflict unless as many rows were
    /// written.
    pub(in crate::sea) async fn write_each(
        &mut self,
        sql: &str,
        batch: Batch<'_>,
        others: &[Value],
        what: &'static str,
    ) -> Result<(), StoreError> {
        for (statement, rows) in self.dialect.over(sql, batch, others) {
            self.write(statement, Some(rows), what).await?;
        }
        Ok(())
    }
}

/// How many rows SQLite gets in one statement at most. It allows 32,766 arguments.
const SQLITE_ROWS_MAX: usize = 64;

/// For how many rows SQLite has statements. What is missing is filled up with rows of nothing.
const SQLITE_SIZES: [usize; 14] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40, 48, 56, SQLITE_ROWS_MAX];

impl Dialect {
    /// What stands behind FROM in a statement of [`Self::over`]: the rows, under the name `r`.
    pub(in crate::sea) fn batch(self, columns: &[Column]) -> String {
        if self.0 == DbBackend::Postgres { self.records("$1", columns) } else { "r".to_owned() }
    }

    /// The statements that do with all rows what a statement on [`Self::batch`] says, and how many rows each is for; none
    /// for no rows. `$1` in it are the rows, the others start with `$2`.
    fn over(self, sql: &str, batch: Batch<'_>, others: &[Value]) -> Vec<(Statement, u64)> {
        let Batch { columns, cells } = batch;
        let width = columns.len().max(1);
        if cells.is_empty() {
            return Vec::new();
        }
        if self.0 == DbBackend::Postgres {
            let rows = (cells.len() / width) as u64;
            let values = std::iter::once(json(columns, &cells).into()).chain(others.iter().cloned());
            return vec![(Statement::from_sql_and_values(self.0, sql, values), rows)];
        }
        let mut statements = Vec::new();
        let mut cells = cells.into_iter();
        while cells.len() > 0 {
            let rows = (cells.len() / width).min(SQLITE_ROWS_MAX);
            let size = SQLITE_SIZES.into_iter().find(|size| *size >= rows).unwrap_or(SQLITE_ROWS_MAX);
            let mut values: Vec<Value> = Vec::with_capacity(size * width + others.len());
            values.extend(cells.by_ref().take(rows * width).map(argument));
            values.resize(size * width, Value::BigInt(None));
            values.extend(others.iter().cloned());
            let sql = format!("{}{}", given(columns, size), renumbered(sql, size * width - 1));
            statements.push((Statement::from_sql_and_values(self.0, sql, values), rows as u64));
        }
        statements
    }
}

/// The rows that are given as arguments. These have no number, since SQLite would look through all their names for each.
fn given(columns: &[Column], size: usize) -> String {
    let names: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
    let row = format!("({})", vec!["?"; columns.len()].join(","));
    let rows = vec![row.as_str(); size].join(",");
    format!("WITH r({}) AS (SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL) ", names.join(","))
}

fn argument(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::BigInt(None),
        Cell::Text(text) => text.into_owned().into(),
        Cell::Int(int) => int.into(),
        Cell::Bool(is) => is.into(),
        Cell::Uuid(id) => id.into(),
        Cell::Bytes(bytes) => bytes.into(),
    }
}

/// The rows as a JSON array of objects. What is null is left out, which is the same to PostgreSQL.
fn json(columns: &[Column], cells: &[Cell<'_>]) -> String {
    let mut text = String::with_capacity(cells.len() * 40);
    for (at, row) in cells.chunks(columns.len().max(1)).enumerate() {
        text.push_str(if at == 0 { "[{" } else { "},{" });
        let mut comma = "";
        for ((column, _), cell) in columns.iter().zip(row) {
            if matches!(cell, Cell::Null) {
                continue;
            }
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}\"{column}\":");
            comma = ",";
            let _ = match cell {
                Cell::Null => Ok(()),
                Cell::Text(said) => {
                    push_quoted(&mut text, said);
                    Ok(())
                }
                Cell::Int(int) => write!(text, "{int}"),
                Cell::Bool(is) => write!(text, "{is}"),
                Cell::Uuid(id) => write!(text, "\"{}\"", id.simple()),
                Cell::Bytes(bytes) => {
                    text.push('"');
                    for byte in *bytes {
                        let _ = write!(text, "{byte:02x}");
                    }
                    text.push('"');
                    Ok(())
                }
            };
        }
    }
    text.push_str("}]");
    text
}

/// Adds a text as JSON has it.
fn push_quoted(to: &mut String, text: &str) {
    to.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let (plain, special) = rest.split_at(at);
        to.push_str(plain);
        let mut letters = special.chars();
        match letters.next() {
            Some(letter @ ('"' | '\\')) => {
                to.push('\\');
                to.push(letter);
            }
            // Writing to a string cannot fail.
            Some(letter) => drop(write!(to, "\\u{:04x}", u32::from(letter))),
            None => {}
        }
        rest = letters.as_str();
    }
    to.push_str(rest);
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sea::dialect::Kind;
    use serde_json::json;

    const COLUMNS: [Column; 3] = [("name", Kind::Text), ("n", Kind::Int), ("id", Kind::Uuid)];

    fn rows(count: i64) -> Batch<'static> {
        Batch::new(&COLUMNS, (0..count).map(|n| ["a".into(), n.into(), Cell::Null]))
    }

    #[test]
    fn json_says_what_the_fields_say() {
        let text = "a \"quoted\" \\ back\\slash\u{0}\n\u{1f}ü🔑\u{7f}";
        let columns: [Column; 4] =
            [("text", Kind::Text), ("is", Kind::Bool), ("bytes", Kind::Bytes), ("id", Kind::Uuid)];
        let cells = [text.into(), true.into(), Cell::Bytes(&[0, 255, 16]), Uuid::from_u128(7).into()];
        let said: serde_json::Value = super::json(&columns, &cells).parse().unwrap();
        let id = "00000000000000000000000000000007";
        assert_eq!(said, json!([{ "text": text, "is": true, "bytes": "00ff10", "id": id }]));
    }

    #[test]
    fn sqlite_gets_every_row_once_and_the_other_arguments_behind_them() {
        let dialect = Dialect(DbBackend::Sqlite);
        for (count, sizes) in [(1, vec![1]), (5, vec![6]), (64, vec![64]), (65, vec![64, 1]), (133, vec![64, 64, 6])] {
            let statements = dialect.over("DELETE FROM t WHERE n = $2", rows(count), &["last".into()]);
            assert_eq!(statements.iter().map(|(_, rows)| *rows).sum::<u64>(), count.unsigned_abs());
            for ((statement, rows), size) in statements.iter().zip(&sizes) {
                let values = statement.values.clone().unwrap().0;
                assert_eq!(values.len(), size * COLUMNS.len() + 1);
                assert_eq!(statement.sql.matches("(?,?,?)").count(), *size);
                assert!(statement.sql.ends_with(&format!("n = ${}", values.len())), "{}", statement.sql);
                assert_eq!(values.last(), Some(&"last".into()));
                let named = values.iter().step_by(COLUMNS.len()).filter(|name| **name == "a".into()).count();
                assert_eq!(named as u64, *rows);
            }
            assert_eq!(statements.len(), sizes.len());
        }
        assert!(dialect.over("", rows(0), &[]).is_empty());
    }
}
