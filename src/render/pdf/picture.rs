//! Objects that a page draws by name: JPEG as it is, PNG as samples with a soft mask, a QR symbol as rectangles.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use printpdf::{DictItem, ExternalStream, ExternalXObject, XObject};

use super::print::Deflater;
use crate::page::Symbol;
use crate::record::{Picture, PictureFormat};

/// The symbol as a form object, a module and a unit the same, quiet zone included. All bars make one path: no seams
/// show between rows.
pub(super) fn symbol(symbol: &Symbol, deflater: &mut Deflater) -> XObject {
    let across = symbol.side + 2 * Symbol::QUIET;
    let mut content = String::from("0 g\n");
    for (row, column, count) in symbol.bars() {
        // Rows count downwards, PDF upwards.
        let (left, bottom) = (column + Symbol::QUIET, across - Symbol::QUIET - row - 1);
        // Writing to a string does not fail.
        let _ = writeln!(content, "{left} {bottom} {count} 1 re");
    }
    content.push('f');
    let side = DictItem::Int(i64::from(across as u32));
    let dict = BTreeMap::from([
        ("Type".to_owned(), name("XObject")),
        ("Subtype".to_owned(), name("Form")),
        ("BBox".to_owned(), DictItem::Array(vec![DictItem::Int(0), DictItem::Int(0), side.clone(), side])),
        ("Resources".to_owned(), DictItem::Dict { map: BTreeMap::new() }),
        ("Filter".to_owned(), name("FlateDecode")),
    ]);
    external(ExternalStream { dict, content: deflater.deflate(content.as_bytes()), compress: false })
}

/// The picture as an image object (ISO 32000-1 8.9.5).
pub(super) fn image(picture: &Picture, deflater: &mut Deflater) -> XObject {
    let size = (picture.width, picture.height);
    if let PictureFormat::Jpeg { grey } = picture.format {
        return external(samples(size, if grey { 1 } else { 3 }, 8, "DCTDecode", picture.bytes.clone()));
    }
    let pixels = picture.pixels();
    let channels = pixels.channels;
    let Some(alpha) = pixels.alpha else {
        return external(samples(size, channels, 8, "FlateDecode", deflater.deflate(pixels.colour)));
    };
    // Ink of one colour needs one pixel of it: the mask alone gives the shape, at its own size (ISO 32000-1 11.6.5.3).
    let mut inked = pixels.colour.chunks_exact(channels).zip(alpha).filter(|&(_, &alpha)| alpha > 0).map(|(pixel, _)| pixel);
    let mut base = match inked.next() {
        Some(ink) if inked.all(|pixel| pixel == ink) => samples((1, 1), channels, 8, "FlateDecode", deflater.deflate(ink)),
        _ => samples(size, channels, 8, "FlateDecode", deflater.deflate(pixels.colour)),
    };
    let (bits, packed) = packed(alpha, picture.width as usize);
    let mask = samples(size, 1, bits, "FlateDecode", deflater.deflate(&packed));
    base.dict.insert("SMask".into(), DictItem::Stream { stream: mask });
    external(base)
}

fn external(stream: ExternalStream) -> XObject {
    XObject::External(ExternalXObject { stream, width: None, height: None, dpi: None })
}

fn name(name: &str) -> DictItem {
    DictItem::Name(name.into())
}

/// Samples in as few bits as hold them exactly. A scanned signature has few levels; less to compress is faster.
fn packed(samples: &[u8], width: usize) -> (i64, Vec<u8>) {
    for bits in [1_u8, 2, 4] {
        let step = u8::MAX / ((1 << bits) - 1);
        if samples.iter().all(|sample| sample % step == 0) {
            let per_byte = usize::from(8 / bits);
            let byte = |part: &[u8]| part.iter().enumerate().fold(0, |byte, (i, s)| byte | (s / step) << (8 - bits * (i as u8 + 1)));
            let rows = samples.chunks_exact(width);
            return (i64::from(bits), rows.flat_map(|row| row.chunks(per_byte).map(byte)).collect());
        }
    }
    (8, samples.to_vec())
}

fn samples((width, height): (u32, u32), channels: usize, bits: i64, filter: &str, content: Vec<u8>) -> ExternalStream {
    let dict = BTreeMap::from([
        ("Type".to_owned(), name("XObject")),
        ("Subtype".to_owned(), name("Image")),
        ("Width".to_owned(), DictItem::Int(width.into())),
        ("Height".to_owned(), DictItem::Int(height.into())),
        ("ColorSpace".to_owned(), name(if channels == 1 { "DeviceGray" } else { "DeviceRGB" })),
        ("BitsPerComponent".to_owned(), DictItem::Int(bits)),
        ("Filter".to_owned(), name(filter)),
    ]);
    ExternalStream { dict, content, compress: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_levels_take_few_bits_and_rows_start_on_bytes() {
        assert_eq!(packed(&[0, 255, 255, 0, 255, 0], 3), (1, vec![0b0110_0000, 0b0100_0000]));
        assert_eq!(packed(&[0, 85, 170, 255, 255], 5), (2, vec![0b0001_1011, 0b1100_0000]));
        assert_eq!(packed(&[17, 34, 51], 3), (4, vec![0x12, 0x30]));
        assert_eq!(packed(&[17, 34, 50], 3), (8, vec![17, 34, 50]));
    }
}
