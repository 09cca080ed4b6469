//! Reading a zip container whose every byte has one meaning: entries in a row, headers that agree, names that are unique to
//! every reader, sizes that are bounded before anything is inflated (APPNOTE 4.3).

use std::collections::BTreeSet;

use flate2::{Crc, Decompress, FlushDecompress, Status};
use unicode_normalization::UnicodeNormalization as _;

use super::super::Reason;
use super::shared::{self, Packed};

/// An entry, inflated.
pub(super) struct Entry {
    pub(super) name: String,
    /// None of a shared one that is known.
    pub(super) bytes: Vec<u8>,
    /// How it is packed, if it is one that many files share.
    pub(super) shared: Option<Packed>,
    /// SM3 of a shared one that is known.
    pub(super) sm3: Option<[u8; 32]>,
}

/// The licences have some twenty entries and two hundred kilobytes; a long one with many glyphs ten times that.
const MOST_ENTRIES: usize = 1000;
const MOST_BYTES: usize = 48 << 20;
/// Deflate reaches 1032; text of XML some twenty, blank pictures more.
const HIGHEST_RATIO: usize = 400;
/// Below this, no ratio is a bomb.
const SMALL: usize = 1 << 20;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

/// Reads every entry.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Entry>, Reason> {
    let end = bytes.len().checked_sub(22).map(|start| &bytes[start..]).filter(|end| end.starts_with(END));
    let end = end.ok_or_else(|| wrong("压缩包末尾多出或缺少字节", "the archive does not end where the file ends"))?;
    let (disks, count, again, comment) = (u32_at(end, 4), u16_at(end, 8), u16_at(end, 10), u16_at(end, 20));
    let (size, start) = (u32_at(end, 12) as usize, u32_at(end, 16) as usize);
    if disks != 0 || count != again || comment != 0 || start.checked_add(size) != Some(bytes.len() - 22) {
        return Err(wrong("压缩包目录有误", "the end of the archive does not describe its directory"));
    }
    if usize::from(count) > MOST_ENTRIES {
        return Err(wrong("压缩包条目过多", "the archive has too many entries"));
    }
    let mut directory = &bytes[start..start + size];
    let (mut headers, mut total) = (Vec::new(), 0usize);
    for _ in 0..count {
        let header = Header::take(&mut directory)?;
        total += header.size;
        headers.push(header);
    }
    if !directory.is_empty() {
        return Err(wrong("压缩包目录有误", "its directory holds more than its entries"));
    }
    if total > MOST_BYTES || (total > SMALL && total / HIGHEST_RATIO > bytes.len()) {
        return Err(wrong("解压后过大，疑为压缩炸弹", "it would inflate beyond all measure: a zip bomb"));
    }
    let mut unique = BTreeSet::new();
    for header in &headers {
        check_name(header.name)?;
        // What one file system tells apart, another does not: case, and the ways to compose a character.
        let folded = if header.name.is_ascii() {
            header.name.to_ascii_lowercase()
        } else {
            header.name.nfkc().flat_map(char::to_lowercase).nfkc().collect()
        };
        if !unique.insert(folded) {
            return Err(about(
                header.name,
                "名称与另一条目相同或仅大小写、编码不同",
                "has the same name as another entry, or differs only in case or composition",
            ));
        }
    }
    let (mut at, mut inflater) = (0, Decompress::new(false));
    let entries = headers.iter().map(|header| header.entry(&bytes[..start], &mut at, &mut inflater)).collect::<Result<_, _>>()?;
    if at == start { Ok(entries) } else { Err(wrong("条目之间有多余字节", "there are bytes between its entries")) }
}

/// What the directory says about an entry.
struct Header<'a> {
    name: &'a str,
    /// Version needed, flags, method, time, date, CRC, sizes: what the local header repeats, bytes 6 to 27.
    repeated: &'a [u8],
    deflated: bool,
    packed: usize,
    size: usize,
    offset: usize,
}

