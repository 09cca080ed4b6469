//! The QR capsule, format 1: what a code says about an issued licence, signed, written and read byte for byte.

use ed25519_dalek::Signature;
use jiff::civil::{Date, date};
use jiff::{Timestamp, ToSpan as _};
use sha2::{Digest as _, Sha256};

use crate::annotation::Annotated;
use crate::layout::Layout;
use crate::sign::{StatementKey, TrustedKey};
use crate::statement::Statement;

pub mod digits;
mod symbol;

pub use symbol::{ORDINARY_BASE, symbol};

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
    /// Position in the status list; [`Capsule::NO_STATUS`] for none.
    pub status_index: u32,
    /// Licence number.
    pub number: String,
    /// Holder's name.
    pub name: CapsuleName,
    /// First half of the statement's SHA-256.
    pub statement_hash: [u8; 16],
}

/// The holder's name in a capsule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CapsuleName {
    /// The name itself, up to 24 bytes.
    Plain(String),
    /// The first 8 bytes of a hash over number and name.
    Commitment([u8; 8]),
}

/// Why a capsule, its digits or its symbol cannot be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QrError {
    /// Too long for a version 40 symbol.
    #[error("the QR text of {0} characters is too long; at most about 5500 fit a symbol, so shorten the verify base")]
    TooLong(usize),
    /// The prefix is not plain ASCII, which is all that every reader agrees on.
    #[error("the verify base `{0}` must be printable ASCII and must not end in a digit")]
    Prefix(String),
    /// A date that two bytes of days since 2000-01-01 cannot hold.
    #[error("the date {0} cannot be written in a QR code: it must lie from 2000-01-02 to 2179-06-06")]
    Date(Date),
    /// A use period that ends before it begins.
    #[error("the use period {0} to {1} ends before it begins")]
    Period(Date, Date),
    /// An instant that four bytes of Unix seconds cannot hold.
    #[error("the instant {0} cannot be written in a QR code: it must lie from 1970 to 2106")]
    Instant(Timestamp),
    /// A number longer than a length byte can say, or empty.
    #[error("a licence number of {0} bytes cannot be written in a QR code: it must have 1 to 255")]
    Number(usize),
    /// An empty name.
    #[error("an empty holder's name cannot be written in a QR code")]
    Name,
    /// A character that is no digit, at a place counted from 0.
    #[error("the character at place {0} is not a digit")]
    NotADigit(usize),
    /// No number of bytes makes this many digits.
    #[error("{0} digits cannot be a capsule")]
    DigitCount(usize),
    /// A group of digits above its range, at a place counted from 0.
    #[error("the digits from place {0} on are above their range")]
    DigitRange(usize),
    /// The one answer to whatever no trusted key has signed, whatever is wrong with it.
    #[error("this code was not issued by any key in the trust list")]
    NotIssued,
}

impl Capsule {
    /// `status_index` of what was issued without a register.
    pub const NO_STATUS: u32 = u32::MAX;

    /// What the code of an issued licence says, without a register.
    pub fn new(annotated: &Annotated, layout: &Layout, statement: &Statement, kid: [u8; 2]) -> Result<Self, QrError> {
        let record = annotated.record();
        Ok(Self {
            kid,
            licence_type: layout.qr_code,
            period: annotated.period().map(|period| (period.from, period.to)),
            issued_at: u32::try_from(annotated.at().as_second()).map_err(|_| QrError::Instant(annotated.at()))?,
            status_index: Self::NO_STATUS,
            number: record.number.clone(),
            name: CapsuleName::of(&record.holder.name, &record.number, layout.name_in_qr_commitment),
            statement_hash: statement.hash16(),
        })
    }

    /// Whether it can be written.
    pub fn check(&self) -> Result<(), QrError> {
        self.body().map(drop)
    }

