//! Guilloche: frames and rosettes computed from a few numbers, as smooth Bézier curves that print sharp at any size.
//!
//! A strand is stroked three times along the same curve: broad in the ink's colour, less broad in the ground's, thin in the
//! ink's again. That leaves three fine lines, which open into one another where strands cross, like an engraving; and as the
//! curve is the same, two of the three strokes cost next to nothing once the page is deflated. So do the strands of a side
//! after those of the opposite one, and three of the four corners: measured from their own middle, they are alike.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use serde::Deserialize;

use super::curves::{Curves, Spot, point};
use crate::page::{Length, Path, Rgb, Segment};

/// The border of a page, `[frame]` in a layout. Everything has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FrameSpec {
    /// Ink.
    pub color: Rgb,
    /// The pale ground between the rules.
    pub ground: Rgb,
    /// From the edge of the sheet to the outer rule; the corner rosettes stand out by a third of the band.
    pub inset_mm: f64,
    /// From the outer rule to the inner one.
    pub band_mm: f64,
    /// Strands woven along each side.
    pub strands: u32,
    /// Length of a wave, about: a side takes a whole number of waves, or very nearly.
    pub wave_mm: f64,
    /// Petals of a corner rosette, and turns about its centre in which they are drawn.
    pub corner: Petals,
}

impl Default for FrameSpec {
    fn default() -> Self {
        Self {
            color: Rgb(0x3f, 0x78, 0xb5),
            ground: Rgb(0xf3, 0xf8, 0xfd),
            inset_mm: 7.0,
            band_mm: 8.4,
            strands: 6,
            wave_mm: 27.0,
            corner: Petals(12, 5),
        }
    }
}

/// A rosette behind the text, `[[rosette]]` in a layout.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosetteSpec {
    /// Its centre on the page.
    pub centre_mm: [f64; 2],
    /// From the centre to the tips of the petals.
    #[serde(default = "rosette_radius")]
    pub radius_mm: f64,
    /// Ink, pale enough to read over.
    #[serde(default = "rosette_color")]
    pub color: Rgb,
    /// Petals of the large ring.
    #[serde(default = "rosette_petals")]
    pub petals: Petals,
    /// Petals of the flower within it.
    #[serde(default = "flower_petals")]
    pub flower: Petals,
}

impl RosetteSpec {
    /// The rosette that layouts get when they say no more than where.
    pub fn at(centre_mm: [f64; 2]) -> Self {
        Self { centre_mm, radius_mm: rosette_radius(), color: rosette_color(), petals: rosette_petals(), flower: flower_petals() }
    }
}

fn rosette_radius() -> f64 {
    46.0
}

fn rosette_color() -> Rgb {
    Rgb(0xc9, 0xdb, 0xee)
}

fn rosette_petals() -> Petals {
    Petals(36, 13)
}

fn flower_petals() -> Petals {
    Petals(12, 5)
}

/// `[petals, turns]`: the closed curve r = mean + amplitude · cos(petals/turns · θ), which goes round `turns` times.
/// The more turns, the longer each petal and the finer the mesh; the two should have no common divisor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "[u32; 2]")]
pub struct Petals(u32, u32);

impl TryFrom<[u32; 2]> for Petals {
    type Error = String;
    fn try_from([petals, turns]: [u32; 2]) -> Result<Self, String> {
        let common = (1..=turns).rev().find(|d| petals % d == 0 && turns % d == 0);
        if turns == 0 || petals > 200 || petals < 3 * turns / 2 || common != Some(1) {
            return Err(format!(
                "[{petals}, {turns}] is no rosette; write [petals, turns] without a common divisor, \
                 petals up to 200 and at least one and a half times the turns"
            ));
        }
        Ok(Self(petals, turns))
    }
}

/// Widths in millimetres of the rules, outer and inner, and the space between them.
const RULE: f64 = 0.45;
const FINE_RULE: f64 = 0.15;
const RULE_GAP: f64 = 0.75;

