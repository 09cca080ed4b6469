//! The placeholder language of layouts: words with `{holder.name}` or `{use.from|YYYY年M月D日}` in them.
//!
//! `{name}` stands for a value; `{name|form}` says how to write it. A form is a date pattern (`YYYY` year, `MM` or `M`
//! month, `DD` or `D` day, with or without a leading zero, everything else as it is), `masked`, which leaves the first
//! three and the last four characters, or the name of a table `[words.NAME]` that says what to print for each value.
//! `{{` and `}}` are braces.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use jiff::civil::Date;

use super::Issue;
use super::spec::nearest;
use crate::record::Specialty;

/// What a placeholder stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    TypeName,
    TypeCode,
    Identifier,
    Number,
    Serial,
    Version,
    HolderName,
    HolderSex,
    HolderBirthDate,
    HolderIdType,
    HolderIdNumber,
    HolderPhoto,
    HolderSignature,
    EmployerName,
    EmployerCode,
    IssuerName,
    IssuerCode,
    IssuedOn,
    ValidFrom,
    ValidTo,
    UseFrom,
    UseTo,
    Specialties,
    EntryName,
    EntryFrom,
    EntryTo,
    Field(String),
}

/// Every name, what it stands for, and how it may be used.
const NAMES: &[(&str, Value, Kind)] = &[
    ("type.name", Value::TypeName, Kind::Text),
    ("type.code", Value::TypeCode, Kind::Text),
    ("identifier", Value::Identifier, Kind::Text),
    ("number", Value::Number, Kind::Text),
    ("serial", Value::Serial, Kind::Text),
    ("version", Value::Version, Kind::Text),
    ("holder.name", Value::HolderName, Kind::Text),
    ("holder.sex", Value::HolderSex, Kind::Text),
    ("holder.birth_date", Value::HolderBirthDate, Kind::Date),
    ("holder.id_type", Value::HolderIdType, Kind::Text),
    ("holder.id_number", Value::HolderIdNumber, Kind::Text),
    ("holder.photo", Value::HolderPhoto, Kind::OnlyWhen),
    ("holder.signature", Value::HolderSignature, Kind::OnlyWhen),
    ("employer.name", Value::EmployerName, Kind::Text),
    ("employer.code", Value::EmployerCode, Kind::Text),
    ("issuer.name", Value::IssuerName, Kind::Text),
    ("issuer.code", Value::IssuerCode, Kind::Text),
    ("issued_on", Value::IssuedOn, Kind::Date),
    ("valid.from", Value::ValidFrom, Kind::Date),
    ("valid.to", Value::ValidTo, Kind::Date),
    ("use.from", Value::UseFrom, Kind::Date),
    ("use.to", Value::UseTo, Kind::Date),
    ("specialties", Value::Specialties, Kind::OnlyWhen),
    ("name", Value::EntryName, Kind::EntryText),
    ("valid_from", Value::EntryFrom, Kind::EntryDate),
    ("valid_to", Value::EntryTo, Kind::EntryDate),
];

/// How a value may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Printed as text.
    Text,
    /// Printed as a date.
    Date,
    /// Text of one entry, where a text has `each`.
    EntryText,
    /// Date of one entry, where a text has `each`.
    EntryDate,
    /// Asked for by `when`, never printed.
    OnlyWhen,
    /// Text that may be an ISO date: a further field.
    Field,
}

/// Where a placeholder stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// An ordinary text.
    Record,
    /// A text with `each`.
    Entry,
    /// A `when`.
    When,
}

impl Value {
    fn parse(name: &str, scope: Scope) -> Result<(Self, Kind), String> {
        if let Some(field) = name.strip_prefix("fields.").filter(|f| !f.is_empty()) {
            return Ok((Self::Field(field.to_owned()), Kind::Field));
        }
        let usable = |kind: Kind| match kind {
            Kind::EntryText | Kind::EntryDate => scope == Scope::Entry,
            Kind::OnlyWhen => scope == Scope::When,
            Kind::Text | Kind::Date | Kind::Field => true,
        };
        match NAMES.iter().find(|(known, ..)| *known == name) {
            Some((_, value, kind)) if usable(*kind) => Ok((value.clone(), *kind)),
            Some((_, _, Kind::OnlyWhen)) => Err(format!("`{name}` cannot be printed; it is for `when`")),
            Some(_) => Err(format!("`{name}` is known only in a text with `each`")),
            None => Err(match nearest(name, NAMES.iter().map(|(known, ..)| *known)) {
                Some(near) => format!("unknown placeholder `{name}`; did you mean `{near}`?"),
                None => format!("unknown placeholder `{name}`; further values of a record are `fields.…`"),
            }),
        }
    }

