//! The secrets that deliveries are signed with. The signature itself is made where cryptography is at hand.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a secret that is shown begins with; base 64 follows.
pub const SECRET_PREFIX: &str = "whsec_";

/// How long the secret before stays valid beside a new one, in hours.
pub const OVERLAP_HOURS: i64 = 24;

/// A secret shared with the target. It is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SigningSecret(Vec<u8>);

/// Bytes that are no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret of a webhook has {} to {} bytes", SigningSecret::BYTES_MIN, SigningSecret::BYTES_MAX)]
pub struct InvalidSecret;

impl SigningSecret {
    /// The least length in bytes.
    pub const BYTES_MIN: usize = 24;
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Checks the length.
    pub fn try_new(bytes: Vec<u8>) -> Result<Self, InvalidSecret> {
        if (Self::BYTES_MIN..=Self::BYTES_MAX).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(InvalidSecret) }
    }

    /// The bytes, for whoever signs and for the one answer that shows them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl From<SigningSecret> for String {
    /// As stores keep it: hexadecimal digits.
    fn from(secret: SigningSecret) -> Self {
        let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
        secret.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}

impl TryFrom<String> for SigningSecret {
    type Error = InvalidSecret;
    fn try_from(digits: String) -> Result<Self, InvalidSecret> {
        let pair = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(pair).collect();
        Self::try_new(bytes.ok_or(InvalidSecret)?)
    }
}

/// The secrets of a webhook: one, or for a while two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecrets {
    current: SigningSecret,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retiring: Option<Retiring>,
}

/// The secret before, and until when it is still valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Retiring {
    secret: SigningSecret,
    until: DateTime<Utc>,
}

impl SigningSecrets {
    /// One secret.
    pub fn new(secret: SigningSecret) -> Self {
        Self { current: secret, retiring: None }
    }

    /// Puts a new secret in place; the one before stays valid for [`OVERLAP_HOURS`], any older one ends now.
    #[must_use]
    pub fn rotate(&self, secret: SigningSecret, now: DateTime<Utc>) -> Self {
        let until = now + TimeDelta::hours(OVERLAP_HOURS);
        Self { current: secret, retiring: Some(Retiring { secret: self.current.clone(), until }) }
    }

    /// Those that a delivery is signed with now, the newest first.
    pub fn valid_at(&self, now: DateTime<Utc>) -> impl Iterator<Item = &SigningSecret> {
        let retiring = self.retiring.as_ref().filter(|retiring| now < retiring.until);
        std::iter::once(&self.current).chain(retiring.map(|retiring| &retiring.secret))
    }

    /// Until when the secret before is valid, if it still is.
    pub fn overlap_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.retiring.as_ref().map(|retiring| retiring.until).filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> SigningSecret {
        SigningSecret::try_new(vec![byte; 32]).unwrap()
    }

    #[test]
    fn a_secret_has_a_length_and_is_not_printed() {
        assert!(SigningSecret::try_new(vec![0; 23]).is_err() && SigningSecret::try_new(vec![0; 65]).is_err());
        assert!(SigningSecret::try_new(vec![0; 24]).is_ok() && SigningSecret::try_new(vec![0; 64]).is_ok());
        let secrets = SigningSecrets::new(secret(0xab)).rotate(secret(0xcd), DateTime::UNIX_EPOCH);
        let printed = format!("{secrets:?}");
        assert!(!printed.contains("ab") && !printed.contains("171") && printed.contains("****"), "{printed}");
    }

    #[test]
    fn a_secret_is_stored_and_read_back() {
        let secrets = SigningSecrets::new(secret(7)).rotate(secret(0xfe), DateTime::UNIX_EPOCH);
        let text = serde_json::to_string(&secrets).unwrap();
        assert_eq!(serde_json::from_str::<SigningSecrets>(&text).unwrap(), secrets);
        for text in ["", "ab", &"x".repeat(64), &"é".repeat(32), &"a".repeat(65)] {
            assert!(SigningSecret::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn the_secret_before_is_valid_for_a_day_and_any_older_one_no_longer() {
        let now = DateTime::UNIX_EPOCH;
        let hours = TimeDelta::hours;
        let one = SigningSecrets::new(secret(1));
        assert_eq!(one.valid_at(now).collect::<Vec<_>>(), [&secret(1)]);
        let two = one.rotate(secret(2), now);
        let almost = now + hours(24) - TimeDelta::microseconds(1);
        assert_eq!(two.valid_at(almost).collect::<Vec<_>>(), [&secret(2), &secret(1)]);
        assert_eq!(two.overlap_until(almost), Some(now + hours(24)));
        assert_eq!(two.valid_at(now + hours(24)).collect::<Vec<_>>(), [&secret(2)]);
        assert_eq!(two.overlap_until(now + hours(24)), None);
        let three = two.rotate(secret(3), now + hours(1));
        assert_eq!(three.valid_at(now + hours(1)).collect::<Vec<_>>(), [&secret(3), &secret(2)]);
    }
}
