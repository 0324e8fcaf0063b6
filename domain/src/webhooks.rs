//! Webhooks: facts of a project told to an address outside, each at least once, those about one subject in order.

pub mod address;
pub mod delivery;
pub mod fan_out;
pub mod follows;
pub mod policy;
pub mod refusal;
#[cfg(test)]
mod samples;
pub mod signing;
pub mod webhook;
