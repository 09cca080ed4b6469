//! The zip container: entries in the order given, plain headers, and one fixed time, so that the same parts give the same bytes.

use std::borrow::Cow;
use std::num::TryFromIntError;

use crate::deflate::{self, Effort};
use crate::record::{Picture, PictureFormat};
use crate::sign::ofd::Entry;

/// One file in the package.
pub(super) struct Part<'a> {
    /// Its path in the package, ASCII, with forward slashes.
    pub(super) name: Cow<'a, str>,
    /// Its content before compression.
    pub(super) bytes: Cow<'a, [u8]>,
    /// How it is packed, where that is known: deflated, or as it is.
    known: Option<&'a [u8]>,
}

/// A part as it lies in the container.
#[derive(Clone)]
pub(super) struct Packed<'a> {
    name: Cow<'a, str>,
    data: Cow<'a, [u8]>,
    deflated: bool,
    size: usize,
    crc: u32,
}

impl<'a> Part<'a> {
    pub(super) fn new(name: impl Into<Cow<'a, str>>, bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { name: name.into(), bytes: bytes.into(), known: None }
    }

    /// A picture's file. A PNG is deflated inside already; a JPEG leaves a twentieth.
    pub(super) fn picture(name: String, picture: &'a Picture) -> Self {
        let known = match picture.format {
            PictureFormat::Jpeg { .. } => picture.deflated(),
            PictureFormat::Png => &*picture.bytes,
        };
        Self { known: Some(known), ..Self::new(name, &*picture.bytes) }
    }

    /// As a signature sees it.
    pub(super) fn entry(&self) -> Entry {
        Entry::of(&*self.name, &self.bytes)
    }

    /// Deflated, unless that would make it larger.
    pub(super) fn pack(self, effort: Effort) -> Packed<'a> {
        let Self { name, bytes, known } = self;
        let (size, crc) = (bytes.len(), deflate::crc32(&bytes));
        let packed = known.map_or_else(|| Cow::Owned(deflate::bare(&bytes, effort)), Cow::Borrowed);
        let deflated = packed.len() < size;
        Packed { data: if deflated { packed } else { bytes }, deflated, name, size, crc }
    }
}

impl<'a> Packed<'a> {
    /// The same under another name.
    pub(super) fn renamed(self, name: Cow<'a, str>) -> Self {
        Self { name, ..self }
    }

    /// The same, with nothing borrowed.
    pub(super) fn into_owned(self) -> Packed<'static> {
        Packed { name: self.name.into_owned().into(), data: self.data.into_owned().into(), ..self }
    }

    /// What the local header and the directory both say (APPNOTE 4.3.7): version 2.0, no flags, the method, midnight of
    /// 1980-01-01, check sum and sizes, the length of the name, and that of the extra field, which is not there.
    fn header(&self) -> Result<[u8; 26], TryFromIntError> {
        let mut header = [0; 26];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &20_u16.to_le_bytes());
        put(4, &(if self.deflated { 8_u16 } else { 0 }).to_le_bytes());
        put(8, &0x21_u16.to_le_bytes());
        put(10, &self.crc.to_le_bytes());
        put(14, &u32::try_from(self.data.len())?.to_le_bytes());
        put(18, &u32::try_from(self.size)?.to_le_bytes());
        put(22, &u16::try_from(self.name.len())?.to_le_bytes());
        Ok(header)
    }
}

/// The container of these entries.
pub(super) fn zip<'p>(entries: impl Iterator<Item = &'p Packed<'p>> + Clone) -> Result<Vec<u8>, TryFromIntError> {
    let length: usize = entries.clone().map(|entry| 76 + 2 * entry.name.len() + entry.data.len()).sum();
    let (mut file, mut directory) = (Vec::with_capacity(length + 22), Vec::with_capacity(4096));
    let mut count = 0_u16;
    for entry in entries {
        let (header, offset) = (entry.header()?, u32::try_from(file.len())?);
        for piece in [b"PK\x03\x04", &header[..], entry.name.as_bytes(), &entry.data] {
            file.extend_from_slice(piece);
        }
        // Made by version 2.0; no comment, first disk, no attributes.
        for piece in [b"PK\x01\x02\x14\0", &header[..], &[0; 10], &offset.to_le_bytes(), entry.name.as_bytes()] {
            directory.extend_from_slice(piece);
        }
        count += 1;
    }
    let (start, size) = (u32::try_from(file.len())?.to_le_bytes(), u32::try_from(directory.len())?.to_le_bytes());
    let count = count.to_le_bytes();
    for piece in [&directory[..], b"PK\x05\x06\0\0\0\0", &count, &count, &size, &start, &[0; 2]] {
        file.extend_from_slice(piece);
    }
    Ok(file)
}
