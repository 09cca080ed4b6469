//! One record from its JSON form: every fault found in one pass, or a record that is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::identifier::{self, Bearer, HolderType, IdentifierError, masked};
use super::text::{self, TextError};
use super::{Employer, Fault, Holder, Issuer, Loaded, Options, Picture, PictureKind, Record, Sex, Specialty, Status, day};

/// The longest name of a company or an authority, in characters.
const LONGEST_COMPANY: usize = 120;

/// The longest further value.
const LONGEST_FIELD: usize = 500;

/// No licence lists more 专业 or qualification lines.
const MOST_SPECIALTIES: usize = 30;

/// No licence type prints more further values.
const MOST_FIELDS: usize = 60;

/// The largest photo or signature file that is read at all.
const MOST_PICTURE_BYTES: u64 = 30 * 1024 * 1024;

const RECORD_KEYS: &[&str] = &[
    "licence_type",
    "number",
    "serial",
    "version",
    "holder",
    "employer",
    "specialties",
    "valid_from",
    "valid_to",
    "issuer",
    "issued_on",
    "status",
    "reported",
    "fields",
];
const HOLDER_KEYS: &[&str] = &["name", "sex", "birth_date", "id_type", "id_number", "phone_bound", "photo", "signature"];
const EMPLOYER_KEYS: &[&str] = &["name", "uscc"];
const SPECIALTY_KEYS: &[&str] = &["name", "valid_from", "valid_to"];
const ISSUER_KEYS: &[&str] = &["name", "code"];

impl Record {
    /// Reads one record. `place` names it in messages; picture paths count from `base`, and without one only `data:` pictures
    /// are accepted.
    pub fn from_json(value: &Value, place: &str, base: Option<&Path>, options: &Options) -> Loaded {
        load(value, place, base, options, Vec::new())
    }

    /// Reads a record that was accepted before, from the JSON that it has given since: what needs a look at the world around
    /// it, or much time, is not examined again.
    pub fn from_kept_json(value: &Value, place: &str) -> Result<Self, Vec<Fault>> {
        let options = Options { today: Date::MAX, lenient_identifiers: true };
        parse(value, place, &Pictures::Kept, &options, Vec::new()).record
    }
}

/// As [`Record::from_json`], with faults that were found on the way to the JSON form. A field has one fault: the first.
pub(super) fn load(value: &Value, place: &str, base: Option<&Path>, options: &Options, faults: Vec<Fault>) -> Loaded {
    parse(value, place, &base.map_or(Pictures::Within, Pictures::Below), options, faults)
}

fn parse(value: &Value, place: &str, pictures: &Pictures<'_>, options: &Options, faults: Vec<Fault>) -> Loaded {
    let mut parser = Parser { place, pictures, options, faults, warnings: Vec::new() };
    let record = parser.record(value);
    let number = value.get("number").and_then(Value::as_str).and_then(|n| licence_number(n).ok());
    let record = match record {
        Some(record) if parser.faults.is_empty() => Ok(record),
        _ => Err(parser.faults),
    };
    Loaded { source: place.to_owned(), number, record, warnings: parser.warnings }
}

/// An object of the input, and where it stands.
struct Object<'v> {
    map: &'v Map<String, Value>,
    path: String,
}

impl<'v> Object<'v> {
    fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of a key; `null` is no value.
    fn value(&self, key: &str) -> Option<&'v Value> {
        self.map.get(key).filter(|v| !v.is_null())
    }
}

/// Where a record's pictures are.
enum Pictures<'a> {
    /// In files below this folder, or within the record.
    Below(&'a Path),
    /// Within the record.
    Within,
    /// Within the record, and examined when it was accepted.
    Kept,
}

