//! Reading one whole revision of a PDF file as we write them, and nothing else: objects in a row, one of them a stream of small
//! ones, the last one the cross-reference stream (ISO 32000-1 7.5). A tolerant reader repairs what it meets, and two readers
//! repair differently.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};

/// Where and how a file differs from what we write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) zh: &'static str,
    pub(super) en: &'static str,
}

/// The first revision of a file.
pub(super) struct Revision<'a> {
    pub(super) objects: BTreeMap<u32, Object<'a>>,
    /// The dictionary of the cross-reference stream.
    pub(super) trailer: Dict<'a>,
    /// Just after its `%%EOF`.
    pub(super) end: usize,
}

pub(super) struct Object<'a> {
    pub(super) value: Value<'a>,
    pub(super) stream: Option<&'a [u8]>,
}

/// Keys are unique; names keep their spelling.
pub(super) type Dict<'a> = Vec<(&'a [u8], Value<'a>)>;

#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Integer(i64),
    Name(&'a [u8]),
    /// With its parentheses, escapes as they are.
    Text(&'a [u8]),
    /// Where it stands in the file, angle brackets included; there is none among the packed objects.
    Hex(Range<usize>),
    Array(Vec<Value<'a>>),
    Dict(Dict<'a>),
    Reference(u32),
    /// Null, true, false, reals: nothing that is asked about.
    Other,
}

impl<'a> Value<'a> {
    pub(super) fn find(&self, key: &str) -> Option<&Value<'a>> {
        match self {
            Self::Dict(dict) => find(dict, key),
            _ => None,
        }
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(self, Self::Name(found) if *found == name.as_bytes())
    }
}

pub(super) fn find<'d, 'a>(dict: &'d Dict<'a>, key: &str) -> Option<&'d Value<'a>> {
    dict.iter().find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| value)
}

impl<'a> Revision<'a> {
    /// What a value is or refers to.
    pub(super) fn resolve<'r>(&'r self, value: &'r Value<'a>) -> Option<&'r Value<'a>> {
        match value {
            Value::Reference(number) => self.objects.get(number).map(|object| &object.value),
            direct => Some(direct),
        }
    }

    /// Follows keys from a value, through references.
    pub(super) fn follow<'r>(&'r self, from: &'r Value<'a>, keys: &[&str]) -> Option<&'r Value<'a>> {
        keys.iter().try_fold(self.resolve(from)?, |value, key| self.resolve(value.find(key)?))
    }
}

/// Ours have some thousands; more would only cost memory.
const MOST_VALUES: usize = 200_000;
const DEEPEST: usize = 24;
/// Ours have a dozen.
const MOST_KEYS: usize = 64;
/// All small objects together; ours have less than ten thousand bytes.
const LARGEST_PACKED: usize = 1 << 18;

/// Where an object is (7.5.8.3).
#[derive(Clone, Copy)]
enum Place {
    At(usize),
    Packed { stream: u32, index: usize },
}

/// Reads from the first byte to the first `%%EOF`. `packed` keeps the small objects once they are inflated.
pub(super) fn read<'a>(bytes: &'a [u8], packed: &'a OnceCell<Vec<u8>>) -> Result<Revision<'a>, Fault> {
    let mut lexer = Lexer { bytes, at: 0, values: 0, packed: false };
    lexer.header()?;
    let (mut objects, mut places) = (BTreeMap::new(), BTreeMap::new());
    loop {
        lexer.space();
        let start = lexer.at;
        let (number, object) = lexer.object()?;
        let twice = Fault { at: start, zh: "对象编号重复", en: "an object is there twice" };
        if places.insert(number, Place::At(start)).is_some() {
            return Err(twice);
        }
        match object {
            Object { value: Value::Dict(trailer), stream: Some(rows) } if is_of(&trailer, "XRef") => {
                check(&trailer, rows, &places, start)?;
                lexer.end(start)?;
                return Ok(Revision { objects, trailer, end: lexer.at });
            }
            Object { value: Value::Dict(dict), stream: Some(stream) } if is_of(&dict, "ObjStm") => {
                let broken = Fault { at: start, zh: "对象流与签发的不同", en: "the stream of objects is not like those issued" };
                let inflated = inflated(stream, LARGEST_PACKED).filter(|_| packed.get().is_none()).ok_or(broken)?;
                let mut inside = Lexer { bytes: packed.get_or_init(|| inflated), at: 0, values: lexer.values, packed: true };
                let unpacked = inside.unpack(&dict).map_err(|fault| Fault { at: start, ..fault })?;
                lexer.values = inside.values;
                for (index, (small, value)) in unpacked.into_iter().enumerate() {
                    let place = Place::Packed { stream: number, index };
                    if places.insert(small, place).is_some() || objects.insert(small, Object { value, stream: None }).is_some() {
                        return Err(twice);
                    }
                }
                objects.insert(number, Object { value: Value::Dict(dict), stream: Some(stream) });
            }
            object => {
                objects.insert(number, object);
            }
        }
    }
}

