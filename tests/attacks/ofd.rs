//! Attacks on the OFD: every entry, every signature part, the container's headers and names, and XML that does harm.

use certpress::verify::{Grade, State};

use crate::tally::Most::{Added, Forged, Rewritten};
use crate::tally::{Chance, Tally, replaced};
use crate::world::{WORLD, World};
use crate::zip::{Entry, read, write, write_with};

/// The licence with two seals.
fn entries() -> Vec<Entry> {
    read(&WORLD.architect.ofd)
}

fn named<'e>(entries: &'e mut [Entry], name: &str) -> &'e mut Entry {
    entries.iter_mut().find(|entry| entry.name == name.as_bytes()).unwrap_or_else(|| panic!("no {name}"))
}

/// The archive with one entry's data changed.
fn changed(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut entries = entries();
    change(&mut named(&mut entries, name).data);
    write(&entries)
}

fn text(name: &str) -> String {
    String::from_utf8(named(&mut entries(), name).data.clone()).unwrap()
}

/// The archive with the first `old` in an entry replaced.
fn edited(name: &str, old: &str, new: &str) -> Vec<u8> {
    changed(name, |data| *data = replaced(data, old.as_bytes(), new.as_bytes()))
}

/// The archive with more at its end.
fn with(more: Vec<Entry>) -> Vec<u8> {
    write(&[entries(), more].concat())
}

const FIRST: &str = "Doc_0/Signs/Sign_0/Signature.xml";
const SECOND: &str = "Doc_0/Signs/Sign_1/Signature.xml";
const LIST: &str = "Doc_0/Signs/Signatures.xml";

#[test]
fn the_genuine_files_are_grade_a() {
    for licence in [&WORLD.architect, &WORLD.constructor] {
        let verdict = WORLD.verdict(&licence.ofd);
        assert_eq!((verdict.grade, verdict.state), (Grade::A, State::Valid), "{}", verdict.reason_en);
        assert_eq!(verdict.licence.unwrap().number, licence.number);
        // Packed anew, the same content is genuine still, but not what was issued.
        let verdict = WORLD.verdict(&write(&read(&licence.ofd)));
        assert_eq!((verdict.grade, verdict.state), (Grade::B, State::Valid), "{}", verdict.reason_en);
    }
}

#[test]
fn every_entry() {
    let mut tally = Tally::new("the entries of an OFD");
    let mut chance = Chance::new(0x0fd);
    // What a judge remembers of the genuine file must not help the others.
    WORLD.verdict(&WORLD.architect.ofd);
    let whole = entries();
    tally.file("packed anew", "stored", &write(&whole), Rewritten);
    let mut backwards = whole.clone();
    backwards.reverse();
    tally.file("packed anew", "in another order", &write(&backwards), Rewritten);
    for (number, entry) in whole.iter().enumerate() {
        let name = String::from_utf8(entry.name.clone()).unwrap();
        let judge = |tally: &mut Tally, group, change: &mut dyn FnMut(&mut Entry)| {
            let mut entries = whole.clone();
            change(&mut entries[number]);
            let verdict = tally.file(group, &name, &write(&entries), Forged);
            // What is covered is named.
            if !name.contains("Signs/") && name != "OFD.xml" && group != "renamed" {
                assert!(verdict.reason.contains(&name) && verdict.reason_en.contains(&name), "{name}: {}", verdict.reason_en);
            }
        };
        for _ in 0..if name.contains("Signs/") { 50 } else { 5 } {
            judge(&mut tally, "a bit flipped", &mut |entry| {
                let at = chance.below(entry.data.len());
                chance.flip(&mut entry.data[at]);
            });
        }
        judge(&mut tally, "cut by one", &mut |entry| entry.data.truncate(entry.data.len() - 1));
        judge(&mut tally, "emptied", &mut |entry| entry.data.clear());
        judge(&mut tally, "a byte more", &mut |entry| entry.data.push(b'\n'));
        judge(&mut tally, "renamed", &mut |entry| entry.name.extend(b".old"));
        let mut without = whole.clone();
        without.remove(number);
        let verdict = tally.file("removed", &name, &write(&without), Forged);
        assert!(verdict.reason_en.contains(&name) || name == "OFD.xml", "{name}: {}", verdict.reason_en);
        let mut swapped = whole.clone();
        let other = (number + 1) % whole.len();
        let data = swapped[number].data.clone();
        swapped[number].data = std::mem::replace(&mut swapped[other].data, data);
        tally.file("two swapped", &name, &write(&swapped), Forged);
        // The same part of another licence.
        if let Some(theirs) = read(&WORLD.constructor.ofd).into_iter().find(|theirs| theirs.name == entry.name && theirs.data != entry.data)
        {
            judge(&mut tally, "of another licence", &mut |entry| entry.data.clone_from(&theirs.data));
        }
    }
}

