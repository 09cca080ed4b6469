//! The QR symbol (ISO/IEC 18004) of a verify address: its base in byte mode, its digits in numeric mode.

use qrcode::bits::Bits;
use qrcode::canvas::{Canvas, MaskPattern};
use qrcode::ec::construct_codewords;
use qrcode::types::{Mode, QrError as SymbolError};
use qrcode::{Color, EcLevel, Version};

use super::QrError;
use crate::page::Symbol;

/// A verify base of up to this many characters leaves an ordinary licence at version 8, which prints well at 20 mm.
pub const ORDINARY_BASE: usize = 24;

/// Mends 15 % of the codewords; the next level would cost two versions, and modules too small to print at 20 mm.
const LEVEL: EcLevel = EcLevel::M;

/// The mask is fixed rather than chosen by penalty. Choosing among eight costs thirty times the rest of the symbol, and
/// guards against content with large flat areas, which a signature never has: under any mask its modules are noise. Over
/// 400 ordinary codes this one has the lowest mean penalty, 5 % above that of the best mask for each code.
const MASK: MaskPattern = MaskPattern::VerticalLines;

/// The smallest symbol at level M that holds the prefix in byte mode and the digits in numeric mode.
pub fn symbol(prefix: &str, digits: &str) -> Result<Symbol, QrError> {
    // A digit at the end of the base would make it unclear where the capsule begins.
    if !prefix.bytes().all(|b| b.is_ascii_graphic()) || prefix.ends_with(|c: char| c.is_ascii_digit()) {
        return Err(QrError::Prefix(prefix.to_owned()));
    }
    if let Some(place) = digits.bytes().position(|b| !b.is_ascii_digit()) {
        return Err(QrError::NotADigit(place));
    }
    let too_long = |_: SymbolError| QrError::TooLong(prefix.len() + digits.len());
    let segments = [(Mode::Byte, prefix), (Mode::Numeric, digits)];
    let version = (1..=40)
        .map(Version::Normal)
        .find(|&version| Bits::new(version).max_len(LEVEL).is_ok_and(|most| length(version, segments) <= most))
        .ok_or(QrError::TooLong(prefix.len() + digits.len()))?;

    let mut bits = Bits::new(version);
    bits.push_byte_data(prefix.as_bytes()).map_err(too_long)?;
    bits.push_numeric_data(digits.as_bytes()).map_err(too_long)?;
    bits.push_terminator(LEVEL).map_err(too_long)?;
    let (data, correction) = construct_codewords(&bits.into_bytes(), version, LEVEL).map_err(too_long)?;

    let mut canvas = Canvas::new(version, LEVEL);
    canvas.draw_all_functional_patterns();
    canvas.draw_data(&data, &correction);
    canvas.apply_mask(MASK);
    let dark = canvas.into_colors().into_iter().map(|color| color == Color::Dark).collect();
    Ok(Symbol { side: version.width() as usize, dark })
}

/// Bits of both segments with their headers.
fn length(version: Version, segments: [(Mode, &str); 2]) -> usize {
    let one = |(mode, text): (Mode, &str)| version.mode_bits_count() + mode.length_bits_count(version) + mode.data_bits_count(text.len());
    segments.into_iter().map(one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://zz.example.cn/v/";

    /// Digits that look like a capsule's: noise, but the same each time.
    fn noise(seed: u64, count: usize) -> String {
        let step = |x: &mut u64| {
            *x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some(char::from(b'0' + (*x >> 33) as u8 % 10))
        };
        std::iter::repeat_n((), count).scan(seed, |x, ()| step(x)).collect()
    }

    /// What a reader from elsewhere sees in the modules, four pixels each, in a quiet zone.
    fn read(symbol: &Symbol) -> String {
        let (scale, quiet) = (4, Symbol::QUIET);
        let side = (symbol.side + 2 * quiet) * scale;
        let pixel = |i: usize| {
            let (x, y) = (i % side / scale, i / side / scale);
            let inside = (quiet..quiet + symbol.side).contains(&x) && (quiet..quiet + symbol.side).contains(&y);
            if inside && symbol.dark[(y - quiet) * symbol.side + x - quiet] { 0 } else { 255 }
        };
        let luma = (0..side * side).map(pixel).collect();
        rxing::helpers::detect_in_luma(luma, side as u32, side as u32, Some(rxing::BarcodeFormat::QR_CODE))
            .expect("a readable symbol")
            .getText()
            .to_owned()
    }

    #[test]
    fn an_ordinary_licence_is_version_8() {
        // 114 bytes of capsule are 276 digits (see the first vector).
        for base in ["https://zz.example.cn/v/", "https://zz.example.c/v/"] {
            assert!(base.len() <= ORDINARY_BASE);
            let symbol = symbol(base, &noise(1, 276)).unwrap();
            assert_eq!((symbol.side, symbol.dark.len()), (49, 49 * 49));
        }
    }

    #[test]
    fn every_version_is_the_smallest_and_reads_back_under_the_fixed_mask() {
        let mut sides = std::collections::BTreeSet::new();
        for count in (3..1400).step_by(37) {
            let digits = noise(count as u64, count);
            let symbol = symbol(BASE, &digits).unwrap();
            assert_eq!(read(&symbol), format!("{BASE}{digits}"));
            sides.insert(symbol.side);
        }
        assert!(sides.contains(&29) && sides.contains(&49) && sides.contains(&57) && sides.len() > 15, "{sides:?}");
        // The numbers that ISO/IEC 18004 table 7 gives for numeric mode at level M, less the 4 bits and 8 of an empty byte segment.
        for (version, most) in [(5, 202 - 4), (8, 365 - 4)] {
            assert_eq!(symbol("", &noise(1, most)).unwrap().side, 17 + 4 * version);
            assert_eq!(symbol("", &noise(1, most + 5)).unwrap().side, 21 + 4 * version);
        }
    }

    #[test]
    fn what_does_not_fit_or_is_no_digit_is_refused() {
        assert_eq!(symbol(BASE, &noise(1, 6000)), Err(QrError::TooLong(6024)));
        assert_eq!(symbol(BASE, "12x"), Err(QrError::NotADigit(2)));
        assert_eq!(symbol("https://证.cn/", "123"), Err(QrError::Prefix("https://证.cn/".into())));
        assert_eq!(symbol("https://zz.example.cn/v1", "123"), Err(QrError::Prefix("https://zz.example.cn/v1".into())));
    }
}
