//! Many records to a folder or an archive: files that are whole or not there, and a report with a line for each record.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::archive::{Archive, Tar, Zip};
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
    /// The output: a folder, an archive by its name `*.tar` or `*.zip`, or `-` for a tar to the standard output.
    pub out: &'a Path,
    /// Whether to go on with what an interrupted run has left in the folder.
    pub resume: bool,
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
    pub files: BTreeMap<&'static str, ReportFile>,
    /// What was accepted only because identifiers are read leniently.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
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
#[derive(Debug, Serialize, Deserialize)]
pub struct ReportFile {
    /// Name inside the output folder.
    pub path: String,
    /// Size.
    pub bytes: usize,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// How many records became what.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Issued.
    pub issued: usize,
    /// Refused by a rule.
    pub refused: usize,
    /// Wrong records.
    pub invalid: usize,
    /// Files that could not be written.
    pub failed: usize,
    /// Those refused, by the refusal's code.
    pub reasons: BTreeMap<String, usize>,
    /// How many of all these an interrupted run had done.
    pub resumed: usize,
}

/// Why a batch stops as a whole.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The output folder or the report cannot be written.
    #[error("{}: cannot be written: {cause}; choose another folder with --out, or make room and go on with --resume", path.display())]
    Output {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// What is resumed was another batch.
    #[error("the interrupted run had done {done}, and the records now have {} in its place; give the same records, or leave --resume out", found.as_deref().unwrap_or("nothing"))]
    OtherRecords {
        /// Record of the report.
        done: String,
        /// Record that is there now.
        found: Option<String>,
    },
    /// An archive cannot be gone on with.
    #[error("{}: only a folder can be resumed; leave --resume out", .0.display())]
    Stream(PathBuf),
    /// Threads cannot be started.
    #[error("{0} threads cannot be started; give a smaller --jobs")]
    Threads(usize),
}

impl Batch<'_> {
    /// Issues every record. The report's order is the records' order, whatever the number of threads.
    ///
    /// In a folder the report grows as `report.jsonl.part` and gets its name at the end. A batch that resumes keeps each line
    /// of it whose files are there, passes over as many records, and goes on.
    pub fn run(&self, records: impl Iterator<Item = Input>, mut done: impl FnMut(&ReportLine)) -> Result<Summary, BatchError> {
        let mut outlet = Outlet::open(self)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.jobs).build().map_err(|_| BatchError::Threads(self.jobs))?;
        let in_folder = matches!(outlet, Outlet::Folder { .. });
        let mut records = records.peekable();
        let mut taken = Taken::default();
        let mut summary = Summary::default();
        outlet.resume(self, |line| {
            match records.next() {
                Some(input) if input.source() == line.source => {}
                other => return Err(BatchError::OtherRecords { done: line.source, found: other.map(|input| input.source().to_owned()) }),
            }
            if let (Some(number), true) = (&line.number, line.outcome != Outcome::Invalid) {
                taken.claim(number, &line.source);
            }
            summary.count(line.outcome, line.code.as_deref());
            summary.resumed += 1;
            Ok(())
        })?;
        // A report that cannot be written does not stop the batch: licences that can be issued still are.
        let mut unreported = None;
        while records.peek().is_some() {
            let chunk: Vec<_> = records.by_ref().take(self.jobs * CHUNK_PER_JOB).collect();
            let loaded: Vec<_> = pool.install(|| chunk.into_par_iter().map(|input| input.load(&self.reading)).collect());
            let claimed: Vec<_> = loaded.into_iter().map(|loaded| claim(loaded, &mut taken)).collect();
            let issued: Vec<_> = pool.install(|| claimed.into_par_iter().map(|loaded| self.one(loaded, in_folder)).collect());
            for (mut line, files) in issued {
                outlet.add(&mut line, files);
                summary.count(line.outcome, line.code.as_deref());
                unreported = unreported.or(outlet.report(&line).err());
                done(&line);
            }
            unreported = unreported.or(outlet.flush().err());
        }
        match unreported {
            Some(cause) => Err(BatchError::Output { path: self.out.join(REPORT), cause }),
            None => outlet.finish(self).map(|()| summary),
        }
    }

    /// The line of one record, and its files where they are not in a folder already.
    fn one(&self, loaded: Loaded, in_folder: bool) -> (ReportLine, Vec<(Format, Vec<u8>)>) {
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
            files: BTreeMap::new(),
            warnings: loaded.warnings.iter().map(ToString::to_string).collect(),
        };
        let mut files = Vec::new();
        match loaded.record {
            Err(faults) => {
                let text: Vec<_> = faults.iter().map(ToString::to_string).collect();
                line.fail(Outcome::Invalid, "invalid", text.join("\n"));
            }
            Ok(record) => {
                line.number = Some(record.number.clone());
                line.version = Some(record.version);
                match self.line.issue(&record, self.at, self.wish, self.formats) {
                    Ok(issued) => {
                        files = line.issued(&record, issued);
                        if in_folder {
                            line.keep(&mut files, |name, bytes| write(self.out, name, bytes));
                        }
                    }
                    Err(NotIssued::Refused(refusal)) => {
                        line.fail(Outcome::Refused, refusal.code.as_str(), refusal.message);
                        line.remedy = Some(refusal.remedy);
                    }
                    Err(error @ NotIssued::Sign(_)) => line.fail(Outcome::Failed, "failed", error.to_string()),
                    Err(error) => line.fail(Outcome::Invalid, "invalid", error.to_string()),
                }
            }
        }
        (line, files)
    }
}

