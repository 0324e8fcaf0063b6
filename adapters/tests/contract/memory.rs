//! Memories.

mod finding;
mod samples;
mod storing;
mod terms;
mod vectors;
