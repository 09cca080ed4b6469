//! Photos and signatures: examined once on entry, kept in a form that every renderer can embed as it is.

use std::fmt;
use std::io::Cursor;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::{CompressionType, FilterType, PngDecoder, PngEncoder};
use image::imageops::{self, FilterType as Resampling};
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, GrayImage, ImageDecoder, ImageEncoder, Limits, RgbImage, RgbaImage};

use jpeg::Outline;
use png::Ink;

mod jpeg;
mod png;

/// How a picture's bytes are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PictureFormat {
    /// Baseline or progressive JPEG, upright.
    Jpeg {
        /// Rather than RGB.
        grey: bool,
    },
    /// PNG of at most 8 bits, upright, not interlaced.
    Png,
}

/// What a picture is of; decides how large it may be and how it is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PictureKind {
    /// 免冠证件照: kept as JPEG, transparency laid on white.
    Photo,
    /// 手写签字: a JPEG stays one, all else is kept as PNG with its transparency.
    Signature,
}

/// A picture that has been decoded once and found good, when it came in. Two are equal when their bytes are.
#[derive(Clone)]
pub struct Picture {
    /// How `bytes` are encoded.
    pub format: PictureFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The file, as embedded.
    pub bytes: Vec<u8>,
    samples: OnceLock<Samples>,
}

/// What a picture decodes to.
#[derive(Clone)]
struct Samples {
    channels: usize,
    colour: Vec<u8>,
    alpha: Option<Vec<u8>>,
}

/// The samples of a picture, 8 bits each, row by row from the top left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pixels<'p> {
    /// Of the colour: one for grey, three for RGB.
    pub channels: usize,
    /// So many bytes a pixel. Not multiplied by alpha.
    pub colour: &'p [u8],
    /// One byte a pixel, 255 for opaque, when the picture has alpha.
    pub alpha: Option<&'p [u8]>,
}

