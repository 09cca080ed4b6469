//! Reading records from JSON, JSONL, CSV and XLSX, all faults of a batch together.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json::{self, Piece, SplitError};
use super::{Record, parse, table};

/// How to read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The day that relative dates (`today+30d`) count from.
    pub today: jiff::civil::Date,
    /// Accept identity numbers and company codes with a wrong check digit, with a warning.
    pub lenient_identifiers: bool,
}

/// One input record and what became of it.
#[derive(Debug)]
pub struct Loaded {
    /// File and line or row: `samples/records/r01.json`, `batch.csv:17`.
    pub source: String,
    /// The number as written, when it could be read, for the report.
    pub number: Option<String>,
    /// The record, or everything that is wrong with it.
    pub record: Result<Record, Vec<Fault>>,
    /// What was accepted but should be looked at: wrong check digits under `lenient_identifiers`, a sex that the number denies.
    pub warnings: Vec<Fault>,
}

/// One thing that is wrong with one record. Values of identity numbers are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// File and line or row.
    pub source_place: String,
    /// Path of the field, `holder.id_number`; empty when the whole record cannot be read.
    pub field: String,
    /// What is wrong, what was expected, what to do.
    pub message: String,
}

impl std::error::Error for Fault {}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source_place, field, message } = self;
        if field.is_empty() { write!(f, "{source_place}: {message}") } else { write!(f, "{source_place}: {field}: {message}") }
    }
}

/// Reads files and folders (recursively, in name order; *.json, *.jsonl, *.ndjson, *.csv, *.xlsx), a record at a time.
pub fn read(paths: &[PathBuf], options: &Options) -> impl Iterator<Item = Loaded> + use<> {
    let options = options.clone();
    inputs(paths).map(move |input| input.load(&options))
}

/// As [`read`], only split: finding where a record starts and ends is cheap and stays on one thread, [`Input::load`] is the
/// work and may be done on many. JSON, JSONL and CSV need no more memory for many records than for one.
pub fn inputs(paths: &[PathBuf]) -> impl Iterator<Item = Input> + Send + use<> {
    let mut waiting: VecDeque<Input> = VecDeque::new();
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        match find(path, true, &mut files) {
            Ok(()) if files.len() == before => {
                waiting.push_back(Input::broken(&path.display().to_string(), "holds no *.json, *.jsonl, *.ndjson, *.csv or *.xlsx file"));
            }
            Ok(()) => {}
            Err((path, error)) => waiting.push_back(Input::broken(&path.display().to_string(), format!("cannot be read: {error}"))),
        }
    }
    waiting.into_iter().chain(files.into_iter().flat_map(|file| open(&file)))
}

/// One record as it stands in a file, not yet looked at.
pub struct Input {
    source: String,
    base: PathBuf,
    content: Content,
}

enum Content {
    /// JSON, and the line of the file on which it starts.
    Json { bytes: Vec<u8>, line: usize },
    /// A row of a table, with what could not be taken from its cells.
    Row { value: Value, faults: Vec<Fault> },
    /// Nothing that could be a record.
    Broken { faults: Vec<Fault> },
}

impl Input {
    /// File and line or row.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Reads the record.
    pub fn load(self, options: &Options) -> Loaded {
        let Self { source, base, content } = self;
        let faults = match content {
            Content::Row { value, faults } => return parse::load(&value, &source, Some(&base), options, faults),
            Content::Json { bytes, line } => match json::parse(&bytes) {
                Ok(value) => return parse::load(&value, &source, Some(&base), options, Vec::new()),
                Err(error) => {
                    let file = source.strip_suffix(&format!(":{line}")).unwrap_or(&source);
                    let place = format!("{file}:{}:{}", line + error.line.max(1) - 1, error.column);
                    vec![Fault { source_place: place, field: String::new(), message: error.why }]
                }
            },
            Content::Broken { faults } => faults,
        };
        Loaded { source, number: None, record: Err(faults), warnings: Vec::new() }
    }

    fn broken(source: &str, message: impl Into<String>) -> Self {
        let fault = Fault { source_place: source.to_owned(), field: String::new(), message: message.into() };
        Self { source: source.to_owned(), base: PathBuf::new(), content: Content::Broken { faults: vec![fault] } }
    }
}

/// The kinds of file that hold records.
const ENDINGS: [&str; 5] = ["json", "jsonl", "ndjson", "csv", "xlsx"];

