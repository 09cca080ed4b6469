//! Lengths, and the finished page: a flat list of five kinds of item at exact places, that every renderer matches.

use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

/// A length in whole micrometres. The one place that knows how long an inch and a point are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Length(i32);

impl Length {
    /// No length.
    pub const ZERO: Self = Self(0);

    /// From millimetres, rounded to the nearest micrometre.
    pub fn mm(mm: f64) -> Self {
        Self((mm * 1000.0).round() as i32)
    }

    /// From typographic points (1/72 inch), rounded to the nearest micrometre.
    pub fn pt(pt: f64) -> Self {
        Self((pt * 25_400.0 / 72.0).round() as i32)
    }

    /// From whole micrometres.
    pub const fn um(um: i32) -> Self {
        Self(um)
    }

    /// In millimetres.
    pub fn to_mm(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// In typographic points.
    pub fn to_pt(self) -> f64 {
        f64::from(self.0) * 72.0 / 25_400.0
    }

    /// In pixels at a resolution in dots per inch.
    pub fn to_px(self, dpi: f64) -> f64 {
        f64::from(self.0) * dpi / 25_400.0
    }

    /// In whole micrometres.
    pub const fn to_um(self) -> i32 {
        self.0
    }

    /// This length times a ratio, rounded.
    #[must_use]
    pub fn scaled(self, ratio: f64) -> Self {
        Self((f64::from(self.0) * ratio).round() as i32)
    }
}

/// Written in millimetres without trailing zeros (`12.7`), the spelling that OFD and the layouts use.
impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spelt(|text| f.write_str(text))
    }
}

impl Length {
    /// Writes it as [`fmt::Display`] does, without the ways of a formatter.
    pub fn write(self, out: &mut String) {
        self.spelt(|text| out.push_str(text));
    }

    fn spelt<R>(self, hand_over: impl FnOnce(&str) -> R) -> R {
        // A page has thousands of lengths: the digits are set from the right and handed over in one piece.
        let mut text = [0; 12];
        let mut at = text.len();
        let mut put = |byte| {
            at -= 1;
            text[at] = byte;
        };
        let um = self.0.unsigned_abs();
        let (mut whole, mut rest, mut places) = (um / 1000, um % 1000, 3);
        if rest != 0 {
            while rest % 10 == 0 {
                rest /= 10;
                places -= 1;
            }
            for _ in 0..places {
                put(b'0' + (rest % 10) as u8);
                rest /= 10;
            }
            put(b'.');
        }
        loop {
            put(b'0' + (whole % 10) as u8);
            whole /= 10;
            if whole == 0 {
                break;
            }
        }
        if self.0 < 0 {
            put(b'-');
        }
        hand_over(std::str::from_utf8(&text[at..]).expect("digits are ASCII"))
    }
}

impl fmt::Debug for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}mm")
    }
}

impl Add for Length {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Length {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Length {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Mul<i32> for Length {
    type Output = Self;
    fn mul(self, factor: i32) -> Self {
        Self(self.0 * factor)
    }
}

impl Div<i32> for Length {
    type Output = Self;
    fn div(self, divisor: i32) -> Self {
        Self(self.0 / divisor)
    }
}

/// A place on the page, measured from its top left corner, y downwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Point {
    /// Distance from the left edge.
    pub x: Length,
    /// Distance from the top edge.
    pub y: Length,
}

impl Add for Point {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { x: self.x + other.x, y: self.y + other.y }
    }
}

/// An upright rectangle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rect {
    /// Left edge.
    pub x: Length,
    /// Top edge.
    pub y: Length,
    /// Width, never negative.
    pub w: Length,
    /// Height, never negative.
    pub h: Length,
}

