//! `certpress serve`: the service, for a demonstration or for production.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use certpress::clock::{Clock as _, SystemClock, shanghai_date};
use certpress::config::{Mode, OpenId, RegisterOverrides, Settings};
use certpress::http::{self, App, Demo, Identity, Parts, Telemetry};
use certpress::issue::register::Register;
use certpress::issue::{Envelopes, Line};
use certpress::record::{self, Loaded, Options, Record};
use certpress::sign::{Anchors, Keyring};
use certpress::store::{Access, Act, Search, Store};
use jiff::Timestamp;
use rayon::prelude::*;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use super::register;

/// Run the service: the register, the API, and the answers to the public
///
/// With --demo it needs nothing: test keys, a SQLite register with the sample records, and an issuer of tokens of its
/// own are made in the data folder. In production (mode = "production" in the settings) it needs keys that count, the
/// portal's OpenID provider and a register that exists, and says what is missing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  certpress serve --demo
  certpress serve --demo --listen 127.0.0.1:0 --data demo
  certpress serve --config certpress.toml")]
pub struct ServeArgs {
    /// Serve the sample people with test keys
    #[arg(long)]
    demo: bool,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "CERTPRESS_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address for /metrics; keep it inside [default: 127.0.0.1:9464]
    #[arg(long, env = "CERTPRESS_METRICS", value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Make the register when it does not exist
    #[arg(long)]
    create: bool,
    #[command(flatten)]
    register: RegisterOverrides,
}

/// Runs it.
pub fn run(args: &ServeArgs, mut settings: Settings) -> anyhow::Result<ExitCode> {
    settings.service = settings.service.with(&args.register);
    settings.service.listen = args.listen.unwrap_or(settings.service.listen);
    settings.service.metrics = args.metrics.unwrap_or(settings.service.metrics);
    match (args.demo, settings.mode) {
        (true, Mode::Production) => bail!("--demo with mode = \"production\": leave one of them out"),
        (false, Mode::Demo) if settings.service.openid.is_none() => {
            bail!("nobody could log in: name the portal's provider in [service.openid], or serve the sample people with --demo")
        }
        _ => {}
    }
    let levels = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env().context("RUST_LOG")?;
    // A log that cannot be written, to a full disk say, must not end the request that it tells of.
    tracing_subscriber::fmt().json().log_internal_errors(false).with_env_filter(levels).with_writer(std::io::stderr).init();
    // What comes before asks signers and a time-stamp server with blocking calls.
    let made = Made::open(args, &settings)?;
    register::block_on(serve(args, &settings, made))?;
    Ok(ExitCode::SUCCESS)
}

/// What is made before anything listens.
struct Made {
    now: Timestamp,
    line: Line,
    index_key: [u8; 32],
    identity: Identity,
    demo: Option<Demo>,
    samples: Vec<Record>,
    anchors: Anchors,
}

impl Made {
    fn open(args: &ServeArgs, settings: &Settings) -> anyhow::Result<Self> {
        let now = SystemClock.now();
        let keyring = if args.demo { Keyring::open_or_init(&settings.keys, now)?.0 } else { Keyring::open(&settings.keys)? };
        let envelopes = Envelopes::open(settings, &keyring, now)?;
        let samples = if args.demo { samples(shanghai_date(now))? } else { Vec::new() };
        let demo = args.demo.then(|| {
            let people = samples.iter().filter_map(|(source, record)| {
                let name = Path::new(source).file_name()?.to_str()?;
                Some((name.split('-').next()?.to_owned(), record))
            });
            Demo::new(&keyring, people)
        });
        let identity = match (&demo, &settings.service.openid) {
            (Some(demo), _) => demo.identity(),
            (None, Some(openid)) => identity(openid, settings.mode)?,
            (None, None) => bail!("nobody could log in: name the portal's provider in [service.openid]"),
        };
        let index_key = *keyring.salt;
        let line = Line::open(settings, keyring)?.sealed_by(envelopes);
        let samples = samples.into_iter().map(|(_, record)| record).collect();
        let anchors = Anchors::read(&settings.keys.join("trust"))?;
        Ok(Self { now, line, index_key, identity, demo, samples, anchors })
    }
}

