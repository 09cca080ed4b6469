//! A composed document becomes bytes: PDF, OFD, PNG, SVG and plain text, the same glyphs at the same places in all.

mod ofd;
mod pdf;
mod png;
#[cfg(test)]
mod specimen;
mod svg;
mod text;

pub use ofd::{OfdRenderer, Unsigned};
pub use pdf::PdfRenderer;
pub use png::PngRenderer;
pub use svg::render as svg;
pub use text::render as text;

use serde::{Deserialize, Serialize};

/// Why a document cannot be rendered.
#[derive(Clone, Debug, thiserror::Error)]
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

/// A form that a document can be given out in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// PDF/A-3u.
    Pdf,
    /// OFD (GB/T 33190-2016).
    Ofd,
    /// Preview picture.
    Png,
    /// Vector preview.
    Svg,
    /// What the page says, a line for each text.
    Txt,
}

impl Format {
    /// The file extension, also the key in reports.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Ofd => "ofd",
            Self::Png => "png",
            Self::Svg => "svg",
            Self::Txt => "txt",
        }
    }
}
