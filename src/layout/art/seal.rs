//! Seals: a ring of words around a star, or words in a square, drawn from glyph outlines.

use serde::Deserialize;
use skrifa::outline::OutlinePen;

use super::curves::{Cubic, Curves, Spot, is_straight, line, point, point_on, simplified};
use crate::font::{ChainId, Fonts};
use crate::page::{Art, Length, Path, Rgb, Segment};

/// How a seal looks, `seal.art` in a layout.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealSpec {
    /// The words: along the ring of a round seal; in columns from right to left in a square one.
    pub text: String,
    /// The line below the star of a round seal.
    #[serde(default = "test_words")]
    pub bottom: String,
    /// Round for a body, square for a person's name seal.
    #[serde(default)]
    pub shape: SealShape,
    /// Whether a round seal has a star.
    #[serde(default = "yes")]
    pub star: bool,
    /// Diameter or side; 42 mm round and 20 mm square when absent.
    pub size_mm: Option<f64>,
    /// Ink.
    #[serde(default = "vermilion")]
    pub color: Rgb,
    /// Chain of fonts.
    #[serde(default = "song")]
    pub font: String,
}

/// The outline of a seal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealShape {
    /// 圆章.
    #[default]
    Round,
    /// 方章.
    Square,
}

fn test_words() -> String {
    "测试专用章".to_owned()
}

fn yes() -> bool {
    true
}

fn vermilion() -> Rgb {
    Rgb(0xd9, 0x22, 0x1f)
}

fn song() -> String {
    "Song".to_owned()
}

/// Ink that lets what it is stamped on be read.
const OPACITY: u8 = 204;

/// Draws a seal: its rim and star as one path, and each character, measured from its own middle, as another.
pub fn seal(spec: &SealSpec, fonts: &Fonts) -> Result<Art, String> {
    let chain = fonts.chain(&spec.font).ok_or_else(|| {
        let known: Vec<_> = fonts.chain_names().collect();
        format!("the seal's font `{}` is not among the chains {}", spec.font, known.join(", "))
    })?;
    let text: Vec<char> = spec.text.chars().filter(|c| !c.is_whitespace()).collect();
    if text.is_empty() {
        return Err("a seal needs words; write them in `text`".to_owned());
    }
    let mut stamp = Stamp { fonts, chain, color: spec.color, curves: Curves::default(), characters: Vec::new() };
    let size = match spec.shape {
        SealShape::Round => {
            let size = spec.size_mm.unwrap_or(42.0);
            stamp.round(&text, spec, size / 2.0)?;
            size
        }
        SealShape::Square => {
            let size = spec.size_mm.unwrap_or(20.0);
            stamp.square(&text, size)?;
            size
        }
    };
    let mut paths = vec![inked(stamp.curves, [0.0; 2], spec.color)];
    paths.append(&mut stamp.characters);
    Ok(Art { size: (Length::mm(size), Length::mm(size)), paths })
}

fn inked(curves: Curves, at: Spot, color: Rgb) -> Path {
    Path { at: point(at), alpha: OPACITY, ..curves.filled(color) }
}

/// A seal under construction.
struct Stamp<'f> {
    fonts: &'f Fonts,
    chain: ChainId,
    color: Rgb,
    /// Rim and star.
    curves: Curves,
    characters: Vec<Path>,
}

