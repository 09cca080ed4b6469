//! What a page shows, as graphic units: text, pictures, paths, QR symbols and seals (GB/T 33190-2016 8.5, 9, 10 and 11).

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::ops::Range;
use std::sync::Arc;

use super::archive::Part;
use super::xml::Xml;
use crate::font::{FontId, Fonts, Subset, extended, subset};
use crate::page::{Glyph, Image, Item, Length, Path, Point, Qr, Rect, Rgb, Run, Seal, Segment, Symbol, Text, Tile};
use crate::record::{Picture, PictureFormat};

/// Hands out identifiers, each once in a document (GB/T 33190-2016 7.3).
pub(super) struct Ids {
    last: u32,
}

impl Ids {
    /// Goes on after the last identifier that is taken; 0 when none is.
    pub(super) const fn after(last: u32) -> Self {
        Self { last }
    }

    pub(super) const fn next(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    /// The largest one handed out.
    pub(super) const fn last(&self) -> u32 {
        self.last
    }
}

/// Fonts and pictures that the items of a page need, each with the identifier by which its objects call it.
pub(super) struct Resources<'a> {
    /// What the files of fonts are called, before their identifier.
    prefix: &'static str,
    fonts: Vec<Embedded>,
    pictures: Vec<(u32, &'a Arc<Picture>)>,
}

/// A font that travels in the file.
#[derive(Clone)]
pub(super) struct Embedded {
    id: u32,
    font: FontId,
    subset: Subset,
}

impl<'a> Resources<'a> {
    /// A font that the face below has too takes its place under its identifier: the same glyphs, and more after them.
    pub(super) fn gather(prefix: &'static str, face: &[Embedded], fonts: &Fonts, items: &'a [Item], ids: &mut Ids) -> Self {
        let mut characters: BTreeMap<FontId, Vec<(char, u16)>> = BTreeMap::new();
        let mut pictures: Vec<(u32, &Arc<Picture>)> = Vec::new();
        for item in items {
            match item {
                Item::Text(text) => {
                    for run in &text.runs {
                        characters.entry(run.font).or_default().extend(run.glyphs.iter().map(|glyph| (glyph.ch, glyph.id)));
                    }
                }
                Item::Image(image) if !pictures.iter().any(|(_, known)| Arc::ptr_eq(known, &image.picture)) => {
                    pictures.push((ids.next(), &image.picture));
                }
                Item::Image(_) | Item::Path(_) | Item::Qr(_) | Item::Seal(_) => {}
            }
        }
        let embedded = |(font, chars): (FontId, Vec<(char, u16)>)| match face.iter().find(|below| below.font == font) {
            Some(below) => Embedded { id: below.id, font, subset: extended(fonts.font(font), &below.subset, &chars) },
            None => Embedded { id: ids.next(), font, subset: subset(fonts.font(font), &chars) },
        };
        Self { prefix, fonts: characters.into_iter().map(embedded).collect(), pictures }
    }

    /// How they are listed.
    pub(super) fn listed(&self) -> Listed {
        let fonts = self.fonts.iter().map(|Embedded { id, subset, .. }| (*id, subset.name.clone(), font_file(self.prefix, *id)));
        let format = |picture: &Picture| match picture.format {
            PictureFormat::Jpeg { .. } => "JPEG",
            PictureFormat::Png => "PNG",
        };
        let pictures = self.pictures.iter().map(|(id, picture)| (*id, format(picture), picture_file(*id, picture)));
        Listed { fonts: fonts.collect(), pictures: pictures.collect() }
    }

    /// The files themselves, below `folder`, each with the identifier by which objects call it.
    pub(super) fn into_files(self, folder: &str) -> impl Iterator<Item = (u32, Part<'a>)> {
        let prefix = self.prefix;
        let font = move |Embedded { id, subset, .. }| (id, Part::new(format!("{folder}/{}", font_file(prefix, id)), subset.data));
        let picture =
            move |(id, picture): (_, &'a Arc<Picture>)| (id, Part::picture(format!("{folder}/{}", picture_file(id, picture)), picture));
        self.fonts.into_iter().map(font).chain(self.pictures.into_iter().map(picture))
    }

    pub(super) fn fonts(&self) -> &[Embedded] {
        &self.fonts
    }

    fn font(&self, font: FontId) -> &Embedded {
        self.fonts.iter().find(|embedded| embedded.font == font).expect("gathered from the same items")
    }

    fn picture(&self, picture: &Arc<Picture>) -> u32 {
        self.pictures.iter().find(|(_, known)| Arc::ptr_eq(known, picture)).expect("gathered from the same items").0
    }
}

/// What a list of resources says of them.
#[derive(Clone)]
pub(super) struct Listed {
    /// Identifier, name and file.
    fonts: Vec<(u32, String, String)>,
    /// Identifier, format and file.
    pictures: Vec<(u32, &'static str, String)>,
}

impl Listed {
    /// Whether it has a font of this identifier.
    pub(super) fn has_font(&self, id: u32) -> bool {
        self.fonts.iter().any(|(other, ..)| *other == id)
    }

