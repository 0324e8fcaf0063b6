//! Messages between the agents of a project: stored once, leased to their recipients and never popped, so that the sender
//! can always be told what became of them.
//!
//! Numbers order everything: whoever sends locks the project's mail head and draws the next one, so numbers are drawn in
//! the order of commits, and a cursor over them misses nothing. A message whose recipients are known when it is sent has a
//! [`delivery::Delivery`] for each of them at once; any other is a *broadcast*, for which a delivery is made when a
//! recipient first receives it ([`audience`]). What an agent gets in which order stands in [`inbox`]; what ends without
//! having arrived is written down by [`sweep`].

pub mod audience;
pub mod changes;
pub mod content;
pub mod conversation;
pub mod delivery;
pub mod group;
pub mod inbox;
pub mod ledger;
pub mod listing;
pub mod message;
pub mod refusal;
#[cfg(test)]
mod samples;
pub mod send;
pub mod sweep;
