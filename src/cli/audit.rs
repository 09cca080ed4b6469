//! `certpress audit`: whether the trail of changes and looks is whole.

use std::process::ExitCode;

use certpress::config::{RegisterOverrides, Settings};
use clap::{Args, Subcommand};

use super::register;

/// Check the trail of every change and every look
#[derive(Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Follow the hash chain from its first entry, and compare every record with its digest
    ///
    /// Prints the number of entries and the hash of the last one; written down elsewhere, that also shows when the end
    /// was cut off. Exit code 1 when anything was changed.
    Verify {
        /// The head that was written down, to be found in the trail's end
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
        #[command(flatten)]
        register: RegisterOverrides,
    },
}

/// Runs it.
pub fn run(args: &AuditArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let Verb::Verify { head, register } = &args.verb;
    register::block_on(async {
        let store = register::read(settings, register).await?;
        let report = store.audit_verify().await?;
        store.close().await;
        println!("{}", serde_json::to_string(&report)?);
        let other_head = head.as_ref().is_some_and(|head| *head != report.head);
        if other_head {
            eprintln!("certpress: the trail ends with another entry than the one that was written down");
        }
        Ok(if report.tampered.is_none() && !other_head { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}
