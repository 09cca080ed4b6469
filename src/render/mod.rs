//! A composed document becomes bytes: PDF, OFD, PNG, SVG and plain text, the same glyphs at the same places in all.

mod ofd;
mod pdf;
mod png;
#[cfg(test)]
mod specimen;
mod svg;
mod text;

pub use ofd::OfdRenderer;
pub use pdf::PdfRenderer;
pub use png::PngRenderer;
pub use svg::render as svg;
pub use text::render as text;

/// Why a document cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A library refused what we gave it.
    #[error("{format}: {cause}")]
    Refused {
        /// `PDF`, `OFD`, `PNG`.
        format: &'static str,
        /// Why.
        cause: String,
    },
}