#[test]
fn signatures_and_seals() {
    let mut tally = Tally::new("the signatures of an OFD");
    for path in [FIRST, SECOND] {
        let xml = text(path);
        for (what, old, new) in [
            ("digest downgraded to MD5", "1.2.156.10197.1.401", "1.2.840.113549.2.5"),
            ("digest downgraded to SHA-1", "1.2.156.10197.1.401", "1.3.14.3.2.26"),
            ("digest renamed", "1.2.156.10197.1.401", "SM3"),
            ("digest unnamed", " CheckMethod=\"1.2.156.10197.1.401\"", ""),
            ("method renamed", "1.2.156.10197.1.501", "1.2.840.113549.1.1.5"),
            ("another time", "SignatureDateTime>2026", "SignatureDateTime>2027"),
            ("seal moved", "Boundary=\"", "Boundary=\"1"),
            ("seal on another page", "PageRef=\"", "PageRef=\"9"),
            ("reference renamed", "FileRef=\"/OFD.xml\"", "FileRef=\"/ofd.xml\""),
            ("reference to a folder above", "FileRef=\"/OFD.xml\"", "FileRef=\"/Doc_0/../OFD.xml\""),
            ("reference made relative", "FileRef=\"/", "FileRef=\""),
            ("reference made an address", "FileRef=\"/OFD.xml\"", "FileRef=\"http://attacker.example/OFD.xml\""),
            ("digest changed", "<ofd:CheckValue>", "<ofd:CheckValue>A"),
            ("signed value elsewhere", "SignedValue>/Doc_0/Signs/Sign_", "SignedValue>/Doc_0/Signs/Sign_7"),
            ("seal elsewhere", "<ofd:Seal><ofd:BaseLoc>", "<ofd:Seal><ofd:BaseLoc>/x"),
            ("no seal", "<ofd:Seal>", "<ofd:Zeal>"),
            ("another namespace", "http://www.ofdspec.org/2016", "http://attacker.example/2016"),
            ("white space", "<ofd:SignedInfo>", "<ofd:SignedInfo> "),
            ("a comment", "<ofd:SignedInfo>", "<ofd:SignedInfo><!-- -->"),
        ] {
            tally.file("Signature.xml edited", &format!("{path}: {what}"), &edited(path, old, new), Forged);
        }
        // Each reference left out, and each there twice.
        for reference in xml.split("<ofd:Reference ").skip(1) {
            let reference = format!("<ofd:Reference {}", &reference[..reference.find("</ofd:Reference>").unwrap() + 16]);
            tally.file("a reference left out", &reference, &edited(path, &reference, ""), Forged);
            tally.file("a reference twice", &reference, &edited(path, &reference, &reference.repeat(2)), Forged);
        }
    }
    for (what, old, new) in [
        ("seal made a plain signature", "Type=\"Seal\"", "Type=\"Sign\""),
        ("type left out", " Type=\"Seal\"", ""),
        ("type unknown", "Type=\"Seal\"", "Type=\"Xeal\""),
        ("first signature twice", "Sign_1/", "Sign_0/"),
        ("second signature elsewhere", "/Doc_0/Signs/Sign_1/", "/Doc_0/Signs/Sign_9/"),
        ("another root", "ofd:Signatures ", "ofd:Signaturez "),
    ] {
        tally.file("Signatures.xml edited", what, &edited(LIST, old, new), Forged);
    }
    let list = text(LIST);
    let second = &list[list.rfind("<ofd:Signature ").unwrap()..list.rfind("</ofd:Signatures>").unwrap()];
    tally.file("a signature taken off", "second, from the list", &edited(LIST, second, ""), Forged);
    tally.file(
        "a signature taken off",
        "all",
        &edited(LIST, &list[list.find("<ofd:Signature ").unwrap()..list.rfind("</ofd:Signatures>").unwrap()], ""),
        Forged,
    );
    tally.file("a signature taken off", "the list itself", &edited("OFD.xml", "ofd:Signatures>", "ofd:Signaturez>"), Forged);
    let mut stripped = entries();
    stripped.retain(|entry| !String::from_utf8_lossy(&entry.name).contains("Sign_1"));
    named(&mut stripped, LIST).data = replaced(list.as_bytes(), second.as_bytes(), b"");
    tally.file("a signature taken off", "second, with its files", &write(&stripped), Forged);
    tally.file(
        "a signature added",
        "third, the first again",
        &edited(LIST, "</ofd:Signatures>", &format!("{second}</ofd:Signatures>")),
        Forged,
    );
    for (one, other) in [
        ("SignedValue.dat", "SignedValue.dat"),
        ("Seal.esl", "Seal.esl"),
        ("Signature.xml", "Signature.xml"),
        ("Seal.esl", "SignedValue.dat"),
    ] {
        let mut entries = entries();
        let (a, b) = (format!("Doc_0/Signs/Sign_0/{one}"), format!("Doc_0/Signs/Sign_1/{other}"));
        let data = named(&mut entries, &a).data.clone();
        let old = std::mem::replace(&mut named(&mut entries, &b).data, data);
        named(&mut entries, &a).data = old;
        tally.file("seals swapped", &format!("{a} {b}"), &write(&entries), Forged);
    }
    // Our seal under a stranger's content, and a stranger's seal under ours.
    let forger = World::new("signer-p256");
    tally.file("another installation", "everything", &forger.architect.ofd, Forged);
    for part in ["Seal.esl", "SignedValue.dat", "Signature.xml"] {
        let theirs = read(&forger.architect.ofd);
        let mut ours = entries();
        for seal in 0..2 {
            let name = format!("Doc_0/Signs/Sign_{seal}/{part}");
            named(&mut ours, &name).data = theirs.iter().find(|entry| entry.name == name.as_bytes()).unwrap().data.clone();
        }
        tally.file("another installation", part, &write(&ours), Forged);
    }
    let mut theirs = read(&forger.architect.ofd);
    for entry in entries().into_iter().filter(|entry| String::from_utf8_lossy(&entry.name).contains("Signs/")) {
        let name = String::from_utf8(entry.name.clone()).unwrap();
        *named(&mut theirs, &name) = entry;
    }
    tally.file("another installation", "our signatures over their content", &write(&theirs), Forged);
}

