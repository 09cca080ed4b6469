//! Judging an OFD: a plain container, every entry covered, seals of ours that hold (GB/T 33190-2016 18, GB/T 38540-2020).

mod package;
mod shared;
mod xml;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use self::package::Entry;
use self::shared::Packed;
use self::xml::Element;
use super::{Envelope, Judge, Reason, Refusal, State};
use crate::layout::CODE;
use crate::sign::{Algorithm, cms, is_test, ses};

/// Where the signed statement lies.
const STATEMENT: &str = "Doc_0/Attachs/statement.json";
/// SM3, as references name their digest (GB/T 33560).
const SM3: &str = "1.2.156.10197.1.401";
/// A licence has two seals at most.
const MOST_SIGNATURES: usize = 8;
/// A seal with its picture has some ten kilobytes; reading a sealing takes several times its length.
const LARGEST_SEALING: usize = 1 << 20;
/// Entries that a reason names.
const MOST_NAMED: usize = 12;

/// Opens the envelope, or says what is wrong with it.
pub(super) fn judge(judge: &Judge, bytes: &[u8]) -> Result<Envelope, Refusal> {
    let entries = package::read(bytes).map_err(|reason| Refusal::new(State::Unreadable, reason))?;
    // Before anything is parsed: no reader may be led to entities, here or in the parts that only viewers read.
    if let Some(entry) = entries.iter().find(|entry| entry.name.to_ascii_lowercase().ends_with(".xml") && !is_plain_xml(&entry.bytes)) {
        let name = &entry.name;
        let reason = Reason { zh: format!("{name} 含有 DOCTYPE 或不是 UTF-8"), en: format!("{name} holds a DOCTYPE or is not UTF-8") };
        return Err(Refusal::new(State::Unreadable, reason));
    }
    let package = Package::new(&entries);
    let start = package.xml("OFD.xml", "OFD")?;
    let (list_path, list) = package.signatures(&start)?;
    let signatures = list.iter().map(|reference| Signature::read(&package, reference)).collect::<Result<Vec<_>, _>>()?;
    // Digests first: they say what was changed, and cost less than signatures.
    signatures.iter().try_for_each(|signature| signature.compare(&package))?;
    let tests = signatures.iter().map(|signature| signature.check(judge)).collect::<Result<Vec<_>, _>>()?;
    // Else seals could be taken off the list, or what is listed be called something else.
    for path in ["OFD.xml", &list_path] {
        if !signatures.last().is_some_and(|last| last.covers(path)) {
            return Err(about(
                path,
                "未被最后的签章覆盖，签章可能被移除",
                "is not covered by the last seal, so seals may have been taken off",
            ));
        }
    }
    let added = package.uncovered(&list_path, &list, &signatures);
    for (name, part) in &package.entries {
        if let Some(packed) = part.shared.filter(|_| signatures.iter().any(|signature| signature.covers(name))) {
            shared::remember(packed, part.sm3());
        }
    }
    let covered = signatures.iter().any(|signature| signature.covers(STATEMENT));
    let statement = package.entries.get(STATEMENT).filter(|_| covered).ok_or_else(|| {
        let reason = Reason {
            zh: format!("印章真实，但文件中没有 {STATEMENT}，不是本系统签发的证照"),
            en: format!("The seal holds, but the file has no {STATEMENT}: it is no licence issued by this system"),
        };
        Refusal::new(State::NotIssued, reason)
    })?;
    Ok(Envelope { statement: statement.bytes.to_vec(), code: code(&start), test: tests.contains(&true), added })
}

/// The text of the QR code, as the metadata repeats it, if once.
fn code(start: &Element) -> Option<String> {
    let listed = start.path(&["DocBody", "DocInfo", "CustomDatas"])?;
    let mut found = listed.children.iter().filter(|data| data.attribute("Name") == Some(CODE));
    let code = found.next().filter(|_| found.next().is_none())?;
    code.text(&[]).map(str::to_owned)
}

fn is_plain_xml(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let declared = text.strip_prefix("<?xml").is_none_or(|rest| {
        let declaration = rest.split("?>").next().unwrap_or_default().to_ascii_lowercase();
        !declaration.contains("encoding") || declaration.contains("utf-8")
    });
    // Looking for one character is many times faster than for two.
    let opens = |name: &str, at: usize| {
        let (before, after) = (&text.as_bytes()[..at], &text.as_bytes()[at + 1..]);
        before.ends_with(b"<") && after.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    let typed = text.match_indices('!').any(|(at, _)| opens("DOCTYPE", at) || opens("ENTITY", at));
    declared && !typed && !text.contains('\0')
}

fn altered(zh: &str, en: &str) -> Refusal {
    Refusal::new(State::Altered, Reason::new(zh, en))
}

/// Something is wrong with an entry.
fn about(name: &str, zh: &str, en: &str) -> Refusal {
    altered(&format!("{name} {zh}"), &format!("{name} {en}"))
}

/// The entries by name, with their digests.
struct Package<'e> {
    entries: BTreeMap<&'e str, Part<'e>>,
}