impl Stamp<'_> {
    /// Proportions of 国发〔1999〕25号: 42 mm across, a rim of 1.2 mm, a star of 14 mm; the words run from left to right.
    fn round(&mut self, text: &[char], spec: &SealSpec, radius: f64) -> Result<(), String> {
        let centre = [radius, radius];
        let unit = radius / 21.0;
        self.curves.circle(centre, radius);
        self.curves.hole(centre, radius - 1.2 * unit);

        let em = 5.4 * unit;
        let middle = radius - 1.2 * unit - 0.9 * unit - em / 2.0;
        // Up to two thirds of the ring, no wider apart than looks like one word.
        let steps = text.len().saturating_sub(1).max(1) as f64;
        let step = (240.0 / steps).min(25.0).to_radians();
        let width = (0.94 * step * middle / em).min(0.84);
        for (i, &ch) in text.iter().enumerate() {
            let angle = step * (i as f64 - (text.len() - 1) as f64 / 2.0);
            let (sin, cos) = angle.sin_cos();
            let spot = [centre[0] + middle * sin, centre[1] - middle * cos];
            self.glyph(ch, spot, angle, [em * width, em])?;
        }
        if spec.star {
            self.star([centre[0], centre[1] - 0.2 * unit], 7.0 * unit);
        }
        let bottom: Vec<char> = spec.bottom.chars().collect();
        // As large as fits between the ends of the ring's words.
        let em = (18.5 * unit / bottom.len().max(1) as f64).min(3.7 * unit);
        for (i, &ch) in bottom.iter().enumerate() {
            let x = centre[0] + em * (i as f64 - (bottom.len() - 1) as f64 / 2.0);
            self.glyph(ch, [x, centre[1] + 12.4 * unit], 0.0, [em * 0.97, em])?;
        }
        Ok(())
    }

    /// Columns from right to left, each filled by its characters, as seals are cut.
    fn square(&mut self, text: &[char], side: f64) -> Result<(), String> {
        let rim = side * 0.055;
        self.curves.rectangle([0.0, 0.0], [side, side]);
        self.curves.rectangle([side - rim, rim], [rim, side - rim]);
        let margin = rim + side * 0.03;
        let inner = side - 2.0 * margin;
        let rows = (text.len() as f64).sqrt().ceil() as usize;
        let columns = text.len().div_ceil(rows);
        let width = inner / columns as f64;
        for (column, chars) in text.chunks(rows).enumerate() {
            let height = inner / chars.len() as f64;
            for (row, &ch) in chars.iter().enumerate() {
                let spot = [side - margin - width * (column as f64 + 0.5), margin + height * (row as f64 + 0.5)];
                self.glyph(ch, spot, 0.0, [width, height])?;
            }
        }
        Ok(())
    }

    fn star(&mut self, centre: Spot, radius: f64) {
        // The points of the inner pentagon lie where the star's own lines cross.
        let inner = radius * (18_f64.to_radians().sin() / 54_f64.to_radians().sin());
        self.curves.polygon((0..10).map(|i| {
            let (sin, cos) = f64::from(36 * i).to_radians().sin_cos();
            let r = if i % 2 == 0 { radius } else { inner };
            [centre[0] + r * sin, centre[1] - r * cos]
        }));
    }

    /// A character with the middle of its em box at `middle`, turned clockwise, its em box that wide and high.
    fn glyph(&mut self, ch: char, middle: Spot, angle: f64, [width, height]: [f64; 2]) -> Result<(), String> {
        let no_glyph = || format!("no font has the character {ch} (U+{:04X}) of the seal", u32::from(ch));
        let (font, glyph) = self.fonts.glyph(self.chain, ch).ok_or_else(no_glyph)?;
        let font = self.fonts.font(font);
        let upem = f64::from(font.upem);
        // Ideographs fill their em box, which reaches from 0.12 em below the baseline to 0.88 em above it.
        let origin = [f64::from(font.advance(glyph)) / 2.0, 0.38 * upem];
        let mut curves = Curves::default();
        let pen = &mut Pen {
            curves: &mut curves,
            origin,
            turn: angle.sin_cos(),
            scale: [width / upem, height / upem],
            contour: Vec::new(),
            last: [0.0; 2],
        };
        font.outline(glyph, pen);
        self.characters.push(inked(curves, middle, self.color));
        Ok(())
    }
}

/// Takes a glyph's outline in font units, y upwards.
struct Pen<'c> {
    curves: &'c mut Curves,
    /// The point of the glyph that places are measured from.
    origin: Spot,
    /// Sine and cosine of the turn.
    turn: (f64, f64),
    scale: [f64; 2],
    /// The contour so far.
    contour: Vec<Cubic>,
    last: Spot,
}

/// What characters are drawn on, in micrometres: three quarters of a dot at 600 dpi, and short to write.
const GRID: i32 = 30;

impl Pen<'_> {
    fn place(&self, [x, y]: Spot) -> Spot {
        let (x, y) = ((x - self.origin[0]) * self.scale[0], (self.origin[1] - y) * self.scale[1]);
        let (sin, cos) = self.turn;
        [x * cos - y * sin, x * sin + y * cos]
    }

    fn line(&mut self, end: Spot) {
        self.contour.extend(line(self.last, end));
        self.last = end;
    }
}

