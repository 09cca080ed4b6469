//! Judging a PDF: one revision, one certification signature of ours over every byte but its own (EN 319 142-1, ISO 32000-1 12.8).

mod syntax;

use std::cell::OnceCell;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use quick_xml::Reader;
use quick_xml::events::Event;

use self::syntax::{Object, Revision, Value};
use super::{Envelope, Judge, Reason, Refusal, State};
use crate::layout::CODE;
use crate::sign::{Certificate, cms, is_test, timestamp};

/// More than a signature with its certificates and a time-stamp needs.
const LARGEST_SIGNATURE: usize = 64 * 1024;
/// A statement has less than a kilobyte, the metadata some.
const LARGEST_ATTACHMENT: usize = 1 << 20;

/// Opens the envelope, or says what is wrong with it.
pub(super) fn judge(judge: &Judge, bytes: &[u8]) -> Result<Envelope, Refusal> {
    let packed = OnceCell::new();
    let revision = syntax::read(bytes, &packed).map_err(|fault| {
        if memory_find(bytes, b"/ByteRange").is_none() {
            return unsigned();
        }
        let at = fault.at;
        Refusal::new(
            State::Altered,
            Reason {
                zh: format!("不是签发时的文件，或已被改动：第 {at} 字节起，{}", fault.zh),
                en: format!("It is not as it was issued, or was never issued here: at byte {at}, {}", fault.en),
            },
        )
    })?;
    let signature = signature(&revision)?;
    let ranges = ranges(&revision, signature, bytes)
        .ok_or_else(|| altered("签名没有覆盖整个文件", "The signature's ByteRange is not the whole file around the signature itself"))?;
    let der = contents(&bytes[ranges.gap.clone()])
        .ok_or_else(|| altered("签名值的写法被改动", "The signature's Contents are not one DER value in hexadecimal digits of one case"))?;
    let covered = [&bytes[..ranges.gap.start], &bytes[ranges.gap.end..ranges.end]];
    let signer = check(judge, signature, &der, &covered)?;
    let attachment = |name: &str| {
        attached(&revision, name).ok_or_else(|| {
            let reason = Reason {
                zh: format!("签名真实，但文件中没有可读的 {name}，不是本系统签发的证照"),
                en: format!("The signature holds, but the file has no readable {name}: it is no licence issued by this system"),
            };
            Refusal::new(State::NotIssued, reason)
        })
    };
    Ok(Envelope {
        statement: attachment("statement.json")?,
        code: qr_text(&attachment("metadata.xml")?),
        test: is_test(&signer),
        added: (ranges.end < bytes.len()).then(|| added(&revision, &bytes[ranges.end..])),
    })
}

/// The text of the QR code, as `metadata.xml` repeats it. Were it there twice, the two would run together into none.
fn qr_text(metadata: &[u8]) -> Option<String> {
    let mut reader = Reader::from_str(std::str::from_utf8(metadata).ok()?);
    let (mut inside, mut found) = (false, String::new());
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => inside = start.name().as_ref() == CODE,
            Event::Text(text) if inside => found.push_str(&text.xml10_content()),
            Event::End(_) => inside = false,
            Event::DocType(_) => return None,
            Event::Eof => return Some(found),
            _ => {}
        }
    }
}

fn unsigned() -> Refusal {
    Refusal::new(State::Unsigned, Reason::new("文件没有签名，不是证照", "The file has no signature, so it is no licence"))
}

fn altered(zh: &str, en: &str) -> Refusal {
    Refusal::new(State::Altered, Reason::new(zh, en))
}