/// What is known while a record is read. A method that gives `None` for what must be there has noted a fault.
struct Parser<'a> {
    place: &'a str,
    pictures: &'a Pictures<'a>,
    options: &'a Options,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Parser<'_> {
    fn record(&mut self, value: &Value) -> Option<Record> {
        let object = self.object(value, "", RECORD_KEYS)?;
        let licence_type = self.required_text(&object, "licence_type", "a licence type such as constructor-1", licence_type);
        let number = self.required_text(&object, "number", "the licence number", licence_number);
        let serial = self.required_text(&object, "serial", "the serial of the licence identifier", |raw| {
            identifier::serial_number(raw).map(|()| raw.to_owned()).map_err(|e| e.to_string())
        });
        let version = self.version(&object);
        let holder = self.member(&object, "holder", HOLDER_KEYS, true).and_then(|o| self.holder(&o));
        let employer = self.member(&object, "employer", EMPLOYER_KEYS, false).and_then(|o| self.employer(&o));
        let specialties = self.specialties(&object);
        let (valid_from, valid_to) = self.period(&object);
        let issuer = self.member(&object, "issuer", ISSUER_KEYS, true).and_then(|o| self.issuer(&o));
        let issued_on = self.required_date(&object, "issued_on");
        let status = self.required_text(&object, "status", "one of valid, suspended, cancelled, revoked, withdrawn", status);
        let reported = self.flag(&object, "reported", None);
        let fields = self.fields(&object);
        let endless = specialties.is_empty() || specialties.iter().any(|s| s.valid_to.is_none());
        let said = self.faults.iter().any(|f| f.field == "valid_to" || f.field.starts_with("specialties"));
        if valid_to.is_none() && endless && !said {
            self.fault("valid_to", "no last day of validity: give it here or for each of the specialties");
        }
        Some(Record {
            licence_type: licence_type?,
            number: number?,
            serial: serial?,
            version,
            holder: holder?,
            employer,
            specialties,
            valid_from,
            valid_to,
            issuer: issuer?,
            issued_on: issued_on?,
            status: status?,
            reported: reported?,
            fields,
        })
    }

    fn holder(&mut self, object: &Object) -> Option<Holder> {
        let kind = self.required_text(object, "id_type", "a holder code type such as 111", |raw| {
            HolderType::from_code(raw).ok_or_else(|| {
                let known = HolderType::ALL.map(|t| format!("{} {}", t.code(), t.name())).join(", ");
                format!("{} is not a holder code type (GB/T 36903); expected one of {known}", shown(raw))
            })
        });
        let person = kind.is_none_or(HolderType::is_person);
        let name = self.required_text(object, "name", "the holder's name", |raw| {
            if person { text::name(raw) } else { text::line(raw, LONGEST_COMPANY) }.map_err(|e| about(raw, e))
        });
        let id_number = self.required_text(object, "id_number", "the number of the identity document", |raw| {
            // Never quoted: it may be an identity number with one stray character.
            text::line(raw, 64).map(|n| n.to_uppercase()).map_err(|e| e.to_string())
        });
        let bearer = kind.zip(id_number.as_deref()).and_then(|(kind, number)| self.identity(kind, number, &object.path("id_number")));
        let sex = self.optional_text(object, "sex", "男 or 女", |raw| match raw {
            "男" => Ok(Sex::Male),
            "女" => Ok(Sex::Female),
            other => Err(format!("{} is not a sex; expected 男 or 女", shown(other))),
        });
        let birth_date = self.optional_date(object, "birth_date");
        if let Some(date) = birth_date
            && (date > self.options.today || date.year() < 1900)
        {
            self.fault(&object.path("birth_date"), "a birth date lies between 1900-01-01 and today");
        }
        for (key, given) in [("sex", object.value("sex").is_some()), ("birth_date", object.value("birth_date").is_some())] {
            if person && !given && bearer.is_none() && kind.is_some_and(|k| k != HolderType::Citizen) {
                self.fault(&object.path(key), "is missing; this kind of identity number does not tell it");
            } else if !person && given {
                self.fault(&object.path(key), "a company has none; leave it out");
            }
        }
        if let Some(bearer) = bearer {
            // Only a warning: numbers with a wrong digit for the sex were issued, and stay their bearers' numbers.
            if sex.is_some_and(|s| s != bearer.sex) {
                self.warn(&object.path("sex"), "does not agree with the sex that holder.id_number tells (17th digit)");
            }
            if birth_date.is_some_and(|d| d != bearer.birth_date) {
                self.fault(&object.path("birth_date"), "does not agree with the birth date inside holder.id_number (digits 7 to 14)");
            }
        }
        let phone_bound = self.flag(object, "phone_bound", Some(false));
        let photo = self.picture(object, "photo", PictureKind::Photo);
        let signature = self.picture(object, "signature", PictureKind::Signature);
        Some(Holder {
            name: name?,
            sex: sex.or(bearer.map(|b| b.sex)),
            birth_date: birth_date.or(bearer.map(|b| b.birth_date)),
            id_type: kind?.code().to_owned(),
            id_number: id_number?,
            phone_bound: phone_bound?,
            photo,
            signature,
        })
    }

    /// Checks the holder's number, and tells what it says about the person.
    fn identity(&mut self, kind: HolderType, number: &str, path: &str) -> Option<Bearer> {
        match kind.examine(number) {
            Ok(bearer) => bearer,
            Err(error) => {
                self.bad_identifier(path, kind.name(), number, error);
                // Whoever wrote a wrong check digit may still be told that the birth date differs.
                identifier::bearer(number).ok().filter(|_| error.is_check_digit())
            }
        }
    }

    fn employer(&mut self, object: &Object) -> Option<Employer> {
        let name = self.required_text(object, "name", "the company's name", company_name);
        let uscc = self.optional_text(object, "uscc", "a 统一社会信用代码", |raw| Ok(raw.trim().to_uppercase()));
        if let Some(code) = &uscc {
            self.credit_code(&object.path("uscc"), code);
        }
        Some(Employer { name: name?, uscc })
    }

    fn issuer(&mut self, object: &Object) -> Option<Issuer> {
        let name = self.required_text(object, "name", "the authority's name", company_name);
        let code = self.required_text(object, "code", "the authority's 统一社会信用代码", |raw| Ok(raw.trim().to_uppercase()));
        if let Some(code) = &code {
            self.credit_code(&object.path("code"), code);
        }
        Some(Issuer { name: name?, code: code? })
    }

    fn credit_code(&mut self, path: &str, code: &str) {
        if let Err(error) = identifier::credit_code(code) {
            self.bad_identifier(path, "统一社会信用代码", code, error);
        }
    }

    /// A wrong check digit is only a warning where that was asked for; everything else is a fault.
    fn bad_identifier(&mut self, path: &str, kind: &str, number: &str, error: IdentifierError) {
        let message = format!("{kind} `{}`: {error}", masked(number));
        if error.is_check_digit() && self.options.lenient_identifiers {
            self.warn(path, message);
        } else {
            self.fault(path, message);
        }
    }

    fn specialties(&mut self, object: &Object) -> Vec<Specialty> {
        let list = match object.value("specialties") {
            None => return Vec::new(),
            Some(Value::Array(list)) if list.len() <= MOST_SPECIALTIES => list,
            Some(Value::Array(list)) => {
                self.fault("specialties", format!("has {} entries; at most {MOST_SPECIALTIES} are accepted", list.len()));
                return Vec::new();
            }
            Some(other) => {
                self.fault("specialties", format!("expected a list of specialties, found {}", kind_of(other)));
                return Vec::new();
            }
        };
        let mut names = BTreeSet::new();
        let mut specialties = Vec::with_capacity(list.len());
        for (at, value) in list.iter().enumerate() {
            let Some(object) = self.object(value, &format!("specialties.{at}"), SPECIALTY_KEYS) else { continue };
            let name = self.required_text(&object, "name", "the specialty's full name, such as 建筑工程", company_name);
            let (valid_from, valid_to) = self.period(&object);
            let Some(name) = name else { continue };
            if !names.insert(name.clone()) {
                self.fault(&object.path("name"), format!("{} is listed twice", shown(&name)));
            }
            specialties.push(Specialty { name, valid_from, valid_to });
        }
        specialties
    }

    /// `valid_from` and `valid_to`, in that order in time.
    fn period(&mut self, object: &Object) -> (Option<Date>, Option<Date>) {
        let (from, to) = (self.optional_date(object, "valid_from"), self.optional_date(object, "valid_to"));
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            self.fault(&object.path("valid_to"), format!("{to} lies before valid_from {from}"));
        }
        (from, to)
    }

    fn fields(&mut self, object: &Object) -> BTreeMap<String, String> {
        let map = match object.value("fields") {
            None => return BTreeMap::new(),
            Some(Value::Object(map)) if map.len() <= MOST_FIELDS => map,
            Some(other) => {
                let found = if other.is_object() { "more than 60" } else { kind_of(other) };
                self.fault("fields", format!("expected at most {MOST_FIELDS} names with text, found {found}"));
                return BTreeMap::new();
            }
        };
        let mut fields = BTreeMap::new();
        for (key, value) in map {
            let name = match text::line(key, 40) {
                Ok(name) => name,
                Err(error) => {
                    self.fault("fields", format!("the name of a field {error}"));
                    continue;
                }
            };
            let path = format!("fields.{name}");
            match value {
                Value::Null => {}
                Value::String(raw) if day::is_relative(raw) => match day::parse(raw, self.options.today) {
                    Some(date) => drop(fields.insert(name, date.to_string())),
                    None => self.fault(&path, not_a_date(raw)),
                },
                Value::String(raw) if raw.trim().is_empty() => {}
                Value::String(raw) => match text::line(raw, LONGEST_FIELD) {
                    Ok(text) => drop(fields.insert(name, text)),
                    Err(error) => self.fault(&path, error.to_string()),
                },
                other => self.fault(&path, format!("expected text in quotes, found {}", kind_of(other))),
            }
        }
        fields
    }

    fn picture(&mut self, object: &Object, key: &str, kind: PictureKind) -> Option<Arc<Picture>> {
        let path = object.path(key);
        let raw = self.raw_text(object, key, "a path or a data: picture")?;
        let (shown, bytes) =
            if raw.starts_with("data:") { ("the data: picture".to_owned(), data_uri(raw)) } else { (shown(raw), self.picture_file(raw)) };
        let picture = bytes.and_then(|bytes| {
            let picture = if let Pictures::Kept = self.pictures { Picture::kept(bytes) } else { Picture::decode(&bytes, kind) };
            picture.map_err(|e| e.to_string())
        });
        picture.map(Arc::new).map_err(|why| self.fault(&path, format!("{shown} {why}"))).ok()
    }

    /// A picture's bytes by its path. The path comes from the input, so it may lead nowhere but below the record's own folder.
    fn picture_file(&self, raw: &str) -> Result<Vec<u8>, String> {
        let Pictures::Below(base) = self.pictures else {
            return Err("is a path; only data: pictures are accepted here".into());
        };
        let scheme = raw.split_once(':').is_some_and(|(s, _)| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric()));
        if scheme {
            return Err("is an address; pictures are not fetched, put the file beside the record".into());
        }
        if raw.contains('\\') || raw.chars().any(char::is_control) {
            return Err("is not a plain path; write folders with / between them".into());
        }
        if !Path::new(raw).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            return Err("leads out of the record's folder; give a path below it, without a leading / and without ..".into());
        }
        let path = base.join(raw);
        let about = fs::metadata(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => format!("is not there (looked for {})", path.display()),
            _ => format!("cannot be read: {e}"),
        })?;
        match about.len() {
            _ if !about.is_file() => Err("is not a file".into()),
            length if length > MOST_PICTURE_BYTES => Err(too_heavy(length)),
            _ => fs::read(&path).map_err(|e| format!("cannot be read: {e}")),
        }
    }

    fn version(&mut self, object: &Object) -> u16 {
        let version = match object.value("version") {
            None => Some(1),
            Some(value) => value.as_u64().filter(|version| (1..=999).contains(version)),
        };
        version.unwrap_or_else(|| {
            self.fault("version", "expected a whole number from 1 to 999");
            1
        }) as u16
    }

    fn flag(&mut self, object: &Object, key: &str, default: Option<bool>) -> Option<bool> {
        match object.value(key) {
            Some(Value::Bool(flag)) => Some(*flag),
            Some(other) => {
                self.fault(&object.path(key), format!("expected true or false, found {}", kind_of(other)));
                None
            }
            None => {
                if default.is_none() {
                    self.fault(&object.path(key), "is missing; expected true or false");
                }
                default
            }
        }
    }

    fn required_date(&mut self, object: &Object, key: &str) -> Option<Date> {
        let today = self.options.today;
        self.required_text(object, key, "a date such as 2021-04-22", |raw| day::parse(raw, today).ok_or_else(|| not_a_date(raw)))
    }

    fn optional_date(&mut self, object: &Object, key: &str) -> Option<Date> {
        let today = self.options.today;
        self.optional_text(object, key, "a date such as 2021-04-22", |raw| day::parse(raw, today).ok_or_else(|| not_a_date(raw)))
    }

    fn required_text<T>(&mut self, object: &Object, key: &str, expected: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if object.value(key).is_none() {
            self.fault(&object.path(key), format!("is missing; expected {expected}"));
            return None;
        }
        self.optional_text(object, key, expected, read)
    }

    fn optional_text<T>(&mut self, object: &Object, key: &str, expected: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let raw = self.raw_text(object, key, expected)?;
        read(raw).map_err(|why| self.fault(&object.path(key), why)).ok()
    }

    fn raw_text<'v>(&mut self, object: &Object<'v>, key: &str, expected: &str) -> Option<&'v str> {
        match object.value(key)? {
            Value::String(raw) => Some(raw),
            other => {
                self.fault(&object.path(key), format!("expected {expected}, in quotes, found {}", kind_of(other)));
                None
            }
        }
    }

    fn member<'v>(&mut self, object: &Object<'v>, key: &str, known: &[&str], required: bool) -> Option<Object<'v>> {
        let value = object.value(key);
        if value.is_none() && required {
            self.fault(key, "is missing");
        }
        self.object(value?, key, known)
    }

    fn object<'v>(&mut self, value: &'v Value, path: &str, known: &[&str]) -> Option<Object<'v>> {
        let Value::Object(map) = value else {
            self.fault(path, format!("expected an object {{…}}, found {}", kind_of(value)));
            return None;
        };
        let object = Object { map, path: path.to_owned() };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let mut message = String::from("is not a known name");
            if let Some(near) = nearest(key, known.iter().copied()) {
                write!(message, "; did you mean `{near}`?").expect("a string takes it");
            }
            let shown: String = key.chars().filter(|c| !c.is_control()).take(40).collect();
            self.fault(&object.path(&shown), message);
        }
        Some(object)
    }

    fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.warnings.push(Fault { source_place: self.place.to_owned(), field: path.to_owned(), message: message.into() });
    }

    fn fault(&mut self, path: &str, message: impl Into<String>) {
        if !self.faults.iter().any(|f| f.field == path) {
            self.faults.push(Fault { source_place: self.place.to_owned(), field: path.to_owned(), message: message.into() });
        }
    }
}

