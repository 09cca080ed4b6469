//! The file around the tables of a TrueType font (OpenType 1.9, `otff`), with those that are made anew: `cmap` and `name`.

/// Consecutive codes whose glyphs are consecutive too: (first, last, first glyph).
fn code_ranges(map: &[(u32, u16)]) -> Vec<(u32, u32, u16)> {
    let mut ranges: Vec<(u32, u32, u16)> = Vec::with_capacity(map.len());
    for &(code, glyph) in map {
        match ranges.last_mut() {
            Some((first, last, from)) if *last + 1 == code && u32::from(*from) + code - *first == u32::from(glyph) => *last = code,
            _ => ranges.push((code, code, glyph)),
        }
    }
    ranges
}

/// Format 4 for the Basic Multilingual Plane, and format 12 beside it when there are characters beyond.
pub(super) fn write_cmap(out: &mut Vec<u8>, map: &[(u32, u16)]) {
    let beyond = map.partition_point(|&(code, _)| code < 0xffff);
    let basic: Vec<_> = map[..beyond].chunk_by(|one, next| one.0 + 1 == next.0).collect();
    let wide = beyond < map.len();
    let count = basic.len() as u16 + 1;
    let length = 16 + 8 * count + 2 * beyond as u16;
    let subtables = 1 + u16::from(wide);
    let offset = 4 + 8 * u32::from(subtables);
    words(out, [0, subtables]);
    words(out, [3, 1]); // Windows, BMP
    out.extend_from_slice(&offset.to_be_bytes());
    if wide {
        words(out, [3, 10]); // Windows, full repertoire
        out.extend_from_slice(&(offset + u32::from(length)).to_be_bytes());
    }
    let selector = count.ilog2() as u16;
    let search = 2 << selector;
    words(out, [4, length, 0, count * 2, search, selector, count * 2 - search]);
    words(out, basic.iter().map(|run| run[run.len() - 1].0 as u16).chain([0xffff, 0]));
    words(out, basic.iter().map(|run| run[0].0 as u16).chain([0xffff]));
    // Glyphs by a list of them: differences between codes and glyphs, the other way, deflate to more.
    words(out, std::iter::repeat_n(0, basic.len()).chain([1]));
    let mut before = 0;
    for (number, run) in (0_u16..).zip(&basic) {
        words(out, [2 * (count - number + before)]);
        before += run.len() as u16;
    }
    words(out, [0]);
    words(out, map[..beyond].iter().map(|&(_, glyph)| glyph));
    if wide {
        let ranges = code_ranges(map);
        words(out, [12, 0]);
        for word in [16 + 12 * ranges.len() as u32, 0, ranges.len() as u32] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        for (first, last, glyph) in ranges {
            for word in [first, last, u32::from(glyph)] {
                out.extend_from_slice(&word.to_be_bytes());
            }
        }
    }
}

/// Family, style, unique, full and PostScript name, for readers that want a name in the file.
pub(super) fn write_name(out: &mut Vec<u8>, name: &str) {
    const STYLE: &str = "Regular";
    let length = |text: &str| text.len() as u16 * 2;
    let records = [(1, name, 0), (2, STYLE, length(name)), (3, name, 0), (4, name, 0), (6, name, 0)];
    words(out, [0, records.len() as u16, 6 + 12 * records.len() as u16]);
    for (id, text, at) in records {
        words(out, [3, 1, 0x0409, id, length(text), at]);
    }
    words(out, name.encode_utf16().chain(STYLE.encode_utf16()));
}

pub(super) fn words(out: &mut Vec<u8>, words: impl IntoIterator<Item = u16>) {
    for word in words {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// A font file being written: room for the directory, then table after table.
pub(super) struct File {
    bytes: Vec<u8>,
    tables: Vec<([u8; 4], usize, usize)>,
}

impl File {
    pub(super) fn new(tables: usize, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(12 + 16 * tables, 0);
        Self { bytes, tables: Vec::with_capacity(tables) }
    }

    /// Tables come in the order of their tags, as the directory wants them.
    pub(super) fn table(&mut self, tag: [u8; 4], write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.tables.push((tag, start, self.bytes.len() - start));
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let count = self.tables.len() as u16;
        let selector = count.ilog2() as u16;
        let search = 16 << selector;
        let mut directory = Vec::with_capacity(12 + 16 * self.tables.len());
        words(&mut directory, [1, 0, count, search, selector, count * 16 - search]);
        for &(tag, start, length) in &self.tables {
            directory.extend_from_slice(&tag);
            let sum = checksum(&self.bytes[start..start + length.next_multiple_of(4)]);
            for word in [sum, start as u32, length as u32] {
                directory.extend_from_slice(&word.to_be_bytes());
            }
        }
        self.bytes[..directory.len()].copy_from_slice(&directory);
        let adjustment = 0xb1b0_afba_u32.wrapping_sub(checksum(&self.bytes));
        if let Some((_, head, _)) = self.tables.iter().find(|t| t.0 == *b"head") {
            self.bytes[head + 8..head + 12].copy_from_slice(&adjustment.to_be_bytes());
        }
        self.bytes
    }
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    bytes.chunks_exact(4).fold(0, |sum: u32, word| sum.wrapping_add(u32_at(word, 0)))
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
