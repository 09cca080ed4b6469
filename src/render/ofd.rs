//! OFD writing.

use std::sync::Arc;

use super::RenderError;
use crate::font::Fonts;
use crate::layout::Document;
use crate::page::Face;

/// Writes OFD files; each face is prepared once.
pub struct OfdRenderer {
    fonts: Arc<Fonts>,
}

impl OfdRenderer {
    /// Prepares the faces.
    pub fn new(fonts: &Arc<Fonts>, _faces: &[Arc<Face>]) -> Result<Self, RenderError> {
        Ok(Self { fonts: Arc::clone(fonts) })
    }

    /// The document as a file. Same document, same bytes.
    pub fn render(&self, _document: &Document) -> Result<Vec<u8>, RenderError> {
        todo!()
    }
}
