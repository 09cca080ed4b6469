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

/// How records that come without a file name are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A record, several after each other, or an array of them.
    Json,
    /// A record on each line.
    Lines,
    /// A header row and a row for each record.
    Csv,
    /// The first sheet of a workbook.
    Xlsx,
}

/// The records that somebody sent, split as by [`inputs`]. Pictures count only as `data:`, so no file of ours is read.
pub fn sent(file: File, kind: Kind) -> impl Iterator<Item = Input> + Send + use<> {
    split(String::new(), None, file, kind)
}

/// One record as it stands in a file, not yet looked at.
pub struct Input {
    source: String,
    /// The folder from which picture paths count.
    base: Option<PathBuf>,
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
            Content::Row { value, faults } => return parse::load(&value, &source, base.as_deref(), options, faults),
            Content::Json { bytes, line } => match json::parse(&bytes) {
                Ok(value) => return parse::load(&value, &source, base.as_deref(), options, Vec::new()),
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
        Self { source: source.to_owned(), base: None, content: Content::Broken { faults: vec![fault] } }
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
    let kind = match ending(path).as_str() {
        "json" => Kind::Json,
        "jsonl" | "ndjson" => Kind::Lines,
        "csv" => Kind::Csv,
        "xlsx" => Kind::Xlsx,
        _ => return broken("is not a file of records; expected *.json, *.jsonl, *.ndjson, *.csv or *.xlsx".into()),
    };
    match File::open(path) {
        Ok(file) => split(source, Some(base), file, kind),
        Err(error) => broken(format!("cannot be read: {error}")),
    }
}

fn split(source: String, base: Option<PathBuf>, file: File, kind: Kind) -> Box<dyn Iterator<Item = Input> + Send> {
    let reader = BufReader::with_capacity(64 * 1024, file);
    match kind {
        Kind::Json => Box::new(json_file(source, base, reader)),
        Kind::Lines => {
            let mut lines = json::Lines::new(reader);
            Box::new(std::iter::from_fn(move || {
                let piece = lines.next()?;
                Some(input(&source, base.as_deref(), piece, lines.line(), true))
            }))
        }
        Kind::Csv | Kind::Xlsx => {
            let rows = if kind == Kind::Csv { table::csv(reader) } else { table::xlsx(reader) };
            match rows {
                Ok(rows) => Box::new(rows.map(move |row| row_input(&source, base.as_deref(), row))),
                Err(faults) => Box::new(std::iter::once(table_fault(source, faults))),
            }
        }
    }
}

fn json_file(source: String, base: Option<PathBuf>, reader: BufReader<File>) -> impl Iterator<Item = Input> + Send {
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
            Some(input(&source, base.as_deref(), piece, elements.line(), lined))
        }
    })
}

fn input(source: &str, base: Option<&Path>, piece: Result<Piece, SplitError>, reached: usize, lined: bool) -> Input {
    match piece {
        Ok(Piece { line, bytes }) => {
            let source = if lined { format!("{source}:{line}") } else { source.to_owned() };
            Input { source, base: base.map(Path::to_owned), content: Content::Json { bytes, line } }
        }
        Err(error) => Input::broken(&format!("{source}:{reached}"), error.to_string()),
    }
}

/// A table whose header cannot be understood: none of its rows is read.
fn table_fault(file: String, faults: Vec<table::HeaderFault>) -> Input {
    let place = |row: Option<usize>| row.map_or_else(|| file.clone(), |row| format!("{file}:{row}"));
    let faults = faults.into_iter().map(|f| Fault { source_place: place(f.row), field: f.column, message: f.message }).collect();
    Input { source: file, base: None, content: Content::Broken { faults } }
}

