//! What hostile files may cost: each is judged by a process of its own that has no more than half a gigabyte, within seconds.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};
use serde_json::Value;

use crate::tally::{Chance, find};
use crate::world::WORLD;
use crate::zip::{Entry, read, write};

/// Megabytes that the process may write to.
const MOST_MEMORY: u64 = 512;
/// Hundredths of a second of processor time: five seconds, more in a build that is not optimised.
const LONGEST: u64 = if cfg!(debug_assertions) { 1500 } else { 500 };
/// Pixels a side, near the bound; fewer where zlib is not optimised either.
const LARGE: u32 = if cfg!(debug_assertions) { 2_000 } else { 6_900 };

/// What it is, and how it is made.
type Hostile = (&'static str, fn() -> Vec<u8>);

#[test]
fn no_file_costs_more_than_memory_and_patience() {
    let made: [Hostile; 21] = [
        ("OFD: a bomb just below every bound", || bomb("OFD.xml", 47, b' ')),
        ("OFD: a bomb in a thousand entries", || many(999, 48 << 10)),
        ("OFD: one part of 47 MB in a genuine file", || swapped("Doc_0/Pages/Page_0/Content.xml", &noise(47 << 20))),
        ("OFD: a list of signatures of 40 MB", || swapped("Doc_0/Signs/Signatures.xml", &elements(b"<ofd:Signature/>", 40))),
        ("OFD: attributes of 40 MB", || swapped("OFD.xml", &attribute(40 << 20))),
        ("OFD: a sealing of 40 MB", || swapped("Doc_0/Signs/Sign_1/SignedValue.dat", &der(40 << 20))),
        ("OFD: entities", || swapped("OFD.xml", laughs().as_bytes())),
        ("PDF: as many values as are read", || pdf(&[&b"["[..], &b"[0 0 0 0]"[..].repeat(39_000), b"]"].concat())),
        ("PDF: one string of 30 MB", || pdf(&[&b"("[..], &noise(30 << 20), b")"].concat())),
        ("PDF: arrays in arrays", || pdf(&b"["[..].repeat(30 << 20))),
        ("PDF: objects by the million", || pdf(&b"null\nendobj\n1 0 obj\n"[..].repeat(1 << 20))),
        ("PDF: ranges beyond the file", || signed_pdf("[0 9 999999999999 9]")),
        ("PDF: ranges before the file", || signed_pdf("[0 -9 99999999 9999]")),
        ("PDF: a gigabyte of small objects", || packed(1, 4, &mut (0..1 << 10).map(|_| vec![b' '; 1 << 20]))),
        ("PDF: as many small objects as are read", || {
            let pairs: String = (0..30_000).map(|number| format!("{number} 0 ")).collect();
            packed(30_000, pairs.len(), &mut [pairs.into_bytes(), b"0\n".repeat(2_000)].into_iter())
        }),
        ("PNG: 30,000 by 30,000", || png((30_000, 30_000), 0, 8, 1)),
        ("PNG: 8,000 by 8,000 of 64 bits", || png((8_000, 8_000), 6, 16, 1)),
        ("PNG: with transparency, as large as is read", || png((LARGE, LARGE), 6, 8, LARGE as usize)),
        ("PNG: a colour profile of a gigabyte", || profile(1 << 10)),
        ("JPEG: 8,000 by 8,000, progressive", || progressive(8_000, 1)),
        ("JPEG: 4,800 by 4,800, progressive, a thousand scans", || progressive(4_800, 1_000)),
    ];
    let trust = WORLD.folder.path().join("trust");
    let file = WORLD.folder.path().join("hostile");
    let (mut report, mut faults) = (String::from("\nwhat hostile files cost\n"), Vec::new());
    for (what, make) in made {
        std::fs::write(&file, make()).unwrap();
        let (ticks, peak, verdict) = judged(&file, &trust);
        let line = format!("  {what:<56} {peak:>4} MB {:>4}.{:02} s  {}\n", ticks / 100, ticks % 100, verdict["reason_en"]);
        if verdict["grade"] != "C" || peak >= MOST_MEMORY || ticks > LONGEST {
            faults.push(line.clone());
        }
        report += &line;
    }
    // Past the capture of test output: the figures are what this run is about.
    std::io::stderr().write_all(report.as_bytes()).unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Judges a file in a process whose memory ends before the machine's does: its processor time in hundredths of a second, its
/// peak in megabytes, and what it said.
fn judged(file: &Path, trust: &Path) -> (u64, u64, Value) {
    let mut child = Command::new("prlimit")
        .arg(format!("--data={}", MOST_MEMORY << 20))
        .arg(env!("CARGO_BIN_EXE_certpress"))
        .args(["verify", "--json", "--as-of", "2026-03-02T09:00:00+08:00", "--trust"])
        .args([trust, file])
        .stdout(Stdio::piped())
        .spawn()
        .expect("prlimit, of util-linux");
    let own = format!("/proc/{}", child.id());
    let about = |name: &str| std::fs::read_to_string(format!("{own}/{name}")).unwrap_or_default();
    let (mut ticks, mut peak) = (0, 0);
    loop {
        let (stat, status) = (about("stat"), about("status"));
        // proc(5): fields 14 and 15, twelve behind the program's name.
        let used = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
        ticks = ticks.max(used.filter_map(|ticks| ticks.parse::<u64>().ok()).sum());
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = kilobytes.map_or(peak, |kilobytes: u64| kilobytes >> 10);
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let out = child.wait_with_output().unwrap();
    (ticks, peak, serde_json::from_slice(&out.stdout).unwrap_or_default())
}

/// Bytes that deflate hardly compresses, readable ones: it looks back over 32 KB.
fn noise(length: usize) -> Vec<u8> {
    let mut chance = Chance::new(0xb0b);
    let block: Vec<u8> = (0..1 << 16).map(|_| b'a' + chance.below(26) as u8).collect();
    block.iter().copied().cycle().take(length).collect()
}

fn deflated(parts: &[&[u8]]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    for part in parts {
        encoder.write_all(part).unwrap();
    }
    encoder.finish().unwrap()
}

fn packed(name: impl Into<Vec<u8>>, data: &[u8]) -> Entry {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    let (size, sum) = ((data.len() as u32).to_le_bytes().to_vec(), crc.sum().to_le_bytes().to_vec());
    Entry {
        local: vec![(8, vec![8, 0]), (14, sum.clone()), (22, size.clone())],
        central: vec![(10, vec![8, 0]), (16, sum), (24, size)],
        ..Entry::new(name, deflated(&[data]))
    }
}

/// So many megabytes of one byte, and noise so that the ratio stays acceptable.
fn bomb(name: &str, megabytes: usize, byte: u8) -> Vec<u8> {
    write(&[packed(name, &vec![byte; megabytes << 20]), Entry::new("noise", noise(megabytes << 12))])
}

fn many(entries: usize, size: usize) -> Vec<u8> {
    let data = vec![b' '; size];
    let mut entries: Vec<Entry> = (0..entries).map(|number| packed(format!("{number}.xml"), &data)).collect();
    entries.push(Entry::new("noise", noise(200 << 10)));
    write(&entries)
}

/// A genuine file with one part exchanged.
fn swapped(name: &str, data: &[u8]) -> Vec<u8> {
    let mut entries = read(&WORLD.architect.ofd);
    entries.iter_mut().find(|entry| entry.name == name.as_bytes()).unwrap_or_else(|| panic!("no {name}")).data = data.to_vec();
    write(&entries)
}

fn elements(element: &[u8], megabytes: usize) -> Vec<u8> {
    let inside = element.repeat((megabytes << 20) / element.len());
    [&b"<ofd:Signatures xmlns:ofd=\"http://www.ofdspec.org/2016\">"[..], &inside, b"</ofd:Signatures>"].concat()
}

fn attribute(length: usize) -> Vec<u8> {
    [&b"<ofd:OFD a=\""[..], &b"&amp;".repeat(length / 5), b"\"><ofd:DocBody/></ofd:OFD>"].concat()
}

/// `SEQUENCE { SEQUENCE { OCTET STRING } }`, as long as that.
fn der(length: usize) -> Vec<u8> {
    let head = |tag: u8, length: usize| [&[tag, 0x84][..], &(length as u32).to_be_bytes()].concat();
    [head(0x30, length + 12), head(0x30, length + 6), head(0x04, length), vec![0; length]].concat()
}

fn laughs() -> String {
    let more: String = (1..40).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    format!("<?xml version=\"1.0\"?><!DOCTYPE ofd:OFD [<!ENTITY l0 \"lol\">{more}]><ofd:OFD>&l39;</ofd:OFD>")
}

/// The beginning of a PDF with one object.
fn pdf(object: &[u8]) -> Vec<u8> {
    [&b"%PDF-1.7\n%\xbb\xad\xc0\xde\n1 0 obj\n"[..], object, b"\nendobj\n% /ByteRange"].concat()
}

/// The genuine PDF with another `ByteRange`.
fn signed_pdf(ranges: &str) -> Vec<u8> {
    let file = &WORLD.architect.pdf;
    let start = find(file, b"/ByteRange") + 10;
    let end = start + file[start..].iter().position(|&byte| byte == b']').unwrap() + 1;
    [&file[..start], format!("{ranges:<0$}", end - start).as_bytes(), &file[end..]].concat()
}

/// The beginning of a PDF with a stream of so many small objects.
fn packed(count: usize, first: usize, parts: &mut dyn Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut data = ZlibEncoder::new(Vec::new(), Compression::fast());
    parts.for_each(|part| data.write_all(&part).unwrap());
    let data = data.finish().unwrap();
    let dict = format!("<</Type/ObjStm/N {count}/First {first}/Filter/FlateDecode/Length {}>>stream\n", data.len());
    pdf(&[dict.as_bytes(), &data, b"\nendstream"].concat())
}

/// A picture of zeros, so many rows of it; colour 0 is grey, 6 is colour with transparency.
fn png((width, height): (u32, u32), colour: u8, depth: u8, rows: usize) -> Vec<u8> {
    let channels = if colour == 6 { 4 } else { 1 };
    let row = vec![0; 1 + (width as usize * channels * usize::from(depth)).div_ceil(8)];
    let mut data = ZlibEncoder::new(Vec::new(), Compression::fast());
    (0..rows).for_each(|_| data.write_all(&row).unwrap());
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, 0]].concat();
    chunks(&[(b"IHDR", &header), (b"IDAT", &data.finish().unwrap()), (b"IEND", b"")])
}

/// A small picture whose colour profile inflates to so many megabytes.
fn profile(megabytes: usize) -> Vec<u8> {
    let mut data = ZlibEncoder::new(b"profile\0\0".to_vec(), Compression::fast());
    (0..megabytes).for_each(|_| data.write_all(&[0; 1 << 20]).unwrap());
    let small = png((64, 64), 0, 8, 64);
    let at = find(&small, b"IDAT") - 4;
    let chunk = chunks(&[(b"iCCP", &data.finish().unwrap())]);
    [&small[..at], &chunk[8..], &small[at..]].concat()
}

fn chunks(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in chunks {
        let mut crc = flate2::Crc::new();
        crc.update(*kind);
        crc.update(data);
        out.extend([&(data.len() as u32).to_be_bytes()[..], *kind, data, &crc.sum().to_be_bytes()].concat());
    }
    out
}

/// One scan of zeros, then scans that each say in some bytes that nothing follows, and make the reader pass over all blocks.
fn progressive(side: u16, scans: usize) -> Vec<u8> {
    let segment = |marker: u8, data: &[u8]| [&[0xff, marker][..], &(data.len() as u16 + 2).to_be_bytes(), data].concat();
    let side = side.to_be_bytes();
    let frame = [&[8][..], &side, &side, &[3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]].concat();
    // One code of one bit: for DC no difference, for AC the end of 2^14 blocks and 14 bits of more.
    let codes = |class: u8, symbol: u8| [&[class, 1][..], &[0; 15], &[symbol]].concat();
    let blocks = (usize::from(u16::from_be_bytes(side)) / 8).pow(2);
    let mut file = [
        b"\xff\xd8".to_vec(),
        segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        segment(0xc2, &frame),
        segment(0xc4, &codes(0x00, 0)),
        segment(0xc4, &codes(0x10, 0xe0)),
        segment(0xda, &[3, 1, 0, 2, 0, 3, 0, 0, 0, 0]),
        vec![0; (3 * blocks).div_ceil(8)],
    ]
    .concat();
    for scan in 0..scans {
        file.extend(segment(0xda, &[1, 1 + (scan % 3) as u8, 0, 1 + (scan % 60) as u8, 1 + (scan % 60) as u8, 0]));
        file.extend(vec![0; 2 * blocks.div_ceil(1 << 14)]);
    }
    file.extend(b"\xff\xd9");
    file
}
