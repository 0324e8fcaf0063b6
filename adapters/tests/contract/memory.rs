//! Memories.

mod finding;
mod races;
mod realms;
mod samples;
mod storing;
mod terms;
mod traces;
mod vectors;