fn row_input(source: &str, base: Option<&Path>, row: table::Row) -> Input {
    let source = format!("{source}:{}", row.number);
    let place = |(field, message)| Fault { source_place: source.clone(), field, message };
    match row.value {
        Ok(value) => {
            let faults = row.faults.into_iter().map(place).collect();
            Input { source, base: base.map(Path::to_owned), content: Content::Row { value, faults } }
        }
        Err(why) => Input::broken(&source, why),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::record::Status;

    fn options() -> Options {
        Options { today: date(2025, 6, 10), lenient_identifiers: false }
    }

    fn all(paths: &[&Path]) -> Vec<Loaded> {
        read(&paths.iter().map(|p| p.to_path_buf()).collect::<Vec<_>>(), &options()).collect()
    }

    fn messages(loaded: &Loaded) -> Vec<String> {
        loaded.record.as_ref().unwrap_err().iter().map(ToString::to_string).collect()
    }

    /// A record as short as can be, on one line.
    fn line(number: u32) -> String {
        format!(
            concat!(
                r#"{{"licence_type":"constructor-1","number":"N{}","serial":"1","holder":{{"name":"王䶮","id_type":"111","#,
                r#""id_number":"110000198506120010"}},"valid_to":"today","issuer":{{"name":"部","code":"11100000000013338W"}},"#,
                r#""issued_on":"today-1y","status":"valid","reported":true}}"#
            ),
            number
        )
    }

    #[test]
    fn every_sample_loads_on_any_day() {
        for today in [date(2025, 6, 10), date(2028, 2, 29), date(2026, 12, 31)] {
            let options = Options { today, lenient_identifiers: false };
            let mut sources = Vec::new();
            let mut numbers = std::collections::BTreeSet::new();
            for loaded in read(&[PathBuf::from("samples/records"), PathBuf::from("samples/other")], &options) {
                let record = loaded.record.unwrap_or_else(|faults| panic!("{faults:?}"));
                assert!(numbers.insert(record.number.clone()), "{} is there twice", record.number);
                assert_eq!(loaded.number, Some(record.number));
                sources.push(loaded.source);
            }
            assert!(sources.len() >= 38, "{}", sources.len());
            assert_eq!(sources[0], "samples/records/r01-constructor-1-rare-character.json");
        }
    }

    #[test]
    fn tables_and_lines_say_the_same() {
        let of =
            |file: &str| -> Vec<Record> { all(&[&Path::new("samples/other").join(file)]).into_iter().map(|l| l.record.unwrap()).collect() };
        let comparable = |mut record: Record| {
            record.number = String::new();
            record.serial = String::new();
            record
        };
        let expected: Vec<Record> = of("batch.jsonl").into_iter().map(comparable).collect();
        assert_eq!(expected.len(), 4);
        assert_eq!(expected[1].holder.birth_date, Some(date(1988, 5, 20)));
        assert_eq!((expected[2].fields["初次领证日期"].as_str(), expected[3].status), ("2022-06-10", Status::Cancelled));
        for file in ["utf8.csv", "gb18030.csv", "batch.xlsx"] {
            assert_eq!(of(file).into_iter().map(comparable).collect::<Vec<_>>(), expected, "{file}");
        }
    }

    #[test]
    fn a_bad_record_does_not_spoil_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("batch.jsonl");
        fs::write(&path, format!("{}\n{{broken\n\n{}\n", line(1), line(2))).unwrap();
        let loaded = all(&[&path]);
        let good: Vec<bool> = loaded.iter().map(|l| l.record.is_ok()).collect();
        assert_eq!(good, [true, false, true]);
        assert!(loaded[1].source.ends_with("batch.jsonl:2") && loaded[2].source.ends_with("batch.jsonl:4"));
        assert!(messages(&loaded[1])[0].contains("batch.jsonl:2:2: is not valid JSON: key must be a string"), "{:?}", messages(&loaded[1]));

        let path = folder.path().join("list.json");
        fs::write(&path, format!("[\n{},\n{},\n  {{\"number\": 7,\n   \"x\" }}\n]", line(1), line(2))).unwrap();
        let loaded = all(&[&path]);
        assert_eq!(loaded.iter().map(|l| l.record.is_ok()).collect::<Vec<_>>(), [true, true, false]);
        assert!(loaded[1].source.ends_with("list.json:3"));
        assert!(messages(&loaded[2])[0].contains("list.json:5:8: is not valid JSON: expected `:`"), "{:?}", messages(&loaded[2]));
    }

    #[test]
    fn places_without_records_say_so() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "nothing").unwrap();
        fs::write(folder.path().join(".hidden.json"), "{").unwrap();
        fs::write(folder.path().join("~$book.xlsx"), "lock").unwrap();
        let empty = folder.path().join("sub/empty.json");
        for (path, message) in [
            (folder.path().to_owned(), "holds no *.json"),
            (folder.path().join("nowhere.json"), "cannot be read: No such file"),
            (folder.path().join("notes.txt"), "is not a file of records"),
            (empty.clone(), "holds no record"),
        ] {
            let loaded = all(&[&path]);
            assert_eq!(loaded.len(), 1, "{path:?}");
            assert!(messages(&loaded[0])[0].contains(message), "{:?}", messages(&loaded[0]));
            fs::create_dir_all(empty.parent().unwrap()).unwrap();
            fs::write(&empty, " \n").unwrap();
        }
    }

    #[test]
    fn a_table_with_a_wrong_heading_is_refused_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        fs::write(&path, "姓名,身份证号吗,holder.nam,holder.name\n王,1,2,3\n").unwrap();
        let loaded = all(&[&path]);
        assert_eq!(loaded.len(), 1);
        let messages = messages(&loaded[0]);
        assert_eq!(messages.len(), 3, "{messages:?}");
        assert!(messages[0].contains("t.csv:1: 身份证号吗: is not a known column; did you mean `身份证号`?"), "{messages:?}");
        assert!(messages[1].contains("holder.nam: is not a known column; did you mean `holder.name`?"), "{messages:?}");
        assert!(messages[2].contains("holder.name: this column says the same as column `姓名`"), "{messages:?}");
    }

    #[test]
    fn rows_are_named_by_their_line_and_their_cells_by_their_field() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        fs::write(&path, "注册编号,\"姓\n名\",版本\n\nN1,\"王\n䶮\",x\nN2,李,1,9\n").unwrap();
        let loaded = all(&[&path]);
        assert!(loaded[0].source.ends_with("t.csv:4"), "{}", loaded[0].source);
        assert_eq!(loaded[0].number.as_deref(), Some("N1"));
        let messages = messages(&loaded[0]).join("\n");
        for part in
            ["holder.name: `王\\u{a}䶮` holds the control character U+000A", "version: expected a whole number", "status: is missing"]
        {
            assert!(messages.contains(part), "{messages}");
        }
        assert!(self::messages(&loaded[1])[0].ends_with("t.csv:6: has 4 cells, but the header row has 3"));
    }

    #[test]
    fn the_encoding_of_a_table_is_found_or_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let utf16: Vec<u8> = "\u{FEFF}姓名\n王\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(&path, utf16).unwrap();
        assert!(messages(&all(&[&path])[0])[0].ends_with("is UTF-16; save it as CSV UTF-8"));
        // 䶮 as GB18030-2005 writes it, and a byte that is nothing.
        fs::write(&path, b"\xD0\xD5\xC3\xFB\t\xB1\xE0\xBA\xC5\n\xCD\xF5\xFE\x9F\tN1\n\xFF\tN2\n").unwrap();
        let loaded = all(&[&path]);
        assert_eq!(loaded[0].number.as_deref(), Some("N1"));
        assert!(!messages(&loaded[0]).iter().any(|m| m.contains("holder.name")), "{:?}", messages(&loaded[0]));
        assert!(messages(&loaded[1])[0].contains("t.csv:3: holder.name: is not gb18030; save the file as CSV UTF-8"));
    }

    /// A workbook with one sheet of rows in `SpreadsheetML`.
    fn workbook(rows: &str) -> Vec<u8> {
        use std::io::Write as _;
        let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        let relation = |id: &str, kind: &str, target: &str| {
            let package = "http://schemas.openxmlformats.org/package/2006/relationships";
            let one = format!(r#"<Relationship Id="{id}" Type="{office}/{kind}" Target="{target}"/>"#);
            format!(r#"<Relationships xmlns="{package}">{one}</Relationships>"#)
        };
        let sheets =
            format!(r#"<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="s" sheetId="1" r:id="r1"/></sheets></workbook>"#);
        let mut file = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, content) in [
            ("_rels/.rels", relation("r1", "officeDocument", "xl/workbook.xml")),
            ("xl/workbook.xml", sheets),
            ("xl/_rels/workbook.xml.rels", relation("r1", "worksheet", "worksheets/sheet1.xml")),
            ("xl/worksheets/sheet1.xml", format!(r#"<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>"#)),
        ] {
            file.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            file.write_all(content.as_bytes()).unwrap();
        }
        file.finish().unwrap().into_inner()
    }

    #[test]
    fn an_identity_number_that_a_workbook_keeps_as_a_number_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.xlsx");
        let row = |number: u32, cells: &[&str]| {
            let cell = |(at, value): (usize, &&str)| {
                let name = format!("{}{number}", char::from(b'A' + at as u8));
                match value.parse::<f64>() {
                    Ok(value) => format!(r#"<c r="{name}"><v>{value}</v></c>"#),
                    Err(_) => format!(r#"<c r="{name}" t="inlineStr"><is><t>{value}</t></is></c>"#),
                }
            };
            format!(r#"<row r="{number}">{}</row>"#, cells.iter().enumerate().map(cell).collect::<String>())
        };
        let rows = [row(2, &["编号", "证件号码", "版本", "出生日期"]), row(5, &["20210001", "110000198506120010", "3", "44308"])];
        fs::write(&path, workbook(&rows.concat())).unwrap();
        let loaded = all(&[&path]);
        assert_eq!((loaded.len(), loaded[0].number.as_deref()), (1, Some("20210001")));
        assert!(loaded[0].source.ends_with("t.xlsx:5"));
        let messages = messages(&loaded[0]).join("\n");
        assert!(messages.contains("holder.id_number: is a number of more than 15 digits"), "{messages}");
        assert!(!messages.contains("version") && !messages.contains("birth_date: `"), "{messages}");
        fs::write(&path, "no workbook").unwrap();
        assert!(self::messages(&all(&[&path])[0])[0].contains("is not an XLSX workbook that can be read"));
    }

    #[test]
    fn ten_thousand_lines_stream() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("many.jsonl");
        let lines: Vec<String> = (0..10_000).map(line).collect();
        fs::write(&path, lines.join("\n")).unwrap();
        assert_eq!(inputs(&[path]).filter(|i| i.source().contains("many.jsonl:")).count(), 10_000);
    }
}
