//! Page operations become content: printpdf writes the operators, and nothing else of it is kept.

use lopdf::Object;
use printpdf::{Op, PdfDocument, PdfPage, PdfSaveOptions, PdfWarnMsg};

use super::{RenderError, refused};

/// Has printpdf write the operations. Its document around them (catalog, pages, random /ID, /Info) is left behind; what the
/// operations draw with by name, the owner of the file adds.
pub(super) fn print(ops: Vec<Op>) -> Result<Vec<u8>, RenderError> {
    let nothing = printpdf::Mm(0.0); // the page's size is written by whoever owns the file
    let document = PdfDocument { pages: vec![PdfPage::new(nothing, nothing, ops)], ..PdfDocument::default() };
    let options = PdfSaveOptions {
        optimize: false,
        subset_fonts: false,
        secure: false, // lets `Op::Unknown` through, see `Canvas::operator`
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
    match printed.objects.remove(&content) {
        Some(Object::Stream(content)) => Ok(content.content),
        _ => Err(refused("printpdf wrote no content")),
    }
}
