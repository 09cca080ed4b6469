//! The zip container: entries in the order given, plain headers, and one fixed time, so that the same parts give the same bytes.

use std::borrow::Cow;
use std::io::{Cursor, Write};
use std::sync::Arc;

use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::sign::ofd::Entry;

/// One file in the package.
pub(super) struct Part<'a> {
    /// Its path in the package, ASCII, with forward slashes.
    pub(super) name: Cow<'a, str>,
    /// Its content before compression.
    pub(super) bytes: Cow<'a, [u8]>,
}

impl<'a> Part<'a> {
    pub(super) fn new(name: impl Into<Cow<'a, str>>, bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }

    /// As a signature sees it.
    pub(super) fn entry(&self) -> Entry {
        Entry::of(&*self.name, &self.bytes)
    }
}

/// Parts that many files share, compressed once.
#[derive(Clone)]
pub(super) struct Shared(ZipArchive<Cursor<Arc<[u8]>>>);

impl Shared {
    /// Compresses as well as it goes: this happens once, and the result is sent many times.
    pub(super) fn pack(parts: &[Part]) -> ZipResult<Self> {
        let mut zip = writer(parts);
        for part in parts {
            add(&mut zip, part, &[".jpg", ".png"], 9)?;
        }
        let bytes: Arc<[u8]> = zip.finish()?.into_inner().into();
        Ok(Self(ZipArchive::new(Cursor::new(bytes))?))
    }
}

/// Writes the parts of `first`, then the shared ones as they are, then those of `rest`.
pub(super) fn zip(first: &[Part], shared: &Shared, rest: &[Part]) -> ZipResult<Vec<u8>> {
    // Deflate is most of the time that a file takes: level 2 comes within three hundredths of level 9 in a third of it.
    let add_quickly = |zip: &mut _, part| add(zip, part, &[".jpg", ".png"], 2);
    // The clone shares the bytes and the directory; reading needs a cursor of its own.
    let mut shared = shared.0.clone();
    let mut zip = writer(rest);
    for part in first {
        add_quickly(&mut zip, part)?;
    }
    for index in 0..shared.len() {
        zip.raw_copy_file(shared.by_index_raw(index)?)?;
    }
    for part in rest {
        add_quickly(&mut zip, part)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn writer(parts: &[Part]) -> ZipWriter<Cursor<Vec<u8>>> {
    let bytes: usize = parts.iter().map(|part| part.bytes.len()).sum();
    ZipWriter::new(Cursor::new(Vec::with_capacity(bytes + 16 * 1024)))
}

fn add(zip: &mut ZipWriter<Cursor<Vec<u8>>>, part: &Part, stored: &[&str], level: i64) -> ZipResult<()> {
    let options = SimpleFileOptions::default().last_modified_time(DateTime::default());
    let options = if stored.iter().any(|extension| part.name.ends_with(extension)) {
        options.compression_method(CompressionMethod::Stored)
    } else {
        options.compression_method(CompressionMethod::Deflated).compression_level(Some(level))
    };
    zip.start_file(&*part.name, options)?;
    zip.write_all(&part.bytes)?;
    Ok(())
}
