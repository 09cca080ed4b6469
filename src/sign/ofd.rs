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
    pub digest: Vec<u8>,
}

impl Entry {
    /// Digests the bytes.
    pub fn of(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self { name: name.into(), digest: Algorithm::Sm2.digest(&[bytes]) }
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
        signing.add(prepared.complete(&value, None)?);
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
                entries.push(Entry { name: seal_path(number), digest: seal.digest().to_vec() });
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
        let bytes = match self.value {
            Value::Seal(prepared) => prepared.complete(signature, time_stamp)?,
            Value::Plain(prepared) => prepared.complete(signature, time_stamp)?,
        };
        Ok([self.description, File { name: self.value_name, bytes }])
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
    let mut xml = format!("{HEAD}<ofd:Signatures {NAMESPACE}><ofd:MaxSignId>{}</ofd:MaxSignId>", id(marks.len() - 1));
    for (number, mark) in marks.iter().enumerate() {
        let kind = if matches!(mark, Mark::Plain) { "Sign" } else { "Seal" };
        let (id, folder) = (id(number), folder(number));
        xml += &format!(r#"<ofd:Signature ID="{id}" Type="{kind}" BaseLoc="/{folder}/Signature.xml"/>"#);
    }
    File { name: LIST[1..].to_owned(), bytes: (xml + "</ofd:Signatures>").into_bytes() }
}

/// `Signature.xml`. Paths are absolute, because readers differ in what a relative one starts from.
fn description<'e>(number: usize, mark: &Mark<'_>, entries: impl Iterator<Item = &'e Entry>, at: Timestamp) -> String {
    let (provider, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let mut xml = String::with_capacity(4096);
    let mut put = |piece: std::fmt::Arguments<'_>| xml.write_fmt(piece).expect("a string takes it");
    put(format_args!(r#"{HEAD}<ofd:Signature {NAMESPACE}><ofd:SignedInfo>"#));
    put(format_args!(r#"<ofd:Provider ProviderName="{provider}" Version="{version}" Company="{provider}"/>"#));
    put(format_args!("<ofd:SignatureMethod>{SM2_WITH_SM3}</ofd:SignatureMethod>"));
    put(format_args!("<ofd:SignatureDateTime>{}</ofd:SignatureDateTime>", written(at)));
    put(format_args!(r#"<ofd:References CheckMethod="{SM3}">"#));
    for Entry { name, digest } in entries {
        let (name, digest) = (escape(name.as_str()), STANDARD.encode(digest));
        put(format_args!(r#"<ofd:Reference FileRef="/{name}"><ofd:CheckValue>{digest}</ofd:CheckValue></ofd:Reference>"#));
    }
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
