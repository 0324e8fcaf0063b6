//! The workspace as the rules read it: its Rust files, what they say once comments and literals are gone, and which
//! crate depends on which.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// One Rust file of the workspace.
pub(crate) struct Source {
    /// Path from the workspace's root, with `/` between its parts.
    pub(crate) path: String,
    /// The file as it stands.
    pub(crate) text: String,
}

impl Source {
    /// The file's identifiers and punctuation: comments, strings and characters are blank.
    pub(crate) fn code(&self) -> String {
        code(&self.text)
    }

    /// Whether the file is part of what is built to be used, not of the tests.
    pub(crate) fn ships(&self) -> bool {
        self.path.contains("/src/") && !self.path.split('/').any(|part| part.trim_end_matches(".rs").ends_with("tests"))
    }

    /// Whether the code, but for the tests at its end, says `word`: a whole word, or words joined by `::` or spaces.
    pub(crate) fn says(&self, word: &str) -> bool {
        says(before_tests(&self.code()), word)
    }

    /// The file's name without its ending.
    pub(crate) fn module(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs")
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the app lies in the workspace")
}

/// Every Rust file of the workspace, in order of its path.
pub(crate) fn sources() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace can be listed") {
            let path = entry.expect("an entry of a folder can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a Rust file is text");
                let inside = path.strip_prefix(&root).expect("the walk stays inside the workspace");
                found.push(Source { path: inside.to_string_lossy().replace('\\', "/"), text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(found.len() > 20, "only {} Rust files found: the walk is broken", found.len());
    found
}

/// What a crate of the workspace needs.
#[derive(Default)]
pub(crate) struct Needs {
    /// To be built.
    pub(crate) build: Vec<String>,
    /// To be tested, and no more.
    pub(crate) test: Vec<String>,
}

/// The needs of each crate of the workspace, by its name.
pub(crate) fn needs() -> BTreeMap<String, Needs> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata answers in JSON");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    packages
        .iter()
        .map(|package| {
            let mut needs = Needs::default();
            for dependency in package["dependencies"].as_array().expect("a package lists dependencies") {
                let name = dependency["name"].as_str().expect("a dependency has a name").to_owned();
                match dependency["kind"].as_str() {
                    Some("dev") => needs.test.push(name),
                    _ => needs.build.push(name),
                }
            }
            (package["name"].as_str().expect("a package has a name").to_owned(), needs)
        })
        .collect()
}

fn before_tests(code: &str) -> &str {
    code.find("#[cfg(test)]\nmod tests {").map_or(code, |at| &code[..at])
}

fn says(code: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word)
        .any(|(at, _)| !is_part(code[..at].chars().next_back()) && !is_part(code[at + word.len()..].chars().next()))
}

/// Blanks comments, strings and characters; line breaks stay, so that places keep their line.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = blank_length(rest, out.chars().next_back());
        if length == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.push(' ');
            out.extend(rest[..length].chars().filter(|&c| c == '\n'));
            rest = &rest[length..];
        }
    }
    out
}

/// How many bytes at the start of `rest` are a comment or a literal.
fn blank_length(rest: &str, before: Option<char>) -> usize {
    let until = |start: usize, end: &str| rest[start..].find(end).map_or(rest.len(), |at| start + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until(2, "*/");
    }
    if rest.starts_with('"') {
        return escaped_length(rest, '"');
    }
    if rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'') && rest.starts_with('\'') {
        return escaped_length(rest, '\'');
    }
    let begins_word = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let hashes = rest.chars().skip(1).take_while(|&c| c == '#').count();
    if begins_word && rest.starts_with('r') && rest[1 + hashes..].starts_with('"') {
        return until(2 + hashes, &format!("\"{}", "#".repeat(hashes)));
    }
    0
}

fn escaped_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn comments_and_literals_are_not_code() {
    let text =
        "let a = \"po\\\"em\"; // poem\n/* poem */ let b = r#\"poem \"x\" poem\"#; let c = 'p'; fn f<'poet>() {}\n";
    let code = code(text);
    assert!(!says(&code, "poem"), "{code}");
    assert!(says(&code, "fn f"), "{code}");
    assert!(says(&code, "poet"), "{code}");
    assert_eq!(code.lines().count(), 2);
    assert!(says("use poem::Route;", "poem"));
    assert!(!says(before_tests("fn f() {}\n#[cfg(test)]\nmod tests {\n use poem;"), "poem"));
    assert!(!says("use poem_openapi::X;", "poem"));
}
