//! A layout file becomes a [`Layout`]: placeholders parsed, art computed, the unchanging part set once.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use toml::Spanned;

use super::compose::{ImageSlot, Slot, SlotKind, TextSlot};
use super::metadata::Metadata;
use super::number::NumberShape;
use super::spec::{DrawingSpec, ImageSpec, LineSpec, NameInQr, QrSpec, SealPlace, Source, TextSpec, TypeSpec, nearest};
use super::template::{DateForm, Forms, Scope, Template, Value};
use super::typeset::{Align, Fit, Style, Valign, set, set_rotated};
use super::{Layout, LayoutFault, art};
use crate::font::Fonts;
use crate::page::{Face, Item, Length, Path, Point, Rect, Role, Seal, Segment, Text};
use crate::record::identifier::LicenceIdentifier;

/// What every file of test keys says on its face.
const SAMPLE_MARK: &str = "样张 SAMPLE";

/// Builds a licence type. `read` gives the files of the layouts' folder. Gathers every fault.
pub(super) fn load(
    id: &str,
    source: &Source,
    fonts: &Fonts,
    read: &dyn Fn(&str) -> Option<Cow<'static, [u8]>>,
) -> Result<Layout, Vec<LayoutFault>> {
    let spec = source.parse().map_err(|fault| vec![fault])?;
    let mut loader = Loader { source, fonts, read, hash: Sha256::new_with_prefix(source.text), faults: Vec::new() };
    let layout = loader.layout(id, &spec);
    match layout {
        Some(layout) if loader.faults.is_empty() => Ok(layout),
        _ => {
            // What a style gets wrong, each of its texts gets wrong: once is enough.
            loader.faults.dedup();
            Err(loader.faults)
        }
    }
}

struct Loader<'a> {
    source: &'a Source<'a>,
    fonts: &'a Fonts,
    read: &'a dyn Fn(&str) -> Option<Cow<'static, [u8]>>,
    /// Over the layout and the art that it uses.
    hash: Sha256,
    faults: Vec<LayoutFault>,
}

/// An item of the face, or what becomes one for each licence.
enum Piece {
    Face(Text, bool),
    Slot(Slot),
}

