//! Files one after the other into a tar or zip archive that is never held in memory, nor its list of files: a nation's are
//! millions. What is written is not compressed, for PDF and OFD are already.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use flate2::Crc;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Files one after the other.
pub trait Archive {
    /// A whole file.
    fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// A file of this many bytes that is read as it is written.
    fn copy(&mut self, name: &str, from: &mut File) -> io::Result<()>;

    /// The end, without which the archive is none.
    fn finish(&mut self) -> io::Result<()>;
}

/// POSIX tar (IEEE Std 1003.1, pax for names beyond 100 bytes); may go to a pipe.
pub struct Tar<W> {
    out: W,
    at: Timestamp,
}

impl<W: Write> Tar<W> {
    /// All files will bear this instant.
    pub fn new(out: W, at: Timestamp) -> Self {
        Self { out, at }
    }

    fn header(&mut self, name: &str, kind: u8, size: u64) -> io::Result<()> {
        if name.len() > 100 {
            let path = format!(" path={name}\n");
            // The length counts its own digits.
            let length = (1..9).map(|digits| path.len() + digits).find(|n| n.to_string().len() + path.len() == *n);
            let record = format!("{}{path}", length.expect("a name is no gigabyte long"));
            self.header("pax", b'x', record.len() as u64)?;
            self.content(record.as_bytes())?;
        }
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        let short = &name.as_bytes()[..name.floor_char_boundary(100)];
        put(0, short);
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{size:011o}\0").as_bytes());
        put(136, format!("{:011o}\0", self.at.as_second().max(0)).as_bytes());
        put(148, b"        ");
        put(156, &[kind]);
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.out.write_all(&block)
    }

    fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.pad(bytes.len() as u64)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let rest = (512 - size % 512) % 512;
        self.out.write_all(&[0; 512][..rest as usize])
    }
}

impl<W: Write> Archive for Tar<W> {
    fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.header(name, b'0', bytes.len() as u64)?;
        self.content(bytes)
    }

    fn copy(&mut self, name: &str, from: &mut File) -> io::Result<()> {
        let size = from.metadata()?.len();
        // Eleven octal digits.
        if size >= 1 << 33 {
            return Err(io::Error::other(format!("{name} has {size} bytes, more than tar can say; write a zip or a folder")));
        }
        from.rewind()?;
        self.header(name, b'0', size)?;
        io::copy(&mut from.take(size), &mut self.out)?;
        self.pad(size)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.write_all(&[0; 1024])?;
        self.out.flush()
    }
}

/// ZIP with its 64-bit extension (APPNOTE 6.3.10, 4.5.3), entries stored. The directory that comes last waits in a file.
pub struct Zip<W> {
    out: W,
    directory: io::BufWriter<File>,
    entries: u64,
    written: u64,
    time: [u8; 4],
}

/// Version that knows the 64-bit extension.
const VERSION: u16 = 45;
/// Names are UTF-8.
const UTF_8: u16 = 1 << 11;
/// In place of what stands in the 64-bit extension.
const ELSEWHERE: [u8; 4] = [0xFF; 4];

impl<W: Write> Zip<W> {
    /// All files will bear this instant, by the clocks of Shanghai.
    pub fn new(out: W, at: Timestamp) -> io::Result<Self> {
        let at: DateTime = TimeZone::fixed(jiff::tz::offset(8)).to_datetime(at);
        let date = (at.year().clamp(1980, 2107) - 1980) << 9 | i16::from(at.month()) << 5 | i16::from(at.day());
        let time = i16::from(at.hour()) << 11 | i16::from(at.minute()) << 5 | (i16::from(at.second()) / 2);
        let ([a, b], [c, d]) = (time.to_le_bytes(), date.to_le_bytes());
        let directory = io::BufWriter::new(tempfile::tempfile()?);
        Ok(Self { out, directory, entries: 0, written: 0, time: [a, b, c, d] })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn entry(&mut self, name: &str, crc: u32, size: u64) -> io::Result<()> {
        let fits = |n: u64| u32::try_from(n).ok().filter(|&n| n < u32::MAX).map_or(ELSEWHERE, u32::to_le_bytes);
        let start = self.written;
        let (short, place) = (fits(size), fits(start));
        let mut sizes = Vec::new();
        if short == ELSEWHERE {
            sizes.extend([size.to_le_bytes(), size.to_le_bytes()].concat());
        }
        let extension = |values: &[u8]| -> Vec<u8> {
            if values.is_empty() { Vec::new() } else { [&[1, 0], &(values.len() as u16).to_le_bytes()[..], values].concat() }
        };
        let length = u16::try_from(name.len()).map_err(|_| io::Error::other("a name of a file is too long for a zip"))?.to_le_bytes();
        let common = |extra: &[u8]| {
            let head = [VERSION.to_le_bytes(), UTF_8.to_le_bytes(), [0, 0]].concat();
            [&head[..], &self.time, &crc.to_le_bytes(), &short, &short, &length, &(extra.len() as u16).to_le_bytes()].concat()
        };
        let extra = extension(&sizes);
        let local = [b"PK\x03\x04", &common(&extra)[..], name.as_bytes(), &extra].concat();
        if place == ELSEWHERE {
            sizes.extend(start.to_le_bytes());
        }
        let extra = extension(&sizes);
        // Made on Unix, where a file may be read by all.
        let made = (3 << 8 | VERSION).to_le_bytes();
        let central = [b"PK\x01\x02", &made[..], &common(&extra), &[0; 6], &[0, 0], &(0o100_644_u16).to_le_bytes(), &place];
        self.directory.write_all(&central.concat())?;
        self.directory.write_all(&[name.as_bytes(), &extra].concat())?;
        self.entries += 1;
        self.write(&local)
    }
}

impl<W: Write> Archive for Zip<W> {
    fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut crc = Crc::new();
        crc.update(bytes);
        self.entry(name, crc.sum(), bytes.len() as u64)?;
        self.write(bytes)
    }

