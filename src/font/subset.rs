//! TrueType subsets: just the glyphs that a document uses, copied out of tables that were found once.

use std::ops::Range;

use skrifa::raw::types::Tag;
use skrifa::{FontRef, raw::TableProvider};

use super::Font;
use super::sfnt::{File, u16_at, u32_at, write_cmap, write_name};

/// A font with only some glyphs.
#[derive(Clone)]
pub struct Subset {
    /// PostScript and family name, subset tag first: `ABCDEF+CertpressHei`.
    pub name: String,
    /// The font file.
    pub data: Vec<u8>,
    /// Glyph ids of the whole font in the subset's order: index 0 is .notdef, then those asked for, then parts of composites.
    pub glyphs: Vec<u16>,
    /// Where in `glyphs` those are that were asked for, at first and later: each time they ascend.
    asked: Vec<Range<usize>>,
    /// What was asked for: code points and glyph ids of the whole font, ascending.
    codes: Vec<(u32, u16)>,
}

impl Subset {
    /// A glyph's index in the subset.
    pub fn index(&self, glyph: u16) -> Option<u16> {
        index(&self.glyphs, &self.asked, glyph)
    }
}

fn index(glyphs: &[u16], asked: &[Range<usize>], glyph: u16) -> Option<u16> {
    let among = |range: &Range<usize>| glyphs[range.clone()].binary_search(&glyph).ok().map(|i| range.start + i);
    let found = asked.iter().find_map(among).or_else(|| glyphs.iter().position(|&other| other == glyph))?;
    Some(found as u16)
}

/// Copies the glyphs of `chars` (character and glyph id, in any order) into a font of its own.
pub fn subset(font: &Font, chars: &[(char, u16)]) -> Subset {
    font.tables.subset(&font.name, None, chars, true)
}

/// A subset with more characters, in which the glyphs that it has keep their indexes.
pub fn extended(font: &Font, subset: &Subset, chars: &[(char, u16)]) -> Subset {
    font.tables.subset(&font.name, Some(subset), chars, true)
}

/// The same without what a PDF says itself: characters, names, style (ISO 32000-1 table 126).
pub fn program(font: &Font, chars: &[(char, u16)]) -> Subset {
    font.tables.subset(&font.name, None, chars, false)
}

/// Where the tables lie that a subset is copied from. Hinting and layout tables are left behind.
pub(super) struct Tables {
    head: &'static [u8],
    hhea: &'static [u8],
    maxp: &'static [u8],
    os2: Option<&'static [u8]>,
    post: Option<&'static [u8]>,
    hmtx: &'static [u8],
    loca: &'static [u8],
    glyf: &'static [u8],
    long_loca: bool,
    long_metrics: u16,
    pub(super) glyph_count: u16,
}

/// Bytes of `head`, `hhea`, `maxp` 1.0 and `post` (OpenType 1.9), all of fixed length; `OS/2` as far as its version 0 goes.
const HEAD: usize = 54;
const HHEA: usize = 36;
const MAXP: usize = 32;
const POST: usize = 32;
const OS2: usize = 78;

