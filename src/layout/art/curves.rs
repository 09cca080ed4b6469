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
    /// share place and tangent, so nothing kinks, but for what a grid of so many micrometres rounds off.
    pub fn fit(&mut self, grid: i32, curve: impl Fn(f64) -> (Spot, Spot), knots: &[f64]) {
        let point = |spot| point_on(spot, grid);
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

/// A contour in fewer pieces, none further than a tolerance from it. Fonts cut a bow into many short ones.
pub(super) fn simplified(contour: &[Cubic]) -> Vec<Cubic> {
    /// Half a dot at 600 dpi.
    const TOLERANCE: f64 = 0.02;
    /// Cosine of the turn, twenty degrees, from which a joint is a corner.
    const CORNER: f64 = 0.94;
    const LONGEST: usize = 8;
    let joint = |at: usize| {
        let [arriving, leaving] = [direction(&contour[(at + contour.len() - 1) % contour.len()], 1.0), direction(&contour[at], 0.0)];
        arriving[0] * leaving[0] + arriving[1] * leaving[1]
    };
    // From the sharpest corner on, which stays one.
    let first = (0..contour.len()).min_by(|&a, &b| joint(a).total_cmp(&joint(b))).unwrap_or(0);
    let pieces: Vec<Cubic> = (0..contour.len()).map(|i| contour[(first + i) % contour.len()]).collect();
    let mut left = &pieces[..];
    let mut whole = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let smooth = (1..left.len().min(LONGEST)).take_while(|&n| joint((first + pieces.len() - left.len() + n) % pieces.len()) > CORNER);
        let longest = smooth.last().unwrap_or(0) + 1;
        let found = (1..=longest).rev().find_map(|count| Some((count, fitted(&left[..count], TOLERANCE)?)));
        let (count, piece) = found.unwrap_or((1, left[0]));
        whole.push(piece);
        left = &left[count..];
    }
    whole
}

/// One piece along several that follow one another smoothly: their ends and directions there, with handles as long as least
/// squares says (Schneider, Graphics Gems I, 1990). None when it strays too far.
fn fitted(pieces: &[Cubic], tolerance: f64) -> Option<Cubic> {
    /// Places looked at on each piece.
    const PLACES: u32 = 4;
    let near = |piece: &Cubic, places: &[Spot], parameters: &[f64], tolerance: f64| {
        places.iter().zip(parameters).all(|(&place, &t)| square(vector(place, along(piece, t))) <= tolerance * tolerance)
    };
    let (start, end) = (pieces.first()?[0], pieces.last()?[3]);
    let (leaving, arriving) = (direction(pieces.first()?, 0.0), direction(pieces.last()?, 1.0));
    let places: Vec<Spot> = pieces.iter().flat_map(|piece| (1..=PLACES).map(|i| along(piece, f64::from(i) / f64::from(PLACES)))).collect();
    let mut way = 0.0;
    let mut last = start;
    let mut parameters: Vec<f64> = places
        .iter()
        .map(|&place| {
            way += distance(last, place);
            last = place;
            way
        })
        .collect();
    for t in &mut parameters {
        *t /= way;
    }
    let straight = [start, share(start, end, 1.0 / 3.0), share(start, end, 2.0 / 3.0), end];
    if near(&straight, &places, &parameters, tolerance) {
        return Some(straight);
    }
    for _ in 0..4 {
        let [mut aa, mut ab, mut bb, mut ax, mut bx] = [0.0; 5];
        for (place, &t) in places.iter().zip(&parameters) {
            let u = 1.0 - t;
            let (first, second) = (3.0 * u * u * t, 3.0 * u * t * t);
            for axis in 0..2 {
                let (a, b) = (first * leaving[axis], -second * arriving[axis]);
                let rest = place[axis] - start[axis] * (u * u * u + first) - end[axis] * (t * t * t + second);
                aa += a * a;
                ab += a * b;
                bb += b * b;
                ax += a * rest;
                bx += b * rest;
            }
        }
        let determinant = aa * bb - ab * ab;
        let (a, b) = ((ax * bb - bx * ab) / determinant, (aa * bx - ab * ax) / determinant);
        if !(a > 0.0 && b > 0.0 && a < way && b < way) {
            return None;
        }
        let piece = [start, [0, 1].map(|i| start[i] + leaving[i] * a), [0, 1].map(|i| end[i] - arriving[i] * b), end];
        if near(&piece, &places, &parameters, tolerance) {
            return Some(piece);
        }
        // What is this far off comes no nearer.
        if !near(&piece, &places, &parameters, 10.0 * tolerance) {
            return None;
        }
        // Newton's step towards the nearest place on the new piece.
        for (place, t) in places.iter().zip(&mut parameters) {
            let off = vector(*place, along(&piece, *t));
            let (speed, bend) = (speed(&piece, *t), acceleration(&piece, *t));
            let slope = square(speed) + off[0] * bend[0] + off[1] * bend[1];
            if slope > 0.0 {
                *t = (*t - (off[0] * speed[0] + off[1] * speed[1]) / slope).clamp(0.0, 1.0);
            }
        }
    }
    None
}

