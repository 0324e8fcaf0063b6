//! Memories.

mod engines;
mod finding;
mod races;
mod random;
mod realms;
mod samples;
mod storing;
mod terms;
mod traces;
mod vectors;