    /// Reads the placeholder of a `when`.
    pub fn parse_condition(name: &str) -> Result<Self, String> {
        Self::parse(name, Scope::When).map(|(value, _)| value)
    }
}

/// Parts of a date.
#[derive(Clone, PartialEq, Eq, Debug)]
enum DatePart {
    Year,
    Month { padded: bool },
    Day { padded: bool },
    Literal(char),
}

/// How a date is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct DateForm(Vec<DatePart>);

impl DateForm {
    /// Reads `YYYY年MM月DD日` and the like.
    pub fn parse(form: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = form;
        while let Some(ch) = rest.chars().next() {
            let (part, length) = match ch {
                'Y' if rest.starts_with("YYYY") => (DatePart::Year, 4),
                'M' => (DatePart::Month { padded: rest.starts_with("MM") }, if rest.starts_with("MM") { 2 } else { 1 }),
                'D' => (DatePart::Day { padded: rest.starts_with("DD") }, if rest.starts_with("DD") { 2 } else { 1 }),
                'A'..='Z' | 'a'..='z' => return Err(format!("`{form}` is no date form; write it with YYYY, MM or M, DD or D")),
                other => (DatePart::Literal(other), other.len_utf8()),
            };
            parts.push(part);
            rest = &rest[length..];
        }
        if parts.contains(&DatePart::Year) {
            Ok(Self(parts))
        } else {
            Err(format!("`{form}` is no date form; write it with YYYY, MM or M, DD or D"))
        }
    }

    fn write(&self, date: Date, out: &mut String) {
        for part in &self.0 {
            match part {
                DatePart::Year => write!(out, "{:04}", date.year()),
                DatePart::Month { padded: true } => write!(out, "{:02}", date.month()),
                DatePart::Month { padded: false } => write!(out, "{}", date.month()),
                DatePart::Day { padded: true } => write!(out, "{:02}", date.day()),
                DatePart::Day { padded: false } => write!(out, "{}", date.day()),
                DatePart::Literal(ch) => out.write_char(*ch),
            }
            .expect("a string takes it");
        }
    }
}

/// How a licence type writes values.
pub(super) struct Forms {
    /// Dates whose placeholder does not say how.
    pub dates: DateForm,
    /// `[words.NAME]`: what to print for each value.
    pub words: BTreeMap<String, Arc<BTreeMap<String, String>>>,
}

/// How a value is written.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    Plain,
    Date(DateForm),
    Masked,
    Words(Arc<BTreeMap<String, String>>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Literal(String),
    Value { name: String, value: Value, form: Form },
}

/// Words with placeholders, parsed once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Template(Vec<Part>);

/// Why a text is no template: where in it, and what is wrong.
pub(super) type TemplateFault = (usize, String);

impl Template {
    /// Parses; dates without a form get the type's.
    pub fn parse(text: &str, scope: Scope, forms: &Forms) -> Result<Self, TemplateFault> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(ch) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(ch);
                at += 2;
            } else if ch == '{' {
                let end = rest.find('}').ok_or_else(|| (at, "a placeholder is not closed with }".to_owned()))?;
                let part = Self::placeholder(&rest[1..end], scope, forms).map_err(|message| (at + 1, message))?;
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(part);
                at += end + 1;
            } else if ch == '}' {
                return Err((at, "a lone }; write }} for the character itself".to_owned()));
            } else {
                literal.push(ch);
                at += ch.len_utf8();
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    fn placeholder(inside: &str, scope: Scope, forms: &Forms) -> Result<Part, String> {
        let (name, form) = inside.split_once('|').map_or((inside, None), |(name, form)| (name, Some(form)));
        let (value, kind) = Value::parse(name, scope)?;
        let is_date = matches!(kind, Kind::Date | Kind::EntryDate);
        let form = match form {
            None if is_date => Form::Date(forms.dates.clone()),
            None => Form::Plain,
            Some(form) if is_date => Form::Date(DateForm::parse(form)?),
            Some("masked") => Form::Masked,
            Some(form) => match forms.words.get(form) {
                Some(words) => Form::Words(Arc::clone(words)),
                None if kind == Kind::Field => Form::Date(DateForm::parse(form)?),
                None => return Err(format!("`{name}` cannot be written as `{form}`: it is no date, and there is no [words.{form}]")),
            },
        };
        Ok(Part::Value { name: name.to_owned(), value, form })
    }

    /// The words, when there is no placeholder in them.
    pub fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Literal(words)] => Some(words),
            _ => None,
        }
    }

    /// The further fields that it prints.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Value { value: Value::Field(field), .. } => Some(field.as_str()),
            _ => None,
        })
    }

    /// Writes the words with the values of a licence.
    pub fn fill(&self, facts: &Facts, out: &mut String) -> Result<(), ValueFault> {
        for part in &self.0 {
            match part {
                Part::Literal(words) => out.push_str(words),
                Part::Value { name, value, form } => {
                    let fact = facts.find(value).ok_or_else(|| ValueFault::Missing(name.clone()))?;
                    fact.write(name, form, out)?;
                }
            }
        }
        Ok(())
    }
}

