//! Composes samples to find what is wrong with layouts before a licence does: overlaps, fields that nothing prints.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::compose::SlotKind;
use super::{Issue, Layout, LayoutFault, Layouts};
use crate::annotation::{Wish, annotate};
use crate::font::Fonts;
use crate::page::{Item, Length, Rect, Role, Symbol, Text};
use crate::record::Record;

/// Composes every sample that the rules let through at that instant, and gathers every fault of every type.
pub fn check(layouts: &Layouts, fonts: &Fonts, samples: &[Record], at: Timestamp) -> Vec<LayoutFault> {
    let mut faults = Vec::new();
    for sample in samples {
        if let Err(nearest) = layouts.find(&sample.licence_type) {
            let hint = nearest.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
            let message = format!("there is no licence type `{}`{hint}", sample.licence_type);
            faults.push(LayoutFault { place: format!("licence {}", sample.number), message });
        }
    }
    for layout in layouts.iter() {
        let own: Vec<&Record> = samples.iter().filter(|s| s.licence_type == layout.id).collect();
        layout.check(fonts, &own, at, &mut faults);
    }
    faults
}

impl Layout {
    fn check(&self, fonts: &Fonts, samples: &[&Record], at: Timestamp, faults: &mut Vec<LayoutFault>) {
        let fault = |message: String| LayoutFault { place: format!("licence type {}", self.id), message };
        let symbol = Arc::new(Symbol { side: 49, dark: vec![true; 49 * 49] });
        let mut composed = 0;
        for record in samples {
            let about = |message: String| LayoutFault { place: format!("licence type {}: licence {}", self.id, record.number), message };
            if !self.number_fits(&record.number) {
                faults.push(about("the number has none of the shapes that number_shapes gives".to_owned()));
            }
            for unused in record.fields.keys().filter(|f| !self.fields().contains(f.as_str())) {
                faults.push(about(format!("nothing prints `fields.{unused}`")));
            }
            let Ok(annotated) = annotate(record, &self.rules, at, Wish::default()) else { continue };
            composed += 1;
            let issue = Issue {
                annotated: &annotated,
                identifier: &self.identifier(record),
                statement: b"{}",
                qr: "",
                symbol: Arc::clone(&symbol),
                at,
                test: true,
            };
            match self.items(fonts, &issue) {
                Ok(items) => faults.extend(self.overlaps(&items).into_iter().map(about)),
                Err(found) => faults.extend(found),
            }
        }
        if composed == 0 {
            faults.push(fault("no sample of this type can be issued, so nobody has seen it".to_owned()));
        }
        for unseen in self.fields().into_iter().filter(|f| !samples.iter().any(|s| s.fields.contains_key(*f))) {
            faults.push(fault(format!("no sample has `fields.{unseen}`; add one, or correct the name")));
        }
    }

    /// The further fields that this type uses.
    fn fields(&self) -> BTreeSet<&str> {
        let texts = self.slots.iter().filter_map(|slot| match &slot.kind {
            SlotKind::Text(text) => Some(&text.template),
            SlotKind::Image(_) | SlotKind::Qr { .. } | SlotKind::Seal(_) => None,
        });
        texts.chain(self.metadata.templates()).flat_map(super::template::Template::fields).collect()
    }

    /// Items that touch and must not.
    fn overlaps(&self, items: &[(usize, Item)]) -> Vec<String> {
        let face = self.face.items.iter().zip(&self.face_over).filter(|(_, over)| !**over).map(|(item, _)| (usize::MAX, item));
        let own = items.iter().filter(|(slot, _)| !self.slots[*slot].over).map(|(slot, item)| (*slot, item));
        let drawn: Vec<(usize, String, Vec<Rect>)> = face.chain(own).map(|(slot, item)| (slot, label(item), drawn(item))).collect();
        let mut found = Vec::new();
        for (i, (slot, one, mine)) in drawn.iter().enumerate() {
            for (other_slot, other, theirs) in &drawn[i + 1..] {
                let same_slot = slot == other_slot && *slot != usize::MAX;
                if !same_slot && mine.iter().any(|a| theirs.iter().any(|b| a.overlaps(b))) {
                    found.push(format!("{one} and {other} touch; move one, or say over = true"));
                }
            }
        }
        found
    }
}

fn label(item: &Item) -> String {
    match item {
        Item::Text(text) => format!("`{}`", text.content.replace('\n', " ")),
        Item::Image(image) => format!("the picture `{}`", image.alt),
        Item::Qr(qr) => format!("the QR code `{}`", qr.alt),
        Item::Seal(seal) => format!("the seal `{}`", seal.alt),
        Item::Path(_) => "a path".to_owned(),
    }
}

/// Where an item leaves ink, in upright rectangles. Paths lie under everything.
fn drawn(item: &Item) -> Vec<Rect> {
    match item {
        Item::Text(text) if text.role == Role::Ornament => Vec::new(),
        Item::Text(text) => lines(text),
        Item::Image(image) => vec![image.area],
        Item::Qr(qr) => vec![qr.area],
        Item::Seal(seal) => vec![seal.area],
        Item::Path(_) => Vec::new(),
    }
}

/// From the top of Han characters to their foot; the em box has a little air around both.
fn lines(text: &Text) -> Vec<Rect> {
    let line = |run: &crate::page::Run| {
        let top = run.origin.y - run.size.scaled(0.83);
        Rect { x: run.origin.x, y: top, w: run.width().max(Length::ZERO), h: run.size.scaled(0.91) }
    };
    text.runs.iter().map(line).collect()
}
