//! `certpress verify`: judges PDF and OFD files, QR texts and pictures that hold a QR code, without a network.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use certpress::clock::SHANGHAI;
use certpress::config::Settings;
use certpress::sign::{Anchors, read_trust};
use certpress::verify::{Database, Grade, Judge, Licence, Register, RegisterError, Report, Service, State, StatusLists, Verdict};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Judge PDF and OFD files, QR texts, and pictures that hold a QR code
///
/// Checks signatures first, then the register and the dates, without a network unless the register is a service. Grade A:
/// genuine, and the register says that exactly this was issued. Grade B: genuinely signed, but the register was not asked
/// or does not know it, or something was added afterwards. Grade C: not genuine, changed, or nothing that could be. Exit
/// code 0 when everything has grade A and is valid now, 1 otherwise.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  certpress verify out/*.pdf --register out/report.jsonl
  certpress verify https://zz.example.cn/v/0496…      the text that a scanner shows
  certpress verify photo.jpg scan.png --json          pictures, a JSON line each
  certpress verify photo.jpg --trust keys.json        with the key list that an authority publishes
  certpress verify photo.jpg --status 0.json          with the status list that it publishes, without a network
  certpress verify a.pdf --register https://zz.example.cn")]
pub struct VerifyArgs {
    /// PDF and OFD files, pictures (PNG, JPEG), or texts of QR codes
    #[arg(value_name = "FILE|URL", required = true)]
    items: Vec<String>,
    /// Print a JSON line for each
    #[arg(long)]
    json: bool,
    /// Whom to believe: a folder of root certificates, revocation lists and statement keys (.pem) or key lists (.json), or
    /// one such file [default: trust/ in the folder of keys]
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// The register to ask: the report.jsonl that `issue` wrote, a service's database (sqlite:PATH, postgres://… or its data
    /// folder), or a service (https://…; it is told the code and the file's SHA-256, not the file)
    #[arg(long, value_name = "REPORT|DATABASE-URL|SERVICE-URL")]
    register: Option<String>,
    /// Status list of the service, fetched earlier from /.well-known/certpress/status/0
    #[arg(long, value_name = "FILE")]
    status: Vec<PathBuf>,
    /// Answer as of this instant (RFC 3339) instead of now
    #[arg(long, value_name = "RFC3339")]
    as_of: Option<Timestamp>,
}

/// Runs it.
pub fn run(args: &VerifyArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let own = settings.keys.join("trust");
    if args.trust.is_none() && !own.is_dir() {
        anyhow::bail!("{}: no keys to believe; give those that the authority publishes with --trust", own.display());
    }
    let trust = args.trust.as_deref().unwrap_or(&own);
    let (trusted, anchors) = (read_trust(trust)?, Anchors::read(trust)?);
    let register = args.register.as_deref().map(register).transpose()?;
    let lists = StatusLists::read(&args.status, &trusted)?;
    let judge = Judge {
        trusted: &trusted,
        anchors: &anchors,
        register: register.as_deref(),
        verify_base: &settings.verify_base,
        at: super::instant(args.as_of),
    };
    let mut out = std::io::stdout().lock();
    let mut all_good = true;
    for item in &args.items {
        let mut verdict = if is_text(item) { judge.text(item) } else { judge_file(&judge, item) };
        if !args.status.is_empty() {
            lists.amend(&mut verdict);
        }
        all_good &= verdict.grade == Grade::A && verdict.state == State::Valid;
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&verdict)?)?;
        } else {
            print(&verdict, &mut out)?;
        }
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The register that a text names.
fn register(named: &str) -> Result<Box<dyn Register>, RegisterError> {
    let address = ["sqlite:", "postgres://", "postgresql://"].iter().any(|kind| named.starts_with(kind));
    Ok(if named.starts_with("https://") || named.starts_with("http://") {
        Box::new(Service::new(named)?)
    } else if address || Path::new(named).is_dir() {
        Box::new(Database::open(named)?)
    } else {
        Box::new(Report::read(Path::new(named))?)
    })
}

/// An address, or more digits than a file name would have.
fn is_text(item: &str) -> bool {
    let digits = item.len() > 100 && item.bytes().all(|b| b.is_ascii_digit());
    digits || ["https://", "http://"].iter().any(|scheme| item.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme)))
}

/// A good phone's photograph is a fifth of this.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;

fn judge_file(judge: &Judge, name: &str) -> Verdict {
    let mut bytes = Vec::new();
    match File::open(Path::new(name)).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)) {
        Ok(_) if bytes.len() as u64 <= LARGEST_FILE => judge.file(name, &bytes),
        Ok(_) => judge.unreadable(name, &format!("more than {} MB", LARGEST_FILE / 1024 / 1024)),
        Err(cause) => judge.unreadable(name, &cause.to_string()),
    }
}

/// For people: the answer first, then what the code says, to be compared with the paper.
fn print(verdict: &Verdict, out: &mut impl Write) -> std::io::Result<()> {
    let (zh, en) = match verdict.state {
        State::Valid => ("在使用有效期内", "valid now"),
        State::Over => ("使用有效期已过", "use period over"),
        State::NotBegun => ("尚未生效", "not yet begun"),
        State::Undated => ("真实（以注册有效期为准）", "genuine, registration dates decide"),
        State::Superseded => ("已被新版取代", "superseded"),
        State::Suspended => ("已暂扣", "suspended"),
        State::Cancelled => ("已注销", "cancelled"),
        State::Revoked => ("已撤销", "revoked"),
        State::Withdrawn => ("已吊销", "withdrawn"),
        State::Ended => ("已注销、撤销或吊销", "cancelled, revoked or withdrawn"),
        State::Altered => ("签名后被改动", "altered after signing"),
        State::Unsigned => ("没有签名", "not signed"),
        State::NotIssued => ("不是签发的证照", "not issued"),
        State::OtherAddress => ("网址不是发证机关的", "another address"),
        State::NoCode => ("没有可识别的二维码", "no readable QR code"),
        State::Unreadable => ("无法核验", "cannot be judged"),
    };
    writeln!(out, "{:?}  {zh}  {en}", verdict.grade)?;
    writeln!(out, "   {}", shortened(&verdict.file))?;
    if let Some(licence) = &verdict.licence {
        print_licence(licence, out)?;
    }
    writeln!(out, "   {}。", verdict.reason)?;
    writeln!(out, "   {}.", verdict.reason_en)?;
    writeln!(out, "   截至 as of {}", local(verdict.as_of))
}

fn print_licence(licence: &Licence, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "   编号 number      {}", licence.number)?;
    writeln!(out, "   姓名 name        {}", licence.name.as_deref().unwrap_or("（未载于二维码 not in the code）"))?;
    if let (Some(identifier), Some(version)) = (&licence.identifier, licence.version) {
        writeln!(out, "   证照标识 id      {identifier} (version {version})")?;
    }
    if let (Some(from), Some(to)) = (licence.use_from, licence.use_to) {
        writeln!(out, "   使用有效期 use   {from} – {to}")?;
    }
    writeln!(out, "   签发 issued      {}", local(licence.issued_at))
}

/// Beijing time, as the paper has it.
fn local(at: Timestamp) -> String {
    TimeZone::fixed(SHANGHAI).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S +08:00").to_string()
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= 100 { name.to_owned() } else { name.chars().take(99).chain(['…']).collect() }
}
