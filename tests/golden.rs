//! Golden files of every sample: the page model as text, the hashes of the files, the preview as a picture.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use certpress::annotation::Wish;
use certpress::issue::NotIssued;
use certpress::render::Format;
use sha2::{Digest, Sha256};
use support::{against_reference, dump, fixed_instant, golden, line, samples, scratch, sealed_line, stem};

#[test]
fn pages_are_as_before() {
    let line = line();
    let mut faults = Vec::new();
    for loaded in samples() {
        let name = stem(&loaded);
        let record = loaded.record.unwrap_or_else(|faults| panic!("{faults:?}"));
        let text = match line.compose(&record, fixed_instant(), Wish::default()) {
            Ok(composed) => dump(&composed.document),
            Err(NotIssued::Refused(refusal)) => format!("refused {}: {}\n{}\n", refusal.code.as_str(), refusal.message, refusal.remedy),
            Err(error) => panic!("{name}: {error}"),
        };
        against_reference(&golden(&format!("{name}.txt")), &text, &mut faults);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_are_byte_for_byte_as_before() {
    let line = line();
    let mut list = String::new();
    for loaded in samples() {
        let name = stem(&loaded);
        let record = loaded.record.unwrap();
        if let Ok(composed) = line.compose(&record, fixed_instant(), Wish::default()) {
            // As rendered: signatures are made with keys that each machine makes for itself.
            for format in [Format::Pdf, Format::Ofd, Format::Svg] {
                let bytes = line.render(&composed.document, format).unwrap();
                writeln!(list, "{} {name}.{}", hex::encode(Sha256::digest(&bytes)), format.extension()).unwrap();
            }
        }
    }
    let mut faults = Vec::new();
    against_reference(&golden("sha256.txt"), &list, &mut faults);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn previews_look_as_before() {
    let line = line();
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for loaded in samples() {
        let record = loaded.record.unwrap();
        // One picture for each type: the first sample of it that is issued.
        if seen.contains(&record.licence_type) {
            continue;
        }
        if let Ok(issued) = line.issue(&record, fixed_instant(), Wish::default(), &[Format::Png]) {
            let path = golden(&format!("{}.png", record.licence_type));
            support::pictures::against_reference(&path, &issued.files[0].1, &mut faults);
            seen.insert(record.licence_type);
        }
    }
    assert!(seen.len() >= 7, "only {seen:?} have a sample that is issued");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let keys = scratch();
    let (one, two) = (sealed_line(keys.path()), sealed_line(keys.path()));
    for loaded in samples() {
        let record = loaded.record.unwrap();
        let formats = [Format::Pdf, Format::Ofd, Format::Png, Format::Svg];
        let files = |l: &certpress::issue::Line| l.issue(&record, fixed_instant(), Wish::default(), &formats).ok().map(|i| i.files);
        assert_eq!(files(&one), files(&two), "{}", loaded.source);
    }
}
