//! What the file says about itself: XMP (ISO 16684-1), the information dictionary that agrees with it, attached files.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use quick_xml::Writer;
use quick_xml::escape::escape;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::file::{File, List, Name, Ref, put, words};
use super::{RenderError, refused};
use crate::clock::SHANGHAI;
use crate::deflate::Effort;
use crate::layout::Document;

const PRODUCER: &str = concat!("certpress ", env!("CARGO_PKG_VERSION"));

/// The namespace of the licence metadata, which keeps the short names of GB/T 36903-2018.
const NAMESPACE: &str = "urn:certpress:licence:1#";
const PREFIX: &str = "licence";

/// GB/T 36903 short names in full.
const NAMES: [(&str, &str); 17] = [
    ("ZZMC", "证照名称"),
    ("ZZLXDM", "证照类型代码"),
    ("ZZBH", "证照编号"),
    ("ZZBS", "证照标识"),
    ("ZZBFJG", "证照颁发机构"),
    ("ZZBFJGDM", "证照颁发机构代码"),
    ("ZZBFRQ", "证照颁发日期"),
    ("CZZT", "持证主体"),
    ("CZZTDM", "持证主体代码"),
    ("CZZTDMLX", "持证主体代码类型"),
    ("ZZYXQQSRQ", "证照有效期起始日期"),
    ("ZZYXQJZRQ", "证照有效期截止日期"),
    ("CJSJ", "创建时间"),
    ("JZJZZSJ", "加注件制作时间"),
    ("JZJZZZ", "加注件制作者"),
    ("JZJZZSY", "加注件制作事由"),
    ("JZJYXQJZSJ", "加注件有效期截止时间"),
];

/// The XMP packet. Where it repeats the information dictionary, both say the same (ISO 19005-3 6.6.3).
pub(super) fn xmp(document: &Document) -> Result<String, RenderError> {
    let (date, title) = (xmp_date(document.instant), escape(&document.title));
    let (author, subject) = (escape(&document.author), escape(&document.subject));
    let (mut values, mut schema) = (String::new(), String::new());
    for (name, value, meaning) in properties(document)? {
        let value = escape(value);
        // Writing to a string does not fail.
        let _ = writeln!(values, "<{PREFIX}:{name}>{value}</{PREFIX}:{name}>");
        let _ = writeln!(
            schema,
            "<rdf:li rdf:parseType=\"Resource\"><pdfaProperty:name>{name}</pdfaProperty:name>\
             <pdfaProperty:valueType>Text</pdfaProperty:valueType><pdfaProperty:category>external</pdfaProperty:category>\
             <pdfaProperty:description>{meaning}</pdfaProperty:description></rdf:li>"
        );
    }
    Ok(format!(
        r#"<?xpacket begin="{bom}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">
<pdfaid:part>3</pdfaid:part><pdfaid:conformance>U</pdfaid:conformance>
<pdfuaid:part>1</pdfuaid:part>
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{subject}</rdf:li></rdf:Alt></dc:description>
<dc:language><rdf:Bag><rdf:li>zh-CN</rdf:li></rdf:Bag></dc:language>
<xmp:CreateDate>{date}</xmp:CreateDate><xmp:ModifyDate>{date}</xmp:ModifyDate>
<xmp:CreatorTool>{PRODUCER}</xmp:CreatorTool><pdf:Producer>{PRODUCER}</pdf:Producer>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:{PREFIX}="{NAMESPACE}">
{values}</rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/" xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag>
<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>电子证照元数据</pdfaSchema:schema><pdfaSchema:namespaceURI>{NAMESPACE}</pdfaSchema:namespaceURI><pdfaSchema:prefix>{PREFIX}</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq>
{schema}</rdf:Seq></pdfaSchema:property></rdf:li>
<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema><pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI><pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq>
<rdf:li rdf:parseType="Resource"><pdfaProperty:name>part</pdfaProperty:name><pdfaProperty:valueType>Integer</pdfaProperty:valueType><pdfaProperty:category>internal</pdfaProperty:category><pdfaProperty:description>Part of ISO 14289</pdfaProperty:description></rdf:li>
</rdf:Seq></pdfaSchema:property></rdf:li>
</rdf:Bag></pdfaExtension:schemas>
</rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"#,
        bom = '\u{feff}'
    ))
}

/// Names, values and meanings of the licence metadata, and `SAMPLE` on what test keys made.
fn properties(document: &Document) -> Result<Vec<(&str, &str, &'static str)>, RenderError> {
    let mut properties = Vec::with_capacity(document.metadata.len() + 1);
    for meta in &document.metadata {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !meta.name.starts_with(|c: char| c.is_ascii_alphabetic()) || !meta.name.chars().all(plain) {
            return Err(refused(format!("metadata name `{}` cannot be an XML name: use letters, digits and _", meta.name)));
        }
        let known = NAMES.iter().find(|(name, _)| *name == meta.name);
        properties.push((meta.name.as_str(), meta.value.as_str(), known.map_or("扩展属性", |(_, meaning)| meaning)));
    }
    if document.test {
        properties.push(("SAMPLE", "true", "以测试密钥制作的样张"));
    }
    Ok(properties)
}