    /// The digits of the signed capsule. `kid` must be the key's.
    pub fn sign(&self, key: &StatementKey) -> Result<String, QrError> {
        debug_assert_eq!(self.kid, key.kid, "a capsule names the key that signs it");
        let mut bytes = self.body()?;
        bytes.extend_from_slice(&key.sign(&signed_message(&bytes)));
        Ok(digits::encode(&bytes))
    }

    /// Reads a capsule that one of the trusted keys has signed while it was in use. The signature comes first, and every failure gives the
    /// same answer, so nobody learns anything about what was or was not issued.
    pub fn open<'k>(bytes: &[u8], trusted: &'k [TrustedKey]) -> Result<(Self, &'k TrustedKey), QrError> {
        let (body, signature) = bytes.split_last_chunk::<64>().ok_or(QrError::NotIssued)?;
        let (head, kid) = match body {
            [head, a, b, ..] => (*head, [*a, *b]),
            _ => return Err(QrError::NotIssued),
        };
        if head != FORMAT_1_ED25519 {
            return Err(QrError::NotIssued);
        }
        let (message, signature) = (signed_message(body), Signature::from_bytes(signature));
        let key = trusted
            .iter()
            // Strictly RFC 8032: no small-order keys, no S at or above the group order.
            .find(|key| key.kid == kid && key.key.verify_strict(&message, &signature).is_ok())
            .ok_or(QrError::NotIssued)?;
        let capsule = Self::read(body).ok_or(QrError::NotIssued)?;
        // What a retired key signed before still counts; what it says it signed after does not.
        if key.until.is_some_and(|until| i64::from(capsule.issued_at) > until.as_second()) {
            return Err(QrError::NotIssued);
        }
        Ok((capsule, key))
    }

    /// Everything before the signature.
    fn body(&self) -> Result<Vec<u8>, QrError> {
        let mut out = Vec::with_capacity(80);
        out.push(FORMAT_1_ED25519);
        out.extend_from_slice(&self.kid);
        out.push(self.licence_type);
        let (from, to) = match self.period {
            None => (0, 0),
            Some((from, to)) if from > to => return Err(QrError::Period(from, to)),
            Some((from, to)) => (days_since_2000(from)?, days_since_2000(to)?),
        };
        out.extend_from_slice(&from.to_be_bytes());
        out.extend_from_slice(&to.to_be_bytes());
        out.extend_from_slice(&self.issued_at.to_be_bytes());
        out.extend_from_slice(&self.status_index.to_be_bytes());
        push_number(&mut out, &self.number)?;
        match &self.name {
            CapsuleName::Plain(name) => match name.len() {
                0 => return Err(QrError::Name),
                length @ ..=PLAIN_NAME_BYTES => {
                    out.push(length as u8);
                    out.extend_from_slice(name.as_bytes());
                }
                // `CapsuleName::of` never makes one, but the variant can be built by hand.
                _ => return Self { name: CapsuleName::of(name, &self.number, true), ..self.clone() }.body(),
            },
            CapsuleName::Commitment(hash) => {
                out.push(COMMITMENT);
                out.extend_from_slice(hash);
            }
        }
        out.extend_from_slice(&self.statement_hash);
        Ok(out)
    }

    /// Reads what [`Capsule::body`] writes, and nothing else.
    fn read(body: &[u8]) -> Option<Self> {
        let mut rest = body;
        let [_format, kid_a, kid_b, licence_type] = take(&mut rest)?;
        let (from, to) = (u16::from_be_bytes(take(&mut rest)?), u16::from_be_bytes(take(&mut rest)?));
        let period = (from != 0 || to != 0).then(|| (day_since_2000(from), day_since_2000(to)));
        let issued_at = u32::from_be_bytes(take(&mut rest)?);
        let status_index = u32::from_be_bytes(take(&mut rest)?);
        let number = take_number(&mut rest)?;
        let name = match take::<1>(&mut rest)? {
            [COMMITMENT] => CapsuleName::Commitment(take(&mut rest)?),
            [length] => CapsuleName::Plain(take_text(&mut rest, length)?),
        };
        let statement_hash = take(&mut rest)?;
        let capsule = Self { kid: [kid_a, kid_b], licence_type, period, issued_at, status_index, number, name, statement_hash };
        // One encoding for each capsule: what would be written differently is refused.
        (rest.is_empty() && capsule.body().ok()? == body).then_some(capsule)
    }
}

