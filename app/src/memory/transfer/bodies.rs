//! Lines to be imported, and what they mean.

use crate::http::json_body::JsonBody;
use crate::http::json_lines::JsonLines;
use crate::http::problem::{FieldError, Problem, kinds};
use crate::memory::bodies::RememberBody;
use crate::memory::remembering::{LINES_MAX, Line, Older};
use domain::ids::{AgentId, MemoryId};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The most faults that are told of one call.
const FAULTS_MAX: usize = 50;

/// The greatest length of a `ref` in bytes.
const REF_BYTES_MAX: usize = 128;

/// A line, half read: what it is called and what it supersedes is settled when all are there.
struct Read {
    line: Line,
    name: Option<String>,
    supersedes: Option<String>,
}

/// Reads all lines, or tells what is wrong with each.
pub fn read_lines(body: &JsonLines) -> Result<Vec<Line>, Problem> {
    let count = body.lines().count();
    if count == 0 || count > LINES_MAX {
        let reason = format!("has {count} lines: it must have 1 to {LINES_MAX}");
        return Err(refused(vec![FieldError { field: String::new(), reason }]));
    }
    let mut faults = Vec::new();
    let mut all = Vec::with_capacity(count);
    for (number, bytes) in body.lines() {
        match read(number, bytes) {
            Ok(read) => all.push(read),
            Err(problem) => faults.extend(at_line(number, &problem)),
        }
    }
    let mut names = BTreeMap::new();
    for (at, read) in all.iter().enumerate() {
        if let Some(name) = &read.name
            && names.insert(name.clone(), at).is_some()
        {
            faults.push(fault(read.line.number, "ref", "names another line as well"));
        }
    }
    let mut lines = Vec::with_capacity(all.len());
    for Read { mut line, supersedes, .. } in all {
        if let Some(text) = supersedes {
            match (names.get(&text), MemoryId::parse(&text)) {
                (Some(other), _) => line.supersedes = Some(Older::Line(*other)),
                (None, Ok(id)) => line.supersedes = Some(Older::Memory(id)),
                (None, Err(_)) => {
                    let reason = "is neither the `ref` of a line nor the id of a memory";
                    faults.push(fault(line.number, "supersedes", reason));
                }
            }
        }
        lines.push(line);
    }
    if faults.is_empty() {
        return Ok(lines);
    }
    faults.sort_by_key(|fault: &(usize, FieldError)| fault.0);
    Err(refused(faults.into_iter().map(|(_, fault)| fault).collect()))
}

fn read(number: usize, bytes: &[u8]) -> Result<Read, Problem> {
    let not_json = |error: serde_json::Error| Problem::invalid("", &format!("is not JSON: {error}"));
    let mut value: Value = serde_json::from_slice(bytes).map_err(not_json)?;
    let Some(fields) = value.as_object_mut() else { return Err(Problem::invalid("", &"is no JSON object")) };
    let name = take(fields, "ref")?;
    if name.as_ref().is_some_and(|name| !(1..=REF_BYTES_MAX).contains(&name.len())) {
        return Err(Problem::invalid("ref", &format!("must have 1 to {REF_BYTES_MAX} bytes")));
    }
    let agent = take(fields, "agent")?.as_deref().map(AgentId::parse).transpose();
    let agent = agent.map_err(|error| Problem::invalid("agent", &error))?;
    let JsonBody(body) = JsonBody::<RememberBody>::read(&value).map_err(|refused| refused.problem())?;
    let supersedes = body.supersedes.clone();
    Ok(Read { line: Line { number, agent, draft: body.read()?, supersedes: None }, name, supersedes })
}

fn take(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::invalid(name, &"must be a string")),
    }
}

fn fault(number: usize, field: &str, reason: &str) -> (usize, FieldError) {
    (number, FieldError { field: place(number, field), reason: reason.to_owned() })
}

fn at_line(number: usize, problem: &Problem) -> Vec<(usize, FieldError)> {
    let errors = problem.body().errors.iter().flatten();
    errors.map(|error| fault(number, &error.field, &error.reason)).collect()
}

fn place(number: usize, field: &str) -> String {
    if field.is_empty() { format!("line {number}") } else { format!("line {number}.{field}") }
}

fn refused(mut faults: Vec<FieldError>) -> Problem {
    let detail = format!("{} faults, and nothing was stored", faults.len());
    faults.truncate(FAULTS_MAX);
    Problem::new(&kinds::IMPORT_REFUSED).detail(detail).errors(faults)
}
