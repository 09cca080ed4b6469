//! Signatures of an OFD (GB/T 33190-2016 18): from the names and digests of its entries to the entries that sign it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use quick_xml::escape::escape;
use serde::{Deserialize, Serialize};

use super::algorithm::{Algorithm, SM2_WITH_SM3, SM3};
use super::asn1::{base64_bytes, date_time};
use super::certificate::Certificate;
use super::ses::{self, Seal};
use super::{SignError, Signer, cms};

/// What `ofd:Signatures` in `OFD.xml` says of a package that is signed.
pub const LIST: &str = "/Doc_0/Signs/Signatures.xml";

/// A file of the package, as a signature sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the package, without a leading slash.
    pub name: String,
    /// SM3 of its bytes before compression.
    pub digest: [u8; 32],
}

impl Entry {
    /// Digests the bytes.
    pub fn of(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self { name: name.into(), digest: Algorithm::sm3(bytes) }
    }
}

/// A file that signing adds to the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path in the package, without a leading slash.
    pub name: String,
    /// Its content.
    #[serde(with = "base64_bytes")]
    pub bytes: Vec<u8>,
}

/// What a signature is to be.
#[derive(Clone, Debug)]
pub enum Mark<'a> {
    /// A seal on a page: an SES signature (GB/T 38540).
    Seal {
        /// The seal.
        seal: &'a Seal,
        /// The page's identifier in the document.
        page: u32,
        /// Where the page shows it: left, top, width and height in millimetres.
        boundary: String,
    },
    /// A signature that shows nothing: CMS (GB/T 35275) over the `Signature.xml`.
    Plain,
}

/// Signs a package with keys that are at hand, a signature for each mark: the files to add.
pub fn sign(entries: Vec<Entry>, marks: Vec<Mark<'_>>, signers: &[&dyn Signer], at: Timestamp) -> Result<Vec<File>, SignError> {
    let mut signing = Signing::new(entries, marks);
    for signer in signers {
        let prepared = signing.prepare(signer.chain(), at)?;
        let value = signer.sign(prepared.to_be_signed())?;
        let bytes = match &prepared.value {
            Value::Seal(prepared) => prepared.encode(&value, None)?,
            Value::Plain(prepared) => prepared.encode(&value, None)?,
        };
        signing.add(prepared.with(bytes));
    }
    Ok(signing.files)
}

/// A package on its way to its last signature. Each signature covers every entry, all seals, and the signatures before it;
/// the last one also covers the list of signatures, so that nothing is left uncovered but the last one's own two files.
pub struct Signing<'a> {
    marks: Vec<Mark<'a>>,
    entries: Vec<Entry>,
    /// What was added so far: seals and signatures, after the last signature their list.
    pub files: Vec<File>,
    made: usize,
}

impl<'a> Signing<'a> {
    /// Starts with all entries of the package.
    pub fn new(mut entries: Vec<Entry>, marks: Vec<Mark<'a>>) -> Self {
        let mut files = Vec::with_capacity(3 * marks.len() + 1);
        for (number, mark) in marks.iter().enumerate() {
            if let Mark::Seal { seal, .. } = mark {
                entries.push(Entry { name: seal_path(number), digest: seal.digest() });
                files.push(File { name: seal_path(number), bytes: seal.der().to_vec() });
            }
        }
        Self { marks, entries, files, made: 0 }
    }

    /// Prepares the next signature, for the key of the first certificate. Panics when all are made.
    pub fn prepare(&self, chain: &[Certificate], at: Timestamp) -> Result<Prepared, SignError> {
        let (signer, mark) = (&chain[0], &self.marks[self.made]);
        if signer.key().algorithm() != Algorithm::Sm2 {
            let message = "has no SM2 key; sign OFD files with one, their readers know nothing else".to_owned();
            return Err(SignError::Certificate { subject: signer.subject(), message });
        }
        let list = (self.made + 1 == self.marks.len()).then(|| list(&self.marks)).map(|list| Entry::of(list.name, &list.bytes));
        let name = format!("{}/Signature.xml", folder(self.made));
        let bytes = description(self.made, mark, self.entries.iter().chain(&list), at).into_bytes();
        let value = match mark {
            Mark::Seal { seal, .. } => Value::Seal(ses::prepare(seal, signer, &bytes, &format!("/{name}"), at)?),
            Mark::Plain => Value::Plain(cms::prepare(chain, &[&bytes], at)?),
        };
        Ok(Prepared { description: File { name, bytes }, value_name: value_path(self.made), value })
    }

