//! Items become page operations: exact places, marked for the structure tree or as artifacts (ISO 32000-1 14.8.2.2).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lopdf::text_string;
use printpdf::{Color, DictItem, ExtendedGraphicsStateId, FontId, Op, PdfFontHandle, Pt, TextMatrix, XObjectId, XObjectTransform};

use super::RenderError;
use super::file::{File, Ref, put};
use super::picture;
use super::print::print;
use super::structure::{Kind, Tag};
use super::typeface::Typefaces;
use crate::deflate::Effort;
use crate::page::{Art, Image, Item, Length, Path, Point, Qr, Rect, Rgb, Role, Run, Seal, Segment, Symbol, Text};

/// Collects the operations of one content stream.
pub(super) struct Canvas<'a> {
    typefaces: &'a Typefaces,
    file: &'a mut File,
    effort: Effort,
    height: Length,
    next_mark: u32,
    ops: Vec<Op>,
    resources: Resources,
    paint: Paint,
    /// What the paths at hand are measured in.
    unit: Length,
    tags: Vec<Tag>,
    seals: Vec<(String, Arc<Art>)>,
}

/// What operations draw with, by the names that they use.
#[derive(Clone, Default)]
pub(super) struct Resources {
    /// Fonts.
    pub fonts: Vec<(String, Ref)>,
    /// Pictures and forms.
    pub objects: Vec<(String, Ref)>,
    /// Opacities, of 255.
    pub opacities: BTreeSet<u8>,
}

impl Resources {
    /// Those of two content streams of one page; names tell them apart.
    pub fn extend(&mut self, other: &Self) {
        self.fonts.extend_from_slice(&other.fonts);
        self.objects.extend_from_slice(&other.objects);
        self.opacities.extend(&other.opacities);
    }

    /// The dictionary (ISO 32000-1 7.8.3), without the kinds that are not used.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"<<");
        for (kind, named) in [("Font", &self.fonts), ("XObject", &self.objects)] {
            if !named.is_empty() {
                put(out, format_args!("/{kind}<<"));
                for (name, object) in named {
                    put(out, format_args!("/{name} {object}"));
                }
                out.extend_from_slice(b">>");
            }
        }
        if !self.opacities.is_empty() {
            out.extend_from_slice(b"/ExtGState<<");
            for alpha in &self.opacities {
                let value = rounded(f64::from(*alpha) / 255.0, 3);
                put(out, format_args!("/A{alpha}<</ca {value}/CA {value}>>"));
            }
            out.extend_from_slice(b">>");
        }
        out.extend_from_slice(b">>");
    }
}

/// The graphics state as far as we set it, so that it is written only where it changes.
#[derive(Clone, Copy, Default)]
struct Paint {
    fill: Option<Rgb>,
    stroke: Option<(Rgb, Length)>,
    alpha: Option<u8>,
    font: Option<(crate::font::FontId, Length)>,
}

/// Drawn items.
pub(super) struct Drawing {
    /// Their content.
    pub content: Vec<u8>,
    /// What it draws with, but for the seals.
    pub resources: Resources,
    /// What its marked content is, in the order of marks.
    pub tags: Vec<Tag>,
    /// The seals that it draws, by name; the caller supplies their appearances.
    pub seals: Vec<(String, Arc<Art>)>,
}

/// Rounded to a number of decimals: what is written has no more digits than it means.
pub(super) fn rounded(value: f64, decimals: i32) -> f32 {
    let scale = 10_f64.powi(decimals);
    // Adding zero turns -0 into 0.
    ((value * scale).round() / scale + 0.0) as f32
}

/// A length in PDF's unit, to a thousandth: a third of a micrometre, the whole precision of the page.
fn points(length: Length) -> f32 {
    rounded(length.to_pt(), 3)
}

/// The finest that paths are measured in; what lies between is written with a decimal.
const UNIT: Length = Length::um(10);

fn units(length: Length, unit: Length) -> DictItem {
    let (whole, rest) = (length.to_um() / unit.to_um(), length.to_um() % unit.to_um());
    if rest == 0 { DictItem::Int(whole.into()) } else { DictItem::Real(rounded(f64::from(length.to_um()) / f64::from(unit.to_um()), 1)) }
}

