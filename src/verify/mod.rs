//! Judging what comes back: a QR text, a picture that holds one, a PDF, an OFD.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::record::Status;
use crate::sign::{Anchors, ChainFault, TrustedKey};
use genuine::Genuine;

mod genuine;
mod ofd;
mod pdf;
mod picture;
mod qr;
mod register;
mod service;
mod status_list;

pub use register::{Database, Entry, Question, Register, RegisterError, Report, ask_store};
pub use service::{Service, cause};
pub use status_list::{ENTRIES, Packed, StatusClaims, StatusList, StatusListError, StatusLists, StatusToken};

/// Whom to believe, and as of when to answer.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// The keys whose statements count.
    pub trusted: &'a [TrustedKey],
    /// The certificates under which files are signed.
    pub anchors: &'a Anchors,
    /// The register, where there is one to ask. It is asked only about what is genuine.
    pub register: Option<&'a dyn Register>,
    /// The address that the installation's QR codes open, up to where the digits begin.
    pub verify_base: &'a str,
    /// The instant of the answer.
    pub at: Timestamp,
}

/// The answer about one thing that was handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What was judged: a path, or the QR text itself.
    pub file: String,
    /// How far it can be trusted.
    pub grade: Grade,
    /// What it was found to be.
    pub kind: Kind,
    /// What holds at the instant of the answer.
    pub state: State,
    /// Why, in Chinese.
    pub reason: String,
    /// Why, in English.
    pub reason_en: String,
    /// What it says, when it is genuine.
    #[serde(flatten)]
    pub licence: Option<Licence>,
    /// The instant of the answer, in whole seconds.
    pub as_of: Timestamp,
}

/// How far something can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub enum Grade {
    /// Genuine, and to the byte what the register says was issued.
    A,
    /// Genuinely signed, but the register was not asked or knows no such file, or something was added afterwards.
    B,
    /// Not genuine, changed, or nothing that could be.
    C,
}

/// What was handed in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The text of a QR code.
    QrText,
    /// A PNG or JPEG picture.
    Picture,
    /// A PDF file.
    Pdf,
    /// An OFD file, or another archive.
    Ofd,
    /// Anything else.
    Unknown,
}

/// What holds at the instant of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Inside the use period.
    Valid,
    /// The use period is over.
    Over,
    /// The use period has not begun.
    NotBegun,
    /// Genuine, of a type without a use period: the registration dates decide, and the code does not carry them.
    Undated,
    /// A later version replaces it.
    Superseded,
    /// 暂扣.
    Suspended,
    /// 注销.
    Cancelled,
    /// 撤销.
    Revoked,
    /// 吊销.
    Withdrawn,
    /// 注销, 撤销 or 吊销, by a status list that does not tell which.
    Ended,
    /// Changed after it was signed (grade C), or something was added to what is still whole (grade B).
    Altered,
    /// A file without a signature.
    Unsigned,
    /// Not issued by anybody who is trusted.
    NotIssued,
    /// Issued, but the address before the digits is not the installation's, and phones would open it.
    OtherAddress,
    /// A picture without a readable QR code.
    NoCode,
    /// Nothing that can be read at all.
    Unreadable,
}

/// What a genuine licence says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Licence {
    /// Licence number.
    pub number: String,
    /// Holder's name; none where the code carries only a commitment to it.
    pub name: Option<String>,
    /// 证照标识; a QR code does not carry it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// Version of the licence; a QR code does not carry it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u16>,
    /// The version that replaces it, when the register knows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<u16>,
    /// The licence type's number in QR codes.
    pub licence_type: u8,
    /// First day of use.
    pub use_from: Option<Date>,
    /// Last day of use.
    pub use_to: Option<Date>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The key that signed it, as four hexadecimal digits.
    pub key: String,
    /// Whether test keys signed it.
    pub test: bool,
    /// Position in the status list; none when issued without a register.
    pub status_index: Option<u32>,
    /// First half of the statement's SHA-256, in hexadecimal digits.
    pub statement: String,
}

/// Something said in both languages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Reason {
    zh: String,
    en: String,
}

/// Something that was judged as far as that goes without a register: open, ask, settle are three steps, so that who asks may
/// wait for the answer.
pub struct Opened {
    name: String,
    kind: Kind,
    /// SHA-256 of a PDF or OFD file.
    file: Option<[u8; 32]>,
    found: Result<Genuine, Refusal>,
    at: Timestamp,
}

/// What a register said, or why it said nothing.
pub type Answer = Result<Option<Entry>, RegisterError>;

