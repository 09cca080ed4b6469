//! SVG: the page as one self-contained file, glyphs as outlines, so that it looks the same wherever it is shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use quick_xml::escape::escape;
use skrifa::outline::OutlinePen;

use crate::font::{FontId, Fonts};
use crate::layout::Document;
use crate::page::{Image, Item, Length, Path, Point, Qr, Rgb, Role, Seal, Segment, Symbol, Text};

/// The document as SVG, in millimetres. Same document, same bytes.
pub fn render(fonts: &Fonts, document: &Document) -> String {
    let page = &document.page;
    let mut drawing = Drawing { fonts, glyphs: BTreeMap::new(), shapes: BTreeMap::new(), defs: String::new(), body: String::new() };
    let mut spoken = String::new();
    for item in page.face.items.iter().chain(&page.items) {
        drawing.item(item);
        if let Some(words) = words(item) {
            spoken.push('\n');
            spoken.push_str(words);
        }
    }
    let (width, height) = page.size;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" xml:lang=\"zh-CN\" width=\"{width}mm\" height=\"{height}mm\" \
         viewBox=\"0 0 {width} {height}\">\n<title>{title}</title>\n<desc>{spoken}\n</desc>\n<defs>\n{defs}</defs>\n\
         <path fill=\"#fff\" d=\"M0 0H{width}V{height}H0z\"/>\n{body}</svg>\n",
        title = escape(&document.title),
        spoken = escape(&spoken),
        defs = drawing.defs,
        body = drawing.body,
    )
}

/// What an item says to someone who cannot see it.
fn words(item: &Item) -> Option<&str> {
    match item {
        Item::Text(text) => (text.role != Role::Ornament).then_some(&text.content),
        Item::Image(image) => Some(&image.alt),
        Item::Qr(qr) => Some(&qr.alt),
        Item::Seal(seal) => Some(&seal.alt),
        Item::Path(_) => None,
    }
}

/// A drawing under construction. Outlines are defined once and used wherever they recur: glyphs in the text, and the curves of a
/// guilloche, which are stroked several times.
struct Drawing<'f> {
    fonts: &'f Fonts,
    glyphs: BTreeMap<(FontId, u16), usize>,
    shapes: BTreeMap<String, usize>,
    defs: String,
    body: String,
}

impl Drawing<'_> {
    fn item(&mut self, item: &Item) {
        match item {
            Item::Text(text) => self.text(text),
            Item::Image(image) => self.image(image),
            Item::Path(path) => self.path(path),
            Item::Qr(qr) => self.qr(qr),
            Item::Seal(seal) => self.seal(seal),
        }
    }

    fn text(&mut self, text: &Text) {
        let Some(first) = text.runs.first() else { return };
        self.put(format_args!("<g fill=\"{}\"", hex(text.color)));
        if text.rotation != 0.0 {
            // Counter-clockwise to the eye is a negative angle where y points down.
            self.put(format_args!(" transform=\"rotate({} {} {})\"", -text.rotation, first.origin.x, first.origin.y));
        }
        self.put(format_args!(">"));
        for run in &text.runs {
            let upem = self.fonts.font(run.font).upem;
            let em = run.size.to_mm() / f64::from(upem);
            self.put(format_args!("<g transform=\"translate({} {})scale({} {})\">", run.origin.x, run.origin.y, Short(em), Short(-em)));
            let mut at = Length::ZERO;
            for glyph in &run.glyphs {
                if let Some(id) = self.glyph(run.font, glyph.id) {
                    self.put(format_args!("<use href=\"#g{id}\" x=\"{}\"/>", Short((at.to_mm() / em * 100.0).round() / 100.0)));
                }
                at = at + glyph.advance;
            }
            self.put(format_args!("</g>"));
        }
        self.put(format_args!("</g>\n"));
    }

    fn image(&mut self, image: &Image) {
        let area = &image.area;
        self.put(format_args!(
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" href=\"{}\">\
             <title>{}</title></image>\n",
            area.x,
            area.y,
            area.w,
            area.h,
            image.picture.to_data_uri(),
            escape(&image.alt)
        ));
    }

    fn path(&mut self, path: &Path) {
        let id = self.shape(&path.segments);
        let fill = path.fill.map_or("none".to_owned(), hex);
        self.put(format_args!("<use href=\"#p{id}\" fill=\"{fill}\""));
        if path.at != Point::default() {
            self.put(format_args!(" x=\"{}\" y=\"{}\"", path.at.x, path.at.y));
        }
        if let Some((color, width)) = path.stroke {
            self.put(format_args!(" stroke=\"{}\" stroke-width=\"{width}\"", hex(color)));
        }
        if path.alpha < 255 {
            self.put(format_args!(" opacity=\"{:.3}\"", f64::from(path.alpha) / 255.0));
        }
        self.put(format_args!("/>\n"));
    }

    /// All modules in one path, a bar for each run of dark ones: a single path has no seams.
    fn qr(&mut self, qr: &Qr) {
        let modules = qr.symbol.side + 2 * Symbol::QUIET;
        let module = qr.area.w.min(qr.area.h).to_mm() / modules as f64;
        let inset = |side: Length| (side.to_mm() - module * qr.symbol.side as f64) / 2.0;
        let (x, y) = (qr.area.x.to_mm() + inset(qr.area.w), qr.area.y.to_mm() + inset(qr.area.h));
        self.put(format_args!("<path transform=\"translate({} {})scale({})\" d=\"", Short(x), Short(y), Short(module)));
        for (row, column, count) in qr.symbol.bars() {
            self.put(format_args!("M{column} {row}h{count}v1h-{count}z"));
        }
        self.put(format_args!("\"><title>{}</title></path>\n", escape(&qr.alt)));
    }

    fn seal(&mut self, seal: &Seal) {
        let ratio = |to: Length, from: Length| Short(to.to_mm() / from.to_mm());
        let (area, size) = (&seal.area, seal.art.size);
        let scale = (ratio(area.w, size.0), ratio(area.h, size.1));
        self.put(format_args!("<g transform=\"translate({} {})scale({} {})\"><title>", area.x, area.y, scale.0, scale.1));
        self.put(format_args!("{}</title>\n", escape(&seal.alt)));
        for path in &seal.art.paths {
            self.path(path);
        }
        self.put(format_args!("</g>\n"));
    }

    fn put(&mut self, markup: std::fmt::Arguments) {
        self.body.write_fmt(markup).expect("a string takes it");
    }

    /// The number of a glyph's outline, in font units with y upwards; none for a space.
    fn glyph(&mut self, font: FontId, glyph: u16) -> Option<usize> {
        if let Some(&id) = self.glyphs.get(&(font, glyph)) {
            return Some(id);
        }
        let mut pen = Pen(String::new());
        self.fonts.font(font).outline(glyph, &mut pen);
        if pen.0.is_empty() {
            return None;
        }
        let id = self.glyphs.len();
        self.glyphs.insert((font, glyph), id);
        writeln!(self.defs, "<path id=\"g{id}\" d=\"{}\"/>", pen.0).expect("a string takes it");
        Some(id)
    }

    /// The number of an outline in millimetres.
    fn shape(&mut self, segments: &[Segment]) -> usize {
        let outline = outline(segments);
        if let Some(&id) = self.shapes.get(&outline) {
            return id;
        }
        let id = self.shapes.len();
        writeln!(self.defs, "<path id=\"p{id}\" d=\"{outline}\"/>").expect("a string takes it");
        self.shapes.insert(outline, id);
        id
    }
}

