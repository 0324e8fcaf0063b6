//! Free texts that listings are held against.

use super::problem::Problem;

/// Takes a text of a query as it came, unless it has control characters: nothing stored has any, and a store may not even
/// be asked for them (PostgreSQL knows no text with a NUL).
pub fn text(field: &str, text: String) -> Result<String, Problem> {
    if text.chars().any(char::is_control) {
        let reason = "must have no control characters";
        return Err(Problem::invalid(field, &reason).detail(format!("`{field}` {reason}")));
    }
    Ok(text)
}