struct Part<'e> {
    /// None of a shared one that is known.
    bytes: &'e [u8],
    sm3: OnceCell<[u8; 32]>,
    /// How it is packed, if it is one that many files share.
    shared: Option<Packed>,
}

impl Part<'_> {
    fn sm3(&self) -> [u8; 32] {
        *self.sm3.get_or_init(|| Algorithm::sm3(self.bytes))
    }
}

/// What `Signatures.xml` says of one signature.
struct Listed {
    is_seal: bool,
    path: String,
}

impl<'e> Package<'e> {
    fn new(entries: &'e [Entry]) -> Self {
        let part =
            |entry: &'e Entry| Part { bytes: &entry.bytes, sm3: entry.sm3.map(OnceCell::from).unwrap_or_default(), shared: entry.shared };
        Self { entries: entries.iter().map(|entry| (entry.name.as_str(), part(entry))).collect() }
    }

    fn part(&self, path: &str) -> Result<&Part<'e>, Refusal> {
        self.entries.get(path).ok_or_else(|| about(path, "缺失", "is missing"))
    }

    fn xml(&self, path: &str, root: &str) -> Result<Element, Refusal> {
        let element = Element::read(self.part(path)?.bytes).filter(|element| element.name == root);
        element.ok_or_else(|| about(path, "不是签发时的写法", "is not written like those issued"))
    }

    /// Where the file lists its signatures, and which, in the order of signing.
    fn signatures(&self, start: &Element) -> Result<(String, Vec<Listed>), Refusal> {
        let Some(list) = start.path(&["DocBody", "Signatures"]) else {
            return Err(Refusal::new(State::Unsigned, Reason::new("文件没有签章，不是证照", "The file has no seal, so it is no licence")));
        };
        let path = inside("", list.text(&[]).unwrap_or_default());
        let list = self.xml(&path, "Signatures")?;
        let odd = || about(&path, "不是签发时的写法", "is not written like those issued");
        let mut found = Vec::new();
        for child in list.children.iter().filter(|child| child.name != "MaxSignId") {
            let location = child.attribute("BaseLoc").filter(|_| child.name == "Signature").ok_or_else(odd)?;
            let is_seal = match child.attribute("Type") {
                Some("Seal") | None => true,
                Some("Sign") => false,
                Some(_) => return Err(odd()),
            };
            found.push(Listed { is_seal, path: inside(&path, location) });
        }
        let paths: BTreeSet<&str> = found.iter().map(|listed: &Listed| listed.path.as_str()).collect();
        if found.is_empty() || found.len() > MOST_SIGNATURES || paths.len() < found.len() {
            return Err(odd());
        }
        Ok((path, found))
    }

    /// What no signature covers, though it must: each signature covers all but its own two files, and all but the last
    /// leave out what is made after them.
    fn uncovered(&self, list_path: &str, list: &[Listed], signatures: &[Signature]) -> Option<Reason> {
        let mut names: Vec<&str> = Vec::new();
        for (number, signature) in signatures.iter().enumerate() {
            let later: Vec<&str> =
                list[number + 1..].iter().filter_map(|later| later.path.rsplit_once('/')).map(|(folder, _)| folder).collect();
            let is_later = |name: &str| {
                !later.is_empty()
                    && (name == list_path || later.iter().any(|folder| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))))
            };
            let own = [signature.path, signature.value_path.as_str()];
            names.extend(self.entries.keys().filter(|name| !signature.covers(name) && !own.contains(name) && !is_later(name)));
        }
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return None;
        }
        let more = names.len().saturating_sub(MOST_NAMED);
        names.truncate(MOST_NAMED);
        let (shown, more) = (names.join(", "), if more > 0 { format!(" (+{more})") } else { String::new() });
        Some(Reason {
            zh: format!("有未被签章覆盖的条目：{shown}{more}；显示的内容可能不是签发的内容，以下为签章所覆盖的内容"),
            en: format!(
                "Entries are not covered by the seals: {shown}{more}; what it shows may not be what was issued, and what follows is what was sealed"
            ),
        })
    }
}

/// One `Signature.xml` with what it refers to.
struct Signature<'e> {
    is_seal: bool,
    path: &'e str,
    /// When, by the signer's word.
    at: Option<Timestamp>,
    xml: &'e Part<'e>,
    /// Path and digest, in the order of the file; the paths unique.
    references: BTreeMap<String, [u8; 32]>,
    value_path: String,
    value: &'e [u8],
    seal: Option<&'e Part<'e>>,
}

