//! The signature field: a certification that allows no later change, its widget a seal of the page (ISO 32000-1 12.8).

use lopdf::{Dictionary, Object, ObjectId, dictionary};

use super::draw::rounded;
use super::metadata::{pdf_date, words};
use super::{RenderError, refused};
use crate::layout::Document;
use crate::page::{Item, Rect, Seal};
use crate::sign::pdf::Blank;

/// The key of the widget in the parent tree; the page has 0.
pub(super) const STRUCT_PARENT: i64 = 1;

/// The field of a page: the first seal is its widget, or the widget is invisible where the page has none.
pub(super) struct Field<'d> {
    /// Field and widget are one object (ISO 32000-1 12.5.6.19).
    pub id: ObjectId,
    /// The seal that the page itself does not draw.
    pub seal: Option<&'d Seal>,
    /// The items to be drawn before the seal, and those after it.
    pub items: [&'d [Item]; 2],
}

impl<'d> Field<'d> {
    pub fn of(items: &'d [Item], id: ObjectId) -> Self {
        let found = items.iter().enumerate().find_map(|(at, item)| if let Item::Seal(seal) = item { Some((at, seal)) } else { None });
        match found {
            Some((at, seal)) => Self { id, seal: Some(seal), items: [&items[..at], &items[at + 1..]] },
            None => Self { id, seal: None, items: [items, &[]] },
        }
    }

    /// What is read out for it.
    pub fn words(&self) -> &'d str {
        self.seal.map_or("电子签名", |seal| &seal.alt)
    }

    /// Where it is shown; nowhere when nothing is.
    pub fn area(&self) -> Rect {
        self.seal.map(|seal| seal.area).unwrap_or_default()
    }

    /// Adds the signature as the file's last object, with room for so many bytes, and the field on its page.
    pub fn add(
        &self,
        file: &mut lopdf::Document,
        catalog: &mut Dictionary,
        (page, appearance): (ObjectId, Option<ObjectId>),
        document: &Document,
        room: usize,
    ) {
        let signature = file.add_object(signature(document, room));
        let (area, height) = (self.area(), document.page.size.1);
        let corners = [area.x, height - area.bottom(), area.right(), height - area.y].map(|l| Object::Real(rounded(l.to_pt(), 3)));
        let mut widget = dictionary! {
            "Type" => "Annot",
            "Subtype" => "Widget",
            "FT" => "Sig",
            "T" => Object::string_literal("Signature1"),
            "TU" => words(self.words()),
            "V" => signature,
            // Print, as ISO 19005-3 6.3.2 asks, and Locked.
            "F" => 4 | 128,
            "Rect" => corners.to_vec(),
            "P" => page,
            "StructParent" => STRUCT_PARENT,
        };
        if let Some(appearance) = appearance {
            widget.set("AP", dictionary! { "N" => appearance });
        }
        file.set_object(self.id, widget);
        // 1: there are signatures. 2: the file may only be appended to.
        catalog.set("AcroForm", dictionary! { "Fields" => vec![self.id.into()], "SigFlags" => 1 | 2 });
        catalog.set("Perms", dictionary! { "DocMDP" => signature });
    }
}

/// The signature without its value (ISO 32000-1 12.8.1, EN 319 142-1 5).
fn signature(document: &Document, room: usize) -> Dictionary {
    // ISO 32000-1 12.8.2.2: 1 allows no change at all. It stays without the digests that ISO 19005-3 6.1.12 forbids.
    let parameters = dictionary! { "Type" => "TransformParams", "P" => 1, "V" => "1.2" };
    let certifies = dictionary! { "Type" => "SigRef", "TransformMethod" => "DocMDP", "TransformParams" => parameters };
    dictionary! {
        "Type" => "Sig",
        "Filter" => "Adobe.PPKLite",
        "SubFilter" => "ETSI.CAdES.detached",
        "Name" => words(&document.author),
        "Reason" => words("签发电子证照"),
        "M" => Object::string_literal(pdf_date(document.instant)),
        "Reference" => vec![Object::from(certifies)],
        "ByteRange" => vec![0.into(), UNKNOWN.into(), UNKNOWN.into(), UNKNOWN.into()],
        // A literal string of these digits is as long as a hexadecimal one, and is written much faster.
        "Contents" => Object::string_literal(vec![b'0'; 2 * room]),
    }
}

/// Ten digits, as long as any offset in a cross-reference table.
const UNKNOWN: i64 = 9_999_999_999;

/// Turns the written file into one that lacks nothing but the signature's value.
pub(super) fn blank(mut file: Vec<u8>, room: usize) -> Result<Blank, RenderError> {
    let missing = || refused("the signature was not written as expected");
    // The signature is the last object, so that behind it no stream can hold these words.
    let behind = |words: &[u8]| file.windows(words.len()).rposition(|w| w == words).map(|at| at + words.len()).ok_or_else(missing);
    let (range, contents) = (behind(b"/ByteRange[")?, behind(b"/Contents(")?);
    let gap = contents - 1..contents + 2 * room + 1;
    let width = file[range..].iter().position(|&byte| byte == b']').ok_or_else(missing)?;
    if file.get(gap.end - 1) != Some(&b')') {
        return Err(missing());
    }
    // Spaces fill up what the numbers leave; they are signed, as is every byte outside the gap.
    let numbers = format!("{:<width$}", format!("0 {} {} {}]", gap.start, gap.end, file.len() - gap.end), width = width + 1);
    file[range..=range + width].copy_from_slice(numbers.as_bytes());
    (file[gap.start], file[gap.end - 1]) = (b'<', b'>');
    Ok(Blank { file, gap })
}