/// Whether a piece is a straight line.
pub(super) fn is_straight(piece: &Cubic) -> bool {
    let [start, first, second, end] = *piece;
    distance(first, share(start, end, 1.0 / 3.0)) < 1e-9 && distance(second, share(start, end, 2.0 / 3.0)) < 1e-9
}

/// A straight line as a piece; none where there is nothing to draw.
pub(super) fn line(start: Spot, end: Spot) -> Option<Cubic> {
    (distance(start, end) > 1e-9).then(|| [start, share(start, end, 1.0 / 3.0), share(start, end, 2.0 / 3.0), end])
}

/// The direction at the start (0) or the end (1), of length 1.
fn direction(piece: &Cubic, at: f64) -> Spot {
    // A handle may lie on its end.
    let pairs = if at == 0.0 { [(0, 1), (0, 2), (0, 3)] } else { [(2, 3), (1, 3), (0, 3)] };
    let ways = pairs.map(|(from, to)| vector(piece[from], piece[to]));
    let way = ways.into_iter().find(|way| square(*way) > 1e-18).unwrap_or_default();
    let length = square(way).sqrt().max(f64::MIN_POSITIVE);
    way.map(|side| side / length)
}

fn vector(from: Spot, to: Spot) -> Spot {
    [to[0] - from[0], to[1] - from[1]]
}

fn distance(from: Spot, to: Spot) -> f64 {
    square(vector(from, to)).sqrt()
}

/// The square of a length.
fn square([x, y]: Spot) -> f64 {
    x * x + y * y
}

/// The place at a share of the way.
fn share(from: Spot, to: Spot, share: f64) -> Spot {
    [0, 1].map(|i| from[i] + (to[i] - from[i]) * share)
}

/// The place at a parameter from 0 to 1.
fn along(piece: &Cubic, t: f64) -> Spot {
    let u = 1.0 - t;
    weighed(piece, [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t])
}

fn speed(piece: &Cubic, t: f64) -> Spot {
    let u = 1.0 - t;
    weighed(piece, [-3.0 * u * u, 3.0 * u * (u - 2.0 * t), 3.0 * t * (2.0 * u - t), 3.0 * t * t])
}

fn acceleration(piece: &Cubic, t: f64) -> Spot {
    weighed(piece, [6.0 - 6.0 * t, 18.0 * t - 12.0, 6.0 - 18.0 * t, 6.0 * t])
}

fn weighed(piece: &Cubic, weights: [f64; 4]) -> Spot {
    let on =
        |axis: usize| piece[0][axis] * weights[0] + piece[1][axis] * weights[1] + piece[2][axis] * weights[2] + piece[3][axis] * weights[3];
    [on(0), on(1)]
}

/// On whole hundredths of a millimetre: finer than any printer, and short to write.
pub(super) fn point(spot: Spot) -> Point {
    point_on(spot, 10)
}

/// On a grid of so many micrometres.
pub(super) fn point_on([x, y]: Spot, grid: i32) -> Point {
    let on = |mm: f64| Length::um((mm * 1000.0 / f64::from(grid)).round() as i32 * grid);
    Point { x: on(x), y: on(y) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring in many short pieces, as fonts draw one, and a square: few pieces, nowhere far off, corners where they were.
    #[test]
    fn a_contour_in_fewer_pieces_stays_where_it_was() {
        let piece = |i: u32| {
            let [from, to] = [i, i + 1].map(|i| f64::from(i) * PI / 16.0);
            let handle = 2.0 * 4.0 / 3.0 * (PI / 64.0).tan();
            let at = |angle: f64| [2.0 * angle.cos(), 2.0 * angle.sin()];
            let by = |angle: f64, by: f64| [2.0 * angle.cos() - by * angle.sin(), 2.0 * angle.sin() + by * angle.cos()];
            [at(from), by(from, handle), by(to, -handle), at(to)]
        };
        let ring: Vec<Cubic> = (0..32).map(piece).collect();
        let fewer = simplified(&ring);
        assert!((4..=8).contains(&fewer.len()), "{} pieces", fewer.len());
        for piece in &fewer {
            for i in 0..=20 {
                let [x, y] = along(piece, f64::from(i) / 20.0);
                assert!((x.hypot(y) - 2.0).abs() < 0.021, "{} mm from the middle", x.hypot(y));
            }
        }
        assert!(fewer.windows(2).all(|pair| distance(pair[0][3], pair[1][0]) < 1e-9), "one after the other");

        let corners = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let halves = |i: usize| {
            let (from, to) = (corners[i], corners[(i + 1) % 4]);
            let middle = share(from, to, 0.5);
            [line(from, middle), line(middle, to)].into_iter().flatten()
        };
        let square: Vec<Cubic> = (0..4).flat_map(halves).collect();
        let fewer = simplified(&square);
        assert!(fewer.len() == 4 && fewer.iter().all(is_straight), "{fewer:?}");
        assert!(corners.iter().all(|corner| fewer.iter().any(|piece| distance(piece[0], *corner) < 1e-9)));
    }
}
