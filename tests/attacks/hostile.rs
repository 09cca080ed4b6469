//! Files that are made to harm the verifier itself: bombs, entities, depth, and noise. Each must be refused, and soon.

use certpress::verify::{Grade, Kind, State};
use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::tally::Most::Forged;
use crate::tally::{Chance, Tally};
use crate::world::WORLD;
use crate::zip::{Entry, read, write};

/// An archive with one deflated entry of so many zeros.
fn bomb(megabytes: usize, entries: usize) -> Vec<u8> {
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..megabytes {
        std::io::Write::write_all(&mut deflated, &zeros).unwrap();
    }
    let data = deflated.finish().unwrap();
    let size = ((megabytes << 20) as u32).to_le_bytes().to_vec();
    let entry = |number: usize| Entry {
        local: vec![(8, vec![8, 0]), (22, size.clone())],
        central: vec![(10, vec![8, 0]), (24, size.clone())],
        ..Entry::new(format!("Doc_0/{number}.xml"), data.clone())
    };
    write(&(0..entries).map(entry).collect::<Vec<_>>())
}

#[test]
fn bombs() {
    let mut tally = Tally::new("the verifier by size");
    for (megabytes, entries) in [(1, 1), (40, 1), (70, 1), (4, 40), (1, 900)] {
        tally.file("zip bombs", &format!("{megabytes} MB, {entries} times"), &bomb(megabytes, entries), Forged);
    }
    let many: Vec<Entry> = (0..30_000).map(|number| Entry::new(format!("{number}"), "")).collect();
    tally.file("zip bombs", "30,000 entries", &write(&many), Forged);
    for (what, opening) in
        [("arrays", &b"["[..]), ("dictionaries", b"<</A"), ("strings", b"("), ("names", b"/"), ("numbers", b"1 "), ("hexadecimal", b"<")]
    {
        let start = b"%PDF-1.7\n%\xbb\xad\xc0\xde\n1 0 obj\n/ByteRange";
        tally.file("deep or endless PDF values", what, &[&start[..], &opening.repeat(2_000_000)].concat(), Forged);
    }
    let objects: String = (1..300_000).map(|number| format!("{number} 0 obj\nnull\nendobj\n")).collect();
    tally.file("deep or endless PDF values", "objects", format!("%PDF-1.7\n%\u{7ff}\u{7ff}\n/ByteRange{objects}").as_bytes(), Forged);
}

#[test]
fn xml() {
    let mut tally = Tally::new("the verifier by XML");
    let entity = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>";
    let lol: String = (1..12).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let laughs = format!("<!DOCTYPE x [<!ENTITY l0 \"lol\">{lol}]>");
    let remote = "<!DOCTYPE x SYSTEM \"http://attacker.example/x.dtd\">";
    let wide: Vec<u8> = "<?xml version=\"1.0\" encoding=\"UTF-16\"?><x/>".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let parts = [
        "OFD.xml",
        "Doc_0/Document.xml",
        "Doc_0/Pages/Page_0/Content.xml",
        "Doc_0/Signs/Signatures.xml",
        "Doc_0/Signs/Sign_1/Signature.xml",
    ];
    for part in parts {
        let mut judge = |group, what: &str, change: &dyn Fn(&mut Vec<u8>)| {
            let mut entries = read(&WORLD.architect.ofd);
            change(&mut entries.iter_mut().find(|entry| entry.name == part.as_bytes()).unwrap().data);
            tally.file(group, &format!("{part} {what}"), &write(&entries), Forged)
        };
        for (what, doctype) in
            [("external entity", entity), ("a billion laughs", &laughs), ("external DTD", remote), ("lower case", "<!doctype x>")]
        {
            let verdict = judge("entities", what, &|data| {
                let text = String::from_utf8(data.clone()).unwrap();
                let (declaration, rest) = text.split_once("?>").unwrap();
                *data = format!("{declaration}?>{doctype}{rest}").into_bytes();
            });
            assert!(
                verdict.state == State::Unreadable && verdict.reason_en.contains("DOCTYPE"),
                "before anything else: {}",
                verdict.reason_en
            );
        }
        judge("other encodings", "UTF-16", &|data| data.clone_from(&wide));
        judge("other encodings", "named as UTF-7", &|data| *data = b"<?xml version=\"1.0\" encoding=\"UTF-7\"?>+ADw-x/+AD4-".to_vec());
        judge("other encodings", "named as GBK", &|data| *data = b"<?xml version='1.0' encoding='GBK'?><x/>".to_vec());
        judge("other encodings", "NUL", &|data| data.push(0));
        judge("depth", "a million elements deep", &|data| *data = b"<ofd:x>".repeat(1_000_000));
        judge("depth", "a million elements", &|data| *data = [&b"<ofd:x>"[..], &b"<ofd:x/>".repeat(1_000_000), b"</ofd:x>"].concat());
        judge("depth", "a million attributes", &|data| {
            *data = format!("<ofd:x{}/>", (0..200_000).map(|n| format!(" a{n}=\"\"")).collect::<String>()).into_bytes();
        });
        judge("depth", "an element that never ends", &|data| *data = [&b"<ofd:x a=\""[..], &b"x".repeat(1_000_000)].concat());
    }
}

#[test]
fn noise() {
    let mut tally = Tally::new("the verifier by noise");
    let mut chance = Chance::new(0xca05);
    for (what, head) in
        [("PDF", &b"%PDF-1.7\n"[..]), ("OFD", b"PK\x03\x04"), ("PNG", b"\x89PNG\r\n\x1a\n"), ("JPEG", b"\xff\xd8\xff\xe0"), ("text", b"")]
    {
        for length in [0, 1, 20, 300, 5000, 70_000] {
            let body: Vec<u8> = (0..length).map(|_| chance.below(256) as u8).collect();
            tally.file("noise behind a header", what, &[head, &body].concat(), Forged);
        }
    }
    // Pieces of genuine files in other orders.
    for genuine in [&WORLD.architect.pdf, &WORLD.architect.ofd] {
        for _ in 0..60 {
            let (from, length, to) = (chance.below(genuine.len()), chance.below(4000), chance.below(genuine.len()));
            let piece = &genuine[from..(from + length + 1).min(genuine.len())];
            let mixed = [&genuine[..to], piece, &genuine[to..]].concat();
            tally.file("a piece of it put elsewhere", "", &mixed, Forged);
            let mut over = genuine.clone();
            let end = (to + piece.len()).min(over.len());
            over[to..end].copy_from_slice(&piece[..end - to]);
            if over != *genuine {
                tally.file("a piece of it put over another", "", &over, Forged);
            }
        }
    }
    let kinds = [("x.pdf", &b"%PDF-"[..], Kind::Pdf), ("x.ofd", b"PK", Kind::Ofd), ("x.txt", b"hello", Kind::Unknown)];
    for (name, bytes, kind) in kinds {
        let verdict = WORLD.judge().file(name, bytes);
        assert_eq!((verdict.grade, verdict.kind), (Grade::C, kind));
    }
}
