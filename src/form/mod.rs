//! Word application forms: a template that a clerk edits in Word, its definition in TOML, and the data that fills it.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::annotation::{Rules, WindowRefusal};
use crate::record::Record;

mod definition;
mod drawing;
mod package;
mod prefill;
mod sheet;
mod template;
mod value;
mod xml;

pub use definition::{Definition, Field, Kind, List, Named};
pub use sheet::{SheetError, write_sheet};

use definition::nearest;
use drawing::Pictures;
use package::Package;
use template::{Node, Place, Program};
use value::{Answer, Answers};

/// The forms compiled into the binary: name and content of every file of `layouts/forms`.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/forms.rs"));

/// A form, ready to fill.
pub struct Form {
    /// Id, the name of its files.
    pub id: String,
    /// What it asks for.
    pub definition: Definition,
    /// The template; a spreadsheet has none.
    template: Option<Template>,
}

struct Template {
    package: Package,
    programs: Vec<Program>,
    /// Whether each field stands anywhere in the template.
    placed: Vec<bool>,
}

/// What to fill a form with.
pub struct Request<'a> {
    /// The values, by field name; lists are arrays of objects.
    pub data: &'a Map<String, Value>,
    /// The licence that values not given are taken from.
    pub record: Option<&'a Record>,
    /// Where relative paths of pictures start; none when no file may be read.
    pub pictures: Option<&'a Path>,
    /// The day of the application.
    pub today: Date,
    /// The rules whose windows must be open; none to leave them out.
    pub rules: Option<&'a Rules>,
    /// Whether required fields may be empty, for writing by hand.
    pub draft: bool,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}：{message}")]
pub struct Fault {
    /// The field, or the place in the template.
    pub place: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Fault {
    fn new(place: String, message: String) -> Self {
        Self { place, message }
    }
}

/// Why a form cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// No such form.
    #[error("没有表格“{id}”{}", near.as_ref().map_or_else(String::new, |near| format!("，是不是“{near}”？")))]
    Unknown {
        /// What was asked for.
        id: String,
        /// The nearest known one.
        near: Option<String>,
    },
    /// The template or its definition has faults.
    #[error("模板有误：\n{}", lines(.0))]
    Template(Vec<Fault>),
    /// The data has faults.
    #[error("填写有误：\n{}", lines(.0))]
    Data(Vec<Fault>),
    /// The application is not accepted on that day.
    #[error(transparent)]
    Window(#[from] WindowRefusal),
    /// The spreadsheet has no Word template.
    #[error("“{0}”是电子表格，请用 certpress list {0}")]
    Sheet(String),
    /// The package cannot be written.
    #[error("文档写不出来：{0}")]
    Package(#[from] zip::result::ZipError),
}

/// Faults, a line each.
fn lines(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n")
}

/// Ids and titles of the forms compiled into the binary.
pub fn embedded() -> impl Iterator<Item = (&'static str, String)> {
    definitions().map(|(id, text)| (id, Definition::parse(id, text).map_or_else(|_| String::new(), |d| d.title)))
}

/// The definition of a form compiled into the binary.
pub fn embedded_definition(id: &str) -> Option<&'static str> {
    definitions().find(|(known, _)| *known == id).map(|(_, text)| text)
}

fn definitions() -> impl Iterator<Item = (&'static str, &'static str)> {
    EMBEDDED.iter().filter_map(|(name, bytes)| Some((name.strip_suffix(".toml")?, std::str::from_utf8(bytes).ok()?)))
}

impl Form {
    /// A form that is compiled into the binary.
    pub fn embedded(id: &str) -> Result<Self, FormError> {
        let file = |name: String| EMBEDDED.iter().find(|(n, _)| *n == name).map(|(_, bytes)| *bytes);
        let Some(text) = embedded_definition(id) else {
            return Err(FormError::Unknown { id: id.to_owned(), near: nearest(id, definitions().map(|(id, _)| id.to_owned())) });
        };
        Self::parse(id, text, file(format!("{id}.docx"))).map_err(FormError::Template)
    }

    /// A form from its definition and template. Every fault of both is listed.
    pub fn parse(id: &str, definition: &str, template: Option<&[u8]>) -> Result<Self, Vec<Fault>> {
        let definition = Definition::parse(&format!("{id}.toml"), definition)?;
        let template = match template {
            _ if definition.sheet => None,
            Some(bytes) => Some(Template::open(&format!("{id}.docx"), bytes, &definition)?),
            None => return Err(vec![Fault::new(format!("{id}.docx"), "没有这个模板文件".to_owned())]),
        };
        Ok(Self { id: id.to_owned(), definition, template })
    }

    /// The form filled in, as a `.docx`.
    pub fn fill(&self, request: &Request) -> Result<Vec<u8>, FormError> {
        let template = self.template.as_ref().ok_or_else(|| FormError::Sheet(self.id.clone()))?;
        let answers = Answers::read(&self.definition, request).map_err(FormError::Data)?;
        if let Some(rules) = request.rules {
            self.accept(&answers, rules, request.today)?;
        }
        template.write(&self.definition, &answers, Purpose::of(request))
    }

