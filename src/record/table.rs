//! Tables of records, CSV and XLSX: a header row names the columns, each further row becomes one record's JSON form.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Cursor, Read, Seek};

use calamine::{Data, Range, Reader as _, Xlsx};
use encoding_rs::{Encoding, GB18030, UTF_8};
use serde_json::{Map, Value, json};

use super::{day, parse};

/// One row: its number in the file (from 1), and its JSON form or why there is none.
pub(super) struct Row {
    pub number: usize,
    pub value: Result<Value, String>,
    /// Field path and message of cells that could not be taken.
    pub faults: Vec<(String, String)>,
}

/// A column heading, or a table, that cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeaderFault {
    pub row: Option<usize>,
    pub column: String,
    pub message: String,
}

/// Rows of a table, read as they are asked for.
pub(super) type Rows = Box<dyn Iterator<Item = Row> + Send>;

/// How many bytes decide what encoding a CSV file has.
const PROBE_BYTES: usize = 64 * 1024;

/// Specialties beyond this are a slip of the pen.
const MOST_SPECIALTIES: usize = 30;

/// A CSV file in UTF-8 (with or without BOM) or GB18030 (what a Chinese Excel writes); separated by comma, semicolon or tab.
pub(super) fn csv(mut input: impl BufRead + Send + 'static) -> Result<Rows, Vec<HeaderFault>> {
    let mut probe = Vec::new();
    input.by_ref().take(PROBE_BYTES as u64).read_to_end(&mut probe).map_err(unreadable)?;
    let whole_file = probe.len() < PROBE_BYTES;
    let Some(encoding) = encoding_of(&probe, whole_file) else {
        return Err(no_table("is UTF-16; save it as CSV UTF-8"));
    };
    let start = if probe.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let first_line = probe.split(|&b| b == b'\n').next().unwrap_or_default();
    let count = |separator: u8| first_line.split(|&b| b == separator).count();
    let separator = [b',', b'\t', b';'].into_iter().max_by_key(|&s| (count(s), s == b',')).unwrap_or(b',');
    // A last line without its end gets one, so that lines can be counted from behind.
    let rest = Cursor::new(probe.split_off(start)).chain(input).chain(&b"\n"[..]);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(rest);

    let mut record = csv::ByteRecord::new();
    let decode = move |cell: &[u8]| encoding.decode_without_bom_handling_and_without_replacement(cell).map(std::borrow::Cow::into_owned);
    if !reader.read_byte_record(&mut record).map_err(|e| unreadable(e.into()))? {
        return Err(no_table("is empty; expected a header row"));
    }
    let headings = record.iter().map(|cell| decode(cell).unwrap_or_default());
    let header = Header::read(1, headings)?;
    let mut ended = false;
    Ok(Box::new(std::iter::from_fn(move || {
        loop {
            let read = if ended { Ok(false) } else { reader.read_byte_record(&mut record) };
            match read {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    ended = true;
                    let number = reader.position().line() as usize;
                    return Some(Row { number, value: Err(format!("cannot be read: {error}")), faults: Vec::new() });
                }
            }
            // Counted from the row's end, because the reader passes over blank lines before a row.
            let number = reader.position().line() as usize - record.as_slice().split(|&b| b == b'\n').count();
            if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            if record.len() > header.columns.len() && record.iter().skip(header.columns.len()).any(|c| !c.trim_ascii().is_empty()) {
                let why = format!("has {} cells, but the header row has {}", record.len(), header.columns.len());
                return Some(Row { number, value: Err(why), faults: Vec::new() });
            }
            let cells = record.iter().map(|cell| match decode(cell) {
                Some(text) => Cell::Text(text),
                None => Cell::Wrong(format!("is not {}; save the file as CSV UTF-8", encoding.name())),
            });
            return Some(header.row(number, cells));
        }
    })))
}

