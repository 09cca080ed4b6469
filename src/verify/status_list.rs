//! The signed status list: which issued versions are not in force, small enough to be carried where there is no network.
//!
//! One list covers 2²⁴ status indices; number `n` begins at index `n` · 2²⁴. It is an array of two bits for each index, the
//! first index in the lowest bits of the first byte: 0 in force, 1 superseded, 2 suspended, 3 ended. The array is cut after
//! its last block of 65,536 indices in use, compressed with zlib and written in base64url: the `status_list` of the IETF
//! Token Status List, whose claims `sub`, `iat`, `exp` and `ttl` stand around it. Ten million indices of which 0.1 % are
//! revoked are 29 kB; gaps coded one by one (Golomb–Rice) would save a quarter and no reader would know them.
//!
//! The file is a JWS in its JSON form with an unencoded payload (RFC 7515 7.2.2, RFC 7797), signed with the statement key:
//! what is signed is `protected`, a full stop, and `payload`, each as it stands in the file.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::Signature;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{State, Verdict};
use crate::sign::{StatementKey, TrustedKey};
use crate::store::Standing;

/// Bits for each index.
pub const BITS: u8 = 2;
/// Indices that one list covers.
pub const ENTRIES: u32 = 1 << 24;
/// Lists grow by this many indices at once, so that not every new licence makes a new list.
const BLOCK: u32 = 1 << 16;
const IN_A_BYTE: u32 = 8 / BITS as u32;
/// What a list inflates to at most.
const LARGEST: u64 = (ENTRIES / IN_A_BYTE) as u64;
/// What is read of a file: random statuses, which do not compress.
const LARGEST_FILE: u64 = 2 * LARGEST;

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusToken {
    /// [`StatusClaims`] as JSON.
    pub payload: String,
    /// The JOSE header, in base64url.
    pub protected: String,
    /// Ed25519 over both, in base64url.
    pub signature: String,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusClaims {
    /// Where this list is fetched.
    pub sub: String,
    /// When it was made, Unix seconds.
    pub iat: i64,
    /// From when on it is too old to be relied on.
    pub exp: i64,
    /// After how many seconds there may be a newer one.
    pub ttl: u32,
    /// The first status index.
    pub first: u32,
    /// The array.
    pub status_list: Packed,
}

/// The array as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packed {
    bits: u8,
    lst: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    b64: bool,
    crit: Vec<String>,
    kid: String,
    typ: String,
}

const TYPE: &str = "statuslist+jws";

/// Why a status list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StatusListError {
    /// The file cannot be read.
    #[error("{}: {cause}; fetch /.well-known/certpress/status/0 of the service again", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// It is no such list.
    #[error("is no status list: {0}")]
    Malformed(String),
    /// Nobody who is believed has signed it.
    #[error("this status list was not signed by any key in the trust list")]
    NotSigned,
}

impl Packed {
    /// Where a list ends that begins at `first`, when `size` indices are in use.
    pub fn end(first: u32, size: u32) -> u32 {
        let entries = size.saturating_sub(first).clamp(1, ENTRIES).next_multiple_of(BLOCK);
        first.saturating_add(entries)
    }

    /// Packs what is not in force among the indices from `first` to below `end`.
    pub fn new(first: u32, end: u32, listed: &[(u32, Standing)]) -> Self {
        let mut array = vec![0u8; (end - first).div_ceil(IN_A_BYTE) as usize];
        for &(index, standing) in listed {
            let place = index - first;
            array[(place / IN_A_BYTE) as usize] |= (standing as u8) << (place % IN_A_BYTE * u32::from(BITS));
        }
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
        let packed = packer.write_all(&array).and_then(|()| packer.finish()).expect("memory takes what is written");
        Self { bits: BITS, lst: BASE64.encode(packed) }
    }

    fn unpack(&self) -> Result<Vec<u8>, String> {
        if self.bits != BITS {
            return Err(format!("{} bits for each index; {BITS} are read here", self.bits));
        }
        let packed = BASE64.decode(&self.lst).map_err(|e| format!("lst: {e}"))?;
        let mut array = Vec::new();
        ZlibDecoder::new(packed.as_slice()).take(LARGEST + 1).read_to_end(&mut array).map_err(|e| format!("lst: {e}"))?;
        if array.len() as u64 > LARGEST {
            return Err(format!("lst: covers more than {ENTRIES} indices"));
        }
        Ok(array)
    }
}