impl Tables {
    /// Finds the tables, or says which one stands in the way of embedding this font.
    pub(super) fn find(font: &FontRef<'static>) -> Result<Self, String> {
        let table = |tag: &[u8; 4]| font.data_for_tag(Tag::new(tag)).map(|data| data.as_bytes());
        let needed = |tag: &[u8; 4], least: usize| {
            let name = String::from_utf8_lossy(tag);
            let found = table(tag).ok_or_else(|| format!("there is no table `{name}`"))?;
            found.get(..least).map(|_| found).ok_or_else(|| format!("table `{name}` has {} bytes, fewer than {least}", found.len()))
        };
        let (head, hhea, maxp) = (needed(b"head", HEAD)?, needed(b"hhea", HHEA)?, needed(b"maxp", MAXP)?);
        let (glyph_count, long_metrics) = (u16_at(maxp, 4), u16_at(hhea, 34));
        let long_loca = u16_at(head, 50) != 0;
        if glyph_count == 0 || long_metrics == 0 || long_metrics > glyph_count {
            return Err(format!("{glyph_count} glyphs with {long_metrics} advance widths cannot be"));
        }
        let (all, wide) = (usize::from(glyph_count), usize::from(long_metrics));
        let tables = Self {
            head: &head[..HEAD],
            hhea: &hhea[..HHEA],
            maxp: &maxp[..MAXP],
            os2: table(b"OS/2").filter(|t| t.len() >= OS2),
            post: table(b"post").and_then(|t| t.get(..POST)),
            hmtx: needed(b"hmtx", wide * 2 + all * 2)?,
            loca: needed(b"loca", (all + 1) * if long_loca { 4 } else { 2 })?,
            glyf: needed(b"glyf", 0)?,
            long_loca,
            long_metrics,
            glyph_count,
        };
        // fsType 2: the maker of the font allows no embedding at all (OpenType, OS/2).
        if tables.os2.is_some_and(|t| u16_at(t, 8) & 0x000f == 0x0002) {
            return Err("its licence bits (OS/2 fsType) forbid embedding; choose another font".to_owned());
        }
        if let Some(glyph) = (0..glyph_count).find(|&g| tables.place(g).is_none()) {
            return Err(format!("glyph {glyph} lies outside the table `glyf`"));
        }
        Ok(tables)
    }

    /// Advance width and left side bearing in font units.
    pub(super) fn metrics(&self, glyph: u16) -> (u16, i16) {
        if glyph >= self.glyph_count {
            return (0, 0);
        }
        // After the last full entry only bearings follow; the last width holds for the rest.
        let last = self.long_metrics - 1;
        let advance = u16_at(self.hmtx, usize::from(glyph.min(last)) * 4);
        let bearing = if glyph <= last { usize::from(glyph) * 4 + 2 } else { usize::from(glyph) * 2 + usize::from(last) * 2 + 2 };
        (advance, u16_at(self.hmtx, bearing).cast_signed())
    }

    /// The box of a glyph's points in font units: left, bottom, right, top; none for a blank one.
    pub(super) fn ink(&self, glyph: u16) -> Option<[i16; 4]> {
        let header = self.glyph(glyph).get(2..10)?;
        Some([0, 2, 4, 6].map(|at| u16_at(header, at).cast_signed()))
    }