/// Why a placeholder cannot be filled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum ValueFault {
    /// The record has no such value.
    Missing(String),
    /// The value is to be written as a date and is none.
    NoDate(String),
    /// The table of words has nothing for the value.
    NoWord {
        /// The placeholder.
        name: String,
        /// The value.
        value: String,
    },
}

impl fmt::Display for ValueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "prints `{name}`, which the record does not have"),
            Self::NoDate(name) => write!(f, "prints `{name}` as a date; write it in the record as YYYY-MM-DD"),
            Self::NoWord { name, value } => write!(f, "prints words for `{name}`, and the layout has none for `{value}`"),
        }
    }
}

/// Where values come from.
pub(super) struct Facts<'a> {
    /// 证照名称.
    pub type_name: &'a str,
    /// 证照类型代码.
    pub type_code: &'a str,
    /// The licence.
    pub issue: &'a Issue<'a>,
    /// The entry, in a text with `each`.
    pub entry: Option<&'a Specialty>,
}

/// One value as it stands in the record.
enum Fact<'a> {
    Text(&'a str),
    Date(Date),
    Number(u16),
    /// There, but nothing that can be written.
    Present,
}

impl Facts<'_> {
    /// Whether the record has the value.
    pub fn has(&self, value: &Value) -> bool {
        self.find(value).is_some()
    }

    fn find(&self, value: &Value) -> Option<Fact<'_>> {
        let record = self.issue.annotated.record();
        let period = self.issue.annotated.period();
        let text = |t| Some(Fact::Text(t));
        match value {
            Value::TypeName => text(self.type_name),
            Value::TypeCode => text(self.type_code),
            Value::Identifier => text(self.issue.identifier),
            Value::Number => text(&record.number),
            Value::Serial => text(&record.serial),
            Value::Version => Some(Fact::Number(record.version)),
            Value::HolderName => text(&record.holder.name),
            Value::HolderSex => record.holder.sex.map(|sex| Fact::Text(sex.as_str())),
            Value::HolderBirthDate => record.holder.birth_date.map(Fact::Date),
            Value::HolderIdType => text(&record.holder.id_type),
            Value::HolderIdNumber => text(&record.holder.id_number),
            Value::HolderPhoto => record.holder.photo.as_ref().map(|_| Fact::Present),
            Value::HolderSignature => record.holder.signature.as_ref().map(|_| Fact::Present),
            Value::EmployerName => record.employer.as_ref().map(|e| Fact::Text(&e.name)),
            Value::EmployerCode => record.employer.as_ref().and_then(|e| e.uscc.as_deref()).map(Fact::Text),
            Value::IssuerName => text(&record.issuer.name),
            Value::IssuerCode => text(&record.issuer.code),
            Value::IssuedOn => Some(Fact::Date(record.issued_on)),
            Value::ValidFrom => self.issue.annotated.valid_from().map(Fact::Date),
            Value::ValidTo => self.issue.annotated.valid_to().map(Fact::Date),
            Value::UseFrom => period.map(|p| Fact::Date(p.from)),
            Value::UseTo => period.map(|p| Fact::Date(p.to)),
            Value::Specialties => self.issue.annotated.live().next().map(|_| Fact::Present),
            Value::EntryName => self.entry.map(|e| Fact::Text(&e.name)),
            Value::EntryFrom => self.entry.and_then(|e| e.valid_from).map(Fact::Date),
            Value::EntryTo => self.entry.and_then(|e| e.valid_to).map(Fact::Date),
            Value::Field(name) => record.fields.get(name).filter(|v| !v.is_empty()).map(|v| Fact::Text(v)),
        }
    }
}

