//! Contours built from places in millimetres: what computed art is made of.

use std::f64::consts::PI;

use crate::page::{Length, Path, Point, Rgb, Segment};

/// Millimetres from the drawing's top left corner.
pub(super) type Spot = [f64; 2];

/// A cubic piece: start, two handles, end.
pub(super) type Cubic = [Spot; 4];

/// Contours under construction.
#[derive(Default)]
pub(super) struct Curves(pub Vec<Segment>);

impl Curves {
    /// Follows a curve, given as place and speed at a parameter, with one cubic from knot to knot (Hermite's form): neighbours
    /// share place and tangent, so nothing kinks.
    pub fn fit(&mut self, curve: impl Fn(f64) -> (Spot, Spot), knots: &[f64]) {
        let ends: Vec<_> = knots.iter().map(|&t| (t, curve(t))).collect();
        let Some(&(_, (start, _))) = ends.first() else { return };
        self.0.push(Segment::Move(point(start)));
        for pair in ends.windows(2) {
            let [(t0, (from, leaving)), (t1, (to, arriving))] = [pair[0], pair[1]];
            let third = (t1 - t0) / 3.0;
            let handle = |at: Spot, speed: Spot, by: f64| point([at[0] + speed[0] * by, at[1] + speed[1] * by]);
            self.0.push(Segment::Cubic(handle(from, leaving, third), handle(to, arriving, -third), point(to)));
        }
    }

    /// A full circle, clockwise to the eye.
    pub fn circle(&mut self, centre: Spot, radius: f64) {
        self.turned_circle(centre, radius, 1.0);
    }

    /// A full circle the other way round: by the non-zero rule a hole in one that goes clockwise.
    pub fn hole(&mut self, centre: Spot, radius: f64) {
        self.turned_circle(centre, radius, -1.0);
    }

    fn turned_circle(&mut self, [x, y]: Spot, radius: f64, turn: f64) {
        // Handles of 4/3·tan(π/8) rather than Hermite's π/6: the quarter circle's best.
        let handle = radius * 4.0 / 3.0 * (PI / 8.0).tan();
        let at = |dx: f64, dy: f64| point([x + dx, y + turn * dy]);
        self.0.extend([
            Segment::Move(at(radius, 0.0)),
            Segment::Cubic(at(radius, handle), at(handle, radius), at(0.0, radius)),
            Segment::Cubic(at(-handle, radius), at(-radius, handle), at(-radius, 0.0)),
            Segment::Cubic(at(-radius, -handle), at(-handle, -radius), at(0.0, -radius)),
            Segment::Cubic(at(handle, -radius), at(radius, -handle), at(radius, 0.0)),
            Segment::Close,
        ]);
    }

    /// A closed polygon.
    pub fn polygon(&mut self, corners: impl IntoIterator<Item = Spot>) {
        let start = self.0.len();
        self.0.extend(corners.into_iter().map(|corner| Segment::Line(point(corner))));
        if let Some(&Segment::Line(first)) = self.0.get(start) {
            self.0[start] = Segment::Move(first);
            self.0.push(Segment::Close);
        }
    }

    /// A rectangle from corner to opposite corner; swapping their x turns it the other way round.
    pub fn rectangle(&mut self, [x0, y0]: Spot, [x1, y1]: Spot) {
        self.polygon([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]);
    }

    pub fn filled(self, color: Rgb) -> Path {
        Path { at: Point::default(), segments: self.0, fill: Some(color), stroke: None, alpha: 255 }
    }

    pub fn stroked(self, color: Rgb, width_mm: f64) -> Path {
        Path { at: Point::default(), segments: self.0, fill: None, stroke: Some((color, Length::mm(width_mm))), alpha: 255 }
    }
}

/// One piece for two that follow one another, when it lies within a hundredth of a millimetre of both.
pub(super) fn joined(a: Cubic, b: Cubic) -> Option<Cubic> {
    const TOLERANCE: f64 = 0.008;
    let vector = |from: Spot, to: Spot| [to[0] - from[0], to[1] - from[1]];
    let length = |[x, y]: Spot| x.hypot(y);
    let (arriving, leaving) = (vector(a[2], a[3]), vector(b[0], b[1]));
    let (before, after) = (length(arriving), length(leaving));
    // De Casteljau's halves of one curve share their tangent, and its parts give where the curve was cut.
    let same_way = arriving[0] * leaving[0] + arriving[1] * leaving[1] > 0.98 * before * after;
    let cut = before / (before + after);
    if !same_way || !(0.05..=0.95).contains(&cut) {
        return None;
    }
    let stretch = |from: Spot, to: Spot, by: f64| [from[0] + (to[0] - from[0]) / by, from[1] + (to[1] - from[1]) / by];
    let whole = [a[0], stretch(a[0], a[1], cut), stretch(b[3], b[2], 1.0 - cut), b[3]];
    let near = |part: &Cubic, from: f64, share: f64| {
        (1..=4).all(|i| {
            let t = f64::from(i) / 4.0;
            length(vector(along(part, t), along(&whole, from + share * t))) <= TOLERANCE
        })
    };
    (near(&a, 0.0, cut) && near(&b, cut, 1.0 - cut)).then_some(whole)
}

/// The place at a parameter from 0 to 1.
fn along(piece: &Cubic, t: f64) -> Spot {
    let u = 1.0 - t;
    let weights = [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t];
    std::array::from_fn(|axis| piece.iter().zip(weights).map(|(spot, weight)| spot[axis] * weight).sum())
}

pub(super) fn point([x, y]: Spot) -> Point {
    Point { x: hundredths(x), y: hundredths(y) }
}

/// Whole hundredths of a millimetre: finer than any printer, and short to write.
pub(super) fn hundredths(mm: f64) -> Length {
    Length::um((mm * 100.0).round() as i32 * 10)
}
