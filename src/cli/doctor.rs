//! `certpress doctor`: whether fonts, layouts, samples and keys are in order, or a running service, and what to do about
//! what is not.

use std::path::Path;
use std::process::ExitCode;

use anyhow::ensure;
use certpress::annotation::Wish;
use certpress::clock::shanghai_date;
use certpress::config::Settings;
use certpress::font::Fonts;
use certpress::issue::{Envelopes, Line};
use certpress::layout::{self, Document};
use certpress::qr;
use certpress::record::{self, Options, Record};
use certpress::render::Format;
use certpress::sign::Keyring;
use serde::Serialize;

mod service;

/// Characters that names have and that many fonts lack: Ext A, outside the BMP, outside 通用规范汉字表, traditional, Latin.
const HARD_CHARACTERS: &str = "䶮㛃𬎆𫖯𬭎𠅤〇·測ÜŁşế";

/// The chains that print names.
const NAME_CHAINS: [&str; 3] = ["Hei", "Song", "Kai"];

/// Check that fonts, layouts, samples and keys are in order, or a running service
///
/// Prints a line for each thing looked at, with what to do where something is wrong. Exit code 0 when nothing stands in
/// the way of issuing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  certpress doctor --config certpress.toml
  certpress doctor --service https://zz.example.cn
  certpress doctor --service https://zz.example.cn --code https://zz.example.cn/v/0496…   a code that was issued there")]
pub struct DoctorArgs {
    /// Print one JSON object for each thing looked at
    #[arg(long)]
    json: bool,
    /// Record files whose pages are tried on their layouts
    #[arg(long, value_name = "PATH", default_value = "samples/records")]
    samples: std::path::PathBuf,
    /// Look at the service at this address instead, as the public sees it
    #[arg(long, value_name = "URL")]
    service: Option<String>,
    /// Text of a QR code that the service should know
    #[arg(long, value_name = "URL|DIGITS", requires = "service")]
    code: Option<String>,
}

/// How many days before its end a certificate should be renewed.
const RENEWAL_DAYS: i64 = 30;

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Good,
    Warning,
    Bad,
}

#[derive(Serialize)]
struct Finding {
    health: Health,
    subject: &'static str,
    message: String,
}

