//! OFD writing (GB/T 33190-2016): which parts a file has and how they refer to each other.

mod archive;
mod content;
mod xml;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use jiff::tz::TimeZone;

use self::archive::{Packed, Part};
use self::content::{Embedded, Ids, Listed, Resources, Units};
use self::xml::{NAMESPACE, Xml};
use super::RenderError;
use crate::clock::{SHANGHAI, shanghai_date};
use crate::config::OfdSignature;
use crate::deflate::Effort;
use crate::font::Fonts;
use crate::layout::Document;
use crate::page::{Face, Item};
use crate::sign::ofd::{Entry, File, LIST};

/// Writes OFD files; each face is prepared once.
pub struct OfdRenderer {
    fonts: Arc<Fonts>,
    faces: Vec<KnownFace>,
    recurring: Recurring,
}

/// Parts that recur to the byte, packed before, by their bytes.
type Recurring = RwLock<HashMap<Vec<u8>, Packed<'static>>>;

/// An installation has some tens of each; a seal takes ten kilobytes.
const MOST_RECURRING: usize = 1000;

/// A face and its parts, made when it is first asked for, since a program that issues one type needs one face.
struct KnownFace {
    digest: [u8; 32],
    prepared: OnceLock<Prepared>,
}

/// The parts of a file that come from the face alone: the template page and what it needs.
#[derive(Clone)]
struct Prepared {
    parts: Arc<[Shared]>,
    /// The fonts among them. A page that needs more characters of one brings it with both.
    fonts: Arc<[Embedded]>,
    /// Its resources, which the document lists with its own: some readers know one list only.
    listed: Arc<Listed>,
    /// The largest identifier in them.
    last_id: u32,
}

/// A part that all files with a face have.
struct Shared {
    part: Packed<'static>,
    /// The same as signatures see it.
    entry: Entry,
    /// The identifier of the font that it is.
    font: Option<u32>,
}

/// A file that waits for its signatures.
pub struct Unsigned<'d> {
    /// Its page's identifier.
    pub page: u32,
    face: Prepared,
    /// What the page lists.
    listed: Listed,
    recurring: &'d Recurring,
    first: [Part<'d>; 2],
    rest: Vec<Part<'d>>,
}

/// Where the signed statement lies.
const STATEMENT: &str = "Doc_0/Attachs/statement.json";
/// The template page's identifier, the first in every file.
const TEMPLATE: u32 = 1;

impl OfdRenderer {
    /// Takes the faces that will be used often.
    pub fn new(fonts: &Arc<Fonts>, faces: &[Arc<Face>]) -> Result<Self, RenderError> {
        let faces = faces.iter().map(|face| KnownFace { digest: face.digest, prepared: OnceLock::new() }).collect();
        Ok(Self { fonts: Arc::clone(fonts), faces, recurring: RwLock::default() })
    }

    /// The document as a file without signatures. Same document, same bytes.
    pub fn render(&self, document: &Document) -> Result<Vec<u8>, RenderError> {
        self.parts(document, None)?.zip()
    }

    /// The document as a file that its signatures will be added to. Seals are stamped by signatures, and then not on the page.
    pub fn unsigned<'d>(&'d self, document: &'d Document, by: OfdSignature) -> Result<Unsigned<'d>, RenderError> {
        self.parts(document, Some(by))
    }

    fn parts<'d>(&'d self, document: &'d Document, signature: Option<OfdSignature>) -> Result<Unsigned<'d>, RenderError> {
        let face = &document.page.face;
        let face = match self.faces.iter().find(|known| known.digest == face.digest) {
            Some(known) => known.prepared.get_or_init(|| self.prepare(face)).clone(),
            None => self.prepare(face),
        };
        let mut ids = Ids::after(face.last_id);
        let page_id = ids.next();
        let resources = Resources::gather("font", &face.fonts, &self.fonts, &document.page.items, &mut ids);
        let (page, units) = self.page(document, &resources, &mut ids, signature == Some(OfdSignature::Seal));
        let tags = custom_tag(document, page_id, &units)?;

        let first = [
            Part::new("OFD.xml", entry_point(document, signature.is_some())),
            Part::new("Doc_0/Document.xml", root(document, page_id, ids.last())),
        ];
        let listed = resources.listed();
        let mut rest = vec![
            Part::new("Doc_0/DocumentRes.xml", Listed::part(&face.listed, &listed)),
            Part::new("Doc_0/Pages/Page_0/Content.xml", page),
            Part::new("Doc_0/Tags/CustomTag.xml", tags),
        ];
        rest.extend(resources.into_files("Doc_0/Res").map(|(_, part)| part));
        rest.push(Part::new("Doc_0/Attachs/Attachments.xml", attachments(document)));
        rest.push(Part::new(STATEMENT, document.statement.as_slice()));
        Ok(Unsigned { page: page_id, face, listed, recurring: &self.recurring, first, rest })
    }

