//! JSON split into records as it streams in, and parsed strictly.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The largest record in bytes: two photos of the largest accepted size, in base64, fit in.
pub(super) const MOST_RECORD_BYTES: usize = 96 * 1024 * 1024;

/// A part of a file that should be one record, and the line on which it starts.
pub(super) struct Piece {
    pub line: usize,
    pub bytes: Vec<u8>,
}

/// Why a file cannot be split further.
#[derive(Debug, thiserror::Error)]
pub(super) enum SplitError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("a record is larger than {} MB", MOST_RECORD_BYTES / 1_048_576)]
    TooLarge,
    #[error("is not valid JSON: expected {0}")]
    Syntax(&'static str),
}

/// The records of a JSON file: one object, several in a row, or the elements of one array. Only one is held at a time.
pub(super) struct Elements<R> {
    input: R,
    line: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Objects,
    FirstElement,
    NextElement,
    End,
}

impl<R: BufRead> Elements<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: 1, state: State::Start }
    }

    /// The line that was reached, for faults.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// Whether the records stand in a list.
    pub(super) fn in_list(&self) -> bool {
        matches!(self.state, State::FirstElement | State::NextElement)
    }

    fn advance(&mut self) -> Result<Option<Piece>, SplitError> {
        if self.state == State::Start {
            let start = self.input.fill_buf()?;
            if start.starts_with(b"\xEF\xBB\xBF") {
                self.input.consume(3);
            }
            self.state = State::Objects;
            if self.peek()? == Some(b'[') {
                self.input.consume(1);
                self.state = State::FirstElement;
            }
        }
        let next = self.peek()?;
        match (self.state, next) {
            (State::Objects | State::End, None) => return Ok(None),
            (State::FirstElement | State::NextElement, Some(b']')) => {
                self.input.consume(1);
                self.state = State::End;
                return if self.peek()?.is_some() { Err(SplitError::Syntax("nothing after the list")) } else { Ok(None) };
            }
            (State::NextElement, Some(b',')) => self.input.consume(1),
            (State::NextElement, _) => return Err(SplitError::Syntax("`,` or `]` after a record")),
            _ => {}
        }
        if self.state != State::Objects {
            self.state = State::NextElement;
        }
        match self.peek()? {
            Some(b'{') => self.object().map(Some),
            Some(_) => Err(SplitError::Syntax("a record `{…}`")),
            None => Err(SplitError::Syntax("a record or the end of the list, found the end of the file")),
        }
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Result<Option<u8>, SplitError> {
        loop {
            let buffer = self.input.fill_buf()?;
            let Some(&first) = buffer.first() else { return Ok(None) };
            if !matches!(first, b' ' | b'\t' | b'\r' | b'\n') {
                return Ok(Some(first));
            }
            self.line += usize::from(first == b'\n');
            self.input.consume(1);
        }
    }

    /// From `{` to its `}`, or to the end of the file when that is missing.
    fn object(&mut self) -> Result<Piece, SplitError> {
        let (mut bytes, line) = (Vec::new(), self.line);
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(Piece { line, bytes });
            }
            let mut end = None;
            for (at, &byte) in buffer.iter().enumerate() {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = quoted,
                    b'"' => quoted = !quoted,
                    b'{' | b'[' if !quoted => depth += 1,
                    b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
                    b'\n' => self.line += 1,
                    _ => {}
                }
                if depth == 0 {
                    end = Some(at + 1);
                    break;
                }
            }
            let taken = end.unwrap_or(buffer.len());
            bytes.extend_from_slice(&buffer[..taken]);
            self.input.consume(taken);
            if bytes.len() > MOST_RECORD_BYTES {
                return Err(SplitError::TooLarge);
            }
            if end.is_some() {
                return Ok(Piece { line, bytes });
            }
        }
    }
}

impl<R: BufRead> Iterator for Elements<R> {
    type Item = Result<Piece, SplitError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::End {
            return None;
        }
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.state = State::End;
        }
        next
    }
}

