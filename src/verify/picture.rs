//! Finding QR codes in a picture, with every step bounded: the file may be made to waste time.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::jpeg::JpegDecoder;
use image::{DynamicImage, GrayImage, ImageDecoder as _, ImageFormat, imageops};
use rxing::common::{BitMatrix, GlobalHistogramBinarizer, HybridBinarizer};
use rxing::qrcode::cpp_port::decoder::Decode;
use rxing::qrcode::cpp_port::detector::{FindFinderPatterns, GenerateFinderPatternSets, SampleQR};
use rxing::{Binarizer, Luma8Source};

use super::genuine::Genuine;
use super::{Judge, Reason, Refusal, State, qr};

/// Why a picture cannot be looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PictureError {
    /// Neither PNG nor JPEG by its first bytes.
    NotAPicture,
    /// More pixels than are decoded.
    TooLarge(u32, u32),
    /// The decoder gave up.
    Broken(String),
}

impl PictureError {
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::NotAPicture => Reason::new("不是 PNG 或 JPEG 图片", "It is neither a PNG nor a JPEG picture"),
            Self::TooLarge(width, height) => Reason {
                zh: format!("图片过大（{width}×{height} 像素），请缩小后重试"),
                en: format!(
                    "The picture is too large ({width} × {height}); at most {LONGEST_SIDE} pixels a side and {} million in all are \
                     read, {} million with transparency, {} million of a progressive JPEG",
                    MOST_PIXELS / 1_000_000,
                    MOST_MEMORY / 4_000_000,
                    MOST_KEPT_WHOLE / 1_000_000
                ),
            },
            Self::Broken(cause) => Reason { zh: format!("图片损坏：{cause}"), en: format!("The picture is damaged: {cause}") },
        }
    }
}

/// A good phone's photograph; checked against the header before anything is decoded.
const MOST_PIXELS: u64 = 64_000_000;
const LONGEST_SIDE: u32 = 20_000;
/// The same for JPEG files of several scans.
const MOST_KEPT_WHOLE: u64 = 24_000_000;
/// Samples of a PNG: such a photograph in three channels of 8 bits.
const MOST_MEMORY: usize = 3 * MOST_PIXELS as usize;
/// The longer side of the copies that are searched, in this order: most photographs are read in the first.
const SIDES: [u32; 4] = [1600, 3600, 900, 2400];
/// A picture smaller than this is also searched enlarged: a finder needs two pixels for each module.
const SMALL_SIDE: u32 = 500;
/// Places that look like a finder along one row; a page with one code has some tens. A copy with more is not searched:
/// finding its squares takes time by the square of their number.
const MOST_MIMICS: usize = 5000;
/// Finder-like squares that are considered: a page has three, a sheet of 30 codes 90; text now and then mimics one.
const MOST_PATTERNS: usize = 120;
/// Groups of three that are sampled and decoded in one copy, the most plausible first.
const MOST_SETS: usize = 300;
/// The same for all copies together. Reading a group takes up to two milliseconds, and a picture that holds a code rarely
/// needs ten; so whatever a picture holds, an answer comes within two seconds.
const MOST_SETS_IN_ALL: usize = 700;

/// The texts of the QR codes in a PNG or JPEG picture, in the order found. Stops at the first that `wanted` accepts.
pub(super) fn read_codes(bytes: &[u8], mut wanted: impl FnMut(&str) -> bool) -> Result<Vec<String>, PictureError> {
    let luma = decode(bytes)?;
    let mut seen = BTreeSet::new();
    let mut codes = Vec::new();
    let mut work = MOST_SETS_IN_ALL;
    let mut take = |text: String| {
        if !seen.insert(text.clone()) {
            return false;
        }
        let found = wanted(&text);
        codes.push(text);
        found
    };
    for copy in copies(&luma) {
        let (width, height) = copy.dimensions();
        let Ok(source) = Luma8Source::new_with_slice(copy.as_raw(), width, height) else { continue };
        // Local thresholds cope with shadows, one threshold for all with blur.
        let found = search(HybridBinarizer::new(source.clone()).get_black_matrix().ok(), &mut work, &mut take)
            || search(GlobalHistogramBinarizer::new(source).get_black_matrix().ok(), &mut work, &mut take);
        if found || work == 0 {
            break;
        }
    }
    Ok(codes)
}

