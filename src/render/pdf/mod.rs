//! PDF writing: a document becomes a tagged PDF/A-3u file (ISO 19005-3), the same bytes each time.
//!
//! `typeface` subsets fonts, `draw` turns items into page operations, `print` has printpdf write those, and `file` takes what
//! is made of them and of the rest: `picture`, `structure`, `metadata`, `color`, `signature`.

mod color;
mod draw;
mod file;
mod metadata;
mod picture;
mod print;
mod signature;
mod structure;
mod typeface;

use std::fmt::Display;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use sha2::{Digest, Sha256};

use self::draw::{Canvas, Resources};
use self::file::{File, Ref, escaped, put};
use self::signature::{Field, Places};
use self::structure::Tag;
use self::typeface::Typefaces;
use super::RenderError;
use crate::deflate::{self, Effort};
use crate::font::Fonts;
use crate::layout::Document;
use crate::page::{Art, Face, Length};
use crate::sign::pdf::Blank;

/// Writes PDF files; each face is prepared once.
pub struct PdfRenderer {
    fonts: Arc<Fonts>,
    /// Each face by its digest, prepared when it is first drawn: a program that issues one type needs one face.
    faces: Vec<([u8; 32], OnceLock<PreparedFace>)>,
    /// Appearances by their art, which is the same on every licence of a layout. Holding the art keeps its address its own.
    seals: RwLock<Vec<(Arc<Art>, Arc<Appearance>)>>,
}

/// How many appearances of seals are kept; a layout has one or two.
const KEPT_SEALS: usize = 64;

/// What every document of a layout shares, compressed and ready to be copied.
struct PreparedFace {
    /// Fonts, pictures, content, colour profile.
    file: File,
    resources: Resources,
    content: Ref,
    output_intent: Ref,
    tags: Vec<Tag>,
}

/// A seal as a form object with its own resources: drawn by the page, or the appearance of a signature's widget.
#[derive(PartialEq, Debug)]
struct Appearance {
    /// Its dictionary without brackets and length.
    dict: String,
    /// Deflated.
    content: Vec<u8>,
}

impl PdfRenderer {
    /// Takes the faces that will be drawn often.
    pub fn new(fonts: &Arc<Fonts>, faces: &[Arc<Face>]) -> Result<Self, RenderError> {
        let faces = faces.iter().map(|face| (face.digest, OnceLock::new())).collect();
        Ok(Self { fonts: Arc::clone(fonts), faces, seals: RwLock::default() })
    }

    /// The document as a file without a signature. Same document, same bytes.
    pub fn render(&self, document: &Document) -> Result<Vec<u8>, RenderError> {
        Ok(self.write(document, None)?.0)
    }

    /// The document as a file that a signature of at most so many bytes completes; the page's first seal shows it.
    pub fn render_blank(&self, document: &Document, room: usize) -> Result<Blank, RenderError> {
        let (file, places) = self.write(document, Some(room))?;
        Ok(signature::blank(file, places.ok_or_else(|| refused("the signature was not written"))?))
    }

    /// Streams come first, so that the small objects bear neighbouring numbers, which deflate to little.
    fn write(&self, document: &Document, room: Option<usize>) -> Result<(Vec<u8>, Option<Places>), RenderError> {
        let page = &document.page;
        let height = page.size.1;
        let strange = OnceLock::new();
        let known = self.faces.iter().find(|(digest, _)| *digest == page.face.digest).map_or(&strange, |(_, face)| face);
        let face = if let Some(face) = known.get() {
            face
        } else {
            let prepared = self.prepare(&page.face, height)?;
            known.get_or_init(|| prepared)
        };
        let mut file = face.file.continued();
        let page_object = file.promise();
        let signing = room.map(|room| (Field::of(&page.items, file.promise()), file.promise(), room));

        let typefaces = Typefaces::of(&page.items, &self.fonts, "H");
        let mut canvas = Canvas::new(height, &typefaces, face.tags.len() as u32, &mut file, Effort::Quick);
        if let Some((field, ..)) = &signing {
            canvas.items(field.items[0])?;
            canvas.field(field.area(), field.words());
            canvas.items(field.items[1])?;
        } else {
            canvas.items(&page.items)?;
        }
        let mut drawing = canvas.print()?;
        self.add_seals(&drawing.seals, &mut drawing.resources, &mut file)?;
        drawing.resources.extend(&face.resources);
        let content = file.deflated(format_args!(""), &drawing.content, Effort::Quick);
        let xmp = metadata::xmp(document)?;
        let metadata = metadata::add_metadata(&mut file, &xmp);
        let appearance = signing.as_ref().and_then(|(field, ..)| field.seal).map(|seal| self.seal_appearance(&seal.art)).transpose()?;
        let appearance = appearance.map(|appearance| appearance.add(&mut file));
        let attached = metadata::attach(&mut file, document);

        let pages = file.small(|out| put(out, format_args!("<</Type/Pages/Count 1/Kids[{page_object}]>>")));
        file.keep(page_object, |out| {
            let [width, height] = [page.size.0, height].map(|length| draw::rounded(length.to_pt(), 4));
            put(out, format_args!("<</Type/Page/Parent {pages}/MediaBox[0 0 {width} {height}]/Resources"));
            drawing.resources.write(out);
            put(out, format_args!("/Contents[{} {content}]/Group<</Type/Group/S/Transparency/CS/DeviceRGB>>", face.content));
            if let Some((field, ..)) = &signing {
                put(out, format_args!("/Annots[{}]", field.id));
            }
            out.extend_from_slice(b"/StructParents 0/Tabs/S>>");
        });
        let widget = signing.as_ref().map(|(field, ..)| field.id);
        let tree = structure::add_tree(&mut file, page_object, height, [&face.tags, &drawing.tags], widget);
        let information = metadata::add_information(&mut file, document);
        let root = file.small(|out| {
            put(out, format_args!("<</Type/Catalog/Pages {pages}/Lang(zh-CN)/MarkInfo<</Marked true>>/StructTreeRoot {tree}"));
            put(out, format_args!("/ViewerPreferences<</DisplayDocTitle true>>/Metadata {metadata}/OutputIntents[{}]", face.output_intent));
            attached.write(out);
            if let Some((field, signature, _)) = &signing {
                field.write(out, *signature);
            }
            out.extend_from_slice(b">>");
        });
        let places = signing.map(|(field, signature, room)| {
            field.add(&mut file, signature, page_object, appearance, height);
            signature::add(&mut file, signature, document, room)
        });

        let id = Sha256::new().chain_update(document.id).chain_update(&drawing.content).chain_update(&xmp).finalize();
        let bytes = file.finish(|out| {
            put(out, format_args!("/Root {root}/Info {information}/ID["));
            for _ in 0..2 {
                out.push(b'(');
                escaped(out, id[..16].iter().copied());
                out.push(b')');
            }
            out.push(b']');
        });
        Ok((bytes, places))
    }