impl OutlinePen for Pen<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.last = self.place([x.into(), y.into()]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.line(self.place([x.into(), y.into()]));
    }

    /// The same curve one degree higher.
    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        let (c, end) = (self.place([cx.into(), cy.into()]), self.place([x.into(), y.into()]));
        let towards = |from: Spot| [from[0] + (c[0] - from[0]) * 2.0 / 3.0, from[1] + (c[1] - from[1]) * 2.0 / 3.0];
        self.contour.push([self.last, towards(self.last), towards(end), end]);
        self.last = end;
    }

    fn curve_to(&mut self, cx: f32, cy: f32, dx: f32, dy: f32, x: f32, y: f32) {
        let [first, second, end] = [[cx, cy], [dx, dy], [x, y]].map(|[x, y]| self.place([x.into(), y.into()]));
        self.contour.push([self.last, first, second, end]);
        self.last = end;
    }

    fn close(&mut self) {
        let Some(&[start, ..]) = self.contour.first() else { return };
        self.line(start);
        let pieces = simplified(&std::mem::take(&mut self.contour));
        let at = |spot| point_on(spot, GRID);
        let start = at(pieces[0][0]);
        let mut last = start;
        let segments = &mut self.curves.0;
        segments.push(Segment::Move(start));
        for (number, piece) in pieces.iter().enumerate() {
            let end = at(piece[3]);
            // What is shorter than the grid is gone, and closing draws the last line.
            if !is_straight(piece) {
                segments.push(Segment::Cubic(at(piece[1]), at(piece[2]), end));
            } else if end != last && number + 1 < pieces.len() {
                segments.push(Segment::Line(end));
            }
            last = end;
        }
        segments.push(Segment::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Point;

    fn drawn(toml: &str) -> Result<Art, String> {
        seal(&toml::from_str(toml).unwrap(), &Fonts::embedded().unwrap())
    }

    /// The ends of all pieces, from the seal's middle, in millimetres.
    fn ends(art: &Art) -> Vec<Spot> {
        let middle = art.size.0 / 2;
        let ends = |path: &Path| -> Vec<Point> {
            let end = |segment: &Segment| match *segment {
                Segment::Move(p) | Segment::Line(p) | Segment::Cubic(_, _, p) => Some(path.at + p),
                Segment::Close => None,
            };
            path.segments.iter().filter_map(end).collect()
        };
        art.paths.iter().flat_map(ends).map(|Point { x, y }| [(x - middle).to_mm(), (y - middle).to_mm()]).collect()
    }

    #[test]
    fn a_round_seal_keeps_its_words_inside_the_rim() {
        for text in ["部", "示例住房和城乡建设主管部门", "示例省示例市住房和城乡建设主管部门建筑工程质量安全监督管理总站"]
        {
            let art = drawn(&format!("text = '{text}'")).unwrap();
            assert_eq!((art.size.0, art.paths.len()), (Length::mm(42.0), 1 + text.chars().count() + 5));
            let radii = ends(&art).into_iter().map(|[x, y]| x.hypot(y));
            let inner = radii.filter(|r| *r < 19.79).fold(0.0, f64::max);
            assert!(inner > 16.0 && inner < 19.6, "{text}: {inner} mm");
        }
    }

    #[test]
    fn words_on_the_ring_keep_clear_of_each_other() {
        for count in [2_u32, 8, 16, 30] {
            let art = drawn(&format!("text = '{}'\nstar = false\nbottom = ''", "国".repeat(count as usize))).unwrap();
            let ring = ends(&art).into_iter().filter(|[x, y]| x.hypot(*y) < 19.79);
            let mut angles: Vec<f64> = ring.map(|[x, y]| x.atan2(-y)).collect();
            angles.sort_by(f64::total_cmp);
            // Between two characters, and only there, some angle is free of ink's corners.
            let gaps = angles.windows(2).filter(|pair| (pair[1] - pair[0]) * 16.0 > 0.1).count();
            assert!(gaps >= count as usize - 1, "{count} characters, {gaps} gaps");
            assert!((angles[0] + angles[angles.len() - 1]).abs() < 0.02, "the words stand evenly about the top");
        }
    }

    #[test]
    fn a_square_seal_reads_in_columns_from_the_right() {
        // A column of 一 at the right and of 丨 at the left, told apart by their proportions.
        let art = drawn("text = '一一丨丨'\nshape = 'square'").unwrap();
        assert_eq!(art.size, (Length::mm(20.0), Length::mm(20.0)));
        let words: Vec<Spot> = ends(&art).into_iter().filter(|[x, y]| x.abs().max(y.abs()) < 8.5).collect();
        let height = |side: f64| {
            let top_half = words.iter().filter(|[x, y]| x * side > 0.0 && *y < 0.0).map(|[_, y]| *y);
            top_half.clone().fold(f64::MIN, f64::max) - top_half.fold(f64::MAX, f64::min)
        };
        assert!(height(1.0) < 2.0 && height(-1.0) > 4.0, "right {} mm, left {} mm", height(1.0), height(-1.0));
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        assert!(drawn("text = '部'\nfont = 'Arial'").unwrap_err().contains("`Arial` is not among the chains Hei, "));
        assert!(drawn("text = '部\u{10FFFD}'").unwrap_err().contains("U+10FFFD"));
        assert!(drawn("text = ' '").unwrap_err().contains("needs words"));
        assert!(toml::from_str::<SealSpec>("text = '部'\nradius = 3").is_err());
    }
}
