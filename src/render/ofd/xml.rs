//! XML as OFD readers expect it: UTF-8 without a byte order mark, the prefix literally `ofd:`, no white space between elements.

use std::fmt::Display;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// The namespace of every part (GB/T 33190-2016 7.2).
pub(super) const NAMESPACE: &str = "http://www.ofdspec.org/2016";

/// One part being written.
pub(super) struct Xml(Writer<Vec<u8>>);

/// Attributes in the order in which they are written.
pub(super) type Attributes<'a> = &'a [(&'a str, &'a dyn Display)];

impl Xml {
    /// Starts a part with its root element.
    pub(super) fn new(root: &str, attributes: Attributes) -> Self {
        let mut xml = Self(Writer::new(Vec::with_capacity(4096)));
        xml.write(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        let mut start = element(root, attributes);
        start.push_attribute(("xmlns:ofd", NAMESPACE));
        xml.write(Event::Start(start));
        xml
    }

    /// Closes the root element.
    pub(super) fn finish(mut self, root: &str) -> Vec<u8> {
        self.close(root);
        self.0.into_inner()
    }

    pub(super) fn open(&mut self, name: &str, attributes: Attributes) {
        self.write(Event::Start(element(name, attributes)));
    }

    pub(super) fn close(&mut self, name: &str) {
        self.write(Event::End(BytesEnd::new(name)));
    }

    pub(super) fn empty(&mut self, name: &str, attributes: Attributes) {
        self.write(Event::Empty(element(name, attributes)));
    }

    /// An element that holds text, escaped here.
    pub(super) fn text(&mut self, name: &str, attributes: Attributes, text: &str) {
        self.write(Event::Start(element(name, attributes)));
        self.write(Event::Text(BytesText::new(text)));
        self.close(name);
    }

    /// An element that holds numbers and operators, nothing to escape.
    pub(super) fn data(&mut self, name: &str, data: &str) {
        self.open(name, &[]);
        self.write(Event::Text(BytesText::from_escaped(data)));
        self.close(name);
    }

    fn write(&mut self, event: Event) {
        self.0.write_event(event).expect("a vector takes every byte");
    }
}

fn element<'a>(name: &'a str, attributes: Attributes) -> BytesStart<'a> {
    let mut start = BytesStart::new(name);
    for (key, value) in attributes {
        start.push_attribute((*key, value.to_string().as_str()));
    }
    start
}
