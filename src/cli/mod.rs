//! The command line, a file for each subcommand; the only place that joins rooms by hand.

mod audit;
mod backup;
mod doctor;
mod form;
mod import;
mod issue;
mod keys;
mod layout;
mod list;
mod register;
mod reissue;
mod rows;
mod serve;
mod verify;
mod whole;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use certpress::config::{Overrides, Settings};
use certpress::record;
use indicatif::{ProgressBar, ProgressStyle};

/// Issues electronic licences as PDF and OFD with verifiable QR codes.
#[derive(Parser)]
#[command(
    version,
    about,
    max_term_width = 110,
    after_help = "\
Examples:
  certpress issue --out out                      issue the sample records
  certpress issue batch.xlsx --out out --formats pdf,ofd
  certpress verify out/京1112012201990001.png    read and judge the QR code in a picture
  certpress layout preview constructor-1 --out face.png
  certpress doctor                               check fonts, layouts and keys"
)]
struct Cli {
    #[command(flatten)]
    overrides: Overrides,
    /// Show the causes of an error
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Issue licences from record files
    Issue(issue::IssueArgs),
    /// Judge QR texts and pictures that hold a QR code
    Verify(verify::VerifyArgs),
    /// Check or preview licence types
    Layout(layout::LayoutArgs),
    /// Fill, print and check Word application forms
    Form(form::FormArgs),
    /// Write lists as spreadsheets
    List(list::ListArgs),
    /// Make, list, rotate and export keys
    Keys(keys::KeysArgs),
    /// Run the service: the register, the API, and the answers to the public
    Serve(serve::ServeArgs),
    /// Load record files into the register
    Import(import::ImportArgs),
    /// Give many licences their next version
    Reissue(reissue::ReissueArgs),
    /// Copy the register to a file while it serves
    Backup(backup::BackupArgs),
    /// Put a backup where no register is yet
    Restore(backup::RestoreArgs),
    /// Check the trail of every change and every look
    Audit(audit::AuditArgs),
    /// Check that fonts, layouts, samples and keys are in order
    Doctor(doctor::DoctorArgs),
}

/// Parses the arguments, runs the subcommand, and says what went wrong in one line.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let verbose = cli.verbose;
    let result = Settings::load(cli.overrides).map_err(anyhow::Error::from).and_then(|settings| match cli.command {
        Command::Issue(args) => issue::run(&args, &settings),
        Command::Verify(args) => verify::run(&args, &settings),
        Command::Layout(args) => layout::run(&args, &settings),
        Command::Form(args) => form::run(&args, &settings),
        Command::List(args) => list::run(&args),
        Command::Keys(args) => keys::run(&args, &settings),
        Command::Serve(args) => serve::run(&args, settings),
        Command::Import(args) => import::run(&args, &settings),
        Command::Reissue(args) => reissue::run(&args, &settings),
        Command::Backup(args) => backup::back_up(&args, &settings),
        Command::Restore(args) => backup::run_restore(&args, &settings),
        Command::Audit(args) => audit::run(&args, &settings),
        Command::Doctor(args) => doctor::run(&args, &settings),
    });
    result.unwrap_or_else(|error| {
        eprintln!("certpress: {error}");
        if verbose {
            for cause in error.chain().skip(1) {
                eprintln!("  because: {cause}");
            }
        }
        ExitCode::FAILURE
    })
}

/// `--as-of`, or the present moment.
fn instant(as_of: Option<jiff::Timestamp>) -> jiff::Timestamp {
    use certpress::clock::{Clock, SystemClock};
    as_of.unwrap_or_else(|| SystemClock.now())
}

/// As [`progress`], for the records of some files. Finding where records begin is quick beside what is done with them, so
/// soon the time left is known.
fn counted(paths: &[PathBuf]) -> ProgressBar {
    let progress = progress("records");
    if !progress.is_hidden() {
        let (progress, paths) = (progress.clone(), paths.to_vec());
        std::thread::spawn(move || progress.set_length(record::inputs(&paths).count() as u64));
    }
    progress
}

/// A line on a terminal that counts, with rate and time left once [`ProgressBar::set_length`] has said how many there are;
/// nothing elsewhere.
fn progress(what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = format!("{{bar:30}} {{human_pos}}/{{human_len}} {what}  {{per_sec}}  {{elapsed}}, {{eta}} left");
    ProgressBar::no_length().with_style(ProgressStyle::with_template(&template).expect("the template is well formed"))
}