/// The first sheet of an XLSX workbook.
pub(super) fn xlsx(input: impl Read + Seek + Send) -> Result<Rows, Vec<HeaderFault>> {
    let mut input = io::BufReader::new(input);
    let unreadable = |e: calamine::XlsxError| no_table(format!("is not an XLSX workbook that can be read ({e})"));
    let mut workbook = Xlsx::new(&mut input).map_err(unreadable)?;
    let sheet = workbook.worksheet_range_at(0).ok_or_else(|| no_table("holds no sheet"))?.map_err(unreadable)?;
    let Some((first, _)) = sheet.start() else { return Err(no_table("holds an empty first sheet; expected a header row")) };
    let height = sheet.height();
    let headings = cells(&sheet, 0).map(|cell| match cell {
        Cell::Text(text) => text,
        _ => String::new(),
    });
    let header = Header::read(first as usize + 1, headings)?;
    let mut at = 0;
    Ok(Box::new(std::iter::from_fn(move || {
        loop {
            at += 1;
            if at >= height {
                return None;
            }
            if cells(&sheet, at).any(|cell| !cell.is_empty()) {
                return Some(header.row(first as usize + 1 + at, cells(&sheet, at)));
            }
        }
    })))
}

fn cells(sheet: &Range<Data>, row: usize) -> impl Iterator<Item = Cell> + '_ {
    (0..sheet.width()).map(move |column| match sheet.get((row, column)) {
        None | Some(Data::Empty) => Cell::Text(String::new()),
        Some(Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text)) => Cell::Text(text.clone()),
        Some(Data::Bool(flag)) => Cell::Bool(*flag),
        Some(Data::Int(number)) => Cell::Number(*number as f64),
        Some(Data::Float(number)) => Cell::Number(*number),
        Some(Data::DateTime(moment)) => {
            let (year, month, day, ..) = moment.to_ymd_hms_milli();
            Cell::Text(format!("{year:04}-{month:02}-{day:02}"))
        }
        Some(Data::Error(error)) => Cell::Wrong(format!("holds the error {error}")),
    })
}

enum Cell {
    Text(String),
    Number(f64),
    Bool(bool),
    Wrong(String),
}

impl Cell {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.trim().is_empty())
    }
}

/// Where a column's values go.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Target {
    Top(&'static str),
    In(&'static str, &'static str),
    Specialty(usize, &'static str),
    Field(String),
}

impl Target {
    fn path(&self) -> String {
        match self {
            Self::Top(key) => (*key).to_owned(),
            Self::In(object, key) => format!("{object}.{key}"),
            Self::Specialty(at, key) => format!("specialties.{at}.{key}"),
            Self::Field(name) => format!("fields.{name}"),
        }
    }
}

/// What a column's values are in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Text,
    Date,
    Flag,
    Count,
    Status,
    IdType,
}

/// The columns that a table may have: where each goes, what it holds, and its names besides the path itself.
const COLUMNS: &[(Target, Kind, &[&str])] = &[
    (Target::Top("licence_type"), Kind::Text, &["证照类型", "证书类型"]),
    (Target::Top("number"), Kind::Text, &["注册编号", "证书编号", "证照编号", "编号"]),
    (Target::Top("serial"), Kind::Text, &["流水号", "序列号"]),
    (Target::Top("version"), Kind::Count, &["版本", "版本号"]),
    (Target::In("holder", "name"), Kind::Text, &["name", "姓名", "持证主体"]),
    (Target::In("holder", "sex"), Kind::Text, &["sex", "性别"]),
    (Target::In("holder", "birth_date"), Kind::Date, &["birth_date", "出生日期"]),
    (Target::In("holder", "id_type"), Kind::IdType, &["id_type", "证件类型"]),
    (Target::In("holder", "id_number"), Kind::Text, &["id_number", "证件号码", "证号", "身份证号", "持证主体代码"]),
    (Target::In("holder", "phone_bound"), Kind::Flag, &["phone_bound", "手机已绑定", "手机绑定"]),
    (Target::In("holder", "photo"), Kind::Text, &["photo", "照片"]),
    (Target::In("holder", "signature"), Kind::Text, &["signature", "手写签字", "签名", "个人签名"]),
    (Target::In("employer", "name"), Kind::Text, &["employer", "聘用企业", "企业名称", "执业单位", "工作单位"]),
    (Target::In("employer", "uscc"), Kind::Text, &["uscc", "统一社会信用代码", "企业统一社会信用代码", "企业代码"]),
    (Target::Top("valid_from"), Kind::Date, &["有效期起", "有效期自", "有效期开始日期"]),
    (Target::Top("valid_to"), Kind::Date, &["有效期止", "有效期至", "有效期截止日期"]),
    (Target::In("issuer", "name"), Kind::Text, &["issuer", "发证机关", "签发机关"]),
    (Target::In("issuer", "code"), Kind::Text, &["issuer_code", "发证机关代码", "签发机关代码"]),
    (Target::Top("issued_on"), Kind::Date, &["签发日期", "发证日期"]),
    (Target::Top("status"), Kind::Status, &["状态", "证照状态"]),
    (Target::Top("reported"), Kind::Flag, &["已上报", "是否上报"]),
];

