//! Lists as spreadsheets: a row at a time in constant memory, every cell text, so that nothing is taken for a formula.

use std::io::{Seek, Write};
use std::path::Path;

use jiff::civil::Date;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, XlsxError};
use serde_json::{Map, Value};

use super::value::Answers;
use super::{Fault, Form, Request};

/// Rows that a sheet can hold, the header not counted (ECMA-376 part 1, 18.3.1.73).
const MAX_ROWS: u32 = 1_048_575;
const MAX_FAULTS: usize = 100;

/// Why a list cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// There are no rows.
    #[error("没有可导出的数据！")]
    Empty,
    /// More rows than a sheet can hold.
    #[error("超过 {MAX_ROWS} 行，一张表放不下：请按考试时间分开导出")]
    TooMany,
    /// Some rows have faults; the first hundred.
    #[error("名单有误：\n{}", super::lines(.0))]
    Data(Vec<Fault>),
    /// A row could not be read.
    #[error("第 {0} 行读不出来：{1}")]
    Unreadable(u32, String),
    /// The form is a Word document.
    #[error("“{0}”不是名单，请用 certpress form fill {0}")]
    NotASheet(String),
    /// The spreadsheet could not be written.
    #[error("电子表格写不出来：{0}")]
    Write(#[from] XlsxError),
}

/// Writes the rows as an `.xlsx`, one sheet with the title as its name, the header repeated on every printed page.
/// Returns their number. `progress` is called after each row.
pub fn write_sheet<W: Write + Seek + Send>(
    form: &Form,
    rows: impl Iterator<Item = Result<Map<String, Value>, String>>,
    today: Date,
    out: W,
    progress: impl Fn(),
) -> Result<u32, SheetError> {
    let columns = &form.definition.fields;
    if !form.definition.sheet {
        return Err(SheetError::NotASheet(form.id.clone()));
    }
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Err(SheetError::Empty);
    }
    let head =
        Format::new().set_bold().set_align(FormatAlign::Center).set_align(FormatAlign::VerticalCenter).set_border(FormatBorder::Thin);
    let cell = Format::new().set_num_format("@").set_align(FormatAlign::VerticalCenter).set_text_wrap().set_border(FormatBorder::Thin);
    let mut book = Workbook::new();
    // The day of the list, not of the writing: the same rows give the same file.
    let created = ExcelDateTime::from_ymd(today.year().unsigned_abs(), today.month().unsigned_abs(), today.day().unsigned_abs())?;
    book.set_properties(&DocProperties::new().set_title(&form.definition.title).set_creation_datetime(&created));
    let sheet = book.add_worksheet_with_constant_memory()?;
    sheet.set_name(&form.definition.title)?;
    sheet.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0).set_repeat_rows(0, 0)?;
    sheet.set_freeze_panes(1, 0)?;
    let shown: Vec<usize> = (0..columns.len()).filter(|&i| columns.at(i).width.is_some()).collect();
    for (column, &field) in (0_u16..).zip(&shown) {
        sheet.set_column_width(column, columns.at(field).width.unwrap_or(12.0))?;
        sheet.write_string_with_format(0, column, columns.name(field), &head)?;
    }
    let (mut number, mut faults) = (0_u32, Vec::new());
    for row in rows {
        number += 1;
        if number > MAX_ROWS {
            return Err(SheetError::TooMany);
        }
        let data = row.map_err(|message| SheetError::Unreadable(number, message))?;
        let request = Request { data: &data, record: None, pictures: None::<&Path>, today, rules: None, draft: false };
        match cells(form, &request, &shown) {
            Ok(texts) => {
                for (column, text) in (0_u16..).zip(texts) {
                    sheet.write_string_with_format(number, column, text, &cell)?;
                }
            }
            Err(found) => {
                faults.extend(found.into_iter().map(|f| Fault::new(format!("第 {number} 行 {}", f.place), f.message)));
                if faults.len() >= MAX_FAULTS {
                    break;
                }
            }
        }
        progress();
    }
    if !faults.is_empty() {
        return Err(SheetError::Data(faults));
    }
    book.save_to_writer(out)?;
    Ok(number)
}

fn cells(form: &Form, request: &Request, shown: &[usize]) -> Result<Vec<String>, Vec<Fault>> {
    let definition = &form.definition;
    let answers = Answers::read(definition, request)?;
    let mut missing = Vec::new();
    let texts = shown
        .iter()
        .map(|&i| {
            let (name, field, answer) = (definition.fields.name(i), definition.fields.at(i), &answers.fields[i]);
            if *answer == super::Answer::Empty {
                if field.required {
                    missing.push(Fault::new(name.to_owned(), "缺少必填项".to_owned()));
                }
                return String::new();
            }
            let mut text = answer.printed(field);
            if let Some(brackets) = field.brackets.as_ref().filter(|b| answer.is(&b.when))
                && let Some(list) = definition.lists.position(&brackets.list)
                && !answers.lists[list].is_empty()
            {
                let columns = &definition.lists.at(list).fields;
                let row =
                    |row: &Vec<super::Answer>| (0..columns.len()).map(|c| row[c].printed(columns.at(c))).collect::<Vec<_>>().join(" ");
                let rows: Vec<String> = answers.lists[list].iter().map(row).collect();
                text = format!("{text}（{}）", rows.join("，"));
            }
            text
        })
        .collect();
    if missing.is_empty() { Ok(texts) } else { Err(missing) }
}
