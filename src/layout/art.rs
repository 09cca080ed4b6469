//! Art that is computed rather than drawn: frame, rosettes, seals; and drawings read from SVG.

use serde::Deserialize;

use crate::font::Fonts;
use crate::page::{Art, Length, Path, Point, Rgb, Segment};

/// The border of the page.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameSpec {
    /// Distance from the page's edge.
    pub inset_mm: f64,
    /// Colour.
    pub color: Rgb,
}

/// A background rosette.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosetteSpec {
    /// Middle.
    pub centre_mm: [f64; 2],
    /// Radius.
    pub radius_mm: f64,
    /// Colour.
    pub color: Rgb,
}

/// A seal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealSpec {
    /// Words along the ring.
    pub ring: String,
    /// Diameter.
    pub diameter_mm: f64,
}

fn rectangle(x: f64, y: f64, w: f64, h: f64, stroke: (Rgb, Length)) -> Path {
    let point = |x, y| Point { x: Length::mm(x), y: Length::mm(y) };
    let segments = vec![
        Segment::Move(point(x, y)),
        Segment::Line(point(x + w, y)),
        Segment::Line(point(x + w, y + h)),
        Segment::Line(point(x, y + h)),
        Segment::Close,
    ];
    Path { segments, fill: None, stroke: Some(stroke), alpha: 255 }
}

/// The border.
pub fn frame(spec: &FrameSpec, page: (Length, Length)) -> Vec<Path> {
    let (w, h) = (page.0.to_mm(), page.1.to_mm());
    let i = spec.inset_mm;
    vec![rectangle(i, i, w - 2.0 * i, h - 2.0 * i, (spec.color, Length::mm(0.45)))]
}

/// A rosette.
pub fn rosette(_spec: &RosetteSpec) -> Vec<Path> {
    Vec::new()
}

/// A drawing.
pub fn drawing(_svg: &str, _file: &str) -> Result<Art, String> {
    let size = (Length::mm(20.0), Length::mm(20.0));
    Ok(Art { size, paths: vec![rectangle(0.0, 0.0, 20.0, 20.0, (Rgb(0xb8, 0x86, 0x0b), Length::mm(0.5)))] })
}

/// A seal.
pub fn seal(spec: &SealSpec, _fonts: &Fonts) -> Result<Art, String> {
    let d = spec.diameter_mm;
    let size = (Length::mm(d), Length::mm(d));
    let r = d / 2.0;
    let k = r * 0.552_285;
    let p = |x: f64, y: f64| Point { x: Length::mm(x), y: Length::mm(y) };
    let segments = vec![
        Segment::Move(p(r, 0.0)),
        Segment::Cubic(p(r + k, 0.0), p(d, r - k), p(d, r)),
        Segment::Cubic(p(d, r + k), p(r + k, d), p(r, d)),
        Segment::Cubic(p(r - k, d), p(0.0, r + k), p(0.0, r)),
        Segment::Cubic(p(0.0, r - k), p(r - k, 0.0), p(r, 0.0)),
        Segment::Close,
    ];
    let path = Path { segments, fill: None, stroke: Some((Rgb(0xd9, 0x22, 0x1f), Length::mm(1.2))), alpha: 200 };
    Ok(Art { size, paths: vec![path] })
}
