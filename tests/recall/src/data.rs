//! Collections of memories with questions and their right answers.

use e2e::{Fault, Outcome};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::Path;

/// One folder.
#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) name: String,
    pub(crate) memories: Vec<Record>,
    pub(crate) queries: Vec<Query>,
}

/// A memory as it stands in the file. What else is known of it is passed over.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Record {
    pub(crate) scope: String,
    pub(crate) id: String,
    pub(crate) text: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) at: Option<String>,
    pub(crate) age_days: Option<f64>,
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    pub(crate) supersedes: Option<String>,
}

/// A question and what answers it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Query {
    pub(crate) scope: String,
    #[serde(rename = "query")]
    pub(crate) text: String,
    pub(crate) relevant: BTreeSet<String>,
    #[serde(default)]
    pub(crate) must_not: BTreeSet<String>,
    #[serde(default)]
    pub(crate) kind: String,
}

impl Collection {
    /// All collections of a folder, in the order of their names.
    pub(crate) fn read_all(folder: &Path) -> Outcome<Vec<Self>> {
        let mut collections = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.join("memories.jsonl").is_file() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let (memories, queries) = (lines(&path.join("memories.jsonl"))?, lines(&path.join("queries.jsonl"))?);
                collections.push(Self { name, memories, queries });
            }
        }
        if collections.is_empty() {
            return Err(Fault::new(format!("{} has no folder with a memories.jsonl", folder.display())));
        }
        collections.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(collections)
    }

    /// Its scopes, each once, in the order of their names.
    pub(crate) fn scopes(&self) -> BTreeSet<&str> {
        self.memories
            .iter()
            .map(|it| it.scope.as_str())
            .chain(self.queries.iter().map(|it| it.scope.as_str()))
            .collect()
    }
}

fn lines<T: DeserializeOwned>(path: &Path) -> Outcome<Vec<T>> {
    let text = std::fs::read_to_string(path).map_err(|error| Fault::new(format!("{}: {error}", path.display())))?;
    let line = |(at, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| Fault::new(format!("{} line {}: {error}", path.display(), at + 1)))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}
