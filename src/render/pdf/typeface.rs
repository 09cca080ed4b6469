//! The fonts of one page part: subsets with just its glyphs, under names that its operations use.

use std::collections::{BTreeMap, BTreeSet};

use lopdf::{Dictionary, Object};
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

    /// Sets right what printpdf can only guess about fonts that it did not parse, and compresses them.
    pub fn complete(&self, printed: &Dictionary, file: &mut lopdf::Document, deflater: &mut Deflater) -> Result<(), RenderError> {
        let fonts = printed.get(b"Font").and_then(Object::as_dict).map_err(refused)?;
        for typeface in self.faces.values() {
            let font = fonts.get(typeface.resource.0.as_bytes()).and_then(Object::as_reference).map_err(refused)?;
            let font = file.get_dictionary(font).map_err(refused)?;
            let to_unicode = font.get(b"ToUnicode").and_then(Object::as_reference).map_err(refused)?;
            let descendants = font.get(b"DescendantFonts").and_then(Object::as_array).map_err(refused)?;
            let descendant = descendants.first().ok_or_else(|| refused("a font without descendant"))?.as_dict().map_err(refused)?;
            let descriptor = descendant.get(b"FontDescriptor").and_then(Object::as_reference).map_err(refused)?;
            let descriptor = file.get_dictionary_mut(descriptor).map_err(refused)?;
            descriptor.set("CapHeight", typeface.metrics.cap_height);
            // Symbolic: characters outside the standard Latin set (ISO 32000-1 table 123).
            descriptor.set("Flags", 4);
            let program = descriptor.get(b"FontFile2").and_then(Object::as_reference).map_err(refused)?;
            for stream in [program, to_unicode] {
                deflater.compress(file.get_object_mut(stream).and_then(Object::as_stream_mut).map_err(refused)?);
            }
        }
        Ok(())
    }
}

impl Typeface {
    fn new(font: &Font, glyphs: BTreeSet<(u16, char)>, resource: printpdf::FontId) -> Self {
        let chars: Vec<(char, u16)> = glyphs.into_iter().map(|(glyph, ch)| (ch, glyph)).collect();
        let subset = crate::font::subset(font, &chars);
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