    fn place(&self, glyph: u16) -> Option<&'static [u8]> {
        let at = |i: usize| {
            if self.long_loca { u32_at(self.loca, i * 4) as usize } else { usize::from(u16_at(self.loca, i * 2)) * 2 }
        };
        let glyph = usize::from(glyph);
        self.glyf.get(at(glyph)..at(glyph + 1))
    }

    /// A glyph's description; empty for a blank one.
    fn glyph(&self, glyph: u16) -> &'static [u8] {
        if glyph < self.glyph_count { self.place(glyph).unwrap_or_default() } else { &[] }
    }

    /// After the glyphs of the subset `first`; `whole` with the tables that a reader of the file alone needs.
    fn subset(&self, name: &str, first: Option<&Subset>, chars: &[(char, u16)], whole: bool) -> Subset {
        let mut codes: Vec<(u32, u16)> = chars.iter().map(|&(ch, glyph)| (u32::from(ch), glyph)).collect();
        codes.extend(first.into_iter().flat_map(|first| &first.codes));
        codes.sort_unstable();
        codes.dedup();
        let (glyphs, asked) = self.closure(first, &codes);
        let index = |glyph: u16| index(&glyphs, &asked, glyph).unwrap_or(0);
        let name = format!("{}+{name}", self.tag(&codes));

        let outlines: usize = glyphs.iter().map(|&g| self.glyph(g).len() + 3).sum();
        let os2 = self.os2.filter(|_| whole);
        let tables = if whole { 9 + usize::from(os2.is_some()) } else { 6 };
        let mut file = File::new(tables, outlines + glyphs.len() * 40 + 1024);
        if let Some(os2) = os2 {
            file.table(*b"OS/2", |out| {
                let start = out.len();
                out.extend_from_slice(os2);
                let code = |c: Option<&(u32, u16)>| c.map_or(0, |c| u16::try_from(c.0).unwrap_or(u16::MAX)).to_be_bytes();
                out[start + 64..start + 66].copy_from_slice(&code(codes.first()));
                out[start + 66..start + 68].copy_from_slice(&code(codes.last()));
            });
        }
        if whole {
            file.table(*b"cmap", |out| {
                let mut map: Vec<(u32, u16)> = codes.iter().map(|&(code, glyph)| (code, index(glyph))).collect();
                map.dedup_by_key(|(code, _)| *code); // a character drawn with a second glyph maps to the first
                write_cmap(out, &map);
            });
        }
        let mut ends = Vec::with_capacity(glyphs.len());
        file.table(*b"glyf", |out| {
            let start = out.len();
            for &glyph in &glyphs {
                // No text uses .notdef: it draws nothing.
                copy_glyph(out, if glyph == 0 { &[] } else { self.glyph(glyph) }, index);
                // Short offsets count in pairs of bytes; four is what the specification recommends.
                out.resize(start + (out.len() - start).next_multiple_of(4), 0);
                ends.push((out.len() - start) as u32);
            }
        });
        let short = ends.last().is_none_or(|&end| u16::try_from(end / 2).is_ok());
        file.table(*b"head", |out| {
            let start = out.len();
            out.extend_from_slice(self.head);
            out[start + 8..start + 12].fill(0); // checkSumAdjustment, known at the end
            out[start + 50..start + 52].copy_from_slice(&u16::from(!short).to_be_bytes());
        });
        let metrics: Vec<(u16, i16)> = glyphs.iter().map(|&glyph| self.metrics(glyph)).collect();
        // The last width holds for all that follow it: most are Han, and a full em wide. Readers of whole files are simpler.
        let alike = metrics.iter().rev().take_while(|(advance, _)| Some(*advance) == metrics.last().map(|last| last.0)).count();
        let wide = if whole { metrics.len() } else { metrics.len() - alike + 1 };
        file.table(*b"hhea", |out| {
            out.extend_from_slice(&self.hhea[..34]);
            out.extend_from_slice(&(wide as u16).to_be_bytes());
        });
        file.table(*b"hmtx", |out| {
            for (number, (advance, bearing)) in metrics.iter().enumerate() {
                if number < wide {
                    out.extend_from_slice(&advance.to_be_bytes());
                }
                out.extend_from_slice(&bearing.to_be_bytes());
            }
        });
        file.table(*b"loca", |out| {
            for end in std::iter::once(0).chain(ends) {
                if short {
                    out.extend_from_slice(&((end / 2) as u16).to_be_bytes());
                } else {
                    out.extend_from_slice(&end.to_be_bytes());
                }
            }
        });
        file.table(*b"maxp", |out| {
            out.extend_from_slice(&self.maxp[..4]);
            out.extend_from_slice(&(glyphs.len() as u16).to_be_bytes());
            out.extend_from_slice(&self.maxp[6..]);
        });
        if whole {
            file.table(*b"name", |out| write_name(out, &name));
            file.table(*b"post", |out| {
                out.extend_from_slice(&0x0003_0000_u32.to_be_bytes()); // version 3: no glyph names
                out.extend_from_slice(&self.post.unwrap_or(&[0; POST])[4..]);
            });
        }
        Subset { name, data: file.finish(), glyphs, asked, codes }
    }

    /// All glyphs of the subset in their order, and which of them were asked for.
    fn closure(&self, first: Option<&Subset>, codes: &[(u32, u16)]) -> (Vec<u16>, Vec<Range<usize>>) {
        let (mut glyphs, mut asked) = first.map_or((vec![0], Vec::new()), |first| (first.glyphs.clone(), first.asked.clone()));
        let mut done = glyphs.len();
        let mut more: Vec<u16> = codes.iter().map(|&(_, glyph)| glyph).filter(|&glyph| index(&glyphs, &asked, glyph).is_none()).collect();
        more.sort_unstable();
        more.dedup();
        glyphs.append(&mut more);
        asked.push(done..glyphs.len());
        while let Some(&glyph) = glyphs.get(done) {
            for part in Parts::of(self.glyph(glyph)) {
                if !glyphs.contains(&part.glyph) && part.glyph < self.glyph_count {
                    glyphs.push(part.glyph);
                }
            }
            done += 1;
        }
        (glyphs, asked)
    }

    /// Six capitals that differ for different characters or fonts (ISO 32000-1 9.6.4).
    fn tag(&self, codes: &[(u32, u16)]) -> String {
        // checkSumAdjustment stands for the content of the whole font.
        let mut hash = Fnv::new().with(u32_at(self.head, 8));
        for &(code, glyph) in codes {
            hash = hash.with(code).with(u32::from(glyph));
        }
        let mut rest = hash.0 ^ (hash.0 >> 32);
        std::iter::repeat_with(|| {
            let letter = b'A' + (rest % 26) as u8;
            rest /= 26;
            char::from(letter)
        })
        .take(6)
        .collect()
    }
}

