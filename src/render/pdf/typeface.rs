//! The fonts of one page part: subsets with just its glyphs, under names that its operations use.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{File, Ref, put};
use super::{RenderError, refused};
use crate::deflate::Effort;
use crate::font::{Font, FontId, Fonts, Subset};
use crate::page::{Glyph, Item};

/// Embedded fonts by the font that they are subsets of.
#[derive(Default)]
pub(super) struct Typefaces {
    /// What the names of resources start with, so that those of two parts of a page differ.
    pub prefix: String,
    faces: BTreeMap<FontId, Typeface>,
}

/// One embedded font.
pub(super) struct Typeface {
    /// What page operations call it.
    pub resource: String,
    subset: Subset,
    /// Advance widths in thousandths of an em: the whole numbers that the file states, by index in the subset.
    widths: BTreeMap<u16, u16>,
    /// The character that extraction gives for a glyph: the last one that the page uses it for.
    chars: BTreeMap<u16, char>,
    metrics: Metrics,
}

/// What the font descriptor says, in thousandths of an em.
#[derive(Clone, Copy)]
struct Metrics {
    ascent: i16,
    descent: i16,
    cap_height: i16,
    bounds: [i16; 4],
}

/// A number of font units in thousandths of an em, as PDF counts.
fn thousandths(value: f64, font: &Font) -> f64 {
    (value * 1000.0 / f64::from(font.upem)).round()
}

/// The width of those that have no other (ISO 32000-1 9.7.4.3): a full em.
const WIDE: u16 = 1000;

impl Typefaces {
    /// Subsets the fonts that the items' texts use.
    pub fn of(items: &[Item], fonts: &Fonts, prefix: &str) -> Self {
        let mut used: BTreeMap<FontId, BTreeSet<(u16, char)>> = BTreeMap::new();
        for item in items {
            let Item::Text(text) = item else { continue };
            for run in &text.runs {
                used.entry(run.font).or_default().extend(run.glyphs.iter().map(|glyph| (glyph.id, glyph.ch)));
            }
        }
        let typeface = |(number, (id, glyphs)): (usize, (FontId, BTreeSet<(u16, char)>))| {
            (id, Typeface::new(fonts.font(id), glyphs, format!("{prefix}F{number}")))
        };
        Self { prefix: prefix.to_owned(), faces: used.into_iter().enumerate().map(typeface).collect() }
    }

    /// The font of a run among the items that these fonts were made of.
    pub fn find(&self, font: FontId) -> Result<&Typeface, RenderError> {
        self.faces.get(&font).ok_or_else(|| refused("a text uses a font that was not gathered"))
    }

    /// Adds the fonts to the file; the answer is what page operations call them.
    pub fn add(&self, file: &mut File, effort: Effort) -> Vec<(String, Ref)> {
        self.faces.values().map(|typeface| (typeface.resource.clone(), typeface.add(file, effort))).collect()
    }
}

impl Typeface {
    fn new(font: &Font, glyphs: BTreeSet<(u16, char)>, resource: String) -> Self {
        let chars: Vec<(char, u16)> = glyphs.into_iter().map(|(glyph, ch)| (ch, glyph)).collect();
        let subset = crate::font::program(font, &chars);
        let index = |glyph: u16| subset.index(glyph).unwrap_or(0);
        let unit = |value: i16| thousandths(f64::from(value), font) as i16;
        let width = |glyph: u16| thousandths(f64::from(font.advance(glyph)), font) as u16;
        Self {
            resource,
            widths: chars.iter().map(|&(_, glyph)| (index(glyph), width(glyph))).collect(),
            chars: chars.iter().map(|&(ch, glyph)| (index(glyph), ch)).collect(),
            metrics: Metrics {
                ascent: unit(font.ascent),
                descent: unit(font.descent),
                cap_height: unit(font.cap_height),
                bounds: font.bounds.map(unit),
            },
            subset,
        }
    }

    /// The code of a glyph in page content.
    pub fn code(&self, glyph: Glyph) -> u16 {
        self.subset.index(glyph.id).unwrap_or(0)
    }

