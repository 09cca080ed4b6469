//! What the register answers: the one in a database, and the one that a batch leaves behind, `report.jsonl`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::record::Status;
use crate::store::{Access, Store, StoreError};

/// A register of what was issued. Asked once for each thing that is genuine, and never about anything else, so that nobody
/// learns from it what was or was not issued.
pub trait Register: Sync {
    /// What is known about one issued licence; none when it knows none.
    fn answer(&self, question: &Question<'_>) -> Result<Option<Entry>, RegisterError>;
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// SHA-256 of the file that was handed in; none for a QR code.
    pub file: Option<&'q [u8; 32]>,
    /// The digits of the QR code, also of the one that a file repeats.
    pub digits: &'q str,
    /// The first half of the statement's SHA-256: which version, and which 加注 of it.
    pub statement: &'q [u8; 16],
    /// Its place in the status list; none for what was issued without a register.
    pub status_index: Option<u32>,
}

/// What is known about an issued licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whether this very file was issued (its SHA-256 is known), or for a QR code, whether these very digits were.
    pub exact: bool,
    /// 证照标识.
    pub identifier: String,
    /// Version of the licence.
    pub version: u16,
    /// The version in force.
    pub latest: u16,
    /// Its status now.
    pub status: Status,
}

/// Why a register gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The report cannot be read.
    #[error("{}: {cause}; name the report.jsonl of the batch", path.display())]
    File {
        /// The report.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A line is none of a report's.
    #[error("{}:{line}: is no line of a report: {cause}", path.display())]
    Line {
        /// The report.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        cause: String,
    },
    /// The database gives no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The register cannot be reached at the moment.
    #[error("{0}")]
    Unavailable(String),
}

/// The register of a service, read straight from its database.
pub struct Database {
    store: Store,
    runtime: tokio::runtime::Runtime,
}

impl Database {
    /// Opens `sqlite:PATH`, `postgres://…` or a data folder, to look things up.
    pub fn open(address: &str) -> Result<Self, RegisterError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| RegisterError::Unavailable(e.to_string()))?;
        let store = runtime.block_on(Store::open(address, Access::Read))?;
        Ok(Self { store, runtime })
    }
}

impl Register for Database {
    fn answer(&self, question: &Question<'_>) -> Result<Option<Entry>, RegisterError> {
        Ok(self.runtime.block_on(ask_store(&self.store, question))?)
    }
}

/// What the database knows: one look-up by a unique number, a second one for a file.
pub async fn ask_store(store: &Store, question: &Question<'_>) -> Result<Option<Entry>, StoreError> {
    let Some(index) = question.status_index else { return Ok(None) };
    let Some((annotation, licence)) = store.by_status_index(index).await? else { return Ok(None) };
    if annotation.statement.hash16() != *question.statement {
        return Ok(None);
    }
    let exact = match question.file {
        None => annotation.digits.as_deref() == Some(question.digits),
        Some(sha256) => store.by_file(sha256).await?.is_some_and(|(_, issued, _)| issued.id == annotation.id),
    };
    #[derive(Deserialize)]
    struct Stated {
        identifier: String,
    }
    let stated = serde_json::from_slice(&annotation.statement.bytes);
    let Stated { identifier } =
        stated.map_err(|e| StoreError::Corrupt { what: format!("statement of {}", annotation.id), why: e.to_string() })?;
    Ok(Some(Entry { exact, identifier, version: annotation.version, latest: licence.version, status: licence.status }))
}

/// A batch's `report.jsonl`, read once. It knows files, codes and versions; of suspension and revocation it knows nothing.
#[derive(Debug, Default)]
pub struct Report {
    issued: Vec<Issued>,
    by_file: HashMap<[u8; 32], usize>,
    by_digits: HashMap<String, usize>,
    /// The highest version of each licence: of what its identifiers share.
    latest: HashMap<String, u16>,
}

#[derive(Debug)]
struct Issued {
    identifier: String,
    version: u16,
}

/// What is read of a line; the rest is for people.
#[derive(Deserialize)]
struct Line {
    outcome: String,
    identifier: Option<String>,
    version: Option<u16>,
    qr: Option<String>,
    files: HashMap<String, Sha256>,
}

#[derive(Deserialize)]
struct Sha256 {
    sha256: String,
}

impl Report {
    /// Reads a report.
    pub fn read(path: &Path) -> Result<Self, RegisterError> {
        let failed = |cause| RegisterError::File { path: path.to_owned(), cause };
        let mut report = Self::default();
        for (number, line) in (1..).zip(BufReader::new(File::open(path).map_err(failed)?).lines()) {
            let wrong = |cause: String| RegisterError::Line { path: path.to_owned(), line: number, cause };
            let line: Line = serde_json::from_str(&line.map_err(failed)?).map_err(|e| wrong(e.to_string()))?;
            if line.outcome == "issued" {
                report.add(line).ok_or_else(|| wrong("something that was issued has no identifier, version, code or digest".to_owned()))?;
            }
        }
        Ok(report)
    }

    fn add(&mut self, line: Line) -> Option<()> {
        let (identifier, version, qr) = (line.identifier?, line.version?, line.qr?);
        let latest = self.latest.entry(licence_of(&identifier).to_owned()).or_default();
        *latest = version.max(*latest);
        let place = self.issued.len();
        for file in line.files.values() {
            self.by_file.insert(<[u8; 32]>::try_from(hex::decode(&file.sha256).ok()?).ok()?, place);
        }
        let digits = &qr[qr.trim_end_matches(|c: char| c.is_ascii_digit()).len()..];
        self.by_digits.insert(digits.to_owned(), place);
        self.issued.push(Issued { identifier, version });
        Some(())
    }
}

