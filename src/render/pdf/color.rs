//! What the colours mean: the sRGB profile and the output intent that refers to it.

use super::file::{File, Ref, put};
use crate::deflate::Effort;

/// Adds the output intent that makes `DeviceRGB` and `DeviceGray` mean sRGB (ISO 19005-3 6.2.3).
pub(super) fn add_output_intent(file: &mut File) -> Ref {
    let profile = file.deflated(format_args!("/N 3"), &srgb_profile(), Effort::Best);
    file.small(|out| {
        let name = "(sRGB IEC61966-2.1)";
        let names = format_args!("/OutputConditionIdentifier{name}/Info{name}");
        put(out, format_args!("<</Type/OutputIntent/S/GTS_PDFA1{names}/DestOutputProfile {profile}>>"));
    })
}

/// An ICC profile (ICC.1:2004-10, version 4.2) for sRGB (IEC 61966-2-1): three primaries and one parametric curve.
fn srgb_profile() -> Vec<u8> {
    /// The profile connection space's white, D50.
    const WHITE: [f64; 3] = [0.9642, 1.0, 0.8249];
    /// D65 to D50 (Bradford), row by row.
    const ADAPTATION: [f64; 9] = [1.047_882, 0.022_919, -0.050_217, 0.029_587, 0.990_479, -0.017_075, -0.009_247, 0.015_076, 0.751_678];
    /// The primaries adapted to D50, red to blue; their sum is the white.
    const PRIMARIES: [[f64; 3]; 3] = [[0.436_07, 0.222_49, 0.013_92], [0.385_15, 0.716_87, 0.097_08], [0.143_07, 0.060_61, 0.714_10]];
    /// Y = (aX + b)^g from d on, cX below: g, a, b, c, d.
    const CURVE: [f64; 5] = [2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.040_45];

    let xyz = |value: [f64; 3]| fixed_numbers(*b"XYZ ", &[], &value);
    let curve = fixed_numbers(*b"para", &[0, 3, 0, 0], &CURVE);
    let tags: [([u8; 4], Vec<u8>); 9] = [
        (*b"desc", localised("sRGB")),
        (*b"cprt", localised("CC0")),
        (*b"wtpt", xyz(WHITE)),
        (*b"chad", fixed_numbers(*b"sf32", &[], &ADAPTATION)),
        (*b"rXYZ", xyz(PRIMARIES[0])),
        (*b"gXYZ", xyz(PRIMARIES[1])),
        (*b"bXYZ", xyz(PRIMARIES[2])),
        (*b"rTRC", curve),
        // Green and blue share red's curve.
        (*b"gTRC", Vec::new()),
    ];

    let count = tags.len() + 1;
    let mut table = (count as u32).to_be_bytes().to_vec();
    let mut data = Vec::new();
    let start = 128 + 4 + 12 * count;
    let mut entry = (0, 0);
    for (tag, value) in tags.iter().chain([&(*b"bTRC", Vec::new())]) {
        if !value.is_empty() {
            entry = ((start + data.len()) as u32, value.len() as u32);
            data.extend_from_slice(value);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        table.extend_from_slice(tag);
        table.extend_from_slice(&entry.0.to_be_bytes());
        table.extend_from_slice(&entry.1.to_be_bytes());
    }

    let mut profile = vec![0; 128];
    let mut put = |at: usize, bytes: &[u8]| profile[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &((start + data.len()) as u32).to_be_bytes());
    put(8, &[4, 0x20, 0, 0]);
    put(12, b"mntrRGB XYZ ");
    // A date is required; the standard's own will do.
    put(24, &[0x07, 0xcf, 0, 10, 0, 18]);
    put(36, b"acsp");
    put(68, &xyz(WHITE)[8..]);
    profile.extend_from_slice(&table);
    profile.extend_from_slice(&data);
    profile
}

/// A tag's value of s15Fixed16 numbers after an optional head.
fn fixed_numbers(kind: [u8; 4], head: &[u8], numbers: &[f64]) -> Vec<u8> {
    let mut value = [&kind[..], &[0; 4], head].concat();
    for number in numbers {
        value.extend_from_slice(&((number * 65_536.0).round() as i32).to_be_bytes());
    }
    value
}

/// A text in one language.
fn localised(text: &str) -> Vec<u8> {
    let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let words = [1, 12, u32::from_be_bytes(*b"enUS"), text.len() as u32, 28];
    let mut value = b"mluc\0\0\0\0".to_vec();
    value.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    value.extend_from_slice(&text);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primaries_add_up_to_white_and_offsets_stay_inside() {
        let profile = srgb_profile();
        let word = |at: usize| u32::from_be_bytes(profile[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(word(0), profile.len());
        assert_eq!(word(128), 10);
        let mut sum = [0.0; 3];
        for entry in 0..10 {
            let at = 132 + 12 * entry;
            let (offset, length) = (word(at + 4), word(at + 8));
            assert!(offset % 4 == 0 && length > 0 && offset + length <= profile.len());
            if &profile[at + 1..at + 4] == b"XYZ" {
                for (axis, total) in sum.iter_mut().enumerate() {
                    *total += word(offset + 8 + 4 * axis) as f64 / 65_536.0;
                }
            }
        }
        for (axis, white) in [0.9642, 1.0, 0.8249].into_iter().enumerate() {
            assert!((sum[axis] - white).abs() < 0.0003, "axis {axis}: {}", sum[axis]);
        }
    }
}
