use std::fmt;

/// One thing wrong with the environment. It never carries a value, because a value may be a secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The variable's name.
    pub variable: String,
    /// What is wrong with it, as a clause that follows the name.
    pub reason: String,
    /// A line that would be accepted, if there is one to show.
    pub example: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.reason)?;
        match &self.example {
            Some(example) => write!(f, " (for example {example})"),
            None => Ok(()),
        }
    }
}

/// Everything wrong with the environment, found in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub(super) Vec<Fault>);

impl ConfigErrors {
    /// The faults, in the order of the reference.
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "the configuration has 1 fault:")?,
            n => write!(f, "the configuration has {n} faults:")?,
        }
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
