//! Keys and algorithms: a signer sees bytes, never a format.

use std::path::Path;

mod keyfile;
mod keyring;

pub use keyring::{KeyList, KeyState, Keyring, ListedKey, StatementKey, TrustedKey, read_trust};

/// What can go wrong with keys.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A key file cannot be read or written.
    #[error("{file}: cannot {action}: {cause}")]
    File {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        file: String,
        /// Why.
        cause: std::io::Error,
    },
    /// A key file is not what it should be.
    #[error("{file}: {message}")]
    Key {
        /// The file.
        file: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// The system gives no random bytes, so no key can be made.
    #[error("no random bytes from the operating system, so no key can be made: {0}")]
    Random(String),
}

impl SignError {
    fn file(action: &'static str, file: &Path, cause: std::io::Error) -> Self {
        Self::File { action, file: file.display().to_string(), cause }
    }

    fn key(file: &Path, message: impl Into<String>) -> Self {
        Self::Key { file: file.display().to_string(), message: message.into() }
    }
}