impl Rect {
    /// From millimetres: left, top, width, height.
    pub fn mm(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x: Length::mm(x), y: Length::mm(y), w: Length::mm(w), h: Length::mm(h) }
    }

    /// The right edge.
    pub fn right(&self) -> Length {
        self.x + self.w
    }

    /// The bottom edge.
    pub fn bottom(&self) -> Length {
        self.y + self.h
    }

    /// The centre.
    pub fn centre(&self) -> Point {
        Point { x: self.x + self.w / 2, y: self.y + self.h / 2 }
    }

    /// Whether the two rectangles share area.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }

    /// Whether `other` lies wholly inside.
    pub fn contains(&self, other: &Self) -> bool {
        self.x <= other.x && self.y <= other.y && other.right() <= self.right() && other.bottom() <= self.bottom()
    }

    /// The largest rectangle of the given proportion that fits inside, centred.
    #[must_use]
    pub fn fit(&self, width: u32, height: u32) -> Self {
        let ratio = (self.w.to_mm() / f64::from(width)).min(self.h.to_mm() / f64::from(height));
        let (w, h) = (Length::mm(f64::from(width) * ratio), Length::mm(f64::from(height) * ratio));
        Self { x: self.x + (self.w - w) / 2, y: self.y + (self.h - h) / 2, w, h }
    }
}

/// `x y w h` in millimetres, as OFD writes it.
impl fmt::Display for Rect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { x, y, w, h } = self;
        write!(f, "{x} {y} {w} {h}")
    }
}

/// `[x, y, w, h]` in millimetres, as layouts write it.
impl<'de> Deserialize<'de> for Rect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [x, y, w, h] = <[f64; 4]>::deserialize(deserializer)?;
        if w < 0.0 || h < 0.0 {
            return Err(serde::de::Error::custom("a box is [x, y, width, height] in millimetres; width and height must not be negative"));
        }
        Ok(Self::mm(x, y, w, h))
    }
}

/// An sRGB colour.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// Black.
    pub const BLACK: Self = Self(0, 0, 0);
}

/// `"#rrggbb"`, as layouts write it.
impl<'de> Deserialize<'de> for Rgb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.is_ascii());
        let channel = |i: usize| digits.and_then(|d| u8::from_str_radix(&d[i..i + 2], 16).ok());
        match (channel(0), channel(2), channel(4)) {
            (Some(r), Some(g), Some(b)) => Ok(Self(r, g, b)),
            _ => Err(serde::de::Error::custom(format!("`{text}` is not a colour; write it as #rrggbb"))),
        }
    }
}

/// A finished page: the unchanging face below, what belongs to one licence above it.
#[derive(Clone, Debug)]
pub struct Page {
    /// Width and height of the sheet.
    pub size: (Length, Length),
    /// The part that every licence of this layout shares.
    pub face: Arc<Face>,
    /// What belongs to this licence, in reading order.
    pub items: Vec<Item>,
}

/// The unchanging part of a layout: frame, emblem, title, labels. Renderers prepare it once and know it by its digest.
#[derive(Clone, Debug)]
pub struct Face {
    /// SHA-256 over the layout and art that it was made from.
    pub digest: [u8; 32],
    /// What is drawn, from the bottom up and in reading order.
    pub items: Vec<Item>,
}

/// All that a page can hold. A new kind fails to compile until each renderer has an arm for it.
#[derive(Clone, Debug)]
pub enum Item {
    /// Set text.
    Text(Text),
    /// A photograph or a scanned signature.
    Image(Image),
    /// Filled or stroked curves.
    Path(Path),
    /// A QR symbol.
    Qr(Qr),
    /// A seal: vector art that later becomes a signature's appearance.
    Seal(Seal),
}

/// What a text is to a reader; screen readers and tagged PDF use it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The heading of the document.
    Title,
    /// A fixed word beside a value.
    Label,
    /// A value of the licence.
    Value,
    /// Decoration such as the 样张 mark, not read aloud.
    Ornament,
}

/// Text with every glyph at its final place.
#[derive(Clone, Debug)]
pub struct Text {
    /// What it is to a reader.
    pub role: Role,
    /// Metadata short name (GB/T 36903) or field name that this text prints, when it prints one.
    pub name: Option<String>,
    /// The text as given, lines joined by `\n` where the layout broke them.
    pub content: String,
    /// Glyphs, a run for each line and font.
    pub runs: Vec<Run>,
    /// Fill colour.
    pub color: Rgb,
    /// Degrees counter-clockwise about the first run's origin; 0 for ordinary text.
    pub rotation: f64,
    /// The box that the layout reserved.
    pub area: Rect,
}