/// The frame of a page: ground, strands, rules, corner rosettes, from the bottom up.
pub fn frame(spec: &FrameSpec, (width, height): (Length, Length)) -> Vec<Path> {
    let half = spec.band_mm / 2.0;
    let middle = spec.inset_mm + half;
    let (right, bottom) = (width.to_mm() - middle, height.to_mm() - middle);
    let corners = [[middle, middle], [right, middle], [right, bottom], [middle, bottom]];
    let corner_radius = half * 1.6;
    // Strands and rules end within this distance of a corner's centre, out of sight below the disc of its rosette.
    let hidden = corner_radius * 0.86;

    let mut ground = Curves::default();
    ground.rectangle([spec.inset_mm; 2], [right + half, bottom + half]);
    // The other way round, so that the non-zero rule leaves the inside open.
    ground.rectangle([right - half, middle + half], [middle + half, bottom - half]);

    let mut paths = vec![ground.filled(spec.ground)];
    let sides: [_; 4] = std::array::from_fn(|i| Side::between(corners[i], corners[(i + 1) % 4]));
    for (side, opposite) in [(&sides[0], &sides[2]), (&sides[1], &sides[3])] {
        let waves = (side.length / spec.wave_mm).round().max(1.0);
        // A twelfth of a wave parts the crests of neighbouring strands, and handles are two long: whole tenths of a
        // millimetre, all of them, are short to write.
        let wave = 12.0 * (side.length / waves / 1.2).round().max(1.0) / 10.0;
        let mut strands = Curves::default();
        for strand in 0..spec.strands {
            let phase = TAU * f64::from(strand) / f64::from(spec.strands);
            side.strand(half - RULE_GAP - 0.55, wave, phase, hidden * 0.85, &mut strands);
        }
        let strands = strands.engraved(STRAND, spec.color, spec.ground);
        paths.extend([side, opposite].into_iter().flat_map(|side| moved(&strands, side.middle)));
    }

    let (mut rules, mut fine_rules) = (Curves::default(), Curves::default());
    for (side, edge) in sides.iter().flat_map(|side| [(side, half), (side, -half)]) {
        side.rule(edge, hidden, &mut rules);
        side.rule(edge - edge.signum() * RULE_GAP, hidden, &mut fine_rules);
    }
    paths.push(fine_rules.stroked(spec.color, FINE_RULE));
    paths.push(rules.stroked(spec.color, RULE));

    let (mut disc, mut petals, mut eye) = (Curves::default(), Curves::default(), Curves::default());
    disc.circle([0.0; 2], corner_radius * 0.9);
    petals.rosette(HUNDREDTH, corner_radius * 0.24..corner_radius - STRAND, spec.corner);
    eye.circle([0.0; 2], corner_radius * 0.1);
    let mut corner = vec![disc.filled(spec.ground)];
    corner.extend(petals.engraved(STRAND, spec.color, spec.ground));
    corner.push(eye.stroked(spec.color, RULE));
    paths.extend(corners.into_iter().flat_map(|centre| moved(&corner, centre)));
    paths
}

/// The same paths, measured from another place.
fn moved(paths: &[Path], to: Spot) -> Vec<Path> {
    paths.iter().map(|path| Path { at: point(to), ..path.clone() }).collect()
}

/// A rosette on the white of the page.
pub fn rosette(spec: &RosetteSpec) -> Vec<Path> {
    let radius = spec.radius_mm;
    let (mut ring, mut flower) = (Curves::default(), Curves::default());
    ring.rosette(TENTH, radius * 0.30..radius, spec.petals);
    flower.rosette(HUNDREDTH, radius * 0.085..radius * 0.29, spec.flower);
    let white = Rgb(255, 255, 255);
    let mut paths = ring.engraved(radius * 0.0165, spec.color, white).to_vec();
    paths.extend(flower.engraved(radius * 0.0125, spec.color, white));
    moved(&paths, spec.centre_mm)
}

/// From the first to the last of the three lines of a strand, and the width of each, in millimetres.
const STRAND: f64 = 0.6;
const LINE: f64 = 0.12;

/// Grids on which points lie, in micrometres. The coarser, the shorter to write; on the coarse one the longest pieces join at
/// angles below two degrees, which lines this fine do not show.
const TENTH: i32 = 100;
const HUNDREDTH: i32 = 10;

/// One side of the frame, along the middle of its band.
struct Side {
    middle: Spot,
    along: Spot,
    outwards: Spot,
    length: f64,
}

impl Side {
    /// Clockwise from corner to corner.
    fn between([x0, y0]: Spot, [x1, y1]: Spot) -> Self {
        let length = (x1 - x0).hypot(y1 - y0);
        let along = [(x1 - x0) / length, (y1 - y0) / length];
        Self { middle: [f64::midpoint(x0, x1), f64::midpoint(y0, y1)], along, outwards: [along[1], -along[0]], length }
    }

    /// Measured from the middle.
    fn offset(&self, along: f64, outwards: f64) -> Spot {
        [0, 1].map(|i| self.along[i] * along + self.outwards[i] * outwards)
    }

    fn spot(&self, along: f64, outwards: f64) -> Spot {
        let offset = self.offset(along, outwards);
        [0, 1].map(|i| self.middle[i] + offset[i])
    }

