//! A small installation: its keys, two licences of two types with their files, the register, and a judge over all that.

use std::path::Path;
use std::sync::LazyLock;

use certpress::annotation::Wish;
use certpress::config::{PdfSettings, Settings};
use certpress::issue::batch::Batch;
use certpress::issue::{Envelopes, Line};
use certpress::record::{self, Options};
use certpress::render::Format;
use certpress::sign::{Anchors, Keyring, TrustedKey, make_test_pki};
use certpress::verify::{Judge, Report, Verdict};
use jiff::Timestamp;

/// One world for all attacks.
pub static WORLD: LazyLock<World> = LazyLock::new(|| World::new("signer-p256"));

pub struct World {
    pub folder: tempfile::TempDir,
    pub settings: Settings,
    pub trusted: Vec<TrustedKey>,
    pub anchors: Anchors,
    pub report: Report,
    /// 一级注册建筑师, with two seals, and 一级建造师.
    pub architect: Licence,
    pub constructor: Licence,
}

/// A licence as it was given out.
pub struct Licence {
    pub number: String,
    pub pdf: Vec<u8>,
    pub ofd: Vec<u8>,
    pub qr: String,
}

pub fn at() -> Timestamp {
    "2026-03-02T09:00:00+08:00".parse().unwrap()
}

impl World {
    /// An installation with keys of its own.
    pub fn new(pdf_signer: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_test_pki(folder.path(), at()).unwrap();
        Self::with_keys(folder, pdf_signer)
    }

    /// The same with keys that are there.
    pub fn with_keys(folder: tempfile::TempDir, pdf_signer: &str) -> Self {
        let pdf = PdfSettings { signer: Some(pdf_signer.to_owned()) };
        let settings = Settings { keys: folder.path().to_owned(), pdf, ..Settings::default() };
        let (keyring, _) = Keyring::open_or_init(folder.path(), at()).unwrap();
        let trusted = keyring.trusted.clone();
        let envelopes = Envelopes::open(&settings, &keyring, at()).unwrap();
        let line = Line::open(&settings, keyring).unwrap().sealed_by(envelopes);
        let out = folder.path().join("out");
        let reading = Options { today: certpress::clock::shanghai_date(at()), lenient_identifiers: false };
        let batch = Batch {
            line: &line,
            out: &out,
            resume: false,
            reading,
            at: at(),
            wish: Wish::default(),
            formats: &[Format::Pdf, Format::Ofd],
            jobs: 1,
        };
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/records");
        let records = ["r19-architect-1-ordinary.json", "r01-constructor-1-rare-character.json"].map(|name| samples.join(name));
        let mut issued = Vec::new();
        batch.run(record::inputs(&records), |line| issued.push((line.number.clone(), line.qr.clone()))).unwrap();
        let licence = |(number, qr): (Option<String>, Option<String>)| {
            let number = number.unwrap();
            let file = |extension: &str| std::fs::read(out.join(format!("{number}.{extension}"))).unwrap();
            Licence { pdf: file("pdf"), ofd: file("ofd"), qr: qr.unwrap(), number }
        };
        let mut licences = issued.into_iter().map(licence);
        let (architect, constructor) = (licences.next().unwrap(), licences.next().unwrap());
        let anchors = Anchors::read(&folder.path().join("trust")).unwrap();
        let report = Report::read(&out.join("report.jsonl")).unwrap();
        Self { folder, settings, trusted, anchors, report, architect, constructor }
    }

    /// The judge, with the register.
    pub fn judge(&self) -> Judge<'_> {
        Judge {
            trusted: &self.trusted,
            anchors: &self.anchors,
            register: Some(&self.report),
            verify_base: &self.settings.verify_base,
            at: at(),
        }
    }

    pub fn verdict(&self, bytes: &[u8]) -> Verdict {
        self.judge().file("attack", bytes)
    }
}