/// The known name that a wrong one is closest to, when it is close at all.
pub(super) fn nearest<'n>(wrong: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // Names of any length are compared by their first characters only: the cost grows with the product of both lengths.
    let wrong: String = wrong.chars().take(40).flat_map(char::to_lowercase).collect();
    known
        .map(|name| (strsim::jaro_winkler(&wrong, name), name))
        .filter(|(near, _)| *near >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// A licence number. It also names the files that are made, so only plain characters may stand in it.
fn licence_number(raw: &str) -> Result<String, String> {
    let number = text::line(raw, 60).map_err(|e| about(raw, e))?;
    let plain = |c: char| c.is_alphanumeric() || "-—_.·()（）[]〔〕【】".contains(c);
    match number.chars().position(|c| !plain(c)) {
        Some(at) => Err(format!("{} holds a character that no licence number has (character {})", shown(&number), at + 1)),
        None if !number.starts_with(char::is_alphanumeric) => Err(format!("{} does not start with a letter or digit", shown(&number))),
        None => Ok(number),
    }
}

fn licence_type(raw: &str) -> Result<String, String> {
    let plain = (1..=40).contains(&raw.len()) && raw.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain { Ok(raw.to_owned()) } else { Err(format!("{} is not the id of a licence type, such as constructor-1", shown(raw))) }
}

fn company_name(raw: &str) -> Result<String, String> {
    text::line(raw, LONGEST_COMPANY).map_err(|e| about(raw, e))
}

fn status(raw: &str) -> Result<Status, String> {
    Status::ALL.into_iter().find(|s| s.as_str() == raw).ok_or_else(|| {
        let mut message = format!("{} is not a status", shown(raw));
        if let Some(near) = nearest(raw, Status::ALL.into_iter().map(Status::as_str)) {
            write!(message, "; did you mean `{near}`?").expect("a string takes it");
        } else {
            let known = Status::ALL.map(Status::as_str).join(", ");
            write!(message, "; expected one of {known}").expect("a string takes it");
        }
        message
    })
}

fn data_uri(raw: &str) -> Result<Vec<u8>, String> {
    let Some((head, body)) = raw.split_once(',') else { return Err("has no comma before its content".into()) };
    if !head.ends_with(";base64") {
        return Err("is not base64; write data:image/jpeg;base64,…".into());
    }
    let length = body.len() as u64 / 4 * 3;
    if length > MOST_PICTURE_BYTES {
        return Err(too_heavy(length));
    }
    BASE64.decode(body).map_err(|_| "is not correct base64".to_owned())
}

fn too_heavy(length: u64) -> String {
    format!("has {} MB; at most {} MB are accepted", length / 1_048_576, MOST_PICTURE_BYTES / 1_048_576)
}

fn not_a_date(raw: &str) -> String {
    format!("{} is not a date; write it as 2021-04-22 (or count from today: today+30d, today-3y)", shown(raw))
}

/// A text and what is wrong with it. A long one is not quoted.
fn about(raw: &str, error: TextError) -> String {
    if raw.chars().count() > 60 { error.to_string() } else { format!("{} {error}", shown(raw)) }
}

/// A text of the input for a message: cut short, and nothing in it that could disturb a terminal.
pub(super) fn shown(raw: &str) -> String {
    let mut shown = String::new();
    for c in raw.chars().take(60) {
        match text::forbidden(c) {
            Some(_) => shown.extend(c.escape_unicode()),
            None => shown.push(c),
        }
    }
    if raw.chars().nth(60).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;

    use super::*;

    fn options() -> Options {
        Options { today: date(2021, 4, 22), lenient_identifiers: false }
    }

    fn good() -> Value {
        json!({
            "licence_type": "constructor-1", "number": "京1112012201990001", "serial": "TEST0120210001", "version": 2,
            "holder": {
                "name": "王䶮", "sex": "男", "birth_date": "1985-06-12", "id_type": "111", "id_number": "110000198506120010",
                "phone_bound": true, "photo": "photos/p01.jpg", "signature": "signatures/s01.png",
            },
            "employer": {"name": "北京测试云川建筑工程有限公司", "uscc": "91110000MAFAKE019D"},
            "specialties": [{"name": "建筑工程", "valid_from": "2019-10-14", "valid_to": "2022-10-13"}],
            "valid_from": null, "valid_to": null,
            "issuer": {"name": "中华人民共和国住房和城乡建设部", "code": "11100000000013338W"},
            "issued_on": "2020-05-12", "status": "valid", "reported": true, "fields": {"职务": "经理"},
        })
    }

    /// The good record with some values put in; a path that leads to nothing is made.
    fn with(changes: &[(&str, Value)]) -> Value {
        let mut record = good();
        for (path, value) in changes {
            let mut place = &mut record;
            for step in path.split('.') {
                place = match step.parse::<usize>() {
                    Ok(at) => &mut place[at],
                    Err(_) => &mut place[step],
                };
            }
            *place = value.clone();
        }
        record
    }

    fn loaded(value: &Value, options: &Options) -> Loaded {
        Record::from_json(value, "r.json", Some(Path::new("samples/records")), options)
    }

    /// The only fault that a changed record has.
    fn fault(changes: &[(&str, Value)]) -> String {
        let faults = loaded(&with(changes), &options()).record.unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].to_string()
    }

    #[test]
    fn a_whole_record_survives_the_round_trip() {
        let record = loaded(&good(), &options()).record.unwrap();
        assert_eq!((record.version, record.holder.sex, record.status), (2, Some(Sex::Male), Status::Valid));
        assert_eq!(record.holder.photo.as_ref().unwrap().width, 465);
        let written = serde_json::to_value(&record).unwrap();
        let again = Record::from_json(&written, "again", None, &options()).record.unwrap();
        assert_eq!(again, record);
    }

    #[test]
    fn every_case_of_the_rule_loads() {
        let cases: Value = serde_json::from_str(include_str!("../../tests/data/cases.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let mut record = case["record"].clone();
            for (key, file) in [("photo", "photos/p01.jpg"), ("signature", "signatures/s01.png")] {
                if record["holder"][key].is_string() {
                    record["holder"][key] = file.into();
                }
            }
            let loaded = loaded(&record, &options());
            let fields: Vec<&str> = loaded.warnings.iter().map(|w| w.field.as_str()).collect();
            // Two of the numbers tell another sex than the record: that is a warning.
            let expected: &[&str] = if matches!(case["id"].as_str(), Some("R08" | "R09")) { &["holder.sex"] } else { &[] };
            assert_eq!(fields, expected, "{}", case["id"]);
            assert!(loaded.record.is_ok(), "{:?}", loaded.record);
        }
    }

    #[test]
    fn a_wrong_check_digit_names_the_right_one_and_masks_the_number() {
        assert_eq!(
            fault(&[("holder.id_number", json!("110000198506120011"))]),
            "r.json: holder.id_number: 居民身份证 `110***********0011`: the check digit is wrong: expected 0"
        );
        assert_eq!(
            fault(&[("employer.uscc", json!("91110000MAFAKE019E"))]),
            "r.json: employer.uscc: 统一社会信用代码 `911***********019E`: the check digit is wrong: expected D"
        );
        assert!(fault(&[("issuer.code", json!("11100000000013338X"))]).ends_with("expected W"));
    }

    #[test]
    fn lenient_identifiers_make_wrong_check_digits_warnings_and_nothing_else() {
        let lenient = Options { lenient_identifiers: true, ..options() };
        let record = with(&[("holder.id_number", json!("110000198506120011")), ("employer.uscc", json!("91110000MAFAKE019E"))]);
        let result = loaded(&record, &lenient);
        assert!(result.record.is_ok());
        assert_eq!(result.warnings.iter().map(|w| w.field.as_str()).collect::<Vec<_>>(), ["holder.id_number", "employer.uscc"]);
        let record = with(&[("holder.id_number", json!("110000198506130011"))]);
        let faults = loaded(&record, &lenient).record.unwrap_err();
        assert_eq!(faults[0].field, "holder.birth_date");
        assert!(loaded(&with(&[("holder.id_number", json!("11000019850612001"))]), &lenient).record.is_err());
    }

    #[test]
    fn no_message_shows_an_identity_number() {
        for number in ["110000198506120011", "11000019850612001O", "1100001985061200100", "990000198513120010", " 110000198506120011\u{7}"]
        {
            for id_type in ["111", "414", "516", "999", "001", "112"] {
                let record = with(&[("holder.id_number", json!(number)), ("holder.id_type", json!(id_type))]);
                for fault in loaded(&record, &options()).record.err().unwrap_or_default() {
                    assert!(!fault.to_string().contains("198506120") && !fault.to_string().contains("198513120"), "{fault}");
                }
            }
        }
        let message = fault(&[("holder.id_number", json!(110_000_198_506_120_010_u64))]);
        assert_eq!(message, "r.json: holder.id_number: expected the number of the identity document, in quotes, found a number");
    }

    #[test]
    fn all_faults_are_found_in_one_pass() {
        let record = with(&[
            ("licence_type", json!("一级建造师")),
            ("number", json!("../etc/passwd")),
            ("serial", json!("a b")),
            ("version", json!(1000)),
            ("holder.name", json!("王\u{202E}伟")),
            ("holder.birth_date", json!("1985-02-30")),
            ("holder.phone_bound", json!("yes")),
            ("holder.phto", json!("x")),
            ("employer", json!("a company")),
            ("specialties.0.valid_to", json!("2019-10-13")),
            ("issuer.name", Value::Null),
            ("issued_on", json!(20_200_512)),
            ("status", json!("revokd")),
            ("reported", Value::Null),
            ("fields", json!({"职务": 7})),
        ]);
        let faults = loaded(&record, &options()).record.unwrap_err();
        let found: BTreeMap<&str, &str> = faults.iter().map(|f| (f.field.as_str(), f.message.as_str())).collect();
        for (field, part) in [
            ("licence_type", "`一级建造师` is not the id of a licence type"),
            ("number", "holds a character that no licence number has (character 3)"),
            ("serial", "character 1 has no place there"),
            ("version", "expected a whole number from 1 to 999"),
            ("holder.name", "`王\\u{202e}伟` holds the text-direction character U+202E at character 2"),
            ("holder.birth_date", "`1985-02-30` is not a date; write it as 2021-04-22"),
            ("holder.phone_bound", "expected true or false, found text"),
            ("holder.phto", "is not a known name; did you mean `photo`?"),
            ("employer", "expected an object {…}, found text"),
            ("specialties.0.valid_to", "2019-10-13 lies before valid_from 2019-10-14"),
            ("issuer.name", "is missing; expected the authority's name"),
            ("issued_on", "expected a date such as 2021-04-22, in quotes, found a number"),
            ("status", "`revokd` is not a status; did you mean `revoked`?"),
            ("reported", "is missing; expected true or false"),
            ("fields.职务", "expected text in quotes, found a number"),
        ] {
            assert!(found.get(field).is_some_and(|m| m.contains(part)), "{field}: {:?}", found.get(field));
        }
        assert_eq!(found.len(), 15, "{found:?}");
    }

    #[test]
    fn what_is_no_object_is_one_fault() {
        for value in [json!(null), json!([]), json!("x"), json!(7)] {
            assert_eq!(loaded(&value, &options()).record.unwrap_err().len(), 1);
        }
    }

    #[test]
    fn names_are_normalised_and_bounded() {
        let name = |raw: &str| loaded(&with(&[("holder.name", json!(raw))]), &options()).record.unwrap().holder.name;
        assert_eq!(name("  阿卜杜•热西提  "), "阿卜杜·热西提");
        assert!(fault(&[("holder.name", json!("王".repeat(10_000)))]).contains("has 10000 characters; at most 100 are accepted"));
    }

    #[test]
    fn the_number_tells_birth_date_and_sex_where_they_are_left_out() {
        let record = with(&[("holder.sex", Value::Null), ("holder.birth_date", Value::Null)]);
        let holder = loaded(&record, &options()).record.unwrap().holder;
        assert_eq!((holder.sex, holder.birth_date), (Some(Sex::Male), Some(date(1985, 6, 12))));
        assert!(fault(&[("holder.birth_date", json!("1985-06-13"))]).contains("does not agree with the birth date"));
        let passport = [("holder.id_type", json!("414")), ("holder.id_number", json!("C01X00T47")), ("holder.sex", Value::Null)];
        assert!(fault(&passport).contains("holder.sex: is missing"));
        let unborn = [passport[0].clone(), passport[1].clone(), ("holder.birth_date", json!("today+1d"))];
        assert!(fault(&unborn).contains("a birth date lies between 1900-01-01 and today"));
    }

    #[test]
    fn a_company_holds_a_licence_without_sex_and_birth_date() {
        let holder = json!({"name": "北京测试云川建筑工程有限公司", "id_type": "001", "id_number": "91110000MAFAKE019D"});
        let changes = [("holder", holder), ("licence_type", json!("enterprise-qualification")), ("employer", Value::Null)];
        let record = loaded(&with(&changes), &options()).record.unwrap();
        assert_eq!((record.holder.sex, record.holder.birth_date, record.employer), (None, None, None));
        let mut with_sex = with(&changes);
        with_sex["holder"]["sex"] = "男".into();
        assert_eq!(loaded(&with_sex, &options()).record.unwrap_err()[0].message, "a company has none; leave it out");
    }

    #[test]
    fn a_licence_ends_some_day() {
        assert!(fault(&[("specialties", json!([]))]).contains("valid_to: no last day of validity"));
        assert!(loaded(&with(&[("specialties", json!([])), ("valid_to", json!("today+2y"))]), &options()).record.is_ok());
        assert!(fault(&[("specialties.0", json!({"name": "建筑工程"}))]).contains("no last day of validity"));
    }

    #[test]
    fn a_specialty_is_listed_once() {
        let line = json!({"name": "建筑工程", "valid_to": "2022-10-13"});
        assert!(fault(&[("specialties", json!([line, line]))]).contains("specialties.1.name: `建筑工程` is listed twice"));
        assert!(fault(&[("specialties", Value::Array(vec![line; 31]))]).contains("31 entries"));
    }

    #[test]
    fn pictures_come_from_below_the_record_or_from_within_it() {
        for (path, why) in [
            ("photos/nobody.jpg", "is not there (looked for samples/records/photos/nobody.jpg)"),
            ("photos", "is not a file"),
            ("/etc/hostname", "leads out of the record's folder"),
            ("../records/photos/p01.jpg", "leads out of the record's folder"),
            ("photos/../../x.jpg", "leads out of the record's folder"),
            ("C:/photos/p01.jpg", "is an address"),
            ("https://example.cn/p.jpg", "is an address"),
            ("photos\\p01.jpg", "is not a plain path"),
            ("photos/hard/text.jpg", "is a text file, not a JPEG or PNG picture"),
            ("photos/hard/truncated.jpg", "ends in the middle of the picture"),
            ("photos/hard/huge.png", "has 30000 × 30000 pixels; at most 8000 a side and 50 million in all are accepted"),
            ("data:image/jpeg,abc", "is not base64"),
            ("data:image/jpeg;base64,###", "is not correct base64"),
            ("data:image/jpeg;base64,aGVsbG8=", "the data: picture is a text file"),
        ] {
            let message = fault(&[("holder.photo", json!(path))]);
            assert!(message.starts_with("r.json: holder.photo: ") && message.contains(why), "{message}");
        }
        let none = loaded(&with(&[("holder.photo", Value::Null)]), &options()).record.unwrap();
        assert_eq!(none.holder.photo, None);
        let faults = Record::from_json(&good(), "r", None, &options()).record.unwrap_err();
        assert!(faults[0].message.contains("only data: pictures are accepted here"), "{faults:?}");
    }

    #[test]
    fn values_from_the_input_cannot_disturb_a_terminal() {
        let message = fault(&[("status", json!("\u{1B}[2J\u{202E}x".to_owned() + &"y".repeat(500)))]);
        assert!(!message.contains(['\u{1B}', '\u{202E}']) && message.len() < 300, "{message}");
    }

    #[test]
    fn no_value_in_any_place_makes_it_panic() {
        fn places(value: &Value, path: &str, found: &mut Vec<String>) {
            let steps: Vec<(String, &Value)> = match value {
                Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
                Value::Array(list) => list.iter().enumerate().map(|(at, v)| (at.to_string(), v)).collect(),
                _ => Vec::new(),
            };
            for (step, value) in steps {
                let path = if path.is_empty() { step } else { format!("{path}.{step}") };
                places(value, &path, found);
                found.push(path);
            }
        }
        let bare = [("holder.photo", Value::Null), ("holder.signature", Value::Null)];
        let mut paths = Vec::new();
        places(&good(), "", &mut paths);
        assert!(paths.len() > 25);
        let odd =
            [json!(-1), json!(1e300), json!(""), json!("\u{0}"), json!("𬎆".repeat(70)), json!([[]]), json!({"": {}}), json!("today-9y")];
        for path in &paths {
            for value in &odd {
                let mut changes = bare.to_vec();
                changes.push((path, value.clone()));
                if let Ok(record) = loaded(&with(&changes), &options()).record {
                    // Whatever is accepted can be written and read again.
                    let written = serde_json::to_value(&record).unwrap();
                    assert_eq!(Record::from_json(&written, "again", None, &options()).record.as_ref(), Ok(&record), "{path}: {value}");
                }
            }
        }
    }
}
