//! Drawings of `layouts/art/`: SVG, reduced to paths.

use tiny_skia::PathSegment;
use usvg::{FillRule, Node, Options, Paint, Tree};

use super::curves::point_on;
use crate::page::{Art, Length, Path, Point, Rect, Rgb, Segment};

/// Reads an SVG whose width and height are in millimetres. What a page cannot hold is refused, not left out; `file` is named in
/// the message.
pub fn drawing(svg: &str, file: &str) -> Result<Art, String> {
    let named = |cause: String| format!("{file}: {cause}");
    // At this resolution a pixel is a millimetre.
    let options = Options { dpi: (1.0 / Length::mm(1.0).to_px(1.0)) as f32, ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|e| named(e.to_string()))?;
    let mut paths = Vec::new();
    collect(tree.root(), &mut paths).map_err(|e| named(e.to_owned()))?;
    if paths.is_empty() {
        return Err(named("draws nothing".to_owned()));
    }
    let size = (mm(tree.size().width()), mm(tree.size().height()));
    Ok(Art { size, paths })
}

/// Points lie on a grid of so many micrometres, a dot at 508 dpi, and are short to write.
const GRID: i32 = 50;

/// The art's paths on a page: as large as fits into the box, in the middle.
pub fn fitted(art: &Art, area: &Rect) -> Vec<Path> {
    let (width, height) = (art.size.0.to_um().max(1), art.size.1.to_um().max(1));
    let place = area.fit(width.unsigned_abs(), height.unsigned_abs());
    let ratio = place.w.to_mm() / art.size.0.to_mm().max(f64::MIN_POSITIVE);
    let scaled = |p: Point| point_on([p.x.to_mm() * ratio, p.y.to_mm() * ratio], GRID);
    let moved = |path: &Path| Path {
        at: Point { x: place.x, y: place.y } + scaled(path.at),
        segments: path.segments.iter().map(|segment| map(*segment, scaled)).collect(),
        stroke: path.stroke.map(|(color, width)| (color, width.scaled(ratio))),
        ..*path
    };
    art.paths.iter().map(moved).collect()
}

fn map(segment: Segment, at: impl Fn(Point) -> Point) -> Segment {
    match segment {
        Segment::Move(p) => Segment::Move(at(p)),
        Segment::Line(p) => Segment::Line(at(p)),
        Segment::Cubic(a, b, p) => Segment::Cubic(at(a), at(b), at(p)),
        Segment::Close => Segment::Close,
    }
}

fn collect(group: &usvg::Group, paths: &mut Vec<Path>) -> Result<(), &'static str> {
    if group.opacity().get() < 1.0 || group.clip_path().is_some() || group.mask().is_some() || !group.filters().is_empty() {
        return Err("groups with opacity, clips, masks or filters cannot be printed; give each path its own fill");
    }
    for node in group.children() {
        match node {
            Node::Group(group) => collect(group, paths)?,
            Node::Path(path) if path.is_visible() => paths.push(printable(path)?),
            Node::Path(_) => {}
            Node::Image(_) | Node::Text(_) => return Err("pictures and text cannot be printed; convert them to paths"),
        }
    }
    Ok(())
}

fn printable(path: &usvg::Path) -> Result<Path, &'static str> {
    let at = path.abs_transform();
    let (sx, sy) = at.get_scale();
    let outline = path.data().clone().transform(at).ok_or("a path lies nowhere")?;
    let fill = match path.fill() {
        Some(fill) if fill.rule() == FillRule::EvenOdd => return Err("fill-rule must be nonzero; turn inner contours the other way"),
        fill => fill.map(|fill| Ok::<_, &str>((color(fill.paint())?, fill.opacity()))).transpose()?,
    };
    let stroke = match path.stroke() {
        Some(stroke) if stroke.dasharray().is_some() => return Err("dashes cannot be printed; draw each as a path"),
        Some(_) if (sx - sy).abs() > 0.001 * sx.abs() => return Err("a stroke may not be scaled unevenly"),
        stroke => stroke.map(|s| Ok::<_, &str>((color(s.paint())?, s.opacity(), mm(s.width().get() * sx)))).transpose()?,
    };
    let alpha = match (fill, stroke) {
        (Some((_, a)), Some((_, b, _))) if a != b => return Err("fill and stroke of one path must have the same opacity"),
        (Some((_, a)), _) | (None, Some((_, a, _))) => a.to_u8(),
        (None, None) => return Err("a path has neither fill nor stroke"),
    };
    Ok(Path { at: Point::default(), segments: segments(&outline), fill: fill.map(|f| f.0), stroke: stroke.map(|s| (s.0, s.2)), alpha })
}

fn color(paint: &Paint) -> Result<Rgb, &'static str> {
    match paint {
        Paint::Color(c) => Ok(Rgb(c.red, c.green, c.blue)),
        _ => Err("gradients and patterns cannot be printed; use plain colours"),
    }
}