impl Loader<'_> {
    fn layout(&mut self, id: &str, spec: &TypeSpec) -> Option<Layout> {
        let size = spec.page.size();
        let dates = DateForm::parse(spec.date_form.get_ref());
        let dates = dates.map_err(|message| self.fault(spec.date_form.span().start, message)).ok()?;
        let words = spec.words.iter().map(|(name, words)| (name.clone(), Arc::new(words.clone()))).collect();
        let forms = Forms { dates, words };
        self.type_code(&spec.type_code);
        let numbers = self.numbers(&spec.number_shapes);

        let ground = self.ground(spec, size);
        let mut pieces: Vec<(usize, Piece)> = Vec::new();
        for text in &spec.text {
            pieces.extend(self.text(text, spec, &forms, size).map(|piece| (text.span().start, piece)));
        }
        let sheet = Rect { x: Length::ZERO, y: Length::ZERO, w: size.0, h: size.1 };
        for image in &spec.image {
            pieces.push((image.span().start, Piece::Slot(self.image(image, sheet))));
        }
        for qr in &spec.qr {
            pieces.push((qr.span().start, Piece::Slot(self.qr(qr, sheet))));
        }
        for seal in &spec.seal {
            pieces.extend(self.seal(seal, sheet).map(|slot| (seal.span().start, Piece::Slot(slot))));
        }
        pieces.sort_by_key(|(start, _)| *start);

        let mark = self.sample_mark(spec, size);
        let metadata = Metadata::load(&spec.metadata, &forms, self.source, &mut self.faults);

        let (mut labels, mut slots) = (Vec::new(), Vec::new());
        for (_, piece) in pieces {
            match piece {
                Piece::Face(text, over) => labels.push((Item::Text(text), over)),
                Piece::Slot(slot) => slots.push(slot),
            }
        }
        let digest: [u8; 32] = self.hash.clone().finalize().into();
        let face_over = ground.iter().map(|_| true).chain(labels.iter().map(|(_, over)| *over)).collect();
        let labels: Vec<Item> = labels.into_iter().map(|(item, _)| item).collect();
        let face = Face { digest, items: ground.iter().chain(&labels).cloned().collect() };
        let sample_digest = self.hash.clone().chain_update("sample").finalize().into();
        let sample_face = Face { digest: sample_digest, items: ground.into_iter().chain(mark).chain(labels).collect() };
        Some(Layout {
            id: id.to_owned(),
            name: spec.name.clone(),
            type_code: spec.type_code.get_ref().clone(),
            type_code_provisional: spec.type_code_provisional,
            qr_code: spec.qr_code,
            name_in_qr_commitment: spec.name_in_qr == NameInQr::Commitment,
            rules: spec.rules.clone(),
            numbers,
            face: Arc::new(face),
            sample_face: Arc::new(sample_face),
            digest,
            size,
            slots,
            metadata,
            face_over,
        })
    }

    fn fault(&mut self, offset: usize, message: impl Into<String>) {
        self.faults.push(self.source.fault(offset, message));
    }

    fn type_code(&mut self, code: &Spanned<String>) {
        let text = code.get_ref();
        if let Err(error) = LicenceIdentifier::new(text, &"0".repeat(18), "0", 1) {
            self.fault(code.span().start, format!("`{text}` is no 证照类型代码: {error}"));
        }
    }

    fn numbers(&mut self, shapes: &[Spanned<String>]) -> Vec<NumberShape> {
        let mut numbers = Vec::with_capacity(shapes.len());
        for shape in shapes {
            match NumberShape::parse(shape.get_ref()) {
                Ok(number) => numbers.push(number),
                Err(message) => self.fault(shape.span().start, message),
            }
        }
        numbers
    }

    /// Frame, rosettes, drawings and lines: what lies under all text.
    fn ground(&mut self, spec: &TypeSpec, size: (Length, Length)) -> Vec<Item> {
        let mut paths: Vec<Path> = spec.rosette.iter().flat_map(art::rosette).collect();
        paths.extend(spec.frame.iter().flat_map(|frame| art::frame(frame, size)));
        for drawing in &spec.drawing {
            paths.extend(self.drawing(drawing).unwrap_or_default());
        }
        paths.extend(spec.line.iter().map(line));
        paths.into_iter().map(Item::Path).collect()
    }

    fn drawing(&mut self, drawing: &Spanned<DrawingSpec>) -> Option<Vec<Path>> {
        let (at, spec) = (drawing.span().start, drawing.get_ref());
        let Some(bytes) = (self.read)(&spec.file) else {
            self.fault(at, format!("the drawing `{}` is not in the layouts' folder", spec.file));
            return None;
        };
        self.hash.update(&bytes);
        let svg = String::from_utf8_lossy(&bytes);
        match art::drawing(&svg, &spec.file) {
            Ok(art) => Some(art::fitted(&art, &spec.box_mm)),
            Err(message) => {
                self.fault(at, message);
                None
            }
        }
    }

    fn sample_mark(&mut self, spec: &TypeSpec, size: (Length, Length)) -> Option<Item> {
        let mark = &spec.sample_mark;
        let Some(chain) = self.fonts.chain("HeiBold") else {
            self.fault(0, "the fonts have no chain HeiBold, which 样张 SAMPLE is set in");
            return None;
        };
        let style = Style {
            chain,
            size: mark.size_pt,
            min_size: mark.size_pt,
            color: mark.color,
            align: Align::Left,
            valign: Valign::Middle,
            letter_spacing: 0.12,
            line_height: 1.0,
            fit: Fit::Refuse,
            break_after: Vec::new(),
        };
        let centre = match mark.centre_mm {
            Some([x, y]) => Point { x: Length::mm(x), y: Length::mm(y) },
            None => Point { x: size.0 / 2, y: size.1 / 2 },
        };
        match set_rotated(self.fonts, &style, centre, mark.rotation, SAMPLE_MARK) {
            Ok(setting) if setting.runs.len() == 1 => Some(Item::Text(Text {
                role: Role::Ornament,
                name: None,
                content: setting.content,
                runs: setting.runs,
                color: mark.color,
                rotation: mark.rotation,
                area: Rect { x: Length::ZERO, y: Length::ZERO, w: size.0, h: size.1 },
            })),
            _ => {
                self.fault(0, format!("the first font of the chain HeiBold lacks characters of {SAMPLE_MARK}"));
                None
            }
        }
    }

    fn text(&mut self, spanned: &Spanned<TextSpec>, spec: &TypeSpec, forms: &Forms, size: (Length, Length)) -> Option<Piece> {
        let at = spanned.span().start;
        let text = self.styled(spanned.get_ref(), spec)?;
        let Some(area) = text.box_mm else {
            self.fault(at, "a text needs box_mm = [x, y, width, height]");
            return None;
        };
        self.within(at, area, Rect { x: Length::ZERO, y: Length::ZERO, w: size.0, h: size.1 });
        let Some(words) = &text.text else {
            self.fault(at, "a text needs text = \"…\"");
            return None;
        };
        let style = self.style(at, &text)?;
        let scope = if text.each.is_some() { Scope::Entry } else { Scope::Record };
        let template = match Template::parse(words.get_ref(), scope, forms) {
            Ok(template) => template,
            Err((inside, message)) => {
                let place = self.source.place_inside(&words.span(), words.get_ref(), inside);
                self.faults.push(LayoutFault { place, message });
                return None;
            }
        };
        let when = match &text.when {
            None => None,
            Some(condition) => match Value::parse_condition(condition.get_ref()) {
                Ok(value) => Some(value),
                Err(message) => {
                    self.fault(condition.span().start + 1, message);
                    return None;
                }
            },
        };
        let fixed = template.fixed().map(str::to_owned);
        let role = text.role.map_or(if fixed.is_some() { Role::Label } else { Role::Value }, Role::from);
        let over = text.over.unwrap_or(false);
        let name = text.name.clone();
        let label = name.clone().unwrap_or_else(|| words.get_ref().clone());
        let set_words = match fixed {
            None => None,
            Some(fixed) => match set(self.fonts, &style, area, &fixed) {
                Err(fault) => {
                    self.fault(at, fault.message(&label, area));
                    return None;
                }
                Ok(setting) => Some(Text {
                    role,
                    name: name.clone(),
                    content: setting.content,
                    runs: setting.runs,
                    color: style.color,
                    rotation: 0.0,
                    area,
                }),
            },
        };
        Some(match (set_words, &when) {
            (Some(words), None) => Piece::Face(words, over),
            (fixed, _) => {
                let slot = TextSlot { role, name, style, area, template, each: text.each, when, fixed };
                Piece::Slot(Slot { place: self.source.place(at), label, over, kind: SlotKind::Text(slot) })
            }
        })
    }

    /// The text with the properties of its style.
    fn styled(&mut self, text: &TextSpec, spec: &TypeSpec) -> Option<TextSpec> {
        let Some(name) = &text.style else { return Some(text.clone()) };
        match spec.style.get(name.get_ref()) {
            Some(style) => Some(text.over_style(style)),
            None => {
                let near = nearest(name.get_ref(), spec.style.keys().map(String::as_str));
                let hint = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
                self.fault(name.span().start, format!("there is no [style.{}]{hint}", name.get_ref()));
                None
            }
        }
    }

    fn style(&mut self, at: usize, text: &TextSpec) -> Option<Style> {
        let (Some(font), Some(size)) = (&text.font, text.size_pt) else {
            self.fault(at, "a text needs font and size_pt, its own or its style's");
            return None;
        };
        let Some(chain) = self.fonts.chain(font.get_ref()) else {
            let known: Vec<&str> = self.fonts.chain_names().collect();
            let message = format!("there is no chain of fonts `{}`; there are {}", font.get_ref(), known.join(", "));
            self.fault(font.span().start, message);
            return None;
        };
        let fit = text.fit.unwrap_or_default();
        let min_size = text.min_size_pt.unwrap_or(size);
        let break_after = text.break_after.clone().unwrap_or_default();
        if !(1.0..=200.0).contains(&size) || !(1.0..=size).contains(&min_size) {
            self.fault(
                at,
                format!("size_pt = {size} and min_size_pt = {min_size}: sizes are 1 to 200 points, the smallest not above the first"),
            );
            return None;
        }
        if matches!(fit, Fit::Shrink | Fit::WrapShrink) && text.min_size_pt.is_none() {
            self.fault(at, "a text that may shrink needs min_size_pt");
            return None;
        }
        if break_after.iter().any(String::is_empty) {
            self.fault(at, "break_after holds an empty word");
            return None;
        }
        Some(Style {
            chain,
            size,
            min_size,
            color: text.color.unwrap_or_default(),
            align: text.align.unwrap_or_default(),
            valign: text.valign.unwrap_or_default(),
            letter_spacing: text.letter_spacing.unwrap_or(0.0),
            line_height: text.line_height.unwrap_or(1.5),
            fit,
            break_after,
        })
    }

    fn image(&mut self, spanned: &Spanned<ImageSpec>, sheet: Rect) -> Slot {
        let (at, spec) = (spanned.span().start, spanned.get_ref());
        self.within(at, spec.box_mm, sheet);
        let image = ImageSlot {
            area: spec.box_mm,
            source: spec.source,
            alt: spec.alt.clone(),
            optional: spec.optional,
            border: spec.border.as_ref().map(|b| (b.color, Length::mm(b.width_mm))),
        };
        Slot { place: self.source.place(at), label: spec.alt.clone(), over: spec.over, kind: SlotKind::Image(image) }
    }

    fn qr(&mut self, spanned: &Spanned<QrSpec>, sheet: Rect) -> Slot {
        let (at, spec) = (spanned.span().start, spanned.get_ref());
        self.within(at, spec.box_mm, sheet);
        if spec.box_mm.w != spec.box_mm.h {
            self.fault(at, "the box of a QR code is square");
        }
        let kind = SlotKind::Qr { area: spec.box_mm, alt: spec.alt.clone() };
        Slot { place: self.source.place(at), label: spec.alt.clone(), over: spec.over, kind }
    }

    fn seal(&mut self, spanned: &Spanned<SealPlace>, sheet: Rect) -> Option<Slot> {
        let (at, spec) = (spanned.span().start, spanned.get_ref());
        let art = match art::seal(&spec.art, self.fonts) {
            Ok(art) => art,
            Err(message) => {
                self.fault(at, message);
                return None;
            }
        };
        let [x, y] = spec.centre_mm;
        let (w, h) = art.size;
        let area = Rect { x: Length::mm(x) - w / 2, y: Length::mm(y) - h / 2, w, h };
        self.within(at, area, sheet);
        let seal = Seal {
            area,
            art: Arc::new(art),
            words: spec.art.text.clone(),
            personal: spec.art.shape == art::SealShape::Square,
            alt: spec.alt.clone(),
        };
        Some(Slot { place: self.source.place(at), label: spec.alt.clone(), over: spec.over, kind: SlotKind::Seal(seal) })
    }

    fn within(&mut self, at: usize, area: Rect, sheet: Rect) {
        if !sheet.contains(&area) {
            let Rect { x, y, w, h } = area;
            self.fault(at, format!("the box [{x}, {y}, {w}, {h}] reaches over the edge of the page of {} × {} mm", sheet.w, sheet.h));
        }
    }
}

