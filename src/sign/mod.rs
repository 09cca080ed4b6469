//! Keys and algorithms: a signer sees bytes, never a format.

mod keyring;

pub use keyring::{Keyring, StatementKey, TrustedKey};

/// What can go wrong with keys.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A key file cannot be read or written.
    #[error("{file}: {cause}")]
    File {
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
}
