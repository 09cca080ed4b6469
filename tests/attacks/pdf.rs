//! Attacks on the PDF: its bytes, its revisions, its signature, and files signed by somebody else.

use std::fmt::Write as _;
use std::io::Read as _;
use std::ops::Range;

use certpress::sign::{Signer as _, cms, test_signer};
use certpress::verify::{Grade, State};
use flate2::read::ZlibDecoder;

use crate::tally::Most::{Added, Forged, Rewritten};
use crate::tally::{Chance, Tally, find, replaced};
use crate::world::{WORLD, World, at};

fn genuine() -> &'static [u8] {
    &WORLD.architect.pdf
}

/// The objects, with their numbers, as places from `N 0 obj` to `endobj`.
fn objects(pdf: &[u8]) -> Vec<(u32, Range<usize>)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = pdf[from..].windows(7).position(|w| w == b" 0 obj\n").map(|at| from + at) {
        let start = pdf[..at].iter().rposition(|b| !b.is_ascii_digit()).unwrap() + 1;
        let end = at + find(&pdf[at..], b"\nendobj\n") + 8;
        found.push((std::str::from_utf8(&pdf[start..at]).unwrap().parse().unwrap(), start..end));
        from = end - 1;
    }
    found
}

/// The small objects, with their numbers, out of the stream that packs them.
fn packed(pdf: &[u8]) -> Vec<(u32, String)> {
    let (_, range) = objects(pdf).into_iter().find(|(_, range)| pdf[range.clone()].windows(12).any(|w| w == b"/Type/ObjStm")).unwrap();
    let object = &pdf[range];
    let start = find(object, b"stream\n") + 7;
    let mut inflated = Vec::new();
    ZlibDecoder::new(&object[start..]).read_to_end(&mut inflated).unwrap();
    let dict = String::from_utf8_lossy(&object[..start]).into_owned();
    let number = |key: &str| dict.split_once(key).unwrap().1.split('/').next().unwrap().parse::<usize>().unwrap();
    let (pairs, body) = inflated.split_at(number("/First "));
    let pairs: Vec<usize> = std::str::from_utf8(pairs).unwrap().split_ascii_whitespace().map(|n| n.parse().unwrap()).collect();
    assert_eq!(pairs.len(), 2 * number("/N "));
    let ends = pairs.chunks(2).skip(1).map(|pair| pair[1]).chain([body.len()]);
    let text = |pair: &[usize], end: usize| (pair[0] as u32, String::from_utf8_lossy(&body[pair[1]..end - 1]).into_owned());
    pairs.chunks(2).zip(ends).map(|(pair, end)| text(pair, end)).collect()
}

/// Number and text of the object that holds some words.
fn object_with(pdf: &[u8], words: &str) -> (u32, String) {
    if let Some(small) = packed(pdf).into_iter().find(|(_, text)| text.contains(words)) {
        return small;
    }
    let has = |range: &Range<usize>| pdf[range.clone()].windows(words.len()).any(|w| w == words.as_bytes());
    let (number, range) = objects(pdf).into_iter().find(|(_, range)| has(range)).unwrap_or_else(|| panic!("no {words}"));
    let text = String::from_utf8_lossy(&pdf[range]).into_owned();
    let body = text.split_once(" 0 obj\n").unwrap().1.strip_suffix("\nendobj\n").unwrap().to_owned();
    (number, body)
}

/// Where the hexadecimal digits of the signature stand.
fn digits(pdf: &[u8]) -> Range<usize> {
    let start = find(pdf, b"/Contents<") + 10;
    start..start + find(&pdf[start..], b">")
}

/// A well-made incremental update (ISO 32000-1 7.5.6) with these objects.
fn updated(pdf: &[u8], objects: &[(u32, &str)], extra: &str) -> Vec<u8> {
    let startxref = pdf.windows(9).rposition(|w| w == b"startxref").unwrap();
    let previous = String::from_utf8_lossy(&pdf[startxref + 10..]).lines().next().unwrap().to_owned();
    let root = object_with(pdf, "/Type/Catalog").0;
    let mut out = [pdf, b"\n"].concat();
    let mut table = String::from("xref\n0 1\n0000000000 65535 f \n");
    for (number, body) in objects {
        writeln!(table, "{number} 1\n{:010} 00000 n ", out.len()).unwrap();
        out.extend_from_slice(format!("{number} 0 obj\n{body}\nendobj\n").as_bytes());
    }
    let place = out.len();
    let size = 300;
    out.extend_from_slice(
        format!("{table}trailer\n<</Size {size}/Root {root} 0 R/Prev {previous}{extra}>>\nstartxref\n{place}\n%%EOF\n").as_bytes(),
    );
    out
}

