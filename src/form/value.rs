//! Values of a form: read from JSON, checked against the definition, written as text for the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use serde_json::Value;

use super::Fault;
use super::Request;
use super::definition::{Compute, Definition, Field, Kind, nearest};
use super::prefill::Source;
use super::template::Place;
use crate::record::{self, PictureFormat, PictureKind};

const MAX_CHARS: usize = 2000;
const MAX_PICTURE: usize = 10 << 20;
/// What an empty date shows, for writing by hand.
const DATE: &str = "yyyy年M月d日";

/// One value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Answer {
    /// Nothing was given.
    #[default]
    Empty,
    /// Text, lines parted by `\n`.
    Text(String),
    /// A day.
    Date(Date),
    /// Several of the options.
    Options(Vec<String>),
    /// A picture.
    Picture(Picture),
}

/// A picture as it is put into the package.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The file.
    pub bytes: Vec<u8>,
    /// `png` or `jpeg`.
    pub format: &'static str,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

impl From<&record::Picture> for Picture {
    fn from(picture: &record::Picture) -> Self {
        let format = match picture.format {
            PictureFormat::Jpeg { .. } => "jpeg",
            PictureFormat::Png => "png",
        };
        Self { bytes: picture.bytes.clone(), format, size: (picture.width, picture.height) }
    }
}

/// All values of one form, by position in its definition.
pub struct Answers {
    /// Single values.
    pub fields: Vec<Answer>,
    /// Rows of each list, a value for each column.
    pub lists: Vec<Vec<Vec<Answer>>>,
}

impl Answers {
    /// Reads the data over what the record gives. All faults together, each with the field's label.
    pub fn read(definition: &Definition, request: &Request) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader { request, faults: Vec::new() };
        for name in request.data.keys() {
            if definition.fields.position(name).is_none() && definition.lists.position(name).is_none() {
                let known = definition.fields.iter().map(|(n, _)| n.to_owned()).chain(definition.lists.iter().map(|(n, _)| n.to_owned()));
                reader.unknown(name, name, known);
            }
        }
        let mut fields: Vec<Answer> =
            definition.fields.iter().map(|(name, field)| reader.answer(name, field, request.data.get(name), name, None)).collect();
        let lists: Vec<Vec<Vec<Answer>>> = (0..definition.lists.len()).map(|list| reader.list(definition, list)).collect();
        for index in 0..definition.fields.len() {
            let field = definition.fields.at(index);
            let Some(compute) = &field.compute else { continue };
            let found = reader.computed(definition, compute, &fields, &lists);
            reader.settle(definition.fields.name(index), &mut fields[index], found);
        }
        if reader.faults.is_empty() { Ok(Self { fields, lists }) } else { Err(reader.faults) }
    }

    /// The value at a place, in a row of the list that is being repeated.
    pub fn at(&self, place: Place, row: Option<usize>) -> &Answer {
        match place {
            Place::Field(field) => &self.fields[field],
            Place::Column(list, column) => row.and_then(|row| self.lists[list].get(row)).map_or(&Answer::Empty, |row| &row[column]),
        }
    }
}

impl Answer {
    /// Whether the value is, or contains, that option.
    pub fn is(&self, option: &str) -> bool {
        match self {
            Self::Text(text) => text == option,
            Self::Options(options) => options.iter().any(|o| o == option),
            _ => false,
        }
    }

    /// What is printed; for an empty value, what the blank form shows.
    pub fn printed(&self, field: &Field) -> String {
        let format = field.format.as_deref().unwrap_or(DATE);
        match self {
            Self::Text(text) => text.clone(),
            Self::Options(options) => options.join("、"),
            Self::Date(date) => written(*date, format),
            Self::Picture(_) => String::new(),
            Self::Empty if field.blank.is_empty() && field.kind == Kind::Date => blank_date(format),
            Self::Empty => field.blank.clone(),
        }
    }
}

/// A date in a format of `yyyy`, `MM`, `M`, `dd`, `d`.
fn written(date: Date, format: &str) -> String {
    in_format(format, |token| match token {
        "yyyy" => format!("{:04}", date.year()),
        "MM" => format!("{:02}", date.month()),
        "M" => date.month().to_string(),
        "dd" => format!("{:02}", date.day()),
        _ => date.day().to_string(),
    })
}

