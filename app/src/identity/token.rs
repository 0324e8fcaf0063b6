//! The tokens of keys kept in the store: `pm_<key id>_<secret>`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::identity::key::SecretHash;
use domain::ids::{InvalidId, KeyId};
use ports::ids::IdSource;
use sha2::{Digest, Sha256};

use crate::config::Secret;

/// The greatest length of anything that is looked at as a token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 512;

/// What every token of a stored key begins with.
const PREFIX: &str = "pm_";

/// Random hexadecimal digits in the id of a key.
const ID_DIGITS: usize = 20;

/// The characters of a secret: 256 bits in base 64.
const SECRET_CHARS: usize = 43;

/// A key's id and secret, fresh from the id source.
#[derive(Debug, Clone)]
pub struct Minted {
    /// The id.
    pub id: KeyId,
    /// The secret part.
    pub secret: MintedSecret,
}

/// A fresh secret. It is shown once and kept only as a hash.
#[derive(Debug, Clone)]
pub struct MintedSecret {
    text: Secret,
    /// What is kept of it.
    pub hash: SecretHash,
}

impl Minted {
    /// Takes up a token that was drawn before.
    pub fn parse(token: &str) -> Option<Self> {
        let (id, secret) = split(token).filter(|(_, secret)| secret.len() >= SECRET_CHARS)?;
        Some(Self { id, secret: MintedSecret { text: Secret::new(secret), hash: hash(secret) } })
    }

    /// Draws an id and a secret.
    pub fn draw(ids: &dyn IdSource) -> Result<Self, InvalidId> {
        let name = ids.random_name();
        let digits = name.len().checked_sub(ID_DIGITS).and_then(|start| name.get(start..)).unwrap_or(&name);
        Ok(Self { id: KeyId::parse(&format!("k{digits}"))?, secret: MintedSecret::draw(ids) })
    }
}

impl MintedSecret {
    /// Draws a secret.
    pub fn draw(ids: &dyn IdSource) -> Self {
        let text = URL_SAFE_NO_PAD.encode(ids.secret());
        let hash = hash(&text);
        Self { text: Secret::new(text), hash }
    }

    /// What a caller sends: the id and the secret in one.
    pub fn token(&self, id: &KeyId) -> Secret {
        Secret::new(format!("{PREFIX}{id}_{}", self.text.expose()))
    }
}

/// SHA-256 of a secret.
pub fn hash(secret: &str) -> SecretHash {
    SecretHash(Sha256::digest(secret.as_bytes()).into())
}

/// Takes a token of a stored key apart; `None` if it does not look like one.
pub fn split(token: &str) -> Option<(KeyId, &str)> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    Some((KeyId::parse(id).ok()?, secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapters::fixed::CountedIds;

    #[test]
    fn a_token_comes_apart_as_it_was_put_together() {
        let ids = CountedIds::default();
        let minted = Minted::draw(&ids).unwrap();
        let token = minted.secret.token(&minted.id);
        let (id, secret) = split(token.expose()).unwrap();
        assert_eq!(id, minted.id);
        assert_eq!(hash(secret), minted.secret.hash);
        assert!(token.expose().len() <= TOKEN_BYTES_MAX);
    }

    #[test]
    fn a_secret_with_underscores_stays_whole() {
        let (id, secret) = split("pm_k1_a_b-c_").unwrap();
        assert_eq!((id.as_str(), secret), ("k1", "a_b-c_"));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in ["", "pm_", "pm_k1", "k1_secret", "pm_K1_secret", "pm__secret", "sk_k1_secret"] {
            assert!(split(text).is_none(), "{text}");
        }
    }

    #[test]
    fn nothing_prints_the_secret() {
        let minted = Minted::draw(&CountedIds::default()).unwrap();
        let token = minted.secret.token(&minted.id);
        let printed = format!("{minted:?}{token:?}{token}");
        assert!(!printed.contains(minted.secret.text.expose()), "{printed}");
    }
}
