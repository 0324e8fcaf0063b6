//! The one place that prints: answers to standard output, what went wrong to standard error.

use serde_json::Value;
use std::io::{Write, stderr, stdout};

/// Prints to standard output. A reader that went away, as in `pointsman key list | head -1`, misses the rest.
pub fn line(text: &str) {
    let _ = writeln!(stdout().lock(), "{text}");
}

/// Prints to standard error.
pub fn error(text: &str) {
    let _ = writeln!(stderr().lock(), "pointsman: {text}");
}

/// Prints a problem to standard error: one line of JSON and nothing else.
pub fn problem(problem: &Value) {
    let _ = writeln!(stderr().lock(), "{problem}");
}

/// Prints a page to standard output as it is.
pub fn text(text: &str) {
    let _ = stdout().lock().write_all(text.as_bytes());
}
