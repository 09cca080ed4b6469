//! The small XML files that say what is signed, as a tree; nothing that XML can do beyond elements is accepted.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element with what stands directly in it.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Without its prefix, which is `ofd:`.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    text: String,
}

/// Some hundreds of references at most.
const MOST_ELEMENTS: usize = 20_000;
const DEEPEST: usize = 16;
const MOST_ATTRIBUTES: usize = 16;

impl Element {
    /// Reads a file; none when it is not well-formed, or holds more than elements, attributes and text.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(bytes).ok()?);
        let mut open = vec![Self::default()];
        let mut elements = 0;
        loop {
            let event = reader.read_event().ok()?;
            if let Event::Start(start) | Event::Empty(start) = &event {
                elements += 1;
                if elements > MOST_ELEMENTS || open.len() > DEEPEST {
                    return None;
                }
                open.push(Self::begin(start)?);
            }
            match event {
                Event::End(_) | Event::Empty(_) => {
                    let done = open.pop()?;
                    open.last_mut()?.children.push(done);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                // A title may have one; in a path or a digest it would be a second spelling, and meets nothing.
                Event::GeneralRef(_) => open.last_mut()?.text.push(char::REPLACEMENT_CHARACTER),
                Event::Start(_) | Event::Decl(_) => {}
                Event::Eof => break,
                _ => return None,
            }
        }
        let mut document = open.pop().filter(|document| open.is_empty() && document.text.trim().is_empty())?;
        let root = document.children.pop()?;
        document.children.is_empty().then_some(root)
    }

    fn begin(start: &BytesStart) -> Option<Self> {
        let name = start.name().as_ref().strip_prefix("ofd:")?.to_owned();
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            // Looking for doubles takes time by the square of their number.
            let attribute = attribute.ok().filter(|_| attributes.len() < MOST_ATTRIBUTES)?;
            let key = attribute.key.as_ref().to_owned();
            attributes.push((key, attribute.value.into_owned()));
        }
        Some(Self { name, attributes, ..Self::default() })
    }

    /// The only child of that name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        found.next().filter(|_| found.next().is_none())
    }

    /// The only descendant along these names.
    pub(super) fn path(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text of the only descendant along these names.
    pub(super) fn text(&self, names: &[&str]) -> Option<&str> {
        self.path(names).map(|element| element.text.trim())
    }

    pub(super) fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}
