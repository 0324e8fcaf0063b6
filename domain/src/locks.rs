//! Locks on files, folders and named resources.
//!
//! [`table::LockTable`] is the rule book: it is loaded with everything a command touches, decides, and holds what has
//! to be saved. A store only loads and saves it.

pub mod changes;
pub mod conflict;
pub mod deadlock;
pub mod event;
pub mod key;
pub mod lease;
pub mod refusal;
pub mod stored;
pub mod table;
pub mod wants;
