//! `certpress list`: lists as real spreadsheets.

use std::path::PathBuf;
use std::process::ExitCode;

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
    let mut file = super::whole::begin(&args.out)?;
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {pos} rows")?);
    let rows = write_sheet(&form, rows, shanghai_date(super::instant(args.as_of)), file.as_file_mut(), || bar.inc(1))?;
    super::whole::finish(file, &args.out)?;
    bar.finish_and_clear();
    println!("{}: {rows} rows", args.out.display());
    Ok(ExitCode::SUCCESS)
}