/// The FNV-1a hash, a word at a time.
#[derive(Clone, Copy)]
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    const fn with(self, word: u32) -> Self {
        Self((self.0 ^ word as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

/// Copies a glyph without its hinting, the parts of a composite under their new ids.
fn copy_glyph(out: &mut Vec<u8>, glyph: &[u8], index: impl Fn(u16) -> u16) {
    if glyph.len() < 10 {
        return;
    }
    if u16_at(glyph, 0).cast_signed() < 0 {
        let mut end = 10;
        for part in Parts::of(glyph) {
            let flags = part.flags & !Part::INSTRUCTIONS;
            if end == 10 {
                out.extend_from_slice(&glyph[..10]);
            }
            out.extend_from_slice(&flags.to_be_bytes());
            out.extend_from_slice(&index(part.glyph).to_be_bytes());
            out.extend_from_slice(&glyph[part.at + 4..part.end]);
            end = part.end;
        }
        return;
    }
    // Header, end points, instructions, then flags and coordinates (OpenType, glyf).
    let hints = 10 + usize::from(u16_at(glyph, 0)) * 2;
    let Some(points) = glyph.get(hints..hints + 2).and_then(|n| glyph.get(hints + 2 + usize::from(u16_at(n, 0))..)) else { return };
    out.extend_from_slice(&glyph[..hints]);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(points);
}

/// One part of a composite glyph: bytes `at..end` of its description.
struct Part {
    at: usize,
    end: usize,
    flags: u16,
    glyph: u16,
}

impl Part {
    const WORDS: u16 = 0x0001;
    const SCALE: u16 = 0x0008;
    const MORE: u16 = 0x0020;
    const TWO_SCALES: u16 = 0x0040;
    const MATRIX: u16 = 0x0080;
    const INSTRUCTIONS: u16 = 0x0100;
}

/// Walks the parts of a composite glyph; a simple glyph has none.
struct Parts<'a> {
    glyph: &'a [u8],
    next: Option<usize>,
}

impl<'a> Parts<'a> {
    fn of(glyph: &'a [u8]) -> Self {
        let composite = glyph.len() >= 10 && u16_at(glyph, 0).cast_signed() < 0;
        Self { glyph, next: composite.then_some(10) }
    }
}

impl Iterator for Parts<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        let at = self.next.take()?;
        let start = self.glyph.get(at..at + 4)?;
        let (flags, glyph) = (u16_at(start, 0), u16_at(start, 2));
        let has = |bit: u16| flags & bit != 0;
        let places = if has(Part::WORDS) { 4 } else { 2 };
        let scales = match () {
            () if has(Part::SCALE) => 2,
            () if has(Part::TWO_SCALES) => 4,
            () if has(Part::MATRIX) => 8,
            () => 0,
        };
        let end = at + 4 + places + scales;
        self.next = has(Part::MORE).then_some(end);
        (end <= self.glyph.len()).then_some(Part { at, end, flags, glyph })
    }
}

#[cfg(test)]
mod tests {
    use skrifa::MetadataProvider;
    use skrifa::instance::{LocationRef, Size};
    use skrifa::outline::{DrawSettings, OutlinePen};