    fn prepare(&self, face: &Face) -> Prepared {
        let mut ids = Ids::after(TEMPLATE);
        let resources = Resources::gather("face", &[], &self.fonts, &face.items, &mut ids);
        let mut xml = Xml::new("ofd:Page", &[]);
        self.layer(&mut xml, "Background", &face.items, &resources, &mut ids, false);
        let (listed, fonts) = (resources.listed(), resources.fonts().to_vec());
        let parts =
            [Part::new("Doc_0/TPLS/TPL_0/Content.xml", xml.finish("ofd:Page")), Part::new("Doc_0/Tags/CustomTags.xml", custom_tags())];
        let files = resources.into_files("Doc_0/Res").map(|(id, part)| (Some(id).filter(|id| listed.has_font(*id)), part));
        let shared = |(font, part): (_, Part)| Shared { font, entry: part.entry(), part: part.pack(Effort::Best).into_owned() };
        let parts = parts.into_iter().map(|part| (None, part)).chain(files).map(shared).collect();
        Prepared { parts, fonts: fonts.into(), listed: Arc::new(listed), last_id: ids.last() }
    }

    /// The page's content, and the units that each of its items became.
    fn page(&self, document: &Document, resources: &Resources, ids: &mut Ids, stamped: bool) -> (Vec<u8>, Vec<Range<u32>>) {
        let mut xml = Xml::new("ofd:Page", &[]);
        xml.empty("ofd:Template", &[("TemplateID", &TEMPLATE), ("ZOrder", &"Background")]);
        area(&mut xml, "ofd:Area", document);
        let units = self.layer(&mut xml, "Body", &document.page.items, resources, ids, stamped);
        (xml.finish("ofd:Page"), units)
    }

    fn layer(&self, xml: &mut Xml, kind: &str, items: &[Item], resources: &Resources, ids: &mut Ids, stamped: bool) -> Vec<Range<u32>> {
        xml.open("ofd:Content", &[]);
        xml.open("ofd:Layer", &[("ID", &ids.next()), ("Type", &kind)]);
        let mut units = Units { xml, fonts: &self.fonts, resources, ids, stamped };
        let written = items.iter().map(|item| units.write(item)).collect();
        xml.close("ofd:Layer");
        xml.close("ofd:Content");
        written
    }
}

impl Prepared {
    /// The parts of the face, but for the fonts that the page has in their place.
    fn beside<'p>(&'p self, page: &'p Listed) -> impl Iterator<Item = &'p Shared> + Clone {
        self.parts.iter().filter(|shared| !shared.font.is_some_and(|id| page.has_font(id)))
    }
}

impl Unsigned<'_> {
    /// Its entries as signatures see them.
    pub fn entries(&self) -> Vec<Entry> {
        let shared = self.face.beside(&self.listed).map(|shared| shared.entry.clone());
        self.first.iter().map(Part::entry).chain(shared).chain(self.rest.iter().map(Part::entry)).collect()
    }

    /// The file with what signing adds.
    pub fn signed(mut self, files: Vec<File>) -> Result<Vec<u8>, RenderError> {
        self.rest.extend(files.into_iter().map(|file| Part::new(file.name, file.bytes)));
        self.zip()
    }

    fn zip(self) -> Result<Vec<u8>, RenderError> {
        let first = self.first.map(|part| packed(self.recurring, part));
        let rest: Vec<_> = self.rest.into_iter().map(|part| packed(self.recurring, part)).collect();
        let shared = self.face.beside(&self.listed).map(|shared| &shared.part);
        archive::zip(first.iter().chain(shared).chain(&rest)).map_err(refused)
    }
}

/// A part as it lies in the container. How hard it is tried follows from the name alone: same part, same bytes.
fn packed<'a>(recurring: &Recurring, part: Part<'a>) -> Packed<'a> {
    let recurs = ["Doc_0/Document.xml", "Doc_0/Tags/CustomTag.xml", &LIST[1..]].contains(&&*part.name) || part.name.ends_with("/Seal.esl");
    if !recurs {
        return part.pack(Effort::Quick);
    }
    if let Some(known) = recurring.read().unwrap_or_else(PoisonError::into_inner).get(&*part.bytes) {
        return known.clone().renamed(part.name);
    }
    let bytes = part.bytes.to_vec();
    let packed = part.pack(Effort::Best).into_owned();
    let mut known = recurring.write().unwrap_or_else(PoisonError::into_inner);
    if known.len() < MOST_RECURRING {
        known.insert(bytes, packed.clone());
    }
    packed
}