    fn copy(&mut self, name: &str, from: &mut File) -> io::Result<()> {
        let (mut crc, mut size, mut piece) = (Crc::new(), 0, vec![0; 1 << 16]);
        from.rewind()?;
        loop {
            match from.read(&mut piece)? {
                0 => break,
                n => {
                    crc.update(&piece[..n]);
                    size += n as u64;
                }
            }
        }
        self.entry(name, crc.sum(), size)?;
        from.rewind()?;
        self.written += io::copy(&mut from.take(size), &mut self.out)?;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.directory.flush()?;
        let directory = self.directory.get_mut();
        directory.rewind()?;
        let (start, size) = (self.written, io::copy(directory, &mut self.out)?);
        let count = self.entries.to_le_bytes();
        // 4.3.14 and 4.3.15: the 64-bit end of the directory and where it is, then the old end that points to them.
        let version = VERSION.to_le_bytes();
        let end = [b"PK\x06\x06", &44_u64.to_le_bytes()[..], &version, &version, &[0; 8], &count, &count];
        self.out.write_all(&end.concat())?;
        self.out.write_all(&[size.to_le_bytes(), start.to_le_bytes()].concat())?;
        self.out.write_all(&[b"PK\x06\x07", &[0; 4][..], &(start + size).to_le_bytes(), &1_u32.to_le_bytes()].concat())?;
        self.out.write_all(&[b"PK\x05\x06", &[0; 4][..], &[0xFF; 12], &[0, 0]].concat())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::SeekFrom;
    use std::process::Command;

    use super::*;

    fn at() -> Timestamp {
        "2026-03-02T09:00:01+08:00".parse().unwrap()
    }

    /// Two files, one with a long name, and a report.
    fn fill(archive: &mut dyn Archive) -> String {
        let long = format!("{}.pdf", "京".repeat(60));
        archive.add("京1.pdf", b"one").unwrap();
        archive.add(&long, &[7; 1024]).unwrap();
        let mut report = tempfile::tempfile().unwrap();
        report.write_all(b"{}\n").unwrap();
        archive.copy("report.jsonl", &mut report).unwrap();
        archive.finish().unwrap();
        long
    }

    #[test]
    fn a_tar_is_what_tar_unpacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let long = fill(&mut Tar::new(File::create(&path).unwrap(), at()));
        let Ok(run) = Command::new("tar").arg("xf").arg(&path).current_dir(folder.path()).output() else {
            return println!("skipped: there is no tar here");
        };
        assert!(run.status.success() && run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
        assert_eq!(std::fs::read(folder.path().join("京1.pdf")).unwrap(), b"one");
        assert_eq!(std::fs::read(folder.path().join(long)).unwrap(), [7; 1024]);
        assert_eq!(std::fs::read(folder.path().join("report.jsonl")).unwrap(), b"{}\n");
        let modified = std::fs::metadata(folder.path().join("京1.pdf")).unwrap().modified().unwrap();
        assert_eq!(Timestamp::try_from(modified).unwrap(), at());
    }

    #[test]
    fn a_zip_is_read_by_others_also_beyond_four_gigabytes() {
        for start in [0, 5 << 30] {
            // What comes before is a hole in the file.
            let mut file = tempfile::tempfile().unwrap();
            file.seek(SeekFrom::Start(start)).unwrap();
            let long = fill(&mut Zip { written: start, ..Zip::new(&file, at()).unwrap() });
            let mut archive = zip::ZipArchive::new(&file).unwrap();
            assert_eq!(archive.len(), 3);
            for (name, bytes) in [("京1.pdf", b"one".to_vec()), (&long, vec![7; 1024]), ("report.jsonl", b"{}\n".to_vec())] {
                let mut entry = archive.by_name(name).unwrap();
                let mut found = Vec::new();
                entry.read_to_end(&mut found).unwrap();
                assert_eq!((found, entry.unix_mode().unwrap()), (bytes, 0o100_644), "{name}");
                assert_eq!(entry.last_modified().unwrap().to_string(), "2026-03-02 09:00:00");
            }
        }
    }
}