    use super::super::sfnt::{checksum, words};
    use super::*;
    use crate::font::Fonts;

    #[derive(Default, PartialEq, Debug)]
    struct Drawn(Vec<(char, [f32; 4])>);

    impl OutlinePen for Drawn {
        fn move_to(&mut self, x: f32, y: f32) {
            self.0.push(('M', [x, y, 0.0, 0.0]));
        }
        fn line_to(&mut self, x: f32, y: f32) {
            self.0.push(('L', [x, y, 0.0, 0.0]));
        }
        fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
            self.0.push(('Q', [cx, cy, x, y]));
        }
        fn curve_to(&mut self, _: f32, _: f32, _: f32, _: f32, _: f32, _: f32) {
            panic!("no cubic curves in glyf");
        }
        fn close(&mut self) {
            self.0.push(('Z', [0.0; 4]));
        }
    }

    fn drawn(font: &FontRef, glyph: u16) -> Drawn {
        let mut pen = Drawn::default();
        let outline = font.outline_glyphs().get(u32::from(glyph).into()).expect("a glyph");
        outline.draw(DrawSettings::unhinted(Size::unscaled(), LocationRef::default()), &mut pen).expect("draws");
        pen
    }

    fn chars_of(font: &Font, text: &str) -> Vec<(char, u16)> {
        text.chars().map(|ch| (ch, font.glyph(ch).unwrap_or_else(|| panic!("{ch} in {}", font.name)))).collect()
    }

    /// Everything that a reader can see of a glyph is as in the whole font.
    fn assert_same(whole: &FontRef<'static>, subset: &Subset, chars: &[(char, u16)]) {
        let small = FontRef::new(&subset.data).expect("opens");
        let metrics = |font: &FontRef<'_>, glyph: u16| {
            let metrics = font.glyph_metrics(Size::unscaled(), LocationRef::default());
            (metrics.advance_width(u32::from(glyph).into()), metrics.left_side_bearing(u32::from(glyph).into()))
        };
        for &(ch, glyph) in chars {
            let index = subset.index(glyph).expect("asked for");
            assert_eq!(subset.glyphs[usize::from(index)], glyph);
            assert_eq!(small.charmap().map(ch), Some(u32::from(index).into()), "cmap of {ch}");
        }
        assert_eq!(drawn(&small, 0), Drawn::default());
        for (index, &glyph) in subset.glyphs.iter().enumerate().skip(1) {
            assert_eq!(drawn(&small, index as u16), drawn(whole, glyph), "outline of glyph {glyph}");
            assert_eq!(metrics(&small, index as u16), metrics(whole, glyph), "metrics of glyph {glyph}");
        }
    }

    #[test]
    fn a_subset_draws_and_maps_like_the_whole_font() {
        let fonts = Fonts::embedded().expect("fonts");
        for (chain, text) in [("Hei", "姓名：王·Zoë Ñandú 0123456789—（）"), ("Song", "中华人民共和国"), ("Kai", "样张 SAMPLE")]
        {
            let font = fonts.font(fonts.first(fonts.chain(chain).expect("a chain")));
            let chars = chars_of(font, text);
            assert_same(&font.parsed, &subset(font, &chars), &chars);
        }
    }

    #[test]
    fn a_program_draws_alike_and_has_nothing_else() {
        let fonts = Fonts::embedded().expect("fonts");
        let font = fonts.font(fonts.first(fonts.chain("Hei").expect("a chain")));
        let chars = chars_of(font, "姓名2026");
        let (whole, program) = (subset(font, &chars), program(font, &chars));
        let small = FontRef::new(&program.data).expect("opens");
        let tags: Vec<String> = small.table_directory().table_records().iter().map(|record| record.tag().to_string()).collect();
        assert_eq!(tags, ["glyf", "head", "hhea", "hmtx", "loca", "maxp"]);
        assert_eq!((&program.name, &program.glyphs), (&whole.name, &whole.glyphs));
        for index in 0..program.glyphs.len() as u16 {
            assert_eq!(drawn(&small, index), drawn(&FontRef::new(&whole.data).expect("opens"), index));
        }
        assert_eq!(checksum(&program.data), 0xb1b0_afba);
    }

    #[test]
    fn characters_beyond_the_basic_plane_are_mapped() {
        let fonts = Fonts::embedded().expect("fonts");
        let (rare, _) = fonts.glyph(fonts.chain("Hei").expect("a chain"), '𬎆').expect("𬎆 is in a font");
        let font = fonts.font(rare);
        let chars = chars_of(font, "䶮𬎆𠅤");
        let subset = subset(font, &chars);
        assert_same(&font.parsed, &subset, &chars);
        let small = FontRef::new(&subset.data).expect("opens");
        assert_eq!(small.charmap().map('姓'), None);
        assert_eq!(small.charmap().map('\u{ffff}'), None);
    }

    #[test]
    fn order_and_repeats_do_not_matter_and_content_does() {
        let fonts = Fonts::embedded().expect("fonts");
        let font = fonts.font(fonts.first(fonts.chain("Hei").expect("a chain")));
        let one = subset(font, &chars_of(font, "证照编号"));
        let same = subset(font, &chars_of(font, "号编照证证"));
        let other = subset(font, &chars_of(font, "证照编码"));
        assert!(one.data == same.data && one.name == same.name);
        assert_ne!(one.name, other.name);
        let (tag, name) = one.name.split_once('+').expect("a tag");
        assert!(tag.len() == 6 && tag.bytes().all(|b| b.is_ascii_uppercase()), "{tag}");
        assert_eq!(name, font.name);
    }

    #[test]
    fn an_extended_subset_keeps_its_indexes_and_draws_the_new_ones_too() {
        let fonts = Fonts::embedded().expect("fonts");
        let font = fonts.font(fonts.first(fonts.chain("Hei").expect("a chain")));
        let (labels, values) = (chars_of(font, "证照编号É"), chars_of(font, "编王京A1É号"));
        let first = subset(font, &labels);
        let both = extended(font, &first, &values);
        assert_eq!(both.glyphs[..first.glyphs.len()], first.glyphs);
        for (_, glyph) in &labels {
            assert_eq!(both.index(*glyph), first.index(*glyph));
        }
        assert_same(&font.parsed, &both, &[labels, values].concat());
        assert_ne!(both.name, first.name);
        assert!(extended(font, &first, &[]).data == first.data, "nothing more");
    }

    #[test]
    fn no_characters_make_a_font_with_notdef_only() {
        let fonts = Fonts::embedded().expect("fonts");
        let font = fonts.font(fonts.first(fonts.chain("Hei").expect("a chain")));
        let subset = subset(font, &[]);
        assert_eq!(subset.glyphs, [0]);
        assert_same(&font.parsed, &subset, &[]);
    }

    #[test]
    fn directory_and_checksums_are_right() {
        let fonts = Fonts::embedded().expect("fonts");
        let font = fonts.font(fonts.first(fonts.chain("Hei").expect("a chain")));
        let data = subset(font, &chars_of(font, "姓名")).data;
        assert_eq!(checksum(&data), 0xb1b0_afba, "sum over the whole file (OpenType, head)");
        let count = usize::from(u16_at(&data, 4));
        let mut end = 12 + 16 * count;
        let mut last = [0; 4];
        for entry in data[12..12 + 16 * count].chunks_exact(16) {
            let (start, length) = (u32_at(entry, 8) as usize, u32_at(entry, 12) as usize);
            assert!(entry[..4] > last[..], "tags ascend");
            assert_eq!(start, end, "no gap before the table");
            last.copy_from_slice(&entry[..4]);
            end = start + length.next_multiple_of(4);
            if &entry[..4] != b"head" {
                assert_eq!(u32_at(entry, 4), checksum(&data[start..end]));
            }
        }
        assert_eq!(end, data.len());
    }

    /// A font of four glyphs: .notdef, a square, a composite of two squares with hinting, and a composite of that composite.
    fn composite_font() -> Tables {
        let square: &[u8] = &[
            0, 1, 0, 0, 0, 0, 0, 100, 0, 100, 0, 3, // one contour, box 0 0 100 100, last point 3
            0, 2, 0xb0, 0x01, // two bytes of instructions
            1, 1, 1, 1, 0, 0, 0, 100, 0, 0, 0xff, 0x9c, 0, 0, 0, 0, 0, 100, 0, 0, // on-curve points, x and y as words
        ];
        let two: &[u8] = &[
            0xff, 0xff, 0, 0, 0, 0, 0, 200, 0, 100, // composite
            0x00, 0x22, 0, 1, 0, 0, // glyph 1 at 0 0, more parts
            0x01, 0x03, 0, 1, 0, 100, 0, 0, // glyph 1 at 100 0 in words, instructions follow
            0, 1, 0x4f, 0,
        ];
        let four: &[u8] = &[
            0xff, 0xff, 0, 0, 0, 0, 0, 200, 0, 200, // composite
            0x00, 0x22, 0, 2, 0, 0, // glyph 2 at 0 0, more parts
            0x00, 0x0b, 0, 1, 0, 0, 0, 100, 0x40, 0, // glyph 1 at 0 100, scaled by 1
            0, 0,
        ];
        let mut glyf = Vec::new();
        let mut loca = vec![0, 0];
        for glyph in [&[][..], square, two, four] {
            glyf.extend_from_slice(glyph);
            words(&mut loca, [glyf.len() as u16 / 2]);
        }
        let mut hmtx = Vec::new();
        words(&mut hmtx, [500, 0, 110, 0, 210, 0, 0]); // three widths, the last bearing alone
        let table = |length: usize, set: &[(usize, u16)]| {
            let mut bytes = vec![0; length];
            for &(at, value) in set {
                bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
            }
            &*bytes.leak()
        };
        Tables {
            head: table(HEAD, &[(0, 1), (12, 0x5f0f), (14, 0x3cf5), (18, 1000)]),
            hhea: table(HHEA, &[(0, 1), (34, 3)]),
            maxp: table(MAXP, &[(0, 1), (4, 4), (28, 2), (30, 2)]),
            os2: None,
            post: None,
            hmtx: hmtx.leak(),
            loca: loca.leak(),
            glyf: glyf.leak(),
            long_loca: false,
            long_metrics: 3,
            glyph_count: 4,
        }
    }

    #[test]
    fn parts_of_composites_come_along_under_new_ids() {
        let tables = composite_font();
        let all = tables.subset("Whole", None, &[('a', 1), ('b', 2), ('c', 3)], true);
        let whole = FontRef::new(all.data.leak()).expect("opens");
        assert_eq!(drawn(&whole, 3).0.iter().filter(|step| step.0 == 'M').count(), 3, "three squares");

        let only = tables.subset("Part", None, &[('c', 3)], true);
        assert_eq!(only.glyphs, [0, 3, 2, 1]);
        assert_eq!((only.index(3), only.index(2)), (Some(1), Some(2)));
        assert_same(&whole, &only, &[('c', 3)]);
        assert!(!only.data.windows(2).any(|bytes| bytes == [0xb0, 0x01]), "hinting is left behind");
    }

    #[test]
    fn a_font_that_cannot_be_embedded_is_refused_with_the_table() {
        let no_outlines = subset_without(*b"glyf");
        let fault = Tables::find(&FontRef::new(no_outlines.leak()).expect("opens")).err();
        assert_eq!(fault.as_deref(), Some("there is no table `glyf`"));
        let cut = subset_without(*b"loca");
        assert!(Tables::find(&FontRef::new(cut.leak()).expect("opens")).is_err_and(|fault| fault.contains("loca")));
    }

    /// A good font in whose directory one table has another tag.
    fn subset_without(tag: [u8; 4]) -> Vec<u8> {
        let mut data = composite_font().subset("Broken", None, &[('a', 1)], true).data;
        let at = data.windows(4).position(|bytes| bytes == tag).expect("the table is listed");
        data[at..at + 4].copy_from_slice(b"zzzz");
        data
    }
}