/// Of several codes the genuine one counts.
pub(super) fn judge(judge: &Judge, codes: &[String]) -> Result<Genuine, Refusal> {
    let judged = |text: &String| qr::judge(judge, text);
    let Some(first) = codes.first() else {
        return Err(Refusal::new(
            State::NoCode,
            Reason::new(
                "图片中没有可识别的二维码，请靠近、对焦、避免反光后重拍",
                "No QR code can be read in the picture; photograph it again from nearer, in focus, without glare",
            ),
        ));
    };
    let genuine = codes.iter().find_map(|text| judged(text).ok()).map_or_else(|| judged(first), Ok)?;
    let note = Reason::new(
        "核验的是二维码，请与图上文字逐项比对",
        "It is the code that was judged: compare what the picture shows with what is listed here",
    );
    Ok(Genuine { note: Some(note), ..genuine })
}

/// The picture in greys, upon white. Size first, from the header.
fn decode(bytes: &[u8]) -> Result<GrayImage, PictureError> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => decode_png(bytes),
        Ok(ImageFormat::Jpeg) => decode_jpeg(bytes),
        _ => Err(PictureError::NotAPicture),
    }
}

/// Pixels and nothing else: a colour profile or a text may inflate to anything.
fn decode_png(bytes: &[u8]) -> Result<GrayImage, PictureError> {
    let broken = |error: png::DecodingError| PictureError::Broken(error.to_string());
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: MOST_MEMORY });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(broken)?;
    let (width, height) = bounded((header.width, header.height), MOST_PIXELS)?;
    let mut reader = decoder.read_info().map_err(broken)?;
    let size = reader.output_buffer_size().filter(|size| *size <= MOST_MEMORY).ok_or(PictureError::TooLarge(width, height))?;
    let mut samples = vec![0; size];
    let frame = reader.next_frame(&mut samples).map_err(broken)?;
    let pixels = samples.chunks_exact(frame.color_type.samples());
    let greys = pixels.map(|pixel| match *pixel {
        [grey] => grey,
        [grey, alpha] => upon_white(grey, alpha),
        [red, green, blue] => luma(red, green, blue),
        [red, green, blue, alpha] => upon_white(luma(red, green, blue), alpha),
        _ => 0,
    });
    let luma = GrayImage::from_raw(width, height, greys.collect());
    luma.ok_or_else(|| PictureError::Broken("its rows and its size differ".to_owned()))
}

fn decode_jpeg(bytes: &[u8]) -> Result<GrayImage, PictureError> {
    let broken = |error: image::ImageError| PictureError::Broken(error.to_string());
    let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(broken)?;
    bounded(decoder.dimensions(), if is_kept_whole(bytes) { MOST_KEPT_WHOLE } else { MOST_PIXELS })?;
    Ok(DynamicImage::from_decoder(decoder).map_err(broken)?.into_luma8())
}

/// Whether a JPEG is another than a baseline one by its markers (ITU-T T.81 B.1.1.3): its coefficients are kept until its last
/// scan, six bytes for each pixel.
fn is_kept_whole(jpeg: &[u8]) -> bool {
    let mut rest = jpeg.get(2..).unwrap_or_default();
    loop {
        match rest {
            [0xff, 0xff, ..] => rest = &rest[1..],
            [0xff, 0xc2 | 0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf, ..] => return true,
            [0xff, 0xda, ..] => return false,
            [0xff, _, high, low, ..] => {
                let Some(next) = rest.get(2 + usize::from(u16::from_be_bytes([*high, *low]))..) else { return true };
                rest = next;
            }
            _ => return true,
        }
    }
}

