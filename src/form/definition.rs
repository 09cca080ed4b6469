//! What a form asks for: the TOML that stands beside each Word template.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Fault;

/// A form's fields, lists and optional blocks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The title, as printed.
    pub title: String,
    /// The licence types whose holders apply with it.
    #[serde(default)]
    pub licences: Vec<String>,
    /// The field whose value names the file when many are made at once.
    #[serde(default)]
    pub named_by: Option<String>,
    /// A spreadsheet rather than a Word document: it has no template.
    #[serde(default)]
    pub sheet: bool,
    /// When the application is accepted.
    #[serde(default)]
    pub window: Option<Window>,
    /// Single values.
    #[serde(default)]
    pub fields: Named<Field>,
    /// Repeated rows.
    #[serde(default)]
    pub lists: Named<List>,
    /// Optional parts.
    #[serde(default)]
    pub blocks: Named<Block>,
}

/// The business whose window must be open, and where its dates stand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The licence type whose rules apply.
    pub licence_type: String,
    /// What is applied for.
    pub business: crate::annotation::Business,
    /// The field with the birth date.
    #[serde(default)]
    pub birth: Option<String>,
    /// The list with the registrations.
    #[serde(default)]
    pub list: Option<String>,
    /// Its column with the 专业.
    #[serde(default)]
    pub name: Option<String>,
    /// Its column with the last day.
    #[serde(default)]
    pub ends: Option<String>,
    /// Which of its rows count, `是否延续=是`.
    #[serde(default)]
    pub when: Option<Condition>,
}

/// One value.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Field {
    /// What kind of value.
    pub kind: Kind,
    /// Whether the form is refused without it.
    pub required: bool,
    /// Where it is taken from when a licence record is at hand, `holder.name`.
    pub from: Option<super::prefill::Source>,
    /// The value when none is given.
    pub default: Option<String>,
    /// The only values accepted; several of them when `many`.
    pub options: Vec<String>,
    /// Whether several options may be chosen.
    pub many: bool,
    /// How a date is written: `yyyy` `MM` `M` `dd` `d` stand for its parts.
    pub format: Option<String>,
    /// What an empty field shows.
    pub blank: String,
    /// The box a picture is fitted into, in millimetres.
    pub box_mm: Option<[f64; 2]>,
    /// The field a QR symbol shows.
    pub of: Option<String>,
    /// How the value is worked out.
    pub compute: Option<Compute>,
    /// Longest accepted value, in characters.
    pub max_chars: Option<usize>,
    /// Width of a spreadsheet's column, in characters; without one the value is not a column.
    pub width: Option<f64>,
    /// Rows shown in brackets after the value.
    pub brackets: Option<Brackets>,
}

/// Rows shown in brackets behind one value: the scores of an exam that was failed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brackets {
    /// The list.
    pub list: String,
    /// The value that has them.
    pub when: String,
}

/// What kind of value a field holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Text, of several lines if need be.
    #[default]
    Text,
    /// A civil date.
    Date,
    /// A decimal number that is not negative.
    Number,
    /// A JPEG or PNG.
    Picture,
    /// A QR symbol with the value of another field.
    Qr,
}

/// A value that is worked out, never asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Compute {
    /// Sum of a column, `培训记录.学时`.
    Sum(String),
    /// Number of a list's rows.
    Count(String),
    /// Full years from the date in one field to the date in another (today when that is empty).
    Age {
        /// The field with the birth date.
        birth: String,
        /// The field with the day that counts.
        #[serde(default)]
        on: Option<String>,
    },
    /// The row's number, from 1.
    Row,
}

/// Repeated rows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Whether at least one row must be given.
    #[serde(default)]
    pub required: bool,
    /// Rows printed at least; empty ones fill up, for writing by hand.
    #[serde(default = "one")]
    pub least: usize,
    /// Rows accepted at most.
    pub most: usize,
    /// What the rows are taken from when a licence record is at hand.
    #[serde(default)]
    pub from: Option<super::prefill::Rows>,
    /// The columns.
    pub fields: Named<Field>,
}

/// A part of the form that is printed under a condition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Printed when this holds.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Not printed when this holds.
    #[serde(default)]
    pub unless: Option<Condition>,
    /// Whether a blank print has it.
    #[serde(default = "yes")]
    pub blank: bool,
}

/// A field has one of some values, written `字段=值` or `字段=值|值`; `字段=*` is any value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The field.
    pub field: String,
    /// The values.
    pub values: Vec<String>,
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (field, values) = text.split_once('=').ok_or_else(|| serde::de::Error::custom("条件写作 \"字段=值\" 或 \"字段=值|值\""))?;
        Ok(Self { field: field.trim().to_owned(), values: values.split('|').map(|v| v.trim().to_owned()).collect() })
    }
}

/// Named things in the order of the file.
#[derive(Debug)]
pub struct Named<T>(Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    /// Position of a name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(n, _)| n == name)
    }

    /// One of them.
    pub fn at(&self, index: usize) -> &T {
        &self.0[index].1
    }

    /// Its name.
    pub fn name(&self, index: usize) -> &str {
        &self.0[index].0
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, thing)| (name.as_str(), thing))
    }

    /// How many.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks; a form without fields is no form")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut named = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    named.push(entry);
                }
                Ok(Named(named))
            }
        }
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

