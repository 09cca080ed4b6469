//! Page operations become content and objects: printpdf writes them, and what a page draws with is carried over.

use std::collections::BTreeMap;

use lopdf::{Dictionary, Object, ObjectId, Stream};
use printpdf::{Op, PdfDocument, PdfPage, PdfResources, PdfSaveOptions, PdfWarnMsg};

use super::{RenderError, refused};
use crate::render::deflate::{self, Effort};

/// The kinds of page resources that we use.
pub(super) const RESOURCES: [&str; 3] = ["Font", "XObject", "ExtGState"];

/// Printed page operations.
pub(super) struct Printed {
    /// Content operators.
    pub content: Vec<u8>,
    /// Resources by kind and name; what they refer to has been added to the file.
    pub resources: Dictionary,
}

/// Has printpdf write the operations, and adds the objects that they draw with to the file.
///
/// The rest of printpdf's document (catalog, pages, random /ID, /Info) is left behind.
pub(super) fn print(ops: Vec<Op>, resources: PdfResources, file: &mut lopdf::Document) -> Result<Printed, RenderError> {
    let nothing = printpdf::Mm(0.0); // the page's size is written by whoever owns the file
    let document = PdfDocument { resources, pages: vec![PdfPage::new(nothing, nothing, ops)], ..PdfDocument::default() };
    let options = PdfSaveOptions {
        optimize: false,
        subset_fonts: false, // they are subsets already
        secure: false,       // lets `Op::Unknown` through, see `Canvas::operator`
        image_optimization: None,
    };
    let mut warnings: Vec<PdfWarnMsg> = Vec::new();
    let mut printed = document.to_lopdf_document(&options, &mut warnings);
    if let Some(warning) = warnings.first() {
        return Err(refused(&warning.msg));
    }

    let page = printed.page_iter().next().ok_or_else(|| refused("printpdf wrote no page"))?;
    let page = printed.get_dictionary(page).map_err(refused)?;
    let content = page.get(b"Contents").and_then(Object::as_reference).map_err(refused)?;
    let mut resources = page.get_deref(b"Resources", &printed).and_then(Object::as_dict).map_err(refused)?.clone();
    let content = match printed.objects.remove(&content) {
        Some(Object::Stream(content)) => content.content,
        _ => return Err(refused("printpdf wrote no content")),
    };
    for kind in RESOURCES {
        let of_kind = resources.get_deref(kind.as_bytes(), &printed).and_then(Object::as_dict).map_err(refused)?.clone();
        resources.set(kind, of_kind);
    }
    resources.remove(b"Shading");
    let mut move_to = Move { from: &mut printed, to: file, moved: BTreeMap::new() };
    resources.iter_mut().for_each(|(_, object)| move_to.references_of(object));
    Ok(Printed { content, resources })
}

/// Moves objects from one file to another, together with all that they refer to.
struct Move<'a> {
    from: &'a mut lopdf::Document,
    to: &'a mut lopdf::Document,
    moved: BTreeMap<ObjectId, ObjectId>,
}

impl Move<'_> {
    fn references_of(&mut self, object: &mut Object) {
        match object {
            Object::Array(items) => items.iter_mut().for_each(|item| self.references_of(item)),
            Object::Dictionary(entries) | Object::Stream(Stream { dict: entries, .. }) => {
                entries.iter_mut().for_each(|(_, value)| self.references_of(value));
            }
            Object::Reference(id) => *id = self.object(*id),
            _ => {}
        }
    }

    fn object(&mut self, old: ObjectId) -> ObjectId {
        if let Some(&new) = self.moved.get(&old) {
            return new;
        }
        let new = self.to.new_object_id();
        self.moved.insert(old, new);
        let mut object = self.from.objects.remove(&old).unwrap_or(Object::Null);
        self.references_of(&mut object);
        self.to.objects.insert(new, object);
        new
    }
}

/// Compresses streams, as hard as it is told to.
pub(super) struct Deflater(pub Effort);

impl Deflater {
    /// Compresses a stream that is not yet encoded, when that makes it smaller.
    pub fn compress(&self, stream: &mut Stream) {
        if stream.dict.has(b"Filter") {
            return;
        }
        let packed = self.deflate(&stream.content);
        if packed.len() + b"/Filter/FlateDecode".len() < stream.content.len() {
            stream.set_content(packed);
            stream.dict.set("Filter", "FlateDecode");
        }
    }

    /// A stream with compressed content.
    pub fn stream(&self, dict: Dictionary, content: Vec<u8>) -> Stream {
        let mut stream = Stream::new(dict, content);
        self.compress(&mut stream);
        stream
    }

    /// The bytes in zlib's format (RFC 1950).
    pub fn deflate(&self, bytes: &[u8]) -> Vec<u8> {
        deflate::zlib(bytes, self.0)
    }
}