fn bounded((width, height): (u32, u32), most: u64) -> Result<(u32, u32), PictureError> {
    let fits = u64::from(width) * u64::from(height) <= most && width.max(height) <= LONGEST_SIDE;
    if fits { Ok((width, height)) } else { Err(PictureError::TooLarge(width, height)) }
}

/// ITU-R BT.709.
fn luma(red: u8, green: u8, blue: u8) -> u8 {
    ((2126 * u32::from(red) + 7152 * u32::from(green) + 722 * u32::from(blue)) / 10_000) as u8
}

fn upon_white(grey: u8, alpha: u8) -> u8 {
    let (grey, alpha) = (u16::from(grey), u16::from(alpha));
    ((grey * alpha + 255 * (255 - alpha)) / 255) as u8
}

/// The sizes in which a picture is searched: reduced, as it is, and enlarged when it is small.
fn copies(luma: &GrayImage) -> impl Iterator<Item = GrayImage> + '_ {
    let (width, height) = luma.dimensions();
    let longest = width.max(height);
    let reduced = SIDES.into_iter().filter(move |&side| side < longest).map(move |side| {
        let scaled = |length: u32| (u64::from(length) * u64::from(side)).div_ceil(u64::from(longest)) as u32;
        imageops::thumbnail(luma, scaled(width), scaled(height))
    });
    let whole = (longest <= SIDES[1]).then(|| luma.clone());
    let enlarged = (longest <= SMALL_SIDE).then(|| imageops::resize(luma, width * 3, height * 3, imageops::FilterType::CatmullRom));
    // A small picture is whole first; a large one reduced first.
    reduced.chain(whole).chain(enlarged)
}

/// Reads the codes in a black and white picture, with so much work at most; true when one was wanted.
///
/// This is the search of the `rxing` crate's own reader with its steps counted, because that one tries every group of
/// three squares that look like finders, and a picture can hold tens of thousands. The crate says that it may panic on
/// odd input, so a panic counts as nothing found.
fn search(matrix: Option<&BitMatrix>, work: &mut usize, take: &mut impl FnMut(String) -> bool) -> bool {
    let Some(matrix) = matrix.filter(|matrix| mimics(matrix) <= MOST_MIMICS) else { return false };
    let found = catch_unwind(AssertUnwindSafe(|| {
        let mut patterns = FindFinderPatterns(matrix, true, 1);
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.size));
        patterns.truncate(MOST_PATTERNS);
        GenerateFinderPatternSets(&mut patterns)
    }));
    let mut used = Vec::new();
    for set in found.unwrap_or_default().into_iter().take(MOST_SETS.min(*work)) {
        *work -= 1;
        let corners = [set.bl, set.tl, set.tr];
        if corners.iter().any(|corner| used.contains(corner)) {
            continue;
        }
        let text = catch_unwind(AssertUnwindSafe(|| {
            let sampled = SampleQR(matrix, &set).ok()?;
            let decoded = Decode(rxing::common::DetectorRXingResult::getBits(&sampled)).ok()?;
            decoded.isValid().then(|| decoded.text())
        }));
        if let Ok(Some(text)) = text {
            used.extend(corners);
            if take(text) {
                return true;
            }
        }
    }
    false
}

/// How often five runs in a row stand about 1 : 1 : 3 : 1 : 1, dark first, in the rows that the search looks at.
fn mimics(matrix: &BitMatrix) -> usize {
    let mut count = 0;
    for y in (2..matrix.height()).step_by(3) {
        // Lengths of the last five runs, the newest at the end.
        let mut runs = [0u32; 5];
        let mut dark = false;
        for x in 0..matrix.width() {
            if matrix.get(x, y) == dark {
                runs[4] += 1;
                continue;
            }
            count += usize::from(dark && is_finder_like(runs));
            runs.rotate_left(1);
            runs[4] = 1;
            dark = !dark;
        }
    }
    count
}

