//! Compares a picture with its reference, and shows expected, difference and actual side by side when they differ.

use std::path::Path;

use image::{Rgb, RgbImage, Rgba, RgbaImage, imageops};

/// How much two pictures may differ and still be the same to the eye.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// The largest difference of a channel that does not count.
    pub channel: u8,
    /// The share of pixels, from 0 to 1, that may differ by more.
    pub share: f64,
}

impl Tolerance {
    /// For our own previews: nothing but rounding on another processor.
    const PREVIEW: Self = Self { channel: 2, share: 0.0001 };
}

/// Compares a PNG with a reference file. `UPDATE=1` rewrites the reference, which is a fault all the same, so that nobody accepts
/// a change without a look. `target/diff/<name>.png` shows what differs.
pub fn against_reference(reference: &Path, actual: &[u8], faults: &mut Vec<String>) {
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/diff").join(reference.file_name().unwrap_or_default());
    faults.extend(compare(reference, actual, Tolerance::PREVIEW, update, &shown).err());
}

/// [`against_reference`] with everything given.
pub fn compare(reference: &Path, actual: &[u8], tolerance: Tolerance, update: bool, shown: &Path) -> Result<(), String> {
    let fault = |what: &str, cause: &dyn std::fmt::Display| format!("{what}: {cause}");
    let drawn = decode(actual).map_err(|e| fault("the picture is no PNG", &e))?;
    let expected = match std::fs::read(reference) {
        Ok(bytes) => Some(decode(&bytes).map_err(|e| fault(&reference.display().to_string(), &e))?),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => return Err(fault(&reference.display().to_string(), &e)),
    };
    let found = match &expected {
        None => format!("{} does not exist yet", reference.display()),
        Some(expected) => match difference(expected, &drawn, tolerance) {
            None => return Ok(()),
            Some(found) => found,
        },
    };
    let blank = RgbImage::new(0, 0);
    write(shown, |path| panels(expected.as_ref().unwrap_or(&blank), &drawn, tolerance.channel).save(path).map_err(|e| e.to_string()))?;
    let shown = shown.display();
    if update {
        write(reference, |path| std::fs::write(path, actual).map_err(|e| e.to_string()))?;
        return Err(format!("{found}; the reference is rewritten: look at {shown}, then run again without UPDATE"));
    }
    Err(format!("{found}; see {shown}, and run with UPDATE=1 if the change is meant"))
}

/// What differs, if it matters.
fn difference(expected: &RgbImage, actual: &RgbImage, tolerance: Tolerance) -> Option<String> {
    if expected.dimensions() != actual.dimensions() {
        return Some(format!("expected {:?} pixels, got {:?}", expected.dimensions(), actual.dimensions()));
    }
    let gaps = expected.pixels().zip(actual.pixels()).map(|(a, b)| gap(*a, *b));
    let (mut beyond, mut largest) = (0_u32, 0);
    for gap in gaps {
        beyond += u32::from(gap > tolerance.channel);
        largest = largest.max(gap);
    }
    let share = f64::from(beyond) / f64::from(expected.width() * expected.height()).max(1.0);
    (share > tolerance.share).then(|| {
        format!(
            "{beyond} pixels ({:.4} %) differ by more than {}, the largest by {largest}; {:.4} % may",
            share * 100.0,
            tolerance.channel,
            tolerance.share * 100.0
        )
    })
}

fn gap(a: Rgb<u8>, b: Rgb<u8>) -> u8 {
    a.0.iter().zip(b.0).map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0)
}

/// Expected, difference, actual: the difference is red on a pale copy of what was expected.
fn panels(expected: &RgbImage, actual: &RgbImage, channel: u8) -> RgbImage {
    let (width, height) = (expected.width().max(actual.width()), expected.height().max(actual.height()));
    let paper = Rgb([255; 3]);
    let at = |picture: &RgbImage, x, y| picture.get_pixel_checked(x, y).copied();
    let middle = RgbImage::from_fn(width, height, |x, y| {
        let (a, b) = (at(expected, x, y), at(actual, x, y));
        if a.is_some() != b.is_some() || gap(a.unwrap_or(paper), b.unwrap_or(paper)) > channel {
            return Rgb([220, 0, 0]);
        }
        Rgb(a.unwrap_or(paper).0.map(|c| 255 - (255 - c) / 4))
    });
    let gutter = 8;
    let mut out = RgbImage::from_pixel(3 * width + 2 * gutter, height, Rgb([96; 3]));
    for (column, panel) in (0_i64..).zip([expected, &middle, actual]) {
        imageops::replace(&mut out, panel, column * i64::from(width + gutter), 0);
    }
    out
}

/// On white, where it is transparent.
fn decode(png: &[u8]) -> Result<RgbImage, image::ImageError> {
    let picture = image::load_from_memory(png)?.into_rgba8();
    let mut paper = RgbaImage::from_pixel(picture.width(), picture.height(), Rgba([255; 4]));
    imageops::overlay(&mut paper, &picture, 0, 0);
    Ok(image::DynamicImage::ImageRgba8(paper).into_rgb8())
}

fn write(path: &Path, write: impl Fn(&Path) -> Result<(), String>) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    write(path).map_err(|e| format!("{}: {e}", path.display()))
}
