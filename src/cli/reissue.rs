//! `certpress reissue`: the next version of many licences, as a job that can be interrupted.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use certpress::config::{RegisterOverrides, Settings};
use certpress::store::{Act, JobState, Search};
use indicatif::{ProgressBar, ProgressStyle};

use super::register::{self, ACTOR};

/// Reissue many licences: each gets its next version, the one before is superseded
///
/// Works through the register in small steps. What is interrupted goes on with --resume, or by itself when the service
/// runs.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  certpress reissue --all --reason 印章更换
  certpress reissue --query licence_type=constructor-1 --query expires_before=2027-01-01 --reason 更名
  certpress reissue --resume")]
pub struct ReissueArgs {
    /// Every licence in force
    #[arg(long, conflicts_with_all = ["query", "resume"])]
    all: bool,
    /// Those that match: `licence_type`, `number`, `name`, `employer`, `status`, `expires_from` or `expires_before`
    #[arg(long, value_name = "FIELD=VALUE", conflicts_with = "resume")]
    query: Vec<String>,
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
    register::block_on(async {
        let register = register::write(settings, &args.register, false).await?;
        if !args.resume {
            let act = Act { reason: args.reason.as_deref(), ..Act::new(ACTOR, super::instant(None)) };
            register.store.create_job(&act, &search).await?;
        }
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} licences  {eta}")?;
        let progress = ProgressBar::new(0).with_style(style);
        while let Some(job) = register.store.step_job(super::instant(None), 200).await? {
            progress.set_length(job.total);
            progress.set_position(job.done + job.failed);
            if job.state == JobState::Finished {
                progress.suspend(|| println!("{} reissued, {} not in force or out of versions", job.done, job.failed));
            }
        }
        progress.finish_and_clear();
        register.store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

fn search(query: &[String]) -> anyhow::Result<Search> {
    let mut search = serde_json::Map::new();
    for pair in query {
        let (field, value) = pair.split_once('=').with_context(|| format!("--query {pair}: write FIELD=VALUE"))?;
        search.insert(field.to_owned(), value.into());
    }
    serde_json::from_value(search.into()).context("--query")
}
