//! Templates that were found good before: all licences of a type carry the same, half of what an OFD has to inflate and digest.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};

/// How an entry is packed, as one number: SHA-256 over its header from the version to the sizes, and its data. What is packed
/// in the same way inflates to the same, so its SM3 is the same too.
pub(super) type Packed = [u8; 32];

static KNOWN: LazyLock<RwLock<HashMap<Packed, Vec<u8>>>> = LazyLock::new(RwLock::default);

/// An installation has some tens.
const MOST_KNOWN: usize = 1000;

/// The number of an entry that is a template.
pub(super) fn packed(name: &str, header: &[u8], data: &[u8]) -> Option<Packed> {
    name.starts_with("Doc_0/TPLS/").then(|| Sha256::new().chain_update(header).chain_update(data).finalize().into())
}

/// The SM3 of a template that is known.
pub(super) fn recall(packed: &Packed) -> Option<Vec<u8>> {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(packed).cloned()
}

/// Keeps the SM3 of a template of a genuine licence; no stranger's, so that they cannot fill the memory.
pub(super) fn remember(packed: Packed, sm3: &[u8]) {
    if recall(&packed).is_some() {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if known.len() < MOST_KNOWN {
        known.insert(packed, sm3.to_vec());
    }
}
