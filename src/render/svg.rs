//! SVG preview.

use crate::font::Fonts;
use crate::layout::Document;

/// The document as SVG.
pub fn render(_fonts: &Fonts, _document: &Document) -> String {
    todo!()
}