#[test]
fn names() {
    let mut tally = Tally::new("the names in an OFD");
    for name in [
        "Doc_0/Annots/Annotations.xml",
        "Doc_0/Pages/Page_0/Annotation.xml",
        "Doc_0/Signs/Sign_2/Signature.xml",
        "META-INF/x",
        "a",
        "Doc_1/Document.xml",
    ] {
        let verdict = tally.file("an entry that nobody covers", name, &with(vec![Entry::new(name, "<x/>")]), Added);
        assert!(verdict.reason_en.contains(name) && verdict.reason.contains(name), "{}", verdict.reason_en);
    }
    let original = text("OFD.xml");
    for name in [
        "OFD.xml",
        "ofd.xml",
        "OFD.XML",
        "ＯＦＤ.xml",
        "Ofd.xml",
        "./OFD.xml",
        "/OFD.xml",
        "//OFD.xml",
        "OFD.xml/",
        "OFD.xml.",
        "OFD.xml ",
        " OFD.xml",
        "Doc_0/../OFD.xml",
        "Doc_0//Document.xml",
        "Doc_0/./Document.xml",
        "Doc_0\\Document.xml",
        "doc_0/document.xml",
        "Doc_0/Pages/",
        "OFD.xml\0",
        "OFD.xml\0.png",
        "..",
        "../OFD.xml",
        "../../../../etc/passwd",
        "/etc/passwd",
        "C:/windows/x",
        "c:\\windows\\x",
        "~/x\u{7f}",
        "Doc_0/CON:",
        "",
        "Doc_0/..",
        "Doc_0/Document.xml:stream",
        "a*",
        "a?",
        "\u{202e}lmx.DFO\n",
    ] {
        tally.file("aliases, other cases, other folders", &format!("{name:?}"), &with(vec![Entry::new(name, original.clone())]), Forged);
        let mut first = entries();
        first.insert(0, Entry::new(name, "<forged/>"));
        tally.file("the same before the others", &format!("{name:?}"), &write(&first), Forged);
    }
    tally.file("names that are not UTF-8", "GBK", &with(vec![Entry::new(&b"\xd6\xa4\xd5\xd5"[..], "x")]), Forged);
    for pair in [["é.xml", "e\u{301}.xml"], ["ﬁ", "fi"], ["K", "\u{212a}"], ["Ａ", "a"], ["ß.x", "ẞ.x"]] {
        let more = pair.map(|name| Entry::new(name, "x")).to_vec();
        tally.file("two names that one reader may take for one", &format!("{pair:?}"), &with(more), Forged);
    }
}

