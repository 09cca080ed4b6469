//! Parts that were found good before: all licences of a type carry the same, half of what an OFD has to inflate and digest.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};

/// How an entry is packed, as one number: SHA-256 over its header from the version to the sizes, and its data. What is packed
/// in the same way inflates to the same, so its SM3 is the same too.
pub(super) type Packed = [u8; 32];

static KNOWN: LazyLock<RwLock<HashMap<Packed, [u8; 32]>>> = LazyLock::new(RwLock::default);

/// An installation has some hundreds: five for each type, and its seals.
const MOST_KNOWN: usize = 4000;

/// The number of an entry that many files share: of the face, or a seal.
pub(super) fn packed(name: &str, header: &[u8], data: &[u8]) -> Option<Packed> {
    let of_the_face = ["Doc_0/TPLS/", "Doc_0/Res/face_", "Doc_0/Tags/CustomTags.xml"];
    let is_shared = name.ends_with("/Seal.esl") || of_the_face.iter().any(|start| name.starts_with(start));
    is_shared.then(|| Sha256::new().chain_update(header).chain_update(data).finalize().into())
}

/// The SM3 of an entry that is known.
pub(super) fn recall(packed: &Packed) -> Option<[u8; 32]> {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(packed).copied()
}

/// Keeps the SM3 of an entry of a genuine licence; no stranger's, so that they cannot fill the memory.
pub(super) fn remember(packed: Packed, sm3: [u8; 32]) {
    if recall(&packed).is_some() {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if known.len() < MOST_KNOWN {
        known.insert(packed, sm3);
    }
}
