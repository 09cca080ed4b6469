//! A PNG file's chunks (ISO/IEC 15948), read without decoding; handwriting written as one ink in a few opacities.

use std::io::Cursor;
use std::sync::OnceLock;

use ::png::{BitDepth, ColorType, Transformations};
use image::DynamicImage;

use super::{INK, Picture, PictureError, PictureFormat, PictureKind};
use crate::deflate::{self, Effort};

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

/// Handwriting: one colour, and the opacity of each pixel.
pub(super) struct Ink {
    colour: [u8; 3],
    width: usize,
    height: usize,
    opacity: Vec<u8>,
}

impl Ink {
    /// That of a file that is kept as it is, or would be were it not too large; decoded to its end.
    pub fn kept(png: &[u8]) -> Option<Result<Self, PictureError>> {
        let (colour, bits) = ink(png)?;
        // All levels are there, and nothing turns the picture.
        let complete = data(png, b"PLTE")?.len() == 3 << bits && data(png, b"eXIf").is_none();
        (complete && bare(png).is_some()).then(|| Self::decode(png, colour, bits))
    }

    fn decode(png: &[u8], colour: [u8; 3], bits: u8) -> Result<Self, PictureError> {
        let broken = |error: ::png::DecodingError| match error {
            ::png::DecodingError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => PictureError::Truncated,
            other => PictureError::Damaged(other.to_string()),
        };
        let mut decoder = ::png::Decoder::new(Cursor::new(png));
        decoder.set_transformations(Transformations::IDENTITY);
        let mut reader = decoder.read_info().map_err(broken)?;
        let mut rows = vec![0; reader.output_buffer_size().ok_or_else(|| PictureError::Damaged("no size".into()))?];
        let frame = reader.next_frame(&mut rows).map_err(broken)?;
        let (width, height) = (frame.width as usize, frame.height as usize);
        let mut opacity = vec![0; width * height];
        for (row, opacity) in rows.chunks_exact(frame.line_size).zip(opacity.chunks_exact_mut(width)) {
            unpack(row, bits, opacity);
        }
        Ok(Self { colour, width, height, opacity })
    }

    /// That of a picture in which all pixels have one colour, but for those that nobody sees.
    pub fn of(image: &DynamicImage) -> Option<Self> {
        fn only<const N: usize>(samples: &[u8]) -> Option<&[u8]> {
            let mut seen = samples.chunks_exact(N).filter(|pixel| pixel[N - 1] > 0).map(|pixel| &pixel[..N - 1]);
            let ink = seen.next()?;
            seen.all(|colour| colour == ink).then_some(ink)
        }
        let (colour, opacity) = match image {
            DynamicImage::ImageLumaA8(both) => {
                (only::<2>(both.as_raw()).map(|grey| [grey[0]; 3])?, both.pixels().map(|p| p.0[1]).collect())
            }
            DynamicImage::ImageRgba8(both) => (only::<4>(both.as_raw())?.try_into().ok()?, both.pixels().map(|p| p.0[3]).collect()),
            _ => return None,
        };
        Some(Self { colour, width: image.width() as usize, height: image.height() as usize, opacity })
    }

    /// The picture to be kept: the file that it came from, where that is as it should be.
    pub fn picture(self, file: Option<&[u8]>) -> Result<Picture, PictureError> {
        let small = self.width <= INK.0 as usize && self.height <= INK.1 as usize;
        let bare = file.filter(|_| small).and_then(bare);
        if let Some(bytes) = bare.filter(|bare| PictureKind::Signature.passes(self.width as u32, self.height as u32, bare.len())) {
            let (width, height) = (self.width as u32, self.height as u32);
            return Ok(Picture { format: PictureFormat::Png, width, height, bytes, samples: OnceLock::new() });
        }
        if small { self.encode() } else { self.shrunk().encode() }
    }

    /// Brought to print size: each pixel has as much ink as was where it is, in four levels.
    fn shrunk(self) -> Self {
        let Self { colour, width, height, opacity } = self;
        let ratio = (f64::from(INK.0) / width as f64).min(f64::from(INK.1) / height as f64);
        let [to_width, to_height] = [width, height].map(|side| ((side as f64 * ratio).round() as usize).max(1));
        let (columns, rows) = (shares(width, to_width), shares(height, to_height));
        let mut sums = vec![0_u64; to_width * to_height];
        let mut line = vec![0_u64; to_width + 1];
        for (row, &(to_row, upper, lower)) in opacity.chunks_exact(width).zip(&rows) {
            // Most of a signature is paper.
            if row.iter().all(|&alpha| alpha == 0) {
                continue;
            }
            line.fill(0);
            for (&alpha, &(to, left, right)) in row.iter().zip(&columns).filter(|(alpha, _)| **alpha > 0) {
                line[to] += u64::from(alpha) * left;
                line[to + 1] += u64::from(alpha) * right;
            }
            for (part, share) in [(to_row, upper), (to_row + 1, lower)] {
                if share > 0 {
                    let sums = &mut sums[part * to_width..(part + 1) * to_width];
                    sums.iter_mut().zip(&line).for_each(|(sum, ink)| *sum += ink * share);
                }
            }
        }
        // So much is a pixel that is ink all over.
        let full = 255 * width as u64 * height as u64;
        let level = |sum: &u64| if *sum == 0 { 0 } else { ((sum * 6 + full) / (2 * full)) as u8 * step(2) };
        Self { colour, width: to_width, height: to_height, opacity: sums.iter().map(level).collect() }
    }