/// Runs it.
pub fn run(args: &DoctorArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let mut found = |health, subject, message: String| findings.push(Finding { health, subject, message });
    match &args.service {
        Some(address) => service::examine(address, args.code.as_deref(), &settings.keys, &mut found),
        None => installation(args, settings, &mut found),
    }

    for finding in &findings {
        if args.json {
            println!("{}", serde_json::to_string(finding)?);
        } else {
            let mark = match finding.health {
                Health::Good => "ok  ",
                Health::Warning => "warn",
                Health::Bad => "BAD ",
            };
            println!("{mark} {:<8} {}", finding.subject, finding.message);
        }
    }
    let sick = findings.iter().any(|finding| finding.health == Health::Bad);
    Ok(if sick { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is needed to issue: keys, signers, fonts, layouts.
fn installation(args: &DoctorArgs, settings: &Settings, found: &mut impl FnMut(Health, &'static str, String)) {
    match Keyring::open(&settings.keys) {
        Ok(ring) => {
            let folder = settings.keys.display();
            if ring.test {
                found(Health::Warning, "keys", format!("{folder}: test keys, every file says 样张 SAMPLE"));
            } else {
                found(Health::Good, "keys", format!("{folder}: {} trusted", ring.trusted.len()));
            }
            signers(settings, &ring, found);
        }
        Err(error) => found(Health::Bad, "keys", error.to_string()),
    }
    verify_base(settings, found);

    let at = super::instant(None);
    let samples = samples(&args.samples, at, found);
    // The seeds are of no account: nothing that this line makes leaves the program.
    match Line::open(settings, Keyring::from_seeds(&[0; 32], [0; 32])) {
        Ok(line) => {
            coverage(line.fonts(), found);
            let faults = layout::check(line.layouts(), line.fonts(), &samples, at);
            if faults.is_empty() {
                let count = line.layouts().iter().count();
                found(Health::Good, "layouts", format!("{count} types, {} samples set without a fault", samples.len()));
            }
            for fault in faults {
                found(Health::Bad, "layouts", fault.to_string());
            }
            files(&line, &samples, at, found);
        }
        Err(error) => found(Health::Bad, "fonts and layouts", error.to_string()),
    }
}

/// A PDF of each sample that the rule lets pass, read back by a library that did not write it.
fn files(line: &Line, samples: &[Record], at: jiff::Timestamp, found: &mut impl FnMut(Health, &'static str, String)) {
    let mut read = 0;
    for record in samples {
        let Ok(composed) = line.compose(record, at, Wish::default()) else { continue };
        match read_back(line, &composed.document) {
            Ok(()) => read += 1,
            Err(error) => found(Health::Bad, "files", format!("the PDF of {}: {error:#}; report it with the record's type", record.number)),
        }
    }
    if read > 0 {
        found(Health::Good, "files", format!("{read} PDF files made and read back"));
    }
}

/// It must have one page, and give back what travels inside.
fn read_back(line: &Line, document: &Document) -> anyhow::Result<()> {
    let file = lopdf::Document::load_mem(&line.render(document, Format::Pdf)?)?;
    let pages = file.get_pages().len();
    ensure!(pages == 1, "it has {pages} pages, not one");
    let embedded = |object: &lopdf::Object| {
        let stream = object.as_stream().ok().filter(|stream| stream.dict.has_type(b"EmbeddedFile"))?;
        stream.get_plain_content().ok()
    };
    let attached: Vec<_> = file.objects.values().filter_map(embedded).collect();
    ensure!(attached.contains(&document.statement), "its statement does not come out as it went in");
    Ok(())
}

/// The signers of files, and the time-stamp server, which is asked for one.
fn signers(settings: &Settings, ring: &Keyring, found: &mut impl FnMut(Health, &'static str, String)) {
    let now = super::instant(None);
    match Envelopes::open(settings, ring, now) {
        Ok(envelopes) => {
            let certificate = &envelopes.pdf_signer().chain()[0];
            let until = certificate.validity().1;
            let soon = until.duration_since(now).as_hours() < 24 * RENEWAL_DAYS;
            let health = if soon { Health::Warning } else { Health::Good };
            let renew = if soon { "; renew it" } else { "" };
            let until = shanghai_date(until);
            found(health, "signers", format!("PDF files are signed by {}, valid until {until}{renew}", certificate.subject()));
        }
        Err(error) => found(Health::Bad, "signers", error.to_string()),
    }
}

/// Every ten characters more make the symbol half a version larger, and its modules smaller.
fn verify_base(settings: &Settings, found: &mut impl FnMut(Health, &'static str, String)) {
    let base = &settings.verify_base;
    if base.len() > qr::ORDINARY_BASE {
        let message = format!(
            "verify_base has {} characters; above {} the QR code needs more and smaller modules, choose a shorter host",
            base.len(),
            qr::ORDINARY_BASE
        );
        found(Health::Warning, "qr", message);
    } else {
        found(Health::Good, "qr", format!("{base} leaves an ordinary code at version 8"));
    }
}

fn coverage(fonts: &Fonts, found: &mut impl FnMut(Health, &'static str, String)) {
    for name in NAME_CHAINS {
        let Some(chain) = fonts.chain(name) else {
            found(Health::Bad, "fonts", format!("there is no chain {name}; add it to fonts.toml"));
            continue;
        };
        let missing: String = HARD_CHARACTERS.chars().filter(|&ch| fonts.glyph(chain, ch).is_none()).collect();
        if missing.is_empty() {
            found(Health::Good, "fonts", format!("{name} has {HARD_CHARACTERS}"));
        } else {
            found(Health::Bad, "fonts", format!("{name} lacks {missing}; add a font that has them to its chain in fonts.toml"));
        }
    }
}

fn samples(path: &Path, at: jiff::Timestamp, found: &mut impl FnMut(Health, &'static str, String)) -> Vec<Record> {
    if !path.exists() {
        found(Health::Warning, "samples", format!("{}: not there, so no page was tried", path.display()));
        return Vec::new();
    }
    let options = Options { today: shanghai_date(at), lenient_identifiers: false };
    let mut records = Vec::new();
    for loaded in record::read(&[path.to_owned()], &options) {
        match loaded.record {
            Ok(record) => records.push(record),
            Err(faults) => faults.iter().for_each(|fault| found(Health::Bad, "samples", fault.to_string())),
        }
    }
    records
}