impl<'e> Signature<'e> {
    fn read(package: &'e Package<'e>, listed: &'e Listed) -> Result<Self, Refusal> {
        let path = listed.path.as_str();
        let xml = package.xml(path, "Signature")?;
        let odd = || about(path, "不是签发时的写法", "is not written like those issued");
        let info = xml.child("SignedInfo").ok_or_else(odd)?;
        let list = info.child("References").filter(|list| list.attribute("CheckMethod") == Some(SM3));
        let list = list.ok_or_else(|| about(path, "没有使用 SM3 摘要", "does not use SM3 digests"))?;
        let mut references = BTreeMap::new();
        for reference in &list.children {
            let file = reference.attribute("FileRef").and_then(|file| file.strip_prefix('/')).filter(|_| reference.name == "Reference");
            let digest = reference.text(&["CheckValue"]).and_then(|digest| STANDARD.decode(digest).ok()?.try_into().ok());
            let (Some(file), Some(digest)) = (file, digest) else { return Err(odd()) };
            if references.insert(file.to_owned(), digest).is_some() {
                return Err(odd());
            }
        }
        let value_path = inside(path, xml.text(&["SignedValue"]).ok_or_else(odd)?);
        let seal = match info.text(&["Seal", "BaseLoc"]) {
            Some(location) => Some(package.part(&inside(path, location))?),
            None => None,
        };
        if listed.is_seal != seal.is_some() {
            return Err(about(path, "的类型被改动", "has a seal but not the type, or the type but no seal"));
        }
        let value = package.part(&value_path)?.bytes;
        let at = info.text(&["SignatureDateTime"]).and_then(instant);
        Ok(Self { is_seal: listed.is_seal, path, at, xml: package.part(path)?, references, value_path, value, seal })
    }

    fn covers(&self, name: &str) -> bool {
        self.references.contains_key(name)
    }

    /// Every entry that is referred to is there and unchanged.
    fn compare(&self, package: &Package) -> Result<(), Refusal> {
        let (mut missing, mut changed) = (Vec::new(), Vec::new());
        for (name, digest) in &self.references {
            match package.entries.get(name.as_str()) {
                None => missing.push(name.as_str()),
                Some(part) if part.sm3() != *digest => changed.push(name.as_str()),
                Some(_) => {}
            }
        }
        if missing.is_empty() && changed.is_empty() {
            return Ok(());
        }
        let shown = |names: &mut Vec<&str>| {
            names.truncate(MOST_NAMED);
            names.join(", ")
        };
        if !missing.is_empty() {
            return Err(about(&shown(&mut missing), "在签章后被删除", "was removed after sealing"));
        }
        Err(about(&shown(&mut changed), "在签章后被改动", "was changed after sealing"))
    }

    /// Mathematics first, then whose seal it is, then whether it is about this `Signature.xml`. Gives whether it is a test.
    fn check(&self, judge: &Judge) -> Result<bool, Refusal> {
        let path = self.path;
        let broken = |fault: String| about(path, &format!("的签章无效：{fault}"), &format!("has a signature that is broken: {fault}"));
        if self.value.len() > LARGEST_SEALING {
            return Err(broken("it is longer than any seal".to_owned()));
        }
        if !self.is_seal {
            // The plain type: GB/T 35275 over the same bytes, which say when.
            let opened = cms::open(self.value).map_err(|fault| broken(fault.to_string()))?;
            let at = self.at.ok_or_else(|| broken("no SignatureDateTime".to_owned()))?;
            judge.anchors.chain(&opened.signer, &opened.certificates, at).map_err(Refusal::not_trusted)?;
            if opened.signer.key().algorithm() != Algorithm::Sm2 || !opened.covers(&[self.xml.bytes]) {
                return Err(about(path, "在签章后被改动", "was changed after signing"));
            }
            return Ok(is_test(&opened.signer));
        }
        let opened = ses::open_knowing(self.value, judge.anchors).map_err(|fault| broken(fault.to_string()))?;
        for certificate in [opened.seal.maker(), &opened.signer] {
            judge.anchors.chain(certificate, &[], opened.at).map_err(Refusal::not_trusted)?;
        }
        judge.anchors.remember_seal(&opened.seal);
        if opened.data_hash != self.xml.sm3() {
            return Err(about(path, "在签章后被改动", "was changed after sealing"));
        }
        if opened.path.trim_start_matches('/') != path {
            return Err(about(path, "的签章来自另一处", "carries a seal that was put to another place"));
        }
        if self.seal.map(Part::sm3) != Some(opened.seal.digest()) {
            return Err(about(path, "所附印章与签章中的不同", "comes with another seal than the one in its signature"));
        }
        Ok(is_test(&opened.signer) || is_test(opened.seal.maker()))
    }
}

/// `20260301040000Z`, as a `GeneralizedTime` is written.
fn instant(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_at_checked(8)?;
    format!("{date}T{time}").parse().ok()
}

/// A location as OFD writes it: from the root with a slash, else from the folder of the file that names it (7.1, `ST_Loc`).
fn inside(file: &str, location: &str) -> String {
    match (location.strip_prefix('/'), file.rsplit_once('/')) {
        (Some(absolute), _) => absolute.to_owned(),
        (None, Some((folder, _))) => format!("{folder}/{location}"),
        (None, None) => location.to_owned(),
    }
}
