//! Rows of data for forms and lists: JSON objects from an array or one a line, a row at a time.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::mpsc;

use anyhow::Context;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// One row, or why it cannot be read.
pub type Row = Result<Map<String, Value>, String>;

/// Rows read ahead of the one that is being worked on.
const AHEAD: usize = 64;

/// Reads a file: one object, an array of objects, or (`.jsonl`) an object a line.
pub fn read(path: &Path) -> anyhow::Result<Box<dyn Iterator<Item = Row> + Send>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut reader = BufReader::new(file);
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("jsonl")) {
        let lines = reader.lines().filter(|line| line.as_ref().map_or(true, |line| !line.trim().is_empty()));
        return Ok(Box::new(lines.map(|line| object(serde_json::from_str(&line.map_err(|e| e.to_string())?)))));
    }
    let first = loop {
        match reader.fill_buf()?.first().copied() {
            Some(byte) if byte.is_ascii_whitespace() => reader.consume(1),
            first => break first,
        }
    };
    if first != Some(b'[') {
        return Ok(Box::new(std::iter::once(object(serde_json::from_reader(reader)))));
    }
    // A parser calls its visitor; a thread of its own turns that into an iterator, so that memory stays constant.
    let (sender, receiver) = mpsc::sync_channel(AHEAD);
    std::thread::spawn(move || {
        let mut parser = serde_json::Deserializer::from_reader(reader);
        if let Err(error) = Rows(&sender).deserialize(&mut parser).and_then(|()| parser.end()) {
            // Nobody listens any more when the reader has given up: nothing is lost.
            drop(sender.send(Err(error.to_string())));
        }
    });
    Ok(Box::new(receiver.into_iter()))
}

fn object(value: serde_json::Result<Value>) -> Row {
    match value.map_err(|e| e.to_string())? {
        Value::Object(map) => Ok(map),
        _ => Err("expected an object {\"字段\": 值, …}".to_owned()),
    }
}

struct Rows<'a>(&'a mpsc::SyncSender<Row>);

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(value) = rows.next_element::<Value>()? {
            if self.0.send(object(Ok(value))).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}
