//! What a page says, as plain text: a line for each text item, in reading order.

use crate::layout::Document;
use crate::page::Item;

/// The page's texts, ornaments included, a line each.
pub fn render(document: &Document) -> String {
    let mut out = String::new();
    for item in document.page.face.items.iter().chain(&document.page.items) {
        if let Item::Text(text) = item {
            out.push_str(&text.content);
            out.push('\n');
        }
    }
    out
}