/// Why a picture is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PictureError {
    /// Another kind of file, whatever it is called.
    #[error("is {0}, not a JPEG or PNG picture; save it as JPEG or PNG")]
    NotAPicture(&'static str),
    /// More pixels than any print needs; found in the header, before decoding.
    #[error("has {width} × {height} pixels; at most {MOST_SIDE} a side and {} million in all are accepted", MOST_PIXELS / 1_000_000)]
    TooLarge {
        /// Width in pixels, as the header says.
        width: u32,
        /// Height in pixels, as the header says.
        height: u32,
    },
    /// The file ends before the picture does.
    #[error("ends in the middle of the picture; transfer the whole file again")]
    Truncated,
    /// A kind of JPEG or PNG that cannot be printed faithfully.
    #[error("is {0}; save it as an ordinary RGB picture")]
    Unsupported(&'static str),
    /// Not what it says it is.
    #[error("is damaged ({0}); save it again")]
    Damaged(String),
}

/// Pixels on one side that are accepted: twice what a scanner makes of an A4 sheet at 300 dpi.
const MOST_SIDE: u32 = 8_000;

/// Pixels that are accepted in all: what a telephone's camera makes.
const MOST_PIXELS: u64 = 50_000_000;

/// A photo or signature that is already small enough in bytes passes through untouched.
const PASS_BYTES: usize = 60 * 1024;

/// What a photo that must be encoded anew should weigh.
const PHOTO_BYTES: usize = 20 * 1024;

/// The largest in pixels that handwriting of one ink stays: 260 dpi where it is printed, at most 35 mm wide and 15 mm high.
const INK: (u32, u32) = (360, 160);

/// Tried in turn until a photo is light enough; the last is taken as it is.
const QUALITIES: [u8; 5] = [88, 80, 72, 64, 56];

impl PictureKind {
    /// The largest in pixels that passes through: 300 dpi at 52 mm for photos, well over 300 dpi for signatures.
    const fn most(self) -> (u32, u32) {
        match self {
            Self::Photo => (620, 800),
            Self::Signature => (900, 600),
        }
    }

    /// Whether a picture of this size need not be made smaller.
    const fn passes(self, width: u32, height: u32, bytes: usize) -> bool {
        let most = self.most();
        width <= most.0 && height <= most.1 && bytes <= PASS_BYTES
    }

    /// What a larger one is brought down to: photos are printed at most 39 mm wide.
    const fn shrinks_to(self) -> (u32, u32) {
        match self {
            Self::Photo => (480, 620),
            Self::Signature => (900, 600),
        }
    }
}

impl Picture {
    /// Takes a JPEG or PNG file. Looks at what the bytes are rather than at the file's name, reads the size from the header
    /// and refuses what is too large before it decodes anything, then decodes all of it once.
    ///
    /// Upright JPEG and, for signatures, PNG of sensible size pass through without loss, freed of all that is not the picture
    /// (EXIF, colour profiles, comments, trailing bytes). Everything else is brought upright, to sRGB or grey, to 8 bits and to print
    /// size, and encoded anew; handwriting of one ink then has four levels of opacity.
    pub fn decode(bytes: &[u8], kind: PictureKind) -> Result<Self, PictureError> {
        match sniff(bytes) {
            Ok(File::Jpeg) => from_jpeg(bytes, kind),
            Ok(File::Png) => from_png(bytes, kind),
            Err(other) => Err(PictureError::NotAPicture(other)),
        }
    }

    /// The bytes of a picture that [`Picture::decode`] gave before, as they were kept. They are not examined again.
    pub(super) fn kept(bytes: Vec<u8>) -> Result<Self, PictureError> {
        match sniff(&bytes).map_err(PictureError::NotAPicture)? {
            File::Jpeg => Outline::read(&bytes).map(Outline::picture),
            File::Png => {
                png::size(&bytes).map(|(width, height)| Self { format: PictureFormat::Png, width, height, bytes, samples: OnceLock::new() })
            }
        }
    }

    /// A single black pixel: stands for a picture where only its being there matters.
    pub fn pixel() -> Self {
        encode_png(DynamicImage::new_luma8(1, 1), PictureKind::Signature).expect("a pixel can be encoded")
    }

    /// For handwriting: the colour of its one ink, and in how many bits `bytes` has the opacity of each pixel, even steps from
    /// none to full. What is written by hand has few levels, so that this is a fraction of the size of all samples.
    pub fn ink(&self) -> Option<([u8; 3], u8)> {
        if self.format == PictureFormat::Png { png::ink(&self.bytes) } else { None }
    }

    /// The image data of a PNG: rows, the number of a filter before each, deflated (ISO/IEC 15948 clauses 7 to 11).
    pub fn png_data(&self) -> Vec<u8> {
        png::image_data(&self.bytes)
    }

    /// What `bytes` decode to.
    pub fn pixels(&self) -> Pixels<'_> {
        let Samples { channels, colour, alpha } = self.samples.get_or_init(|| {
            let bytes = Cursor::new(&self.bytes);
            let image = match self.format {
                PictureFormat::Jpeg { .. } => JpegDecoder::new(bytes).and_then(DynamicImage::from_decoder),
                PictureFormat::Png => PngDecoder::new(bytes).and_then(DynamicImage::from_decoder).map(eight_bits),
            };
            Samples::of(image.expect("it was decoded when it came in"))
        });
        Pixels { channels: *channels, colour, alpha: alpha.as_deref() }
    }

    /// Media type of `bytes`.
    pub const fn media_type(&self) -> &'static str {
        match self.format {
            PictureFormat::Jpeg { .. } => "image/jpeg",
            PictureFormat::Png => "image/png",
        }
    }

    /// The picture as a `data:` address (RFC 2397).
    pub fn to_data_uri(&self) -> String {
        format!("data:{};base64,{}", self.media_type(), BASE64.encode(&self.bytes))
    }
}

/// Without the samples, which would fill a screen.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, width, height, bytes, .. } = self;
        write!(f, "Picture({format:?} {width}×{height}, {} bytes)", bytes.len())
    }
}

impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

/// A file that can be decoded.
enum File {
    Jpeg,
    Png,
}

/// What the bytes are, by their first few; else what they are instead.
fn sniff(bytes: &[u8]) -> Result<File, &'static str> {
    Err(match bytes {
        [] => "an empty file",
        [0xFF, 0xD8, 0xFF, ..] => return Ok(File::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => return Ok(File::Png),
        [b'G', b'I', b'F', b'8', ..] => "a GIF picture",
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => "a BMP picture",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "a WebP picture",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "a HEIC or AVIF picture or a film",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "a TIFF picture",
        [b'%', b'P', b'D', b'F', ..] => "a PDF file",
        [b'P', b'K', 3, 4, ..] => "a ZIP or Office file",
        other if is_text(&other[..other.len().min(64)]) => "a text file",
        _ => "a file of unknown kind",
    })
}