/// Glyphs of one font on one baseline.
#[derive(Clone, Debug)]
pub struct Run {
    /// The font.
    pub font: crate::font::FontId,
    /// Em size.
    pub size: Length,
    /// Where the baseline starts.
    pub origin: Point,
    /// Glyphs from left to right.
    pub glyphs: Vec<Glyph>,
}

impl Run {
    /// The characters that the glyphs stand for.
    pub fn text(&self) -> String {
        self.glyphs.iter().map(|g| g.ch).collect()
    }

    /// From the origin to the end of the last glyph.
    pub fn width(&self) -> Length {
        self.glyphs.iter().fold(Length::ZERO, |w, g| w + g.advance)
    }
}

/// One glyph and the character it stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Glyph {
    /// Index in the font (not in a subset).
    pub id: u16,
    /// The character.
    pub ch: char,
    /// Distance to the next glyph's origin, letter spacing included.
    pub advance: Length,
}

/// A picture in its box.
#[derive(Clone, Debug)]
pub struct Image {
    /// Where the picture is drawn, in its own proportion.
    pub area: Rect,
    /// The picture.
    pub picture: Arc<crate::record::Picture>,
    /// What it shows, for those who cannot see it.
    pub alt: String,
}

/// One step of a path.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Segment {
    /// Start a new contour.
    Move(Point),
    /// A straight line.
    Line(Point),
    /// A cubic Bézier curve: two control points and the end.
    Cubic(Point, Point, Point),
    /// Back to the contour's start.
    Close,
}

/// Curves with one paint.
#[derive(Clone, Debug)]
pub struct Path {
    /// Where the points are measured from, so that art which recurs is spelt alike each time.
    pub at: Point,
    /// The contours.
    pub segments: Vec<Segment>,
    /// Fill colour (non-zero winding).
    pub fill: Option<Rgb>,
    /// Stroke colour and width; butt caps, mitre joins.
    pub stroke: Option<(Rgb, Length)>,
    /// Opacity, 255 for opaque.
    pub alpha: u8,
}

/// A QR symbol in its box, quiet zone of four modules included.
#[derive(Clone, Debug)]
pub struct Qr {
    /// The box, square, quiet zone included.
    pub area: Rect,
    /// The symbol.
    pub symbol: Arc<Symbol>,
    /// What it is, for those who cannot see it.
    pub alt: String,
}

/// The modules of a QR symbol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// Modules along one side, without the quiet zone.
    pub side: usize,
    /// Row by row from the top left; true is dark.
    pub dark: Vec<bool>,
}

impl Symbol {
    /// Modules of light border on each side that a reader needs (ISO/IEC 18004).
    pub const QUIET: usize = 4;

    /// Runs of dark modules as (row, first column, count): fewer, wider rectangles print without seams.
    pub fn bars(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        (0..self.side).flat_map(move |row| {
            let line = &self.dark[row * self.side..(row + 1) * self.side];
            let mut column = 0;
            std::iter::from_fn(move || {
                column += line[column..].iter().position(|&dark| dark)?;
                let start = column;
                column += line[start..].iter().take_while(|&&dark| dark).count();
                Some((row, start, column - start))
            })
        })
    }

    /// The dark modules cut into tiles, so that what recurs in them is spelt alike wherever it stands.
    pub fn tiles(&self) -> impl Iterator<Item = Tile> + '_ {
        let starts = |step| (0..self.side).step_by(step);
        let tiles = starts(Tile::ROWS).flat_map(move |row| starts(Tile::COLUMNS).map(move |column| self.tile(column, row)));
        tiles.filter(|tile| !tile.bars.is_empty())
    }

    fn tile(&self, column: usize, row: usize) -> Tile {
        let dark = |x: usize, y: usize| {
            let (x, y) = (column + x, row + y);
            x < self.side && y < self.side && self.dark[y * self.side + x]
        };
        let mut drawn = [[false; Tile::COLUMNS + 1]; Tile::ROWS + 1];
        for (y, x) in (0..=Tile::ROWS).flat_map(|y| (0..=Tile::COLUMNS).map(move |x| (y, x))) {
            // Beyond the tile's own modules only those that hang together with them.
            let joined = (x < Tile::COLUMNS || drawn[y][x - 1]) && (y < Tile::ROWS || drawn[y - 1][x]);
            drawn[y][x] = joined && dark(x, y);
        }
        let mut bars = Vec::with_capacity(4 * Tile::ROWS);
        for (y, line) in drawn.iter().enumerate() {
            let mut x = 0;
            for run in line.chunk_by(|one, other| one == other) {
                if run[0] {
                    bars.push((y, x, x + run.len()));
                }
                x += run.len();
            }
        }
        Tile { column, row, bars }
    }
}