fn is_finder_like(runs: [u32; 5]) -> bool {
    let [a, b, centre, c, d] = runs;
    let thin = |run: u32| run > 0 && 4 * run <= 3 * centre + 4 && 7 * run >= centre;
    centre >= 2 && [a, b, c, d].into_iter().all(thin)
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::super::tests::{BASE, digits, trusted};
    use super::super::{Grade, Kind, Verdict};
    use super::*;
    use crate::page::Symbol;
    use crate::qr::symbol;

    const AT: &str = "2021-05-01T00:00:00Z";

    fn judged(bytes: &[u8]) -> Verdict {
        let keys = trusted(false);
        super::super::tests::judge(&keys, AT).file("picture", bytes)
    }

    fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
        encoded(picture, ImageFormat::Png)
    }

    fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// A code with whole pixels for each module, in its quiet zone.
    fn drawn(base: &str, digits: &str, scale: u32) -> GrayImage {
        let symbol = symbol(base, digits).unwrap();
        let (side, quiet) = (symbol.side as u32, Symbol::QUIET as u32);
        GrayImage::from_fn((side + 2 * quiet) * scale, (side + 2 * quiet) * scale, |x, y| {
            let (x, y) = ((x / scale).wrapping_sub(quiet), (y / scale).wrapping_sub(quiet));
            let dark = x < side && y < side && symbol.dark[(y * side + x) as usize];
            Luma([if dark { 0 } else { 255 }])
        })
    }

    fn ours(scale: u32) -> GrayImage {
        drawn(BASE, &digits(0), scale)
    }

    fn page(width: u32, height: u32, parts: &[(&GrayImage, i64, i64)]) -> GrayImage {
        let mut page = GrayImage::from_pixel(width, height, Luma([255]));
        for (part, x, y) in parts {
            imageops::overlay(&mut page, *part, *x, *y);
        }
        page
    }

    /// Seen by a camera: turned, a little from the side, in uneven light, with grain.
    fn photographed(picture: &GrayImage, degrees: f64, side: u32) -> GrayImage {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let middle = f64::from(side) / 2.0;
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let zoom = width.max(height) / f64::from(side) * 1.5;
        let mut noise = 1u32;
        GrayImage::from_fn(side, side, |x, y| {
            let (dx, dy) = (f64::from(x) - middle, f64::from(y) - middle);
            let depth = zoom / (1.0 + dx / f64::from(side) * 0.15);
            let (u, v) = ((dx * cos - dy * sin) * depth + width / 2.0, (dx * sin + dy * cos) * depth + height / 2.0);
            let paper = imageops::interpolate_bilinear(picture, u as f32, v as f32).map_or(235.0, |p| f64::from(p.0[0]));
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let light = 0.55 + 0.35 * f64::from(x) / f64::from(side);
            Luma([((paper * 0.8 + 30.0) * light + f64::from(noise >> 28)).clamp(0.0, 255.0) as u8])
        })
    }

    fn assert_genuine(bytes: &[u8], what: &str) {
        let verdict = judged(bytes);
        assert_eq!((verdict.grade, verdict.kind, verdict.state), (Grade::B, Kind::Picture, State::Valid), "{what}");
        assert_eq!(verdict.licence.unwrap().number, "京1112012201990001");
    }

    #[test]
    fn drawn_codes_of_every_size_are_read() {
        for scale in [1, 2, 3, 5, 9, 20] {
            assert_genuine(&png(ours(scale)), &format!("{scale} pixels a module"));
        }
    }

    #[test]
    fn scanned_pages_are_read() {
        // A4 at 100, 150 and 300 dots per inch with a code of 25 mm at its place on the page.
        for dpi in [100.0, 150.0, 300.0] {
            let px = |mm: f64| (mm / 25.4 * dpi) as u32;
            let code = imageops::resize(&ours(20), px(25.0), px(25.0), imageops::FilterType::Triangle);
            let page = page(px(210.0), px(297.0), &[(&code, px(21.2).into(), px(236.7).into())]);
            assert_genuine(&encoded(page, ImageFormat::Jpeg), &format!("{dpi} dpi"));
        }
    }

    #[test]
    fn photographs_are_read() {
        let code = ours(12);
        for (degrees, side) in [(0.0, 420), (7.0, 1000), (33.0, 420), (45.0, 700), (90.0, 420), (181.0, 1300), (300.0, 420)] {
            let photograph = photographed(&code, degrees, side);
            assert_genuine(&encoded(photograph, ImageFormat::Jpeg), &format!("{degrees} degrees, {side} pixels"));
        }
        let blurred = imageops::blur(&ours(6), 2.5);
        assert_genuine(&png(blurred), "blurred");
    }

    #[test]
    fn a_transparent_ground_is_paper() {
        let code = ours(5);
        let clear = image::GrayAlphaImage::from_fn(400, 400, |x, y| {
            let dark = x < code.width() && y < code.height() && code.get_pixel(x, y).0[0] == 0;
            image::LumaA([0, if dark { 255 } else { 0 }])
        });
        assert_genuine(&png(clear), "transparent");
    }

    #[test]
    fn among_several_codes_the_genuine_one_counts() {
        let (shop, forged, ours) =
            (drawn("https://shop.example/", "12345", 6), drawn(BASE, &digits(0).replacen("0496", "0490", 1), 4), ours(4));
        let two = page(1000, 800, &[(&shop, 0, 0), (&forged, 300, 0), (&ours, 600, 400)]);
        assert_genuine(&png(two), "the last of three");
        let verdict = judged(&png(page(1000, 800, &[(&shop, 0, 0), (&forged, 300, 0)])));
        assert_eq!((verdict.grade, verdict.state), (Grade::C, State::NotIssued));
    }

    #[test]
    fn no_code_and_no_picture_are_told_apart() {
        let state = |bytes: &[u8]| {
            let verdict = judged(bytes);
            assert_eq!((verdict.grade, verdict.licence), (Grade::C, None));
            (verdict.kind, verdict.state)
        };
        assert_eq!(state(&png(GrayImage::from_pixel(300, 300, Luma([255])))), (Kind::Picture, State::NoCode));
        assert_eq!(state(&png(GrayImage::from_pixel(1, 1, Luma([0])))), (Kind::Picture, State::NoCode));
        let whole = png(ours(5));
        assert_eq!(state(&whole[..whole.len() / 2]), (Kind::Picture, State::Unreadable));
        assert_eq!(state(&whole[..8]), (Kind::Picture, State::Unreadable));
        assert_eq!(state(b"GIF89a"), (Kind::Unknown, State::Unreadable));
    }

    #[test]
    fn a_picture_of_30000_by_30000_is_refused_by_its_header() {
        let verdict = judged(include_bytes!("../../samples/records/photos/hard/huge.png"));
        assert_eq!(verdict.state, State::Unreadable);
        assert!(verdict.reason.contains("30000×30000"), "{}", verdict.reason);
    }

    #[test]
    fn a_sheet_full_of_finders_ends() {
        let finder = |x: u32, y: u32| {
            let ring = (x % 9).abs_diff(4).max((y % 9).abs_diff(4));
            Luma([if ring == 2 || ring == 4 { 255 } else { 0 }])
        };
        let verdict = judged(&png(GrayImage::from_fn(1800, 1800, finder)));
        assert_eq!(verdict.state, State::NoCode);
        // Nearly as many as are still searched.
        let some = GrayImage::from_fn(1600, 220, finder);
        let source = Luma8Source::new_with_slice(some.as_raw(), 1600, 220).unwrap();
        let found = mimics(GlobalHistogramBinarizer::new(source).get_black_matrix().unwrap());
        assert!((MOST_MIMICS / 2..=MOST_MIMICS).contains(&found), "{found}");
        assert_eq!(judged(&png(some)).state, State::NoCode);
    }
}