/// What a stream in zlib's format inflates to: all of it, no more than that many bytes, and nothing behind.
pub(super) fn inflated(stream: &[u8], most: usize) -> Option<Vec<u8>> {
    // What inflates to more than that many times its size is none of ours.
    let mut bytes = Vec::with_capacity(most.min(stream.len().checked_mul(16)?) + 1);
    let mut inflate = Decompress::new(true);
    loop {
        let status = inflate.decompress_vec(&stream[inflate.total_in() as usize..], &mut bytes, FlushDecompress::Finish).ok()?;
        match status {
            Status::StreamEnd => return (inflate.total_in() == stream.len() as u64 && bytes.len() <= most).then_some(bytes),
            _ if bytes.len() == bytes.capacity() && bytes.len() <= most => bytes.reserve_exact(bytes.len().min(most + 1 - bytes.len())),
            _ => return None,
        }
    }
}

fn is_of(dict: &Dict, kind: &str) -> bool {
    find(dict, "Type").is_some_and(|found| found.is_name(kind))
}

/// Whether a dictionary has these keys in this order, and no other.
fn has_keys(dict: &Dict, keys: &[&str]) -> bool {
    dict.len() == keys.len() && dict.iter().zip(keys).all(|((name, _), key)| *name == key.as_bytes())
}

/// The cross-reference stream names each object at its place, and no other (7.5.8).
fn check(trailer: &Dict, rows: &[u8], places: &BTreeMap<u32, Place>, start: usize) -> Result<(), Fault> {
    const COLUMNS: usize = 6;
    let size = places.last_key_value().map_or(1, |(last, _)| *last as usize + 1);
    let like_ours = || {
        let Value::Dict(parameters) = find(trailer, "DecodeParms")? else { return None };
        let predicted = has_keys(parameters, &["Predictor", "Columns"])
            && find(parameters, "Predictor")? == &Value::Integer(12)
            && find(parameters, "Columns")? == &Value::Integer(COLUMNS as i64);
        let keys = ["Type", "Size", "W", "Root", "Info", "ID", "Filter", "DecodeParms", "Length"];
        let like = has_keys(trailer, &keys)
            && find(trailer, "Size")? == &Value::Integer(size as i64)
            && matches!(find(trailer, "W")?, Value::Array(widths) if *widths == [1, 3, 2].map(Value::Integer))
            && find(trailer, "Filter")?.is_name("FlateDecode");
        (predicted && like).then_some(())
    };
    like_ours().ok_or(Fault { at: start, zh: "文件尾字典与签发的不同", en: "the trailer is not like those issued" })?;
    let mut expected = Vec::with_capacity((COLUMNS + 1) * size);
    let mut above = [0; COLUMNS];
    for number in 0..size as u32 {
        let (kind, place, last) = match places.get(&number) {
            // The first is never in use (7.5.4); there is no other gap.
            None => (0, 0, 0xffff),
            Some(Place::At(start)) => (1, *start as u64, 0),
            Some(Place::Packed { stream, index }) => (2, u64::from(*stream), *index as u64),
        };
        let (place, last) = (place.to_be_bytes(), last.to_be_bytes());
        let row = [kind, place[5], place[6], place[7], last[6], last[7]];
        expected.push(2); // Up (7.4.4.4)
        expected.extend(row.iter().zip(above).map(|(byte, above): (&u8, u8)| byte.wrapping_sub(above)));
        above = row;
    }
    let matches = places.len() + 1 == size && inflated(rows, expected.len()).is_some_and(|rows| rows == expected);
    let differs = Fault { at: start, zh: "交叉引用表与对象不符", en: "the cross-references do not match the objects" };
    if matches { Ok(()) } else { Err(differs) }
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
    /// Whether these are the small objects rather than the file.
    packed: bool,
}

