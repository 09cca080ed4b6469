//! Many records to a folder: files that are whole or not there, and a report with a line for each record.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Issued, Line, NotIssued};
use crate::annotation::{Cap, Wish};
use crate::record::{Fault, Input, Loaded, Options, Record};
use crate::render::Format;

/// How many records are in memory at once for each thread.
const CHUNK_PER_JOB: usize = 32;

/// What to make of a batch, and where to put it.
pub struct Batch<'a> {
    /// The line.
    pub line: &'a Line,
    /// The output folder.
    pub out: &'a Path,
    /// How to read records.
    pub reading: Options,
    /// The instant of issue.
    pub at: Timestamp,
    /// Chosen dates, for types where the holder chooses.
    pub wish: Wish,
    /// The files to make of each licence.
    pub formats: &'a [Format],
    /// Threads.
    pub jobs: usize,
}

/// A line of `report.jsonl`.
#[derive(Debug, Serialize)]
pub struct ReportLine {
    /// File and line or row of the record.
    pub source: String,
    /// Licence number, when it could be read.
    pub number: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// A refusal's code, `invalid` or `failed`.
    pub code: Option<String>,
    /// What to tell the holder or the clerk.
    pub message: Option<String>,
    /// What they can do.
    pub remedy: Option<String>,
    /// First day of use.
    pub use_from: Option<Date>,
    /// Last day of use.
    pub use_to: Option<Date>,
    /// Days from first to last.
    pub days: Option<i32>,
    /// What decided the last day.
    pub capped_by: Option<Cap>,
    /// 证照标识.
    pub identifier: Option<String>,
    /// Version of the licence.
    pub version: Option<u16>,
    /// Text of the QR code.
    pub qr: Option<String>,
    /// The files, by format.
    pub files: std::collections::BTreeMap<&'static str, ReportFile>,
    /// What was accepted only because identifiers are read leniently.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its files are there.
    Issued,
    /// A rule says no.
    Refused,
    /// The record is wrong.
    Invalid,
    /// A file could not be signed or written.
    Failed,
}

/// A file in the report.
#[derive(Debug, Serialize)]
pub struct ReportFile {
    /// Name inside the output folder.
    pub path: String,
    /// Size.
    pub bytes: usize,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// How many records became what.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Issued.
    pub issued: usize,
    /// Refused by a rule.
    pub refused: usize,
    /// Wrong records.
    pub invalid: usize,
    /// Files that could not be written.
    pub failed: usize,
}

/// Why a batch stops as a whole.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The output folder or the report cannot be written.
    #[error("{}: cannot be written: {cause}; choose another folder with --out, or make room", path.display())]
    Output {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Threads cannot be started.
    #[error("{0} threads cannot be started; give a smaller --jobs")]
    Threads(usize),
}

