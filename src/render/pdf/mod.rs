//! PDF writing: a document becomes a tagged PDF/A-3u file (ISO 19005-3), the same bytes each time.
//!
//! `typeface` subsets fonts, `draw` turns items into page operations, `print` has printpdf write those, and what
//! printpdf does not know is added to its objects with lopdf: `structure`, `metadata`, `color`, `signature`.

mod color;
mod draw;
mod metadata;
mod picture;
mod print;
mod signature;
mod structure;
mod typeface;

use std::fmt::Display;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use lopdf::xref::XrefType;
use lopdf::{Dictionary, Object, ObjectId, Stream, dictionary};
use sha2::{Digest, Sha256};

use self::draw::Canvas;
use self::print::{Deflater, RESOURCES};
use self::signature::Field;
use self::structure::Tag;
use self::typeface::Typefaces;
use super::RenderError;
use crate::font::Fonts;
use crate::layout::Document;
use crate::page::{Art, Face, Length};
use crate::render::deflate::Effort;
use crate::sign::pdf::Blank;

/// Writes PDF files; each face is prepared once.
pub struct PdfRenderer {
    fonts: Arc<Fonts>,
    /// Each face by its digest, prepared when it is first drawn: a program that issues one type needs one face.
    faces: Vec<([u8; 32], OnceLock<PreparedFace>)>,
    /// Appearances by their art, which is the same on every licence of a layout. Holding the art keeps its address its own.
    seals: RwLock<Vec<(Arc<Art>, Stream)>>,
}

/// How many appearances of seals are kept; a layout has one or two.
const KEPT_SEALS: usize = 64;

/// What every document of a layout shares, compressed and ready to be copied.
struct PreparedFace {
    /// Fonts, pictures, content, colour profile.
    file: lopdf::Document,
    resources: Dictionary,
    content: ObjectId,
    output_intent: ObjectId,
    tags: Vec<Tag>,
}

impl PdfRenderer {
    /// Takes the faces that will be drawn often.
    pub fn new(fonts: &Arc<Fonts>, faces: &[Arc<Face>]) -> Result<Self, RenderError> {
        let faces = faces.iter().map(|face| (face.digest, OnceLock::new())).collect();
        Ok(Self { fonts: Arc::clone(fonts), faces, seals: RwLock::default() })
    }

    /// The document as a file without a signature. Same document, same bytes.
    pub fn render(&self, document: &Document) -> Result<Vec<u8>, RenderError> {
        self.write(document, None)
    }

    /// The document as a file that a signature of at most so many bytes completes; the page's first seal shows it.
    pub fn render_blank(&self, document: &Document, room: usize) -> Result<Blank, RenderError> {
        signature::blank(self.write(document, Some(room))?, room)
    }

    fn write(&self, document: &Document, room: Option<usize>) -> Result<Vec<u8>, RenderError> {
        let mut file = self.file(document, room)?;
        let mut bytes = Vec::with_capacity(1 << 16);
        file.save_to(&mut bytes).map_err(refused)?;
        Ok(bytes)
    }

    /// The document's objects.
    fn file(&self, document: &Document, room: Option<usize>) -> Result<lopdf::Document, RenderError> {
        let page = &document.page;
        let strange = OnceLock::new();
        let known = self.faces.iter().find(|(digest, _)| *digest == page.face.digest).map_or(&strange, |(_, face)| face);
        let face = if let Some(face) = known.get() {
            face
        } else {
            let prepared = self.prepare(&page.face, page.size.1)?;
            known.get_or_init(|| prepared)
        };
        let mut file = face.file.clone();
        let deflater = Deflater(Effort::Quick);

        let typefaces = Typefaces::of(&page.items, &self.fonts, "H");
        let mut canvas = Canvas::new(page.size.1, &typefaces, face.tags.len() as u32, &deflater);
        let field = room.map(|room| (Field::of(&page.items, file.new_object_id()), room));
        if let Some((field, _)) = &field {
            canvas.items(field.items[0])?;
            canvas.field(field.area(), field.words());
            canvas.items(field.items[1])?;
        } else {
            canvas.items(&page.items)?;
        }
        let drawing = canvas.print(&mut file)?;
        let mut resources = drawing.printed.resources;
        self.add_seals(&drawing.seals, &mut resources, &mut file)?;
        join(&mut resources, &face.resources)?;

        let xmp = metadata::xmp(document)?;
        let id = Sha256::new().chain_update(document.id).chain_update(&drawing.printed.content).chain_update(&xmp).finalize();
        let id = Object::string_literal(&id[..16]);

        let pages = file.new_object_id();
        let content = file.add_object(deflater.stream(Dictionary::new(), drawing.printed.content));
        let [width, height] = [page.size.0, page.size.1].map(|length| Object::Real(draw::rounded(length.to_pt(), 4)));
        let annotations: Vec<Object> = field.iter().map(|(field, _)| field.id.into()).collect();
        let page_object = file.add_object(dictionary! {
            "Type" => "Page",
            "Parent" => pages,
            "MediaBox" => vec![0.into(), 0.into(), width, height],
            "Resources" => resources,
            "Contents" => vec![face.content.into(), content.into()],
            "Group" => dictionary! { "Type" => "Group", "S" => "Transparency", "CS" => "DeviceRGB" },
            "StructParents" => 0,
            "Annots" => annotations,
            "Tabs" => "S",
        });
        file.set_object(pages, dictionary! { "Type" => "Pages", "Count" => 1, "Kids" => vec![page_object.into()] });
        let tree = structure::add_tree(
            &mut file,
            page_object,
            page.size.1,
            [&face.tags, &drawing.tags],
            field.as_ref().map(|(field, _)| field.id),
        );
        let metadata = file.add_object(metadata::metadata_stream(xmp, &deflater));
        let mut catalog = dictionary! {
            "Type" => "Catalog",
            "Pages" => pages,
            "Lang" => Object::string_literal("zh-CN"),
            "MarkInfo" => dictionary! { "Marked" => true },
            "StructTreeRoot" => tree,
            "ViewerPreferences" => dictionary! { "DisplayDocTitle" => true },
            "Metadata" => metadata,
            "OutputIntents" => vec![face.output_intent.into()],
        };
        metadata::attach(&document.attachments, document.instant, &mut catalog, &mut file, &deflater);
        let information = file.add_object(metadata::information(document));
        let root = file.new_object_id();
        if let Some((field, room)) = field {
            let appearance = field.seal.map(|seal| self.seal_appearance(&seal.art)).transpose()?.map(|form| file.add_object(form));
            field.add(&mut file, &mut catalog, (page_object, appearance), document, room);
        }
        file.set_object(root, catalog);
        file.trailer = dictionary! { "Root" => root, "Info" => information, "ID" => vec![id.clone(), id] };
        Ok(file)
    }

