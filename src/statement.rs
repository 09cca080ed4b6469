//! The statement: the small signed truth about one issued version of one licence.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::annotation::{Annotated, UsePeriod};
use crate::layout::Layout;

/// What a statement's `format` says.
pub const FORMAT: &str = "certpress/statement/1";

/// The canonical bytes (RFC 8785) of a statement, and their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The canonical JSON.
    pub bytes: Vec<u8>,
    /// SHA-256 over it.
    pub sha256: [u8; 32],
}

impl Statement {
    /// The first half of the hash, which a QR capsule carries.
    pub fn hash16(&self) -> [u8; 16] {
        std::array::from_fn(|i| self.sha256[i])
    }
}

/// States what is issued. The holder's identity number stays out of it.
pub fn state(annotated: &Annotated, layout: &Layout, identifier: &str, salt_key: &[u8; 32], test: bool) -> Statement {
    let kind = Kind { id: &layout.id, code: &layout.type_code, name: &layout.name };
    state_kind(annotated, kind, identifier, salt_key, test)
}

/// The licence type, as a statement names it.
#[derive(Clone, Copy, Serialize)]
struct Kind<'a> {
    code: &'a str,
    id: &'a str,
    name: &'a str,
}

/// The statement's fields in the order of RFC 8785; for text and whole numbers the rest of it is what `serde_json` writes.
#[derive(Serialize)]
struct Fields<'a> {
    format: &'static str,
    holder: Holder<'a>,
    identifier: &'a str,
    issued_at: Timestamp,
    issued_on: Date,
    issuer: Issuer<'a>,
    number: &'a str,
    registration: Registration<'a>,
    salt: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    #[serde(rename = "type")]
    kind: Kind<'a>,
    /// Null where the registration dates are meant.
    r#use: Option<Days>,
    version: u16,
}

#[derive(Serialize)]
struct Holder<'a> {
    id_type: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Issuer<'a> {
    code: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Registration<'a> {
    from: Option<Date>,
    specialties: Vec<Specialty<'a>>,
    to: Option<Date>,
}

#[derive(Serialize)]
struct Specialty<'a> {
    from: Option<Date>,
    name: &'a str,
    to: Option<Date>,
}

#[derive(Serialize)]
struct Days {
    from: Date,
    to: Date,
}

fn state_kind(annotated: &Annotated, kind: Kind, identifier: &str, salt_key: &[u8; 32], test: bool) -> Statement {
    let record = annotated.record();
    // Whole seconds, as in the QR capsule.
    let issued_at = Timestamp::from_second(annotated.at().as_second()).expect("the seconds of a timestamp are in range");
    let fields = Fields {
        format: FORMAT,
        identifier,
        kind,
        number: &record.number,
        version: record.version,
        holder: Holder { name: &record.holder.name, id_type: &record.holder.id_type },
        r#use: annotated.period().map(|UsePeriod { from, to, .. }| Days { from, to }),
        registration: Registration {
            from: annotated.valid_from(),
            to: annotated.valid_to(),
            specialties: annotated.live().map(|s| Specialty { name: &s.name, from: s.valid_from, to: s.valid_to }).collect(),
        },
        issuer: Issuer { name: &record.issuer.name, code: &record.issuer.code },
        issued_on: record.issued_on,
        issued_at,
        test,
        salt: hex::encode(salt(salt_key, identifier, record.version, annotated.period(), issued_at)),
    };
    let bytes = serde_json::to_vec(&fields).expect("text and small numbers always have a JSON form");
    let sha256 = Sha256::digest(&bytes).into();
    Statement { bytes, sha256 }
}