    /// A sine wave, measured from the middle of the side, so that both ends look alike.
    fn strand(&self, amplitude: f64, wave: f64, phase: f64, gap: f64, curves: &mut Curves) {
        let pace = TAU / wave;
        let sine = |s: f64| {
            let (sin, cos) = (pace * s + phase).sin_cos();
            let slope = amplitude * pace * cos;
            let speed = [self.along[0] + self.outwards[0] * slope, self.along[1] + self.outwards[1] * slope];
            (self.offset(s, amplitude * sin), speed)
        };
        // A piece from crest to trough is the longest that a cubic follows to within a hundredth of the amplitude.
        let end = self.length / 2.0 - gap;
        let crest = |n: f64| (n * PI + FRAC_PI_2 - phase) / pace;
        let first = ((phase - FRAC_PI_2 - end * pace) / PI).ceil();
        let near = 0.2 * PI / pace;
        let mut knots = vec![-end];
        knots.extend((0..).map(|i| crest(first + f64::from(i))).take_while(|&s| s < end - near).filter(|&s| s > near - end));
        knots.push(end);
        curves.fit(TENTH, sine, &knots);
    }

    fn rule(&self, outwards: f64, hidden: f64, curves: &mut Curves) {
        let end = self.length / 2.0 - (hidden * hidden - outwards * outwards).max(0.0).sqrt();
        curves.0.push(Segment::Move(point(self.spot(-end, outwards))));
        curves.0.push(Segment::Line(point(self.spot(end, outwards))));
    }
}

impl Curves {
    /// A closed rosette about the middle, between two radii, a knot at each tip and each foot of a petal. A petal points up.
    fn rosette(&mut self, grid: i32, radii: std::ops::Range<f64>, Petals(petals, turns): Petals) {
        let (mean, amplitude) = (f64::midpoint(radii.start, radii.end), (radii.end - radii.start) / 2.0);
        let pace = f64::from(petals) / f64::from(turns);
        let curve = |t: f64| {
            let (r, dr) = (mean + amplitude * (pace * t).cos(), -amplitude * pace * (pace * t).sin());
            let (sin, cos) = (t - FRAC_PI_2).sin_cos();
            ([r * cos, r * sin], [dr * cos - r * sin, dr * sin + r * cos])
        };
        let knots: Vec<_> = (0..=2 * petals).map(|i| PI / pace * f64::from(i)).collect();
        self.fit(grid, curve, &knots);
        self.0.push(Segment::Close);
    }

    /// Three lines along each curve, on a ground of that colour.
    fn engraved(self, strand_mm: f64, ink: Rgb, ground: Rgb) -> [Path; 3] {
        let again = || Self(self.0.clone());
        [again().stroked(ink, strand_mm + LINE), again().stroked(ground, strand_mm - LINE), again().stroked(ink, LINE)]
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io::Write as _;

    use super::super::{drawing, fitted};
    use super::*;
    use crate::page::{Point, Rect};

    const A4: (Length, Length) = (Length::um(210_000), Length::um(297_000));
    const LANDSCAPE: (Length, Length) = (A4.1, A4.0);

    fn behind_text() -> RosetteSpec {
        RosetteSpec::at([105.0, 160.0])
    }

    fn points(path: &Path) -> impl Iterator<Item = Point> + '_ {
        path.segments.iter().flat_map(|segment| match *segment {
            Segment::Move(p) | Segment::Line(p) => vec![path.at + p],
            Segment::Cubic(a, b, p) => vec![path.at + a, path.at + b, path.at + p],
            Segment::Close => vec![],
        })
    }

    /// Every joint of every contour: the directions before and after, in radians.
    fn kinks(path: &Path) -> Vec<f64> {
        let towards = |a: Point, b: Point| (b.y - a.y).to_mm().atan2((b.x - a.x).to_mm());
        let (mut kinks, mut last) = (Vec::new(), None);
        let mut start = None;
        let mut first = None;
        for segment in &path.segments {
            match *segment {
                Segment::Move(p) => (start, last, first) = (Some(p), None, None),
                Segment::Line(_) => return Vec::new(),
                Segment::Cubic(a, b, p) => {
                    let leaving = towards(start.unwrap(), a);
                    kinks.extend(last.map(|arriving: f64| (leaving - arriving).rem_euclid(TAU)));
                    first.get_or_insert(leaving);
                    (start, last) = (Some(p), Some(towards(b, p)));
                }
                Segment::Close => kinks.extend(last.zip(first).map(|(a, b)| (b - a).rem_euclid(TAU))),
            }
        }
        kinks.into_iter().map(|turn| turn.min(TAU - turn)).collect()
    }

    #[test]
    fn no_curve_kinks() {
        for path in frame(&FrameSpec::default(), A4).iter().chain(&rosette(&behind_text())) {
            for turn in kinks(path) {
                assert!(turn < 0.03, "a joint turns by {turn} radians");
            }
        }
    }

