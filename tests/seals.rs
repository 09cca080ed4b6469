//! Issued OFD files carry the seals that their page shows, the same ones on every run.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::io::Read as _;
use std::path::Path;

use certpress::annotation::Wish;
use certpress::config::{OfdSettings, OfdSignature, Settings};
use certpress::issue::{Envelopes, Line};
use certpress::render::Format;
use certpress::sign::ofd::Entry;
use certpress::sign::{Keyring, cms, ses};
use support::{fixed_instant, samples, scratch, sealed_line, stem};

/// The entries of the OFD that a line makes of a sample, in their order.
fn issued(line: &Line, sample: &str) -> Vec<(String, Vec<u8>)> {
    let loaded = samples().into_iter().find(|loaded| stem(loaded).starts_with(sample)).unwrap();
    let issued = line.issue(&loaded.record.unwrap(), fixed_instant(), Wish::default(), &[Format::Ofd]).unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&issued.files[0].1)).unwrap();
    let count = archive.len();
    let read = |index| {
        let mut entry = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.name().unwrap().into_owned(), bytes)
    };
    (0..count).map(read).collect()
}

fn entry<'e>(entries: &'e [(String, Vec<u8>)], name: &str) -> &'e [u8] {
    &entries.iter().find(|(known, _)| known == name).unwrap().1
}

#[test]
fn the_architects_page_is_sealed_by_the_chairman_and_then_by_the_committee() {
    let keys = scratch();
    let entries = issued(&sealed_line(keys.path()), "r19");
    let sealed = [("测试主任 测试 TEST", "Chairman"), ("示例注册建筑师管理委员会 测试 TEST", "Authority")];
    for (number, (words, by)) in sealed.into_iter().enumerate() {
        let file = |name: &str| format!("Doc_0/Signs/Sign_{number}/{name}");
        let description = entry(&entries, &file("Signature.xml"));
        let opened = ses::open(entry(&entries, &file("SignedValue.dat"))).unwrap();
        assert_eq!((opened.seal.name(), opened.at, opened.path), (words, fixed_instant(), format!("/{}", file("Signature.xml"))));
        assert!(opened.signer.subject().contains(by), "{}", opened.signer.subject());
        assert_eq!(opened.data_hash, Entry::of("", description).digest);
        assert_eq!(opened.seal.der(), entry(&entries, &file("Seal.esl")));
    }
    assert!(issued(&sealed_line(keys.path()), "r19") == entries, "the same keys give the same bytes");
}

#[test]
fn a_plain_signature_is_one_for_the_whole_file() {
    let keys = scratch();
    let entries = issued(&plainly_signed(keys.path()), "r19");
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).filter(|name| name.contains("Signs")).collect();
    assert_eq!(names, ["Doc_0/Signs/Sign_0/Signature.xml", "Doc_0/Signs/Sign_0/SignedValue.dat", "Doc_0/Signs/Signatures.xml"]);
    let opened = cms::open(entry(&entries, names[1])).unwrap();
    assert!(opened.covers(&[entry(&entries, names[0])]));
}

fn plainly_signed(keys: &Path) -> Line {
    let ofd = OfdSettings { signature: OfdSignature::Sign, signer: None };
    let settings = Settings { keys: keys.to_owned(), ofd, ..Settings::default() };
    let keyring = || Keyring::from_seeds(&[1; 32], [2; 32]);
    let envelopes = Envelopes::open(&settings, &keyring(), fixed_instant()).unwrap();
    Line::open(&settings, keyring()).unwrap().sealed_by(envelopes)
}