    /// The part that lists those of the face, but for the fonts that the page has in their place, and those of the page.
    pub(super) fn part(face: &Self, page: &Self) -> Vec<u8> {
        let left = face.fonts.iter().filter(|(id, ..)| !page.has_font(*id));
        let fonts: Vec<_> = left.chain(&page.fonts).collect();
        let pictures: Vec<_> = face.pictures.iter().chain(&page.pictures).collect();
        let mut xml = Xml::new("ofd:Res", &[("BaseLoc", &"Res")]);
        if !fonts.is_empty() {
            xml.open("ofd:Fonts", &[]);
            for (id, name, file) in fonts {
                let family = name.split_once('+').map_or(name.as_str(), |(_, family)| family);
                xml.open("ofd:Font", &[("ID", id), ("FontName", name), ("FamilyName", &family)]);
                xml.text("ofd:FontFile", &[], file);
                xml.close("ofd:Font");
            }
            xml.close("ofd:Fonts");
        }
        if !pictures.is_empty() {
            xml.open("ofd:MultiMedias", &[]);
            for (id, format, file) in pictures {
                xml.open("ofd:MultiMedia", &[("ID", id), ("Type", &"Image"), ("Format", format)]);
                xml.text("ofd:MediaFile", &[], file);
                xml.close("ofd:MultiMedia");
            }
            xml.close("ofd:MultiMedias");
        }
        xml.finish("ofd:Res")
    }
}

fn font_file(prefix: &str, id: u32) -> String {
    format!("{prefix}_{id}.ttf")
}

fn picture_file(id: u32, picture: &Picture) -> String {
    match picture.format {
        PictureFormat::Jpeg { .. } => format!("image_{id}.jpg"),
        PictureFormat::Png => format!("image_{id}.png"),
    }
}

/// Writes items as graphic units into a layer.
pub(super) struct Units<'a> {
    pub(super) xml: &'a mut Xml,
    pub(super) fonts: &'a Fonts,
    pub(super) resources: &'a Resources<'a>,
    pub(super) ids: &'a mut Ids,
    /// Whether stamps draw the seals, so that the page must not.
    pub(super) stamped: bool,
}

impl Units<'_> {
    /// Writes one item. The identifiers of the units that it became, so that tags can point at them.
    pub(super) fn write(&mut self, item: &Item) -> Range<u32> {
        let first = self.ids.last() + 1;
        match item {
            Item::Text(text) => self.text(text),
            Item::Image(image) => self.image(image),
            Item::Path(path) => self.path(path, Point::default(), (1.0, 1.0)),
            Item::Qr(qr) => self.qr(qr),
            Item::Seal(_) if self.stamped => {}
            Item::Seal(seal) => self.seal(seal),
        }
        first..self.ids.last() + 1
    }

    fn text(&mut self, text: &Text) {
        let Some(first) = text.runs.first() else { return };
        for run in &text.runs {
            for piece in pieces(run) {
                self.piece(&piece, run, text.color, (text.rotation != 0.0).then(|| Turn::about(first.origin, text.rotation)));
            }
        }
    }