impl Register for Report {
    fn answer(&self, question: &Question<'_>) -> Result<Option<Entry>, RegisterError> {
        // A file repeats the digits of its code, so they find both.
        let place = self.by_digits.get(question.digits);
        Ok(place.map(|&place| {
            let Issued { identifier, version } = &self.issued[place];
            let exact = question.file.is_none_or(|sha256| self.by_file.get(sha256) == Some(&place));
            let latest = self.latest.get(licence_of(identifier)).map_or(*version, |&latest| latest.max(*version));
            Entry { exact, identifier: identifier.clone(), version: *version, latest, status: Status::Valid }
        }))
    }
}

/// An identifier without its last two parts, the version and the check character (GB/T 36904).
fn licence_of(identifier: &str) -> &str {
    identifier.rsplitn(3, '.').nth(2).unwrap_or(identifier)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{BASE, digits, judge, trusted};
    use super::super::{Grade, Judge, State, Verdict};
    use super::*;

    const AT: &str = "2021-05-01T00:00:00Z";

    /// A report of codes with their versions, all of one licence.
    fn report(lines: &[(usize, u16)]) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.jsonl");
        let line = |(vector, version): &(usize, u16)| {
            serde_json::json!({
                "outcome": "issued", "identifier": format!("1.2.156.3005.2.TYPE.BODY.SERIAL.{version:03}.X"), "version": version,
                "qr": format!("{BASE}{}", digits(*vector)), "files": {"pdf": {"path": "x.pdf", "bytes": 1, "sha256": "00".repeat(32)}},
            })
        };
        let refused = serde_json::json!({"outcome": "refused", "identifier": null, "version": 1, "qr": null, "files": {}});
        let text: String = lines.iter().map(line).chain([refused]).map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, text).unwrap();
        Report::read(&path).unwrap()
    }

    fn judged(report: &dyn Register) -> Verdict {
        let keys = trusted(false);
        let judge = Judge { register: Some(report), ..judge(&keys, AT) };
        judge.text(&format!("{BASE}{}", digits(0)))
    }

    #[test]
    fn what_the_register_knows_is_grade_a_and_what_it_does_not_know_b() {
        let known = judged(&report(&[(0, 1)]));
        assert_eq!((known.grade, known.state), (Grade::A, State::Valid));
        let licence = known.licence.unwrap();
        assert_eq!((licence.version, licence.superseded_by), (Some(1), None));
        assert_eq!(licence.identifier.as_deref(), Some("1.2.156.3005.2.TYPE.BODY.SERIAL.001.X"));
        let unknown = judged(&report(&[(1, 1)]));
        assert_eq!((unknown.grade, unknown.state), (Grade::B, State::Valid));
        assert!(unknown.reason.contains("没有这份证照") && unknown.reason_en.contains("knows no such licence"), "{}", unknown.reason);
    }

    #[test]
    fn a_later_version_supersedes_the_earlier() {
        for order in [[(0, 1), (1, 2)], [(1, 2), (0, 1)]] {
            let verdict = judged(&report(&order));
            assert_eq!((verdict.grade, verdict.state), (Grade::A, State::Superseded));
            assert!(verdict.reason.starts_with("已被第 2 版取代") && verdict.reason_en.starts_with("Version 2 has replaced it"));
            assert_eq!(verdict.licence.unwrap().superseded_by, Some(2));
        }
        assert_eq!(judged(&report(&[(0, 2), (1, 1)])).state, State::Valid);
    }

    #[test]
    fn a_status_other_than_valid_comes_first() {
        struct Says(Option<Status>);
        impl Register for Says {
            fn answer(&self, question: &Question<'_>) -> Result<Option<Entry>, RegisterError> {
                assert_eq!((question.file, question.digits), (None, digits(0).as_str()));
                let status = self.0.ok_or_else(|| RegisterError::Unavailable("connection refused".to_owned()))?;
                Ok(Some(Entry { exact: true, identifier: "1.2.3".to_owned(), version: 1, latest: 2, status }))
            }
        }
        let states = Status::ALL.map(|status| judged(&Says(Some(status))).state);
        assert_eq!(states, [State::Superseded, State::Suspended, State::Cancelled, State::Revoked, State::Withdrawn]);
        let silent = judged(&Says(None));
        assert_eq!((silent.grade, silent.state), (Grade::B, State::Valid));
        assert!(silent.reason_en.contains("gives no answer: connection refused"), "{}", silent.reason_en);
    }

    #[test]
    fn what_is_no_report_is_named_by_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.jsonl");
        std::fs::write(&path, "{\"outcome\":\"refused\",\"files\":{}}\nhello\n").unwrap();
        let error = Report::read(&path).unwrap_err().to_string();
        assert!(error.contains("report.jsonl:2: is no line of a report"), "{error}");
        std::fs::write(&path, "{\"outcome\":\"issued\",\"files\":{}}\n").unwrap();
        assert!(Report::read(&path).unwrap_err().to_string().contains("has no identifier"));
        assert!(Report::read(&folder.path().join("none")).unwrap_err().to_string().contains("name the report.jsonl"));
    }
}
