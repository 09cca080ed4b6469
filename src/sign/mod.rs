//! Keys and algorithms: a signer sees bytes, never a format.

use std::path::Path;

mod algorithm;
mod anchors;
mod asn1;
mod certificate;
pub mod cms;
mod keyfile;
mod keyring;
pub mod ofd;
#[cfg(test)]
mod openssl;
pub mod pdf;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod pki;
pub mod ses;
mod signer;
mod sm2;
pub mod timestamp;

pub use algorithm::{Algorithm, PublicKey, SM2_USER_ID};
pub use anchors::{Anchors, ChainFault};
pub use certificate::{Certificate, RevocationList};
pub use keyring::{KeyList, KeyState, Keyring, ListedKey, StatementKey, TrustedKey, read_trust};
#[cfg(feature = "pkcs11")]
pub use pkcs11::ModuleSigner;
pub use pki::{is_test, make_test_pki, test_signer};
pub use signer::{FileSigner, Signer, open_signer};

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
    /// A certificate cannot be used.
    #[error("the certificate of {subject} {message}")]
    Certificate {
        /// Whose certificate.
        subject: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// The device or key that signs gave no signature, or a wrong one. Nothing was signed.
    #[error("{0}")]
    Device(String),
    /// What was prepared for a signature came back damaged.
    #[error("the prepared signature is damaged: {0}; prepare it again")]
    Prepared(String),
    /// A time-stamp server gave no time-stamp, or a wrong one.
    #[error("no time-stamp: {0}")]
    TimeStamp(String),
    /// A seal cannot be made or used as asked.
    #[error("the seal {name} {message}")]
    Seal {
        /// The seal's name.
        name: String,
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