    /// Takes the signature that was prepared last.
    pub fn add(&mut self, made: [File; 2]) {
        self.made += 1;
        if self.made < self.marks.len() {
            self.entries.extend(made.iter().map(|file| Entry::of(&*file.name, &file.bytes)));
        }
        self.files.extend(made);
        if self.made == self.marks.len() {
            self.files.push(list(&self.marks));
        }
    }
}

/// A signature that waits for its value: plain data, so that the seal device may be far away and answer later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepared {
    /// `Signature.xml`.
    description: File,
    value_name: String,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Value {
    Seal(ses::Prepared),
    Plain(cms::Prepared),
}

impl Prepared {
    /// The bytes that the key signs.
    pub fn to_be_signed(&self) -> &[u8] {
        match &self.value {
            Value::Seal(prepared) => prepared.to_be_signed(),
            Value::Plain(prepared) => prepared.to_be_signed(),
        }
    }

    /// `Signature.xml` and `SignedValue.dat`, after checking the signature. `time_stamp` is a token over it
    /// ([`super::timestamp`]).
    pub fn complete(self, signature: &[u8], time_stamp: Option<&[u8]>) -> Result<[File; 2], SignError> {
        let bytes = match &self.value {
            Value::Seal(prepared) => prepared.complete(signature, time_stamp)?,
            Value::Plain(prepared) => prepared.complete(signature, time_stamp)?,
        };
        Ok(self.with(bytes))
    }

    fn with(self, bytes: Vec<u8>) -> [File; 2] {
        [self.description, File { name: self.value_name, bytes }]
    }
}

fn folder(number: usize) -> String {
    format!("Doc_0/Signs/Sign_{number}")
}

fn seal_path(number: usize) -> String {
    format!("{}/Seal.esl", folder(number))
}

fn value_path(number: usize) -> String {
    format!("{}/SignedValue.dat", folder(number))
}

/// Signatures are counted from 1, in the form that readers know from other writers.
fn id(number: usize) -> String {
    format!("s{:03}", number + 1)
}

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
const NAMESPACE: &str = r#"xmlns:ofd="http://www.ofdspec.org/2016""#;