impl<'a> Header<'a> {
    fn take(directory: &mut &'a [u8]) -> Result<Self, Reason> {
        let short = || wrong("压缩包目录有误", "its directory is cut short");
        let (fixed, rest) = directory.split_at_checked(46).filter(|(fixed, _)| fixed.starts_with(CENTRAL)).ok_or_else(short)?;
        let (name, rest) = rest.split_at_checked(u16_at(fixed, 28).into()).ok_or_else(short)?;
        *directory = rest;
        let shown = String::from_utf8_lossy(name);
        let name = std::str::from_utf8(name).map_err(|_| about(&shown, "名称不是 UTF-8", "has a name that is not UTF-8"))?;
        // No encryption, no sizes after the data; a name's encoding may be marked (APPNOTE 4.4.4).
        if u16_at(fixed, 8) & !0x0800 != 0 || !matches!(u16_at(fixed, 10), 0 | 8) {
            return Err(about(name, "使用了不接受的压缩方式", "is packed in a way that is not accepted"));
        }
        if u16_at(fixed, 30) != 0 || u16_at(fixed, 32) != 0 || u16_at(fixed, 34) != 0 {
            return Err(about(name, "带有附加字段或注释", "has extra fields or a comment"));
        }
        let mode = u32_at(fixed, 38) >> 16;
        if !matches!(mode & 0o170_000, 0 | 0o100_000) {
            return Err(about(name, "是链接或特殊文件", "is a link or another special file"));
        }
        let method = u16_at(fixed, 10);
        let (packed, size) = (u32_at(fixed, 20) as usize, u32_at(fixed, 24) as usize);
        if size > MOST_BYTES || (method == 0 && packed != size) {
            return Err(about(name, "大小有误或过大", "has a size that is wrong or too large"));
        }
        Ok(Self { name, repeated: &fixed[6..28], deflated: method == 8, packed, size, offset: u32_at(fixed, 42) as usize })
    }

    /// Reads the entry, which must begin just where the last one ended.
    fn entry(&self, bytes: &[u8], at: &mut usize, inflater: &mut Decompress) -> Result<Entry, Reason> {
        let differs = || about(self.name, "本地头与目录不一致", "has a header that contradicts the directory");
        let (local, rest) = bytes.get(*at..).and_then(|rest| rest.split_at_checked(30)).ok_or_else(differs)?;
        let same = self.offset == *at
            && local.starts_with(LOCAL)
            && local[4..26] == *self.repeated
            && usize::from(u16_at(local, 26)) == self.name.len()
            && u16_at(local, 28) == 0
            && rest.starts_with(self.name.as_bytes());
        let data = Some(rest).filter(|_| same).and_then(|rest| rest.get(self.name.len()..self.name.len() + self.packed));
        let data = data.ok_or_else(differs)?;
        *at += 30 + self.name.len() + self.packed;
        let name = self.name.to_owned();
        let shared = shared::packed(self.name, self.repeated, data);
        if let Some(sm3) = shared.as_ref().and_then(shared::recall) {
            return Ok(Entry { name, bytes: Vec::new(), shared, sm3: Some(sm3) });
        }
        let bytes = if self.deflated { inflate(inflater, data, self.size) } else { Some(data.to_vec()) };
        let damaged = || about(self.name, "数据损坏", "is damaged");
        let bytes = bytes.ok_or_else(damaged)?;
        let mut crc = Crc::new();
        crc.update(&bytes);
        if crc.sum() != u32_at(self.repeated, 10) {
            return Err(damaged());
        }
        Ok(Entry { name, bytes, shared, sm3: None })
    }
}

/// Exactly so many bytes from exactly this data.
fn inflate(inflater: &mut Decompress, data: &[u8], size: usize) -> Option<Vec<u8>> {
    // One byte more, to see a stream that would go on.
    let mut out = Vec::with_capacity(size + 1);
    inflater.reset(false);
    let status = inflater.decompress_vec(data, &mut out, FlushDecompress::Finish).ok()?;
    (status == Status::StreamEnd && out.len() == size && inflater.total_in() == data.len() as u64).then_some(out)
}

/// A plain relative path with forward slashes, as every system reads it.
fn check_name(name: &str) -> Result<(), Reason> {
    let odd = |c: char| c.is_control() || r#"\:*?"<>|"#.contains(c);
    let plain = |part: &str| !part.is_empty() && !part.starts_with([' ', '.']) && !part.ends_with([' ', '.']);
    if name.contains(odd) || !name.split('/').all(plain) {
        return Err(about(&name.escape_debug().to_string(), "名称不是普通的相对路径", "has a name that is no plain relative path"));
    }
    Ok(())
}

fn wrong(zh: &str, en: &str) -> Reason {
    Reason { zh: format!("文件容器异常：{zh}"), en: format!("The container is not as it was issued: {en}") }
}

fn about(name: &str, zh: &str, en: &str) -> Reason {
    let name: String = name.chars().take(100).collect();
    wrong(&format!("条目 {name} {zh}"), &format!("the entry {name} {en}"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}