/// A header row that was understood.
struct Header {
    /// For each column its target; none for a column without a heading.
    columns: Vec<Option<(Target, Kind)>>,
}

impl Header {
    fn read(row: usize, headings: impl Iterator<Item = String>) -> Result<Self, Vec<HeaderFault>> {
        let (mut columns, mut taken, mut faults) = (Vec::new(), BTreeMap::new(), Vec::new());
        for heading in headings {
            let heading: String = heading.split_whitespace().collect();
            if heading.is_empty() {
                columns.push(None);
                continue;
            }
            let mut fault = |message| faults.push(HeaderFault { row: Some(row), column: heading.chars().take(40).collect(), message });
            match column(&heading) {
                Ok((target, kind)) => {
                    if let Some(earlier) = taken.insert(target.clone(), heading.clone()) {
                        fault(format!("this column says the same as column {}; keep one of them", parse::shown(&earlier)));
                    }
                    columns.push(Some((target, kind)));
                }
                Err(message) => fault(message),
            }
        }
        match (faults.is_empty(), taken.is_empty()) {
            (false, _) => Err(faults),
            (true, true) => Err(no_table("has no header row")),
            (true, false) => Ok(Self { columns }),
        }
    }

    fn row(&self, number: usize, cells: impl Iterator<Item = Cell>) -> Row {
        let (mut top, mut objects, mut specialties) = (Map::new(), BTreeMap::new(), BTreeMap::new());
        let mut faults = Vec::new();
        for (cell, column) in cells.zip(&self.columns) {
            let Some((target, kind)) = column else {
                if !cell.is_empty() {
                    faults.push((String::new(), "has a value in a column without a heading".to_owned()));
                }
                continue;
            };
            if cell.is_empty() {
                continue;
            }
            let value = match converted(cell, *kind) {
                Ok(value) => value,
                Err(why) => {
                    faults.push((target.path(), why));
                    continue;
                }
            };
            match target {
                Target::Top(key) => drop(top.insert((*key).to_owned(), value)),
                Target::In(object, key) => drop(objects.entry(*object).or_insert_with(Map::new).insert((*key).to_owned(), value)),
                Target::Specialty(at, key) => {
                    specialties.entry(*at).or_insert_with(Map::new).insert((*key).to_owned(), value);
                }
                Target::Field(name) => drop(objects.entry("fields").or_insert_with(Map::new).insert(name.clone(), value)),
            }
        }
        top.extend(objects.into_iter().map(|(key, object)| (key.to_owned(), Value::Object(object))));
        if !specialties.is_empty() {
            top.insert("specialties".into(), specialties.into_values().map(Value::Object).collect());
        }
        Row { number, value: Ok(Value::Object(top)), faults }
    }
}

/// What a heading names: a path (`holder.name`, `specialties.0.valid_to`, `fields.职务`), or a name of the list.
fn column(heading: &str) -> Result<(Target, Kind), String> {
    let known = COLUMNS.iter().find(|(target, _, names)| names.contains(&heading) || target.path() == heading);
    if let Some((target, kind, _)) = known {
        return Ok((target.clone(), *kind));
    }
    if let Some(name) = heading.strip_prefix("fields.").filter(|n| !n.is_empty()) {
        return Ok((Target::Field(name.to_owned()), Kind::Text));
    }
    if let Some(column) = specialty_column(heading) {
        return column;
    }
    let paths: Vec<String> = COLUMNS.iter().map(|(target, ..)| target.path()).collect();
    let names = COLUMNS.iter().flat_map(|(_, _, names)| names.iter().copied()).chain(paths.iter().map(String::as_str));
    let near = parse::nearest(heading, names).map(|near| format!(" did you mean `{near}`?")).unwrap_or_default();
    Err(format!("is not a known column;{near} A further value of the licence is named `fields.` and its label"))
}