fn segments(outline: &tiny_skia::Path) -> Vec<Segment> {
    let point = |p: tiny_skia::Point| Point { x: mm(p.x), y: mm(p.y) };
    let mut last = tiny_skia::Point::zero();
    let mut out = Vec::new();
    for segment in outline.segments() {
        out.push(match segment {
            PathSegment::MoveTo(p) => Segment::Move(point(p)),
            PathSegment::LineTo(p) => Segment::Line(point(p)),
            PathSegment::QuadTo(c, p) => {
                // The same curve one degree higher.
                let towards = |q: tiny_skia::Point| Point { x: mm(q.x + (c.x - q.x) * 2.0 / 3.0), y: mm(q.y + (c.y - q.y) * 2.0 / 3.0) };
                Segment::Cubic(towards(last), towards(p), point(p))
            }
            PathSegment::CubicTo(a, b, p) => Segment::Cubic(point(a), point(b), point(p)),
            PathSegment::Close => Segment::Close,
        });
        if let PathSegment::MoveTo(p) | PathSegment::LineTo(p) | PathSegment::QuadTo(_, p) | PathSegment::CubicTo(_, _, p) = segment {
            last = p;
        }
    }
    out
}

fn mm(mm: f32) -> Length {
    Length::mm(f64::from(mm))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(body: &str) -> Result<Art, String> {
        drawing(&format!("<svg xmlns='http://www.w3.org/2000/svg' width='20mm' height='10mm' viewBox='0 0 200 100'>{body}</svg>"), "x.svg")
    }

    fn at(x: f64, y: f64) -> Point {
        Point { x: Length::mm(x), y: Length::mm(y) }
    }

    #[test]
    fn paths_arrive_in_millimetres_with_their_paint() {
        let art =
            svg("<g transform='translate(10 0)'><path fill='#b8860b' stroke='#123456' stroke-width='5' d='M0 0h20v30z'/></g>").unwrap();
        assert_eq!(art.size, (Length::mm(20.0), Length::mm(10.0)));
        let [path] = &art.paths[..] else { panic!("one path") };
        assert_eq!(path.segments, [Segment::Move(at(1.0, 0.0)), Segment::Line(at(3.0, 0.0)), Segment::Line(at(3.0, 3.0)), Segment::Close]);
        assert_eq!(
            (path.fill, path.stroke, path.alpha),
            (Some(Rgb(0xb8, 0x86, 0x0b)), Some((Rgb(0x12, 0x34, 0x56), Length::mm(0.5))), 255)
        );
    }

    #[test]
    fn a_quadratic_curve_stays_the_same_curve() {
        let art = svg("<path d='M0 0Q30 0 30 60'/>").unwrap();
        assert_eq!(art.paths[0].segments[1], Segment::Cubic(at(2.0, 0.0), at(3.0, 2.0), at(3.0, 6.0)));
    }

    #[test]
    fn a_fitted_drawing_stands_in_the_middle_of_its_box() {
        let art = svg("<path stroke='#000' stroke-width='10' fill='none' d='M0 0L200 100'/>").unwrap();
        let paths = fitted(&art, &Rect::mm(100.0, 50.0, 40.0, 40.0));
        assert_eq!(
            (paths[0].at, &paths[0].segments[..]),
            (at(100.0, 60.0), &[Segment::Move(at(0.0, 0.0)), Segment::Line(at(40.0, 20.0))][..])
        );
        assert_eq!(paths[0].stroke, Some((Rgb::BLACK, Length::mm(2.0))));
    }

    #[test]
    fn what_a_page_cannot_hold_is_refused_with_the_file() {
        for (body, said) in [
            ("", "draws nothing"),
            ("<g opacity='.5'><path d='M0 0h9v9z'/></g>", "opacity"),
            ("<path fill-rule='evenodd' d='M0 0h9v9z'/>", "nonzero"),
            ("<path stroke='red' stroke-dasharray='3' d='M0 0h9v9z'/>", "dashes"),
            (
                "<linearGradient id='a'><stop stop-color='red'/><stop offset='1'/></linearGradient><path fill='url(#a)' d='M0 0h9v9z'/>",
                "plain colours",
            ),
            ("<path", "x.svg"),
        ] {
            let error = svg(body).unwrap_err();
            assert!(error.starts_with("x.svg: ") && error.contains(said), "{error}");
        }
    }

    #[test]
    fn every_shipped_drawing_can_be_printed() {
        let mut count = 0;
        for entry in std::fs::read_dir("layouts/art").unwrap() {
            let path = entry.unwrap().path();
            let art = drawing(&std::fs::read_to_string(&path).unwrap(), path.to_str().unwrap()).unwrap();
            assert_eq!(art.size, (Length::mm(21.0), Length::mm(21.0)), "{}", path.display());
            count += 1;
        }
        assert!(count > 0);
    }
}
