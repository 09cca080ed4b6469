//! XML as OFD readers expect it: UTF-8 without a byte order mark, the prefix literally `ofd:`, no white space between elements.

use std::fmt::{self, Display, Write};

use quick_xml::escape::escape;

/// The namespace of every part (GB/T 33190-2016 7.2).
pub(super) const NAMESPACE: &str = "http://www.ofdspec.org/2016";

/// One part being written.
pub(super) struct Xml(String);

/// Attributes in the order in which they are written.
pub(super) type Attributes<'a> = &'a [(&'a str, &'a dyn Display)];

impl Xml {
    /// Starts a part with its root element.
    pub(super) fn new(root: &str, attributes: Attributes) -> Self {
        let mut xml = Self(String::with_capacity(4096));
        xml.0.push_str(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        xml.start(root, attributes);
        xml.attribute("xmlns:ofd", &NAMESPACE);
        xml.0.push('>');
        xml
    }

    /// Closes the root element.
    pub(super) fn finish(mut self, root: &str) -> Vec<u8> {
        self.close(root);
        self.0.into_bytes()
    }

    pub(super) fn open(&mut self, name: &str, attributes: Attributes) {
        self.start(name, attributes);
        self.0.push('>');
    }

    pub(super) fn close(&mut self, name: &str) {
        self.0.extend(["</", name, ">"]);
    }

    pub(super) fn empty(&mut self, name: &str, attributes: Attributes) {
        self.start(name, attributes);
        self.0.push_str("/>");
    }

    /// An element that holds text, escaped here.
    pub(super) fn text(&mut self, name: &str, attributes: Attributes, text: &str) {
        self.open(name, attributes);
        self.0.push_str(&escape(text));
        self.close(name);
    }

    /// An element that holds numbers and operators, nothing to escape, written by `write`.
    pub(super) fn data(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        self.open(name, &[]);
        write(&mut self.0);
        self.close(name);
    }

    fn start(&mut self, name: &str, attributes: Attributes) {
        self.0.extend(["<", name]);
        for (key, value) in attributes {
            self.attribute(key, value);
        }
    }

    fn attribute(&mut self, key: &str, value: &dyn Display) {
        self.0.extend([" ", key, "=\""]);
        write!(Escaped(&mut self.0), "{value}").expect("a string takes it");
        self.0.push('"');
    }
}

/// Escapes what is written into it.
struct Escaped<'s>(&'s mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(&escape(text));
        Ok(())
    }
}