impl Fact<'_> {
    fn write(&self, name: &str, form: &Form, out: &mut String) -> Result<(), ValueFault> {
        match (self, form) {
            (Self::Text(text), Form::Plain) => out.push_str(text),
            (Self::Text(text), Form::Masked) => mask(text, out),
            (Self::Text(text), Form::Words(words)) => {
                let word = words.get(*text);
                out.push_str(word.ok_or_else(|| ValueFault::NoWord { name: name.to_owned(), value: (*text).to_owned() })?);
            }
            (Self::Text(text), Form::Date(form)) => {
                form.write(text.parse().map_err(|_| ValueFault::NoDate(name.to_owned()))?, out);
            }
            (Self::Date(date), Form::Date(form)) => form.write(*date, out),
            (Self::Number(number), _) => write!(out, "{number}").expect("a string takes it"),
            (Self::Date(_), Form::Plain | Form::Masked | Form::Words(_)) | (Self::Present, _) => {
                unreachable!("`{name}` got its form by its kind when the layout was read")
            }
        }
        Ok(())
    }
}

/// Leaves the first three and the last four characters; of a short text, nothing.
pub(super) fn mask(text: &str, out: &mut String) {
    let length = text.chars().count();
    let (head, tail) = if length > 8 { (3, 4) } else { (0, 0) };
    out.extend(text.chars().enumerate().map(|(i, ch)| if i < head || i + tail >= length { ch } else { '*' }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms() -> Forms {
        let words = BTreeMap::from([("A".to_owned(), "企业主要负责人".to_owned())]);
        Forms { dates: DateForm::parse("YYYY年MM月DD日").unwrap(), words: BTreeMap::from([("post".to_owned(), Arc::new(words))]) }
    }

    fn fault(text: &str) -> TemplateFault {
        Template::parse(text, Scope::Record, &forms()).unwrap_err()
    }

    #[test]
    fn dates_are_written_as_the_form_says() {
        let date = jiff::civil::date(2021, 4, 22);
        for (form, written) in [
            ("YYYY年MM月DD日", "2021年04月22日"),
            ("YYYY年M月D日", "2021年4月22日"),
            ("YYYY-MM-DD", "2021-04-22"),
            ("YYYY-M-D", "2021-4-22"),
        ] {
            let mut out = String::new();
            DateForm::parse(form).unwrap().write(date, &mut out);
            assert_eq!(out, written);
        }
        for form in ["年月日", "MM-DD", "yyyy-mm-dd", "YYY年M月D日"] {
            assert!(DateForm::parse(form).is_err(), "{form}");
        }
    }

    #[test]
    fn faults_say_where_and_what_was_meant() {
        assert_eq!(fault("编号：{nubmer}"), (10, "unknown placeholder `nubmer`; did you mean `number`?".to_owned()));
        assert_eq!(fault("{name}").1, "`name` is known only in a text with `each`");
        assert_eq!(fault("{holder.photo}").1, "`holder.photo` cannot be printed; it is for `when`");
        assert_eq!(fault("{number|YYYY}").1, "`number` cannot be written as `YYYY`: it is no date, and there is no [words.YYYY]");
        assert_eq!(fault("王{number").0, 3);
        assert_eq!(fault("王}").0, 3);
    }

    #[test]
    fn words_without_placeholders_are_fixed() {
        let parse = |text| Template::parse(text, Scope::Record, &forms()).unwrap();
        assert_eq!(parse("姓名：").fixed(), Some("姓名："));
        assert_eq!(parse("a {{b}} c").fixed(), Some("a {b} c"));
        assert_eq!(parse("{number}").fixed(), None);
        assert_eq!(parse("{fields.职务}（{fields.岗位类别|post}）").fields().collect::<Vec<_>>(), ["职务", "岗位类别"]);
    }

    #[test]
    fn masks_leave_three_and_four() {
        let mut out = String::new();
        mask("110000198506120010", &mut out);
        assert_eq!(out, "110***********0010");
        out.clear();
        mask("C01X00T4", &mut out);
        assert_eq!(out, "********");
    }
}
