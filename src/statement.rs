//! The statement: the small signed truth about one issued version of one licence.

use crate::annotation::Annotated;
use crate::layout::Layout;

/// The canonical bytes (RFC 8785) of a statement, and their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The canonical JSON.
    pub bytes: Vec<u8>,
    /// SHA-256 over it.
    pub sha256: [u8; 32],
}

/// States what is issued. The salt is HMAC-SHA-256 under the salt key over identifier, version, period and instant.
pub fn state(_annotated: &Annotated, _layout: &Layout, _identifier: &str, _salt_key: &[u8; 32], _test: bool) -> Statement {
    todo!()
}