    /// As a palette of one colour in as many opacities as hold its own exactly.
    fn encode(self) -> Result<Picture, PictureError> {
        let Self { colour, opacity, .. } = self;
        let (width, height) = (self.width as u32, self.height as u32);
        let exact = |bits: u8| {
            let step = step(bits);
            opacity.iter().all(|alpha| alpha % step == 0)
        };
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
        encoder.set_palette(colour.repeat(levels));
        encoder.set_trns((0..levels).map(|level| level as u8 * step(bits)).collect::<Vec<u8>>());
        let broken = |error: ::png::EncodingError| PictureError::Damaged(error.to_string());
        let rows = deflate::zlib(&packed(&opacity, self.width, bits), Effort::Good);
        encoder.write_header().and_then(|mut png| png.write_chunk(::png::chunk::IDAT, &rows)).map_err(broken)?;
        Ok(Picture { format: PictureFormat::Png, width, height, bytes, samples: OnceLock::new() })
    }
}

/// For each of so many places, when they become fewer: the first of the new ones that it lies in, and how much of it lies in that
/// one and in the next.
fn shares(from: usize, to: usize) -> Vec<(usize, u64, u64)> {
    // Counted in pieces of which an old one has `to` and a new one `from`.
    let share = |place: usize| {
        let (start, end) = (place * to, (place + 1) * to);
        let first = start / from;
        let within = end.min((first + 1) * from) - start;
        (first, within as u64, (to - within) as u64)
    };
    (0..from).map(share).collect()
}

/// Samples of so many bits as opacities, into a row of zeros.
fn unpack(row: &[u8], bits: u8, opacity: &mut [u8]) {
    let (step, mask) = (step(bits), 0xff >> (8 - bits));
    for (&byte, opacity) in row.iter().zip(opacity.chunks_mut(usize::from(8 / bits))).filter(|(byte, _)| **byte != 0) {
        for (alpha, place) in opacity.iter_mut().zip(1..) {
            *alpha = (byte >> (8 - bits * place) & mask) * step;
        }
    }
}

/// From one level of so many bits to the next.
const fn step(bits: u8) -> u8 {
    (255 / ((1_u16 << bits) - 1)) as u8
}

/// Samples that so many bits hold exactly, each row from a byte of its own behind the number of its filter, none.
fn packed(samples: &[u8], width: usize, bits: u8) -> Vec<u8> {
    let (per_byte, step) = (usize::from(8 / bits), step(bits));
    let byte = |part: &[u8]| part.iter().zip(1..).fold(0, |byte, (sample, place)| byte | (sample / step) << (8 - bits * place));
    samples.chunks_exact(width).flat_map(|row| std::iter::once(0).chain(row.chunks(per_byte).map(byte))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_start_on_bytes() {
        assert_eq!(packed(&[0, 255, 255, 0, 255, 0], 3, 1), [0, 0b0110_0000, 0, 0b0100_0000]);
        assert_eq!(packed(&[0, 85, 170, 255, 255], 5, 2), [0, 0b0001_1011, 0b1100_0000]);
        let mut back = [0; 5];
        unpack(&[0b0001_1011, 0b1100_0000], 2, &mut back);
        assert_eq!(back, [0, 85, 170, 255, 255]);
    }

    #[test]
    fn ink_is_shared_by_area() {
        assert_eq!(shares(3, 2), [(0, 2, 0), (0, 1, 1), (1, 2, 0)]);
        assert_eq!(shares(4, 1), [(0, 1, 0); 4]);
        let tall = Ink {
            colour: [1, 2, 3],
            width: 720,
            height: 320,
            opacity: [[0, 0, 255, 255, 255, 0], [0, 0, 255, 255, 0, 0]].as_flattened().repeat(19_200),
        };
        let Ink { width, height, opacity, .. } = tall.shrunk();
        assert_eq!((width, height), (360, 160));
        assert_eq!(opacity[..6], [0, 255, 170, 0, 255, 0]);
    }
}
