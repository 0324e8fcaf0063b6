//! What requests about locks look like on the wire.

use crate::locks::views::ModeView;
use poem_openapi::Object;

/// One key that is wanted.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WantedLock", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct WantBody {
    /// A path from the root of the repository (`src/main.rs`), a folder with everything in it (`src/**`), or a named
    /// resource (`db:schema:users`). At most 512 bytes.
    #[oai(validator(min_length = 1, max_length = 512))]
    pub key: String,
    /// `exclusive` if left out.
    pub mode: Option<ModeView>,
}

/// Locks to take, all or nothing.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AcquireLocks", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct AcquireBody {
    /// 1 to 64 keys.
    #[oai(validator(min_items = 1, max_items = 64))]
    pub keys: Vec<WantBody>,
    /// How long the locks last without renewal, in seconds. The server's default is two hours.
    #[oai(validator(minimum(value = "5"), maximum(value = "28800")))]
    pub ttl_seconds: Option<u32>,
    /// What for, for others to read.
    #[oai(validator(min_length = 1, max_length = 512))]
    pub reason: Option<String>,
    /// How long to wait in line if they cannot be had at once, in seconds; 0 if left out.
    #[oai(validator(maximum(value = "60")))]
    pub wait_seconds: Option<u32>,
    /// A place in line kept by an earlier answer.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub ticket: Option<String>,
}

/// Locks to keep for longer, all or none.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RenewLocks", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct RenewBody {
    /// 1 to 64 fencing tokens, as granted.
    #[oai(validator(min_items = 1, max_items = 64))]
    pub tokens: Vec<i64>,
    /// How long the locks last from now, in seconds; a lock never gets shorter.
    #[oai(validator(minimum(value = "5"), maximum(value = "28800")))]
    pub ttl_seconds: Option<u32>,
}

/// Locks to give back, all or none.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReleaseLocks", deny_unknown_fields)]
pub struct ReleaseBody {
    /// 1 to 64 fencing tokens, as granted.
    #[oai(validator(min_items = 1, max_items = 64))]
    pub tokens: Vec<i64>,
}

/// A lock to take away from its holder.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ForceReleaseLock", deny_unknown_fields)]
pub struct ForceReleaseBody {
    /// The fencing token it was seen under.
    pub token: i64,
    /// Why, for the holder to read.
    #[oai(validator(min_length = 1, max_length = 512))]
    pub reason: String,
}

/// Keys to ask about.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CheckLocks", deny_unknown_fields)]
pub struct CheckBody {
    /// 1 to 64 keys.
    #[oai(validator(min_items = 1, max_items = 64))]
    pub keys: Vec<WantBody>,
}