impl<'a> Lexer<'a> {
    fn fault(&self, zh: &'static str, en: &'static str) -> Fault {
        Fault { at: self.at, zh, en }
    }

    fn syntax(&self) -> Fault {
        self.fault("不是签发文件的写法", "it is not written like files issued here")
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn take(&mut self, token: &[u8]) -> bool {
        let there = self.rest().starts_with(token);
        self.at += if there { token.len() } else { 0 };
        there
    }

    fn expect(&mut self, token: &[u8]) -> Result<(), Fault> {
        if self.take(token) { Ok(()) } else { Err(self.syntax()) }
    }

    fn run(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest().iter().position(|&b| !wanted(b)).unwrap_or(self.rest().len());
        self.at += length;
        &self.bytes[self.at - length..self.at]
    }

    /// White space, but no comments: they would be room for a stranger's bytes.
    fn space(&mut self) {
        self.run(is_space);
    }

    /// `%PDF-1.7` and a comment of four bytes above 127 (7.5.2).
    fn header(&mut self) -> Result<(), Fault> {
        let binary = self.bytes.get(10..14).is_some_and(|four| four.iter().all(|b| *b > 127));
        if !self.bytes.starts_with(b"%PDF-1.7\n%") || !binary || self.bytes.get(14) != Some(&b'\n') {
            return Err(self.fault("文件头与签发的不同", "the header is not like those issued"));
        }
        self.at = 15;
        Ok(())
    }

    fn unsigned(&mut self) -> Result<i64, Fault> {
        let digits = self.run(|b| b.is_ascii_digit());
        let canonical = digits == b"0" || (digits.len() <= 10 && digits.first().is_some_and(|first| *first != b'0'));
        std::str::from_utf8(digits).ok().filter(|_| canonical).and_then(|d| d.parse().ok()).ok_or_else(|| self.syntax())
    }

    /// The small objects: pairs of number and place, then each at its place, a line each (7.5.7).
    fn unpack(&mut self, dict: &Dict) -> Result<Vec<(u32, Value<'a>)>, Fault> {
        let integer = |key: &str| match find(dict, key) {
            Some(Value::Integer(number)) => usize::try_from(*number).ok(),
            _ => None,
        };
        let ours =
            has_keys(dict, &["Type", "N", "First", "Filter", "Length"]) && find(dict, "Filter").is_some_and(|f| f.is_name("FlateDecode"));
        let (count, first) =
            integer("N").zip(integer("First")).filter(|(count, _)| ours && *count <= MOST_VALUES).ok_or_else(|| self.syntax())?;
        let mut starts = Vec::new();
        for _ in 0..count {
            let number = u32::try_from(self.unsigned()?).map_err(|_| self.syntax())?;
            self.expect(b" ")?;
            let start = self.unsigned()?;
            self.expect(b" ")?;
            starts.push((number, start));
        }
        if self.at != first {
            return Err(self.syntax());
        }
        let mut found = Vec::with_capacity(starts.len());
        for (number, start) in starts {
            if i64::try_from(self.at - first) != Ok(start) {
                return Err(self.syntax());
            }
            found.push((number, self.value(0)?));
            self.expect(b"\n")?;
        }
        if self.rest().is_empty() { Ok(found) } else { Err(self.syntax()) }
    }

    fn object(&mut self) -> Result<(u32, Object<'a>), Fault> {
        let number = u32::try_from(self.unsigned()?).map_err(|_| self.syntax())?;
        self.expect(b" 0 obj")?;
        let value = self.value(0)?;
        self.space();
        let mut stream = None;
        if self.take(b"stream") {
            if !self.take(b"\n") {
                self.expect(b"\r\n")?;
            }
            let Some(Value::Integer(length)) = value.find("Length") else { return Err(self.syntax()) };
            let end = usize::try_from(*length).ok().and_then(|length| self.at.checked_add(length));
            stream = Some(end.and_then(|end| self.bytes.get(self.at..end)).ok_or_else(|| self.syntax())?);
            self.at += stream.map_or(0, <[u8]>::len);
            self.space();
            self.expect(b"endstream")?;
            self.space();
        }
        self.expect(b"endobj")?;
        Ok((number, Object { value, stream }))
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        self.values += 1;
        if depth > DEEPEST || self.values > MOST_VALUES {
            return Err(self.fault("嵌套过深或对象过多", "values are nested too deeply or too many"));
        }
        self.space();
        let start = self.at;
        match self.rest() {
            [b'<', b'<', ..] => self.dict(depth).map(Value::Dict),
            [b'<', ..] if !self.packed => {
                self.at += 1;
                self.run(|b| b.is_ascii_hexdigit());
                self.expect(b">")?;
                Ok(Value::Hex(start..self.at))
            }
            [b'[', ..] => {
                self.at += 1;
                let mut items = Vec::new();
                loop {
                    self.space();
                    if self.take(b"]") {
                        return Ok(Value::Array(items));
                    }
                    items.push(self.value(depth + 1)?);
                }
            }
            [b'(', ..] => self.text(),
            [b'/', ..] => Ok(Value::Name(self.name())),
            [b'0'..=b'9' | b'-' | b'+' | b'.', ..] => self.number(),
            _ => {
                let word = self.run(|b| b.is_ascii_lowercase());
                if [&b"true"[..], b"false", b"null"].contains(&word) { Ok(Value::Other) } else { Err(self.syntax()) }
            }
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Dict<'a>, Fault> {
        self.expect(b"<<")?;
        let mut dict = Dict::new();
        loop {
            self.space();
            if self.take(b">>") {
                return Ok(dict);
            }
            if self.rest().first() != Some(&b'/') {
                return Err(self.syntax());
            }
            let key = self.name();
            // `#` would be a second spelling of the same key (7.3.5).
            if key.contains(&b'#') || dict.len() == MOST_KEYS || dict.iter().any(|(name, _)| *name == key) {
                return Err(self.fault("字典键重复或写法特殊", "a key of a dictionary is there twice or spelled oddly"));
            }
            dict.push((key, self.value(depth + 1)?));
        }
    }

    fn name(&mut self) -> &'a [u8] {
        self.at += 1;
        self.run(|b| !is_space(b) && !is_delimiter(b))
    }

    fn text(&mut self) -> Result<Value<'a>, Fault> {
        let start = self.at;
        let mut open = 0usize;
        while let Some(&byte) = self.rest().first() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'(' => open += 1,
                b')' if open == 1 => return Ok(Value::Text(&self.bytes[start..self.at])),
                b')' => open -= 1,
                _ => {}
            }
            self.at = self.at.min(self.bytes.len());
        }
        Err(self.syntax())
    }

    /// A number, or the first of a reference.
    fn number(&mut self) -> Result<Value<'a>, Fault> {
        let word = self.run(|b| b.is_ascii_digit() || b"+-.".contains(&b));
        let Some(integer) = std::str::from_utf8(word).ok().and_then(|word| word.parse::<i64>().ok()) else {
            let real = std::str::from_utf8(word).is_ok_and(|word| word.parse::<f64>().is_ok());
            return if real { Ok(Value::Other) } else { Err(self.syntax()) };
        };
        if let (Ok(number), [b' ', b'0', b' ', b'R', ..]) = (u32::try_from(integer), self.rest()) {
            self.at += 4;
            return Ok(Value::Reference(number));
        }
        Ok(Value::Integer(integer))
    }

    fn end(&mut self, table: usize) -> Result<(), Fault> {
        self.space();
        self.expect(b"startxref\n")?;
        if usize::try_from(self.unsigned()?) != Ok(table) {
            return Err(self.fault("startxref 有误", "startxref does not lead to the cross-references"));
        }
        self.expect(b"\n%%EOF")
    }
}

