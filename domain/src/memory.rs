//! What one agent learned, for all of them: what happened and what came of it, how things are done, and what a session
//! has in its head.
//!
//! A memory lies in one [`realm`](realm::Realm), which says who may read it. It is never taken away silently: it is
//! superseded by another one, loses its validity, or is redacted, and what is left says so.

pub mod candidate;
pub mod content;
pub mod filter;
pub mod index;
pub mod life;
pub mod pack;
pub mod plan;
pub mod procedures;
pub mod rank;
pub mod realm;
pub mod record;
pub mod refusal;
pub mod remember;
pub mod secrets;
pub mod snippet;
pub mod terms;
pub mod vector;
pub mod words;
pub mod working;