/// A batch's report.
const REPORT: &str = "report.jsonl";

/// Where files and report go.
enum Outlet {
    /// Files are written where they are made, on any thread; this is the report.
    Folder { report: BufWriter<File> },
    /// Files and then the report are written one after the other.
    Archive { archive: Box<dyn Archive>, report: BufWriter<File>, broken: bool },
}

impl Outlet {
    fn open(batch: &Batch) -> Result<Self, BatchError> {
        let out = batch.out;
        let kind = if out == Path::new("-") { Some("-") } else { out.extension().and_then(|e| e.to_str()) };
        if batch.resume && matches!(kind, Some("-" | "tar" | "zip")) {
            return Err(BatchError::Stream(out.to_owned()));
        }
        let file = || Ok::<_, io::Error>(BufWriter::with_capacity(1 << 20, File::create(part(out))?));
        let archive =
            |archive: Box<dyn Archive>| Ok(Self::Archive { archive, report: BufWriter::new(tempfile::tempfile()?), broken: false });
        let open = || match kind {
            Some("-") => archive(Box::new(Tar::new(BufWriter::with_capacity(1 << 20, io::stdout()), batch.at))),
            Some("tar") => archive(Box::new(Tar::new(file()?, batch.at))),
            Some("zip") => archive(Box::new(Zip::new(file()?, batch.at)?)),
            _ => Self::folder(batch),
        };
        open().map_err(|cause| BatchError::Output { path: out.to_owned(), cause })
    }

    fn folder(batch: &Batch) -> io::Result<Self> {
        let whole = batch.out.join(REPORT);
        let path = part(&whole);
        std::fs::create_dir_all(batch.out)?;
        if batch.resume && !path.exists() && whole.exists() {
            std::fs::rename(&whole, &path)?;
        }
        let file = File::options().create(true).read(true).write(true).truncate(false).open(&path)?;
        file.try_lock().map_err(|_| io::Error::other("another run is writing here"))?;
        if !batch.resume {
            file.set_len(0)?;
        }
        Ok(Self::Folder { report: BufWriter::new(file) })
    }

    /// The lines that an interrupted run left, up to the first that is torn or whose files are not whole; the rest is cut off.
    fn resume(&mut self, batch: &Batch, mut each: impl FnMut(Reported) -> Result<(), BatchError>) -> Result<(), BatchError> {
        let failed = |cause| BatchError::Output { path: batch.out.join(REPORT), cause };
        let Self::Folder { report } = self else { return Ok(()) };
        let file = report.get_mut();
        let (mut lines, mut bytes, mut end) = (BufReader::new(&*file), Vec::new(), 0);
        while lines.read_until(b'\n', &mut bytes).map_err(failed)? > 0 {
            match serde_json::from_slice::<Reported>(&bytes) {
                Ok(line) if bytes.ends_with(b"\n") && line.files.values().all(|file| file.is_in(batch.out)) => each(line)?,
                _ => break,
            }
            end += bytes.len() as u64;
            bytes.clear();
        }
        file.set_len(end).and_then(|()| file.seek(io::SeekFrom::End(0))).map_err(failed)?;
        Ok(())
    }

    /// Into an archive, and the line says how it went.
    fn add(&mut self, line: &mut ReportLine, mut files: Vec<(Format, Vec<u8>)>) {
        if let Self::Archive { archive, broken, .. } = self {
            line.keep(&mut files, |name, bytes| {
                if *broken {
                    return Err(io::Error::other("the archive broke off before"));
                }
                archive.add(name, bytes).inspect_err(|_| *broken = true)
            });
        }
    }

    fn report(&mut self, line: &ReportLine) -> io::Result<()> {
        let (Self::Folder { report } | Self::Archive { report, .. }) = self;
        serde_json::to_writer(&mut *report, line)?;
        report.write_all(b"\n")
    }

    /// What is not flushed is done again after a crash.
    fn flush(&mut self) -> io::Result<()> {
        let (Self::Folder { report } | Self::Archive { report, .. }) = self;
        report.flush()
    }

    fn finish(self, batch: &Batch) -> Result<(), BatchError> {
        let (report, out) = (batch.out.join(REPORT), batch.out);
        let (finished, path) = match self {
            Self::Folder { report: mut part_of } => {
                (part_of.flush().and_then(|()| part_of.get_ref().sync_all()).and_then(|()| std::fs::rename(part(&report), &report)), report)
            }
            Self::Archive { mut archive, report: mut spooled, broken } => {
                let mut finish = || {
                    if broken {
                        return Err(io::Error::other("the archive broke off"));
                    }
                    spooled.flush()?;
                    archive.copy(REPORT, spooled.get_mut())?;
                    archive.finish()?;
                    if out == Path::new("-") { Ok(()) } else { std::fs::rename(part(out), out) }
                };
                (finish(), out.to_owned())
            }
        };
        finished.map_err(|cause| BatchError::Output { path, cause })
    }
}