/// HMAC-SHA-256 under the salt key over `certpress/salt/1` ‖ 0x00 and then identifier, version, first day, last day and
/// issued-at, each as its length in one big-endian `u32` and its text. Dates are ISO 8601 and empty without a use
/// period; issued-at is in Unix seconds. Lengths first, so no two inputs run together into the same bytes.
fn salt(key: &[u8; 32], identifier: &str, version: u16, period: Option<UsePeriod>, issued_at: Timestamp) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(b"certpress/salt/1\0");
    let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
    for part in [
        identifier.to_owned(),
        version.to_string(),
        day(period.map(|p| p.from)),
        day(period.map(|p| p.to)),
        issued_at.as_second().to_string(),
    ] {
        mac.update(&u32::try_from(part.len()).expect("an identifier is far shorter than 4 GB").to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::tests::{at, constructor_rules, ordinary};
    use crate::annotation::{Rules, UsePolicy, Wish, annotate};
    use crate::record::Record;

    const KIND: Kind = Kind { id: "constructor-1", code: "11100000000013338W999", name: "一级建造师注册证书" };
    const IDENTIFIER: &str = "1.2.156.3005.2.11100000000013338W999.11100000000013338W.TEST0120210001.001.X";
    const SALT_KEY: [u8; 32] = [7; 32];

    fn stated(record: &Record, rules: &Rules, instant: &str, key: &[u8; 32], test: bool) -> Statement {
        let annotated = annotate(record, rules, at(instant), Wish::default()).unwrap();
        state_kind(&annotated, KIND, IDENTIFIER, key, test)
    }

    fn ordinarily(test: bool) -> Statement {
        stated(&ordinary(), &constructor_rules(), "2021-04-22T10:00:00.9+08:00", &SALT_KEY, test)
    }

    #[test]
    fn a_statement_is_canonical_json_without_the_identity_number() {
        let statement = ordinarily(false);
        let text = String::from_utf8(statement.bytes.clone()).unwrap();
        let salt = salt(
            &SALT_KEY,
            IDENTIFIER,
            1,
            Some(UsePeriod { from: "2021-04-22".parse().unwrap(), to: "2021-10-19".parse().unwrap(), days: 180, capped_by: None }),
            at("2021-04-22T02:00:00Z"),
        );
        assert_eq!(
            text,
            format!(
                r#"{{"format":"certpress/statement/1","holder":{{"id_type":"111","name":"王䶮"}},"identifier":"{IDENTIFIER}","issued_at":"2021-04-22T02:00:00Z","issued_on":"2020-05-12","issuer":{{"code":"11100000000013338W","name":"中华人民共和国住房和城乡建设部"}},"number":"京1112012201990001","registration":{{"from":"2019-10-14","specialties":[{{"from":"2019-10-14","name":"建筑工程","to":"2022-10-13"}},{{"from":"2020-05-12","name":"市政公用工程","to":"2023-05-11"}}],"to":"2023-05-11"}},"salt":"{}","type":{{"code":"11100000000013338W999","id":"constructor-1","name":"一级建造师注册证书"}},"use":{{"from":"2021-04-22","to":"2021-10-19"}},"version":1}}"#,
                hex::encode(salt)
            )
        );
        assert_eq!(statement.sha256, <[u8; 32]>::from(Sha256::digest(text.as_bytes())));
        let strange = Record { number: "\"\\/\u{7f}\u{1}\u{1f}\u{8}\u{c}\n\r\t𠮷\u{2028}é".to_owned(), ..ordinary() };
        let bytes = stated(&strange, &constructor_rules(), "2021-04-22T10:00:00+08:00", &SALT_KEY, true).bytes;
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), bytes);
        assert_eq!(statement.hash16(), statement.sha256[..16]);
        assert!(!text.contains(&ordinary().holder.id_number));
    }

    #[test]
    fn the_salt_is_an_hmac_that_another_program_agrees_with() {
        // hmac.new(bytes([7])*32, b"certpress/salt/1\0" + b"".join(struct.pack(">I", len(p)) + p for p in
        // [b"1.2", b"1", b"", b"", b"1700000000"]), "sha256") in Python.
        let salt = salt(&SALT_KEY, "1.2", 1, None, Timestamp::from_second(1_700_000_000).unwrap());
        assert_eq!(hex::encode(salt), "084018f00c8859ea44783cb22ca1a17d2acb04fc2c049a7608dce8787d40244d");
    }

    #[test]
    fn same_input_gives_the_same_bytes_and_each_input_its_own_salt() {
        assert_eq!(ordinarily(false), ordinarily(false));
        let reissued = Record { version: 2, ..ordinary() };
        let no_period = Rules { use_period: UsePolicy::None, ..constructor_rules() };
        let (rules, instant) = (constructor_rules(), "2021-04-22T10:00:00+08:00");
        let salts: std::collections::BTreeSet<String> = [
            stated(&ordinary(), &rules, instant, &SALT_KEY, false),
            stated(&ordinary(), &rules, instant, &[8; 32], false),
            stated(&ordinary(), &rules, "2021-04-22T10:00:01+08:00", &SALT_KEY, false),
            stated(&ordinary(), &no_period, instant, &SALT_KEY, false),
            stated(&reissued, &rules, instant, &SALT_KEY, false),
        ]
        .iter()
        .map(|s| serde_json::from_slice::<serde_json::Value>(&s.bytes).unwrap()["salt"].to_string())
        .collect();
        assert_eq!(salts.len(), 5);
    }

    #[test]
    fn test_keys_say_so_and_a_missing_use_period_is_null() {
        let json = |statement: &Statement| serde_json::from_slice::<serde_json::Value>(&statement.bytes).unwrap();
        assert_eq!(json(&ordinarily(true))["test"], true);
        assert!(json(&ordinarily(false)).get("test").is_none());
        let rules = Rules { use_period: UsePolicy::None, ..constructor_rules() };
        let without = json(&stated(&ordinary(), &rules, "2021-04-22T10:00:00+08:00", &SALT_KEY, false));
        assert!(without["use"].is_null() && without["registration"]["to"] == "2023-05-11");
    }
}
