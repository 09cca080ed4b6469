//! `certpress backup` and `certpress restore`: a checked copy of the register, and the way back.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use certpress::config::{RegisterOverrides, Settings};
use certpress::store::{AuditReport, restore};

use super::register;

/// Copy the register to a file while it serves
///
/// The copy is checked before it gets its name: structure, references, the audit trail, every record's digest. Made files
/// are not in it: they are kept by digest, in a folder or a bucket that is copied as it is. A register in PostgreSQL is
/// backed up with `pg_dump`.
#[derive(clap::Args)]
pub struct BackupArgs {
    /// The new file
    #[arg(value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    register: RegisterOverrides,
}

/// Put a backup where no register is yet
#[derive(clap::Args)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    register: RegisterOverrides,
}

/// Runs `certpress backup`.
pub fn back_up(args: &BackupArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    register::block_on(async {
        let store = register::read(settings, &args.register).await?;
        let checked = store.check().await?;
        if let Some(tampered) = &checked.tampered {
            bail!("the register is damaged, so it is not backed up over good copies: {tampered:?}");
        }
        store.backup(&args.to).await?;
        store.close().await;
        tell(&args.to, &checked);
        Ok(ExitCode::SUCCESS)
    })
}

/// Runs `certpress restore`.
pub fn run_restore(args: &RestoreArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let service = settings.service.with(&args.register);
    if service.database.is_some() {
        bail!("a register in PostgreSQL is restored with pg_restore");
    }
    register::block_on(async {
        let to = service.data.join("register.db");
        let checked = restore(&args.from, &to).await?;
        tell(&to, &checked);
        Ok(ExitCode::SUCCESS)
    })
}

fn tell(file: &std::path::Path, checked: &AuditReport) {
    println!("{}: {} audit entries, head {}", file.display(), checked.entries, checked.head);
}