/// The provider of the settings. Whoever could change its keys on the way could be anybody.
fn identity(openid: &OpenId, mode: Mode) -> anyhow::Result<Identity> {
    if mode == Mode::Production && openid.jwks.starts_with("http://") {
        bail!("[service.openid] jwks = \"{}\": mode = \"production\" takes keys by https:// or from a file", openid.jwks);
    }
    // Needed once in a process; whoever came first has chosen the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let place = openid.ca_file.as_ref().map_or_else(String::new, |file| format!(" ca_file = \"{}\"", file.display()));
    Identity::new(openid).map_err(|cause| anyhow!("[service.openid]{place}: {cause}"))
}

async fn serve(args: &ServeArgs, settings: &Settings, made: Made) -> anyhow::Result<()> {
    let Made { now, line, index_key, identity, demo, samples, anchors } = made;
    let service = &settings.service;
    let access = Access::Write { create: args.create || args.demo, index_key };
    let store = Store::open(&register::address(service), access).await?;
    refuse_old_clock(&store, now).await?;
    if args.demo && store.search(&Search { limit: Some(1), ..Search::default() }).await?.items.is_empty() {
        store.load(&Act::new("demo", now).because("samples"), &samples).await?;
    }
    let blobs = register::blobs(service)?;
    let register = Register::new(Arc::new(line), Arc::new(store), blobs, Arc::new(SystemClock), service.limits.waiting);

    let bind = async |address: SocketAddr| TcpListener::bind(address).await.with_context(|| format!("{address}: cannot be listened on"));
    let (listener, metrics) = (bind(service.listen).await?, bind(service.metrics).await?);
    let (address, numbers) = (listener.local_addr()?, metrics.local_addr()?);
    let parts = Parts { register, anchors, identity: Arc::new(identity), telemetry: Telemetry::new(now), demo };
    let app = App::new(service, parts);
    let hint = if args.demo { try_this(address) } else { String::new() };
    // Nobody needs to read this for the service to go on.
    writeln!(std::io::stdout(), "certpress listens on http://{address}  (numbers: http://{numbers}/metrics)\n{hint}").ok();
    Ok(http::serve(app, listener, metrics, stop()).await?)
}

/// The register numbers and dates what happens; a clock that is behind would put it in the wrong order.
async fn refuse_old_clock(store: &Store, now: Timestamp) -> anyhow::Result<()> {
    match store.latest_instant().await? {
        Some(latest) if latest > now => {
            bail!("the clock says {now}, but the register has an entry of {latest}; set the clock, then start again")
        }
        _ => Ok(()),
    }
}

/// The sample people, from the binary itself; their dates count from today.
fn samples(today: jiff::civil::Date) -> anyhow::Result<Vec<(String, Record)>> {
    let folder = tempfile::tempdir()?;
    for (name, bytes) in http::SAMPLES {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
        std::fs::write(path, bytes)?;
    }
    let options = Options { today, lenient_identifiers: false };
    let inputs: Vec<_> = record::inputs(&[folder.path().to_owned()]).collect();
    let loaded = inputs.into_par_iter().map(|input| input.load(&options));
    Ok(loaded.filter_map(|Loaded { source, record, .. }| Some((source, record.ok()?))).collect())
}

fn try_this(address: SocketAddr) -> String {
    format!(
        "\
Log in as one of the sample people at http://{address}/demo/login, or with curl:
  T=$(curl -s -d as=r01 http://{address}/demo/token | sed 's/.*\"access_token\":\"\\([^\"]*\\).*/\\1/')
  curl -s -H \"Authorization: Bearer $T\" http://{address}/api/v1/me/licences
  curl -s -X POST -H \"Authorization: Bearer $T\" http://{address}/api/v1/licences/ID/annotations
  curl -sOJ -H \"Authorization: Bearer $T\" http://{address}/api/v1/annotations/ID/document.pdf
The API is described at http://{address}/openapi.json. Stop with Ctrl-C."
    )
}

/// SIGTERM or Ctrl-C.
async fn stop() {
    let interrupted = async { tokio::signal::ctrl_c().await.unwrap_or_else(|_| std::process::abort()) };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return interrupted.await };
        tokio::select! {
            () = interrupted => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    interrupted.await;
}