    /// The empty form, for writing by hand.
    pub fn blank(&self, today: Date) -> Result<Vec<u8>, FormError> {
        let template = self.template.as_ref().ok_or_else(|| FormError::Sheet(self.id.clone()))?;
        let data = Map::new();
        let request = Request { data: &data, record: None, pictures: None, today, rules: None, draft: true };
        let mut answers = Answers::read(&self.definition, &request).map_err(FormError::Data)?;
        answers.fields.fill(Answer::Empty);
        template.write(&self.definition, &answers, Purpose::Blank)
    }

    /// The value that names the file when many are made at once.
    pub fn file_name(&self, data: &Map<String, Value>) -> Option<String> {
        let name = data.get(self.definition.named_by.as_ref()?)?.as_str()?;
        let safe: String = name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).take(80).collect();
        Some(safe.trim_matches('.').to_owned()).filter(|name| !name.is_empty())
    }

    /// Whether the window of the business is open: `domain.md` §4 by way of the licence type's rules.
    fn accept(&self, answers: &Answers, rules: &Rules, today: Date) -> Result<(), WindowRefusal> {
        let Some(window) = &self.definition.window else { return Ok(()) };
        let date = |answer: &Answer| if let Answer::Date(date) = answer { Some(*date) } else { None };
        let birth = window.birth.as_ref().and_then(|birth| date(&answers.fields[self.definition.fields.position(birth)?]));
        let mut registrations = Vec::new();
        if let Some((list, ends)) = window.list.as_ref().zip(window.ends.as_ref())
            && let Some(list) = self.definition.lists.position(list)
        {
            let columns = &self.definition.lists.at(list).fields;
            let cell = |row: &Vec<Answer>, name: &String| columns.position(name).map_or(Answer::Empty, |column| row[column].clone());
            for row in &answers.lists[list] {
                let counts = window.when.as_ref().is_none_or(|when| when.values.iter().any(|v| cell(row, &when.field).is(v)));
                if let Some(end) = date(&cell(row, ends)).filter(|_| counts) {
                    let name = window.name.as_ref().map_or_else(String::new, |name| cell(row, name).printed(&Field::default()));
                    registrations.push((name, end));
                }
            }
        }
        crate::annotation::accept(window.business, &registrations, birth, rules, today).map(drop)
    }
}

/// What a document is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// An application, complete.
    Application,
    /// A prefilled form that is finished by hand.
    Draft,
    /// An empty form.
    Blank,
}

impl Purpose {
    fn of(request: &Request) -> Self {
        if request.draft { Self::Draft } else { Self::Application }
    }
}

impl Template {
    fn open(file: &str, bytes: &[u8], definition: &Definition) -> Result<Self, Vec<Fault>> {
        let package = Package::open(file, bytes)?;
        let (mut programs, mut faults) = (Vec::new(), Vec::new());
        for (part, source) in package.story_parts() {
            match template::compile(definition, part, source) {
                Ok(program) => programs.push(program),
                Err(found) => faults.extend(found),
            }
            faults.extend(template::clipped_pictures(definition, source).into_iter().map(|m| Fault::new(file.to_owned(), m)));
        }
        if faults.is_empty() {
            let missing = template::missing(definition, &programs);
            faults.extend(missing.into_iter().map(|name| Fault::new(file.to_owned(), format!("模板里没有字段“{name}”，填写的内容会丢失"))));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut placed = vec![false; definition.fields.len()];
        let mut all = Vec::new();
        for program in &programs {
            template::places(&program.nodes, &mut all);
        }
        for place in all {
            if let Place::Field(field) = place {
                placed[field] = true;
            }
        }
        Ok(Self { package, programs, placed })
    }

    fn write(&self, definition: &Definition, answers: &Answers, purpose: Purpose) -> Result<Vec<u8>, FormError> {
        let mut writer = Writer {
            definition,
            answers,
            purpose,
            blocks: definition.blocks.iter().map(|(_, block)| printed(block, definition, answers, purpose)).collect(),
            seen: self.placed.iter().map(|placed| !placed).collect(),
            pictures: Pictures::default(),
            faults: Vec::new(),
        };
        let mut changed = BTreeMap::new();
        for program in self.programs.iter().filter(|program| program.nodes.len() > 1) {
            let mut out = String::with_capacity(program.source.len() * 2);
            writer.run(program, &program.nodes, None, &mut out);
            changed.insert(program.part.clone(), out.into_bytes());
        }
        if purpose == Purpose::Application {
            // What stands only in parts that are not printed is not asked for.
            for (index, (name, field)) in definition.fields.iter().enumerate() {
                if field.required && answers.fields[index] == Answer::Empty && writer.seen[index] {
                    writer.faults.push(Fault::new(name.to_owned(), "缺少必填项".to_owned()));
                }
            }
        }
        if !writer.faults.is_empty() {
            return Err(FormError::Data(writer.faults));
        }
        writer.pictures.finish(&self.package, &mut changed);
        Ok(self.package.write(&changed)?)
    }
}

fn printed(block: &definition::Block, definition: &Definition, answers: &Answers, purpose: Purpose) -> bool {
    if purpose == Purpose::Blank {
        return block.blank;
    }
    let holds = |condition: &definition::Condition| {
        let field = definition.fields.position(&condition.field).expect("the definition was checked");
        let answer = &answers.fields[field];
        condition.values.iter().any(|value| answer.is(value) || (value == "*" && *answer != Answer::Empty))
    };
    block.when.as_ref().is_none_or(holds) && !block.unless.as_ref().is_some_and(holds)
}

struct Writer<'a> {
    definition: &'a Definition,
    answers: &'a Answers,
    purpose: Purpose,
    /// Whether each block is printed.
    blocks: Vec<bool>,
    /// Whether each field was printed.
    seen: Vec<bool>,
    pictures: Pictures,
    faults: Vec<Fault>,
}

