//! The QR code: capsule, digits and symbol (see qr.md's format 1), written and read byte for byte.

use jiff::civil::Date;

use crate::page::Symbol;

/// The holder's name in a capsule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CapsuleName {
    /// The name itself, up to 24 bytes.
    Plain(String),
    /// The first 8 bytes of a hash over number and name.
    Commitment([u8; 8]),
}

/// What a QR code says, before its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capsule {
    /// The key's id.
    pub kid: [u8; 2],
    /// The licence type's number.
    pub licence_type: u8,
    /// Use period; none where registration dates are meant.
    pub period: Option<(Date, Date)>,
    /// Unix seconds.
    pub issued_at: u32,
    /// Position in the status list; `u32::MAX` for none.
    pub status_index: u32,
    /// Licence number.
    pub number: String,
    /// Holder's name.
    pub name: CapsuleName,
    /// First half of the statement's SHA-256.
    pub statement_hash: [u8; 16],
}

/// The symbol for a QR text: the prefix in byte mode, the digits in numeric mode, level M, a fixed mask.
pub fn symbol(_prefix: &str, _digits: &str) -> Result<Symbol, QrError> {
    todo!()
}

/// Why a capsule or symbol cannot be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QrError {
    /// Too long for a version 40 symbol.
    #[error("the QR text of {0} characters is too long")]
    TooLong(usize),
}
