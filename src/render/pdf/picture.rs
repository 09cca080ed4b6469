//! Objects that a page draws by name: JPEG as it is, PNG as samples with a soft mask, a QR symbol as rectangles.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use printpdf::{DictItem, ExternalStream, ExternalXObject, XObject};

use super::print::Deflater;
use crate::page::Symbol;
use crate::record::{Picture, PictureFormat};

/// The symbol as a form object, a module and a unit the same, quiet zone included. All bars make one path: no seams
/// show between rows.
pub(super) fn symbol(symbol: &Symbol, deflater: &Deflater) -> XObject {
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
pub(super) fn image(picture: &Picture, deflater: &Deflater) -> XObject {
    let size = (picture.width, picture.height);
    if let PictureFormat::Jpeg { grey } = picture.format {
        return external(samples(size, if grey { 1 } else { 3 }, 8, "DCTDecode", picture.bytes.clone()));
    }
    // Ink of one colour needs one pixel of it: the mask alone gives the shape, at its own size (ISO 32000-1 11.6.5.3).
    if let Some((ink, bits)) = picture.ink() {
        let base = samples((1, 1), ink.len(), 8, "FlateDecode", deflater.deflate(&ink));
        return external(masked(base, opacities(picture, bits)));
    }
    let pixels = picture.pixels();
    let base = samples(size, pixels.channels, 8, "FlateDecode", deflater.deflate(pixels.colour));
    let Some(alpha) = pixels.alpha else { return external(base) };
    external(masked(base, samples(size, 1, 8, "FlateDecode", deflater.deflate(alpha))))
}

/// The rows of a PNG as they are, with its filters, which `FlateDecode` knows as predictors (ISO 32000-1 7.4.4.4).
fn opacities(picture: &Picture, bits: u8) -> ExternalStream {
    let mut mask = samples((picture.width, picture.height), 1, bits, "FlateDecode", picture.png_data());
    let parameters = [("Predictor", 15), ("Colors", 1), ("BitsPerComponent", bits.into()), ("Columns", picture.width.into())];
    let map = parameters.map(|(key, value)| (key.to_owned(), DictItem::Int(value))).into();
    mask.dict.insert("DecodeParms".into(), DictItem::Dict { map });
    mask
}

fn masked(mut base: ExternalStream, mask: ExternalStream) -> ExternalStream {
    base.dict.insert("SMask".into(), DictItem::Stream { stream: mask });
    base
}

fn external(stream: ExternalStream) -> XObject {
    XObject::External(ExternalXObject { stream, width: None, height: None, dpi: None })
}

fn name(name: &str) -> DictItem {
    DictItem::Name(name.into())
}

fn samples((width, height): (u32, u32), channels: usize, bits: u8, filter: &str, content: Vec<u8>) -> ExternalStream {
    let dict = BTreeMap::from([
        ("Type".to_owned(), name("XObject")),
        ("Subtype".to_owned(), name("Image")),
        ("Width".to_owned(), DictItem::Int(width.into())),
        ("Height".to_owned(), DictItem::Int(height.into())),
        ("ColorSpace".to_owned(), name(if channels == 1 { "DeviceGray" } else { "DeviceRGB" })),
        ("BitsPerComponent".to_owned(), DictItem::Int(bits.into())),
        ("Filter".to_owned(), name(filter)),
    ]);
    ExternalStream { dict, content, compress: false }
}
