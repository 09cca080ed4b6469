//! The file around its objects: streams as they come, all that is small packed into one stream of objects, the signature in
//! plain sight, and a cross-reference stream at the end (ISO 32000-1 7.5.7, 7.5.8).

use std::fmt;
use std::io::Write as _;

use crate::deflate::{self, Effort};

/// A file that is being written.
#[derive(Clone)]
pub(super) struct File {
    bytes: Vec<u8>,
    /// Where each object is, object 1 first.
    places: Vec<Place>,
    /// The small objects, one after the other.
    packed: Vec<u8>,
    /// Their numbers, and where each begins among them.
    starts: Vec<(Ref, usize)>,
}

#[derive(Clone, Copy)]
enum Place {
    /// Promised and not yet written.
    Open,
    At(usize),
    /// Which of the packed ones.
    Packed(usize),
}

/// An object by its number, written as a reference to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ref(u32);

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} 0 R", self.0)
    }
}

/// References in square brackets.
pub(super) struct List<'r>(pub &'r [Ref]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (number, reference) in self.0.iter().enumerate() {
            write!(f, "{}{reference}", if number == 0 { "" } else { " " })?;
        }
        f.write_str("]")
    }
}

/// Bytes for the number of the stream in which an object is, or for where it is: 16 megabytes.
const PLACE: usize = 3;

impl File {
    /// A version that knows all that is in it, and four bytes that tell programs that it is no text (7.5.2).
    pub fn new() -> Self {
        Self { bytes: b"%PDF-1.7\n%\xbb\xad\xc0\xde\n".to_vec(), places: Vec::new(), packed: Vec::new(), starts: Vec::new() }
    }

    /// A copy to go on with, with room for the rest.
    pub fn continued(&self) -> Self {
        let mut bytes = Vec::with_capacity(self.bytes.len() + (1 << 16));
        bytes.extend_from_slice(&self.bytes);
        let mut packed = Vec::with_capacity(1 << 14);
        packed.extend_from_slice(&self.packed);
        Self { bytes, packed, places: self.places.clone(), starts: self.starts.clone() }
    }

    /// An object that others may refer to before it is written.
    pub fn promise(&mut self) -> Ref {
        self.places.push(Place::Open);
        Ref(self.places.len() as u32)
    }

