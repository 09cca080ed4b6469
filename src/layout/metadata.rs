//! The metadata that travels inside a licence: names of GB/T 36903, values, and which item prints each.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::spec::{HolderCode, MetadataSpec, Source};
use super::template::{Facts, Forms, Scope, Template, mask};
use super::{LayoutFault, Meta};
use crate::clock::SHANGHAI;
use crate::page::Item;

/// What a licence type says about its metadata.
pub(super) struct Metadata {
    holder_code: HolderCode,
    annotation_reason: String,
    extensions: Vec<(String, Template)>,
}

impl Metadata {
    pub fn load(spec: &MetadataSpec, forms: &Forms, source: &Source, faults: &mut Vec<LayoutFault>) -> Self {
        let mut extensions = Vec::with_capacity(spec.extensions.len());
        for (name, words) in &spec.extensions {
            if !name.strip_prefix("KZ_").is_some_and(is_short_name) {
                faults
                    .push(source.fault(words.span().start, format!("`{name}` is no extension's name: KZ_ and capital letters or digits")));
                continue;
            }
            match Template::parse(words.get_ref(), Scope::Record, forms) {
                Ok(template) => extensions.push((name.clone(), template)),
                Err((inside, message)) => {
                    let place = source.place_inside(&words.span(), words.get_ref(), inside);
                    faults.push(LayoutFault { place, message });
                }
            }
        }
        Self { holder_code: spec.holder_code, annotation_reason: spec.annotation_reason.clone(), extensions }
    }

    /// The templates of the extensions, to know which fields are used.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.extensions.iter().map(|(_, template)| template)
    }

    /// Names and values of one licence, in the standard's order, then extensions by name.
    pub fn list(&self, facts: &Facts, items: &[Item]) -> Vec<Meta> {
        let issue = facts.issue;
        let (annotated, record) = (issue.annotated, issue.annotated.record());
        let mut list = Vec::with_capacity(20 + self.extensions.len());
        let mut add = |name: &str, value: String| list.push(Meta { name: name.to_owned(), value, item: printed_by(name, items) });
        add("ZZMC", facts.type_name.to_owned());
        add("ZZLXDM", facts.type_code.to_owned());
        add("ZZBH", record.number.clone());
        add("ZZBS", issue.identifier.to_owned());
        add("ZZBFJG", record.issuer.name.clone());
        add("ZZBFJGDM", record.issuer.code.clone());
        add("ZZBFRQ", record.issued_on.to_string());
        add("CZZT", record.holder.name.clone());
        match self.holder_code {
            HolderCode::Omit => {}
            HolderCode::Masked => {
                let mut masked = String::new();
                mask(&record.holder.id_number, &mut masked);
                add("CZZTDM", masked);
            }
            HolderCode::Full => add("CZZTDM", record.holder.id_number.clone()),
        }
        add("CZZTDMLX", record.holder.id_type.clone());
        if let Some(from) = annotated.valid_from() {
            add("ZZYXQQSRQ", from.to_string());
        }
        if let Some(to) = annotated.valid_to() {
            add("ZZYXQJZRQ", to.to_string());
        }
        let made = moment(issue.at);
        if let Some(period) = annotated.period() {
            add("JZJZZSJ", made.clone());
            add("JZJZZZ", record.holder.name.clone());
            add("JZJZZSY", self.annotation_reason.clone());
            add("JZJYXQJZSJ", period.to.to_string());
        }
        add("CJSJ", made);
        for (name, template) in &self.extensions {
            let mut value = String::new();
            if template.fill(facts, &mut value).is_ok() {
                add(name, value);
            }
        }
        list
    }
}

/// Which of the items prints a name.
fn printed_by(name: &str, items: &[Item]) -> Option<usize> {
    items.iter().position(|item| matches!(item, Item::Text(text) if text.name.as_deref() == Some(name)))
}

fn is_short_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// An instant as local time with its distance from UTC (GB/T 7408).
fn moment(at: jiff::Timestamp) -> String {
    let local = TimeZone::fixed(SHANGHAI).to_datetime(at);
    let mut out = String::with_capacity(25);
    write!(out, "{}T{:02}:{:02}:{:02}+08:00", local.date(), local.hour(), local.minute(), local.second()).expect("a string takes it");
    out
}
