//! Licence types as data: a TOML with rules, wording and the page in millimetres becomes a page for one record.

pub mod art;
mod check;
mod compose;
mod load;
mod metadata;
mod number;
mod spec;
mod template;
mod typeset;

use std::borrow::Cow;
use std::path::Path as FilePath;

use jiff::Timestamp;

use crate::font::Fonts;
use crate::page::{Length, Page};
use crate::record::Record;
use crate::record::identifier::LicenceIdentifier;

pub use check::check;

/// The name of the code's text among the metadata, an extension of ours.
pub const CODE: &str = "KZ_QR";

/// A composed licence: the page and all that travels beside it. Only a [`Layout`] makes one.
#[derive(Clone, Debug)]
pub struct Document {
    /// The page.
    pub page: Page,
    /// 证照名称, the title in metadata.
    pub title: String,
    /// 发证机关, the author in metadata.
    pub author: String,
    /// Licence number, the subject in metadata.
    pub subject: String,
    /// From content: the first half of the statement's SHA-256.
    pub id: [u8; 16],
    /// The instant of issue, the only date in any file.
    pub instant: Timestamp,
    /// Whether it was made with test keys and says 样张.
    pub test: bool,
    /// GB/T 36903 short names with their values, in order.
    pub metadata: Vec<Meta>,
    /// The QR's text, which files repeat for programs.
    pub code: String,
    /// The signed statement, JSON, a file that travels inside.
    pub statement: Vec<u8>,
}

impl Document {
    /// Names and values of the metadata, and the code's text under this name.
    pub fn metadata_with_code(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.metadata.iter().map(|meta| (meta.name.as_str(), meta.value.as_str()));
        named.chain(std::iter::once((CODE, self.code.as_str())))
    }
}

/// One metadata value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meta {
    /// Short name, `ZZMC`, `KZ_XM`.
    pub name: String,
    /// The value.
    pub value: String,
    /// The item of `page.items` that prints it, when one does.
    pub item: Option<usize>,
}

/// What is printed on one licence.
pub struct Issue<'a> {
    /// The record that may be issued, with its use period.
    pub annotated: &'a crate::annotation::Annotated<'a>,
    /// 证照标识.
    pub identifier: &'a str,
    /// The canonical statement, to travel inside.
    pub statement: &'a [u8],
    /// The text of the QR symbol, to travel inside.
    pub qr: &'a str,
    /// The QR symbol.
    pub symbol: std::sync::Arc<crate::page::Symbol>,
    /// The instant of issue.
    pub at: Timestamp,
    /// Whether the keys are test keys: the face says 样张 SAMPLE.
    pub test: bool,
}

/// One licence type, ready to compose.
pub struct Layout {
    /// Id, the file's name without `.toml`.
    pub id: String,
    /// 证照名称.
    pub name: String,
    /// 证照类型代码 (18 characters of the standard's issuer and 3 digits).
    pub type_code: String,
    /// Whether that code is a stand-in until the real one is known.
    pub type_code_provisional: bool,
    /// The type's number in the QR capsule.
    pub qr_code: u8,
    /// Whether the QR carries a commitment to the name rather than the name.
    pub name_in_qr_commitment: bool,
    /// The rules.
    pub rules: crate::annotation::Rules,
    /// The unchanging part.
    pub face: std::sync::Arc<crate::page::Face>,
    /// The unchanging part with 样张 SAMPLE across it.
    pub sample_face: std::sync::Arc<crate::page::Face>,
    /// SHA-256 over the layout and its art.
    pub digest: [u8; 32],
    size: (Length, Length),
    numbers: Vec<number::NumberShape>,
    slots: Vec<compose::Slot>,
    metadata: metadata::Metadata,
    /// For each item of the face, whether it may touch others.
    face_over: Vec<bool>,
}

/// All licence types.
pub struct Layouts {
    layouts: Vec<Layout>,
}

/// One thing wrong with a layout file or with one record on its layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct LayoutFault {
    /// `layouts/constructor-1.toml:34:5`, with the licence's number when it is about one.
    pub place: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// The files of `layouts/`, compiled into the binary.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/layouts.rs"));

impl Layouts {
    /// The layouts compiled into the binary.
    pub fn embedded(fonts: &Fonts) -> Result<Self, Vec<LayoutFault>> {
        let names = EMBEDDED.iter().map(|(name, _)| (*name).to_owned()).collect();
        Self::load("layouts", names, fonts, &|name| EMBEDDED.iter().find(|(n, _)| *n == name).map(|(_, data)| Cow::Borrowed(*data)))
    }

    /// The layouts of a folder.
    pub fn from_folder(folder: &FilePath, fonts: &Fonts) -> Result<Self, Vec<LayoutFault>> {
        let place = folder.display().to_string();
        let unreadable = |cause: std::io::Error| {
            vec![LayoutFault { place: place.clone(), message: format!("the folder of layouts cannot be read: {cause}") }]
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            names.extend(entry.map_err(unreadable)?.file_name().into_string());
        }
        Self::load(&place, names, fonts, &|name| std::fs::read(folder.join(name)).ok().map(Cow::Owned))
    }

    /// Each `<id>.toml` that stands in the folder itself is a licence type.
    fn load(
        folder: &str,
        mut names: Vec<String>,
        fonts: &Fonts,
        read: &dyn Fn(&str) -> Option<Cow<'static, [u8]>>,
    ) -> Result<Self, Vec<LayoutFault>> {
        names.sort();
        let (mut layouts, mut faults) = (Vec::new(), Vec::new());
        for name in names {
            let Some(id) = name.strip_suffix(".toml").filter(|id| !id.contains('/')) else { continue };
            let file = format!("{folder}/{name}");
            let text = read(&name).and_then(|bytes| String::from_utf8(bytes.into_owned()).ok());
            let Some(text) = text else {
                faults.push(LayoutFault { place: file, message: "the file cannot be read as UTF-8 text".to_owned() });
                continue;
            };
            match load::load(id, &spec::Source { file: &file, text: &text }, fonts, read) {
                Ok(layout) => layouts.push(layout),
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() { Ok(Self { layouts }) } else { Err(faults) }
    }

    /// The layout of a licence type, or the nearest known id.
    pub fn find(&self, id: &str) -> Result<&Layout, Option<&str>> {
        let known = self.layouts.iter().find(|layout| layout.id == id);
        known.ok_or_else(|| spec::nearest(id, self.layouts.iter().map(|layout| layout.id.as_str())))
    }

    /// All of them, in order of id.
    pub fn iter(&self) -> std::slice::Iter<'_, Layout> {
        self.layouts.iter()
    }
}

impl Layout {
    /// Whether the page lies on its long side.
    pub fn landscape(&self) -> bool {
        self.size.0 > self.size.1
    }

    /// Whether a licence number is built as this type's numbers are; true where the type does not say how.
    pub fn number_fits(&self, number: &str) -> bool {
        self.numbers.is_empty() || self.numbers.iter().any(|shape| shape.matches(number))
    }

    /// 证照标识 of a record of this type (GB/T 36904), check character included.
    pub fn identifier(&self, record: &Record) -> String {
        LicenceIdentifier::new(&self.type_code, &record.issuer.code, &record.serial, record.version)
            .expect("the type code was examined with the layout, the other parts with the record")
            .to_string()
    }
}
