//! A JPEG file's markers (ITU-T T.81 Annex B), read without decoding.

use std::sync::OnceLock;

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Picture, PictureError, PictureFormat, check_size};

/// What the markers say.
pub(super) struct Outline {
    pub width: u32,
    pub height: u32,
    grey: bool,
    /// Grey, or YCbCr as every reader takes it: nothing that depends on an Adobe marker.
    pub plain: bool,
    pub orientation: Orientation,
    /// The file with nothing but the picture.
    pub bare: Vec<u8>,
}

impl Outline {
    pub fn read(file: &[u8]) -> Result<Self, PictureError> {
        let mut outline = Self {
            width: 0,
            height: 0,
            grey: false,
            plain: true,
            orientation: Orientation::NoTransforms,
            bare: Vec::with_capacity(file.len()),
        };
        outline.bare.extend([0xFF, 0xD8]);
        let (mut components, mut adobe, mut at) = (0, None, 2);
        loop {
            let marker = match file.get(at..at + 2) {
                Some(&[0xFF, 0xFF]) => {
                    at += 1; // fill bytes (B.1.1.2)
                    continue;
                }
                Some(&[0xFF, marker]) => marker,
                Some(_) => return Err(PictureError::Damaged("a marker is missing".into())),
                None => return Err(PictureError::Truncated),
            };
            if marker == 0xD9 {
                outline.bare.extend([0xFF, 0xD9]);
                break;
            }
            let length = file.get(at + 2..at + 4).map_or(0, |l| usize::from(u16::from_be_bytes([l[0], l[1]])));
            let segment = file.get(at..at + 2 + length).filter(|_| length >= 2).ok_or(PictureError::Truncated)?;
            let body = &segment[4..];
            at += segment.len();
            match (marker, body) {
                (0xC0..=0xC2, [precision, h1, h0, w1, w0, count, ids @ ..]) if components == 0 => {
                    outline.width = u32::from(u16::from_be_bytes([*w1, *w0]));
                    outline.height = u32::from(u16::from_be_bytes([*h1, *h0]));
                    check_size(outline.width, outline.height)?;
                    if *precision != 8 {
                        return Err(PictureError::Unsupported("a JPEG of more than 8 bits"));
                    }
                    components = *count;
                    // Some programs write RGB as it is and say so by these component names only.
                    outline.plain &= !matches!(ids, [b'R', _, _, b'G', _, _, b'B', ..]);
                }
                (0xC0..=0xC2, _) => return Err(PictureError::Damaged("a second frame header".into())),
                (0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF, _) => {
                    return Err(PictureError::Unsupported("a lossless, arithmetic or hierarchical JPEG"));
                }
                (0xE1, [b'E', b'x', b'i', b'f', 0, 0, exif @ ..]) => {
                    outline.orientation = Orientation::from_exif_chunk(exif).unwrap_or(Orientation::NoTransforms);
                }
                (0xEE, [b'A', b'd', b'o', b'b', b'e', .., transform]) => adobe = Some(*transform),
                _ => {}
            }
            let kept = match marker {
                0xE0 => body.starts_with(b"JFIF\0") && body.len() == 14,
                0xEE => body.starts_with(b"Adobe"),
                0xE1..=0xEF | 0xFE => false,
                _ => true,
            };
            if kept {
                outline.bare.extend(segment);
            }
            if marker == 0xDA {
                let scan = entropy_coded(&file[at..]).ok_or(PictureError::Truncated)?;
                outline.bare.extend(&file[at..at + scan]);
                at += scan;
            }
        }
        match (components, adobe) {
            (1, _) => outline.grey = true,
            (3, transform) => outline.plain &= transform != Some(0),
            (4, Some(_)) => outline.plain = false,
            (4, None) => return Err(PictureError::Unsupported("a CMYK JPEG that does not say how its inks are written")),
            _ => return Err(PictureError::Damaged("no frame header".into())),
        }
        Ok(outline)
    }

    /// The picture, having seen that it can be decoded to its end. All of its codes are read for that, and only the brightness
    /// is made of them: colours are as whole as the codes that they come from.
    pub fn whole(self) -> Result<Picture, PictureError> {
        let options = DecoderOptions::default().set_strict_mode(false).jpeg_set_out_colorspace(ColorSpace::Luma);
        JpegDecoder::new_with_options(&self.bare, options).decode().map_err(|error| match error {
            DecodeErrors::ExhaustedData => PictureError::Truncated,
            other => PictureError::Damaged(other.to_string()),
        })?;
        Ok(self.picture())
    }

    pub fn picture(self) -> Picture {
        let Self { width, height, grey, bare, .. } = self;
        Picture { format: PictureFormat::Jpeg { grey }, width, height, bytes: bare, samples: OnceLock::new() }
    }
}

/// How many bytes of a scan stand before the next marker; stuffed zeros and restart markers belong to the scan.
fn entropy_coded(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xD0..=0xD7 | 0xFF))
}
