//! Lock keys: repository-relative paths and named resources, in one canonical spelling.

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The namespaces of keys that are not paths, with the form of each.
pub const NAMESPACES: [(&str, &str); 7] = [
    ("api", "api:<METHOD> <path>"),
    ("db", "db:migration-slot or db:schema:<table>"),
    ("event", "event:<channel>"),
    ("flag", "flag:<namespace>"),
    ("env", "env:<resource>"),
    ("contract", "contract:<path>"),
    ("feature", "feature:<id>:<purpose>"),
];

const TREE_SUFFIX: &str = "/**";
const WHOLE_REPOSITORY: &str = "**";

/// What can be locked: one thing, or a tree (`src/**`) with everything below it.
///
/// Two spellings of one thing are one key: `./a//b` is `a/b`, and Unicode is in composed form (NFC). Paths are
/// case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LockKey(String);

/// Why a text is not a lock key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLockKey {
    /// Nothing is left of it.
    #[error("a lock key must name something")]
    Empty,
    /// Over [`LockKey::BYTES_MAX`].
    #[error("a lock key has at most {} bytes, this one has {bytes}", LockKey::BYTES_MAX)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Control, zero-width or direction-changing characters.
    #[error("a lock key has no control or invisible characters, this one has U+{code:04X}")]
    Invisible {
        /// The code point.
        code: u32,
    },
    /// Absolute, on any system.
    #[error("`{0}` is absolute: name the path from the root of the repository")]
    Absolute(String),
    /// A step upwards.
    #[error("`{0}` has a `..`: name the path from the root of the repository")]
    Upwards(String),
    /// A backslash.
    #[error("`{0}` has a backslash: separate folders by `/`")]
    Backslash(String),
    /// Blank ends.
    #[error("`{0}` has white space at the end of a segment")]
    Blank(String),
    /// A folder without saying how much of it.
    #[error("`{0}` ends in `/`: write `{0}**` for the folder with everything in it, or leave the `/` off")]
    TrailingSlash(String),
    /// A `*` that is not a whole `/**` at the end.
    #[error("`{0}` has a `*` inside: only `/**` at the end is a pattern")]
    Pattern(String),
    /// A namespace we do not have.
    #[error("`{prefix}:` is no namespace: use a path without `:`, or one of {}", namespace_list())]
    UnknownNamespace {
        /// What stands before the colon.
        prefix: String,
    },
    /// A known namespace, but not its form.
    #[error("`{text}` does not look like `{form}`")]
    Form {
        /// What was given.
        text: String,
        /// The form of that namespace.
        form: &'static str,
    },
}

fn namespace_list() -> String {
    NAMESPACES.map(|(name, _)| format!("`{name}:`")).join(", ")
}

impl LockKey {
    /// The greatest length of a key in bytes, before and after canonicalisation.
    pub const BYTES_MAX: usize = 512;

    /// Reads a key in any spelling.
    pub fn parse(text: &str) -> Result<Self, InvalidLockKey> {
        if text.len() > Self::BYTES_MAX {
            return Err(InvalidLockKey::TooLong { bytes: text.len() });
        }
        if let Some(c) = text.chars().find(|c| is_invisible(*c)) {
            return Err(InvalidLockKey::Invisible { code: u32::from(c) });
        }
        let composed: String = if is_nfc(text) { text.to_owned() } else { text.nfc().collect() };
        let canonical = match namespace_of(&composed) {
            Some((prefix, rest)) => named(&composed, prefix, rest)?,
            None => path(&composed, Tree::Whole)?,
        };
        if canonical.len() > Self::BYTES_MAX {
            return Err(InvalidLockKey::TooLong { bytes: canonical.len() });
        }
        Ok(Self(canonical))
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it covers everything below it too.
    pub fn is_tree(&self) -> bool {
        self.0 == WHOLE_REPOSITORY || self.0.ends_with(TREE_SUFFIX)
    }

    /// The thing itself, or the root of the tree; empty for the whole repository.
    fn base(&self) -> &str {
        if self.0 == WHOLE_REPOSITORY { "" } else { self.0.strip_suffix(TREE_SUFFIX).unwrap_or(&self.0) }
    }

    /// Whether two keys have anything in common. Judged both ways round, on whole path segments.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0 == other.0 || self.covers(other) || other.covers(self)
    }

    fn covers(&self, other: &Self) -> bool {
        let (base, inner) = (self.base(), other.base());
        if !self.is_tree() {
            return false;
        }
        if base.is_empty() {
            return namespace_of(&other.0).is_none();
        }
        inner == base || inner.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl std::fmt::Display for LockKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<LockKey> for String {
    fn from(key: LockKey) -> Self {
        key.0
    }
}

impl TryFrom<String> for LockKey {
    type Error = InvalidLockKey;
    fn try_from(text: String) -> Result<Self, InvalidLockKey> {
        Self::parse(&text)
    }
}

/// Where in an ordered table all keys stand that may overlap some given keys. May hold more; the rule is
/// [`LockKey::overlaps`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyScope {
    /// Keys to look up one by one, sorted, each once.
    pub exact: Vec<String>,
    /// Half-open ranges `from <= key < to`, in byte order.
    pub ranges: Vec<(String, String)>,
    /// Whether every key has to be looked at.
    pub everything: bool,
}

impl KeyScope {
    /// Where to look for overlaps with any of the keys.
    pub fn overlapping<'a>(keys: impl IntoIterator<Item = &'a LockKey>) -> Self {
        let mut scope = Self::default();
        for key in keys {
            let base = key.base();
            scope.exact.push(base.to_owned());
            scope.exact.extend(base.match_indices('/').map(|(at, _)| format!("{}{TREE_SUFFIX}", &base[..at])));
            scope.exact.push(format!("{base}{TREE_SUFFIX}"));
            if namespace_of(base).is_none() {
                scope.exact.push(WHOLE_REPOSITORY.to_owned());
            }
            if key.is_tree() && base.is_empty() {
                scope.everything = true;
            } else if key.is_tree() {
                // '0' is the byte after '/'.
                scope.ranges.push((format!("{base}/"), format!("{base}0")));
            }
        }
        scope.exact.sort_unstable();
        scope.exact.dedup();
        scope.ranges.sort_unstable();
        scope.ranges.dedup();
        scope
    }

