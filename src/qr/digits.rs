//! Bytes as decimal digits, the densest alphabet that a QR symbol and a URL share; one spelling for each byte string.

use std::fmt::Write as _;

use super::QrError;

/// Digits for a last group of 0 to 7 bytes; every group before it has 7 bytes and 17 digits.
const DIGITS: [usize; 8] = [0, 3, 5, 8, 10, 13, 15, 17];

/// A capsule has at most 378 bytes; whatever is much longer is refused before it is looked at.
const MOST_DIGITS: usize = 1000;

/// Writes bytes as digits: groups of 7 bytes, big-endian, each zero padded to 17 digits; the last one to fewer.
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(7) * 17);
    for group in bytes.chunks(7) {
        let value = group.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        let width = DIGITS[group.len()];
        write!(out, "{value:0width$}").expect("a string takes it");
    }
    out
}

/// Reads digits that [`encode`] wrote, and no others.
pub fn decode(digits: &str) -> Result<Vec<u8>, QrError> {
    let digits = digits.as_bytes();
    if digits.len() > MOST_DIGITS {
        return Err(QrError::DigitCount(digits.len()));
    }
    if let Some(place) = digits.iter().position(|byte| !byte.is_ascii_digit()) {
        return Err(QrError::NotADigit(place));
    }
    let mut out = Vec::with_capacity(digits.len() / 17 * 7 + 7);
    for (i, group) in digits.chunks(17).enumerate() {
        let bytes = DIGITS.iter().position(|&width| width == group.len()).ok_or(QrError::DigitCount(digits.len()))?;
        let value = group.iter().fold(0u64, |value, &digit| value * 10 + u64::from(digit - b'0'));
        if value >> (8 * bytes) != 0 {
            return Err(QrError::DigitRange(i * 17));
        }
        out.extend_from_slice(&value.to_be_bytes()[8 - bytes..]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn groups_have_the_documented_widths() {
        assert_eq!(encode(&[]), "");
        assert_eq!(encode(&[255]), "255");
        assert_eq!(encode(&[0, 1]), "00001");
        assert_eq!(encode(&[255; 7]), "72057594037927935");
        assert_eq!(encode(&[255; 8]), "72057594037927935255");
        for (bytes, width) in DIGITS.into_iter().enumerate() {
            assert_eq!(encode(&vec![255; bytes]).len(), width);
        }
    }

    #[test]
    fn what_encode_would_not_write_is_refused() {
        assert_eq!(decode("256"), Err(QrError::DigitRange(0)));
        assert_eq!(decode("72057594037927936"), Err(QrError::DigitRange(0)));
        assert_eq!(decode("72057594037927935256"), Err(QrError::DigitRange(17)));
        assert_eq!(decode("99999999999999999"), Err(QrError::DigitRange(0)));
        assert_eq!(decode("12a"), Err(QrError::NotADigit(2)));
        assert_eq!(decode("１23"), Err(QrError::NotADigit(0)));
        assert_eq!(decode("-12"), Err(QrError::NotADigit(0)));
        for count in [1, 2, 4, 6, 7, 9, 11, 12, 14, 16, 18, 1001, 100_000] {
            assert_eq!(decode(&"0".repeat(count)), Err(QrError::DigitCount(count)), "{count} digits");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(decode(&encode(&bytes)), Ok(bytes));
        }

        #[test]
        fn what_can_be_read_is_what_is_written(digits in "[0-9]{0,60}") {
            if let Ok(bytes) = decode(&digits) {
                prop_assert_eq!(encode(&bytes), digits);
            }
        }
    }
}
