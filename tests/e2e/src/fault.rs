//! Why a test could not go on, and where in it.

use std::fmt;
use std::panic::Location;

/// What helpers and tests return.
pub type Outcome<T = ()> = Result<T, Fault>;

/// A sentence and the place that said it. Any error becomes one with `?`.
pub struct Fault {
    sentence: String,
    at: &'static Location<'static>,
}

impl Fault {
    /// A fault in words, at the caller's place.
    #[track_caller]
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), at: Location::caller() }
    }
}

impl<E: std::error::Error> From<E> for Fault {
    #[track_caller]
    fn from(error: E) -> Self {
        let mut sentence = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            sentence.push_str(": ");
            sentence.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { sentence, at: Location::caller() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.sentence, self.at.file(), self.at.line())
    }
}