    /// How far the glyph moves the pen by itself, in thousandths of an em.
    pub fn width(&self, code: u16) -> f64 {
        f64::from(self.widths.get(&code).copied().unwrap_or(0))
    }

    /// A composite font over the subset: codes are its glyphs (ISO 32000-1 9.7.4, 9.7.6).
    fn add(&self, file: &mut File, effort: Effort) -> Ref {
        let Subset { name, data, .. } = &self.subset;
        let Metrics { ascent, descent, cap_height, bounds: [left, bottom, right, top] } = self.metrics;
        let program = file.deflated(format_args!("/Length1 {}", data.len()), data, effort);
        let to_unicode = file.deflated(format_args!(""), &self.to_unicode(), effort);
        let descriptor = file.small(|out| {
            put(out, format_args!("<</Type/FontDescriptor/FontName/{name}/FontBBox[{left} {bottom} {right} {top}]"));
            put(out, format_args!("/Ascent {ascent}/Descent {descent}/CapHeight {cap_height}/ItalicAngle 0/StemV 80"));
            // Symbolic: characters outside the standard Latin set (table 123).
            put(out, format_args!("/Flags 4/FontFile2 {program}>>"));
        });
        file.small(|out| {
            put(out, format_args!("<</Type/Font/Subtype/Type0/BaseFont/{name}/Encoding/Identity-H/ToUnicode {to_unicode}"));
            put(out, format_args!("/DescendantFonts[<</Type/Font/Subtype/CIDFontType2/BaseFont/{name}/CIDToGIDMap/Identity"));
            put(out, format_args!("/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/DW {WIDE}/W["));
            self.narrow(out);
            put(out, format_args!("]/FontDescriptor {descriptor}>>]>>"));
        })
    }

    /// The widths of all that are not as wide as most (ISO 32000-1 9.7.4.3).
    fn narrow(&self, out: &mut Vec<u8>) {
        let narrow: Vec<(u16, u16)> = self.widths.iter().map(|(&code, &width)| (code, width)).filter(|&(_, width)| width != WIDE).collect();
        for run in narrow.chunk_by(|one, next| one.0 + 1 == next.0) {
            for (number, (code, width)) in run.iter().enumerate() {
                if number == 0 {
                    put(out, format_args!("{code}[{width}"));
                } else {
                    put(out, format_args!(" {width}"));
                }
            }
            out.push(b']');
        }
    }

    /// The characters of the codes (ISO 32000-1 9.10.3). A range has one first byte.
    fn to_unicode(&self) -> Vec<u8> {
        let codes: Vec<(u16, char)> = self.chars.iter().map(|(&code, &ch)| (code, ch)).collect();
        let ranges: Vec<_> = codes.chunk_by(|one, next| one.0 + 1 == next.0 && one.0 >> 8 == next.0 >> 8).collect();
        let mut map = b"/CIDInit/ProcSet findresource begin 12 dict begin begincmap\n\
             /CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def/CMapName/Adobe-Identity-UCS def/CMapType 2 def\n\
             1 begincodespacerange<0000><FFFF>endcodespacerange\n"
            .to_vec();
        // A hundred ranges to a block at most.
        for block in ranges.chunks(100) {
            put(&mut map, format_args!("{} beginbfrange\n", block.len()));
            for range in block {
                put(&mut map, format_args!("<{:04X}><{:04X}>[", range[0].0, range[range.len() - 1].0));
                for (_, ch) in *range {
                    map.push(b'<');
                    for unit in ch.encode_utf16(&mut [0; 2]) {
                        put(&mut map, format_args!("{unit:04X}"));
                    }
                    map.push(b'>');
                }
                map.extend_from_slice(b"]\n");
            }
            map.extend_from_slice(b"endbfrange\n");
        }
        map.extend_from_slice(b"endcmap CMapName currentdict/CMap defineresource pop end end");
        map
    }

    /// Whether extraction gives this character for the glyph. Fonts may draw two characters with one glyph.
    pub fn means(&self, code: u16, ch: char) -> bool {
        self.chars.get(&code) == Some(&ch)
    }
}