/// ISO 32000-1 7.2.2; NUL and form feed are white space there, but nobody writes them.
fn is_space(byte: u8) -> bool {
    b" \n\r\t".contains(&byte)
}

fn is_delimiter(byte: u8) -> bool {
    b"()<>[]{}/%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file by hand: one catalog among the small objects, one object in plain sight.
    struct Made {
        pairs: &'static str,
        small: &'static str,
        /// Keys of the stream of small objects, its length left out.
        packed: String,
        plain: &'static str,
        /// Keys of the cross-reference stream, its length left out.
        trailer: String,
        rows: Vec<[u8; 6]>,
        behind_rows: &'static [u8],
    }

    impl Made {
        fn well() -> Self {
            let trailer = "/Type/XRef/Size 6/W[1 3 2]/Root 1 0 R/Info 4 0 R/ID[()()]/Filter/FlateDecode";
            Self {
                pairs: "1 0 4 22 ",
                small: "<</Type/Catalog/A 1>>\n[7 0 R]\n",
                packed: "/Type/ObjStm/N 2/First 9/Filter/FlateDecode".to_owned(),
                plain: "2 0 obj\n<</Plain true>>\nendobj\n",
                trailer: format!("{trailer}/DecodeParms<</Predictor 12/Columns 6>>"),
                // Those of the two streams are not known yet.
                rows: vec![[0, 0, 0, 0, 0xff, 0xff], [2, 0, 0, 3, 0, 0], [1, 0, 0, 15, 0, 0], [1; 6], [2, 0, 0, 3, 0, 1], [1; 6]],
                behind_rows: b"",
            }
        }

        fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
            change(&mut self);
            self
        }

        fn file(self) -> Vec<u8> {
            let zlib = |bytes: &[u8]| crate::deflate::zlib(bytes, crate::deflate::Effort::Quick);
            let mut file = b"%PDF-1.7\n%\xbb\xad\xc0\xde\n".to_vec();
            file.extend_from_slice(self.plain.as_bytes());
            let mut rows = self.rows;
            let mut stream = |file: &mut Vec<u8>, number: usize, dict: &str, content: &[u8]| {
                let start = file.len() as u32;
                if rows[number] == [1; 6] {
                    rows[number] = [1, 0, start.to_be_bytes()[2], start.to_be_bytes()[3], 0, 0];
                }
                let content = if number == 5 {
                    let mut above = [0; 6];
                    let mut differences = Vec::new();
                    for row in &rows {
                        differences.push(2);
                        differences.extend(row.iter().zip(above).map(|(byte, above): (&u8, u8)| byte.wrapping_sub(above)));
                        above = *row;
                    }
                    [zlib(&differences), self.behind_rows.to_vec()].concat()
                } else {
                    zlib(content)
                };
                file.extend_from_slice(format!("{number} 0 obj\n<<{dict}/Length {}>>stream\n", content.len()).as_bytes());
                file.extend_from_slice(&content);
                file.extend_from_slice(b"\nendstream\nendobj\n");
                start
            };
            stream(&mut file, 3, &self.packed, [self.pairs, self.small].concat().as_bytes());
            let start = stream(&mut file, 5, &self.trailer, b"");
            file.extend_from_slice(format!("startxref\n{start}\n%%EOF").as_bytes());
            file
        }

        fn refused(self) -> String {
            let packed = OnceCell::new();
            read(&self.file(), &packed).err().map_or_else(|| "accepted".to_owned(), |fault| fault.en.to_owned())
        }
    }

    #[test]
    fn a_file_like_ours_is_read() {
        let (file, packed) = (Made::well().file(), OnceCell::new());
        let revision = read(&file, &packed).unwrap_or_else(|fault| panic!("{fault:?}"));
        assert_eq!(revision.end, file.len());
        assert_eq!(revision.objects.keys().collect::<Vec<_>>(), [&1, &2, &3, &4]);
        assert!(find(&revision.trailer, "Root") == Some(&Value::Reference(1)) && revision.objects[&1].value.find("A").is_some());
    }

    #[test]
    fn a_file_that_two_readers_could_read_differently_is_refused() {
        let refused = |change: &dyn Fn(&mut Made)| Made::well().with(change).refused();
        let (trailer, references) = ("the trailer is not like those issued", "the cross-references do not match the objects");
        let (written, small) = ("it is not written like files issued here", "the stream of objects is not like those issued");
        let twice = "an object is there twice";
        for key in ["/Prev 15", "/XRefStm 15", "/Encrypt 4 0 R", "/Index[0 6]", "/Size 6"] {
            let said = refused(&|made| made.trailer.push_str(key));
            assert!(said == trailer || said.contains("twice"), "{key}: {said}");
        }
        for (from, to) in [("Size 6", "Size 7"), ("[1 3 2]", "[1 4 1]"), ("Predictor 12", "Predictor 15"), ("/Info 4 0 R", "")] {
            assert_eq!(refused(&|made| made.trailer = made.trailer.replace(from, to)), trailer, "{to}");
        }
        // An object that lies elsewhere for those who believe the list: a stranger's, another's, none.
        for (number, row) in [
            (2, [1, 0, 0, 16, 0, 0]),
            (2, [2, 0, 0, 3, 0, 0]),
            (2, [0, 0, 0, 0, 0, 0]),
            (1, [2, 0, 0, 3, 0, 1]),
            (1, [1, 0, 0, 15, 0, 0]),
            (4, [2, 0, 0, 2, 0, 1]),
            (0, [1, 0, 0, 15, 0, 0]),
            (2, [1, 0, 0, 15, 0, 1]),
        ] {
            assert_eq!(refused(&|made| made.rows[number] = row), references, "{number}: {row:?}");
        }
        assert_eq!(refused(&|made| made.rows.push([1, 0, 0, 15, 0, 0])), references);
        assert_eq!(refused(&|made| made.behind_rows = b"more"), references);
        // A gap, an object that is plain and packed, and two streams of objects.
        assert_eq!(refused(&|made| made.plain = ""), references);
        assert_eq!(refused(&|made| made.plain = "1 0 obj\n<</Plain true>>\nendobj\n"), twice);
        assert_eq!(refused(&|made| made.pairs = "1 0 1 22 "), twice);
        let second = "2 0 obj\n<</Type/ObjStm/N 0/First 0/Filter/FlateDecode/Length 8>>stream\nx\x01\x03\0\0\0\0\x01\nendstream\nendobj\n";
        assert_eq!(refused(&|made| made.plain = second), small);
        // The small objects have no gaps, no order of their own, and nothing that only stands in a file.
        for pairs in ["1 0 4 23 ", "1 1 4 22 ", "4 22 1 0 ", "1 0  4 22", "01 0 4 22", "1 0 4 022", "1 0 4 -2 "] {
            assert_eq!(refused(&|made| made.pairs = pairs), written, "{pairs}");
        }
        for body in ["<</Type/Catalog/A 1>>\n[7 0 R]\n\n", "<</Type/Catalog/A 1>>\n[7 0 R]", "<</Type/Catalog/A 1>>\n<414141>\n"] {
            assert_eq!(refused(&|made| made.small = body), written, "{body}");
        }
        for (from, to) in [("/N 2", "/N 3"), ("/First 9", "/First 8"), ("/N 2", "/N 2/Extends 2 0 R"), ("/N 2", "/N 200001")] {
            assert_eq!(refused(&|made| made.packed = made.packed.replace(from, to)), written, "{to}");
        }
        assert_eq!(refused(&|made| made.packed = made.packed.replace("FlateDecode", "ASCIIHexDecode")), written);
    }

    #[test]
    fn inflating_stops_at_the_bound_and_wants_all_of_the_stream() {
        let bomb = crate::deflate::zlib(&vec![0; 1 << 20], crate::deflate::Effort::Quick);
        assert_eq!(inflated(&bomb, (1 << 20) - 1), None);
        assert_eq!(inflated(&bomb, 1 << 20).map(|bytes| bytes.len()), Some(1 << 20));
        assert_eq!(inflated(&bomb[..bomb.len() - 1], 1 << 20), None);
        assert_eq!(inflated(&[&bomb[..], b"\0"].concat(), 1 << 20), None);
        assert_eq!(inflated(b"", 10), None);
    }
}