/// UTF-8 without zeros; the last character may be cut off.
fn is_text(start: &[u8]) -> bool {
    !start.contains(&0) && std::str::from_utf8(start).map_or_else(|e| e.error_len().is_none(), |_| true)
}

fn check_size(width: u32, height: u32) -> Result<(), PictureError> {
    match (width, height) {
        (0, _) | (_, 0) => Err(PictureError::Damaged("no width or no height".into())),
        _ if width > MOST_SIDE || height > MOST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS => {
            Err(PictureError::TooLarge { width, height })
        }
        _ => Ok(()),
    }
}

fn from_jpeg(bytes: &[u8], kind: PictureKind) -> Result<Picture, PictureError> {
    let outline = Outline::read(bytes)?;
    let upright = outline.orientation == Orientation::NoTransforms;
    if upright && outline.plain && kind.passes(outline.width, outline.height, outline.bare.len()) {
        return outline.whole();
    }
    let mut image = decoded(JpegDecoder::new(Cursor::new(&outline.bare)).map_err(damage)?)?;
    image.apply_orientation(outline.orientation);
    encode_jpeg(image, kind)
}

fn from_png(bytes: &[u8], kind: PictureKind) -> Result<Picture, PictureError> {
    let (width, height) = png::size(bytes)?;
    check_size(width, height)?;
    if kind == PictureKind::Signature
        && let Some(ink) = Ink::kept(bytes)
    {
        return ink?.picture(Some(bytes));
    }
    let mut decoder = PngDecoder::new(Cursor::new(bytes)).map_err(damage)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = decoded(decoder)?;
    if kind == PictureKind::Signature && orientation == Orientation::NoTransforms {
        // Ink that is written in another way becomes lighter, and what embeds it need not look at its samples.
        let good = |bare: &Vec<u8>| kind.passes(width, height, bare.len()) && Ink::of(&image).is_none();
        if let Some(bytes) = png::bare(bytes).filter(good) {
            return Ok(Picture { format: PictureFormat::Png, width, height, bytes, samples: OnceLock::new() });
        }
    }
    image.apply_orientation(orientation);
    match kind {
        PictureKind::Photo => encode_jpeg(image, kind),
        PictureKind::Signature => encode_png(image, kind),
    }
}

fn decoded(mut decoder: impl ImageDecoder) -> Result<DynamicImage, PictureError> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_PIXELS * 16);
    decoder.set_limits(limits).map_err(damage)?;
    DynamicImage::from_decoder(decoder).map_err(damage)
}

fn damage(error: image::ImageError) -> PictureError {
    match error {
        image::ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => PictureError::Truncated,
        other => PictureError::Damaged(other.to_string()),
    }
}

fn encode_jpeg(image: DynamicImage, kind: PictureKind) -> Result<Picture, PictureError> {
    let image = shrunk(on_white(image), kind);
    let (width, height) = (image.width(), image.height());
    let grey = image.color().channel_count() == 1;
    let colour = if grey { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let mut bytes = Vec::new();
    for quality in QUALITIES {
        bytes.clear();
        JpegEncoder::new_with_quality(&mut bytes, quality).encode(image.as_bytes(), width, height, colour).map_err(damage)?;
        if bytes.len() <= PHOTO_BYTES {
            break;
        }
    }
    Ok(Picture { format: PictureFormat::Jpeg { grey }, width, height, bytes, samples: OnceLock::new() })
}

fn encode_png(image: DynamicImage, kind: PictureKind) -> Result<Picture, PictureError> {
    let image = eight_bits(image);
    if let Some(ink) = Ink::of(&image) {
        return ink.picture(None);
    }
    let image = shrunk(image, kind);
    let colour = match image {
        DynamicImage::ImageLuma8(_) => ExtendedColorType::L8,
        DynamicImage::ImageLumaA8(_) => ExtendedColorType::La8,
        DynamicImage::ImageRgb8(_) => ExtendedColorType::Rgb8,
        _ => ExtendedColorType::Rgba8,
    };
    let (width, height) = (image.width(), image.height());
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Sub)
        .write_image(image.as_bytes(), width, height, colour)
        .map_err(damage)?;
    Ok(Picture { format: PictureFormat::Png, width, height, bytes, samples: OnceLock::new() })
}

