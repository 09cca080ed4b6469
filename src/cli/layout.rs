//! `certpress layout`: checks licence types by their samples, and shows how one looks.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use certpress::annotation::Wish;
use certpress::clock::shanghai_date;
use certpress::config::Settings;
use certpress::issue::{Composed, Line, NotIssued};
use certpress::layout::{self, LayoutFault};
use certpress::record::{self, Options, Record};
use certpress::render::Format;
use certpress::sign::Keyring;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

/// Check or preview licence types
#[derive(Args)]
#[command(after_help = "\
Examples:
  certpress layout check
  certpress layout preview constructor-1 --out face.png
  certpress layout preview safety-abc --record samples/records/r26-safety-abc-class-a.json --out face.png")]
pub struct LayoutArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Set every sample of every type and report what is wrong
    ///
    /// Looks for missing glyphs, texts that do not fit, fields that are unknown or that nothing prints, and items that
    /// touch. Exit code 0 when there is nothing to report.
    Check(CheckArgs),
    /// Draw one licence of a type as PNG, signed with no key that counts
    Preview(PreviewArgs),
}

#[derive(Args)]
struct CheckArgs {
    /// Record files or folders to set
    #[arg(long, value_name = "PATH", default_value = "samples/records")]
    samples: Vec<PathBuf>,
    /// Print one JSON object for each fault
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct PreviewArgs {
    /// Id of the licence type, for example constructor-1
    #[arg(value_name = "TYPE")]
    id: String,
    /// A record of that type; without it, the first sample that can be issued
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The PNG file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The moment of issue, for example 2021-04-22T10:00:00+08:00; now when absent
    #[arg(long, value_name = "RFC3339")]
    as_of: Option<Timestamp>,
}

/// Runs it.
pub fn run(args: &LayoutArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    // The seeds are of no account: nothing that is signed here leaves the program, and previews say 样张.
    let line = Line::open(settings, Keyring::from_seeds(&[0; 32], [0; 32]))?;
    match &args.verb {
        Verb::Check(args) => Ok(check(args, &line)),
        Verb::Preview(args) => preview(args, &line),
    }
}

fn check(args: &CheckArgs, line: &Line) -> ExitCode {
    let at = super::instant(None);
    let mut faults = Vec::new();
    let mut samples = Vec::new();
    for loaded in record::read(&args.samples, &options(at)) {
        match loaded.record {
            Ok(record) => samples.push(record),
            Err(found) => faults
                .extend(found.into_iter().map(|f| LayoutFault { place: f.source_place, message: format!("{}: {}", f.field, f.message) })),
        }
    }
    faults.extend(layout::check(line.layouts(), line.fonts(), &samples, at));
    for fault in &faults {
        if args.json {
            println!("{}", json!({ "place": fault.place, "message": fault.message }));
        } else {
            println!("{fault}");
        }
    }
    if !args.json {
        let types = line.layouts().iter().count();
        eprintln!("{types} types, {} samples, {} faults", samples.len(), faults.len());
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn preview(args: &PreviewArgs, line: &Line) -> anyhow::Result<ExitCode> {
    if let Err(nearest) = line.layouts().find(&args.id) {
        let hint = nearest.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
        bail!("`{}` is not a known licence type{hint}", args.id);
    }
    let at = super::instant(args.as_of);
    let composed = match &args.record {
        Some(file) => given(file, args, line, at)?,
        None => first_sample(args, line, at)?,
    };
    let png = line.render(&composed.document, Format::Png)?;
    std::fs::write(&args.out, png).with_context(|| format!("{}: cannot be written", args.out.display()))?;
    println!("{}", args.out.display());
    Ok(ExitCode::SUCCESS)
}

/// The record that was asked for; why it cannot be shown is the answer when it cannot.
fn given(file: &Path, args: &PreviewArgs, line: &Line, at: Timestamp) -> anyhow::Result<Composed> {
    let mut other = None;
    for loaded in record::read(&[file.to_owned()], &options(at)) {
        match loaded.record {
            Ok(record) if record.licence_type == args.id => {
                return compose(line, &record, at).map_err(|e| anyhow::anyhow!("{}: {e}", loaded.source));
            }
            Ok(record) => other = Some(record.licence_type),
            Err(faults) => bail!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    }
    match other {
        Some(found) => bail!("{}: holds a record of type {found}, not {}", file.display(), args.id),
        None => bail!("{}: holds no record", file.display()),
    }
}

fn first_sample(args: &PreviewArgs, line: &Line, at: Timestamp) -> anyhow::Result<Composed> {
    let samples = record::read(&[PathBuf::from("samples/records")], &options(at));
    let mut own = samples.filter_map(|loaded| loaded.record.ok()).filter(|record| record.licence_type == args.id);
    let composed = own.find_map(|record| compose(line, &record, at).ok());
    composed.with_context(|| format!("samples/records has no {} that can be issued; name one with --record", args.id))
}

fn compose(line: &Line, record: &Record, at: Timestamp) -> Result<Composed, NotIssued> {
    line.compose(record, at, Wish::default())
}

fn options(at: Timestamp) -> Options {
    Options { today: shanghai_date(at), lenient_identifiers: false }
}
