//! The keys of one installation: the statement key in use, those of before, and the salt key.

use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use super::SignError;

/// The key that signs statements now.
pub struct StatementKey {
    key: SigningKey,
    /// First two bytes of SHA-256 over its SubjectPublicKeyInfo.
    pub kid: [u8; 2],
}

impl StatementKey {
    /// Signs bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

/// A public key whose signatures count.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    /// First two bytes of SHA-256 over its SubjectPublicKeyInfo.
    pub kid: [u8; 2],
    /// The key.
    pub key: VerifyingKey,
    /// Whether it is a test key.
    pub test: bool,
}

/// The keys of one installation.
pub struct Keyring {
    /// The statement key in use.
    pub statement: StatementKey,
    /// The secret that salts statements.
    pub salt: [u8; 32],
    /// Every public key whose statements count, the one in use included.
    pub trusted: Vec<TrustedKey>,
    /// Whether these are test keys: every file they sign says 样张.
    pub test: bool,
}

impl Keyring {
    /// Opens a folder of keys, making test keys when there are none. Says whether they were made.
    pub fn open_or_init(_folder: &Path) -> Result<(Self, bool), SignError> {
        todo!()
    }
}
