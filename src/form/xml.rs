//! A `WordprocessingML` part as a tree of byte ranges over its own text, so that whatever is not touched stays as it was.

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::Event;

/// Deeper nesting than any Word document has: a hostile part.
const MAX_DEPTH: usize = 200;

/// Position of an element in its [`Tree`].
pub type Id = usize;

/// One element: where it begins and ends in the part.
pub struct Element {
    /// The name with its prefix, `w:tbl`.
    pub name: Range<usize>,
    /// From `<` of the start tag to `>` of the end tag.
    pub all: Range<usize>,
    /// From `<` to `>` of the start tag.
    pub tag: Range<usize>,
    /// Between start and end tag; empty for `<w:t/>`.
    pub inner: Range<usize>,
    /// The element around it.
    pub parent: Option<Id>,
    /// The elements directly inside.
    pub children: Vec<Id>,
}

/// The elements of a part, in the order of their start tags.
pub struct Tree<'a> {
    /// The part.
    pub text: &'a str,
    elements: Vec<Element>,
}

impl<'a> Tree<'a> {
    /// Reads a part. The message says what is not well formed; a DTD is refused.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let mut reader = Reader::from_str(text);
        let mut elements: Vec<Element> = Vec::new();
        let mut open: Vec<Id> = Vec::new();
        loop {
            let from = position(&reader);
            let event = reader.read_event().map_err(|e| format!("XML 不完整（第 {from} 字节）：{e}"))?;
            let to = position(&reader);
            match event {
                Event::Start(_) | Event::Empty(_) => {
                    let name_length =
                        text[from + 1..to].find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/').unwrap_or(to - from - 1);
                    let id = elements.len();
                    let parent = open.last().copied();
                    if let Some(parent) = parent {
                        elements[parent].children.push(id);
                    }
                    let name = from + 1..from + 1 + name_length;
                    elements.push(Element { name, all: from..to, tag: from..to, inner: to..to, parent, children: Vec::new() });
                    if matches!(event, Event::Start(_)) {
                        open.push(id);
                        if open.len() > MAX_DEPTH {
                            return Err(format!("XML 嵌套超过 {MAX_DEPTH} 层"));
                        }
                    }
                }
                Event::End(_) => {
                    let id = open.pop().ok_or("XML 多了一个结束标记")?;
                    elements[id].inner.end = from;
                    elements[id].all.end = to;
                }
                Event::DocType(_) => return Err("含有 DTD（<!DOCTYPE>），不接受".to_owned()),
                Event::Eof if open.is_empty() && !elements.is_empty() => return Ok(Self { text, elements }),
                Event::Eof => return Err("XML 不完整".to_owned()),
                _ => {}
            }
        }
    }

    /// All elements, in the order of their start tags.
    pub fn ids(&self) -> Range<Id> {
        0..self.elements.len()
    }

    /// One element.
    pub fn at(&self, id: Id) -> &Element {
        &self.elements[id]
    }

    /// Its name with its prefix.
    pub fn name(&self, id: Id) -> &'a str {
        &self.text[self.elements[id].name.clone()]
    }

    /// The raw text of a range.
    pub fn raw(&self, range: &Range<usize>) -> &'a str {
        &self.text[range.clone()]
    }

    /// The first child of that name.
    pub fn child(&self, id: Id, name: &str) -> Option<Id> {
        self.elements[id].children.iter().copied().find(|&child| self.name(child) == name)
    }

    /// The elements around it, innermost first.
    pub fn ancestors(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        std::iter::successors(self.elements[id].parent, |&id| self.elements[id].parent)
    }

    /// The nearest element of that name around it.
    pub fn around(&self, id: Id, name: &str) -> Option<Id> {
        self.ancestors(id).find(|&id| self.name(id) == name)
    }

    /// The elements inside it, at any depth, in order.
    pub fn inside(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        let end = self.elements[id].all.end;
        (id + 1..self.elements.len()).take_while(move |&i| self.elements[i].all.start < end)
    }

    /// The raw value of an attribute, and where ` name="value"` stands (with the space before it).
    pub fn attribute(&self, id: Id, name: &str) -> Option<(&'a str, Range<usize>)> {
        attribute(self.text, &self.elements[id].tag, name)
    }

    /// The value of an attribute with entities resolved.
    pub fn value(&self, id: Id, name: &str) -> Option<String> {
        let (raw, _) = self.attribute(id, name)?;
        Some(quick_xml::escape::unescape(raw).map_or_else(|_| raw.to_owned(), std::borrow::Cow::into_owned))
    }

    /// What a reader sees of an element: the text of every `w:t` inside, unescaped.
    pub fn visible(&self, id: Id) -> String {
        let mut seen = String::new();
        for t in self.inside(id).filter(|&i| self.name(i) == "w:t") {
            let raw = self.raw(&self.at(t).inner);
            seen.push_str(&quick_xml::escape::unescape(raw).unwrap_or(raw.into()));
        }
        seen
    }
}

fn attribute<'a>(text: &'a str, tag: &Range<usize>, name: &str) -> Option<(&'a str, Range<usize>)> {
    let source = &text[tag.clone()];
    let mut from = 0;
    while let Some(found) = source[from..].find(name) {
        let (start, after) = (from + found, from + found + name.len());
        from = after;
        if !source[..start].ends_with(|c: char| c.is_ascii_whitespace()) {
            continue;
        }
        let rest = source[after..].trim_start();
        let Some(rest) = rest.strip_prefix('=') else { continue };
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let value = rest[1..].split(quote).next()?;
        let value_start = source.len() - rest.len() + 1;
        return Some((value, tag.start + start - 1..tag.start + value_start + value.len() + 1));
    }
    None
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).expect("the part is in memory")
}

/// Text as character data and attribute value: nothing in it can end an element or a CDATA section.
pub fn escape_into(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_what_stands_there() {
        let text = r#"<?xml version="1.0"?><w:p><w:r  w:id = 'x&amp;y' b="2"><w:t>一&lt;</w:t><w:t/></w:r></w:p>"#;
        let tree = Tree::parse(text).unwrap();
        let names: Vec<_> = tree.ids().map(|id| tree.name(id)).collect();
        assert_eq!(names, ["w:p", "w:r", "w:t", "w:t"]);
        assert_eq!(tree.raw(&tree.at(2).inner), "一&lt;");
        assert_eq!(tree.raw(&tree.at(3).all), "<w:t/>");
        assert_eq!(tree.visible(0), "一<");
        assert_eq!(tree.value(1, "w:id").as_deref(), Some("x&y"));
        let (value, place) = tree.attribute(1, "b").unwrap();
        assert_eq!((value, tree.raw(&place)), ("2", " b=\"2\""));
        assert!(tree.attribute(1, "id").is_none());
    }

    #[test]
    fn refuses_dtd_depth_and_broken_xml() {
        assert!(Tree::parse("<!DOCTYPE a [<!ENTITY b 'c'>]><a/>").is_err_and(|e| e.contains("DTD")));
        assert!(Tree::parse(&"<a>".repeat(300)).is_err_and(|e| e.contains("200")));
        assert!(Tree::parse("<a><b></a>").is_err());
        assert!(Tree::parse("<a>").is_err());
        assert!(Tree::parse("").is_err());
    }
}
