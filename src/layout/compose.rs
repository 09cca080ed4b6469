//! One licence on its layout: values filled in and set, every fault gathered.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::spec::{Each, ImageSource};
use super::template::{Facts, Template, Value, ValueFault};
use super::typeset::{SetFault, Style, set};
use super::{Document, Issue, Layout, LayoutFault};
use crate::font::Fonts;
use crate::page::{Image, Item, Length, Page, Path, Point, Qr, Rect, Rgb, Role, Seal, Segment, Text};

/// Where one item of a licence stands in the layout.
pub(super) struct Slot {
    /// File, line and column.
    pub place: String,
    /// What messages call it.
    pub label: String,
    /// Whether it may touch other items.
    pub over: bool,
    pub kind: SlotKind,
}

pub(super) enum SlotKind {
    Text(TextSlot),
    Image(ImageSlot),
    Qr { area: Rect, alt: String },
    Seal(Seal),
}

pub(super) struct TextSlot {
    pub role: Role,
    pub name: Option<String>,
    pub style: Style,
    pub area: Rect,
    pub template: Template,
    pub each: Option<Each>,
    pub when: Option<Value>,
    /// The set words, when they are the same on every licence that has them.
    pub fixed: Option<Text>,
}

pub(super) struct ImageSlot {
    pub area: Rect,
    pub source: ImageSource,
    pub alt: String,
    pub optional: bool,
    pub border: Option<(Rgb, Length)>,
}

impl Layout {
    pub(super) fn facts<'a>(&'a self, issue: &'a Issue<'a>) -> Facts<'a> {
        Facts { type_name: &self.name, type_code: &self.type_code, issue, entry: None }
    }

    /// The items of one licence in reading order, each with the index of its slot; and every fault.
    pub(super) fn items(&self, fonts: &Fonts, issue: &Issue) -> Result<Vec<(usize, Item)>, Vec<LayoutFault>> {
        let facts = self.facts(issue);
        let mut items = Vec::with_capacity(self.slots.len());
        let mut faults = Vec::new();
        for (index, slot) in self.slots.iter().enumerate() {
            let mut push = |item| items.push((index, item));
            let set = match &slot.kind {
                SlotKind::Text(text) => text.item(fonts, &facts, &slot.label).map(|item| item.into_iter().for_each(push)),
                SlotKind::Image(image) => image.items(issue).map(|items| items.into_iter().for_each(push)),
                SlotKind::Qr { area, alt } => {
                    push(Item::Qr(Qr { area: *area, symbol: Arc::clone(&issue.symbol), alt: alt.clone() }));
                    Ok(())
                }
                SlotKind::Seal(seal) => {
                    push(Item::Seal(seal.clone()));
                    Ok(())
                }
            };
            if let Err(message) = set {
                let number = &issue.annotated.record().number;
                faults.push(LayoutFault { place: format!("{}: licence {number}", slot.place), message });
            }
        }
        if faults.is_empty() { Ok(items) } else { Err(faults) }
    }

    /// Whether the page can be set: its faults, as [`Self::compose`] gathers them.
    pub fn can_set(&self, fonts: &Fonts, issue: &Issue) -> Result<(), Vec<LayoutFault>> {
        self.items(fonts, issue).map(drop)
    }

    /// Sets the page for one licence. Gathers every fault: a missing glyph, an overflow, a field that is not there.
    pub fn compose(&self, fonts: &Fonts, issue: &Issue) -> Result<Document, Vec<LayoutFault>> {
        let items: Vec<Item> = self.items(fonts, issue)?.into_iter().map(|(_, item)| item).collect();
        let metadata = self.metadata.list(&self.facts(issue), &items);
        let record = issue.annotated.record();
        let face = if issue.test { &self.sample_face } else { &self.face };
        let digest: [u8; 32] = Sha256::digest(issue.statement).into();
        Ok(Document {
            page: Page { size: self.size, face: Arc::clone(face), items },
            title: self.name.clone(),
            author: record.issuer.name.clone(),
            subject: record.number.clone(),
            id: *digest.first_chunk().expect("SHA-256 has 32 bytes"),
            instant: issue.at,
            test: issue.test,
            metadata,
            code: issue.qr.to_owned(),
            statement: issue.statement.to_vec(),
        })
    }
}