/// Adds the packet as the catalog's metadata; compressed, as PDF/A allows since part 2, for it is a tenth of the file.
pub(super) fn add_metadata(file: &mut File, xmp: &str) -> Ref {
    file.deflated(format_args!("/Type/Metadata/Subtype/XML"), xmp.as_bytes(), Effort::Quick)
}

/// Adds the information dictionary.
pub(super) fn add_information(file: &mut File, document: &Document) -> Ref {
    let date = pdf_date(document.instant);
    file.small(|out| {
        out.extend_from_slice(b"<<");
        for (key, text) in [("Title", &document.title), ("Author", &document.author), ("Subject", &document.subject)] {
            words(out, key, text);
        }
        put(out, format_args!("/Creator({PRODUCER})/Producer({PRODUCER})/CreationDate({date})/ModDate({date})>>"));
    })
}

/// A file that travels inside.
struct Attachment<'d> {
    /// File name, ASCII.
    name: &'static str,
    media_type: &'static str,
    /// ISO 19005-3 `AFRelationship`.
    relationship: &'static str,
    /// What it is, for people.
    description: &'static str,
    bytes: Cow<'d, [u8]>,
}

/// The statement, and the metadata for programs that do not read XMP.
fn attachments(document: &Document) -> [Attachment<'_>; 2] {
    [
        Attachment {
            name: "statement.json",
            media_type: "application/json",
            relationship: "Data",
            description: "签发声明 (the signed statement)",
            bytes: document.statement.as_slice().into(),
        },
        Attachment {
            name: "metadata.xml",
            media_type: "text/xml",
            relationship: "Supplement",
            description: "证照元数据 (licence metadata, GB/T 36903)",
            bytes: metadata_xml(document).into(),
        },
    ]
}

fn metadata_xml(document: &Document) -> Vec<u8> {
    let mut writer = Writer::new_with_indent(Vec::with_capacity(2048), b' ', 2);
    let mut write = |event: Event| writer.write_event(event).expect("a vector takes it");
    write(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    write(Event::Start(BytesStart::new("metadata").with_attributes([("standard", "GB/T 36903-2018")])));
    for (name, value) in document.metadata_with_code() {
        write(Event::Start(BytesStart::new(name)));
        write(Event::Text(BytesText::new(value)));
        write(Event::End(BytesEnd::new(name)));
    }
    write(Event::End(BytesEnd::new("metadata")));
    writer.into_inner()
}

/// What the catalog says of the files that travel inside.
pub(super) struct Attached {
    /// By name, as a name tree is sorted (ISO 32000-1 7.9.6).
    files: [(&'static str, Ref); 2],
    /// As they lie in the file.
    specifications: [Ref; 2],
}

/// Adds the files that travel inside (ISO 32000-1 7.11.4).
pub(super) fn attach(file: &mut File, document: &Document) -> Attached {
    let (attachments, date) = (attachments(document), pdf_date(document.instant));
    let specified = attachments.map(|Attachment { name, media_type, relationship, description, bytes }| {
        let parameters = format_args!("/Params<</Size {}/ModDate({date})>>", bytes.len());
        let dictionary = format_args!("/Type/EmbeddedFile/Subtype{}{parameters}", Name(media_type));
        let embedded = file.deflated(dictionary, &bytes, Effort::Quick);
        let specification = file.small(|out| {
            out.extend_from_slice(b"<</Type/Filespec");
            for (key, text) in [("F", name), ("UF", name), ("Desc", description)] {
                words(out, key, text);
            }
            put(out, format_args!("/AFRelationship{}/EF<</F {embedded}/UF {embedded}>>>>", Name(relationship)));
        });
        (name, specification)
    });
    let mut files = specified;
    files.sort_unstable_by_key(|(name, _)| *name);
    Attached { files, specifications: specified.map(|(_, specification)| specification) }
}

impl Attached {
    /// Names the files in the catalog, also as associated files (ISO 19005-3 annex E).
    pub fn write(&self, out: &mut Vec<u8>) {
        put(out, format_args!("/AF{}/Names<</EmbeddedFiles<</Names[", List(&self.specifications)));
        for (name, specification) in &self.files {
            put(out, format_args!("({name}) {specification}"));
        }
        out.extend_from_slice(b"]>>>>");
    }
}

/// The time of day where licences are issued; both forms below say +08:00.
fn local(at: Timestamp) -> DateTime {
    TimeZone::fixed(SHANGHAI).to_datetime(at)
}

fn xmp_date(at: Timestamp) -> String {
    let t = local(at);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+08:00", t.year(), t.month(), t.day(), t.hour(), t.minute(), t.second())
}

pub(super) fn pdf_date(at: Timestamp) -> String {
    let t = local(at);
    format!("D:{:04}{:02}{:02}{:02}{:02}{:02}+08'00'", t.year(), t.month(), t.day(), t.hour(), t.minute(), t.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_date_name_the_same_moment_in_shanghai() {
        let at: Timestamp = "2021-04-21T16:30:05Z".parse().unwrap();
        assert_eq!(xmp_date(at), "2021-04-22T00:30:05+08:00");
        assert_eq!(pdf_date(at), "D:20210422003005+08'00'");
    }
}
