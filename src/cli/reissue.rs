//! `certpress reissue`: the next version of many licences, as a job that can be interrupted.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use certpress::config::{RegisterOverrides, Settings};
use certpress::issue::Envelopes;
use certpress::render::Format;
use certpress::sign::Keyring;
use certpress::store::{Act, Job, JobState, Search};

use super::register::{self, ACTOR};

/// Reissue many licences: each gets its next version, the one before is superseded
///
/// Every licence in force gets its next version, and a new statement under the rule as of now is recorded and signed; what
/// the rule refuses stays as it is, and is counted by reason. Files are made when first asked for, or now with --formats.
/// What is interrupted goes on with --resume, or by itself when the service runs: without a gap, and nothing twice.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  certpress reissue --all --reason 印章更换
  certpress reissue --query licence_type=constructor-1 --query expires_before=2027-01-01 --reason 更名
  certpress reissue --all --reason 私钥泄露 --formats pdf,ofd
  certpress reissue --resume")]
pub struct ReissueArgs {
    /// Every licence in force
    #[arg(long, conflicts_with_all = ["query", "resume"])]
    all: bool,
    /// Those that match: `licence_type`, `number`, `name`, `employer`, `status`, `expires_from` or `expires_before`
    #[arg(long, value_name = "FIELD=VALUE", conflicts_with = "resume")]
    query: Vec<String>,
    /// Files to make now and to keep in the blob store, rather than when first asked for
    #[arg(long, value_delimiter = ',', conflicts_with = "resume")]
    formats: Vec<Format>,
    /// Go on with jobs that were interrupted
    #[arg(long)]
    resume: bool,
    /// Why, for the audit
    #[arg(long, required_unless_present = "resume")]
    reason: Option<String>,
    #[command(flatten)]
    register: RegisterOverrides,
}

/// Runs it.
pub fn run(args: &ReissueArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    if !args.all && !args.resume && args.query.is_empty() {
        bail!("say which: --all, --query FIELD=VALUE, or --resume");
    }
    let search = search(&args.query)?;
    // What comes before asks signers and a time-stamp server with blocking calls.
    let envelopes = Envelopes::open(settings, &Keyring::open(&settings.keys)?, super::instant(None))?;
    register::block_on(async {
        let register = register::write(settings, &args.register, false, Some(envelopes)).await?;
        if !args.resume {
            let act = Act { reason: args.reason.as_deref(), ..Act::new(ACTOR, super::instant(None)) };
            register.store.create_job(&act, &search, &args.formats).await?;
        }
        register.finish().await?;
        let progress = super::progress("licences");
        let mut began = false;
        register
            .finish_jobs(|job| {
                progress.set_length(job.total);
                progress.set_position(job.done + job.failed);
                // What an earlier run has done says nothing about the time that is left.
                if !std::mem::replace(&mut began, true) {
                    progress.reset_eta();
                }
                if job.state == JobState::Finished {
                    progress.suspend(|| say(job));
                }
            })
            .await?;
        progress.finish_and_clear();
        register.store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// What became of it.
fn say(job: &Job) {
    let mut out = std::io::stdout().lock();
    let reasons = job.reasons.iter().map(|(reason, count)| format!("\n  {count:>9}  {reason}"));
    // A reader that has seen enough is no failure.
    writeln!(out, "{} reissued, {} not{}", job.done, job.failed, reasons.collect::<String>()).ok();
}

fn search(query: &[String]) -> anyhow::Result<Search> {
    let mut search = serde_json::Map::new();
    for pair in query {
        let (field, value) = pair.split_once('=').with_context(|| format!("--query {pair}: write FIELD=VALUE"))?;
        search.insert(field.to_owned(), value.into());
    }
    serde_json::from_value(search.into()).context("--query")
}
