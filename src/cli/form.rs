//! `certpress form`: Word application forms, filled, blank, and checked after a clerk has edited them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use certpress::annotation::Rules;
use certpress::clock::shanghai_date;
use certpress::config::Settings;
use certpress::font::Fonts;
use certpress::form::{self, Form, FormError, Request};
use certpress::layout::Layouts;
use certpress::record::{self, Record};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::civil::Date;
use rayon::prelude::*;
use serde_json::{Map, Value};

use super::whole;

/// Forms filled in one go before they are written, so that memory does not grow with their number.
const CHUNK: usize = 256;

/// Word application forms
#[derive(clap::Args)]
pub struct FormArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the forms
    List,
    /// Fill a form
    #[command(after_help = "\
The data is a JSON object with the form's fields; lists are arrays of objects, pictures are paths (relative to the data
file) or data: URLs. An array, or one object a line in a .jsonl file, makes many forms into a .zip.

Examples:
  certpress form fill constructor-2-renew --data a.json --out a.docx
  certpress form fill constructor-2-renew --record licence.json --data rest.json --out a.docx
  certpress form fill admission-ticket --data tickets.jsonl --out tickets.zip")]
    Fill(FillArgs),
    /// Print a form without data, for writing by hand
    Blank {
        /// The form
        form: String,
        /// Output file [default: FORM.docx]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check templates that were edited in Word
    #[command(after_help = "\
Without a file every form of the program is checked. With one, `NAME.docx` is checked against `NAME.toml` beside it, or
against the program's own form of that name.")]
    Check {
        /// A template
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(clap::Args)]
struct FillArgs {
    /// The form
    form: String,
    /// What to fill in (JSON or JSONL)
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// A licence record that values not given are taken from
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Output file: .docx, or .zip for many
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A template edited in Word instead of the program's own
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Leave required fields empty, to be completed by hand
    #[arg(long)]
    draft: bool,
    /// Fill even when the application would not be accepted on this day
    #[arg(long)]
    ignore_window: bool,
    /// The day of the application (RFC 3339) instead of now
    #[arg(long, value_name = "RFC3339")]
    as_of: Option<Timestamp>,
}

/// Runs it.
pub fn run(args: &FormArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::List => {
            let lines: String = form::embedded().map(|(id, title)| format!("{id:<30}{title}\n")).collect();
            std::io::stdout().write_all(lines.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Fill(args) => fill(args, settings),
        Command::Blank { form, out } => {
            let document = Form::embedded(form)?.blank(shanghai_date(super::instant(None)))?;
            let out = out.clone().unwrap_or_else(|| PathBuf::from(format!("{form}.docx")));
            whole::write(&out, &document)?;
            println!("{}", out.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { files } => Ok(check(files)),
    }
}

fn fill(args: &FillArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let form = match &args.template {
        Some(template) => open(&args.form, template)?,
        None => Form::embedded(&args.form)?,
    };
    if form.definition.sheet {
        return Err(FormError::Sheet(form.id).into());
    }
    let today = shanghai_date(super::instant(args.as_of));
    let record = args.record.as_deref().map(|path| one_record(path, today)).transpose()?;
    let rules = match &form.definition.window {
        Some(window) if !args.ignore_window && !args.draft => Some(rules(settings, &window.licence_type)?),
        _ => None,
    };
    let folder = args.data.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    let filler = Filler { form: &form, record: record.as_ref(), rules: rules.as_ref(), folder, today, draft: args.draft };
    let many = args.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"));
    match &args.data {
        Some(data) if many => filler.many(data, &args.out)?,
        data => {
            let rows = data.as_deref().map(super::rows::read).transpose()?;
            let mut rows = rows.into_iter().flatten();
            let one = rows.next().transpose().map_err(anyhow::Error::msg)?.unwrap_or_default();
            anyhow::ensure!(
                rows.next().is_none(),
                "more than one form in {}: give --out a .zip",
                args.data.as_deref().unwrap_or(Path::new("")).display()
            );
            whole::write(&args.out, &filler.one(&one)?)?;
        }
    }
    println!("{}", args.out.display());
    Ok(ExitCode::SUCCESS)
}

struct Filler<'a> {
    form: &'a Form,
    record: Option<&'a Record>,
    rules: Option<&'a Rules>,
    folder: PathBuf,
    today: Date,
    draft: bool,
}

impl Filler<'_> {
    fn one(&self, data: &Map<String, Value>) -> Result<Vec<u8>, FormError> {
        let request =
            Request { data, record: self.record, pictures: Some(&self.folder), today: self.today, rules: self.rules, draft: self.draft };
        self.form.fill(&request)
    }

    /// A zip of many, written beside its final name and renamed when it is whole.
    fn many(&self, data: &Path, out: &Path) -> anyhow::Result<()> {
        let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {pos} forms, {per_sec}")?);
        let mut zip = zip::ZipWriter::new(std::io::BufWriter::new(whole::begin(out)?));
        // A .docx is compressed already.
        let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        let mut rows = super::rows::read(data)?;
        let mut number = 0;
        loop {
            let chunk: Vec<_> = rows.by_ref().take(CHUNK).collect::<Result<_, _>>().map_err(anyhow::Error::msg)?;
            if chunk.is_empty() {
                break;
            }
            let filled: Vec<_> = chunk.par_iter().map(|row| self.one(row)).collect();
            for (row, document) in chunk.iter().zip(filled) {
                number += 1;
                let document = document.with_context(|| format!("form {number} of {}", data.display()))?;
                let name = self.form.file_name(row).unwrap_or_default();
                zip.start_file(format!("{number:05}-{name}.docx").replace("-.docx", ".docx"), stored)?;
                zip.write_all(&document)?;
                bar.inc(1);
            }
        }
        anyhow::ensure!(number > 0, "{} holds no forms", data.display());
        whole::finish(zip.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?, out)?;
        bar.finish();
        Ok(())
    }
}

/// The rules of the licence type whose window the form obeys.
fn rules(settings: &Settings, licence_type: &str) -> anyhow::Result<Rules> {
    let fonts = match &settings.fonts {
        Some(folder) => Fonts::from_folder(folder)?,
        None => Fonts::embedded()?,
    };
    let layouts = match &settings.layouts {
        Some(folder) => Layouts::from_folder(folder, &fonts),
        None => Layouts::embedded(&fonts),
    };
    let layouts = layouts.map_err(|faults| anyhow::anyhow!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let layout = layouts.find(licence_type).map_err(|_| anyhow::anyhow!("no licence type {licence_type}, whose window the form obeys"))?;
    Ok(layout.rules.clone())
}

fn one_record(path: &Path, today: Date) -> anyhow::Result<Record> {
    let options = record::Options { today, lenient_identifiers: false };
    let mut loaded = record::read(&[path.to_owned()], &options);
    let first = loaded.next().with_context(|| format!("{} holds no record", path.display()))?;
    anyhow::ensure!(loaded.next().is_none(), "{} holds more than one record", path.display());
    first.record.map_err(|faults| anyhow::anyhow!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

/// An edited template with the definition beside it, or the program's own.
fn open(id: &str, template: &Path) -> anyhow::Result<Form> {
    let bytes = fs::read(template).with_context(|| format!("cannot read {}", template.display()))?;
    let beside = template.with_extension("toml");
    let definition = if beside.exists() { Some(fs::read_to_string(&beside)?) } else { None };
    let definition = match &definition {
        Some(text) => text.as_str(),
        None => form::embedded_definition(id).ok_or_else(|| FormError::Unknown { id: id.to_owned(), near: None })?,
    };
    Ok(Form::parse(id, definition, Some(&bytes)).map_err(FormError::Template)?)
}

fn check(files: &[PathBuf]) -> ExitCode {
    let mut bad = 0;
    let mut tell = |name: &str, result: anyhow::Result<Form>| match result {
        Ok(_) => println!("ok    {name}"),
        Err(error) => {
            bad += 1;
            println!("FAIL  {name}\n{error}");
        }
    };
    if files.is_empty() {
        form::embedded().for_each(|(id, _)| tell(id, Form::embedded(id).map_err(Into::into)));
    }
    for file in files {
        let id = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        tell(&file.display().to_string(), open(id, file));
    }
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
