//! Alerts: what somebody has to see to, told to every orchestrator until one does.

pub mod alert;
pub mod builtin;
pub mod content;
pub mod listing;
pub mod refusal;
