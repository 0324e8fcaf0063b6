//! Messages: what is stored, who gets what, what lists show, groups, and what is forgotten.

mod deliveries;
mod forgetting;
mod groups;
mod inbox;
mod lists;
mod races;
pub(crate) mod samples;
mod storing;