fn outline(segments: &[Segment]) -> String {
    let pair = |p: Point| format!("{} {}", p.x, p.y);
    let one = |segment: &Segment| match *segment {
        Segment::Move(p) => format!("M{}", pair(p)),
        Segment::Line(p) => format!("L{}", pair(p)),
        Segment::Cubic(a, b, p) => format!("C{} {} {}", pair(a), pair(b), pair(p)),
        Segment::Close => "z".to_owned(),
    };
    segments.iter().map(one).collect()
}

fn hex(color: Rgb) -> String {
    format!("#{:02x}{:02x}{:02x}", color.0, color.1, color.2)
}

/// A number with as many as six digits after the point, and none that say nothing.
struct Short(f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let rounded = (self.0 * 1e6).round() / 1e6;
        // Adding zero turns a negative zero into a plain one.
        write!(f, "{}", rounded + 0.0)
    }
}

/// Writes a glyph's outline as path data.
struct Pen(String);

impl Pen {
    fn put(&mut self, command: char, numbers: &[f32]) {
        self.0.push(command);
        for (i, number) in numbers.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(self.0, "{space}{}", Short(f64::from((number * 10.0).round()) / 10.0)).expect("a string takes it");
        }
    }
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.put('M', &[x, y]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.put('L', &[x, y]);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.put('Q', &[cx, cy, x, y]);
    }

    fn curve_to(&mut self, cx: f32, cy: f32, dx: f32, dy: f32, x: f32, y: f32) {
        self.put('C', &[cx, cy, dx, dy, x, y]);
    }

    fn close(&mut self) {
        self.put('z', &[]);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{PngRenderer, specimen};
    use super::*;
    use crate::page::{Face, Rect};

    /// An SVG reader's view, a millimetre to a unit.
    fn read(svg: &str) -> usvg::Tree {
        let dpi = (1.0 / Length::mm(1.0).to_px(1.0)) as f32;
        usvg::Tree::from_str(svg, &usvg::Options { dpi, ..usvg::Options::default() }).unwrap()
    }

    fn only(fonts: &Fonts, items: Vec<Item>) -> Document {
        let mut document = specimen::document(fonts);
        document.page.face = Arc::new(Face { digest: [0; 32], items: Vec::new() });
        document.page.items = items;
        document
    }

    #[test]
    fn a_page_is_read_back_in_millimetres_with_all_it_uses() {
        let fonts = Fonts::embedded().unwrap();
        let svg = render(&fonts, &specimen::document(&fonts));
        assert_eq!(svg, render(&fonts, &specimen::document(&fonts)));
        let tree = read(&svg);
        assert!((tree.size().width() - 210.0).abs() < 1e-3 && (tree.size().height() - 297.0).abs() < 1e-3);
        for used in svg.split("<use href=\"#").skip(1) {
            let id = used.split('"').next().unwrap();
            assert_eq!(svg.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
        }
        assert!(!svg.contains("http://www.w3.org/1999/xlink") && svg.matches("http").count() == 1, "nothing is fetched");
    }

    #[test]
    fn what_is_drawn_twice_is_defined_once() {
        let fonts = Fonts::embedded().unwrap();
        let text = Item::Text(specimen::text(&fonts, "Hei", "国 国", (20.0, 40.0), 16.0, Rgb::BLACK));
        let bar = Item::Path(specimen::bar(Rect::mm(1.0, 2.0, 3.0, 4.0), Rgb(1, 2, 3), 51));
        let svg = render(&fonts, &only(&fonts, vec![text, bar.clone(), bar]));
        assert_eq!((svg.matches("<path id=\"g").count(), svg.matches("<use href=\"#g0\"").count()), (1, 2), "a space draws nothing");
        assert_eq!((svg.matches("<path id=\"p").count(), svg.matches("<use href=\"#p0\"").count()), (1, 2));
        assert!(svg.contains("d=\"M1 2L4 2L4 6L1 6z\"") && svg.contains("fill=\"#010203\" opacity=\"0.200\""), "{svg}");
    }

    #[test]
    fn those_who_cannot_see_hear_the_words_but_not_the_ornaments() {
        let fonts = Fonts::embedded().unwrap();
        let mut document = specimen::document(&fonts);
        document.title = "A & <B>".to_owned();
        let svg = render(&fonts, &document);
        assert!(svg.contains(" role=\"img\"") && svg.contains("<title>A &amp; &lt;B&gt;</title>"));
        let spoken = svg.split("<desc>").nth(1).unwrap().split("</desc>").next().unwrap();
        for said in ["一级建造师注册证书", "O&apos;Brien", "照片", "二维码", "测试专用章"] {
            assert!(spoken.contains(said), "{said} is not in {spoken}");
        }
        assert!(!spoken.contains("SAMPLE"));
    }

    /// The box around the ink in millimetres: as an SVG reader sees it, and as the PNG shows it.
    #[test]
    fn it_draws_where_the_png_draws() {
        let fonts = Arc::new(Fonts::embedded().unwrap());
        let mut turned = specimen::text(&fonts, "HeiBold", "样张", (60.0, 120.0), 60.0, Rgb::BLACK);
        turned.rotation = 30.0;
        let area = Rect::mm(120.0, 30.0, 29.0, 29.0);
        let specimen = specimen::document(&fonts);
        let seal = specimen.page.items.iter().find(|item| matches!(item, Item::Seal(_))).unwrap().clone();
        let qr = Qr { area, symbol: Arc::new(specimen::symbol()), alt: String::new() };
        for (kind, item) in [("text", Item::Text(turned)), ("QR", Item::Qr(qr)), ("seal", seal)] {
            let document = only(&fonts, vec![item]);
            let root = read(&render(&fonts, &document));
            let paper = root.root().children().iter().skip(1);
            let boxes: Vec<_> = paper.map(usvg::Node::abs_bounding_box).collect();
            let svg = [
                boxes.iter().map(tiny_skia::Rect::left).fold(f32::MAX, f32::min),
                boxes.iter().map(tiny_skia::Rect::top).fold(f32::MAX, f32::min),
                boxes.iter().map(tiny_skia::Rect::right).fold(0.0, f32::max),
                boxes.iter().map(tiny_skia::Rect::bottom).fold(0.0, f32::max),
            ];
            let png = PngRenderer::new(&fonts, &[], 150).unwrap().render(&document).unwrap();
            let picture = image::load_from_memory(&png).unwrap().into_luma8();
            let ink: Vec<_> = picture.enumerate_pixels().filter(|(_, _, p)| p.0[0] < 200).map(|(x, y, _)| (x, y)).collect();
            let mm = |px: u32| (f64::from(px) / Length::mm(1.0).to_px(150.0)) as f32;
            let png = [
                mm(ink.iter().map(|p| p.0).min().unwrap()),
                mm(ink.iter().map(|p| p.1).min().unwrap()),
                mm(ink.iter().map(|p| p.0).max().unwrap() + 1),
                mm(ink.iter().map(|p| p.1).max().unwrap() + 1),
            ];
            // A QR's modules are whole pixels in the PNG, so it may be smaller there by a pixel for each.
            let near = if kind == "QR" { 1.2 } else { 0.2 };
            assert!(svg.iter().zip(png).all(|(a, b)| (a - b).abs() < near), "{kind}: {svg:?} in SVG, {png:?} in PNG");
        }
    }
}