/// What a file is called until it is whole.
fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// A file is whole under its name or not there at all.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let begun = folder.join(format!(".{name}.part"));
    let written = std::fs::write(&begun, bytes).and_then(|()| std::fs::rename(&begun, folder.join(name)));
    // What cannot be written can often be removed; if not, nothing more can be done.
    written.inspect_err(|_| drop(std::fs::remove_file(&begun)))
}

/// A line of the report of an interrupted run, as far as it matters for going on.
#[derive(Deserialize)]
struct Reported {
    source: String,
    number: Option<String>,
    outcome: Outcome,
    code: Option<String>,
    files: BTreeMap<String, ReportFile>,
}

impl ReportFile {
    fn is_in(&self, folder: &Path) -> bool {
        std::fs::metadata(folder.join(&self.path)).is_ok_and(|about| about.is_file() && about.len() == self.bytes as u64)
    }
}

/// The numbers of a batch, as hashes, and where each was first: two dozen bytes a record.
#[derive(Default)]
struct Taken {
    numbers: HashMap<[u8; 8], (u32, u32)>,
    files: Vec<String>,
}

impl Taken {
    /// Where the number was taken before; if nowhere, it is taken now.
    fn claim(&mut self, number: &str, source: &str) -> Option<String> {
        let hash = Sha256::digest(file_stem(number));
        let (file, line) = match source.rsplit_once(':').map(|(file, line)| (file, line.parse())) {
            Some((file, Ok(line))) => (file, line),
            _ => (source, 0),
        };
        if self.files.last().is_none_or(|last| last != file) {
            self.files.push(file.to_owned());
        }
        match self.numbers.entry(std::array::from_fn(|i| hash[i])) {
            Entry::Vacant(free) => {
                free.insert((self.files.len() as u32 - 1, line));
                None
            }
            Entry::Occupied(first) => {
                let (file, line) = *first.get();
                let file = &self.files[file as usize];
                Some(if line == 0 { file.clone() } else { format!("{file}:{line}") })
            }
        }
    }
}

/// Two records of one number would write one file twice: the second is a fault.
fn claim(mut loaded: Loaded, taken: &mut Taken) -> Loaded {
    if let Ok(record) = &loaded.record
        && let Some(first) = taken.claim(&record.number, &loaded.source)
    {
        let message = format!("the number {} was already issued in this batch, from {first}; leave one of them out", record.number);
        loaded.record = Err(vec![Fault { source_place: loaded.source.clone(), field: "number".into(), message }]);
    }
    loaded
}

impl ReportLine {
    /// What was issued, but for its files, which this gives.
    fn issued(&mut self, record: &Record, Issued { identifier, period, qr, files }: Issued) -> Vec<(Format, Vec<u8>)> {
        self.outcome = Outcome::Issued;
        (self.number, self.version) = (Some(record.number.clone()), Some(record.version));
        (self.identifier, self.qr) = (Some(identifier), Some(qr));
        if let Some(period) = period {
            (self.use_from, self.use_to, self.days) = (Some(period.from), Some(period.to), Some(period.days));
            self.capped_by = period.capped_by;
        }
        files
    }

    /// Writes the files of what was issued, and lists them.
    fn keep(&mut self, files: &mut Vec<(Format, Vec<u8>)>, mut write: impl FnMut(&str, &[u8]) -> io::Result<()>) {
        let stem = self.number.as_deref().map(file_stem).unwrap_or_default();
        for (format, bytes) in files.drain(..) {
            let path = format!("{stem}.{}", format.extension());
            if let Err(cause) = write(&path, &bytes) {
                return self.fail(Outcome::Failed, "failed", format!("{path}: cannot be written: {cause}"));
            }
            let sha256 = hex::encode(Sha256::digest(&bytes));
            self.files.insert(format.extension(), ReportFile { path, bytes: bytes.len(), sha256 });
        }
    }

    fn fail(&mut self, outcome: Outcome, code: &str, message: String) {
        self.outcome = outcome;
        self.code = Some(code.to_owned());
        self.message = Some(message);
        self.files.clear();
        (self.identifier, self.qr, self.capped_by) = (None, None, None);
        (self.use_from, self.use_to, self.days) = (None, None, None);
    }
}

impl Summary {
    fn count(&mut self, outcome: Outcome, code: Option<&str>) {
        *match outcome {
            Outcome::Issued => &mut self.issued,
            Outcome::Refused => &mut self.refused,
            Outcome::Invalid => &mut self.invalid,
            Outcome::Failed => &mut self.failed,
        } += 1;
        if let (Outcome::Refused, Some(code)) = (outcome, code) {
            *self.reasons.entry(code.to_owned()).or_default() += 1;
        }
    }
}

/// A licence number as a file name: characters that some file system or shell cannot take become `_`.
pub fn file_stem(number: &str) -> String {
    number.chars().map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c }).collect()
}