fn blank_date(format: &str) -> String {
    in_format(format, |token| if token == "yyyy" { "\u{3000}\u{3000}".into() } else { "\u{3000}".into() })
}

fn in_format(format: &str, part: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        if let Some(token) = ["yyyy", "MM", "M", "dd", "d"].into_iter().find(|token| rest.starts_with(token)) {
            out.push_str(&part(token));
            rest = &rest[token.len()..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

struct Reader<'a> {
    request: &'a Request<'a>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn list(&mut self, definition: &Definition, index: usize) -> Vec<Vec<Answer>> {
        let (name, list) = (definition.lists.name(index), definition.lists.at(index));
        let record = self.request.record.filter(|_| list.from.is_some());
        let rows: Vec<Option<&Value>> = match self.request.data.get(name) {
            None | Some(Value::Null) => (0..record.map_or(0, |r| r.specialties.len())).map(|_| None).collect(),
            Some(Value::Array(rows)) => rows.iter().map(Some).collect(),
            Some(_) => {
                self.fault(name, "应是一个列表 [{…}, …]");
                return Vec::new();
            }
        };
        if rows.len() > list.most {
            self.fault(name, &format!("最多 {} 行，给了 {} 行", list.most, rows.len()));
            return Vec::new();
        }
        if rows.is_empty() && list.required && !self.request.draft {
            self.fault(name, "缺少必填项：至少要有一行");
        }
        let empty = serde_json::Map::new();
        let mut read = Vec::with_capacity(rows.len());
        for (i, row) in rows.into_iter().enumerate() {
            let place = format!("{name} 第 {} 行", i + 1);
            let map = match row {
                None => &empty,
                Some(Value::Object(map)) => map,
                Some(_) => {
                    self.fault(&place, "应是 {\"列\": 值, …}");
                    continue;
                }
            };
            for key in map.keys().filter(|key| list.fields.position(key).is_none()) {
                self.unknown(&format!("{place} {key}"), key, list.fields.iter().map(|(n, _)| n.to_owned()));
            }
            // A row that was given is the applicant's; the record fills rows only when none were given.
            let specialty = record.filter(|_| row.is_none()).and_then(|r| r.specialties.get(i));
            let mut answers = Vec::with_capacity(list.fields.len());
            for (column, field) in list.fields.iter() {
                let place = format!("{place} {column}");
                let mut answer = self.answer(&place, field, map.get(column), column, specialty);
                if matches!(field.compute, Some(Compute::Row)) {
                    self.settle(&place, &mut answer, Some((i + 1).to_string()));
                }
                if answer == Answer::Empty && field.required && !self.request.draft {
                    self.fault(&place, "缺少必填项");
                }
                answers.push(answer);
            }
            read.push(answers);
        }
        read
    }

    fn answer(&mut self, place: &str, field: &Field, value: Option<&Value>, name: &str, specialty: Option<&record::Specialty>) -> Answer {
        let given = match value.filter(|v| !v.is_null()) {
            Some(value) => self.given(field, value),
            None => Ok(self.taken_over(place, field, name, specialty)),
        };
        let answer = given.unwrap_or_else(|message| {
            self.fault(place, &message);
            Answer::Empty
        });
        match (&answer, &field.default) {
            (Answer::Empty, Some(default)) => Answer::Text(default.clone()),
            _ => answer,
        }
    }

    fn taken_over(&mut self, place: &str, field: &Field, name: &str, specialty: Option<&record::Specialty>) -> Answer {
        let (Some(record), Some(source)) = (self.request.record, field.from) else { return Answer::Empty };
        let picture = match source {
            Source::Photo => &record.holder.photo,
            Source::Signature => &record.holder.signature,
            _ => &None,
        };
        if let Some(picture) = picture {
            return Answer::Picture(Picture::from(&**picture));
        }
        let Some(text) = source.text(record, name, specialty) else { return Answer::Empty };
        self.given(field, &Value::String(text)).unwrap_or_else(|message| {
            self.fault(place, &message);
            Answer::Empty
        })
    }

    fn given(&self, field: &Field, value: &Value) -> Result<Answer, String> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(yes) => if *yes { "是" } else { "否" }.to_owned(),
            Value::Array(items) if field.many => {
                let chosen: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                let chosen = chosen.ok_or("应是一个选项列表 [\"…\", …]")?;
                chosen.iter().try_for_each(|option| is_option(option, field))?;
                return Ok(if chosen.is_empty() { Answer::Empty } else { Answer::Options(chosen) });
            }
            _ => return Err("应是文字".to_owned()),
        };
        if field.kind == Kind::Picture {
            return if text.is_empty() { Ok(Answer::Empty) } else { self.picture(&text, field).map(Answer::Picture) };
        }
        if field.kind == Kind::Qr {
            return Err("二维码由系统生成，不能填写".to_owned());
        }
        let text = clean(&text, field.max_chars.unwrap_or(MAX_CHARS))?;
        if text.is_empty() {
            return Ok(Answer::Empty);
        }
        is_option(&text, field)?;
        match field.kind {
            Kind::Date => text.parse().map(Answer::Date).map_err(|_| format!("“{text}”不是日期，应写作 2024-05-18")),
            Kind::Number => thousandths(&text).map(|_| Answer::Text(text.clone())).ok_or_else(|| format!("“{text}”不是数")),
            _ => Ok(Answer::Text(text)),
        }
    }

    fn picture(&self, source: &str, field: &Field) -> Result<Picture, String> {
        let bytes = if let Some(data) = source.strip_prefix("data:") {
            let (_, coded) = data.split_once(";base64,").ok_or("图片的 data: 应是 base64")?;
            STANDARD.decode(coded).map_err(|_| "图片的 base64 不完整".to_owned())?
        } else {
            let folder = self.request.pictures.ok_or("这里不能读文件，图片应写作 data:image/…;base64,…")?;
            let path = folder.join(source);
            let length = std::fs::metadata(&path).map_err(|e| format!("图片 {} 打不开（{e}）", path.display()))?.len();
            if length > MAX_PICTURE as u64 {
                return Err(format!("图片超过 {} MB", MAX_PICTURE >> 20));
            }
            std::fs::read(&path).map_err(|e| format!("图片 {} 打不开（{e}）", path.display()))?
        };
        if bytes.len() > MAX_PICTURE {
            return Err(format!("图片超过 {} MB", MAX_PICTURE >> 20));
        }
        // A wide box is for a signature, whose transparency is kept; an upright one for a portrait.
        let wide = field.box_mm.is_some_and(|[w, h]| w > h);
        let kind = if wide { PictureKind::Signature } else { PictureKind::Photo };
        record::Picture::decode(&bytes, kind).map(|p| Picture::from(&p)).map_err(|e| format!("图片不能用（{e}）"))
    }

    fn computed(&self, definition: &Definition, compute: &Compute, fields: &[Answer], lists: &[Vec<Vec<Answer>>]) -> Option<String> {
        match compute {
            Compute::Sum(column) => {
                let (list, column) = definition.column(column)?;
                let values: Vec<i64> = lists[list]
                    .iter()
                    .filter_map(|row| match &row[column] {
                        Answer::Text(text) => thousandths(text),
                        _ => None,
                    })
                    .collect();
                (!values.is_empty()).then(|| decimal(values.iter().sum()))
            }
            Compute::Count(list) => {
                let rows = lists[definition.lists.position(list)?].len();
                (rows > 0).then(|| rows.to_string())
            }
            Compute::Age { birth, on } => {
                let date = |name: &String| match fields[definition.fields.position(name)?] {
                    Answer::Date(date) => Some(date),
                    _ => None,
                };
                let (birth, on) = (date(birth)?, on.as_ref().and_then(date).unwrap_or(self.request.today));
                let before_birthday = (on.month(), on.day()) < (birth.month(), birth.day());
                let years = on.year() - birth.year() - i16::from(before_birthday);
                (years >= 0).then(|| years.to_string())
            }
            Compute::Row => None,
        }
    }

    /// A worked-out value may be given too, but only when it is right.
    fn settle(&mut self, place: &str, answer: &mut Answer, computed: Option<String>) {
        match (&*answer, computed) {
            (Answer::Empty, Some(value)) => *answer = Answer::Text(value),
            (Answer::Text(given), Some(value)) if thousandths(given) != thousandths(&value) => {
                self.fault(place, &format!("给的是“{given}”，按所填内容计算应是“{value}”（此项由系统计算，可以不填）"));
            }
            _ => {}
        }
    }

    fn unknown(&mut self, place: &str, name: &str, known: impl Iterator<Item = String>) {
        let hint = nearest(name, known).map_or_else(String::new, |near| format!("，是不是“{near}”？"));
        self.fault(place, &format!("此表没有这个字段{hint}"));
    }

    fn fault(&mut self, place: &str, message: &str) {
        self.faults.push(Fault::new(place.to_owned(), message.to_owned()));
    }
}

