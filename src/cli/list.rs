//! `certpress list`: lists as real spreadsheets.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use certpress::clock::shanghai_date;
use certpress::form::{Form, write_sheet};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

/// Write a list as an .xlsx
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  certpress list exam-results --data results.jsonl --out results.xlsx")]
pub struct ListArgs {
    /// The list
    list: String,
    /// The rows (JSON array or JSONL)
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Output file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The day of the list (RFC 3339) instead of now
    #[arg(long, value_name = "RFC3339")]
    as_of: Option<Timestamp>,
}

/// Runs it.
pub fn run(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let form = Form::embedded(&args.list)?;
    let rows = super::rows::read(&args.data)?;
    let folder = args.out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).with_context(|| format!("cannot write into {}", folder.display()))?;
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {pos} rows")?);
    let rows = write_sheet(&form, rows, shanghai_date(super::instant(args.as_of)), temporary.as_file_mut(), || bar.inc(1))?;
    temporary.persist(&args.out).with_context(|| format!("cannot write {}", args.out.display()))?;
    bar.finish_and_clear();
    println!("{}: {rows} rows", args.out.display());
    Ok(ExitCode::SUCCESS)
}