/// The coarsest unit in which all places of these paths are whole: the fewest digits.
fn unit_of(paths: &[&Path]) -> Length {
    let places = paths.iter().flat_map(|path| &path.segments).flat_map(|segment| match *segment {
        Segment::Move(to) | Segment::Line(to) => [Some(to), None, None],
        Segment::Cubic(a, b, to) => [Some(a), Some(b), Some(to)],
        Segment::Close => [None; 3],
    });
    let lengths = places.flatten().flat_map(|place| [place.x, place.y]);
    let common = lengths.fold(0, |common, length| {
        let (mut a, mut b) = (common, length.to_um().unsigned_abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    });
    Length::um(common.cast_signed()).max(UNIT)
}

impl<'a> Canvas<'a> {
    /// For a page or a drawing of that height, with the fonts of its texts. Marks are counted from `first_mark` on.
    /// What they draw with is added to the file.
    pub fn new(height: Length, typefaces: &'a Typefaces, first_mark: u32, file: &'a mut File, effort: Effort) -> Self {
        Self {
            typefaces,
            file,
            effort,
            height,
            next_mark: first_mark,
            ops: Vec::with_capacity(1024),
            resources: Resources::default(),
            paint: Paint::default(),
            unit: UNIT,
            tags: Vec::new(),
            seals: Vec::new(),
        }
    }

    /// Draws items in their order.
    pub fn items(&mut self, items: &[Item]) -> Result<(), RenderError> {
        // Neighbouring paths share one artifact.
        for group in items.chunk_by(|a, b| matches!((a, b), (Item::Path(_), Item::Path(_)))) {
            match &group[0] {
                Item::Text(text) => self.text(text)?,
                Item::Image(image) => self.image(image),
                Item::Path(_) => {
                    self.begin_artifact();
                    self.paths(group.iter().filter_map(|item| if let Item::Path(path) = item { Some(path) } else { None }));
                    self.end_marked();
                }
                Item::Qr(qr) => self.qr(qr),
                Item::Seal(seal) => self.seal(seal),
            }
        }
        Ok(())
    }

    /// Leaves a place to the signature's widget, which is read here and draws itself.
    pub fn field(&mut self, place: Rect, words: &str) {
        self.tags.push(Tag { mark: None, kind: Kind::Field(words.to_owned()), place });
    }

    /// Draws bare paths, unmarked: whoever draws the result marks it. They are written as they were drawn, from their own
    /// place and in whole numbers: short ones, and the same wherever art recurs.
    pub fn paths<'p>(&mut self, paths: impl Iterator<Item = &'p Path>) {
        let paths: Vec<&Path> = paths.collect();
        for alike in paths.chunk_by(|a, b| a.at == b.at) {
            let first = alike[0];
            self.unit = unit_of(alike);
            let unit = rounded(self.unit.to_pt(), 7);
            let to_place = [unit, 0.0, 0.0, -unit, points(first.at.x), points(self.height - first.at.y)];
            // Said outside, it still holds for the next place.
            self.opacity(first.alpha);
            if let Some(color) = first.fill {
                self.fill(color);
            }
            let outside = self.paint;
            self.operator("q", Vec::new());
            self.operator("cm", to_place.map(DictItem::Real).to_vec());
            for path in alike {
                self.path(path);
            }
            self.operator("Q", Vec::new());
            self.paint = outside;
        }
    }

    /// Has the operations printed.
    pub fn print(mut self) -> Result<Drawing, RenderError> {
        self.resources.fonts = self.typefaces.add(self.file, self.effort);
        Ok(Drawing { content: print(self.ops)?, resources: self.resources, tags: self.tags, seals: self.seals })
    }

    fn text(&mut self, text: &Text) -> Result<(), RenderError> {
        let Some(first) = text.runs.first() else { return Ok(()) };
        let kind = match text.role {
            Role::Title => Some(Kind::Title),
            Role::Label => Some(Kind::Label),
            Role::Value => Some(Kind::Value),
            Role::Ornament => None,
        };
        match kind {
            Some(kind) => {
                let width = text.runs.iter().filter(|run| run.origin.y == first.origin.y).fold(Length::ZERO, |w, run| w + run.width());
                let line = Rect { x: first.origin.x, y: first.origin.y - first.size, w: width, h: first.size };
                self.begin_tagged(kind, line);
            }
            None => self.begin_artifact(),
        }
        self.opacity(u8::MAX);
        self.fill(text.color);
        self.ops.push(Op::StartTextSection);
        for line in text.runs.chunk_by(|a, b| a.origin.y == b.origin.y) {
            self.line(line, first.origin, text.rotation)?;
        }
        self.ops.push(Op::EndTextSection);
        self.end_marked();
        Ok(())
    }

    /// Shows the runs of one line, turned about the text's origin.
    fn line(&mut self, runs: &[Run], about: Point, rotation: f64) -> Result<(), RenderError> {
        let mut shown = Vec::with_capacity(runs.len() * 3);
        let mut reads_itself = rotation == 0.0;
        for run in runs {
            let typeface = self.typefaces.find(run.font)?;
            let (glyphs, plain) = set(run, typeface);
            reads_itself &= plain;
            if self.paint.font.replace((run.font, run.size)) != Some((run.font, run.size)) {
                let (font, size) = (PdfFontHandle::External(FontId(typeface.resource.clone())), Pt(rounded(run.size.to_pt(), 4)));
                shown.push(Op::SetFont { font, size });
            }
            shown.push(Op::SetTextMatrix { matrix: TextMatrix::Raw(self.text_matrix(run.origin, about, rotation)) });
            shown.push(Op::Unknown { key: "TJ".to_owned(), value: vec![DictItem::Array(glyphs)] });
        }
        if reads_itself {
            self.ops.append(&mut shown);
            return Ok(());
        }
        // ISO 32000-1 14.9.4: what the span says, whatever its glyphs and gaps look like.
        let words: String = runs.iter().map(Run::text).collect();
        self.begin_marked("Span", [("ActualText", unicode(&words))]);
        self.ops.append(&mut shown);
        self.end_marked();
        Ok(())
    }

    fn text_matrix(&self, origin: Point, about: Point, degrees: f64) -> [f32; 6] {
        if degrees == 0.0 {
            return [1.0, 0.0, 0.0, 1.0, points(origin.x), points(self.height - origin.y)];
        }
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (right, up) = ((origin.x - about.x).to_pt(), (about.y - origin.y).to_pt());
        let x = about.x.to_pt() + right * cos - up * sin;
        let y = (self.height - about.y).to_pt() + right * sin + up * cos;
        let (s, c) = (rounded(sin, 5), rounded(cos, 5));
        [c, s, -s, c, rounded(x, 3), rounded(y, 3)]
    }

    fn image(&mut self, image: &Image) {
        let picture = picture::image(self.file, &image.picture, self.effort);
        let id = self.object('I', picture);
        self.begin_tagged(Kind::Figure(image.alt.clone()), image.area);
        self.opacity(u8::MAX);
        self.place(id, image.area, (image.area.w.to_pt(), image.area.h.to_pt()));
        self.end_marked();
    }

    fn seal(&mut self, seal: &Seal) {
        let id = format!("{}S{}", self.typefaces.prefix, self.seals.len());
        self.seals.push((id.clone(), Arc::clone(&seal.art)));
        self.begin_tagged(Kind::Figure(seal.alt.clone()), seal.area);
        self.opacity(u8::MAX);
        let (width, height) = seal.art.size;
        self.place(id, seal.area, (seal.area.w.to_pt() / width.to_pt(), seal.area.h.to_pt() / height.to_pt()));
        self.end_marked();
    }

    /// Names an object that is drawn.
    fn object(&mut self, kind: char, object: Ref) -> String {
        let name = format!("{}{kind}{}", self.typefaces.prefix, self.resources.objects.len());
        self.resources.objects.push((name.clone(), object));
        name
    }

    /// Draws an object scaled, its origin in the area's bottom left corner.
    fn place(&mut self, name: String, area: Rect, (scale_x, scale_y): (f64, f64)) {
        let transform = XObjectTransform {
            translate_x: Some(Pt(points(area.x))),
            translate_y: Some(Pt(points(self.height - area.bottom()))),
            scale_x: Some(rounded(scale_x, 5)),
            scale_y: Some(rounded(scale_y, 5)),
            no_auto_scale: true,
            ..XObjectTransform::default()
        };
        self.ops.push(Op::UseXobject { id: XObjectId(name), transform });
    }

    fn path(&mut self, path: &Path) {
        self.opacity(path.alpha);
        if let Some(color) = path.fill {
            self.fill(color);
        }
        if let Some((color, width)) = path.stroke {
            self.stroke(color, width);
        }
        let paint = match (path.fill, path.stroke) {
            (Some(_), Some(_)) => "B",
            (Some(_), None) => "f",
            (None, Some(_)) => "S",
            (None, None) => return,
        };
        for segment in &path.segments {
            match *segment {
                Segment::Move(to) => self.step("m", &[to]),
                Segment::Line(to) => self.step("l", &[to]),
                Segment::Cubic(a, b, to) => self.step("c", &[a, b, to]),
                Segment::Close => self.operator("h", Vec::new()),
            }
        }
        self.operator(paint, Vec::new());
    }

    fn step(&mut self, operator: &str, points: &[Point]) {
        self.operator(operator, points.iter().flat_map(|p| [units(p.x, self.unit), units(p.y, self.unit)]).collect());
    }

    fn qr(&mut self, qr: &Qr) {
        let across = (qr.symbol.side + 2 * Symbol::QUIET) as f64;
        let symbol = picture::symbol(self.file, &qr.symbol, self.effort);
        let id = self.object('Q', symbol);
        self.begin_tagged(Kind::Figure(qr.alt.clone()), qr.area);
        self.opacity(u8::MAX);
        self.place(id, qr.area, (qr.area.w.to_pt() / across, qr.area.h.to_pt() / across));
        self.end_marked();
    }

    /// An operator that printpdf knows only in fixed groups: its `DrawLine` paints each contour by itself, so that
    /// overlaps of a translucent path would show, and its `DrawPolygon` closes contours.
    fn operator(&mut self, operator: &str, operands: Vec<DictItem>) {
        self.ops.push(Op::Unknown { key: operator.to_owned(), value: operands });
    }

    fn fill(&mut self, color: Rgb) {
        if self.paint.fill.replace(color) != Some(color) {
            self.ops.push(Op::SetFillColor { col: srgb(color) });
        }
    }

    fn stroke(&mut self, color: Rgb, width: Length) {
        let before = self.paint.stroke.replace((color, width));
        if before.map(|(color, _)| color) != Some(color) {
            self.ops.push(Op::SetOutlineColor { col: srgb(color) });
        }
        if before.map(|(_, width)| width) != Some(width) {
            self.operator("w", vec![units(width, self.unit)]);
        }
    }

    fn opacity(&mut self, alpha: u8) {
        // A content stream begins opaque.
        if self.paint.alpha.replace(alpha).unwrap_or(u8::MAX) != alpha {
            self.ops.push(Op::LoadGraphicsState { gs: ExtendedGraphicsStateId(format!("A{alpha}")) });
            self.resources.opacities.insert(alpha);
        }
    }

    fn begin_tagged(&mut self, kind: Kind, place: Rect) {
        let mark = self.next_mark;
        self.next_mark += 1;
        self.begin_marked(kind.role(), [("MCID", DictItem::Int(mark.into()))]);
        self.tags.push(Tag { mark: Some(mark), kind, place });
    }

    fn begin_artifact(&mut self) {
        self.ops.push(Op::BeginMarkedContent { tag: "Artifact".to_owned() });
    }

    fn begin_marked(&mut self, tag: &str, [(key, value)]: [(&str, DictItem); 1]) {
        let properties = DictItem::Dict { map: BTreeMap::from([(key.to_owned(), value)]) };
        self.ops.push(Op::BeginMarkedContentWithProperties { tag: tag.to_owned(), properties });
    }

    fn end_marked(&mut self) {
        self.ops.push(Op::EndMarkedContent);
    }
}

