//! What a lock key covers, told without the server's help.

/// A key taken apart: a namespace, the steps down, and whether everything below is meant too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    namespace: String,
    steps: Vec<String>,
    with_all_below: bool,
}

impl Place {
    /// Takes a key in canonical spelling apart.
    pub fn of(key: &str) -> Self {
        let (namespace, path) = match key.find([':', '/']) {
            Some(at) if key[at..].starts_with(':') => (&key[..at], &key[at + 1..]),
            _ => ("", key),
        };
        let mut steps: Vec<String> = path.split('/').map(str::to_owned).collect();
        let with_all_below = steps.last().is_some_and(|step| step == "**");
        if with_all_below {
            steps.pop();
        }
        Self { namespace: namespace.to_owned(), steps, with_all_below }
    }

    /// Whether there is anything that both cover.
    pub fn overlaps(&self, other: &Self) -> bool {
        let common = self.steps.iter().zip(&other.steps).take_while(|(one, two)| one == two).count();
        let ends_within = |one: &Self| one.steps.len() == common;
        self.namespace == other.namespace
            && match (ends_within(self), ends_within(other)) {
                (true, true) => true,
                (true, false) => self.with_all_below,
                (false, true) => other.with_all_below,
                (false, false) => false,
            }
    }
}