/// The one signature: a certification that permits no change, in the one form field, and nowhere another.
fn signature<'r, 'a>(revision: &'r Revision<'a>) -> Result<&'r Value<'a>, Refusal> {
    let mut counts = Counts::default();
    for Object { value, .. } in revision.objects.values() {
        counts.add(value);
    }
    if counts.byte_ranges == 0 {
        return Err(unsigned());
    }
    let certified = || {
        let catalog = syntax::find(&revision.trailer, "Root")?;
        let signature = revision.follow(catalog, &["Perms", "DocMDP"])?;
        let Value::Array(fields) = revision.follow(catalog, &["AcroForm", "Fields"])? else { return None };
        let [field] = fields.as_slice() else { return None };
        let by_field = revision.follow(field, &["V"])?;
        let Value::Array(references) = signature.find("Reference")? else { return None };
        let [reference] = references.as_slice() else { return None };
        let reference = revision.resolve(reference)?;
        let no_change = reference.find("TransformMethod")?.is_name("DocMDP")
            && revision.follow(reference, &["TransformParams", "P"])? == &Value::Integer(1);
        let one = counts == Counts { byte_ranges: 1, fields: 1 } && std::ptr::eq(by_field, signature);
        let ours = signature.find("Filter")?.is_name("Adobe.PPKLite") && signature.find("SubFilter")?.is_name("ETSI.CAdES.detached");
        (one && no_change && ours).then_some(signature)
    };
    certified().ok_or_else(|| {
        altered(
            "签名不是唯一的、不许改动的认证签名",
            "Its signature is not the single certification, permitting no change, that licences carry",
        )
    })
}

/// How often what belongs to signatures is there, at any depth.
#[derive(Default, PartialEq)]
struct Counts {
    byte_ranges: usize,
    fields: usize,
}

impl Counts {
    fn add(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                for item in items {
                    self.add(item);
                }
            }
            Value::Dict(dict) => {
                self.byte_ranges += usize::from(syntax::find(dict, "ByteRange").is_some());
                self.fields += usize::from(syntax::find(dict, "FT").is_some());
                for (_, value) in dict {
                    self.add(value);
                }
            }
            _ => {}
        }
    }
}

struct Ranges {
    /// The token of `Contents`.
    gap: std::ops::Range<usize>,
    /// Where what is covered ends.
    end: usize,
}

/// `[0 a b c]`: everything from the first byte to the end of the revision, but the token of `Contents`.
fn ranges(revision: &Revision, signature: &Value, bytes: &[u8]) -> Option<Ranges> {
    let Value::Array(numbers) = signature.find("ByteRange")? else { return None };
    let [Value::Integer(0), Value::Integer(before), Value::Integer(after), Value::Integer(length)] = numbers.as_slice() else {
        return None;
    };
    let [before, after, length] = [before, after, length].map(|n| usize::try_from(*n).ok());
    let Value::Hex(gap) = signature.find("Contents")? else { return None };
    let end = after?.checked_add(length?)?;
    let last = bytes.get(revision.end..end)?;
    let whole = Some(gap.start) == before && Some(gap.end) == after && [&b""[..], b"\n", b"\r\n"].contains(&last);
    whole.then(|| Ranges { gap: gap.clone(), end })
}