fn line(spec: &LineSpec) -> Path {
    let point = |[x, y]: [f64; 2]| Point { x: Length::mm(x), y: Length::mm(y) };
    Path {
        at: Point::default(),
        segments: vec![Segment::Move(point(spec.from_mm)), Segment::Line(point(spec.to_mm))],
        fill: None,
        stroke: Some((spec.color, Length::mm(spec.width_mm))),
        alpha: 255,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "测试证书"
type_code = "11100000000013338W999"
qr_code = 200
date_form = "YYYY-MM-DD"
[rules]
use_period = { policy = "none" }
validity = { years = 3, minus_one_day = false }
[page]
size_mm = [210, 297]
[style.plain]
font = "Hei"
size_pt = 16
[[text]]
style = "plain"
box_mm = [30, 40, 60, 8]
text = "姓名："
[[text]]
style = "plain"
box_mm = [70, 40, 60, 8]
text = "{holder.name}"
[[qr]]
box_mm = [30, 200, 25, 25]
alt = "二维码"
"#;

    fn faults(text: &str) -> Vec<String> {
        let fonts = Fonts::embedded().unwrap();
        let source = Source { file: "layouts/test.toml", text };
        load("test", &source, &fonts, &|_| None).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn labels_go_to_the_face_and_values_to_the_licence() {
        let fonts = Fonts::embedded().unwrap();
        let layout = load("test", &Source { file: "layouts/test.toml", text: GOOD }, &fonts, &|_| None).unwrap();
        assert_eq!(layout.face.items.len(), 1);
        assert_eq!(layout.sample_face.items.len(), 2, "the label and 样张 SAMPLE");
        assert_eq!(layout.slots.len(), 2);
        assert_ne!(layout.face.digest, layout.sample_face.digest);
    }

    #[test]
    fn faults_have_file_line_and_column() {
        let one =
            |from: &str, to: &str, fault: &str| assert_eq!(faults(&GOOD.replacen(from, to, 1)), [format!("layouts/test.toml:{fault}")]);
        one(
            "qr_code = 200",
            "qr_cod = 200",
            "4:1: unknown field `qr_cod`, expected one of `name`, `type_code`, \
             `type_code_provisional`, `qr_code`, `name_in_qr`, `number_shapes`, `date_form`, `words`, `rules`, `metadata`, `page`, \
             `sample_mark`, `style`, `frame`, `rosette`, `drawing`, `line`, `text`, `image`, `qr`, `seal`; did you mean `qr_code`?",
        );
        one("{holder.name}", "{holder.nmae}", "21:10: unknown placeholder `holder.nmae`; did you mean `holder.name`?");
        one("\"Hei\"", "\"Hay\"", "12:8: there is no chain of fonts `Hay`; there are Hei, HeiBold, Song, Kai");
        one("style = \"plain\"", "style = \"plian\"", "15:9: there is no [style.plian]; did you mean `plain`?");
        one("[30, 40, 60, 8]", "[30, 40, 190, 8]", "14:1: the box [30, 40, 190, 8] reaches over the edge of the page of 210 × 297 mm");
        one(
            "姓名：",
            "\u{E000}：",
            "14:1: the item `\u{E000}：` needs \u{E000} (U+E000), which no font of its chain has; add a font that has it",
        );
        one(
            "[30, 40, 60, 8]",
            "[30, 40, 10, 8]",
            "14:1: the item `姓名：` does not fit its box of 10 × 8 mm: 1 line at 16.0 pt, \
             the smallest size allowed; shorten it or give it more room",
        );
    }

    #[test]
    fn all_faults_come_together() {
        let text = GOOD.replace("{holder.name}", "{holder.nmae}").replace("姓名：", "{number").replace("25, 25]", "25, 20]");
        assert_eq!(faults(&text).len(), 3);
    }
}
