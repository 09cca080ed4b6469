//! The fonts of one page part: subsets with just its glyphs, under names that its operations use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use lopdf::{Dictionary, Object, Stream};
use printpdf::{Codepoint, FontMetrics, ParsedFont, PdfFont};

use super::print::Deflater;
use super::{RenderError, refused};
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
    pub resource: printpdf::FontId,
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

/// The width that `printpdf` states as the default: a full em.
const WIDE: u16 = 1000;

fn put(text: &mut String, piece: std::fmt::Arguments) {
    text.write_fmt(piece).expect("a string takes it");
}

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
            let resource = printpdf::FontId(format!("{prefix}F{number}"));
            (id, Typeface::new(fonts.font(id), glyphs, resource))
        };
        Self { prefix: prefix.to_owned(), faces: used.into_iter().enumerate().map(typeface).collect() }
    }

    /// The font of a run among the items that these fonts were made of.
    pub fn find(&self, font: FontId) -> Result<&Typeface, RenderError> {
        self.faces.get(&font).ok_or_else(|| refused("a text uses a font that was not gathered"))
    }

    /// The fonts in printpdf's form.
    pub fn resources(&self) -> printpdf::PdfFontMap {
        let font = |typeface: &Typeface| (typeface.resource.clone(), PdfFont::new(typeface.parsed()));
        printpdf::PdfFontMap { map: self.faces.values().map(font).collect() }
    }

    /// Sets right what printpdf can only guess about fonts that it did not parse, says the rest shorter, and compresses them.
    pub fn complete(&self, printed: &Dictionary, file: &mut lopdf::Document, deflater: &Deflater) -> Result<(), RenderError> {
        let fonts = printed.get(b"Font").and_then(Object::as_dict).map_err(refused)?;
        for typeface in self.faces.values() {
            let font = fonts.get(typeface.resource.0.as_bytes()).and_then(Object::as_reference).map_err(refused)?;
            let font = file.get_dictionary_mut(font).map_err(refused)?;
            let to_unicode = font.get(b"ToUnicode").and_then(Object::as_reference).map_err(refused)?;
            let descendants = font.get_mut(b"DescendantFonts").and_then(Object::as_array_mut).map_err(refused)?;
            let descendant = descendants.first_mut().ok_or_else(|| refused("a font without descendant"))?.as_dict_mut().map_err(refused)?;
            descendant.set("W", typeface.narrow());
            let descriptor = descendant.get(b"FontDescriptor").and_then(Object::as_reference).map_err(refused)?;
            let descriptor = file.get_dictionary_mut(descriptor).map_err(refused)?;
            descriptor.set("CapHeight", typeface.metrics.cap_height);
            // Symbolic: characters outside the standard Latin set (ISO 32000-1 table 123).
            descriptor.set("Flags", 4);
            let program = descriptor.get(b"FontFile2").and_then(Object::as_reference).map_err(refused)?;
            let stream = |file: &mut lopdf::Document, id, change: &mut dyn FnMut(&mut Stream)| {
                file.get_object_mut(id).and_then(Object::as_stream_mut).map(change).map_err(refused)
            };
            stream(file, program, &mut |program| deflater.compress(program))?;
            stream(file, to_unicode, &mut |map| {
                map.set_plain_content(typeface.to_unicode().into_bytes());
                deflater.compress(map);
            })?;
        }
        Ok(())
    }
}

impl Typeface {
    fn new(font: &Font, glyphs: BTreeSet<(u16, char)>, resource: printpdf::FontId) -> Self {
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

    /// `W` for all that are not as wide as most: the rest have the default width (ISO 32000-1 9.7.4.3).
    fn narrow(&self) -> Vec<Object> {
        let narrow: Vec<(u16, u16)> = self.widths.iter().map(|(&code, &width)| (code, width)).filter(|&(_, width)| width != WIDE).collect();
        let runs = narrow.chunk_by(|one, next| one.0 + 1 == next.0);
        runs.flat_map(|run| [run[0].0.into(), run.iter().map(|&(_, width)| width.into()).collect::<Vec<Object>>().into()]).collect()
    }

    /// The characters of the codes (ISO 32000-1 9.10.3). A range has one first byte.
    fn to_unicode(&self) -> String {
        let codes: Vec<(u16, char)> = self.chars.iter().map(|(&code, &ch)| (code, ch)).collect();
        let ranges: Vec<_> = codes.chunk_by(|one, next| one.0 + 1 == next.0 && one.0 >> 8 == next.0 >> 8).collect();
        let mut map = String::from(
            "/CIDInit/ProcSet findresource begin 12 dict begin begincmap\n\
             /CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def/CMapName/Adobe-Identity-UCS def/CMapType 2 def\n\
             1 begincodespacerange<0000><FFFF>endcodespacerange\n",
        );
        // A hundred ranges to a block at most.
        for block in ranges.chunks(100) {
            put(&mut map, format_args!("{} beginbfrange\n", block.len()));
            for range in block {
                put(&mut map, format_args!("<{:04X}><{:04X}>[", range[0].0, range[range.len() - 1].0));
                for (_, ch) in *range {
                    let units: String = ch.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("{unit:04X}")).collect();
                    put(&mut map, format_args!("<{units}>"));
                }
                map.push_str("]\n");
            }
            map.push_str("endbfrange\n");
        }
        map.push_str("endcmap CMapName currentdict/CMap defineresource pop end end");
        map
    }

    /// Whether extraction gives this character for the glyph. Fonts may draw two characters with one glyph.
    pub fn means(&self, code: u16, ch: char) -> bool {
        self.chars.get(&code) == Some(&ch)
    }

    /// A glyph for `Op::ShowText` with its character and the gap that follows it.
    pub fn codepoint(&self, code: u16, gap: f64) -> Codepoint {
        let text = self.chars.get(&code).map(char::to_string);
        Codepoint { gid: code, offset: gap as f32, cid: text }
    }

    fn parsed(&self) -> ParsedFont {
        let metrics = FontMetrics { ascent: self.metrics.ascent, descent: self.metrics.descent };
        let (data, name) = (self.subset.data.clone(), Some(self.subset.name.clone()));
        // Widths and metrics are in thousandths already, hence 1000 units to the em.
        let mut parsed = ParsedFont::with_glyph_data(data, 0, name, BTreeMap::new(), self.widths.clone(), 1000, metrics);
        let [left, bottom, right, top] = self.metrics.bounds;
        let known = &mut parsed.pdf_font_metrics;
        (known.x_min, known.y_min, known.x_max, known.y_max) = (left, bottom, right, top);
        parsed
    }
}
