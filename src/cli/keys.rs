//! `certpress keys`: makes, shows, replaces and publishes the keys of this installation.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use certpress::config::Settings;
use certpress::sign::{KeyState, Keyring, TrustedKey, make_test_pki};
use clap::{Args, Subcommand};
use serde_json::json;

/// Make, show, replace and publish the keys that sign statements and QR codes.
#[derive(Args)]
#[command(after_help = "Examples:
  certpress keys init                        make test keys in keys/
  certpress keys list                        which key signs, and which are trusted
  certpress keys export --json > keys.json   the list that verifiers fetch
  certpress keys rotate --keys /srv/keys     sign with a new key from now on")]
pub struct KeysArgs {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Make test keys and test certificates, where there are none yet
    Init,
    /// Show which key signs statements now, and every key whose signatures count
    List,
    /// Make a new test key for statements and sign with it from now on; the old one stays trusted
    Rotate,
    /// Print the public keys, as PEM or with --json as the key list for verifiers
    Export,
}

/// Runs `certpress keys`.
pub fn run(args: &KeysArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let folder = settings.keys.as_path();
    let out = &mut std::io::stdout().lock();
    match args.verb {
        Verb::Init => {
            let now = super::instant(None);
            let (keyring, made) = Keyring::open_or_init(folder, now)?;
            let certificates = make_test_pki(folder, now)?;
            if !args.json {
                let found = if made { "test keys made in" } else { "statement keys were already there:" };
                writeln!(out, "{found} {}", folder.display())?;
                if !certificates.is_empty() {
                    writeln!(out, "test certificates made: {}", certificates.join(", "))?;
                }
            }
            show(&keyring, folder, args, out)?;
        }
        Verb::List => show(&Keyring::open(folder)?, folder, args, out)?,
        Verb::Rotate => {
            let keyring = Keyring::rotate(folder, super::instant(None))?;
            show(&keyring, folder, args, out)?;
            if !args.json {
                retired_note(&keyring, folder, out)?;
            }
        }
        Verb::Export => export(&Keyring::open(folder)?, args, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn export(keyring: &Keyring, args: &KeysArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&keyring.key_list())?)?;
    } else {
        for key in &keyring.trusted {
            write!(out, "{}", key.pem())?;
        }
    }
    Ok(())
}

fn show(keyring: &Keyring, folder: &Path, args: &KeysArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    if args.json {
        let key = |key: &TrustedKey| json!({"kid": key.name(), "state": keyring.state(key), "test": key.test, "from": key.from, "until": key.until});
        let keys: Vec<_> = keyring.trusted.iter().map(key).collect();
        writeln!(out, "{}", json!({"folder": folder, "keys": keys}))?;
        return Ok(());
    }
    writeln!(out, "{:<5} {:<10} {:<5} {:<21} until", "kid", "state", "test", "from")?;
    for key in &keyring.trusted {
        let state = match keyring.state(key) {
            KeyState::InUse => "in use",
            KeyState::Retired => "retired",
            KeyState::Trusted => "trusted",
        };
        let instant = |at: Option<jiff::Timestamp>| at.map_or_else(|| "–".to_owned(), |at| at.to_string());
        let test = if key.test { "yes" } else { "no" };
        writeln!(out, "{:<5} {state:<10} {test:<5} {:<21} {}", key.name(), instant(key.from), instant(key.until))?;
    }
    if keyring.test {
        writeln!(out, "The key in use is a test key: each file it signs says 样张 SAMPLE.")?;
    }
    Ok(())
}

fn retired_note(keyring: &Keyring, folder: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let retired = keyring.trusted.iter().filter(|key| keyring.state(key) == KeyState::Retired).max_by_key(|key| key.until);
    if let Some(retired) = retired {
        let file = folder.join("private").join(format!("statement-{}.pem", retired.name()));
        writeln!(
            out,
            "Nothing needs {} any more: destroy it or lock it away. Publish the keys anew: certpress keys export --json",
            file.display()
        )?;
    }
    Ok(())
}