/// `OFD.xml`: what the document is, with its metadata, and where its root lies.
fn entry_point(document: &Document, signed: bool) -> Vec<u8> {
    let mut xml = Xml::new("ofd:OFD", &[("Version", &"1.0"), ("DocType", &"OFD")]);
    xml.open("ofd:DocBody", &[]);
    xml.open("ofd:DocInfo", &[]);
    xml.text("ofd:DocID", &[], &hex::encode(document.id));
    xml.text("ofd:Title", &[], &document.title);
    xml.text("ofd:Author", &[], &document.author);
    xml.text("ofd:Subject", &[], &document.subject);
    xml.text("ofd:CreationDate", &[], &shanghai_date(document.instant).to_string());
    xml.text("ofd:Creator", &[], env!("CARGO_PKG_NAME"));
    xml.text("ofd:CreatorVersion", &[], env!("CARGO_PKG_VERSION"));
    xml.open("ofd:CustomDatas", &[]);
    for (name, value) in document.metadata_with_code() {
        xml.text("ofd:CustomData", &[("Name", &name)], value);
    }
    xml.close("ofd:CustomDatas");
    xml.close("ofd:DocInfo");
    xml.text("ofd:DocRoot", &[], "Doc_0/Document.xml");
    if signed {
        xml.text("ofd:Signatures", &[], LIST);
    }
    xml.close("ofd:DocBody");
    xml.finish("ofd:OFD")
}

/// `Document.xml`: the page, its template, and where resources, tags and attachments lie.
fn root(document: &Document, page_id: u32, last_id: u32) -> Vec<u8> {
    let mut xml = Xml::new("ofd:Document", &[]);
    xml.open("ofd:CommonData", &[]);
    xml.text("ofd:MaxUnitID", &[], &last_id.to_string());
    area(&mut xml, "ofd:PageArea", document);
    xml.text("ofd:DocumentRes", &[], "DocumentRes.xml");
    xml.empty("ofd:TemplatePage", &[("ID", &TEMPLATE), ("ZOrder", &"Background"), ("BaseLoc", &"TPLS/TPL_0/Content.xml")]);
    xml.close("ofd:CommonData");
    xml.open("ofd:Pages", &[]);
    xml.empty("ofd:Page", &[("ID", &page_id), ("BaseLoc", &"Pages/Page_0/Content.xml")]);
    xml.close("ofd:Pages");
    xml.text("ofd:CustomTags", &[], "Tags/CustomTags.xml");
    xml.text("ofd:Attachments", &[], "Attachs/Attachments.xml");
    xml.finish("ofd:Document")
}

fn area(xml: &mut Xml, name: &str, document: &Document) {
    let (width, height) = document.page.size;
    xml.open(name, &[]);
    xml.text("ofd:PhysicalBox", &[], &format!("0 0 {width} {height}"));
    xml.close(name);
}

/// `CustomTags.xml`: where the tags lie.
fn custom_tags() -> Vec<u8> {
    let mut xml = Xml::new("ofd:CustomTags", &[]);
    xml.open("ofd:CustomTag", &[("NameSpace", &NAMESPACE)]);
    xml.text("ofd:FileLoc", &[], "CustomTag.xml");
    xml.close("ofd:CustomTag");
    xml.finish("ofd:CustomTags")
}

/// `CustomTag.xml`: for each metadata name that the page prints, the objects that print it (GB/T 36905 data tagging).
fn custom_tag(document: &Document, page_id: u32, units: &[Range<u32>]) -> Result<Vec<u8>, RenderError> {
    let mut xml = Xml::new("ofd:Licence", &[]);
    for meta in &document.metadata {
        let Some(units) = meta.item.and_then(|item| units.get(item)) else { continue };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !meta.name.starts_with(|c: char| c.is_ascii_alphabetic()) || !meta.name.chars().all(plain) {
            return Err(refused(format!("the metadata name `{}` is no XML name; use letters, digits and _", meta.name)));
        }
        let element = format!("ofd:{}", meta.name);
        xml.open(&element, &[]);
        for unit in units.clone() {
            xml.text("ofd:ObjectRef", &[("PageRef", &page_id)], &unit.to_string());
        }
        xml.close(&element);
    }
    Ok(xml.finish("ofd:Licence"))
}

/// `Attachments.xml`: that the statement travels inside.
fn attachments(document: &Document) -> Vec<u8> {
    let created = TimeZone::fixed(SHANGHAI).to_datetime(document.instant).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let kilobytes = format!("{:.3}", document.statement.len() as f64 / 1024.0);
    let mut xml = Xml::new("ofd:Attachments", &[]);
    xml.open(
        "ofd:Attachment",
        &[
            ("ID", &"attachment_1"),
            ("Name", &"statement.json"),
            ("Format", &"json"),
            ("CreationDate", &created),
            ("Size", &kilobytes),
            ("Usage", &"Data"),
        ],
    );
    xml.text("ofd:FileLoc", &[], &format!("/{STATEMENT}"));
    xml.close("ofd:Attachment");
    xml.finish("ofd:Attachments")
}

fn refused(cause: impl ToString) -> RenderError {
    RenderError::Refused { format: "OFD", cause: cause.to_string() }
}

#[cfg(test)]
mod tests;