impl Samples {
    fn of(image: DynamicImage) -> Self {
        let channels = if image.color().channel_count() <= 2 { 1 } else { 3 };
        let (colour, alpha) = match image {
            DynamicImage::ImageLuma8(grey) => (grey.into_raw(), None),
            DynamicImage::ImageRgb8(rgb) => (rgb.into_raw(), None),
            DynamicImage::ImageLumaA8(both) => parted::<2>(both.as_raw()),
            other => parted::<4>(other.into_rgba8().as_raw()),
        };
        Self { channels, colour, alpha }
    }
}

/// Colour and opacity apart, of samples with `N` channels of which the last is alpha.
fn parted<const N: usize>(samples: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let count = samples.len() / N;
    let (mut colour, mut opacity) = (Vec::with_capacity(count * (N - 1)), Vec::with_capacity(count));
    for pixel in samples.chunks_exact(N) {
        colour.extend_from_slice(&pixel[..N - 1]);
        opacity.push(pixel[N - 1]);
    }
    (colour, Some(opacity))
}

/// 8 bits, without an alpha channel that says nothing and without colours that are all grey.
fn eight_bits(image: DynamicImage) -> DynamicImage {
    let rgba = image.into_rgba8();
    let opaque = rgba.pixels().all(|p| p.0[3] == 255);
    let grey = rgba.pixels().all(|p| p.0[3] == 0 || p.0[0] == p.0[1] && p.0[1] == p.0[2]);
    let rgba = DynamicImage::ImageRgba8(rgba);
    match (grey, opaque) {
        (true, true) => DynamicImage::ImageLuma8(rgba.into_luma8()),
        (true, false) => DynamicImage::ImageLumaA8(rgba.into_luma_alpha8()),
        (false, true) => DynamicImage::ImageRgb8(rgba.into_rgb8()),
        (false, false) => rgba,
    }
}

/// Grey or RGB; what is transparent shows white paper.
fn on_white(image: DynamicImage) -> DynamicImage {
    match eight_bits(image) {
        DynamicImage::ImageLumaA8(both) => DynamicImage::ImageLuma8(GrayImage::from_fn(both.width(), both.height(), |x, y| {
            let [grey, alpha] = both.get_pixel(x, y).0;
            image::Luma([over_white(grey, alpha)])
        })),
        DynamicImage::ImageRgba8(rgba) => DynamicImage::ImageRgb8(RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
            let [r, g, b, alpha] = rgba.get_pixel(x, y).0;
            image::Rgb([r, g, b].map(|c| over_white(c, alpha)))
        })),
        opaque => opaque,
    }
}