#[test]
fn the_genuine_files_are_grade_a() {
    for licence in [&WORLD.architect, &WORLD.constructor] {
        let verdict = WORLD.verdict(&licence.pdf);
        assert_eq!((verdict.grade, verdict.state), (Grade::A, State::Valid), "{}", verdict.reason_en);
        let found = verdict.licence.unwrap();
        assert_eq!((found.number, found.test), (licence.number.clone(), true));
        assert!(verdict.reason.contains("样张"));
    }
}

#[test]
fn every_algorithm_is_accepted_by_its_own_installation_alone() {
    let mut world = World::new("signer-ed25519");
    for id in ["signer-ed25519", "signer-rsa", "signer-sm2"] {
        world = World::with_keys(world.folder, id);
        let (own, other) = (world.verdict(&world.architect.pdf), WORLD.verdict(&world.architect.pdf));
        assert_eq!((own.grade, own.state), (Grade::A, State::Valid), "{id}: {}", own.reason_en);
        assert_eq!((other.grade, other.state), (Grade::C, State::NotIssued), "{id}: {}", other.reason_en);
    }
}

#[test]
fn bytes_of_every_region() {
    let mut tally = Tally::new("the bytes of a PDF");
    let mut chance = Chance::new(0x0b17);
    let pdf = genuine();
    let mut flipped = |group, at: usize, chance: &mut Chance| {
        let mut changed = pdf.to_vec();
        chance.flip(&mut changed[at]);
        tally.file(group, &format!("byte {at}"), &changed, Forged);
    };
    (0..15).for_each(|at| flipped("flip: header", at, &mut chance));
    for (_, range) in objects(pdf) {
        for at in
            [range.start, range.start + 2, range.end - 3, range.start + chance.below(range.len()), range.start + chance.below(range.len())]
        {
            flipped("flip: objects", at, &mut chance);
        }
    }
    let hex = digits(pdf);
    hex.clone().step_by(29).for_each(|at| flipped("flip: signature value", at, &mut chance));
    (hex.end - 16..hex.end).for_each(|at| flipped("flip: signature value", at, &mut chance));
    let range = find(pdf, b"/ByteRange");
    (range..range + 60).for_each(|at| flipped("flip: ByteRange", at, &mut chance));
    let xref = find(pdf, b"/Type/XRef");
    (xref..pdf.len()).for_each(|at| flipped("flip: cross-references and end", at, &mut chance));
    let small = find(pdf, b"/Type/ObjStm");
    (small..xref).step_by(7).for_each(|at| flipped("flip: small objects", at, &mut chance));
    for _ in 0..60 {
        let at = chance.below(pdf.len());
        tally.file("cut short", &format!("to {at}"), &pdf[..at], Forged);
        let mut more = pdf.to_vec();
        more.insert(at, b" \n\0x"[chance.below(4)]);
        tally.file("a byte more", &format!("at {at}"), &more, if at == pdf.len() { Added } else { Forged });
        more.drain(at..=at + 1);
        tally.file("a byte less", &format!("at {at}"), &more, Forged);
    }
}