/// `专业1`, `专业1有效期起`, `专业1有效期止`, `specialties.0.name`.
fn specialty_column(heading: &str) -> Option<Result<(Target, Kind), String>> {
    let (at, key) = if let Some(rest) = heading.strip_prefix("specialties.") {
        let (at, key) = rest.split_once('.')?;
        (at.parse::<usize>().ok()?, *["name", "valid_from", "valid_to"].iter().find(|k| **k == key)?)
    } else {
        let rest = heading.strip_prefix("注册专业").or_else(|| heading.strip_prefix("专业"))?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let at = if digits == 0 { 1 } else { rest[..digits].parse::<usize>().ok()? };
        let key = match &rest[digits..] {
            "" => "name",
            "有效期起" | "有效期自" => "valid_from",
            "有效期止" | "有效期至" => "valid_to",
            _ => return None,
        };
        (at.checked_sub(1)?, key)
    };
    if at >= MOST_SPECIALTIES {
        return Some(Err(format!("at most {MOST_SPECIALTIES} specialties are accepted")));
    }
    Some(Ok((Target::Specialty(at, key), if key == "name" { Kind::Text } else { Kind::Date })))
}

/// A cell's value in JSON. What does not fit is passed on as text, and refused with its field like any other.
fn converted(cell: Cell, kind: Kind) -> Result<Value, String> {
    let text = match cell {
        Cell::Wrong(why) => return Err(why),
        Cell::Bool(flag) if kind == Kind::Flag => return Ok(flag.into()),
        Cell::Bool(flag) => flag.to_string(),
        Cell::Number(number) if number.abs() >= 1e15 => {
            return Err("is a number of more than 15 digits, of which Excel has lost the last; format the column as text".into());
        }
        // Excel's day 60 is 29 February 1900; later days count from 1899-12-30.
        Cell::Number(number) if kind == Kind::Date && (61.0..110_000.0).contains(&number) => {
            let days = jiff::Span::new().days(number as i64);
            jiff::civil::date(1899, 12, 30).saturating_add(days).to_string()
        }
        Cell::Number(number) => number.to_string(),
        Cell::Text(text) => text,
    };
    let word = text.trim();
    Ok(match kind {
        Kind::Text => text.into(),
        Kind::Date => day::typed(word).map_or_else(|| json!(word), |date| json!(date.to_string())),
        Kind::Count => word.parse::<u64>().map_or_else(|_| json!(word), |count| json!(count)),
        Kind::Flag => match word.to_lowercase().as_str() {
            "是" | "true" | "yes" | "1" => json!(true),
            "否" | "false" | "no" | "0" => json!(false),
            _ => json!(word),
        },
        Kind::Status => json!(match word {
            "有效" | "正常" => "valid",
            "暂扣" => "suspended",
            "注销" => "cancelled",
            "撤销" => "revoked",
            "吊销" => "withdrawn",
            other => other,
        }),
        Kind::IdType => {
            let known = super::identifier::HolderType::ALL.into_iter().find(|t| t.name() == word);
            json!(match (known, word) {
                (Some(kind), _) => kind.code(),
                (None, "身份证" | "公民身份号码") => "111",
                (None, "护照") => "414",
                (None, other) => other,
            })
        }
    })
}

/// The encoding of a CSV file by its first bytes; none for UTF-16.
fn encoding_of(probe: &[u8], whole_file: bool) -> Option<&'static Encoding> {
    if probe.starts_with(&[0xFF, 0xFE]) || probe.starts_with(&[0xFE, 0xFF]) {
        return None;
    }
    Some(match std::str::from_utf8(probe) {
        Ok(_) => UTF_8,
        // The probe may end inside a character.
        Err(error) if !whole_file && error.error_len().is_none() => UTF_8,
        Err(_) => GB18030,
    })
}

fn no_table(message: impl Into<String>) -> Vec<HeaderFault> {
    vec![HeaderFault { row: None, column: String::new(), message: message.into() }]
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn unreadable(error: io::Error) -> Vec<HeaderFault> {
    no_table(format!("cannot be read: {error}"))
}
