//! `certpress issue`: record files in, licences and a report out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use certpress::annotation::Wish;
use certpress::clock::shanghai_date;
use certpress::config::Settings;
use certpress::issue::batch::{Batch, Outcome, ReportLine, Summary};
use certpress::issue::{Envelopes, Line};
use certpress::record::{self, Options};
use certpress::render::Format;
use certpress::sign::Keyring;
use jiff::Timestamp;
use jiff::civil::Date;

/// How many refused or invalid records the table names; the report names all.
const NAMED: usize = 20;

/// Issue licences from record files
///
/// Reads records (JSON, JSONL, CSV, XLSX; files or folders), applies the rule of their type, and writes
/// `<number>.pdf`, `.ofd`, `.png`, `.svg` and `report.jsonl`, which is `report.jsonl.part` until all is done. Memory does not
/// grow with the number of records, but for some dozen bytes each. Exit code 0 when every record was issued or refused by
/// a rule, 2 when any record was invalid, 1 on failure.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  certpress issue --out out
  certpress issue batch.xlsx --out out --formats pdf,ofd --jobs 2
  certpress issue nation.jsonl --out nation --formats pdf,ofd --resume
  certpress issue batch.xlsx --out batch.zip
  certpress issue batch.xlsx --out - | ssh archive tar x
  certpress issue r.json --out out --as-of 2021-04-22T10:00:00+08:00
  certpress issue r.json --out out --use-from 2026-03-01 --use-to 2026-06-30")]
pub struct IssueArgs {
    /// Record files or folders
    #[arg(value_name = "PATH", default_value = "samples/records")]
    paths: Vec<PathBuf>,
    /// Output folder; or an archive, FILE.tar or FILE.zip; or - for a tar to the standard output
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on with a run into the same folder that was interrupted: what its report has, with all files, is not done again
    #[arg(long)]
    resume: bool,
    /// Issue as of this instant (RFC 3339) instead of now
    #[arg(long, value_name = "RFC3339")]
    as_of: Option<Timestamp>,
    /// Which files to make
    #[arg(long, value_delimiter = ',', default_value = "pdf,ofd,png,svg")]
    formats: Vec<Format>,
    /// Threads [default: one for each core]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// First day of use, for types where the holder chooses
    #[arg(long, value_name = "DATE")]
    use_from: Option<Date>,
    /// Last day of use, for types where the holder chooses
    #[arg(long, value_name = "DATE")]
    use_to: Option<Date>,
    /// Accept identity numbers and company codes with a wrong check digit, with a warning
    #[arg(long)]
    lenient_identifiers: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &IssueArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let at = super::instant(args.as_of);
    let now = super::instant(None);
    let (keyring, made) = Keyring::open_or_init(&settings.keys, now)?;
    if made {
        eprintln!("made test keys in {}; every file they sign says 样张 SAMPLE", settings.keys.display());
    }
    let envelopes = Envelopes::open(settings, &keyring, now)?;
    let line = Line::open(settings, keyring)?.sealed_by(envelopes);
    let jobs = args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, Into::into), usize::from);
    let mut formats = args.formats.clone();
    formats.sort_unstable();
    formats.dedup();
    let batch = Batch {
        line: &line,
        out: &args.out,
        resume: args.resume,
        reading: Options { today: shanghai_date(at), lenient_identifiers: args.lenient_identifiers },
        at,
        wish: Wish { from: args.use_from, to: args.use_to, made_today: 0 },
        formats: &formats,
        jobs,
    };
    let progress = super::counted(&args.paths);
    let mut table = Table::default();
    let summary = batch.run(record::inputs(&args.paths), |report| {
        progress.inc(1);
        table.take(report);
    });
    progress.finish_and_clear();
    // The standard output may be the archive.
    let mut say: Box<dyn Write> = if args.out == Path::new("-") { Box::new(std::io::stderr()) } else { Box::new(std::io::stdout()) };
    let summary = match summary {
        Ok(summary) => summary,
        Err(error) => {
            table.print(&mut say, args).ok();
            return Err(error.into());
        }
    };
    let said = if args.json {
        let mut said = serde_json::to_value(&summary)?;
        said["out"] = serde_json::to_value(&args.out)?;
        said["report"] = serde_json::to_value(args.out.join("report.jsonl"))?;
        writeln!(say, "{said}")
    } else {
        let Summary { issued, refused, invalid, failed, .. } = &summary;
        let counts = format!("{issued} issued, {refused} refused, {invalid} invalid, {failed} failed → {}", args.out.display());
        let reasons = summary.reasons.iter().map(|(code, count)| format!("\n  {count:>9}  {code}"));
        let reasons = if refused > &NAMED { reasons.collect() } else { String::new() };
        writeln!(say, "{counts}{reasons}").and_then(|()| table.print(&mut say, args))
    };
    // A reader that has seen enough, such as `head`, is no failure.
    said.ok();
    Ok(match summary {
        Summary { failed: 1.., .. } => ExitCode::FAILURE,
        Summary { invalid: 1.., .. } => ExitCode::from(2),
        Summary { issued: 0, refused: 0, .. } => {
            anyhow::bail!("no records found; give record files or folders, see certpress issue --help")
        }
        Summary { .. } => ExitCode::SUCCESS,
    })
}

/// The records that were not issued, for people.
#[derive(Default)]
struct Table {
    rows: Vec<String>,
    more: usize,
}

impl Table {
    fn take(&mut self, report: &ReportLine) {
        if report.outcome == Outcome::Issued {
            return;
        }
        if self.rows.len() == NAMED {
            self.more += 1;
            return;
        }
        let code = report.code.as_deref().unwrap_or_default();
        let number = report.number.as_deref().unwrap_or("-");
        let message = report.message.as_deref().unwrap_or_default().replace('\n', "; ");
        self.rows.push(format!("  {code:<18} {number}  {message}  ({})", report.source));
    }

    fn print(&self, out: &mut impl Write, args: &IssueArgs) -> std::io::Result<()> {
        let more = (self.more > 0).then(|| format!("  … and {} more, see {}", self.more, args.out.join("report.jsonl").display()));
        self.rows.iter().chain(&more).try_for_each(|row| writeln!(out, "{row}"))
    }
}