impl Batch<'_> {
    /// Issues every record. The report's order is the records' order, whatever the number of threads.
    pub fn run(&self, records: impl Iterator<Item = Input>, mut done: impl FnMut(&ReportLine)) -> Result<Summary, BatchError> {
        let report_path = self.out.join("report.jsonl");
        let output = |path: &Path| {
            let path = path.to_owned();
            move |cause| BatchError::Output { path, cause }
        };
        std::fs::create_dir_all(self.out).map_err(output(self.out))?;
        let mut report = BufWriter::new(temporary(self.out).map_err(output(self.out))?);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.jobs).build().map_err(|_| BatchError::Threads(self.jobs))?;

        let mut records = records.peekable();
        let mut taken = HashMap::new();
        let mut summary = Summary::default();
        // A report that cannot be written does not stop the batch: licences that can be issued still are.
        let mut unreported = None;
        while records.peek().is_some() {
            let chunk: Vec<_> = records.by_ref().take(self.jobs * CHUNK_PER_JOB).collect();
            let loaded: Vec<_> = pool.install(|| chunk.into_par_iter().map(|input| input.load(&self.reading)).collect());
            let claimed: Vec<_> = loaded.into_iter().map(|loaded| Self::claim(loaded, &mut taken)).collect();
            let lines: Vec<_> = pool.install(|| claimed.into_par_iter().map(|loaded| self.one(loaded)).collect());
            for line in lines {
                *summary.count(line.outcome) += 1;
                let written = serde_json::to_writer(&mut report, &line).map_err(io::Error::from).and_then(|()| report.write_all(b"\n"));
                unreported = unreported.or(written.err());
                done(&line);
            }
        }
        if let Some(cause) = unreported {
            return Err(output(&report_path)(cause));
        }
        let report = report.into_inner().map_err(|e| output(&report_path)(e.into_error()))?;
        report.persist(&report_path).map_err(|e| output(&report_path)(e.error))?;
        Ok(summary)
    }

    /// Two records of one number would write one file twice: the second is a fault. Numbers are kept as hashes.
    fn claim(mut loaded: Loaded, taken: &mut HashMap<[u8; 8], String>) -> Loaded {
        if let Ok(record) = &loaded.record {
            let hash = Sha256::digest(file_stem(&record.number));
            let key = std::array::from_fn(|i| hash[i]);
            if let Some(first) = taken.get(&key) {
                let message = format!("the number {} was already issued in this batch, from {first}; leave one of them out", record.number);
                loaded.record = Err(vec![Fault { source_place: loaded.source.clone(), field: "number".into(), message }]);
            } else {
                taken.insert(key, loaded.source.clone());
            }
        }
        loaded
    }

    fn one(&self, loaded: Loaded) -> ReportLine {
        let mut line = ReportLine {
            source: loaded.source,
            number: loaded.number,
            outcome: Outcome::Invalid,
            code: None,
            message: None,
            remedy: None,
            use_from: None,
            use_to: None,
            days: None,
            capped_by: None,
            identifier: None,
            version: None,
            qr: None,
            files: std::collections::BTreeMap::new(),
            warnings: loaded.warnings.iter().map(ToString::to_string).collect(),
        };
        match loaded.record {
            Err(faults) => {
                let text: Vec<_> = faults.iter().map(ToString::to_string).collect();
                line.fail(Outcome::Invalid, "invalid", text.join("\n"));
            }
            Ok(record) => {
                line.number = Some(record.number.clone());
                line.version = Some(record.version);
                match self.line.issue(&record, self.at, self.wish, self.formats) {
                    Ok(issued) => self.keep(&mut line, &record, issued),
                    Err(NotIssued::Refused(refusal)) => {
                        line.fail(Outcome::Refused, refusal.code.as_str(), refusal.message);
                        line.remedy = Some(refusal.remedy);
                    }
                    Err(error @ NotIssued::Sign(_)) => line.fail(Outcome::Failed, "failed", error.to_string()),
                    Err(error) => line.fail(Outcome::Invalid, "invalid", error.to_string()),
                }
            }
        }
        line
    }

    fn keep(&self, line: &mut ReportLine, record: &Record, issued: Issued) {
        let stem = file_stem(&record.number);
        for (format, bytes) in &issued.files {
            let path = format!("{stem}.{}", format.extension());
            if let Err(cause) = self.write(&path, bytes) {
                line.fail(Outcome::Failed, "failed", format!("{path}: cannot be written: {cause}"));
                return;
            }
            let sha256 = hex::encode(Sha256::digest(bytes));
            line.files.insert(format.extension(), ReportFile { path, bytes: bytes.len(), sha256 });
        }
        line.outcome = Outcome::Issued;
        line.identifier = Some(issued.identifier);
        line.qr = Some(issued.qr);
        if let Some(period) = issued.period {
            line.use_from = Some(period.from);
            line.use_to = Some(period.to);
            line.days = Some(period.days);
            line.capped_by = period.capped_by;
        }
    }

    /// A file is whole under its name or not there at all.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = temporary(self.out)?;
        file.write_all(bytes)?;
        file.persist(self.out.join(name)).map_err(|e| e.error)?;
        Ok(())
    }
}

impl ReportLine {
    fn fail(&mut self, outcome: Outcome, code: &str, message: String) {
        self.outcome = outcome;
        self.code = Some(code.to_owned());
        self.message = Some(message);
        self.files.clear();
    }
}

impl Summary {
    fn count(&mut self, outcome: Outcome) -> &mut usize {
        match outcome {
            Outcome::Issued => &mut self.issued,
            Outcome::Refused => &mut self.refused,
            Outcome::Invalid => &mut self.invalid,
            Outcome::Failed => &mut self.failed,
        }
    }
}

/// A temporary file that goes away unless it is given its name.
fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile<File>> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".certpress-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other new file: what the umask leaves.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// A licence number as a file name: characters that some file system or shell cannot take become `_`.
pub fn file_stem(number: &str) -> String {
    number.chars().map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c }).collect()
}
