//! The signature field: a certification that allows no later change, its widget a seal of the page (ISO 32000-1 12.8).

use std::ops::Range;

use super::draw::rounded;
use super::file::{File, Ref, put, words};
use super::metadata::pdf_date;
use crate::layout::Document;
use crate::page::{Item, Length, Rect, Seal};
use crate::sign::pdf::Blank;

/// The key of the widget in the parent tree; the page has 0.
pub(super) const STRUCT_PARENT: i64 = 1;

/// The field of a page: the first seal is its widget, or the widget is invisible where the page has none.
pub(super) struct Field<'d> {
    /// Field and widget are one object (ISO 32000-1 12.5.6.19).
    pub id: Ref,
    /// The seal that the page itself does not draw.
    pub seal: Option<&'d Seal>,
    /// The items to be drawn before the seal, and those after it.
    pub items: [&'d [Item]; 2],
}

impl<'d> Field<'d> {
    pub fn of(items: &'d [Item], id: Ref) -> Self {
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

    /// Adds the field on its page, the widget of a signature.
    pub fn add(&self, file: &mut File, signature: Ref, page: Ref, appearance: Option<Ref>, height: Length) {
        let area = self.area();
        let [left, bottom, right, top] =
            [area.x, height - area.bottom(), area.right(), height - area.y].map(|length| rounded(length.to_pt(), 3));
        file.keep(self.id, |out| {
            put(out, format_args!("<</Type/Annot/Subtype/Widget/FT/Sig/T(Signature1)"));
            words(out, "TU", self.words());
            // Print, as ISO 19005-3 6.3.2 asks, and Locked.
            put(out, format_args!("/V {signature}/F {}/Rect[{left} {bottom} {right} {top}]", 4 | 128));
            put(out, format_args!("/P {page}/StructParent {STRUCT_PARENT}"));
            if let Some(appearance) = appearance {
                put(out, format_args!("/AP<</N {appearance}>>"));
            }
            out.extend_from_slice(b">>");
        });
    }

    /// What the catalog says of it. 1: there are signatures. 2: the file may only be appended to.
    pub fn write(&self, out: &mut Vec<u8>, signature: Ref) {
        put(out, format_args!("/AcroForm<</Fields[{}]/SigFlags {}>>/Perms<</DocMDP {signature}>>", self.id, 1 | 2));
    }
}

/// Where a signature that lacks its value stands in a file.
pub(super) struct Places {
    /// The inside of `ByteRange` up to its closing bracket, as wide as any numbers.
    range: Range<usize>,
    /// The token of `Contents`.
    gap: Range<usize>,
}

/// Adds the signature without its value (ISO 32000-1 12.8.1, EN 319 142-1 5).
pub(super) fn add(file: &mut File, signature: Ref, document: &Document, room: usize) -> Places {
    let (mut range, mut gap) = (0..0, 0..0);
    let start = file.plain(signature, |out| {
        let start = out.len();
        put(out, format_args!("<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached"));
        words(out, "Name", &document.author);
        words(out, "Reason", "签发电子证照");
        put(out, format_args!("/M({})", pdf_date(document.instant)));
        // ISO 32000-1 12.8.2.2: 1 allows no change at all. It stays without the digests that ISO 19005-3 6.1.12 forbids.
        put(out, format_args!("/Reference[<</Type/SigRef/TransformMethod/DocMDP"));
        put(out, format_args!("/TransformParams<</Type/TransformParams/P 1/V/1.2>>>>]/ByteRange["));
        range.start = out.len() - start;
        put(out, format_args!("{:WIDTH$}]/Contents", ""));
        range.end = range.start + WIDTH;
        gap.start = out.len() - start;
        out.push(b'<');
        out.resize(out.len() + 2 * room, b'0');
        out.push(b'>');
        gap.end = out.len() - start;
        out.extend_from_slice(b">>");
    });
    let from_start = |place: Range<usize>| start + place.start..start + place.end;
    Places { range: from_start(range), gap: from_start(gap) }
}

/// Room for four numbers, of which three are at most eight digits long.
const WIDTH: usize = "0 ".len() + 3 * "12345678".len() + 2;

/// Turns the written file into one that lacks nothing but the signature's value.
pub(super) fn blank(mut file: Vec<u8>, Places { range, gap }: Places) -> Blank {
    // Spaces fill up what the numbers leave; they are signed, as is every byte outside the gap.
    let numbers = format!("0 {} {} {}", gap.start, gap.end, file.len() - gap.end);
    file[range].copy_from_slice(format!("{numbers:WIDTH$}").as_bytes());
    Blank { file, gap }
}