impl TextSlot {
    fn item(&self, fonts: &Fonts, facts: &Facts, label: &str) -> Result<Option<Item>, String> {
        if self.when.as_ref().is_some_and(|value| !facts.has(value)) {
            return Ok(None);
        }
        if let Some(fixed) = &self.fixed {
            return Ok(Some(Item::Text(fixed.clone())));
        }
        let words = self.words(facts).map_err(|fault| format!("the item `{label}` {fault}"))?;
        let setting = set(fonts, &self.style, self.area, &words).map_err(|fault| fault.message(label, self.area))?;
        Ok(Some(Item::Text(Text {
            role: self.role,
            name: self.name.clone(),
            content: setting.content,
            runs: setting.runs,
            color: self.style.color,
            rotation: 0.0,
            area: self.area,
        })))
    }

    fn words(&self, facts: &Facts) -> Result<String, ValueFault> {
        let mut words = String::new();
        match self.each {
            None => self.template.fill(facts, &mut words)?,
            Some(Each::Specialties) => {
                for entry in facts.issue.annotated.live() {
                    if !words.is_empty() {
                        words.push('\n');
                    }
                    self.template.fill(&Facts { entry: Some(entry), ..*facts }, &mut words)?;
                }
                if words.is_empty() {
                    return Err(ValueFault::Missing("specialties".to_owned()));
                }
            }
        }
        Ok(words)
    }
}

impl ImageSlot {
    fn items(&self, issue: &Issue) -> Result<Vec<Item>, String> {
        let holder = &issue.annotated.record().holder;
        let (picture, field) = match self.source {
            ImageSource::Photo => (&holder.photo, "holder.photo"),
            ImageSource::Signature => (&holder.signature, "holder.signature"),
        };
        let Some(picture) = picture else {
            return if self.optional {
                Ok(Vec::new())
            } else {
                Err(format!("the picture `{}` needs `{field}`, which the record does not have", self.alt))
            };
        };
        let area = self.area.fit(picture.width, picture.height);
        let border = self.border.map(|stroke| Item::Path(outline(area, stroke)));
        let image = Item::Image(Image { area, picture: Arc::clone(picture), alt: self.alt.clone() });
        Ok(std::iter::once(image).chain(border).collect())
    }
}

impl SetFault {
    /// In words, for one item.
    pub fn message(&self, label: &str, area: Rect) -> String {
        match self {
            Self::NoGlyph(missing) => {
                let named: Vec<String> = missing.iter().map(|&ch| named(ch)).collect();
                format!("the item `{label}` needs {}, which no font of its chain has; add a font that has it", named.join(", "))
            }
            Self::Overflow { tenths, lines } => format!(
                "the item `{label}` does not fit its box of {} × {} mm: {lines} {} at {}.{} pt, the smallest size allowed; shorten it or give it more room",
                area.w,
                area.h,
                if *lines == 1 { "line" } else { "lines" },
                tenths / 10,
                tenths % 10,
            ),
        }
    }
}

/// A character and its code point; a control character by its code point alone.
fn named(ch: char) -> String {
    let code = u32::from(ch);
    if ch.is_control() { format!("U+{code:04X}") } else { format!("{ch} (U+{code:04X})") }
}

fn outline(area: Rect, stroke: (Rgb, Length)) -> Path {
    let corner = |x, y| Point { x, y };
    let segments = vec![
        Segment::Move(corner(area.x, area.y)),
        Segment::Line(corner(area.right(), area.y)),
        Segment::Line(corner(area.right(), area.bottom())),
        Segment::Line(corner(area.x, area.bottom())),
        Segment::Close,
    ];
    Path { at: Point::default(), segments, fill: None, stroke: Some(stroke), alpha: 255 }
}