fn is_option(text: &str, field: &Field) -> Result<(), String> {
    if field.options.is_empty() || field.options.iter().any(|o| o == text) {
        return Ok(());
    }
    let hint = nearest(text, field.options.iter().cloned()).map_or_else(String::new, |near| format!("，是不是“{near}”？"));
    Err(format!("没有选项“{text}”{hint}可用的选项：{}", field.options.join("、")))
}

/// Text without anything that XML cannot hold or that turns the reading direction (Unicode TR 9, 2.2), lines by `\n`.
fn clean(text: &str, most: usize) -> Result<String, String> {
    let text = text.replace("\r\n", "\n");
    for (i, c) in text.chars().enumerate() {
        let refused = match c {
            '\n' | '\t' => None,
            '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' => Some("控制字符"),
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{061C}' => Some("改变文字方向的字符"),
            '\u{FFFE}' | '\u{FFFF}' | '\u{FFFD}' => Some("不是文字的字符"),
            '\u{2028}' | '\u{2029}' => Some("特殊换行符"),
            _ => None,
        };
        if let Some(what) = refused {
            return Err(format!("第 {} 个字是{what} U+{:04X}，请删除", i + 1, u32::from(c)));
        }
    }
    let text = text.trim().to_owned();
    let length = text.chars().count();
    if length > most {
        return Err(format!("共 {length} 个字，最多 {most} 个"));
    }
    Ok(text)
}