impl CapsuleName {
    /// The name itself where it is short and may be shown, else a commitment to it.
    pub fn of(name: &str, number: &str, commitment: bool) -> Self {
        if name.len() <= PLAIN_NAME_BYTES && !commitment {
            return Self::Plain(name.to_owned());
        }
        let mut hash = Sha256::new();
        for part in ["certpress/name/1\0", number, "\0", name] {
            hash.update(part);
        }
        let hash = hash.finalize();
        Self::Commitment(std::array::from_fn(|i| hash[i]))
    }

    /// Whether this stands for a name.
    pub fn is(&self, name: &str, number: &str) -> bool {
        *self == Self::of(name, number, matches!(self, Self::Commitment(_)))
    }
}

/// High half: format 1. Low half: Ed25519.
const FORMAT_1_ED25519: u8 = 0x11;
/// Longer names are replaced by a commitment.
const PLAIN_NAME_BYTES: usize = 24;
/// In place of a name's length; no plain name is that long.
const COMMITMENT: u8 = 0x88;
const EPOCH: Date = date(2000, 1, 1);
/// More digits than these are written as text; 10³⁸ is the last power of ten below 2¹²⁸.
const MOST_DIGITS: usize = 38;

/// GB/T 2260: the first two digits of the provinces, by the character that stands for each in licence numbers.
#[rustfmt::skip]
const PROVINCES: [(char, u8); 34] = [
    ('京', 11), ('津', 12), ('冀', 13), ('晋', 14), ('蒙', 15), ('辽', 21), ('吉', 22), ('黑', 23), ('沪', 31),
    ('苏', 32), ('浙', 33), ('皖', 34), ('闽', 35), ('赣', 36), ('鲁', 37), ('豫', 41), ('鄂', 42), ('湘', 43),
    ('粤', 44), ('桂', 45), ('琼', 46), ('渝', 50), ('川', 51), ('贵', 52), ('云', 53), ('藏', 54), ('陕', 61),
    ('甘', 62), ('青', 63), ('宁', 64), ('新', 65), ('台', 71), ('港', 81), ('澳', 82),
];

/// The domain keeps a capsule's signature from counting anywhere else.
fn signed_message(body: &[u8]) -> Vec<u8> {
    [b"certpress/qr/1\0", body].concat()
}

/// Day 0 means that there is no use period, so 2000-01-01 itself cannot be written.
fn days_since_2000(day: Date) -> Result<u16, QrError> {
    u16::try_from((day - EPOCH).get_days()).ok().filter(|&days| days > 0).ok_or(QrError::Date(day))
}

fn day_since_2000(days: u16) -> Date {
    EPOCH.saturating_add(i64::from(days).days())
}

fn push_number(out: &mut Vec<u8>, number: &str) -> Result<(), QrError> {
    if let Some((province, digits)) = province_and_digits(number) {
        let value: u128 = digits.parse().expect("at most 38 ASCII digits");
        out.push(province);
        out.push(digits.len() as u8);
        out.extend_from_slice(&value.to_be_bytes()[16 - bytes_for_digits(digits.len())..]);
        return Ok(());
    }
    let length = u8::try_from(number.len()).ok().filter(|&length| length > 0).ok_or(QrError::Number(number.len()))?;
    out.push(0);
    out.push(length);
    out.extend_from_slice(number.as_bytes());
    Ok(())
}

