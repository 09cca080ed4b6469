//! Reading one whole revision of a PDF file as we write them, and nothing else: objects in a row, one cross-reference table,
//! one trailer (ISO 32000-1 7.5). A tolerant reader repairs what it meets, and two readers repair differently.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

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
    /// Where it stands, angle brackets included.
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

/// Reads from the first byte to the first `%%EOF`.
pub(super) fn read(bytes: &[u8]) -> Result<Revision<'_>, Fault> {
    let mut lexer = Lexer { bytes, at: 0, values: 0 };
    lexer.header()?;
    let (mut objects, mut places) = (BTreeMap::new(), BTreeMap::new());
    loop {
        lexer.space();
        let start = lexer.at;
        if lexer.take(b"xref") {
            lexer.table(&places)?;
            let Value::Dict(trailer) = lexer.value(0)? else {
                return Err(lexer.fault("没有文件尾字典", "there is no trailer dictionary"));
            };
            lexer.end(start)?;
            let size = places.last_key_value().map_or(1, |(last, _)| i64::from(*last) + 1);
            if find(&trailer, "Size") != Some(&Value::Integer(size))
                || ["Prev", "XRefStm", "Encrypt"].iter().any(|key| find(&trailer, key).is_some())
            {
                return Err(lexer.fault("文件尾字典与签发的不同", "the trailer is not like those issued"));
            }
            return Ok(Revision { objects, trailer, end: lexer.at });
        }
        let (number, object) = lexer.object()?;
        places.insert(number, start);
        if objects.insert(number, object).is_some() {
            return Err(Fault { at: start, zh: "对象编号重复", en: "an object is there twice" });
        }
    }
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
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
        std::str::from_utf8(digits).ok().filter(|d| d.len() <= 10).and_then(|d| d.parse().ok()).ok_or_else(|| self.syntax())
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
            [b'<', ..] => {
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
        let (mut dict, mut keys) = (Dict::new(), BTreeSet::new());
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
            if key.contains(&b'#') || !keys.insert(key) {
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

    /// The cross-reference table names each object at its place, and no other (7.5.4).
    fn table(&mut self, places: &BTreeMap<u32, usize>) -> Result<(), Fault> {
        let mut named = 0;
        self.space();
        while !self.take(b"trailer") {
            let first = self.unsigned()?;
            self.expect(b" ")?;
            let count = self.unsigned()?;
            self.space();
            for number in first..first.saturating_add(count) {
                let start = self.at;
                let line = self.bytes.get(start..start + 20).ok_or_else(|| self.syntax())?;
                let place = self.unsigned()?;
                let in_use = line[17] == b'n';
                let known = u32::try_from(number).ok().and_then(|number| places.get(&number));
                let expected = if in_use { known == usize::try_from(place).ok().as_ref() } else { known.is_none() && line[17] == b'f' };
                if !expected || self.at != start + 10 || (in_use && &line[10..17] != b" 00000 ") || !line[18..].iter().all(|&b| is_space(b))
                {
                    return Err(Fault {
                        at: start,
                        zh: "交叉引用表与对象不符",
                        en: "the cross-reference table does not match the objects",
                    });
                }
                named += usize::from(in_use);
                self.at = start + 20;
            }
            self.space();
        }
        if named == places.len() {
            Ok(())
        } else {
            Err(self.fault("交叉引用表不完整", "the cross-reference table leaves objects out"))
        }
    }

    fn end(&mut self, table: usize) -> Result<(), Fault> {
        self.space();
        self.expect(b"startxref\n")?;
        if usize::try_from(self.unsigned()?) != Ok(table) {
            return Err(self.fault("startxref 有误", "startxref does not lead to the cross-reference table"));
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