/// The records of a JSONL file, one a line; blank lines are passed over.
pub(super) struct Lines<R> {
    input: R,
    line: usize,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: 0, ended: false }
    }

    /// The line that was reached, for faults.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    fn advance(&mut self) -> Result<Option<Piece>, SplitError> {
        loop {
            self.line += 1;
            let mut bytes = Vec::new();
            loop {
                let buffer = self.input.fill_buf()?;
                let end = buffer.iter().position(|&b| b == b'\n');
                let taken = end.map_or(buffer.len(), |at| at + 1);
                bytes.extend_from_slice(&buffer[..taken]);
                self.input.consume(taken);
                if bytes.len() > MOST_RECORD_BYTES {
                    return Err(SplitError::TooLarge);
                }
                if end.is_some() || taken == 0 {
                    break;
                }
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            if self.line == 1 && bytes.starts_with(b"\xEF\xBB\xBF") {
                bytes.drain(..3);
            }
            if !bytes.trim_ascii().is_empty() {
                return Ok(Some(Piece { line: self.line, bytes }));
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Piece, SplitError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// What is wrong with a piece of JSON: line and column within it, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub line: usize,
    pub column: usize,
    pub why: String,
}

/// Parses one piece. A name that stands twice in an object is refused: programs disagree on which of the two counts.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, SyntaxError> {
    if let Err(error) = std::str::from_utf8(bytes) {
        let line = bytes[..error.valid_up_to()].split(|&b| b == b'\n').count();
        return Err(SyntaxError { line, column: 1, why: "the file is not UTF-8; save it as UTF-8".into() });
    }
    serde_json::from_slice::<Strict>(bytes).map(|strict| strict.0).map_err(|error| {
        let why = error.to_string();
        let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
        SyntaxError { line: error.line(), column: error.column(), why: format!("is not valid JSON: {why}") }
    })
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let (mut map, mut seen) = (Map::new(), BTreeSet::new());
        while let Some(key) = object.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!("the name {} stands twice in one object", super::parse::shown(&key))));
            }
            let Strict(value) = object.next_value()?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn split(text: &str) -> (Vec<(usize, String)>, Option<String>) {
        // A buffer of 3 bytes, so that every boundary is crossed.
        let mut pieces = Vec::new();
        for piece in Elements::new(BufReader::with_capacity(3, text.as_bytes())) {
            match piece {
                Ok(piece) => pieces.push((piece.line, String::from_utf8(piece.bytes).unwrap())),
                Err(error) => return (pieces, Some(error.to_string())),
            }
        }
        (pieces, None)
    }

    #[test]
    fn files_fall_into_records() {
        let one = vec![(1, r#"{"a":"}\"{"}"#.to_owned())];
        assert_eq!(split(r#"{"a":"}\"{"}"#), (one.clone(), None));
        assert_eq!(split("\u{FEFF} [{\"a\":\"}\\\"{\"}]\n"), (one, None));
        assert_eq!(split("[\n{},\n\n{\"b\":[1,\n2]}\n,{}]").0, [(2, "{}".into()), (4, "{\"b\":[1,\n2]}".into()), (6, "{}".into())]);
        assert_eq!(split("{}\n{}").0.len(), 2);
        assert_eq!(split("[]"), (vec![], None));
        assert_eq!(split(""), (vec![], None));
    }

    #[test]
    fn what_is_no_list_of_records_is_refused_after_the_good_ones() {
        for (text, good) in [("[{} {}]", 1), ("[{},]", 1), ("[{}", 1), ("[1]", 0), ("[{}] x", 1), ("[,{}]", 0), ("7", 0), ("[", 0)] {
            let (pieces, error) = split(text);
            assert_eq!(pieces.len(), good, "{text}");
            assert!(error.is_some_and(|e| e.contains("not valid JSON")), "{text}");
        }
        assert_eq!(split("{\"a\":").0, [(1, "{\"a\":".to_owned())]);
    }

    #[test]
    fn lines_are_independent() {
        let text = "\u{FEFF}{\"a\":1}\r\n\n{broken\n  \n{\"b\":2}";
        let lines: Vec<_> = Lines::new(BufReader::with_capacity(2, text.as_bytes())).map(|p| p.unwrap()).collect();
        assert_eq!(lines.iter().map(|p| p.line).collect::<Vec<_>>(), [1, 3, 5]);
        assert!(parse(&lines[0].bytes).is_ok() && parse(&lines[1].bytes).is_err() && parse(&lines[2].bytes).is_ok());
    }

    #[test]
    fn json_is_read_strictly() {
        assert_eq!(parse(br#"{"a":[1,-2,3.5,null,true,"x"]}"#), Ok(serde_json::json!({"a": [1, -2, 3.5, null, true, "x"]})));
        assert!(parse(br#"{"a":1,"a":2}"#).unwrap_err().why.contains("`a` stands twice"));
        assert_eq!(parse(b"{\n \"a\" 1}").unwrap_err().line, 2);
        assert!(parse(b"{\"a\":\"\xB0\xA1\"}").unwrap_err().why.contains("UTF-8"));
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }
}
