//! All that is said to `ParadeDB`: an index over the same tokens as the others, and the question for the best by it.
//!
//! Written after the published syntax of `pg_search` 0.25 (`USING bm25`, which is also called `paradedb` since then; `|||`
//! any of these tokens, `&&&` all of them, an array being tokens as they are; `pdb.score` of the key; tokenizers as casts).
//! It was never run against a real `ParadeDB` here: its questions are run with its operators stood in for, its index is
//! compared with what is written below.

use super::query::Query;
use super::rows::{CANDIDATE_FIELDS, number};
use crate::sea::dialect::Dialect;
use domain::memory::candidate::Wanted;
use domain::memory::filter::MemoryFilter;
use domain::memory::terms::TermHash;
use sea_orm::Value;
use std::collections::BTreeSet;

/// The name of the index.
pub(in crate::sea) const INDEX: &str = "memories_search";

/// The tokens of a memory as a text, as the index has them and questions name them. An expression in an index must be
/// immutable, which joining an array is not in general; of numbers it is.
pub(in crate::sea) const TOKENS: &str = "CREATE OR REPLACE FUNCTION memory_tokens_text(tokens bigint[]) RETURNS text \
     LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN array_to_string(tokens, ' ')";

/// Makes the index, on the tokens and on what most filters name, so that it finds the best of what they show by itself. No
/// column is in it that changes with a verdict or a pin.
pub(in crate::sea) const CREATE: &str = "CREATE INDEX CONCURRENTLY memories_search ON memories USING bm25 \
     (number, (memory_tokens_text(tokens)::pdb.whitespace('alias=tokens')), (realm::pdb.literal), \
     (event_type::pdb.literal), (agent_id::pdb.literal), (stream::pdb.literal), happened_at_us, valid_from_us, \
     ended_at_us, redacted_at_us) WITH (key_field='number')";

/// The memories of a realm that a filter shows and that have wanted tokens, the best by BM25 first.
pub(super) fn candidates(dialect: Dialect, filter: &MemoryFilter, wanted: &Wanted) -> (String, Vec<Value>) {
    let first: [Value; 1] = [wanted.realm.key().into()];
    let mut query = Query::filtered(dialect, "s.realm = $1", first, filter);
    // Whatever has one of several single tokens is one question.
    let (single, several): (Vec<&Vec<TermHash>>, Vec<_>) = wanted.any_of.iter().partition(|terms| terms.len() == 1);
    let mut any_of: Vec<String> = Vec::new();
    if !single.is_empty() {
        any_of.push(matching(&mut query, dialect, "|||", single.into_iter().flatten().copied()));
    }
    for terms in several {
        any_of.push(matching(&mut query, dialect, "&&&", terms.iter().copied()));
    }
    let mut has = format!("({})", any_of.join(" OR "));
    for (operator, tags) in [("&&&", &filter.tags_all), ("|||", &filter.tags_any)] {
        if !tags.is_empty() {
            let tags = tags.iter().map(|tag| TermHash::of_tag(&wanted.realm, tag.as_str()));
            has = format!("{has} AND {}", matching(&mut query, dialect, operator, tags));
        }
    }
    let conditions = &query.conditions;
    // The limit is no argument, so that the plan is one for the best of so many.
    let sql = format!(
        "SELECT {CANDIDATE_FIELDS} FROM memories AS s WHERE {has} AND {conditions} \
         ORDER BY pdb.score(s.number) DESC, s.number DESC LIMIT {}",
        wanted.rows_max
    );
    (sql, query.values)
}

/// That a memory has all or any of these tokens.
fn matching(query: &mut Query, dialect: Dialect, operator: &str, terms: impl Iterator<Item = TermHash>) -> String {
    let terms: BTreeSet<TermHash> = terms.collect();
    let tokens: Vec<String> = terms.into_iter().map(|term| number(term).to_string()).collect();
    let tokens = query.add(dialect.texts(&tokens));
    format!("memory_tokens_text(s.tokens) {operator} {tokens}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use domain::ids::ProjectId;
    use domain::memory::content::Tag;
    use domain::memory::realm::Realm;
    use sea_orm::DbBackend;

    fn asked(any_of: Vec<Vec<TermHash>>, tags: &[&str]) -> (String, Vec<Value>) {
        let realm = Realm::Project(ProjectId::parse("default").unwrap());
        let as_of = DateTime::from_timestamp_micros(7).unwrap();
        let tags_all = tags.iter().map(|tag| Tag::parse(tag).unwrap()).collect();
        let filter = MemoryFilter { tags_all, ..MemoryFilter::all(vec![realm.clone()], as_of) };
        candidates(Dialect(DbBackend::Postgres), &filter, &Wanted { realm, any_of, rows_max: 300 })
    }

    #[test]
    fn a_question_is_in_the_published_words() {
        let (sql, values) =
            asked(vec![vec![TermHash(1)], vec![TermHash(u64::MAX), TermHash(3)], vec![TermHash(2)]], &[]);
        assert_eq!(
            sql.replace(CANDIDATE_FIELDS, "…"),
            "SELECT … FROM memories AS s WHERE (memory_tokens_text(s.tokens) ||| $3 OR memory_tokens_text(s.tokens) &&& $4) \
             AND s.realm = $1 AND s.redacted_at_us IS NULL AND s.valid_from_us <= $2 AND (s.ended_at_us IS NULL OR \
             s.ended_at_us > $2) ORDER BY pdb.score(s.number) DESC, s.number DESC LIMIT 300"
        );
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(values[2..], [texts(&["1", "2"]).into(), texts(&["3", "-1"]).into()]);
    }

    #[test]
    fn tags_must_be_there_too() {
        let (sql, _) = asked(vec![vec![TermHash(1)]], &["locks", "time"]);
        let has = "(memory_tokens_text(s.tokens) ||| $4) AND memory_tokens_text(s.tokens) &&& $5 AND s.realm = $1";
        assert!(sql.contains(has), "{sql}");
    }

    #[test]
    fn the_index_has_what_questions_ask_for() {
        let head = format!("CREATE INDEX CONCURRENTLY {INDEX} ON memories USING bm25 (");
        let columns = CREATE.strip_prefix(&head).and_then(|rest| rest.strip_suffix(") WITH (key_field='number')"));
        let columns: Vec<&str> = columns.unwrap().split(", ").collect();
        // The key comes first and is a number, an expression has a name, and every text says how it is cut.
        assert_eq!(columns[..2], ["number", "(memory_tokens_text(tokens)::pdb.whitespace('alias=tokens'))"]);
        for column in &columns[2..] {
            let is_number = column.ends_with("_us");
            let is_text = column.strip_prefix('(').is_some_and(|text| text.ends_with("::pdb.literal)"));
            assert!(is_number != is_text, "{column}");
        }
        let (sql, _) = asked(vec![vec![TermHash(1)]], &[]);
        for column in ["number", "realm", "valid_from_us", "ended_at_us", "redacted_at_us"] {
            assert!(sql.contains(&format!("s.{column}")) && CREATE.contains(column), "{column}");
        }
    }
}