impl Opened {
    /// What to ask the register; none when the thing is not genuine, and then nothing is to be asked.
    pub fn question(&self) -> Option<Question<'_>> {
        self.found.as_ref().ok().map(|genuine| genuine.question(self.file.as_ref()))
    }

    /// The code as that of a file that stayed where it is: the register is asked about the file too.
    #[must_use]
    pub fn of_file(self, sha256: [u8; 32]) -> Self {
        Self { file: Some(sha256), ..self }
    }

    /// The verdict, by the register's answer; none when it was not asked.
    pub fn settle(self, answer: Option<Answer>) -> Verdict {
        let finding = self.found.map_or_else(Finding::from, |genuine| genuine.settle(answer));
        let Finding { grade, state, reason, licence } = finding;
        let as_of = Timestamp::from_second(self.at.as_second()).expect("the seconds of a timestamp are in range");
        Verdict { file: self.name, grade, kind: self.kind, state, reason: reason.zh, reason_en: reason.en, licence, as_of }
    }
}

impl Judge<'_> {
    /// Judges the text of a QR code: an address and digits, or the digits alone.
    pub fn text(&self, text: &str) -> Verdict {
        self.ask(self.open_text(text))
    }

    /// Judges the bytes of a file; `name` is what the verdict calls it.
    pub fn file(&self, name: &str, bytes: &[u8]) -> Verdict {
        self.ask(self.open_file(name, bytes))
    }

    fn ask(&self, opened: Opened) -> Verdict {
        let answer = self.register.and_then(|register| Some(register.answer(&opened.question()?)));
        opened.settle(answer)
    }

    /// [`Self::text`] without the register.
    pub fn open_text(&self, text: &str) -> Opened {
        let short: String = text.chars().take(SHOWN).collect();
        self.opened(&short, Kind::QrText, qr::judge(self, text))
    }

    /// [`Self::file`] without the register.
    pub fn open_file(&self, name: &str, bytes: &[u8]) -> Opened {
        // A PDF reader looks for the header in the first kilobyte, an archive's reader at the end: what begins as one and
        // ends as another is judged, and refused, as what it begins as.
        if bytes[..bytes.len().min(1024)].windows(5).any(|window| window == b"%PDF-") {
            return self.envelope(name, Kind::Pdf, pdf::judge(self, bytes), bytes);
        }
        if bytes.starts_with(b"PK") {
            return self.envelope(name, Kind::Ofd, ofd::judge(self, bytes), bytes);
        }
        match picture::read_codes(bytes, |text| qr::judge(self, text).is_ok()) {
            Ok(codes) => self.opened(name, Kind::Picture, picture::judge(self, &codes)),
            Err(picture::PictureError::NotAPicture) => self.other(name, bytes),
            Err(error) => self.opened(name, Kind::Picture, Err(Refusal::new(State::Unreadable, error.reason()))),
        }
    }

    /// A verdict about something that could not even be read.
    pub fn unreadable(&self, name: &str, cause: &str) -> Verdict {
        let reason = Reason { zh: format!("无法读取：{cause}"), en: format!("It cannot be read: {cause}") };
        self.opened(name, Kind::Unknown, Err(Refusal::new(State::Unreadable, reason))).settle(None)
    }

    fn opened(&self, name: &str, kind: Kind, found: Result<Genuine, Refusal>) -> Opened {
        Opened { name: name.to_owned(), kind, file: None, found, at: self.at }
    }

    /// A file whose envelope holds is what its statement says.
    fn envelope(&self, name: &str, kind: Kind, envelope: Result<Envelope, Refusal>, bytes: &[u8]) -> Opened {
        let found = envelope.and_then(|envelope| genuine::of_envelope(self, envelope));
        Opened { file: Some(Sha256::digest(bytes).into()), ..self.opened(name, kind, found) }
    }

    /// A short text may be a QR text that was saved to a file.
    fn other(&self, name: &str, bytes: &[u8]) -> Opened {
        if let Ok(text) = std::str::from_utf8(&bytes[..bytes.len().min(LONGEST_TEXT)])
            && let text = text.trim_ascii()
            && qr::is_spelled_like_a_code(text)
        {
            return self.opened(name, Kind::QrText, qr::judge(self, text));
        }
        let reason = Reason::new(
            "只能核验 PDF、OFD 文件，二维码文本和 PNG、JPEG 图片",
            "Only PDF and OFD files, QR texts and PNG or JPEG pictures can be judged",
        );
        self.opened(name, Kind::Unknown, Err(Refusal::new(State::Unreadable, reason)))
    }
}

/// A whole QR code has at most 7,089 characters (ISO/IEC 18004, version 40-L).
const LONGEST_TEXT: usize = 8 * 1024;
/// How much of a text a verdict repeats.
const SHOWN: usize = 500;

/// What a file holds whose signatures are ours and cover what they must.
struct Envelope {
    /// `statement.json`.
    statement: Vec<u8>,
    /// The QR text, which it repeats among its metadata.
    code: Option<String>,
    /// Whether a certificate of the signers says that it is for tests.
    test: bool,
    /// What was added after signing, if anything.
    added: Option<Reason>,
}

/// A verdict that does not yet know what it is about.
#[derive(Clone, Debug)]
struct Finding {
    grade: Grade,
    state: State,
    reason: Reason,
    licence: Option<Licence>,
}

