//! `certpress import`: record files into the register.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use certpress::config::{RegisterOverrides, Settings};
use certpress::issue::register::Row;
use certpress::record;
use certpress::store::{Act, LoadChange};
use indicatif::ProgressBar;

use super::register::{self, ACTOR};

/// Load record files into the register
///
/// Reads JSON, JSONL, CSV and XLSX, files or folders. A record that is on file already changes nothing, so an import that
/// was interrupted is simply run again. Exit code 0 when every record is in the register, 2 when any was not taken.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  certpress import samples/records --create
  certpress import batch.xlsx --reason \"2026年第3批\"
  certpress import records.jsonl --database postgres://certpress@localhost/certpress")]
pub struct ImportArgs {
    /// Record files or folders
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    /// Make the register when it does not exist
    #[arg(long)]
    create: bool,
    #[command(flatten)]
    register: RegisterOverrides,
}

/// Records in one transaction; twice as many are in memory, each with the pixels of its portrait.
const STEP: usize = 250;

/// After so many steps the register's log, some tens of megabytes by then, is carried over.
const CARRY: u32 = 16;

/// Runs it.
pub fn run(args: &ImportArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    register::block_on(async {
        let register = register::write(settings, &args.register, args.create, None).await?;
        let mut inputs = record::inputs(&args.paths);
        let progress = super::counted(&args.paths);
        let mut counts = Counts::default();
        let (mut read, mut steps) = (Vec::new(), 0);
        loop {
            let at = super::instant(None);
            let act = Act { reason: args.reason.as_deref(), ..Act::new(ACTOR, at) };
            let step: Vec<_> = inputs.by_ref().take(STEP).collect();
            let over = step.is_empty();
            // While these are filed, the next are read.
            steps += 1;
            let carry = async { if steps % CARRY == 0 { Ok(register.store.carry_over().await?) } else { Ok(()) } };
            let (rows, next, ()) = tokio::try_join!(register.file_all(&act, read), register.read(at, step), carry)?;
            for row in rows {
                counts.take(&row, &progress);
            }
            if over {
                break;
            }
            read = next;
        }
        progress.finish_and_clear();
        register.store.close().await;
        let Counts { new, changed, equal, wrong } = counts;
        writeln!(std::io::stdout(), "{new} new, {changed} changed, {equal} as before, {wrong} not taken")?;
        Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
    })
}

#[derive(Default)]
struct Counts {
    new: u64,
    changed: u64,
    equal: u64,
    wrong: u64,
}

impl Counts {
    fn take(&mut self, row: &Row, progress: &ProgressBar) {
        progress.inc(1);
        match &row.change {
            Some(LoadChange::New) => self.new += 1,
            Some(LoadChange::NewVersion | LoadChange::Status) => self.changed += 1,
            Some(LoadChange::Equal) => self.equal += 1,
            Some(LoadChange::Refused(why)) => {
                self.wrong += 1;
                progress.suspend(|| eprintln!("{}: {why}", row.place));
            }
            None => {
                self.wrong += 1;
                progress.suspend(|| row.errors.iter().for_each(|fault| eprintln!("{fault}")));
            }
        }
    }
}