    #[test]
    fn a_frame_is_the_same_seen_in_a_mirror() {
        for page in [A4, LANDSCAPE] {
            let paths = frame(&FrameSpec::default(), page);
            // What is stroked alike, wherever it lies.
            for alike in paths.iter().map(|path| paths.iter().filter(|other| (other.stroke, other.fill) == (path.stroke, path.fill))) {
                let here: Vec<_> = alike.flat_map(points).map(|p| (p.x.to_um(), p.y.to_um())).collect();
                for mirrored in [
                    here.iter().map(|&(x, y)| (page.0.to_um() - x, y)).collect::<Vec<_>>(),
                    here.iter().map(|&(x, y)| (x, page.1.to_um() - y)).collect(),
                ] {
                    // Rounding may go the other way in a mirror.
                    let near = |a: &(i32, i32), b: &(i32, i32)| a.0.abs_diff(b.0) <= 10 && a.1.abs_diff(b.1) <= 10;
                    assert!(mirrored.iter().all(|m| here.iter().any(|h| near(m, h))));
                }
            }
        }
    }

    #[test]
    fn a_frame_stays_on_the_sheet_and_leaves_the_middle_free() {
        for page in [A4, LANDSCAPE, (Length::mm(100.0), Length::mm(140.0))] {
            let free = Rect { x: Length::mm(17.0), y: Length::mm(17.0), w: page.0 - Length::mm(34.0), h: page.1 - Length::mm(34.0) };
            let edge = Length::mm(4.0);
            for p in frame(&FrameSpec::default(), page).iter().flat_map(points) {
                assert!(p.x >= edge && p.y >= edge && p.x <= page.0 - edge && p.y <= page.1 - edge, "{p:?} would not be printed");
                assert!(!free.overlaps(&Rect { x: p.x, y: p.y, w: Length::um(1), h: Length::um(1) }), "{p:?} stands in the text's way");
            }
        }
    }

    #[test]
    fn the_petals_of_a_rosette_reach_its_radius() {
        let mut tips = 0;
        for path in rosette(&behind_text()) {
            assert_eq!(path.at, Point { x: Length::mm(105.0), y: Length::mm(160.0) });
            for segment in path.segments {
                let Segment::Cubic(_, _, end) = segment else { continue };
                let radius = end.x.to_mm().hypot(end.y.to_mm());
                assert!(radius < 46.08);
                tips += u32::from(radius > 45.92);
            }
        }
        assert_eq!(tips, 3 * 36, "36 petals, stroked three times");
    }

    #[test]
    fn petals_that_do_not_close_are_refused() {
        for (petals, turns) in [(12, 4), (0, 1), (12, 0), (5, 4), (900, 7)] {
            let error = toml::from_str::<RosetteSpec>(&format!("centre_mm = [1, 1]\npetals = [{petals}, {turns}]")).unwrap_err();
            assert!(error.message().contains("is no rosette"), "{error}");
        }
        assert_eq!(toml::from_str::<FrameSpec>("corner = [16, 7]").unwrap().corner, Petals(16, 7));
    }

    #[test]
    fn a_whole_face_is_at_most_8_kilobytes() {
        for entry in std::fs::read_dir("layouts/art").unwrap() {
            let path = entry.unwrap().path();
            let emblem = drawing(&std::fs::read_to_string(&path).unwrap(), "").unwrap();
            let emblem = fitted(&emblem, &Rect::mm(94.5, 24.0, 21.0, 21.0));
            let parts = [rosette(&behind_text()), frame(&FrameSpec::default(), A4), emblem];
            let sizes = parts.each_ref().map(|part| deflated(part));
            let whole = deflated(&parts.concat());
            println!("{}: rosette, frame, emblem {sizes:?}, together {whole} bytes", path.display());
            assert!(whole <= 8_000, "{}: {whole} bytes, {sizes:?}", path.display());
        }
    }

    /// As PDF operators in points, deflated.
    fn deflated(paths: &[Path]) -> usize {
        let mut out = String::new();
        let point = |p: Point| format!("{} {}", p.x.to_um() / 10, p.y.to_um() / 10);
        for path in paths {
            writeln!(out, "q .0283465 0 0 -.0283465 {} {} cm", path.at.x.to_pt(), path.at.y.to_pt()).unwrap();
            for segment in &path.segments {
                match *segment {
                    Segment::Move(p) => writeln!(out, "{} m", point(p)),
                    Segment::Line(p) => writeln!(out, "{} l", point(p)),
                    Segment::Cubic(a, b, p) => writeln!(out, "{} {} {} c", point(a), point(b), point(p)),
                    Segment::Close => writeln!(out, "h"),
                }
                .unwrap();
            }
            writeln!(out, "0.247 0.471 0.71 RG 12 w S Q").unwrap();
        }
        let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        deflate.write_all(out.as_bytes()).unwrap();
        deflate.finish().unwrap().len()
    }
}
