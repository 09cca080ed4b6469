//! Licence types as data: a TOML with rules, wording and the page in millimetres becomes a page for one record.

pub mod art;

use jiff::Timestamp;

use crate::page::Page;

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
    /// Files that travel inside.
    pub attachments: Vec<Attachment>,
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

/// A file that travels inside the licence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// File name, ASCII.
    pub name: &'static str,
    /// Media type.
    pub media_type: &'static str,
    /// `Data`, `Source` or `Supplement` (ISO 19005-3 AFRelationship).
    pub relationship: &'static str,
    /// What it is, for people.
    pub description: &'static str,
    /// The content.
    pub bytes: Vec<u8>,
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
    /// The type's number in the QR capsule.
    pub qr_code: u8,
    /// Whether the QR carries a commitment to the name rather than the name.
    pub name_in_qr_commitment: bool,
    /// The rules.
    pub rules: crate::annotation::Rules,
    /// The unchanging part; the second one carries 样张 SAMPLE.
    pub face: std::sync::Arc<crate::page::Face>,
    /// The unchanging part with 样张 SAMPLE across it.
    pub sample_face: std::sync::Arc<crate::page::Face>,
    /// SHA-256 over the layout and its art.
    pub digest: [u8; 32],
}

/// All licence types.
pub struct Layouts {
    layouts: Vec<Layout>,
}

/// One thing wrong with a layout file or with one record on its layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct LayoutFault {
    /// `layouts/constructor-1.toml:34:5`, or item and record number.
    pub place: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Layouts {
    /// The layouts compiled into the binary.
    pub fn embedded(_fonts: &crate::font::Fonts) -> Result<Self, Vec<LayoutFault>> {
        todo!()
    }

    /// The layouts of a folder.
    pub fn from_folder(_folder: &std::path::Path, _fonts: &crate::font::Fonts) -> Result<Self, Vec<LayoutFault>> {
        todo!()
    }

    /// The layout of a licence type, or the nearest known id.
    pub fn find(&self, _id: &str) -> Result<&Layout, Option<&str>> {
        todo!()
    }

    /// All of them, in order of id.
    pub fn iter(&self) -> std::slice::Iter<'_, Layout> {
        self.layouts.iter()
    }
}

impl Layout {
    /// 证照标识 of a record of this type, check character included.
    pub fn identifier(&self, _record: &crate::record::Record) -> String {
        todo!()
    }

    /// Sets the page for one licence. Gathers every fault: a missing glyph, an overflow, a field that is not there.
    pub fn compose(&self, _fonts: &crate::font::Fonts, _issue: &Issue) -> Result<Document, Vec<LayoutFault>> {
        todo!()
    }
}