#[test]
fn headers() {
    let mut tally = Tally::new("the container of an OFD");
    let whole = entries();
    let mut patched = |group, what: &str, at: usize, local: bool, bytes: &[u8]| {
        for number in [0, whole.len() / 2, whole.len() - 1] {
            let mut entries = whole.clone();
            let patches = if local { &mut entries[number].local } else { &mut entries[number].central };
            patches.push((at, bytes.to_vec()));
            tally.file(group, what, &write(&entries), Forged);
        }
    };
    for (what, local, central, bytes) in [
        ("version", 4, 6, &[99, 0][..]),
        ("encrypted", 6, 8, &[1, 0]),
        ("sizes after the data", 6, 8, &[8, 0]),
        ("strongly encrypted", 6, 8, &[0x41, 0]),
        ("names marked as UTF-8", 6, 8, &[0, 8]),
        ("deflated", 8, 10, &[8, 0]),
        ("another method", 8, 10, &[12, 0]),
        ("time", 10, 12, &[1, 1]),
        ("date", 12, 14, &[1, 1]),
        ("checksum", 14, 16, &[1, 2, 3, 4]),
        ("packed size", 18, 20, &[1, 0, 0, 0]),
        ("packed size of zip64", 18, 20, &[0xff; 4]),
        ("size", 22, 24, &[1, 0, 0, 0]),
        ("size of a bomb", 22, 24, &[0xff, 0xff, 0xff, 0x7f]),
        ("length of the name", 26, 28, &[1, 0]),
        ("extra field", 28, 30, &[4, 0]),
    ] {
        patched("local header only", what, local, true, bytes);
        patched("directory only", what, central, false, bytes);
    }
    for (what, at, bytes) in [
        ("a comment", 32, &[4, 0][..]),
        ("another disk", 34, &[1, 0]),
        ("a symbolic link", 38, &[0, 0, 0xff, 0xa1]),
        ("a folder", 38, &[0, 0, 0xed, 0x41]),
        ("a device", 38, &[0, 0, 0xed, 0x61]),
        ("offset into another", 42, &[3, 0, 0, 0]),
        ("offset beyond", 42, &[0xff; 4]),
        ("no header", 0, b"PK\x01\x03"),
    ] {
        patched("directory only", what, at, false, bytes);
    }
    patched("local header only", "no header", 0, true, b"PK\x03\x05");
    let mut renamed = whole.clone();
    renamed[3].name = b"Doc_0/Other_name.xml".to_vec();
    let mut one = write(&renamed);
    let at = one.windows(20).rposition(|w| w == b"Doc_0/Other_name.xml").unwrap();
    one[at..at + 20].copy_from_slice(b"Doc_0/Other_namf.xml");
    tally.file("local header only", "another name", &one, Forged);
    let genuine = &WORLD.architect.ofd;
    for (what, bytes) in [
        ("bytes before", [b"MZ", genuine.as_slice()].concat()),
        ("bytes after", [genuine.as_slice(), b"x"].concat()),
        ("a comment", write_with(&whole, b"", b"forged")),
        ("a comment that looks like an end", write_with(&whole, b"", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")),
        ("bytes between", write_with(&whole, b"PK", b"")),
        ("an archive before", [WORLD.constructor.ofd.as_slice(), genuine].concat()),
        ("itself twice", [genuine.as_slice(), genuine].concat()),
        ("the end twice", [genuine.as_slice(), &genuine[genuine.len() - 22..]].concat()),
        ("nothing but the end", genuine[genuine.len() - 22..].to_vec()),
        ("an empty archive", write(&[])),
    ] {
        tally.file("around the archive", what, &bytes, Forged);
    }
    let end = genuine.len() - 22;
    for at in end..genuine.len() {
        for bit in [1, 0x80] {
            let mut changed = genuine.clone();
            changed[at] ^= bit;
            tally.file("flip: end of the archive", &at.to_string(), &changed, Forged);
        }
    }
    let mut chance = Chance::new(0x21b);
    let directory = genuine.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    for _ in 0..150 {
        let at = directory + chance.below(end - directory);
        let mut changed = genuine.clone();
        chance.flip(&mut changed[at]);
        // Who made the entry, and some of its attributes, mean nothing to anybody.
        tally.file("flip: directory", &at.to_string(), &changed, Rewritten);
    }
    for _ in 0..150 {
        let at = chance.below(directory);
        let mut changed = genuine.clone();
        chance.flip(&mut changed[at]);
        // The last bits of a deflated entry may mean nothing either.
        tally.file("flip: headers and data", &at.to_string(), &changed, Rewritten);
        tally.file("cut short", &at.to_string(), &genuine[..at], Forged);
    }
}