/// The glyphs of a run with the gaps that put each at its place, and whether they read as the run's text by themselves.
fn set(run: &Run, typeface: &super::typeface::Typeface) -> (Vec<DictItem>, bool) {
    /// A place may be off by this many micrometres: a tenth of a dot at 1200 dpi.
    const TOLERANCE: f64 = 2.0;
    /// A gap that readers take for a space, in thousandths of an em.
    const SPACE: f64 = 100.0;

    let thousandth = f64::from(run.size.to_um()) / 1000.0;
    let (mut pen, mut due, mut plain) = (0.0, Length::ZERO, true);
    let (mut shown, mut codes) = (Vec::new(), Vec::with_capacity(2 * run.glyphs.len()));
    for (number, &glyph) in run.glyphs.iter().enumerate() {
        let code = typeface.code(glyph);
        plain &= typeface.means(code, glyph.ch);
        codes.extend(code.to_be_bytes());
        pen += typeface.width(code);
        due = due + glyph.advance;
        let off = pen - f64::from(due.to_um()) / thousandth;
        if number + 1 < run.glyphs.len() && (off * thousandth).abs() > TOLERANCE {
            let gap = f64::from(rounded(off, 1));
            pen -= gap;
            plain &= gap > -SPACE;
            shown.extend([DictItem::Bytes(std::mem::take(&mut codes)), DictItem::Real(gap as f32)]);
        }
    }
    shown.push(DictItem::Bytes(codes));
    (shown, plain)
}

fn srgb(Rgb(r, g, b): Rgb) -> Color {
    let [r, g, b] = [r, g, b].map(|channel| rounded(f64::from(channel) / 255.0, 3));
    Color::Rgb(printpdf::Rgb { r, g, b, icc_profile: None })
}

fn unicode(text: &str) -> DictItem {
    DictItem::from_lopdf(&text_string(text))
}