impl From<Refusal> for Finding {
    fn from(Refusal { state, reason }: Refusal) -> Self {
        Self { grade: Grade::C, state, reason, licence: None }
    }
}

/// Why a file gets grade C.
struct Refusal {
    state: State,
    reason: Reason,
}

impl Refusal {
    fn new(state: State, reason: Reason) -> Self {
        Self { state, reason }
    }

    /// A signer's certificate is not believed.
    fn not_trusted(fault: ChainFault) -> Self {
        let zh = match &fault {
            ChainFault::Unknown(subject) => format!("签名人“{subject}”的证书不属于可信根证书"),
            ChainFault::OutOfTime(subject, at) => format!("签名人“{subject}”的证书在 {at} 不在有效期内"),
            ChainFault::Revoked(subject) => format!("签名人“{subject}”的证书已被吊销"),
            ChainFault::Purpose(subject) => format!("“{subject}”的证书不能用于签名"),
            ChainFault::Foreign(subject) => format!("签名中夹带了“{subject}”的证书"),
        };
        Self::new(State::NotIssued, Reason { zh, en: format!("It is not issued by anybody trusted here: {fault}") })
    }
}

impl Reason {
    fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// Adds a sentence.
    fn add(&mut self, zh: &str, en: &str) {
        self.zh = format!("{}；{zh}", self.zh);
        self.en = format!("{}. {en}", self.en);
    }
}

impl From<Status> for State {
    fn from(status: Status) -> Self {
        match status {
            Status::Valid => Self::Valid,
            Status::Suspended => Self::Suspended,
            Status::Cancelled => Self::Cancelled,
            Status::Revoked => Self::Revoked,
            Status::Withdrawn => Self::Withdrawn,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use std::sync::LazyLock;

    use super::*;
    use crate::sign::StatementKey;

    /// The key and the codes of the independent program.
    pub(super) fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/data/qr-vectors.json")).expect("JSON")
    }

    pub(super) const BASE: &str = "https://zz.example.cn/v/";

    pub(super) fn trusted(test: bool) -> Vec<TrustedKey> {
        let seed = hex::decode(vectors()["secret_key"].as_str().unwrap()).unwrap();
        let key = StatementKey::from_seed(&seed.try_into().unwrap());
        vec![TrustedKey { kid: key.kid, key: key.public(), test, from: None, until: None }]
    }

    pub(super) fn judge<'a>(trusted: &'a [TrustedKey], at: &str) -> Judge<'a> {
        static ANCHORS: LazyLock<Anchors> = LazyLock::new(Anchors::default);
        Judge { trusted, anchors: &ANCHORS, register: None, verify_base: BASE, at: at.parse().unwrap() }
    }

    /// The digits of one of the five codes.
    pub(super) fn digits(vector: usize) -> String {
        vectors()["vectors"][vector]["digits"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_verdict_is_one_flat_json_object() {
        let keys = trusted(false);
        let verdict = judge(&keys, "2021-05-01T00:00:00.9Z").text(&format!("{BASE}{}", digits(0)));
        let mut json = serde_json::to_value(&verdict).unwrap();
        assert!(json["file"].as_str().unwrap().starts_with(BASE));
        assert!(json["reason"].as_str().unwrap().starts_with("在使用有效期内（2021-04-22至2021-10-19）；"), "{json}");
        assert!(json["reason_en"].as_str().unwrap().starts_with("It is inside its use period (2021-04-22 to 2021-10-19). "), "{json}");
        for long in ["file", "reason", "reason_en"] {
            json.as_object_mut().unwrap().remove(long);
        }
        assert_eq!(
            json,
            serde_json::json!({
                "grade": "B", "kind": "qr-text", "state": "valid", "number": "京1112012201990001", "name": "王䶮",
                "licence_type": 1, "use_from": "2021-04-22", "use_to": "2021-10-19", "issued_at": "2021-04-22T02:00:00Z",
                "key": "a050", "test": false, "status_index": 42, "statement": "000102030405060708090a0b0c0d0e0f",
                "as_of": "2021-05-01T00:00:00Z",
            })
        );
    }

    #[test]
    fn a_code_saved_as_text_is_judged_as_a_code() {
        let keys = trusted(false);
        let judge = judge(&keys, "2021-05-01T00:00:00Z");
        let saved = judge.file("code.txt", format!("{BASE}{}\n", digits(0)).as_bytes());
        assert_eq!((saved.grade, saved.kind, saved.state), (Grade::B, Kind::QrText, State::Valid));
        for other in [&b""[..], b"hello", &[0xff; 40], &[b'7'; 20_000]] {
            let verdict = judge.file("other", other);
            assert_eq!((verdict.grade, verdict.kind, verdict.licence), (Grade::C, Kind::Unknown, None));
        }
    }

    #[test]
    fn a_long_text_is_not_repeated_whole() {
        let verdict = judge(&[], "2021-05-01T00:00:00Z").text(&"证".repeat(1_000_000));
        assert_eq!((verdict.grade, verdict.file.chars().count()), (Grade::C, 500));
    }
}