/// A decimal number with at most three places, in thousandths: sums are exact.
fn thousandths(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.len() > 9 || part.len() > 3 {
        return None;
    }
    Some(whole.parse::<i64>().ok()? * 1000 + format!("{part:0<3}").parse::<i64>().ok()?)
}

fn decimal(thousandths: i64) -> String {
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_the_forms_that_are_printed() {
        let date = jiff::civil::date(2024, 5, 8);
        assert_eq!(written(date, DATE), "2024年5月8日");
        assert_eq!(written(date, "yyyy.MM.dd"), "2024.05.08");
        assert_eq!(written(date, "yyyy年M月"), "2024年5月");
        assert_eq!(blank_date("yyyy年M月"), "　　年　月");
    }

    #[test]
    fn hostile_characters_are_named_with_their_position() {
        assert!(clean("ab\u{1}", 9).unwrap_err().contains("第 3 个字是控制字符 U+0001"));
        assert!(clean("王\u{202E}五", 9).unwrap_err().contains("第 2 个字"));
        assert_eq!(clean(" 一\r\n二 ", 9).unwrap(), "一\n二");
        assert!(clean("一二三", 2).unwrap_err().contains("最多 2 个"));
        assert_eq!(clean("]]>&{{姓名}}", 20).unwrap(), "]]>&{{姓名}}");
    }

    #[test]
    fn sums_are_exact() {
        assert_eq!(thousandths("12.5"), Some(12_500));
        assert_eq!(decimal(12_500 + 500), "13");
        assert_eq!(decimal(100), "0.1");
        for wrong in ["", "-1", "1e3", "1.", ".5", "1.2345", "1 0"] {
            assert_eq!(thousandths(wrong), None, "{wrong}");
        }
    }
}