    /// A small object. It goes into the stream of objects, so that it is neither a stream nor what a signature must be found in.
    pub fn small(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Ref {
        let reference = self.promise();
        self.keep(reference, write);
        reference
    }

    /// A small object that was promised.
    pub fn keep(&mut self, reference: Ref, write: impl FnOnce(&mut Vec<u8>)) {
        self.set(reference, Place::Packed(self.starts.len()));
        self.starts.push((reference, self.packed.len()));
        write(&mut self.packed);
        self.packed.push(b'\n');
    }

    /// A stream whose bytes are as its dictionary, given without brackets and length, says.
    pub fn stream(&mut self, dict: fmt::Arguments, content: &[u8]) -> Ref {
        let reference = self.promise();
        self.write_stream(reference, dict, content);
        reference
    }

    /// A stream that is deflated when that makes it smaller.
    pub fn deflated(&mut self, dict: fmt::Arguments, content: &[u8], effort: Effort) -> Ref {
        let packed = deflate::zlib(content, effort);
        if packed.len() + FLATE.len() < content.len() {
            self.stream(format_args!("{dict}{FLATE}"), &packed)
        } else {
            self.stream(dict, content)
        }
    }

    /// An object in plain sight; where its text begins in the file.
    pub fn plain(&mut self, reference: Ref, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.begin(reference);
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.bytes.extend_from_slice(b"\nendobj\n");
        start
    }

    /// Ends the file: packs the small objects, and lists where all are. `trailer` is the root and what else a trailer says.
    pub fn finish(mut self, write_trailer: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let packed = self.pack();
        let list = self.promise();
        let start = self.bytes.len();
        self.set(list, Place::At(start));
        let (columns, rows) = self.rows(packed);
        let rows = deflate::zlib(&rows, Effort::Quick);
        let size = self.places.len() + 1;
        self.put(format_args!("{} 0 obj\n<</Type/XRef/Size {size}/W[1 {PLACE} 2]", list.0));
        write_trailer(&mut self.bytes);
        let parameters = format_args!("/DecodeParms<</Predictor 12/Columns {columns}>>");
        self.put(format_args!("{FLATE}{parameters}/Length {}>>stream\n", rows.len()));
        self.bytes.extend_from_slice(&rows);
        self.put(format_args!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF"));
        self.bytes
    }

    /// Writes the stream of objects (7.5.7): pairs of number and place, then the objects.
    fn pack(&mut self) -> Ref {
        let mut content = Vec::with_capacity(self.packed.len() + 10 * self.starts.len());
        for (Ref(number), start) in &self.starts {
            put(&mut content, format_args!("{number} {start} "));
        }
        let (first, count) = (content.len(), self.starts.len());
        content.extend_from_slice(&self.packed);
        let content = deflate::zlib(&content, Effort::Quick);
        self.stream(format_args!("/Type/ObjStm/N {count}/First {first}{FLATE}"), &content)
    }

    /// The rows of the cross-reference stream, each as the difference from the one above (7.5.8.3, 7.4.4.4), and how long they are.
    fn rows(&self, packed: Ref) -> (usize, Vec<u8>) {
        const COLUMNS: usize = 1 + PLACE + 2;
        let row = |kind: u8, place: usize, last: usize| {
            let (place, last) = ((place as u32).to_be_bytes(), (last as u16).to_be_bytes());
            [kind, place[1], place[2], place[3], last[0], last[1]]
        };
        let mut rows = Vec::with_capacity((self.places.len() + 1) * (COLUMNS + 1));
        let mut above = [0; COLUMNS];
        // The first is never in use (7.5.4).
        let free = row(0, 0, 0xffff);
        for row in std::iter::once(free).chain(self.places.iter().map(|place| match *place {
            Place::Open => row(0, 0, 0),
            Place::At(start) => row(1, start, 0),
            Place::Packed(index) => row(2, packed.0 as usize, index),
        })) {
            rows.push(2); // Up
            rows.extend(row.iter().zip(above).map(|(byte, above)| byte.wrapping_sub(above)));
            above = row;
        }
        (COLUMNS, rows)
    }

    fn write_stream(&mut self, reference: Ref, dict: fmt::Arguments, content: &[u8]) {
        self.begin(reference);
        self.put(format_args!("<<{dict}/Length {}>>stream\n", content.len()));
        self.bytes.extend_from_slice(content);
        self.bytes.extend_from_slice(b"\nendstream\nendobj\n");
    }

    fn begin(&mut self, reference: Ref) {
        let start = self.bytes.len();
        self.set(reference, Place::At(start));
        self.put(format_args!("{} 0 obj\n", reference.0));
    }

    fn set(&mut self, Ref(number): Ref, place: Place) {
        self.places[number as usize - 1] = place;
    }

    fn put(&mut self, text: fmt::Arguments) {
        put(&mut self.bytes, text);
    }
}

/// What a dictionary says of a deflated stream.
const FLATE: &str = "/Filter/FlateDecode";

/// Writes to memory, which takes it.
pub(super) fn put(out: &mut Vec<u8>, text: fmt::Arguments) {
    out.write_fmt(text).expect("memory takes it");
}

/// Text for people after its key (7.9.2.2): ASCII as it is, all else in UTF-16, as bytes, which take half the room of digits.
pub(super) fn words(out: &mut Vec<u8>, key: &str, text: &str) {
    put(out, format_args!("/{key}("));
    if text.is_ascii() {
        escaped(out, text.bytes());
    } else {
        escaped(out, std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_be_bytes));
    }
    out.push(b')');
}

/// The inside of a literal string (7.3.4.2): a carriage return would be read as a line feed.
pub(super) fn escaped(out: &mut Vec<u8>, bytes: impl IntoIterator<Item = u8>) {
    for byte in bytes {
        match byte {
            b'(' | b')' | b'\\' => out.extend([b'\\', byte]),
            b'\r' => out.extend(*b"\\r"),
            _ => out.push(byte),
        }
    }
}

/// A name, where other characters than letters, digits and a few signs are spelled by number (7.3.5).
pub(super) struct Name<'n>(pub &'n str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/")?;
        self.0.bytes().try_for_each(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b'.' | b'_' => write!(f, "{}", char::from(byte)),
            _ => write!(f, "#{byte:02X}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use lopdf::Object;

    use super::*;

    #[test]
    fn what_was_written_is_read_by_another_library() {
        let mut file = File::new();
        let promised = file.promise();
        let long = file.deflated(format_args!("/Kind{}", Name("a b/c")), &[b'x'; 1000], Effort::Quick);
        let short = file.deflated(format_args!(""), b"short", Effort::Best);
        let text = "(a)\\b\r 证照（";
        let small = file.small(|out| {
            out.extend_from_slice(b"<<");
            words(out, "Text", text);
            put(out, format_args!("/List{}>>", List(&[long, short])));
        });
        file.keep(promised, |out| put(out, format_args!("<</Type/Catalog/Small {small}>>")));
        let plain = file.promise();
        let start = file.plain(plain, |out| out.extend_from_slice(b"<</Plain true>>"));
        let bytes = file.finish(|out| put(out, format_args!("/Root {promised}")));
        assert!(bytes[start..].starts_with(b"<</Plain true>>"));

        let read = lopdf::Document::load_mem(&bytes).unwrap();
        let object = |Ref(number): Ref| read.get_object((number, 0)).unwrap();
        let stream = object(long).as_stream().unwrap();
        assert_eq!(stream.get_plain_content().unwrap(), [b'x'; 1000]);
        assert_eq!(stream.dict.get(b"Kind").unwrap(), &Object::from("a b/c"));
        assert_eq!(object(short).as_stream().unwrap().content, b"short");
        assert_eq!(lopdf::decode_text_string(object(small).as_dict().unwrap().get(b"Text").unwrap()).unwrap(), text);
        assert_eq!(read.catalog().unwrap().get(b"Small").unwrap(), &Object::Reference((small.0, 0)));
        assert_eq!(object(plain).as_dict().unwrap().get(b"Plain").unwrap(), &Object::Boolean(true));
    }
}