    /// Draws and compresses what the licences of a layout share.
    fn prepare(&self, face: &Face, height: Length) -> Result<PreparedFace, RenderError> {
        let mut file = File::new();
        let output_intent = color::add_output_intent(&mut file);
        let typefaces = Typefaces::of(&face.items, &self.fonts, "L");
        let mut canvas = Canvas::new(height, &typefaces, 0, &mut file, Effort::Best);
        canvas.items(&face.items)?;
        let mut drawing = canvas.print()?;
        self.add_seals(&drawing.seals, &mut drawing.resources, &mut file)?;
        // The licence's own content begins with the graphics state that a page begins with.
        let content = [b"q\n", &drawing.content[..], b"\nQ"].concat();
        let content = file.deflated(format_args!(""), &content, Effort::Best);
        Ok(PreparedFace { file, resources: drawing.resources, content, output_intent, tags: drawing.tags })
    }

    /// Adds the appearances of the seals that a content stream draws.
    fn add_seals(&self, seals: &[(String, Arc<Art>)], resources: &mut Resources, file: &mut File) -> Result<(), RenderError> {
        for (name, art) in seals {
            resources.objects.push((name.clone(), self.seal_appearance(art)?.add(file)));
        }
        Ok(())
    }

    fn seal_appearance(&self, art: &Arc<Art>) -> Result<Arc<Appearance>, RenderError> {
        // A thread that panicked while it held the lock has pushed a whole entry or none.
        let kept = self.seals.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, appearance)) = kept.iter().find(|(known, _)| Arc::ptr_eq(known, art)) {
            return Ok(Arc::clone(appearance));
        }
        drop(kept);
        let appearance = Arc::new(Appearance::of(art)?);
        let mut kept = self.seals.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_SEALS {
            kept.push((Arc::clone(art), Arc::clone(&appearance)));
        }
        Ok(appearance)
    }
}

impl Appearance {
    /// The drawing's bottom left corner is the origin.
    fn of(art: &Art) -> Result<Self, RenderError> {
        let typefaces = Typefaces::default();
        // Paths refer to no objects, so that nothing is added to this file.
        let mut nowhere = File::new();
        let mut canvas = Canvas::new(art.size.1, &typefaces, 0, &mut nowhere, Effort::Best);
        canvas.paths(art.paths.iter());
        let drawing = canvas.print()?;
        let [width, height] = [art.size.0, art.size.1].map(|length| draw::rounded(length.to_pt(), 3));
        let mut resources = Vec::new();
        drawing.resources.write(&mut resources);
        let resources = String::from_utf8(resources).map_err(refused)?;
        let dict = format!("/Subtype/Form/BBox[0 0 {width} {height}]/Resources{resources}/Filter/FlateDecode");
        Ok(Self { dict, content: deflate::zlib(&drawing.content, Effort::Best) })
    }

    fn add(&self, file: &mut File) -> Ref {
        file.stream(format_args!("{}", self.dict), &self.content)
    }
}

fn refused(cause: impl Display) -> RenderError {
    RenderError::Refused { format: "PDF", cause: cause.to_string() }
}

#[cfg(test)]
mod tests;