fn over_white(colour: u8, alpha: u8) -> u8 {
    let (colour, alpha) = (u32::from(colour), u32::from(alpha));
    ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Brought to print size when it is larger than may pass.
fn shrunk(image: DynamicImage, kind: PictureKind) -> DynamicImage {
    let (to_width, to_height) = kind.shrinks_to();
    if kind.passes(image.width(), image.height(), 0) {
        return image;
    }
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let ratio = (f64::from(to_width) / width).min(f64::from(to_height) / height);
    let (to_width, to_height) = (((width * ratio).round() as u32).max(1), ((height * ratio).round() as u32).max(1));
    // A cheap average first where the picture is many times too large, then a good filter for the rest.
    let image = if ratio < 0.25 { image.thumbnail_exact(to_width * 2, to_height * 2) } else { image };
    match image {
        DynamicImage::ImageRgba8(rgba) => DynamicImage::ImageRgba8(resized_with_alpha(rgba, to_width, to_height)),
        opaque => opaque.resize_exact(to_width, to_height, Resampling::CatmullRom),
    }
}

/// Resizes colours weighted by their opacity, so that what is transparent does not bleed into the edge of the ink; with a filter
/// that never overshoots, so that no colour exceeds its opacity.
fn resized_with_alpha(mut rgba: RgbaImage, width: u32, height: u32) -> RgbaImage {
    for p in rgba.pixels_mut() {
        let alpha = u32::from(p.0[3]);
        for c in &mut p.0[..3] {
            *c = ((u32::from(*c) * alpha + 127) / 255) as u8;
        }
    }
    let mut small = imageops::resize(&rgba, width, height, Resampling::Triangle);
    for p in small.pixels_mut() {
        let alpha = u32::from(p.0[3]);
        for c in &mut p.0[..3] {
            *c = (u32::from(*c) * 255 + alpha / 2).checked_div(alpha).unwrap_or(255).min(255) as u8;
        }
    }
    small
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{GenericImageView, ImageFormat};

    use super::PictureKind::{Photo, Signature};
    use super::*;

    fn hard(name: &str) -> Vec<u8> {
        fs::read(format!("samples/records/photos/hard/{name}")).unwrap()
    }

    fn portrait() -> Vec<u8> {
        fs::read("samples/records/photos/p01.jpg").unwrap()
    }

    /// A file of a picture made here: `draw` gives each pixel's red, green, blue and opacity.
    fn png(width: u32, height: u32, draw: impl Fn(u32, u32) -> [u8; 4]) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let image = RgbaImage::from_fn(width, height, |x, y| image::Rgba(draw(x, y)));
        image.write_to(&mut file, ImageFormat::Png).unwrap();
        file.into_inner()
    }

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let mut file = Vec::new();
        let image = RgbImage::from_fn(width, height, |x, y| image::Rgb([(x % 251) as u8, (y % 241) as u8, 90]));
        JpegEncoder::new_with_quality(&mut file, 90).encode_image(&image).unwrap();
        file
    }

    /// The file with a segment put right behind its start.
    fn with_segment(file: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16 + 2).to_be_bytes();
        [&file[..2], &[0xFF, marker], &length, body, &file[2..]].concat()
    }

    fn near(a: &[u8], b: [u8; 3], within: u8) -> bool {
        a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= within)
    }

    #[test]
    fn a_good_photo_passes_through_and_its_samples_are_those_of_the_file() {
        let file = portrait();
        let picture = Picture::decode(&file, Photo).unwrap();
        assert_eq!((picture.format, picture.width, picture.height), (PictureFormat::Jpeg { grey: false }, 465, 592));
        assert_eq!(picture.bytes, file);
        let Pixels { channels, colour, alpha } = picture.pixels();
        assert_eq!((channels, colour, alpha), (3, image::load_from_memory(&file).unwrap().as_bytes(), None));
    }

    #[test]
    fn what_is_not_the_picture_is_left_out() {
        let file = portrait();
        let mut loaded = with_segment(&file, 0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0GPS 39.9 116.4");
        loaded = with_segment(&loaded, 0xE2, b"ICC_PROFILE\0\x01\x01something");
        loaded = with_segment(&loaded, 0xFE, b"taken by somebody");
        loaded.extend(b"PK\x03\x04 and a whole archive");
        assert_eq!(Picture::decode(&loaded, Photo).unwrap().bytes, file);
    }

    #[test]
    fn a_turned_photo_is_brought_upright() {
        let upright = Picture::decode(&hard("exif6.jpg"), Photo).unwrap();
        assert_eq!((upright.width, upright.height), (465, 592));
        let raw = image::load_from_memory(&hard("exif6.jpg")).unwrap();
        let turned = raw.rotate90();
        for (x, y) in [(10, 10), (232, 200), (400, 500)] {
            let at = ((y * 465 + x) * 3) as usize;
            let expected = turned.get_pixel(x, y).0;
            assert!(near(&upright.pixels().colour[at..at + 3], [expected[0], expected[1], expected[2]], 24), "{x} {y}");
        }
        assert!(upright.bytes.len() <= PHOTO_BYTES, "{}", upright.bytes.len());
        assert_eq!(Outline::read(&upright.bytes).unwrap().orientation, Orientation::NoTransforms);
    }

    #[test]
    fn a_cmyk_photo_gets_its_true_colours() {
        let picture = Picture::decode(&hard("cmyk.jpg"), Photo).unwrap();
        assert!(picture.bytes.len() <= PHOTO_BYTES);
        // Background, as another program (Pillow) reads it.
        assert!(near(&picture.pixels().colour[..3], [201, 223, 240], 6), "{:?}", &picture.pixels().colour[..3]);
        let mut silent = hard("cmyk.jpg");
        let adobe = silent.windows(5).position(|w| w == b"Adobe").unwrap();
        silent[adobe] = b'X';
        assert!(matches!(Picture::decode(&silent, Photo), Err(PictureError::Unsupported(_))));
    }

    #[test]
    fn grey_stays_grey() {
        let picture = Picture::decode(&hard("gray.jpg"), Photo).unwrap();
        assert_eq!(picture.format, PictureFormat::Jpeg { grey: true });
        assert_eq!(picture.bytes, hard("gray.jpg"));
        assert_eq!(picture.pixels().colour.len(), 465 * 592);
        let drawn = Picture::decode(&png(8, 8, |x, _| [x as u8 * 20; 4].map(|c| c | 1)), Signature).unwrap();
        assert!(drawn.pixels().channels == 1 && drawn.pixels().alpha.is_some());
    }

    #[test]
    fn a_photo_in_png_becomes_a_light_jpeg_on_white() {
        let palette = Picture::decode(&hard("palette.png"), Photo).unwrap();
        assert_eq!(palette.format, PictureFormat::Jpeg { grey: false });
        assert!(palette.bytes.len() <= PHOTO_BYTES, "{}", palette.bytes.len());
        let clear = Picture::decode(&png(40, 50, |_, _| [0, 0, 0, 0]), Photo).unwrap();
        assert!(near(clear.pixels().colour, [255; 3], 1));
        let alpha = Picture::decode(&hard("alpha.png"), Photo).unwrap();
        assert!(alpha.bytes.len() <= PHOTO_BYTES);
    }

    #[test]
    fn a_signature_keeps_its_ink_and_its_transparency() {
        let file = fs::read("samples/records/signatures/s01.png").unwrap();
        let picture = Picture::decode(&file, Signature).unwrap();
        assert_eq!((picture.format, picture.width, picture.height), (PictureFormat::Png, 360, 157));
        assert_eq!(picture.ink().map(|(_, bits)| bits), Some(2));
        assert!(picture.bytes.len() < 2000, "{}", picture.bytes.len());
        let alpha = picture.pixels().alpha.unwrap();
        assert_eq!(alpha.len(), 360 * 157);
        // As much ink as there was, within a hundredth.
        let before = image::load_from_memory(&file).unwrap().into_rgba8();
        let average = |alpha: &mut dyn Iterator<Item = u8>, count: f64| alpha.map(f64::from).sum::<f64>() / count;
        let (was, is) = (average(&mut before.pixels().map(|p| p.0[3]), 700.0 * 305.0), average(&mut alpha.iter().copied(), 360.0 * 157.0));
        assert!((was / is - 1.0).abs() < 0.01, "{was} {is}");
        assert!(alpha.contains(&0) && alpha.contains(&255));
        let again = image::load_from_memory(&picture.bytes).unwrap().into_rgba8();
        assert!(again.pixels().map(|p| &p.0[3]).eq(alpha));
        assert_eq!(Picture::decode(&picture.bytes, Signature).unwrap(), picture);
        assert_eq!(Picture::kept(picture.bytes.clone()).unwrap().pixels(), picture.pixels());
    }

    #[test]
    fn a_transparent_edge_keeps_the_colour_of_the_ink_when_it_shrinks() {
        let file = png(1800, 900, |x, y| if (x / 37 + y / 41) % 2 == 0 { [20, 30, 120, 255] } else { [255, 255, 255, 0] });
        let picture = Picture::decode(&file, Signature).unwrap();
        assert_eq!((picture.width, picture.height), (320, 160));
        assert_eq!(picture.ink(), Some(([20, 30, 120], 2)));

        let two_inks =
            png(1800, 900, |x, y| if (x / 37 + y / 41) % 2 == 0 { [20, 30, 120 + (y & 1) as u8, 255] } else { [255, 255, 255, 0] });
        let picture = Picture::decode(&two_inks, Signature).unwrap();
        assert_eq!((picture.width, picture.height), (900, 450));
        let Pixels { colour, alpha, .. } = picture.pixels();
        for (rgb, &alpha) in colour.chunks_exact(3).zip(alpha.unwrap()) {
            assert!(alpha < 64 || near(rgb, [20, 30, 120], 6), "{rgb:?} at {alpha}");
        }
    }

    #[test]
    fn sixteen_bits_become_eight() {
        let mut file = Cursor::new(Vec::new());
        let deep = image::ImageBuffer::from_pixel(9, 7, image::Rgb([0xFFFF_u16, 0x8080, 0]));
        DynamicImage::ImageRgb16(deep).write_to(&mut file, ImageFormat::Png).unwrap();
        let picture = Picture::decode(file.get_ref(), Signature).unwrap();
        assert_eq!(picture.pixels(), Pixels { channels: 3, colour: &[255, 128, 0].repeat(63), alpha: None });
    }

    #[test]
    fn a_large_photo_is_brought_to_print_size() {
        for (width, height) in [(640, 800), (1200, 900)] {
            let picture = Picture::decode(&jpeg(width, height), Photo).unwrap();
            assert!(picture.width <= 480 && picture.height <= 620, "{picture:?}");
            let skew = f64::from(width) / f64::from(height) - f64::from(picture.width) / f64::from(picture.height);
            assert!(skew.abs() < 0.01, "{picture:?}");
            assert!(picture.bytes.len() <= PASS_BYTES, "{picture:?}");
        }
    }

    #[test]
    fn a_huge_picture_is_refused_before_it_is_decoded() {
        let huge = Picture::decode(&hard("huge.png"), Photo);
        assert_eq!(huge, Err(PictureError::TooLarge { width: 30_000, height: 30_000 }));
        // Nothing but the header need be there.
        let mut file = jpeg(8, 8);
        let frame = file.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
        file[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
        assert_eq!(Picture::decode(&file, Photo), Err(PictureError::TooLarge { width: 30_000, height: 30_000 }));
    }

    #[test]
    fn what_is_no_picture_is_named_for_what_it_is() {
        assert_eq!(Picture::decode(&hard("text.jpg"), Photo), Err(PictureError::NotAPicture("a text file")));
        for (bytes, what) in [
            (&b""[..], "an empty file"),
            (b"GIF89a..", "a GIF picture"),
            (b"%PDF-1.7", "a PDF file"),
            (b"PK\x03\x04....", "a ZIP or Office file"),
            (b"RIFF....WEBPVP8 ", "a WebP picture"),
            (b"\0\0\0\x18ftypheic", "a HEIC or AVIF picture or a film"),
            (b"\x7FELF\0\0\0\0", "a file of unknown kind"),
        ] {
            assert_eq!(Picture::decode(bytes, Photo), Err(PictureError::NotAPicture(what)));
        }
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused() {
        assert_eq!(Picture::decode(&hard("truncated.jpg"), Photo), Err(PictureError::Truncated));
        for file in [jpeg(24, 16), png(24, 16, |x, y| [x as u8, y as u8, 9, 255])] {
            for end in (0..file.len()).step_by(7) {
                assert!(Picture::decode(&file[..end], Signature).is_err(), "{end} of {}", file.len());
            }
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        for file in [jpeg(16, 12), png(16, 12, |x, y| [x as u8, y as u8, 9, 255])] {
            for at in (0..file.len()).step_by(3) {
                let mut damaged = file.clone();
                damaged[at] ^= 0x55;
                let _ = Picture::decode(&damaged, Photo);
            }
        }
    }

    #[test]
    fn the_same_file_gives_the_same_bytes() {
        for name in ["cmyk.jpg", "exif6.jpg", "palette.png", "alpha.png"] {
            assert_eq!(Picture::decode(&hard(name), Photo), Picture::decode(&hard(name), Photo));
        }
    }

    #[test]
    fn few_opacities_take_few_bits_and_rows_start_on_bytes() {
        for (opacities, bits) in [(&[0, 255][..], 1), (&[0, 85, 170, 255], 2), (&[0, 17, 34, 255], 4), (&[0, 18, 34, 255], 8)] {
            for ink in [[20, 30, 120], [9, 9, 9]] {
                let file = png(13, 5, |x, y| [ink[0], ink[1], ink[2], opacities[(x + y) as usize % opacities.len()]]);
                let picture = Picture::decode(&file, Signature).unwrap();
                assert_eq!(picture.ink(), Some((ink, bits)));
                let expected = image::load_from_memory(&file).unwrap().into_rgba8();
                let drawn = image::load_from_memory(&picture.bytes).unwrap().into_rgba8();
                assert!(
                    drawn
                        .pixels()
                        .zip(expected.pixels())
                        .all(|(drawn, expected)| drawn == expected || drawn.0[3] == 0 && expected.0[3] == 0)
                );
                assert_eq!(Picture::decode(&picture.bytes, Signature).unwrap(), picture);
            }
        }
        let two_inks = png(8, 8, |x, _| [x as u8, 0, 0, 255 - x as u8]);
        assert_eq!(Picture::decode(&two_inks, Signature).unwrap().ink(), None);
    }
}