    fn piece(&mut self, piece: &Piece, run: &Run, color: Rgb, turn: Option<Turn>) {
        let Embedded { id: resource, subset, .. } = self.resources.font(run.font);
        let extent = self.extent(piece, run);
        let (boundary, origin, matrix) = match turn {
            None => (extent, Point { x: extent.x, y: extent.y }, None),
            Some(turn) => {
                let boundary = turn.around(&extent);
                (boundary, turn.pivot, Some(turn.matrix(boundary)))
            }
        };
        let id = self.ids.next();
        let mut attributes: Vec<(&str, &dyn Display)> = vec![("ID", &id), ("Boundary", &boundary), ("Font", resource), ("Size", &run.size)];
        if let Some(matrix) = &matrix {
            attributes.push(("CTM", matrix));
        }
        self.xml.open("ofd:TextObject", &attributes);
        self.xml.empty("ofd:FillColor", &[("Value", &Value(color))]);

        // Positions count UTF-16 units, as the readers that know this element do (they are Java and JavaScript).
        let codes: usize = piece.glyphs.iter().map(|glyph| glyph.ch.len_utf16()).sum();
        self.xml.open("ofd:CGTransform", &[("CodePosition", &0), ("CodeCount", &codes), ("GlyphCount", &piece.glyphs.len())]);
        self.xml.data("ofd:Glyphs", |list| {
            for (number, glyph) in piece.glyphs.iter().enumerate() {
                let separator = if number == 0 { "" } else { " " };
                let index = subset.index(glyph.id).expect("gathered from the same items");
                write!(list, "{separator}{index}").expect("a string takes it");
            }
        });
        self.xml.close("ofd:CGTransform");

        let (x, y) = (piece.x - origin.x, run.origin.y - origin.y);
        let content: String = piece.glyphs.iter().map(|glyph| glyph.ch).collect();
        let advances = advances(piece.glyphs);
        let mut place: Vec<(&str, &dyn Display)> = vec![("X", &x), ("Y", &y)];
        if !advances.is_empty() {
            place.push(("DeltaX", &advances));
        }
        self.xml.text("ofd:TextCode", &place, &content);
        self.xml.close("ofd:TextObject");
    }

    /// The box of a piece of text: as high as the font, as wide as the advances, and more where ink reaches beyond,
    /// because readers cut at the boundary.
    fn extent(&self, piece: &Piece, run: &Run) -> Rect {
        let font = self.fonts.font(run.font);
        let scaled = |units: i32| run.size.scaled(f64::from(units) / f64::from(font.upem));
        let (mut bottom, mut top) = (i32::from(font.descent), i32::from(font.ascent));
        let (mut left, mut right, mut pen) = (piece.x, piece.x, piece.x);
        for glyph in piece.glyphs {
            if let Some([ink_left, ink_bottom, ink_right, ink_top]) = font.ink(glyph.id).map(|ink| ink.map(i32::from)) {
                (left, right) = (left.min(pen + scaled(ink_left)), right.max(pen + scaled(ink_right)));
                (bottom, top) = (bottom.min(ink_bottom), top.max(ink_top));
            }
            pen = pen + glyph.advance;
        }
        right = right.max(pen);
        let (top, bottom) = (run.origin.y - scaled(top), run.origin.y - scaled(bottom));
        Rect { x: left, y: top, w: right - left, h: bottom - top }
    }

    fn image(&mut self, image: &Image) {
        let matrix = format!("{} 0 0 {} 0 0", image.area.w, image.area.h);
        let (id, resource) = (self.ids.next(), self.resources.picture(&image.picture));
        self.xml.empty(
            "ofd:ImageObject",
            &[("ID", &id), ("Boundary", &image.area), ("Name", &image.alt), ("CTM", &matrix), ("ResourceID", &resource)],
        );
    }

    /// A path of art whose corner is put to a place, scaled.
    fn path(&mut self, path: &Path, corner: Point, (across, down): (f64, f64)) {
        let put = |point: Point| Point { x: point.x.scaled(across), y: point.y.scaled(down) };
        let stroke = path.stroke.map(|(color, width)| (color, width.scaled((across * down).sqrt())));
        let Some(inside) = around(&path.segments, put, stroke.map_or(Length::ZERO, |(_, width)| width)) else { return };
        // Measured from its own place, art that recurs is spelt alike, which compression then finds.
        let (id, place) = (self.ids.next(), corner + put(path.at));
        let boundary = Rect { x: place.x + inside.x, y: place.y + inside.y, ..inside };
        let (stroked, filled) = (stroke.is_some(), path.fill.is_some());
        let width = stroke.map_or(Length::ZERO, |(_, width)| width);
        // Stroked and not filled is what a path is when nothing is said (8.5).
        let mut attributes: Vec<(&str, &dyn Display)> = vec![("ID", &id), ("Boundary", &boundary)];
        if stroked {
            attributes.push(("LineWidth", &width));
        } else {
            attributes.push(("Stroke", &false));
        }
        if filled {
            attributes.push(("Fill", &true));
        }
        if path.alpha != u8::MAX {
            attributes.push(("Alpha", &path.alpha));
        }
        self.xml.open("ofd:PathObject", &attributes);
        if let Some((color, _)) = stroke {
            self.xml.empty("ofd:StrokeColor", &[("Value", &Value(color))]);
        }
        if let Some(color) = path.fill {
            self.xml.empty("ofd:FillColor", &[("Value", &Value(color))]);
        }
        self.xml.data("ofd:AbbreviatedData", |data| {
            let first = data.len();
            let mut step = |operator: char, points: &[Point]| {
                if data.len() > first {
                    data.push(' ');
                }
                data.push(operator);
                for point in points {
                    let point = put(*point);
                    for length in [point.x - inside.x, point.y - inside.y] {
                        data.push(' ');
                        length.write(data);
                    }
                }
            };
            for segment in &path.segments {
                match *segment {
                    Segment::Move(to) => step('M', &[to]),
                    Segment::Line(to) => step('L', &[to]),
                    Segment::Cubic(first, second, to) => step('B', &[first, second, to]),
                    Segment::Close => step('C', &[]),
                }
            }
        });
        self.xml.close("ofd:PathObject");
    }