/// A piece cut out of a symbol. It reaches one module into its neighbours to the right and below where dark meets dark, so
/// that no seam shows between tiles, however edges are smoothed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tile {
    /// The symbol's module in its top left corner.
    pub column: usize,
    /// The same, downwards.
    pub row: usize,
    /// Runs of dark modules as (row, first column, column behind the last), counted from the tile's corner, row by row.
    pub bars: Vec<(usize, usize, usize)>,
}

impl Tile {
    /// Modules from left to right. Smaller tiles recur more often, and larger ones are fewer: these make the smallest files.
    pub const COLUMNS: usize = 10;
    /// Modules from top to bottom.
    pub const ROWS: usize = 7;
}

/// A seal in its box.
#[derive(Clone, Debug)]
pub struct Seal {
    /// Where the art is drawn.
    pub area: Rect,
    /// The art.
    pub art: Arc<Art>,
    /// The words on it, by which the electronic seal is known.
    pub words: String,
    /// Whether it is a person's name seal, not that of a body.
    pub personal: bool,
    /// What it is, for those who cannot see it.
    pub alt: String,
}

/// Vector art of its own size: a seal, an emblem.
#[derive(Clone, Debug)]
pub struct Art {
    /// Width and height of the drawing.
    pub size: (Length, Length),
    /// The paths, measured from the drawing's top left corner.
    pub paths: Vec<Path>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_hold_all_dark_modules_and_no_others_and_leave_no_seam() {
        for seed in 1..60_u64 {
            let side = 1 + seed as usize % 30;
            let mut state = seed;
            let random = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 63 == 1
            };
            let symbol = Symbol { side, dark: std::iter::repeat_with(random).take(side * side).collect() };
            let modules = |tile: Tile| -> Vec<(usize, usize)> {
                let all = tile.bars.iter().flat_map(|&(row, first, end)| (first..end).map(move |column| (row, column)));
                all.map(|(row, column)| (tile.row + row, tile.column + column)).collect()
            };
            let tiles: Vec<Vec<(usize, usize)>> = symbol.tiles().map(modules).collect();
            let dark = |row: usize, column: usize| row < side && column < side && symbol.dark[row * side + column];
            assert!(tiles.iter().flatten().all(|&(row, column)| dark(row, column)));
            for (row, column) in (0..side).flat_map(|row| (0..side).map(move |column| (row, column))).filter(|&(r, c)| dark(r, c)) {
                let one_tile = |all: &[(usize, usize)]| tiles.iter().any(|tile| all.iter().all(|module| tile.contains(module)));
                assert!(one_tile(&[(row, column)]), "{column} {row} of {symbol:?}");
                let (right, below, across) = ((row, column + 1), (row + 1, column), (row + 1, column + 1));
                for blot in [&[right][..], &[below], &[right, below, across]] {
                    let whole = [&[(row, column)], blot].concat();
                    assert!(one_tile(&whole) || !whole.iter().all(|&(r, c)| dark(r, c)), "a seam at {column} {row} of {symbol:?}");
                }
            }
        }
    }

    #[test]
    fn lengths_are_written_in_millimetres() {
        let cases = [
            (0, "0"),
            (1, "0.001"),
            (-1, "-0.001"),
            (10, "0.01"),
            (100, "0.1"),
            (120, "0.12"),
            (1000, "1"),
            (12_700, "12.7"),
            (-25_400, "-25.4"),
            (210_000, "210"),
            (20_010, "20.01"),
            (i32::MAX, "2147483.647"),
            (i32::MIN, "-2147483.648"),
        ];
        for (um, written) in cases {
            assert_eq!(Length::um(um).to_string(), written);
        }
    }
}