    /// Draws and compresses what the licences of a layout share.
    fn prepare(&self, face: &Face, height: Length) -> Result<PreparedFace, RenderError> {
        let mut file = lopdf::Document::with_version("1.7");
        // The kind that every reader and every judge of signatures knows.
        file.reference_table.cross_reference_type = XrefType::CrossReferenceTable;
        let deflater = Deflater(Effort::Best);
        let output_intent = color::add_output_intent(&mut file, &deflater);
        let typefaces = Typefaces::of(&face.items, &self.fonts, "L");
        let mut canvas = Canvas::new(height, &typefaces, 0, &deflater);
        canvas.items(&face.items)?;
        let drawing = canvas.print(&mut file)?;
        let mut resources = drawing.printed.resources;
        self.add_seals(&drawing.seals, &mut resources, &mut file)?;
        // The licence's own content begins with the graphics state that a page begins with.
        let content = [b"q\n", &drawing.printed.content[..], b"\nQ"].concat();
        let content = file.add_object(deflater.stream(Dictionary::new(), content));
        Ok(PreparedFace { file, resources, content, output_intent, tags: drawing.tags })
    }

    /// Adds the appearances of the seals that a content stream draws.
    fn add_seals(&self, seals: &[(String, Arc<Art>)], resources: &mut Dictionary, file: &mut lopdf::Document) -> Result<(), RenderError> {
        for (name, art) in seals {
            let appearance = file.add_object(self.seal_appearance(art)?);
            resources.get_mut(b"XObject").and_then(Object::as_dict_mut).map_err(refused)?.set(name.as_str(), appearance);
        }
        Ok(())
    }

    /// A seal as a form object with its own resources: drawn by the page, or the appearance of a signature's widget.
    fn seal_appearance(&self, art: &Arc<Art>) -> Result<Stream, RenderError> {
        // A thread that panicked while it held the lock has pushed a whole entry or none.
        let kept = self.seals.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, appearance)) = kept.iter().find(|(known, _)| Arc::ptr_eq(known, art)) {
            return Ok(appearance.clone());
        }
        drop(kept);
        let appearance = appearance(art)?;
        let mut kept = self.seals.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_SEALS {
            kept.push((Arc::clone(art), appearance.clone()));
        }
        Ok(appearance)
    }
}

/// Art as a form object, the drawing's bottom left corner at the origin.
fn appearance(art: &Art) -> Result<Stream, RenderError> {
    let typefaces = Typefaces::default();
    let deflater = Deflater(Effort::Best);
    let mut canvas = Canvas::new(art.size.1, &typefaces, 0, &deflater);
    canvas.paths(art.paths.iter());
    // Paths refer to no objects, so that nothing is added to this file.
    let drawing = canvas.print(&mut lopdf::Document::new())?;
    let mut resources = drawing.printed.resources;
    join(&mut resources, &Dictionary::new())?;
    let [width, height] = [art.size.0, art.size.1].map(|length| Object::Real(draw::rounded(length.to_pt(), 3)));
    let dict = dictionary! {
        "Type" => "XObject",
        "Subtype" => "Form",
        "BBox" => vec![0.into(), 0.into(), width, height],
        "Resources" => resources,
    };
    Ok(deflater.stream(dict, drawing.printed.content))
}

/// Joins the resources of two content streams of one page; names tell them apart. Kinds that are not used are left out.
fn join(resources: &mut Dictionary, other: &Dictionary) -> Result<(), RenderError> {
    for kind in RESOURCES {
        let of_kind = resources.get_mut(kind.as_bytes()).and_then(Object::as_dict_mut).map_err(refused)?;
        if let Ok(others) = other.get(kind.as_bytes()).and_then(Object::as_dict) {
            of_kind.extend(others);
        }
        if of_kind.is_empty() {
            resources.remove(kind.as_bytes());
        }
    }
    Ok(())
}

fn refused(cause: impl Display) -> RenderError {
    RenderError::Refused { format: "PDF", cause: cause.to_string() }
}

#[cfg(test)]
mod tests;