impl Writer<'_> {
    fn run(&mut self, program: &Program, nodes: &[Node], row: Option<usize>, out: &mut String) {
        for node in nodes {
            match node {
                Node::Copy(range) => out.push_str(&program.source[range.clone()]),
                Node::CopyOnce(range) if row.is_none_or(|row| row == 0) => out.push_str(&program.source[range.clone()]),
                Node::Write(text) => out.push_str(text),
                Node::Value(place) => self.value(program, *place, row, ["</w:t>", "<w:t xml:space=\"preserve\">"], out),
                Node::Run(place) => {
                    out.push_str("<w:t xml:space=\"preserve\">");
                    self.value(program, *place, row, ["</w:t>", "<w:t xml:space=\"preserve\">"], out);
                    out.push_str("</w:t>");
                }
                Node::Pick(place, option, texts) => {
                    self.see(*place);
                    out.push_str(texts[usize::from(!self.answers.at(*place, row).is(option))]);
                }
                Node::Control(place, original, filled) => match self.answers.at(*place, row) {
                    Answer::Empty => out.push_str(&program.source[original.clone()]),
                    _ => self.run(program, filled, row, out),
                },
                Node::Repeat(list, body) => {
                    let least = self.definition.lists.at(*list).least;
                    for row in 0..self.answers.lists[*list].len().max(least) {
                        self.run(program, body, Some(row), out);
                    }
                }
                Node::Block(block, body) if self.blocks[*block] => self.run(program, body, row, out),
                Node::CopyOnce(_) | Node::Block(..) => {}
            }
        }
    }

    /// A value inside an open `w:t`; what is no plain text closes it and opens it again.
    fn value(&mut self, program: &Program, place: Place, row: Option<usize>, [close, open]: [&str; 2], out: &mut String) {
        self.see(place);
        let field = field(self.definition, place);
        let drawn = match self.answers.at(place, row) {
            Answer::Picture(picture) => Some(picture.clone()),
            _ if field.kind == Kind::Qr => self.qr(field),
            answer => {
                for (i, line) in answer.printed(field).split('\n').enumerate() {
                    if i > 0 {
                        out.push_str(close);
                        out.push_str("<w:br/>");
                        out.push_str(open);
                    }
                    for (i, piece) in line.split('\t').enumerate() {
                        if i > 0 {
                            out.push_str(close);
                            out.push_str("<w:tab/>");
                            out.push_str(open);
                        }
                        xml::escape_into(piece, out);
                    }
                }
                None
            }
        };
        if let Some(picture) = drawn {
            out.push_str(close);
            let label = full_name(self.definition, &place);
            self.pictures.draw(&program.part, picture, field.box_mm.unwrap_or([25.0, 35.0]), &label, out);
            out.push_str(open);
        }
    }

    fn qr(&mut self, field: &Field) -> Option<value::Picture> {
        let of = self.definition.fields.position(field.of.as_ref()?)?;
        let Answer::Text(text) = &self.answers.fields[of] else { return None };
        if self.purpose == Purpose::Blank {
            return None;
        }
        drawing::qr(text).map_err(|message| self.faults.push(Fault::new(self.definition.fields.name(of).to_owned(), message))).ok()
    }

    fn see(&mut self, place: Place) {
        if let Place::Field(field) = place {
            self.seen[field] = true;
        }
    }
}

/// The definition of the field at a place.
fn field(definition: &Definition, place: Place) -> &Field {
    match place {
        Place::Field(field) => definition.fields.at(field),
        Place::Column(list, column) => definition.lists.at(list).fields.at(column),
    }
}

/// `字段` or `列表.列`.
fn full_name(definition: &Definition, place: &Place) -> String {
    match *place {
        Place::Field(field) => definition.fields.name(field).to_owned(),
        Place::Column(list, column) => format!("{}.{}", definition.lists.name(list), definition.lists.at(list).fields.name(column)),
    }
}