    /// A path for each tile; its unit is the module, its origin the tile's corner. Rows of modules then are few strings that
    /// recur, which compression finds.
    fn qr(&mut self, qr: &Qr) {
        const SPELT: [&str; Tile::COLUMNS + 2] = [" 0", " 1", " 2", " 3", " 4", " 5", " 6", " 7", " 8", " 9", " 10", " 11"];
        let across = (qr.symbol.side + 2 * Symbol::QUIET) as f64;
        let module = |side: Length| side.to_mm() / across;
        let matrix = format!("{:.7} 0 0 {:.7} 0 0", module(qr.area.w), module(qr.area.h));
        let modules = |count: usize, side: Length| side.scaled(count as f64 / across);
        let (w, h) = (modules(Tile::COLUMNS + 1, qr.area.w), modules(Tile::ROWS + 1, qr.area.h));
        for (number, tile) in qr.symbol.tiles().enumerate() {
            let (column, row) = (tile.column + Symbol::QUIET, tile.row + Symbol::QUIET);
            let boundary = Rect { x: qr.area.x + modules(column, qr.area.w), y: qr.area.y + modules(row, qr.area.h), w, h };
            let id = self.ids.next();
            let mut attributes: Vec<(&str, &dyn Display)> =
                vec![("ID", &id), ("Boundary", &boundary), ("CTM", &matrix), ("Stroke", &false), ("Fill", &true)];
            if number == 0 {
                attributes.push(("Name", &qr.alt));
            }
            self.xml.open("ofd:PathObject", &attributes);
            self.xml.empty("ofd:FillColor", &[("Value", &Value(Rgb::BLACK))]);
            self.xml.data("ofd:AbbreviatedData", |data| {
                // A row is one outline: down and up again along each bar, and straight on to the next.
                for (line, bars) in tile.bars.chunk_by(|one, other| one.0 == other.0).enumerate() {
                    let mut operator = if line == 0 { "M" } else { " M" };
                    for &(row, first, end) in bars {
                        let (top, bottom, left, right) = (SPELT[row], SPELT[row + 1], SPELT[first], SPELT[end]);
                        data.extend([operator, left, top, " L", left, bottom, " L", right, bottom, " L", right, top]);
                        operator = " L";
                    }
                    data.push_str(" C");
                }
            });
            self.xml.close("ofd:PathObject");
        }
    }

    /// The seal's art, at its place.
    fn seal(&mut self, seal: &Seal) {
        let ratio = |to: Length, from: Length| to.to_mm() / from.to_mm();
        let scale = (ratio(seal.area.w, seal.art.size.0), ratio(seal.area.h, seal.art.size.1));
        for path in &seal.art.paths {
            self.path(path, Point { x: seal.area.x, y: seal.area.y }, scale);
        }
    }
}

/// Glyphs that make one text object.
struct Piece<'a> {
    x: Length,
    glyphs: &'a [Glyph],
}

/// Cuts a run where readers differ: a character beyond U+FFFF is one code or two to them, so it stands alone;
/// spaces at the ends are dropped by some, so they are left out.
fn pieces(run: &Run) -> Vec<Piece<'_>> {
    let mut x = run.origin.x;
    let width = |glyphs: &[Glyph]| glyphs.iter().fold(Length::ZERO, |width, glyph| width + glyph.advance);
    let mut pieces = Vec::with_capacity(1);
    for glyphs in run.glyphs.chunk_by(|one, other| one.ch.len_utf16() == 1 && other.ch.len_utf16() == 1) {
        let inked = |glyph: &Glyph| glyph.ch != ' ';
        if let (Some(first), Some(last)) = (glyphs.iter().position(inked), glyphs.iter().rposition(inked)) {
            pieces.push(Piece { x: x + width(&glyphs[..first]), glyphs: &glyphs[first..=last] });
        }
        x = x + width(glyphs);
    }
    pieces
}

