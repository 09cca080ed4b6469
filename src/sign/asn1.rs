//! Small things of DER that several structures share: whole encodings, strings of bytes, instants.

use der::asn1::{BitString, GeneralizedTime, OctetString};
use der::{DateTime, Encode};
use jiff::Timestamp;

/// DER of what always encodes: our own structures, small and made of valid parts.
pub(super) fn to_der(value: &impl Encode) -> Vec<u8> {
    value.to_der().expect("small structures of valid parts always encode")
}

pub(super) fn octets(bytes: &[u8]) -> OctetString {
    OctetString::new(bytes).expect("shorter than the longest string of DER")
}

pub(super) fn bits(bytes: &[u8]) -> BitString {
    BitString::from_bytes(bytes).expect("whole bytes are a bit string")
}

/// Whole seconds, from 1970 to 9999.
pub(super) fn date_time(at: Timestamp) -> DateTime {
    let since = std::time::Duration::from_secs(at.as_second().max(0).cast_unsigned());
    DateTime::from_unix_duration(since).expect("`Timestamp` ends a day before `DateTime` does")
}

pub(super) fn generalized_time(at: Timestamp) -> GeneralizedTime {
    GeneralizedTime::from_date_time(date_time(at))
}

/// Back again. RFC 5280 4.1.2.5 writes "never" as the last second of 9999, a day after the last `Timestamp`.
pub(super) fn timestamp(since_1970: std::time::Duration) -> Timestamp {
    Timestamp::from_second(since_1970.as_secs().cast_signed()).unwrap_or(Timestamp::MAX)
}

/// Bytes as base64 in JSON, for plain data that travels to a remote signer and back.
pub(super) mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in crate::sign) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(in crate::sign) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_go_there_and_back() {
        let at: Timestamp = "2026-03-01T04:00:00Z".parse().unwrap();
        assert_eq!(timestamp(generalized_time(at).to_unix_duration()), at);
        assert_eq!(timestamp(DateTime::INFINITY.unix_duration()), Timestamp::MAX, "a certificate without an end");
        date_time(Timestamp::MAX);
    }
}