fn ending(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// Files by name order. A file that was named is taken whatever it is called; in folders only those with a known ending, and
/// no hidden or lock files (`~$book.xlsx`). Links to folders are not followed, so there is no circle to walk.
fn find(path: &Path, named: bool, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let failed = |error| (path.to_owned(), error);
    let about = if named { fs::metadata(path) } else { fs::symlink_metadata(path) }.map_err(failed)?;
    if about.is_dir() {
        let entries = fs::read_dir(path).map_err(failed)?;
        let mut entries = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        entries.sort();
        for entry in entries {
            find(&entry, false, files)?;
        }
    } else {
        let hidden = path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(['.', '~']));
        if named || !hidden && ENDINGS.contains(&ending(path).as_str()) {
            files.push(path.to_owned());
        }
    }
    Ok(())
}

fn open(path: &Path) -> Box<dyn Iterator<Item = Input> + Send> {
    let source = path.display().to_string();
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let broken = |why: String| -> Box<dyn Iterator<Item = Input> + Send> { Box::new(std::iter::once(Input::broken(&source, why))) };
    let ending = ending(path);
    if !ENDINGS.contains(&ending.as_str()) {
        return broken("is not a file of records; expected *.json, *.jsonl, *.ndjson, *.csv or *.xlsx".into());
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return broken(format!("cannot be read: {error}")),
    };
    let reader = BufReader::with_capacity(64 * 1024, file);
    match ending.as_str() {
        "json" => Box::new(json_file(source, base, reader)),
        "jsonl" | "ndjson" => {
            let mut lines = json::Lines::new(reader);
            Box::new(std::iter::from_fn(move || {
                let piece = lines.next()?;
                Some(input(&source, &base, piece, lines.line(), true))
            }))
        }
        _ => {
            let rows = if ending == "csv" { table::csv(reader) } else { table::xlsx(reader) };
            match rows {
                Ok(rows) => Box::new(rows.map(move |row| row_input(&source, &base, row))),
                Err(faults) => Box::new(std::iter::once(table_fault(source, faults))),
            }
        }
    }
}

fn json_file(source: String, base: PathBuf, reader: BufReader<File>) -> impl Iterator<Item = Input> + Send {
    let mut elements = json::Elements::new(reader);
    let mut count = 0;
    std::iter::from_fn(move || match elements.next() {
        None if count == 0 => {
            count = 1;
            Some(Input::broken(&source, "holds no record"))
        }
        None => None,
        Some(piece) => {
            count += 1;
            // A file that is one record is named without a line.
            let lined = elements.in_list() || count > 1;
            Some(input(&source, &base, piece, elements.line(), lined))
        }
    })
}

fn input(source: &str, base: &Path, piece: Result<Piece, SplitError>, reached: usize, lined: bool) -> Input {
    match piece {
        Ok(Piece { line, bytes }) => {
            let source = if lined { format!("{source}:{line}") } else { source.to_owned() };
            Input { source, base: base.to_owned(), content: Content::Json { bytes, line } }
        }
        Err(error) => Input::broken(&format!("{source}:{reached}"), error.to_string()),
    }
}

/// A table whose header cannot be understood: none of its rows is read.
fn table_fault(file: String, faults: Vec<table::HeaderFault>) -> Input {
    let place = |row: Option<usize>| row.map_or_else(|| file.clone(), |row| format!("{file}:{row}"));
    let faults = faults.into_iter().map(|f| Fault { source_place: place(f.row), field: f.column, message: f.message }).collect();
    Input { source: file, base: PathBuf::new(), content: Content::Broken { faults } }
}

fn row_input(source: &str, base: &Path, row: table::Row) -> Input {
    let source = format!("{source}:{}", row.number);
    let place = |(field, message)| Fault { source_place: source.clone(), field, message };
    match row.value {
        Ok(value) => {
            let faults = row.faults.into_iter().map(place).collect();
            Input { source, base: base.to_owned(), content: Content::Row { value, faults } }
        }
        Err(why) => Input::broken(&source, why),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn options() -> Options {
        Options { today: date(2025, 6, 10), lenient_identifiers: false }
    }

    #[test]
    fn every_sample_loads() {
        let loaded: Vec<Loaded> = read(&[PathBuf::from("samples/records")], &options()).collect();
        assert!(loaded.len() >= 22, "{}", loaded.len());
        for one in loaded {
            eprintln!("{} {:?}", one.source, one.warnings);
            one.record.unwrap();
        }
    }
}