impl StatusToken {
    /// Signs a list.
    pub fn sign(claims: &StatusClaims, key: &StatementKey) -> Self {
        let json = |json: Result<String, _>| json.expect("text and numbers always have a JSON form");
        let header =
            Header { alg: "EdDSA".to_owned(), b64: false, crit: vec!["b64".to_owned()], kid: hex::encode(key.kid), typ: TYPE.to_owned() };
        let (payload, protected) = (json(serde_json::to_string(claims)), BASE64.encode(json(serde_json::to_string(&header))));
        let signature = BASE64.encode(key.sign(&signed(&protected, &payload)));
        Self { payload, protected, signature }
    }
}

/// RFC 7797 3. No statement and no code begins like this, so one signature never passes for the other.
fn signed(protected: &str, payload: &str) -> Vec<u8> {
    format!("{protected}.{payload}").into_bytes()
}

/// A status list that is believed.
#[derive(Debug)]
pub struct StatusList {
    first: u32,
    array: Vec<u8>,
    /// When it was made.
    pub issued: Timestamp,
    /// From when on it is too old.
    pub expires: Timestamp,
}

impl StatusList {
    /// Reads a list that one of the trusted keys has signed while it was in use.
    pub fn read(text: &str, trusted: &[TrustedKey]) -> Result<Self, StatusListError> {
        let malformed = |cause: String| StatusListError::Malformed(cause);
        let token: StatusToken = serde_json::from_str(text).map_err(|e| malformed(e.to_string()))?;
        let header = BASE64.decode(&token.protected).map_err(|e| malformed(format!("protected: {e}")))?;
        let header: Header = serde_json::from_slice(&header).map_err(|e| malformed(format!("protected: {e}")))?;
        if header.alg != "EdDSA" || header.b64 || header.crit != ["b64"] || header.typ != TYPE {
            return Err(malformed(format!("protected: another kind of signature than `{TYPE}` with EdDSA")));
        }
        let signature = BASE64.decode(&token.signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
        let signature = signature.ok_or_else(|| malformed("signature: is no Ed25519 signature in base64url".to_owned()))?;
        let message = signed(&token.protected, &token.payload);
        let key = trusted.iter().find(|key| key.name() == header.kid && key.key.verify_strict(&message, &signature).is_ok());
        let key = key.ok_or(StatusListError::NotSigned)?;
        let claims: StatusClaims = serde_json::from_str(&token.payload).map_err(|e| malformed(format!("payload: {e}")))?;
        let instant = |second| Timestamp::from_second(second).map_err(|e| malformed(format!("payload: {e}")));
        let (issued, expires) = (instant(claims.iat)?, instant(claims.exp)?);
        if key.until.is_some_and(|until| issued > until) {
            return Err(StatusListError::NotSigned);
        }
        let array = claims.status_list.unpack().map_err(malformed)?;
        Ok(Self { first: claims.first, array, issued, expires })
    }

    /// What it says of an index: none when it does not reach there, `Some(None)` for in force.
    pub fn standing(&self, index: u32) -> Option<Option<Standing>> {
        let place = index.checked_sub(self.first)?;
        let byte = self.array.get((place / IN_A_BYTE) as usize)?;
        Some(match byte >> (place % IN_A_BYTE * u32::from(BITS)) & 0b11 {
            0 => None,
            1 => Some(Standing::Superseded),
            2 => Some(Standing::Suspended),
            _ => Some(Standing::Ended),
        })
    }
}

/// Status lists that were fetched earlier.
#[derive(Debug, Default)]
pub struct StatusLists(Vec<StatusList>);

impl StatusLists {
    /// Reads files.
    pub fn read(paths: &[PathBuf], trusted: &[TrustedKey]) -> Result<Self, StatusListError> {
        let read = |path: &PathBuf| {
            let failed = |cause: String| StatusListError::File { path: path.clone(), cause };
            let text = read_file(path).map_err(|e| failed(e.to_string()))?;
            StatusList::read(&text, trusted).map_err(|e| failed(e.to_string()))
        };
        paths.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Adds to a verdict what the lists say. What the register said more exactly stays.
    pub fn amend(&self, verdict: &mut Verdict) {
        let Some(licence) = &verdict.licence else { return };
        let mut say = |zh: &str, en: &str| {
            verdict.reason = format!("{}；{zh}", verdict.reason);
            verdict.reason_en = format!("{}. {en}", verdict.reason_en);
        };
        let Some(index) = licence.status_index else {
            return say("签发时没有登记簿，状态列表不涉及该证照", "It was issued without a register, so no status list speaks of it");
        };
        let listed = self.0.iter().filter_map(|list| Some((list, list.standing(index)?))).max_by_key(|(list, _)| list.issued);
        let Some((list, standing)) = listed else {
            return say("所给的状态列表不含该证照", "The status lists given do not reach this licence");
        };
        let issued = list.issued;
        if licence.issued_at > issued {
            return say(
                &format!("状态列表（{issued}）早于该证照，请更新"),
                &format!("The status list of {issued} is older than the licence; fetch a newer one"),
            );
        }
        if verdict.as_of >= list.expires {
            say(
                &format!("状态列表已过期（{}），此后的变化不得而知，请更新", list.expires),
                &format!("The status list is stale since {}: what has changed later is not known; fetch a newer one", list.expires),
            );
        }
        let (state, zh, en) = match standing {
            None => {
                return say(&format!("状态列表（截至 {issued}）载明未被停用"), &format!("By the status list of {issued} it was in force"));
            }
            Some(Standing::Superseded) => (State::Superseded, "已被新版取代", "superseded by a later version"),
            Some(Standing::Suspended) => (State::Suspended, "已暂扣", "suspended"),
            Some(Standing::Ended) => (State::Ended, "已注销、撤销或吊销", "cancelled, revoked or withdrawn"),
        };
        verdict.reason = format!("状态列表（截至 {issued}）载明{zh}；{}", verdict.reason);
        verdict.reason_en = format!("By the status list of {issued} it was {en}. {}", verdict.reason_en);
        if matches!(verdict.state, State::Valid | State::Over | State::NotBegun | State::Undated | State::Superseded) {
            verdict.state = state;
        }
    }
}

fn read_file(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let length = std::fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
    if length as u64 > LARGEST_FILE { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{BASE, judge, trusted};
    use super::*;
    use crate::qr::{Capsule, CapsuleName};
    use crate::sign::StatementKey;

    const ISSUED: i64 = 1_620_000_000;

    fn key() -> StatementKey {
        StatementKey::from_seed(&[7; 32])
    }

    fn keys() -> Vec<TrustedKey> {
        vec![TrustedKey { kid: key().kid, key: key().public(), test: true, from: None, until: None }]
    }

    fn token(first: u32, end: u32, listed: &[(u32, Standing)]) -> StatusToken {
        let claims = StatusClaims {
            sub: "https://zz.example.cn/.well-known/certpress/status/0".to_owned(),
            iat: ISSUED,
            exp: ISSUED + 86400,
            ttl: 3600,
            first,
            status_list: Packed::new(first, Packed::end(first, end), listed),
        };
        StatusToken::sign(&claims, &key())
    }

    fn text(token: &StatusToken) -> String {
        serde_json::to_string(token).unwrap()
    }

    #[test]
    fn ten_million_licences_with_one_in_a_thousand_revoked_are_under_30_kilobytes() {
        // A linear congruence scatters them without a generator of random numbers.
        let (mut revoked, mut at) = (std::collections::BTreeSet::new(), 1u64);
        while revoked.len() < 10_000 {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            revoked.insert(((at >> 33) % 10_000_000) as u32);
        }
        let listed: Vec<_> = revoked.iter().map(|&index| (index, Standing::Ended)).collect();
        let text = text(&token(0, 10_000_000, &listed));
        assert!((20_000..30_000).contains(&text.len()), "{}", text.len());
        let list = StatusList::read(&text, &keys()).unwrap();
        let ended = (0..10_000_000).filter(|&index| list.standing(index).unwrap() == Some(Standing::Ended));
        assert!(ended.eq(revoked), "what was packed comes out again");
    }

    #[test]
    fn a_list_begins_where_it_says_and_ends_with_its_block() {
        let first = 3 * ENTRIES;
        let listed = [(first, Standing::Superseded), (first + 5, Standing::Suspended), (first + 7, Standing::Ended)];
        let list = StatusList::read(&text(&token(first, first + 8, &listed)), &keys()).unwrap();
        let said: Vec<_> = (first..first + 9).map(|index| list.standing(index).unwrap()).collect();
        let expected = (first..first + 9).map(|i| listed.iter().find(|(index, _)| *index == i).map(|(_, standing)| *standing));
        assert!(said.into_iter().eq(expected));
        assert_eq!((list.standing(first - 1), list.standing(first + BLOCK)), (None, None));
    }

    #[test]
    fn what_nobody_trusted_has_signed_is_refused() {
        let good = token(0, 8, &[(3, Standing::Ended)]);
        assert!(StatusList::read(&text(&good), &keys()).is_ok());
        assert!(matches!(StatusList::read(&text(&good), &trusted(true)), Err(StatusListError::NotSigned)));
        let retired: Vec<_> = keys().into_iter().map(|key| TrustedKey { until: Timestamp::from_second(ISSUED - 1).ok(), ..key }).collect();
        assert!(matches!(StatusList::read(&text(&good), &retired), Err(StatusListError::NotSigned)));
        let (early, none) = (good.payload.replace("1620000000", "1620000001"), BASE64.encode(r#"{"alg":"none"}"#));
        for wrong in [
            StatusToken { payload: early, ..good.clone() },
            StatusToken { protected: none, ..good.clone() },
            StatusToken { signature: BASE64.encode([0; 64]), ..good.clone() },
            StatusToken { signature: "!".to_owned(), ..good.clone() },
        ] {
            assert!(StatusList::read(&text(&wrong), &keys()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
        packer.write_all(&vec![0; LARGEST as usize + 1]).unwrap();
        let bomb = Packed { bits: BITS, lst: BASE64.encode(packer.finish().unwrap()) };
        assert!(bomb.unpack().unwrap_err().contains("more than"));
        assert!(Packed { bits: 1, lst: String::new() }.unpack().is_err());
    }

    /// A code issued on 2021-04-22 at a place of the status list.
    fn verdict(status_index: u32, at: &str) -> Verdict {
        let key = key();
        let capsule = Capsule {
            kid: key.kid,
            licence_type: 1,
            period: Some((jiff::civil::date(2021, 4, 22), jiff::civil::date(2021, 10, 19))),
            issued_at: 1_619_056_800,
            status_index,
            number: "京1112012201990001".to_owned(),
            name: CapsuleName::Plain("王䶮".to_owned()),
            statement_hash: [1; 16],
        };
        let keys = keys();
        let mut verdict = judge(&keys, at).text(&format!("{BASE}{}", capsule.sign(&key).unwrap()));
        let listed = [(1, Standing::Superseded), (2, Standing::Suspended), (3, Standing::Ended)];
        StatusLists(vec![StatusList::read(&text(&token(0, 4, &listed)), &keys).unwrap()]).amend(&mut verdict);
        verdict
    }

    #[test]
    fn a_verdict_learns_what_the_list_says() {
        let states = [State::Valid, State::Superseded, State::Suspended, State::Ended];
        for (index, state) in (0..).zip(states) {
            let verdict = verdict(index, "2021-05-03T12:00:00Z");
            assert_eq!((verdict.grade, verdict.state), (super::super::Grade::B, state));
            assert!(verdict.reason_en.contains("By the status list of 2021-05-03T00:00:00Z it was"), "{}", verdict.reason_en);
        }
        let stale = verdict(3, "2021-06-01T00:00:00Z");
        assert!(stale.state == State::Ended && stale.reason_en.contains("stale since 2021-05-04T00:00:00Z"), "{}", stale.reason_en);
        assert!(verdict(BLOCK, "2021-05-03T12:00:00Z").reason_en.contains("do not reach"));
        assert!(verdict(Capsule::NO_STATUS, "2021-05-03T12:00:00Z").reason_en.contains("without a register"));
    }
}