impl Definition {
    /// Reads a definition and checks that every name it mentions exists.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Fault>> {
        let definition: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            vec![Fault::new(format!("{file} 第 {line} 行"), error.message().to_owned())]
        })?;
        let faults: Vec<Fault> = definition.dangling().into_iter().map(|message| Fault::new(file.to_owned(), message)).collect();
        if faults.is_empty() { Ok(definition) } else { Err(faults) }
    }

    /// Fields that other fields, blocks or the window work with: they need no place in the template.
    pub fn used_elsewhere(&self) -> BTreeSet<&str> {
        let mut used: BTreeSet<&str> = self.conditions().map(|c| c.field.as_str()).collect();
        for (_, field) in self.fields.iter() {
            used.extend(field.of.as_deref());
            if let Some(Compute::Age { birth, on }) = &field.compute {
                used.insert(birth);
                used.extend(on.as_deref());
            }
        }
        used.extend(self.window.iter().filter_map(|w| w.birth.as_deref()));
        used.extend(self.named_by.as_deref());
        used
    }

    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.blocks.iter().flat_map(|(_, block)| block.when.iter().chain(&block.unless))
    }

    fn dangling(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut known = |name: &str, by: &str| {
            if self.fields.position(name).is_none() {
                faults.push(format!("{by}提到的字段“{name}”没有定义"));
            }
        };
        for condition in self.conditions() {
            known(&condition.field, "条件");
        }
        for (name, field) in self.fields.iter() {
            if let Some(of) = &field.of {
                known(of, &format!("二维码“{name}”"));
            }
            if let Some(Compute::Age { birth, on }) = &field.compute {
                known(birth, &format!("“{name}”"));
                if let Some(on) = on {
                    known(on, &format!("“{name}”"));
                }
            }
        }
        if let Some(birth) = self.window.as_ref().and_then(|window| window.birth.as_ref()) {
            known(birth, "[window] ");
        }
        if let Some(name) = &self.named_by {
            known(name, "named_by ");
        }

        let columns = self.lists.iter().flat_map(|(list, l)| l.fields.iter().map(move |(name, f)| (format!("{list}.{name}"), f)));
        for (name, field) in self.fields.iter().map(|(n, f)| (n.to_owned(), f)).chain(columns) {
            match &field.compute {
                Some(Compute::Sum(column)) if self.column(column).is_none() => {
                    faults.push(format!("“{name}”求和的列“{column}”没有定义，应写作“列表.列”"));
                }
                Some(Compute::Count(list)) if self.lists.position(list).is_none() => {
                    faults.push(format!("“{name}”计数的列表“{list}”没有定义"));
                }
                Some(Compute::Row) if !name.contains('.') => faults.push(format!("“{name}”不在列表里，没有行号")),
                _ => {}
            }
            if let Some(brackets) = field.brackets.as_ref().filter(|b| self.lists.position(&b.list).is_none()) {
                faults.push(format!("“{name}”括号里的列表“{}”没有定义", brackets.list));
            }
            match field.kind {
                Kind::Picture | Kind::Qr if field.box_mm.is_none() => faults.push(format!("图片“{name}”缺少 box_mm = [宽, 高]")),
                Kind::Qr if field.of.is_none() => faults.push(format!("二维码“{name}”缺少 of = \"字段\"")),
                _ => {}
            }
            if let Some(default) = field.default.as_ref().filter(|d| !field.options.is_empty() && !field.options.contains(d)) {
                faults.push(format!("“{name}”的默认值“{default}”不在选项里"));
            }
        }
        if let Some(window) = &self.window
            && let Some(list) = &window.list
        {
            match self.lists.position(list).map(|i| self.lists.at(i)) {
                None => faults.push(format!("[window] 的列表“{list}”没有定义")),
                Some(l) => {
                    for column in window.name.iter().chain(&window.ends).chain(window.when.iter().map(|c| &c.field)) {
                        if l.fields.position(column).is_none() {
                            faults.push(format!("[window] 的列“{list}.{column}”没有定义"));
                        }
                    }
                }
            }
        }
        faults
    }

    /// List and column of `列表.列`.
    pub fn column(&self, name: &str) -> Option<(usize, usize)> {
        let (list, column) = name.split_once('.')?;
        let list = self.lists.position(list)?;
        Some((list, self.lists.at(list).fields.position(column)?))
    }

    /// Every name that may stand in a template.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let columns = self.lists.iter().flat_map(|(list, l)| l.fields.iter().map(move |(name, _)| format!("{list}.{name}")));
        let blocks = self.blocks.iter().map(|(name, _)| name.to_owned());
        self.fields.iter().map(|(name, _)| name.to_owned()).chain(columns).chain(blocks)
    }
}

/// The name nearest to a misspelt one, when one is near enough to be meant.
pub fn nearest(name: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let near = known.into_iter().min_by_key(|known| distance(known))?;
    let far_off = name.chars().count().max(near.chars().count());
    (distance(&near) < far_off || near.contains(name)).then_some(near)
}

const fn one() -> usize {
    1
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_order_and_says_what_dangles() {
        let good = "title = '表'\n[fields]\n'乙' = {required = true}\n'甲' = {kind = 'date'}\n";
        let definition = Definition::parse("x.toml", good).unwrap();
        assert_eq!(definition.names().collect::<Vec<_>>(), ["乙", "甲"]);

        let faults = Definition::parse("x.toml", "title='表'\n[fields]\n'丙' = {colour = 1}\n").unwrap_err();
        assert!(faults[0].to_string().starts_with("x.toml 第 3 行"), "{}", faults[0]);

        let bad = "title='表'\n[fields]\n'和' = {compute = {sum = '甲.乙'}}\n'照' = {kind='picture'}\n[blocks]\n'块' = {when='没有=是'}\n";
        let faults = Definition::parse("x.toml", bad).unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn nearest_name_only_when_near() {
        let known = || ["姓名", "出生日期", "手机号码"].map(str::to_owned);
        assert_eq!(nearest("出生年月", known()).as_deref(), Some("出生日期"));
        assert_eq!(nearest("xyz", known()), None);
    }
}