#[test]
fn what_is_appended() {
    let mut tally = Tally::new("what is appended to a PDF");
    let pdf = genuine();
    let (page, page_body) = object_with(pdf, "/Type/Page/");
    let (catalog, catalog_body) = object_with(pdf, "/Type/Catalog");
    let (field, field_body) = object_with(pdf, "/FT/Sig");
    let (signature, signature_body) = object_with(pdf, "/ByteRange");
    let dict = |body: &str, more: &str| format!("{}{more}>>", body.strip_suffix(">>").unwrap());
    let stream = "<</Length 44>>stream\nBT /HF0 40 Tf 100 500 Td (FORGED) Tj ET      \nendstream";
    let contents = page_body.split("/Contents").nth(1).unwrap().split(']').next().unwrap().to_owned();
    let content: u32 = contents.trim_start_matches('[').split(' ').next().unwrap().parse().unwrap();
    let annotation = "<</Type/Annot/Subtype/FreeText/Rect[0 0 600 800]/Contents(forged)/DA(/Helv 40 Tf)/F 4>>";
    let empty_field = "<</FT/Sig/T(Signature2)/Type/Annot/Subtype/Widget/Rect[0 0 600 800]/F 4/AP<</N 201 0 R>>>>";
    let with_contents = page_body.replace(&format!("/Contents{contents}]"), "/Contents[200 0 R]");
    assert_ne!(with_contents, page_body);
    let updates: Vec<(&str, Vec<(u32, String)>)> = vec![
        ("nothing but a table", vec![]),
        ("content replaced", vec![(content, stream.to_owned())]),
        ("page with other content", vec![(page, with_contents), (200, stream.to_owned())]),
        ("page with an annotation", vec![(page, dict(&page_body, "/Annots[200 0 R]")), (200, annotation.to_owned())]),
        ("page turned", vec![(page, dict(&page_body, "/Rotate 180"))]),
        ("page cropped", vec![(page, dict(&page_body, "/CropBox[0 0 10 10]"))]),
        ("catalog with a script", vec![(catalog, dict(&catalog_body, "/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>"))]),
        ("catalog that launches", vec![(catalog, dict(&catalog_body, "/OpenAction<</S/URI/URI(http://attacker.example/)>>"))]),
        ("catalog without certification", vec![(catalog, catalog_body.replace("/Perms", "/Xerms"))]),
        ("catalog with hidden layers", vec![(catalog, dict(&catalog_body, "/OCProperties<</OCGs[]/D<</OFF[]>>>>"))]),
        ("catalog with a security store", vec![(catalog, dict(&catalog_body, "/DSS<</Certs[200 0 R]>>")), (200, stream.to_owned())]),
        ("catalog with XFA", vec![(catalog, catalog_body.replace("/AcroForm<<", "/AcroForm<</XFA 200 0 R"))]),
        (
            "an empty signature field over the page",
            vec![(catalog, catalog_body.replace("/Fields[", "/Fields[200 0 R ")), (200, empty_field.to_owned()), (201, stream.to_owned())],
        ),
        (
            "a second signature",
            vec![(200, signature_body.clone()), (201, field_body.replace(&format!("/V {signature} 0 R"), "/V 200 0 R"))],
        ),
        ("the signature's field replaced", vec![(field, field_body.replace("/Rect[", "/Rect[0 0 0 0 "))]),
        ("the signature replaced", vec![(signature, signature_body.replace("/M(D:2", "/M(D:1"))]),
        ("the signature freed", vec![(signature, "null".to_owned())]),
        ("metadata replaced", vec![(object_with(pdf, "/Type/Metadata").0, stream.to_owned())]),
        ("information replaced", vec![(object_with(pdf, "/Producer").0, "<</Title(forged)>>".to_owned())]),
        ("statement replaced", vec![(object_with(pdf, "application#2Fjson").0, stream.to_owned())]),
        ("pages replaced", vec![(object_with(pdf, "/Type/Pages").0, "<</Type/Pages/Count 1/Kids[200 0 R]>>".to_owned())]),
        ("colours replaced", vec![(object_with(pdf, "/N 3").0, stream.to_owned())]),
    ];
    for (what, objects) in &updates {
        let objects: Vec<(u32, &str)> = objects.iter().map(|(number, body)| (*number, body.as_str())).collect();
        let update = updated(pdf, &objects, "");
        let verdict = tally.file("incremental update", what, &update, Added);
        assert!(verdict.reason_en.contains("added after signing"), "{what}: {}", verdict.reason_en);
        tally.file("update upon update", what, &updated(&update, &objects, ""), Added);
        tally.file("update with a stranger's root", what, &updated(pdf, &objects, "/Encrypt 200 0 R/Info 200 0 R"), Added);
        // Every font, picture and form of the file in turn would go the same way.
        tally.file("update without a table", what, &update[..find(&update[pdf.len()..], b"xref\n") + pdf.len()], Added);
    }
    for (number, _) in objects(pdf) {
        tally.file("shadow content: each object in turn", &number.to_string(), &updated(pdf, &[(number, stream)], ""), Added);
    }
    let verdict = WORLD.verdict(&updated(pdf, &[(page, &page_body), (catalog, &catalog_body)], ""));
    assert!(verdict.reason_en.contains("replaces Page, Catalog"), "{}", verdict.reason_en);
    for (what, tail) in [
        ("spaces", &b"    "[..]),
        ("a line", b"\n"),
        ("NUL", b"\0"),
        ("a comment", b"\n%forged"),
        ("%%EOF again", b"\n%%EOF"),
        ("startxref alone", b"\nstartxref\n0\n%%EOF\n"),
        ("a page of HTML", b"<html><script>alert(1)</script></html>"),
        ("an archive", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("a picture", b"\x89PNG\r\n\x1a\n"),
        ("a licence in OFD", &WORLD.architect.ofd),
        ("another licence", &WORLD.constructor.pdf),
        ("itself", pdf),
    ] {
        tally.file("polyglot: behind", what, &[pdf, tail].concat(), Added);
    }
    for (what, head) in [
        ("spaces", &b"  "[..]),
        ("a line", b"\n"),
        ("a byte order mark", b"\xef\xbb\xbf"),
        ("another header", b"%PDF-1.4\n"),
        ("a page of HTML", b"<html>"),
        ("an archive's header", b"PK\x03\x04"),
        ("a picture", b"\x89PNG\r\n\x1a\n"),
        ("a script", b"#!/bin/sh\n"),
        ("a licence in OFD", &WORLD.architect.ofd),
        ("another licence", &WORLD.constructor.pdf),
    ] {
        tally.file("polyglot: before", what, &[head, pdf].concat(), if head.len() > 1000 { Added } else { Forged });
    }
}

#[test]
fn byte_ranges_and_contents() {
    let mut tally = Tally::new("ByteRange and Contents");
    let pdf = genuine();
    let hex = digits(pdf);
    let range = find(pdf, b"/ByteRange[") + 11;
    let width = find(&pdf[range..], b"]") + 1;
    let (gap, length) = (hex.start - 1..hex.end + 1, pdf.len());
    let rest = length - gap.end;
    for numbers in [
        format!("0 {} {} {}", gap.start - 1, gap.end, rest),
        format!("0 {} {} {}", gap.start, gap.end + 1, rest - 1),
        format!("0 {} {} {}", gap.start, gap.end, rest - 1),
        format!("0 {} {} {}", gap.start, gap.end, rest + 1),
        format!("0 {} {} {}", gap.start + 1, gap.end - 1, rest),
        format!("1 {} {} {}", gap.start - 1, gap.end, rest),
        format!("-1 {} {} {}", gap.start, gap.end, rest),
        format!("0 0 0 {length}"),
        format!("0 {length} {length} 0"),
        format!("0 {} 0 {}", gap.start, rest),
        format!("0 {} {}", gap.start, gap.end),
        format!("0 {} {} {} 0 0", gap.start, gap.end, rest),
        format!("0 {}.0 {} {}", gap.start, gap.end, rest),
        format!("0 -{} {} {}", gap.start, gap.end, rest),
        format!("0 {} -{} {}", gap.start, gap.end, rest),
        format!("0 {} {} 9999999999", gap.start, gap.end),
        "0 9223372036854775807 9223372036854775807 9".to_owned(),
        "0 0 0 0".to_owned(),
        "null null null null".to_owned(),
        String::new(),
    ] {
        if numbers.len() >= width {
            continue;
        }
        let mut changed = pdf.to_vec();
        changed[range..range + width].copy_from_slice(format!("{:<1$}", format!("{numbers}]"), width).as_bytes());
        tally.file("ByteRange", &numbers, &changed, Forged);
        // With the forger's bytes behind, too.
        tally.file("ByteRange and more", &numbers, &updated(&changed, &[(200, "null")], ""), Forged);
    }
    for (what, name) in [("renamed", "/ByteRangE"), ("spelled oddly", "/Byte#52an")] {
        tally.file("ByteRange", what, &replaced(pdf, b"/ByteRange", name.as_bytes()), Forged);
    }
    let put = |text: &[u8]| [&pdf[..hex.start], text, &pdf[hex.end..]].concat();
    let value = &pdf[hex.clone()];
    let zeros = value.iter().rev().take_while(|b| **b == b'0').count();
    let upper = value.to_ascii_uppercase();
    tally.file("Contents: upper case throughout", "all", &put(&upper), Rewritten);
    for at in (0..value.len()).filter(|at| value[*at].is_ascii_lowercase()).step_by(37) {
        let mut mixed = value.to_vec();
        mixed[at].make_ascii_uppercase();
        tally.file("Contents: one digit in the other case", &at.to_string(), &put(&mixed), Forged);
    }
    let same = |bytes: Vec<u8>| [bytes.as_slice(), &vec![b'0'; value.len()]].concat()[..value.len()].to_vec();
    let other = &WORLD.constructor.pdf;
    for (what, text) in [
        ("empty", same(Vec::new())),
        ("cut short", same(value[..value.len() / 2].to_vec())),
        ("of another licence", same(other[digits(other)].to_vec())),
        ("an empty sequence", same(b"3000".to_vec())),
        ("of indefinite length", same(replaced(value, b"3082", b"3080"))),
        ("spaces inside", replaced(value, b"3082", b"30 2")),
        ("no hexadecimal digit", replaced(value, b"3082", b"308g")),
        ("shifted", same([b"00", value].concat())),
        ("followed by another value", same(value[..value.len() - zeros.min(4)].iter().chain(b"0500").copied().collect())),
    ] {
        if text == value {
            continue;
        }
        tally.file("Contents", what, &put(&text), Forged);
    }
    tally.file("Contents", "no digits", &put(b""), Forged);
    tally.file("Contents", "longer", &put(&[value, b"00"].concat()), Forged);
    tally.file("Contents", "a literal string", &replaced(&replaced(pdf, b"/Contents<", b"/Contents("), b">/", b")/"), Forged);
    for padding in 1..=zeros.min(6) {
        let mut changed = value.to_vec();
        let at = changed.len() - padding;
        changed[at] = b'1';
        tally.file("Contents: padding", &padding.to_string(), &put(&changed), Forged);
    }
    for (what, old, new) in [
        ("SubFilter", "/ETSI.CAdES.detached", "/adbe.pkcs7.detached"),
        ("P=2", "/P 1", "/P 2"),
        ("P=3", "/P 1", "/P 3"),
        ("transform", "/TransformMethod/DocMDP", "/TransformMethod/FieldM"),
        ("another time", "/M(D:2026", "/M(D:2025"),
        ("reason", "/Filter/Adobe.PPKLite", "/Filter/Adobe.PPKMSxx"),
        ("a second key", "/Type/Sig/", "/M()/Sig/ "),
        ("the field's value", "/FT/Sig", "/FT/Btn"),
    ] {
        let at = pdf.windows(old.len()).rposition(|w| w == old.as_bytes()).unwrap_or_else(|| panic!("no {old}"));
        let changed = [&pdf[..at], new.as_bytes(), &pdf[at + old.len()..]].concat();
        if changed != pdf {
            tally.file("the signature's dictionary", what, &changed, Forged);
        }
    }
}

#[test]
fn signed_by_somebody_else() {
    let mut tally = Tally::new("PDF signed by others");
    // The same names, the same program, other keys: from end to end, and each half alone.
    let forger = World::new("signer-p256");
    tally.file("another installation", "everything", &forger.architect.pdf, Forged);
    for id in ["signer-ed25519", "signer-rsa", "signer-sm2", "signer-p256"] {
        let pdf = genuine();
        let hex = digits(pdf);
        let covered = [&pdf[..hex.start - 1], &pdf[hex.end + 1..]];
        let signed = |folder: &std::path::Path| {
            let signer = test_signer(folder, id, at()).unwrap();
            assert!(signer.algorithm() == signer.chain()[0].key().algorithm());
            hex::encode(cms::sign(&signer, &covered, at()).unwrap())
        };
        let put = |mut value: String| {
            value.truncate(hex.len());
            [&pdf[..hex.start], format!("{value:0<width$}", width = hex.len()).as_bytes(), &pdf[hex.end..]].concat()
        };
        tally.file("a universal forgery: the right bytes, a stranger's key", id, &put(signed(forger.folder.path())), Forged);
    }
    // The same certificates, but nobody's statement: who signs files alone cannot make a licence.
    let folder = tempfile::tempdir().unwrap();
    for part in ["private", "certificates", "trust"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
        for file in std::fs::read_dir(WORLD.folder.path().join(part)).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            // All but the statement key and the list of them.
            if name.ends_with(".pem")
                && !name.starts_with("statement")
                && !WORLD.trusted.iter().any(|key| name == format!("{}.pem", key.name()))
            {
                std::fs::copy(file.path(), folder.path().join(part).join(name)).unwrap();
            }
        }
    }
    let insider = World::with_keys(folder, "signer-p256");
    let verdict = tally.file("our signer, a stranger's statement", "", &insider.architect.pdf, Forged);
    assert!(verdict.reason_en.contains("statement"), "{}", verdict.reason_en);
    let revoked = World::with_keys(insider.folder, "signer-revoked");
    let verdict = tally.file("a signer that was revoked", "", &revoked.architect.pdf, Forged);
    assert!(verdict.reason_en.contains("was revoked"), "{}", verdict.reason_en);
    // A page without a signature, and one whose words were taken out.
    tally.file(
        "no signature",
        "keys renamed",
        &replaced(&replaced(genuine(), b"/ByteRange", b"/BiteRange"), b"/Contents<", b"/Kontents<"),
        Forged,
    );
    tally.file("no signature", "almost nothing", b"%PDF-1.7\n%\xbb\xad\xc0\xde\n", Forged);
    let verdict = tally.file(
        "no signature",
        "a file of another program",
        b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
        Forged,
    );
    assert_eq!(verdict.state, State::Unsigned);
}
