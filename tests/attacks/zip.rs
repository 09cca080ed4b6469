//! Archives written byte by byte, so that they can be wrong in any way.

use flate2::Crc;

/// An entry, stored, with whatever its two headers are to say differently.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    /// Patches of the local header: offset and bytes.
    pub local: Vec<(usize, Vec<u8>)>,
    /// Patches of the directory's header.
    pub central: Vec<(usize, Vec<u8>)>,
}

impl Entry {
    pub fn new(name: impl Into<Vec<u8>>, data: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), data: data.into(), local: Vec::new(), central: Vec::new() }
    }
}

/// The entries of a sound archive.
pub fn read(bytes: &[u8]) -> Vec<Entry> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut data).unwrap();
        entries.push(Entry::new(file.name_raw().to_vec(), data));
    }
    entries
}

/// Writes them one after the other; `between` stands before each local header but the first.
pub fn write_with(entries: &[Entry], between: &[u8], comment: &[u8]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        if !out.is_empty() {
            out.extend_from_slice(between);
        }
        let mut crc = Crc::new();
        crc.update(&entry.data);
        let size = (entry.data.len() as u32).to_le_bytes();
        let length = (entry.name.len() as u16).to_le_bytes();
        // Version, flags, method, time, date.
        let repeated = [&[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..], &crc.sum().to_le_bytes(), &size, &size, &length, &[0, 0]].concat();
        let place = (out.len() as u32).to_le_bytes();
        let local = [&b"PK\x03\x04"[..], &repeated].concat();
        out.extend(patched(local, &entry.local));
        out.extend_from_slice(&entry.name);
        out.extend_from_slice(&entry.data);
        let central = [&b"PK\x01\x02\x14\x03"[..], &repeated, &[0; 6], &[0, 0, 0xa4, 0x81], &place].concat();
        directory.extend(patched(central, &entry.central));
        directory.extend_from_slice(&entry.name);
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (size, place) = ((directory.len() as u32).to_le_bytes(), (out.len() as u32).to_le_bytes());
    let length = (comment.len() as u16).to_le_bytes();
    [&out[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &count, &size, &place, &length, comment].concat()
}

pub fn write(entries: &[Entry]) -> Vec<u8> {
    write_with(entries, b"", b"")
}

fn patched(mut header: Vec<u8>, patches: &[(usize, Vec<u8>)]) -> Vec<u8> {
    for (at, bytes) in patches {
        header[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    header
}