fn province_and_digits(number: &str) -> Option<(u8, &str)> {
    let first = number.chars().next()?;
    let digits = &number[first.len_utf8()..];
    let (_, province) = PROVINCES.iter().find(|(character, _)| *character == first)?;
    let short = (1..=MOST_DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    short.then_some((*province, digits))
}

/// The fewest whole bytes that hold any number of so many digits.
fn bytes_for_digits(digits: usize) -> usize {
    let largest = 10u128.pow(digits as u32) - 1;
    (u128::BITS - largest.leading_zeros()).div_ceil(8) as usize
}

fn take_number(rest: &mut &[u8]) -> Option<String> {
    let [province, count] = take(rest)?;
    if province == 0 {
        return take_text(rest, count);
    }
    let (character, _) = PROVINCES.iter().find(|(_, code)| *code == province)?;
    let count = usize::from(count);
    if !(1..=MOST_DIGITS).contains(&count) {
        return None;
    }
    let (digits, after) = rest.split_at_checked(bytes_for_digits(count))?;
    *rest = after;
    let value = digits.iter().fold(0u128, |value, &byte| value << 8 | u128::from(byte));
    let text = format!("{value:0count$}");
    (text.len() == count).then(|| format!("{character}{text}"))
}

fn take_text(rest: &mut &[u8], length: u8) -> Option<String> {
    let (text, after) = rest.split_at_checked(length.into())?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*bytes)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::VerifyingKey;
    use ed25519_dalek::pkcs8::EncodePublicKey as _;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../tests/data/qr-vectors.json")).expect("JSON")
    }

    fn key() -> StatementKey {
        let seed = hex::decode(vectors()["secret_key"].as_str().unwrap()).unwrap();
        StatementKey::from_seed(&seed.try_into().unwrap())
    }

    fn trust(key: &StatementKey) -> TrustedKey {
        TrustedKey { kid: key.kid, key: key.public(), test: true, from: None, until: None }
    }

    fn trusted() -> Vec<TrustedKey> {
        vec![trust(&key())]
    }

    fn capsule(vector: &Value) -> Capsule {
        let text = |name: &str| vector[name].as_str().unwrap();
        let period = vector["use_from"].as_str().map(|from| (from.parse().unwrap(), text("use_to").parse().unwrap()));
        Capsule {
            kid: key().kid,
            licence_type: vector["type"].as_u64().unwrap() as u8,
            period,
            issued_at: vector["issued_at"].as_u64().unwrap() as u32,
            status_index: vector["status_index"].as_u64().unwrap() as u32,
            number: text("number").into(),
            name: CapsuleName::of(text("name"), text("number"), vector["commitment"] == true),
            statement_hash: hex::decode(text("statement_hash16")).unwrap().try_into().unwrap(),
        }
    }

    fn ordinary() -> Capsule {
        capsule(&vectors()["vectors"][0])
    }

    fn signed(capsule: &Capsule) -> Vec<u8> {
        digits::decode(&capsule.sign(&key()).unwrap()).unwrap()
    }

    #[test]
    fn the_five_vectors_are_written_and_read_byte_for_byte() {
        let all = vectors();
        assert_eq!(hex::encode(key().public().to_public_key_der().unwrap()), all["public_key_spki"].as_str().unwrap());
        assert_eq!(all["vectors"].as_array().unwrap().len(), 5);
        for vector in all["vectors"].as_array().unwrap() {
            let (capsule, title) = (capsule(vector), &vector["title"]);
            let bytes = signed(&capsule);
            assert_eq!(hex::encode(&bytes), vector["capsule"].as_str().unwrap(), "{title}");
            let text = digits::encode(&bytes);
            assert_eq!(text, vector["digits"].as_str().unwrap(), "{title}");
            let (read, _) = Capsule::open(&digits::decode(&text).unwrap(), &trusted()).unwrap();
            assert_eq!(read, capsule, "{title}");
            assert!(read.name.is(vector["name"].as_str().unwrap(), &read.number), "{title}");
            assert!(!read.name.is("李测试", &read.number), "{title}");
        }
    }

    #[test]
    fn an_ordinary_licence_with_a_base_of_24_characters_is_version_8() {
        let all = vectors();
        let (base, digits) = (all["prefix"].as_str().unwrap(), all["vectors"][0]["digits"].as_str().unwrap());
        assert_eq!(base.len(), ORDINARY_BASE);
        assert_eq!(symbol(base, digits).unwrap().side, 49);
    }

    #[test]
    fn every_changed_digit_is_refused() {
        let digits = digits::encode(&signed(&ordinary()));
        for place in 0..digits.len() {
            for other in '0'..='9' {
                let mut changed = digits.clone();
                changed.replace_range(place..=place, &other.to_string());
                if changed != digits {
                    let bytes = digits::decode(&changed);
                    assert!(bytes.is_err() || Capsule::open(&bytes.unwrap(), &trusted()).is_err(), "{other} at {place}");
                }
            }
        }
    }

    #[test]
    fn a_code_cut_short_or_lengthened_is_refused() {
        let bytes = signed(&ordinary());
        for length in 0..bytes.len() {
            assert_eq!(Capsule::open(&bytes[..length], &trusted()).err(), Some(QrError::NotIssued));
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Capsule::open(&longer, &trusted()).err(), Some(QrError::NotIssued));
    }

    #[test]
    fn another_key_or_none_is_no_authority() {
        let bytes = signed(&ordinary());
        assert!(Capsule::open(&bytes, &[]).is_err());
        let stranger = trust(&StatementKey::from_seed(&[9; 32]));
        // A stranger with the same key id gains nothing by it, and takes nothing away.
        let twin = TrustedKey { kid: key().kid, ..stranger.clone() };
        assert!(Capsule::open(&bytes, &[stranger, twin.clone()]).is_err());
        assert!(Capsule::open(&bytes, &[twin, trusted().remove(0)]).is_ok());
    }

    #[test]
    fn a_retired_key_counts_for_what_it_signed_before() {
        let bytes = signed(&ordinary());
        let until = |seconds: u32| {
            let until = Timestamp::from_second(seconds.into()).ok();
            Capsule::open(&bytes, &[TrustedKey { until, ..trust(&key()) }]).is_ok()
        };
        let issued_at = ordinary().issued_at;
        assert!(until(issued_at) && until(issued_at + 1) && !until(issued_at - 1));
    }

    #[test]
    fn a_signature_for_another_purpose_does_not_count() {
        let body = ordinary().body().unwrap();
        let bare = [&body[..], &key().sign(&body)].concat();
        assert!(Capsule::open(&bare, &trusted()).is_err());
    }

    /// RFC 8032, 5.1.7: S must be below the group order L; S + L would satisfy a lax verifier.
    #[test]
    fn a_signature_with_a_non_canonical_s_is_refused() {
        const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
        let mut bytes = signed(&ordinary());
        let s = bytes.len() - 32;
        let mut carry = 0;
        for (byte, add) in bytes[s..].iter_mut().zip(hex::decode(ORDER).unwrap()) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        assert_eq!(carry, 0);
        assert!(Capsule::open(&bytes, &trusted()).is_err());
    }

    /// A key of small order makes R = identity, S = 0 a "signature" of every message for a verifier that allows it.
    #[test]
    fn a_small_order_key_signs_nothing() {
        const SMALL_ORDER: [&str; 3] = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        for point in SMALL_ORDER {
            let point: [u8; 32] = hex::decode(point).unwrap().try_into().unwrap();
            let weak = TrustedKey { key: VerifyingKey::from_bytes(&point).unwrap(), ..trust(&key()) };
            let identity = hex::decode(SMALL_ORDER[0]).unwrap();
            for r in [&identity[..], &point[..]] {
                let bytes = [&ordinary().body().unwrap()[..], r, &[0; 32]].concat();
                assert!(Capsule::open(&bytes, std::slice::from_ref(&weak)).is_err());
            }
        }
    }

    #[test]
    fn only_one_writing_is_read_even_when_signed() {
        let good = ordinary().body().unwrap();
        assert!(Capsule::read(&good).is_some());
        // The number 京1112012201990001 as text rather than as province and digits.
        let text = "京1112012201990001".as_bytes();
        let spelled = [&good[..16], &[0, text.len() as u8], text, &good[25..]].concat();
        // 17 digits declared, in the bytes of 16; an unknown province; a use period that ends before it begins.
        let (mut counted, mut province, mut backwards) = (good.clone(), good.clone(), good.clone());
        counted[17] = 17;
        province[16] = 99;
        backwards[4..8].rotate_left(2);
        let mut half_period = good.clone();
        half_period[4..6].fill(0);
        let trailing = [&good[..], &[0]].concat();
        for bytes in [spelled, counted, province, backwards, half_period, trailing] {
            assert_eq!(Capsule::read(&bytes), None, "{}", hex::encode(&bytes));
        }
    }

    #[test]
    fn what_a_capsule_cannot_say_is_an_error() {
        let with_period = |from, to| Capsule { period: Some((from, to)), ..ordinary() }.body().err();
        assert_eq!(with_period(date(2000, 1, 1), date(2001, 1, 1)), Some(QrError::Date(date(2000, 1, 1))));
        assert_eq!(with_period(date(2000, 1, 2), date(2179, 6, 6)), None);
        assert_eq!(with_period(date(2000, 1, 2), date(2179, 6, 7)), Some(QrError::Date(date(2179, 6, 7))));
        assert_eq!(with_period(date(2021, 1, 2), date(2021, 1, 1)), Some(QrError::Period(date(2021, 1, 2), date(2021, 1, 1))));
        let numbered = |number: String| Capsule { number, ..ordinary() }.body().err();
        assert_eq!(numbered(String::new()), Some(QrError::Number(0)));
        assert_eq!(numbered("x".repeat(255)), None);
        assert_eq!(numbered("x".repeat(256)), Some(QrError::Number(256)));
        assert_eq!(Capsule { name: CapsuleName::Plain(String::new()), ..ordinary() }.body().err(), Some(QrError::Name));
    }

    #[test]
    fn a_name_is_plain_up_to_24_bytes() {
        assert!(matches!(CapsuleName::of("阿卜杜热西提麦麦", "1", false), CapsuleName::Plain(_)));
        assert!(matches!(CapsuleName::of("阿卜杜热西提麦麦x", "1", false), CapsuleName::Commitment(_)));
        // Number and name are told apart.
        assert_ne!(CapsuleName::of("bc", "a", true), CapsuleName::of("c", "ab", true));
    }

    proptest! {
        #[test]
        fn any_capsule_comes_back(
            licence_type: u8, issued_at: u32, status_index: u32, statement_hash: [u8; 16],
            from in 1u16..=u16::MAX, length in 0u16..2000, used: bool,
            number in "[京沪粤澳]?[0-9]{1,45}|[A-Z（）京]{1,20}", name in "[一-龥·A-Z]{1,20}", commitment: bool,
        ) {
            let period = used.then(|| (day_since_2000(from), day_since_2000(from.saturating_add(length))));
            let name = CapsuleName::of(&name, &number, commitment);
            let capsule =
                Capsule { kid: ordinary().kid, licence_type, period, issued_at, status_index, number, name, statement_hash };
            let bytes = signed(&capsule);
            prop_assert_eq!(Capsule::open(&bytes, &trusted()).map(|(read, _)| read), Ok(capsule));
        }

        #[test]
        fn signed_nonsense_never_panics(mut body in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Some(head) = body.first_chunk_mut::<3>() {
                *head = [FORMAT_1_ED25519, ordinary().kid[0], ordinary().kid[1]];
            }
            let signature = key().sign(&signed_message(&body));
            if let Ok((capsule, _)) = Capsule::open(&[&body[..], &signature].concat(), &trusted()) {
                prop_assert_eq!(capsule.body().ok(), Some(body));
            }
        }
    }
}
