//! Objects that a page draws by name: JPEG as it is, PNG as samples with a soft mask, a QR symbol as rectangles.

use std::fmt;
use std::fmt::Write as _;

use super::file::{File, Ref};
use crate::deflate::Effort;
use crate::page::Symbol;
use crate::record::{Picture, PictureFormat};

/// The symbol as a form object, a module and a unit the same, quiet zone included. All bars make one path: no seams
/// show between rows.
pub(super) fn symbol(file: &mut File, symbol: &Symbol, effort: Effort) -> Ref {
    let across = symbol.side + 2 * Symbol::QUIET;
    let mut bars: Vec<(usize, usize, usize)> = symbol.bars().map(|(row, column, count)| (count, row, column)).collect();
    // Those of one length together deflate a tenth better.
    bars.sort_unstable();
    let mut content = String::with_capacity(14 * bars.len());
    content.push_str("0 g\n");
    for (count, row, column) in bars {
        // Rows count downwards, PDF upwards.
        let (left, bottom) = (column + Symbol::QUIET, across - Symbol::QUIET - row - 1);
        // Writing to a string does not fail.
        let _ = writeln!(content, "{left} {bottom} {count} 1 re");
    }
    content.push('f');
    let dict = format_args!("/Subtype/Form/BBox[0 0 {across} {across}]/Resources<<>>");
    file.deflated(dict, content.as_bytes(), effort)
}

/// The picture as an image object (ISO 32000-1 8.9.5).
pub(super) fn image(file: &mut File, picture: &Picture, effort: Effort) -> Ref {
    let size = (picture.width, picture.height);
    if let PictureFormat::Jpeg { grey } = picture.format {
        let samples = Samples { size, channels: if grey { 1 } else { 3 }, bits: 8 };
        return file.stream(format_args!("{samples}/Filter/DCTDecode"), &picture.bytes);
    }
    // Ink of one colour needs one pixel of it: the mask alone gives the shape, at its own size (ISO 32000-1 11.6.5.3).
    if let Some((ink, bits)) = picture.ink() {
        let mask = opacities(file, picture, bits);
        let base = Samples { size: (1, 1), channels: ink.len(), bits: 8 };
        return file.deflated(format_args!("{base}/SMask {mask}"), &ink, effort);
    }
    let pixels = picture.pixels();
    let base = Samples { size, channels: pixels.channels, bits: 8 };
    let Some(alpha) = pixels.alpha else { return file.deflated(format_args!("{base}"), pixels.colour, effort) };
    let mask = file.deflated(format_args!("{}", Samples { size, channels: 1, bits: 8 }), alpha, effort);
    file.deflated(format_args!("{base}/SMask {mask}"), pixels.colour, effort)
}

/// The rows of a PNG as they are, with its filters, which `FlateDecode` knows as predictors (ISO 32000-1 7.4.4.4).
fn opacities(file: &mut File, picture: &Picture, bits: u8) -> Ref {
    let samples = Samples { size: (picture.width, picture.height), channels: 1, bits };
    let parameters = format_args!("/DecodeParms<</Predictor 15/BitsPerComponent {bits}/Columns {}>>", picture.width);
    file.stream(format_args!("{samples}/Filter/FlateDecode{parameters}"), &picture.png_data())
}

/// What a dictionary says of samples.
struct Samples {
    size: (u32, u32),
    channels: usize,
    bits: u8,
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size: (width, height), channels, bits } = self;
        let space = if *channels == 1 { "DeviceGray" } else { "DeviceRGB" };
        write!(f, "/Subtype/Image/Width {width}/Height {height}/ColorSpace/{space}/BitsPerComponent {bits}")
    }
}
