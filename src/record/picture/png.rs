//! A PNG file's chunks (ISO/IEC 15948), read without decoding; handwriting written as one ink in a few opacities.

use std::sync::OnceLock;

use ::png::{BitDepth, ColorType, DeflateCompression, Filter};
use image::DynamicImage;

use super::{Picture, PictureError, PictureFormat};

/// A chunk: its name, its data, and all of it with length and checksum.
struct Chunk<'p> {
    name: &'p [u8],
    data: &'p [u8],
    whole: &'p [u8],
}

/// The chunks up to the last that belongs to the picture, as far as they are there.
fn chunks(png: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = png.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let (whole, after) = rest.split_at_checked(length.checked_add(12)?)?;
        let (name, data) = (&whole[4..8], &whole[8..8 + length]);
        rest = if name == b"IEND" { &[] } else { after };
        Some(Chunk { name, data, whole })
    })
}

fn data<'p>(png: &'p [u8], name: &[u8]) -> Option<&'p [u8]> {
    chunks(png).find(|chunk| chunk.name == name).map(|chunk| chunk.data)
}

/// Width and height from the header (11.2.2), having seen that the last chunk is there.
pub(super) fn size(png: &[u8]) -> Result<(u32, u32), PictureError> {
    if png.get(12..16) != Some(b"IHDR") {
        return Err(PictureError::Damaged("no header".into()));
    }
    let word = |at: usize| png.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
    let size = word(16).zip(word(20)).filter(|_| chunks(png).last().is_some_and(|last| last.name == b"IEND"));
    size.ok_or(PictureError::Truncated)
}

/// Of a PNG of at most 8 bits that is not interlaced, nothing but the picture; none when it is of another kind.
pub(super) fn bare(png: &[u8]) -> Option<Vec<u8>> {
    let &[.., depth, _, _, _, interlaced] = data(png, b"IHDR")? else { return None };
    let picture = |chunk: &Chunk<'_>| matches!(chunk.name, b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" | b"IEND");
    let kept = chunks(png).filter(picture).flat_map(|chunk| chunk.whole);
    (depth <= 8 && interlaced == 0).then(|| png[..8].iter().chain(kept).copied().collect())
}

/// The image data, all chunks of it together.
pub(super) fn image_data(png: &[u8]) -> Vec<u8> {
    chunks(png).filter(|chunk| chunk.name == b"IDAT").flat_map(|chunk| chunk.data).copied().collect()
}

/// Colour and bits of a PNG whose palette is one colour in even steps of opacity.
pub(super) fn ink(png: &[u8]) -> Option<([u8; 3], u8)> {
    let Some(&[bits, 3, ..]) = data(png, b"IHDR")?.get(8..) else { return None };
    let (palette, opacities) = (data(png, b"PLTE")?, data(png, b"tRNS")?);
    let colour = palette.first_chunk::<3>()?;
    // Opacities that are left out are full (11.3.2.1).
    let even = |(level, entry): (usize, &[u8])| {
        entry == colour && opacities.get(level).copied().unwrap_or(255) as usize == level * usize::from(step(bits))
    };
    palette.chunks_exact(3).enumerate().all(even).then_some((*colour, bits))
}

/// The colour that all pixels have, but for those that nobody sees.
pub(super) fn one_ink(image: &DynamicImage) -> Option<[u8; 3]> {
    fn only<'p>(mut seen: impl Iterator<Item = &'p [u8]>) -> Option<&'p [u8]> {
        let ink = seen.next()?;
        seen.all(|colour| colour == ink).then_some(ink)
    }
    fn seen<const N: usize>(samples: &[u8]) -> impl Iterator<Item = &[u8]> {
        samples.chunks_exact(N).filter(|pixel| pixel[N - 1] > 0).map(|pixel| &pixel[..N - 1])
    }
    match image {
        DynamicImage::ImageLumaA8(both) => only(seen::<2>(both.as_raw())).map(|grey| [grey[0]; 3]),
        DynamicImage::ImageRgba8(both) => only(seen::<4>(both.as_raw())).and_then(|rgb| rgb.try_into().ok()),
        _ => None,
    }
}

/// Handwriting as a palette of one colour in as many opacities as hold its own exactly.
pub(super) fn encode_ink(image: &DynamicImage, ink: [u8; 3]) -> Result<Picture, PictureError> {
    let opacity: Vec<u8> = match image {
        DynamicImage::ImageLumaA8(both) => both.pixels().map(|pixel| pixel.0[1]).collect(),
        other => other.to_rgba8().pixels().map(|pixel| pixel.0[3]).collect(),
    };
    let (width, height) = (image.width(), image.height());
    let exact = |bits: u8| opacity.iter().all(|alpha| alpha % step(bits) == 0);
    let (bits, depth) = match () {
        () if exact(1) => (1, BitDepth::One),
        () if exact(2) => (2, BitDepth::Two),
        () if exact(4) => (4, BitDepth::Four),
        () => (8, BitDepth::Eight),
    };
    let levels = 1_usize << bits;
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(depth);
    encoder.set_palette(ink.repeat(levels));
    encoder.set_trns((0..levels).map(|level| level as u8 * step(bits)).collect::<Vec<u8>>());
    encoder.set_deflate_compression(DeflateCompression::Level(6));
    encoder.set_filter(Filter::NoFilter);
    let broken = |error: ::png::EncodingError| PictureError::Damaged(error.to_string());
    encoder.write_header().and_then(|mut png| png.write_image_data(&packed(&opacity, width as usize, bits))).map_err(broken)?;
    Ok(Picture { format: PictureFormat::Png, width, height, bytes, samples: OnceLock::new() })
}

/// From one level of so many bits to the next.
const fn step(bits: u8) -> u8 {
    (255 / ((1_u16 << bits) - 1)) as u8
}

/// Samples that so many bits hold exactly, each row from a byte of its own.
fn packed(samples: &[u8], width: usize, bits: u8) -> Vec<u8> {
    let (per_byte, step) = (usize::from(8 / bits), step(bits));
    let byte = |part: &[u8]| part.iter().zip(1..).fold(0, |byte, (sample, place)| byte | (sample / step) << (8 - bits * place));
    samples.chunks_exact(width).flat_map(|row| row.chunks(per_byte).map(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_start_on_bytes() {
        assert_eq!(packed(&[0, 255, 255, 0, 255, 0], 3, 1), [0b0110_0000, 0b0100_0000]);
        assert_eq!(packed(&[0, 85, 170, 255, 255], 5, 2), [0b0001_1011, 0b1100_0000]);
    }
}