/// One DER value in hexadecimal digits of one case, and zeros up to the end of its place.
fn contents(token: &[u8]) -> Option<Vec<u8>> {
    let digits = token.strip_prefix(b"<")?.strip_suffix(b">")?;
    let (lower, upper) = (digits.iter().any(u8::is_ascii_lowercase), digits.iter().any(u8::is_ascii_uppercase));
    if (lower && upper) || digits.len() > 2 * LARGEST_SIGNATURE {
        return None;
    }
    let mut bytes = hex::decode(digits).ok()?;
    let length = match bytes.as_slice() {
        [0x30, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        [0x30, 0x81, length, ..] => 3 + usize::from(*length),
        _ => return None,
    };
    if bytes.get(length..)?.iter().any(|byte| *byte != 0) {
        return None;
    }
    bytes.truncate(length);
    Some(bytes)
}

/// Mathematics first, then whose signature it is, then whether it is about these bytes. Gives the signer.
fn check(judge: &Judge, signature: &Value, der: &[u8], covered: &[&[u8]]) -> Result<Certificate, Refusal> {
    let opened = cms::open(der).map_err(|fault| {
        let (zh, en) = (format!("签名无效：{fault}"), format!("The signature is broken: {fault}"));
        altered(&zh, &en)
    })?;
    let stamped = opened.time_stamp.as_ref().map(|token| timestamp::open(token, &opened.signature)).transpose();
    let stamped = stamped.map_err(|fault| altered("时间戳无效", &format!("The time-stamp is broken: {fault}")))?;
    let at = match &stamped {
        Some(stamp) => {
            judge.anchors.chain(&stamp.authority, &stamp.certificates, stamp.at).map_err(Refusal::not_trusted)?;
            stamp.at
        }
        None => signing_time(signature).ok_or_else(|| altered("签名时间无法读取", "The signature's time M cannot be read"))?,
    };
    judge.anchors.chain(&opened.signer, &opened.certificates, at).map_err(Refusal::not_trusted)?;
    if !opened.covers(covered) {
        return Err(altered(
            "签名以外的内容被改动",
            "Bytes outside the signature were changed after signing: what it shows is not what was issued",
        ));
    }
    Ok(opened.signer)
}

/// `M`: `D:20210422100000+08'00'` (7.9.4), whole seconds with their distance from UTC.
fn signing_time(signature: &Value) -> Option<Timestamp> {
    let Value::Text(text) = signature.find("M")? else { return None };
    let text = std::str::from_utf8(text).ok()?.strip_prefix("(D:")?.strip_suffix(')')?;
    let (local, zone) = text.split_at_checked(14)?;
    let number = |range: std::ops::Range<usize>| local.get(range)?.parse::<i8>().ok();
    let year = local.get(..4)?.parse().ok()?;
    let local = DateTime::new(year, number(4..6)?, number(6..8)?, number(8..10)?, number(10..12)?, number(12..14)?, 0).ok()?;
    let offset = match zone {
        "Z" | "+00'00'" | "+00'00" => Offset::UTC,
        "+08'00'" | "+08'00" => Offset::constant(8),
        _ => return None,
    };
    TimeZone::fixed(offset).to_timestamp(local).ok()
}

/// An embedded file by its name in the catalog's tree (7.11.4).
fn attached(revision: &Revision, name: &str) -> Option<Vec<u8>> {
    let catalog = syntax::find(&revision.trailer, "Root")?;
    let Value::Array(names) = revision.follow(catalog, &["Names", "EmbeddedFiles", "Names"])? else { return None };
    let wanted = format!("({name})");
    let pair = names.chunks_exact(2).find(|pair| matches!(pair[0], Value::Text(text) if text == wanted.as_bytes()))?;
    let Value::Reference(number) = revision.resolve(&pair[1])?.find("EF")?.find("F")? else { return None };
    let Object { value, stream: Some(stream) } = revision.objects.get(number)? else { return None };
    match value.find("Filter") {
        None => Some(stream.to_vec()),
        Some(filter) if filter.is_name("FlateDecode") => syntax::inflated(stream, LARGEST_ATTACHMENT),
        Some(_) => None,
    }
}

/// What stands after the revision that was signed: how much, and which objects it replaces.
fn added(revision: &Revision, rest: &[u8]) -> Reason {
    let mut parts: Vec<String> = Vec::new();
    for at in rest.windows(6).enumerate().filter(|(_, window)| *window == b" 0 obj").map(|(at, _)| at) {
        let start = rest[..at].iter().rposition(|b| !b.is_ascii_digit()).map_or(0, |before| before + 1);
        let number = std::str::from_utf8(&rest[start..at]).ok().and_then(|digits| digits.parse::<u32>().ok());
        let Some(object) = number.and_then(|number| revision.objects.get(&number)) else { continue };
        let part = match object.value.find("Type").or_else(|| object.value.find("Subtype")) {
            Some(Value::Name(kind)) => String::from_utf8_lossy(kind).into_owned(),
            _ if object.stream.is_some() => "stream".to_owned(),
            _ => "object".to_owned(),
        };
        if parts.len() < MOST_NAMED && !parts.contains(&part) {
            parts.push(part);
        }
    }
    let length = rest.len();
    let mut reason = Reason {
        zh: format!("签名之后又追加了 {length} 字节，显示的内容可能不是签发的内容；以下为签名时的内容"),
        en: format!(
            "{length} bytes were added after signing, so what it shows may not be what was issued; what follows is what was signed"
        ),
    };
    if !parts.is_empty() {
        let parts = parts.join(", ");
        reason.add(&format!("追加部分替换了 {parts}"), &format!("What was added replaces {parts}"));
    }
    reason
}

/// Kinds of objects that a reason names.
const MOST_NAMED: usize = 12;

fn memory_find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
