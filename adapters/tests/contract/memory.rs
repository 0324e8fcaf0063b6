//! Memories.

mod procedures;
mod samples;
mod storing;
mod working;