    /// Whether a key stands inside.
    pub fn contains(&self, key: &LockKey) -> bool {
        let text = key.as_str();
        self.everything
            || self.exact.binary_search_by(|exact| exact.as_str().cmp(text)).is_ok()
            || self.ranges.iter().any(|(from, to)| from.as_str() <= text && text < to.as_str())
    }
}

/// Characters that nobody sees: two keys that look the same must be the same.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Splits off what stands before the first colon of the first segment.
fn namespace_of(text: &str) -> Option<(&str, &str)> {
    text.split_once(':').filter(|(prefix, _)| !prefix.contains('/'))
}

/// Which trees a path may be.
#[derive(Clone, Copy, PartialEq)]
enum Tree {
    /// Down from any folder, or all of it.
    Whole,
    /// Down from a named folder.
    Below,
}

fn path(text: &str, tree: Tree) -> Result<String, InvalidLockKey> {
    let owned = || text.to_owned();
    if text.starts_with('/') {
        return Err(InvalidLockKey::Absolute(owned()));
    }
    if text.contains('\\') {
        return Err(InvalidLockKey::Backslash(owned()));
    }
    if text.ends_with('/') {
        return Err(InvalidLockKey::TrailingSlash(owned()));
    }
    let mut segments: Vec<&str> = text.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
    let is_tree = segments.last() == Some(&WHOLE_REPOSITORY);
    if is_tree {
        segments.pop();
    }
    for segment in &segments {
        if *segment == ".." {
            return Err(InvalidLockKey::Upwards(owned()));
        }
        if segment.contains('*') {
            return Err(InvalidLockKey::Pattern(owned()));
        }
        if segment.trim() != *segment {
            return Err(InvalidLockKey::Blank(owned()));
        }
    }
    match (segments.is_empty(), is_tree) {
        (true, true) if tree == Tree::Whole => Ok(WHOLE_REPOSITORY.to_owned()),
        (true, _) => Err(InvalidLockKey::Empty),
        (false, true) => Ok(format!("{}{TREE_SUFFIX}", segments.join("/"))),
        (false, false) => Ok(segments.join("/")),
    }
}

fn named(text: &str, prefix: &str, rest: &str) -> Result<String, InvalidLockKey> {
    let Some((name, form)) = NAMESPACES.into_iter().find(|(name, _)| *name == prefix) else {
        if prefix.len() == 1 {
            return Err(InvalidLockKey::Absolute(text.to_owned()));
        }
        return Err(InvalidLockKey::UnknownNamespace { prefix: prefix.to_owned() });
    };
    let wrong = || InvalidLockKey::Form { text: text.to_owned(), form };
    let body = match name {
        "api" => {
            let (method, route) = rest.split_once(' ').ok_or_else(wrong)?;
            let is_method = !method.is_empty() && method.bytes().all(|b| b.is_ascii_alphabetic());
            let route = route.strip_prefix('/').filter(|_| is_method).ok_or_else(wrong)?;
            let route = if route.is_empty() { String::new() } else { path(route, Tree::Whole)? };
            format!("{} /{route}", method.to_ascii_uppercase())
        }
        "db" => {
            let lower = rest.to_ascii_lowercase();
            let table = lower.strip_prefix("schema:");
            let fits = lower == "migration-slot" || table.is_some_and(|table| is_word(table, "_."));
            fits.then_some(lower).ok_or_else(wrong)?
        }
        "event" => {
            let lower = rest.to_ascii_lowercase();
            let fits = lower.split('.').all(|part| is_word(part, "_-"));
            fits.then_some(lower).ok_or_else(wrong)?
        }
        "flag" => {
            let lower = rest.to_ascii_lowercase();
            // `flag:billing/*` is how the namespace is written elsewhere; it means all flags below it.
            let tree = lower.strip_suffix("/*").map(|base| format!("{base}{TREE_SUFFIX}")).unwrap_or(lower);
            let flags = path(&tree, Tree::Below)?;
            let base = flags.strip_suffix(TREE_SUFFIX).unwrap_or(&flags);
            let fits = base.split('/').all(|part| is_word(part, "_.-"));
            fits.then_some(flags).ok_or_else(wrong)?
        }
        "env" => Some(rest.to_owned()).filter(|rest| is_word(rest, "_.-")).ok_or_else(wrong)?,
        "contract" => path(rest, Tree::Below)?,
        _ => {
            let (id, purpose) = rest.split_once(':').ok_or_else(wrong)?;
            let fits = is_word(id, "_.-") && is_word(purpose, "-");
            fits.then(|| rest.to_owned()).ok_or_else(wrong)?
        }
    };
    Ok(format!("{name}:{body}"))
}

fn is_word(text: &str, extra: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