/// `Signatures.xml`.
fn list(marks: &[Mark<'_>]) -> File {
    let listed = marks.iter().enumerate().map(|(number, mark)| {
        let kind = if matches!(mark, Mark::Plain) { "Sign" } else { "Seal" };
        format!(r#"<ofd:Signature ID="{}" Type="{kind}" BaseLoc="/{}/Signature.xml"/>"#, id(number), folder(number))
    });
    let (listed, last) = (listed.collect::<String>(), id(marks.len() - 1));
    let xml = format!("{HEAD}<ofd:Signatures {NAMESPACE}><ofd:MaxSignId>{last}</ofd:MaxSignId>{listed}</ofd:Signatures>");
    File { name: LIST[1..].to_owned(), bytes: xml.into_bytes() }
}

/// `Signature.xml`. Paths are absolute, because readers differ in what a relative one starts from.
fn description<'e>(number: usize, mark: &Mark<'_>, entries: impl Iterator<Item = &'e Entry>, at: Timestamp) -> String {
    let (provider, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let mut xml = String::with_capacity(4096);
    let mut put = |piece: std::fmt::Arguments<'_>| xml.write_fmt(piece).expect("a string takes it");
    put(format_args!("{HEAD}<ofd:Signature {NAMESPACE}><ofd:SignedInfo>"));
    put(format_args!(r#"<ofd:Provider ProviderName="{provider}" Version="{version}" Company="{provider}"/>"#));
    put(format_args!("<ofd:SignatureMethod>{SM2_WITH_SM3}</ofd:SignatureMethod>"));
    put(format_args!("<ofd:SignatureDateTime>{}</ofd:SignatureDateTime>", written(at)));
    put(format_args!(r#"<ofd:References CheckMethod="{SM3}">"#));
    for Entry { name, digest } in entries {
        xml.extend([r#"<ofd:Reference FileRef="/"#, &escape(name.as_str()), r#""><ofd:CheckValue>"#]);
        STANDARD.encode_string(digest, &mut xml);
        xml.push_str("</ofd:CheckValue></ofd:Reference>");
    }
    let mut put = |piece: std::fmt::Arguments<'_>| xml.write_fmt(piece).expect("a string takes it");
    put(format_args!("</ofd:References>"));
    if let Mark::Seal { page, boundary, .. } = mark {
        put(format_args!(r#"<ofd:StampAnnot ID="{}" PageRef="{page}" Boundary="{boundary}"/>"#, id(number)));
        put(format_args!("<ofd:Seal><ofd:BaseLoc>/{}</ofd:BaseLoc></ofd:Seal>", seal_path(number)));
    }
    put(format_args!("</ofd:SignedInfo><ofd:SignedValue>/{}</ofd:SignedValue></ofd:Signature>", value_path(number)));
    xml
}

/// As `SignedValue.dat` writes it: a `GeneralizedTime` in UTC.
fn written(at: Timestamp) -> String {
    date_time(at).to_string().replace(['-', ':', 'T'], "")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sign::ses::SealPlan;
    use crate::sign::{FileSigner, test_signer};

    fn at() -> Timestamp {
        "2026-03-01T04:00:00Z".parse().unwrap()
    }

    fn signer(folder: &Path, id: &str) -> FileSigner {
        test_signer(folder, id, at()).unwrap()
    }

    fn seal(folder: &Path, holder: &FileSigner) -> Seal {
        let plan = SealPlan {
            id: "TEST-0001",
            name: "测试专用章",
            vendor: "certpress TEST",
            picture: b"\x89PNG\r\n\x1a\npixels",
            size_mm: (42, 42),
            holders: &holder.chain()[..1],
            created: at(),
            valid: (at(), at()),
        };
        Seal::from_der(&ses::make_seal(&plan, &signer(folder, "seal-maker")).unwrap()).unwrap()
    }

    fn entries() -> Vec<Entry> {
        vec![Entry::of("OFD.xml", b"entry point"), Entry::of("Doc_0/Attachs/a&b.xml", b"attachment")]
    }

    fn stamp(seal: &Seal) -> Mark<'_> {
        Mark::Seal { seal, page: 43, boundary: "136.2 213 42 42".to_owned() }
    }

    fn find<'f>(files: &'f [File], name: &str) -> &'f [u8] {
        &files.iter().find(|file| file.name == name).unwrap_or_else(|| panic!("no {name}")).bytes
    }

    /// The paths that a `Signature.xml` covers.
    fn covered(description: &[u8]) -> Vec<&str> {
        let text = std::str::from_utf8(description).unwrap();
        text.split("FileRef=\"/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    #[test]
    fn one_seal_covers_everything_but_its_own_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let holder = signer(folder.path(), "signer-sm2");
        let seal = seal(folder.path(), &holder);
        let files = sign(entries(), vec![stamp(&seal)], &[&holder], at()).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let sign_0 = |name| format!("Doc_0/Signs/Sign_0/{name}");
        let own = [sign_0("Signature.xml"), sign_0("SignedValue.dat")];
        assert_eq!(names, [&sign_0("Seal.esl"), &own[0], &own[1], "Doc_0/Signs/Signatures.xml"]);
        let description = find(&files, &own[0]);
        assert_eq!(covered(description), ["OFD.xml", "Doc_0/Attachs/a&amp;b.xml", names[0], names[3]]);
        let said = std::str::from_utf8(description).unwrap();
        for piece in [
            r#"<ofd:References CheckMethod="1.2.156.10197.1.401">"#,
            "<ofd:SignatureMethod>1.2.156.10197.1.501</ofd:SignatureMethod>",
            "<ofd:SignatureDateTime>20260301040000Z</ofd:SignatureDateTime>",
            r#"<ofd:StampAnnot ID="s001" PageRef="43" Boundary="136.2 213 42 42"/>"#,
            &STANDARD.encode(Algorithm::Sm2.digest(&[b"attachment"])),
            &STANDARD.encode(Algorithm::Sm2.digest(&[find(&files, "Doc_0/Signs/Signatures.xml")])),
        ] {
            assert!(said.contains(piece), "{piece}: {said}");
        }
        let opened = ses::open(find(&files, &own[1])).unwrap();
        assert_eq!((opened.seal.der(), opened.path), (find(&files, names[0]), format!("/{}", own[0])));
        assert_eq!(opened.data_hash, Algorithm::Sm2.digest(&[description]));
        assert_eq!(files, sign(entries(), vec![stamp(&seal)], &[&holder], at()).unwrap(), "deterministic");
    }

    #[test]
    fn the_second_seal_covers_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let (body, chairman) = (signer(folder.path(), "signer-sm2"), signer(folder.path(), "signer-sm2-chairman"));
        let (first, second) = (seal(folder.path(), &body), seal(folder.path(), &chairman));
        let files = sign(entries(), vec![stamp(&first), stamp(&second)], &[&body, &chairman], at()).unwrap();
        let all: Vec<&str> = ["OFD.xml", "Doc_0/Attachs/a&amp;b.xml"].into_iter().chain(files.iter().map(|file| &*file.name)).collect();
        let uncovered = |number| {
            let covered = covered(find(&files, &format!("Doc_0/Signs/Sign_{number}/Signature.xml")));
            all.iter().copied().filter(|name| !covered.contains(name)).collect::<Vec<_>>()
        };
        let own = |number| [format!("Doc_0/Signs/Sign_{number}/Signature.xml"), format!("Doc_0/Signs/Sign_{number}/SignedValue.dat")];
        assert_eq!(uncovered(1), own(1), "the last one: all but its own two files");
        let later = [&own(0)[..], &own(1), &["Doc_0/Signs/Signatures.xml".to_owned()]].concat();
        assert_eq!(uncovered(0), later, "the first: all but what comes after it, too");
    }

    #[test]
    fn a_remote_seal_device_may_answer_later() {
        let folder = tempfile::tempdir().unwrap();
        let holder = signer(folder.path(), "signer-sm2");
        let seal = seal(folder.path(), &holder);
        for mark in [stamp(&seal), Mark::Plain] {
            let mut signing = Signing::new(entries(), vec![mark.clone()]);
            let prepared = signing.prepare(holder.chain(), at()).unwrap();
            let travelled: Prepared = serde_json::from_str(&serde_json::to_string(&prepared).unwrap()).unwrap();
            assert_eq!(travelled, prepared);
            let wrong = prepared.complete(&holder.sign(b"another question").unwrap(), None).unwrap_err().to_string();
            assert!(wrong.contains("nothing was"), "{wrong}");
            let value = holder.sign(travelled.to_be_signed()).unwrap();
            signing.add(travelled.complete(&value, None).unwrap());
            assert_eq!(signing.files, sign(entries(), vec![mark], &[&holder], at()).unwrap());
        }
    }

    #[test]
    fn a_plain_signature_is_cms_over_the_description() {
        let folder = tempfile::tempdir().unwrap();
        let holder = signer(folder.path(), "signer-sm2");
        let files = sign(entries(), vec![Mark::Plain], &[&holder], at()).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["Doc_0/Signs/Sign_0/Signature.xml", "Doc_0/Signs/Sign_0/SignedValue.dat", "Doc_0/Signs/Signatures.xml"]);
        assert!(std::str::from_utf8(&files[2].bytes).unwrap().contains(r#"ID="s001" Type="Sign""#));
        assert!(!std::str::from_utf8(&files[0].bytes).unwrap().contains("Stamp"));
        let opened = cms::open(&files[1].bytes).unwrap();
        assert!(opened.covers(&[&files[0].bytes]) && opened.signer.der() == holder.chain()[0].der());
    }

    #[test]
    fn another_algorithm_than_sm2_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = sign(entries(), vec![Mark::Plain], &[&signer(folder.path(), "signer-p256")], at()).unwrap_err();
        assert!(error.to_string().contains("has no SM2 key"), "{error}");
    }
}
