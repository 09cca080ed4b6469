//! What a genuine statement says, and what the register and the calendar add to it.

use jiff::civil::Date;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Answer, Envelope, Finding, Grade, Judge, Licence, Question, Reason, Refusal, State, qr};
use crate::qr::CapsuleName;
use crate::statement::FORMAT;

/// Something with a signature that holds, before the register was asked.
pub(super) struct Genuine {
    pub(super) licence: Licence,
    /// By the dates.
    pub(super) state: State,
    /// About the dates.
    pub(super) reason: Reason,
    pub(super) digits: String,
    pub(super) statement: [u8; 16],
    /// What was added after signing.
    pub(super) added: Option<Reason>,
    /// What is said last.
    pub(super) note: Option<Reason>,
}

impl Genuine {
    /// What the register is asked, with the digest of the file if it is one.
    pub(super) fn question<'q>(&'q self, file: Option<&'q [u8; 32]>) -> Question<'q> {
        Question { file, digits: &self.digits, statement: &self.statement, status_index: self.licence.status_index }
    }

    /// Gives the grade, by what the register has answered; none when it was not asked.
    pub(super) fn settle(mut self, answer: Option<Answer>) -> Finding {
        if self.licence.test {
            self.reason.add("测试密钥签发的样张，不是证照", "Signed by a test key: a sample, not a licence");
        }
        let mut grade = Grade::B;
        match answer {
            None => self.reason.add(
                "签名真实，但未查询登记簿，此后是否补发、暂扣、注销或撤销不得而知",
                "The signature is genuine, but the register was not asked, so a later reissue, suspension or revocation is not known",
            ),
            Some(Err(error)) => {
                let (zh, en) = (
                    format!("签名真实，但登记簿无法查询：{error}"),
                    format!("The signature is genuine, but the register gives no answer: {error}"),
                );
                self.reason.add(&zh, &en);
            }
            Some(Ok(None)) => {
                self.reason.add("签名真实，但该登记簿中没有这份证照", "The signature is genuine, but this register knows no such licence");
            }
            Some(Ok(Some(entry))) => {
                if entry.exact && self.added.is_none() {
                    grade = Grade::A;
                    self.reason.add(
                        "签名真实，且与登记簿所载签发内容完全一致",
                        "The signature is genuine, and the register says that exactly this was issued",
                    );
                } else {
                    self.reason.add(
                        "签名真实，登记簿载有该证照，但所交内容与签发的不完全相同",
                        "The signature is genuine and the register knows the licence, but what was handed in is not to the byte what was issued",
                    );
                }
                self.licence.identifier.get_or_insert(entry.identifier);
                self.licence.version.get_or_insert(entry.version);
                if entry.status != crate::record::Status::Valid {
                    self.state = entry.status.into();
                    self.reason = status_reason(self.state, self.reason);
                } else if entry.latest > entry.version {
                    self.state = State::Superseded;
                    self.licence.superseded_by = Some(entry.latest);
                    self.reason = ahead(
                        &format!("已被第 {} 版取代", entry.latest),
                        &format!("Version {} has replaced it", entry.latest),
                        self.reason,
                    );
                }
            }
        }
        if let Some(added) = self.added {
            self.state = State::Altered;
            self.reason = ahead(&added.zh, &added.en, self.reason);
        }
        if let Some(note) = self.note {
            self.reason.add(&note.zh, &note.en);
        }
        Finding { grade, state: self.state, reason: self.reason, licence: Some(self.licence) }
    }
}

fn ahead(zh: &str, en: &str, rest: Reason) -> Reason {
    let mut reason = Reason::new(zh, en);
    reason.add(&rest.zh, &rest.en);
    reason
}

fn status_reason(state: State, rest: Reason) -> Reason {
    let (zh, en) = match state {
        State::Suspended => ("登记簿载明已暂扣", "The register says that it is suspended"),
        State::Cancelled => ("登记簿载明已注销", "The register says that it was cancelled"),
        State::Withdrawn => ("登记簿载明已吊销", "The register says that it was withdrawn"),
        _ => ("登记簿载明已撤销", "The register says that it was revoked"),
    };
    ahead(zh, en, rest)
}

/// What is read of a `statement.json`.
#[derive(Deserialize)]
struct Statement {
    format: String,
    identifier: String,
    number: String,
    version: u16,
    holder: Holder,
    r#use: Option<Days>,
    #[serde(default)]
    test: bool,
}

#[derive(Deserialize)]
struct Holder {
    name: String,
}

#[derive(Deserialize)]
struct Days {
    from: Date,
    to: Date,
}

/// A file is as genuine as its statement: the code that it repeats must be signed by a statement key, and be about this
/// statement. So nobody who signs files alone can make a licence.
pub(super) fn of_envelope(judge: &Judge, envelope: Envelope) -> Result<Genuine, Refusal> {
    let strange = |zh: &str, en: &str| {
        let mut reason = Reason::new("文件签名真实，但其中的证照声明有问题", "The file's signature holds, but its statement does not");
        reason.add(zh, en);
        Refusal::new(State::NotIssued, reason)
    };
    let text = envelope.code.ok_or_else(|| strange("文件元数据中没有二维码文本", "The file's metadata holds no QR text"))?;
    let mut genuine =
        qr::open(judge, &text).ok_or_else(|| strange("声明不是由可信密钥签发", "No key in the trust list has signed the statement"))?;
    let hash = Sha256::digest(&envelope.statement);
    if hash[..16] != genuine.statement {
        return Err(strange("statement.json 与二维码不符", "statement.json is not the one that the QR code is about"));
    }
    let statement: Statement = serde_json::from_slice(&envelope.statement)
        .ok()
        .filter(|statement: &Statement| statement.format == FORMAT)
        .ok_or_else(|| strange("statement.json 无法读取", "statement.json cannot be read"))?;
    let licence = &mut genuine.licence;
    let period = statement.r#use.map(|days| (days.from, days.to));
    let named = match &licence.name {
        Some(name) => CapsuleName::of(&statement.holder.name, &statement.number, false) == CapsuleName::Plain(name.clone()),
        None => true,
    };
    if statement.number != licence.number || period != licence.use_from.zip(licence.use_to) || !named {
        return Err(strange("statement.json 与二维码内容不符", "statement.json and the QR code contradict each other"));
    }
    licence.name = Some(statement.holder.name);
    licence.identifier = Some(statement.identifier);
    licence.version = Some(statement.version);
    licence.test |= statement.test || envelope.test;
    genuine.added = envelope.added;
    Ok(genuine)
}