/// `DeltaX`: the distance from each glyph to the next, `g k v` for k equal ones (GB/T 33190-2016 11.3).
fn advances(glyphs: &[Glyph]) -> String {
    let mut list = String::with_capacity(glyphs.len() * 6);
    for equal in glyphs[..glyphs.len() - 1].chunk_by(|one, other| one.advance == other.advance) {
        let separator = if list.is_empty() { "" } else { " " };
        let (count, advance) = (equal.len(), equal[0].advance);
        match count {
            1 => write!(list, "{separator}{advance}"),
            2 => write!(list, "{separator}{advance} {advance}"),
            _ => write!(list, "{separator}g {count} {advance}"),
        }
        .expect("a string takes it");
    }
    list
}

/// The box around all points, grown by the stroke; none when there are no points.
fn around(segments: &[Segment], put: impl Fn(Point) -> Point, stroke: Length) -> Option<Rect> {
    let mut corners: Option<(Point, Point)> = None;
    let mut take = |point: Point| {
        let point = put(point);
        let (low, high) = corners.get_or_insert((point, point));
        (low.x, low.y) = (low.x.min(point.x), low.y.min(point.y));
        (high.x, high.y) = (high.x.max(point.x), high.y.max(point.y));
    };
    for segment in segments {
        match *segment {
            Segment::Move(to) | Segment::Line(to) => take(to),
            Segment::Cubic(first, second, to) => [first, second, to].into_iter().for_each(&mut take),
            Segment::Close => {}
        }
    }
    let (low, high) = corners?;
    // A mitre may reach 4.234 half widths beyond its corner (GB/T 33190-2016 8.5, MiterLimit).
    let reach = stroke.scaled(4.234 / 2.0);
    // Whole millimetres of reach and whole centimetres of box: the points keep their few decimals, and a thread that is drawn
    // with several strokes is spelt alike each time, which compression then finds.
    let reach = Length::um((reach.to_um() + 1999) / 2000 * 2000);
    let (x, y) = (on_grid(low.x - reach, i32::div_euclid), on_grid(low.y - reach, i32::div_euclid));
    let up = |value: i32, grid: i32| -(-value).div_euclid(grid);
    Some(Rect { x, y, w: on_grid(high.x + reach, up) - x, h: on_grid(high.y + reach, up) - y })
}

/// A length on a grid of one centimetre, rounded as told.
fn on_grid(length: Length, rounded: impl Fn(i32, i32) -> i32) -> Length {
    const CENTIMETRE: i32 = 10_000;
    Length::um(rounded(length.to_um(), CENTIMETRE) * CENTIMETRE)
}

/// A rotation about a point.
#[derive(Clone, Copy)]
struct Turn {
    pivot: Point,
    sin: f64,
    cos: f64,
}

impl Turn {
    /// Counter-clockwise to the eye.
    fn about(pivot: Point, degrees: f64) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Self { pivot, sin, cos }
    }

    fn apply(&self, point: Point) -> Point {
        let (x, y) = (point.x - self.pivot.x, point.y - self.pivot.y);
        Point { x: self.pivot.x + x.scaled(self.cos) + y.scaled(self.sin), y: self.pivot.y + y.scaled(self.cos) - x.scaled(self.sin) }
    }

    /// The upright box around a turned one.
    fn around(&self, rect: &Rect) -> Rect {
        let corners = [(rect.x, rect.y), (rect.right(), rect.y), (rect.right(), rect.bottom()), (rect.x, rect.bottom())];
        let segments = corners.map(|(x, y)| Segment::Line(Point { x, y }));
        around(&segments, |point| self.apply(point), Length::ZERO).expect("four points")
    }

    /// From coordinates about the pivot to those of a boundary.
    fn matrix(&self, boundary: Rect) -> String {
        let (x, y) = (self.pivot.x - boundary.x, self.pivot.y - boundary.y);
        format!("{:.7} {:.7} {:.7} {:.7} {x} {y}", self.cos, -self.sin, self.sin, self.cos)
    }
}

/// A colour as an attribute.
struct Value(Rgb);

impl Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Rgb(r, g, b) = self.0;
        write!(f, "{r} {g} {b}")
    }
}
