//! PNG preview.

use std::sync::Arc;

use super::RenderError;
use crate::font::Fonts;
use crate::layout::Document;
use crate::page::Face;

/// Draws PNG previews; each face is drawn once.
pub struct PngRenderer {
    fonts: Arc<Fonts>,
}

impl PngRenderer {
    /// Prepares the faces at a resolution in dots per inch.
    pub fn new(fonts: &Arc<Fonts>, _faces: &[Arc<Face>], _dpi: u16) -> Result<Self, RenderError> {
        Ok(Self { fonts: Arc::clone(fonts) })
    }

    /// The document as a picture. Same document, same bytes.
    pub fn render(&self, _document: &Document) -> Result<Vec<u8>, RenderError> {
        todo!()
    }
}
