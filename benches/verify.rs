//! What judging costs, one thing a row: a PDF and an OFD with the register, a QR text, and the worst kinds of forgery.

use std::path::Path;
use std::sync::LazyLock;

use certpress::annotation::Wish;
use certpress::config::Settings;
use certpress::issue::batch::Batch;
use certpress::issue::{Envelopes, Line};
use certpress::record::{self, Options};
use certpress::render::Format;
use certpress::sign::{Anchors, Keyring, TrustedKey, make_test_pki};
use certpress::verify::{Grade, Judge, Report};
use divan::Bencher;
use jiff::Timestamp;

fn main() {
    divan::main();
}

static AT: LazyLock<Timestamp> = LazyLock::new(|| "2026-03-02T09:00:00+08:00".parse().expect("an instant"));

/// Licences as they were given out, and whom to believe.
struct Issued {
    trusted: Vec<TrustedKey>,
    anchors: Anchors,
    report: Report,
    /// With one seal, and with two.
    files: [[Vec<u8>; 2]; 2],
    qr: String,
}

static ISSUED: LazyLock<Issued> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    make_test_pki(folder.path(), *AT).expect("keys");
    let settings = Settings { keys: folder.path().to_owned(), ..Settings::default() };
    let (keyring, _) = Keyring::open_or_init(folder.path(), *AT).expect("keys");
    let trusted = keyring.trusted.clone();
    let envelopes = Envelopes::open(&settings, &keyring, *AT).expect("signers");
    let line = Line::open(&settings, keyring).expect("fonts and layouts").sealed_by(envelopes);
    let reading = Options { today: certpress::clock::shanghai_date(*AT), lenient_identifiers: false };
    let batch = Batch {
        line: &line,
        out: folder.path(),
        resume: false,
        reading,
        at: *AT,
        wish: Wish::default(),
        formats: &[Format::Pdf, Format::Ofd],
        jobs: 1,
    };
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/records");
    let records = ["r01-constructor-1-rare-character.json", "r19-architect-1-ordinary.json"].map(|name| samples.join(name));
    let mut lines = Vec::new();
    batch
        .run(record::inputs(&records), |line| lines.push((line.number.clone().expect("issued"), line.qr.clone().expect("issued"))))
        .expect("files");
    let file = |number: &str, extension: &str| std::fs::read(folder.path().join(format!("{number}.{extension}"))).expect("issued");
    Issued {
        trusted,
        anchors: Anchors::read(&folder.path().join("trust")).expect("trust"),
        report: Report::read(&folder.path().join("report.jsonl")).expect("a report"),
        files: [0, 1].map(|i| ["pdf", "ofd"].map(|extension| file(&lines[i].0, extension))),
        qr: lines[0].1.clone(),
    }
});

fn judge() -> Judge<'static> {
    let issued = &*ISSUED;
    let register = Some(&issued.report as &dyn certpress::verify::Register);
    Judge { trusted: &issued.trusted, anchors: &issued.anchors, register, verify_base: "https://zz.example.cn/v/", at: *AT }
}

#[divan::bench(args = ["one seal", "two seals"])]
fn pdf(bencher: Bencher, which: &str) {
    genuine(bencher, &ISSUED.files[usize::from(which == "two seals")][0]);
}

#[divan::bench(args = ["one seal", "two seals"])]
fn ofd(bencher: Bencher, which: &str) {
    genuine(bencher, &ISSUED.files[usize::from(which == "two seals")][1]);
}

fn genuine(bencher: Bencher, file: &[u8]) {
    let judge = judge();
    bencher.counter(divan::counter::BytesCount::of_slice(file)).bench(|| assert_eq!(judge.file("file", file).grade, Grade::A));
}

#[divan::bench]
fn qr_text(bencher: Bencher) {
    let judge = judge();
    bencher.bench(|| assert_eq!(judge.text(&ISSUED.qr).grade, Grade::A));
}

/// One bit in the middle: the forger's cheapest file must not cost more than a genuine one.
#[divan::bench(args = [0, 1])]
fn forged(bencher: Bencher, kind: usize) {
    let judge = judge();
    let mut file = ISSUED.files[0][kind].clone();
    let middle = file.len() / 2;
    file[middle] ^= 1;
    bencher.bench(|| assert_eq!(judge.file("file", &file).grade, Grade::C));
}

/// A picture of finders at every scale that is searched, nearly as many as are searched at all: what a picture may cost.
#[divan::bench(sample_count = 2, sample_size = 1)]
fn hostile_picture(bencher: Bencher) {
    let finder = |x: u32, y: u32| {
        let ring = (x % 100 / 8).abs_diff(6).max((y % 100 / 8).abs_diff(6));
        image::Luma([if [0, 1, 3].contains(&ring) { 0 } else { 255u8 }])
    };
    let mut file = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_fn(2450, 2450, finder).write_to(&mut file, image::ImageFormat::Png).expect("a picture");
    let judge = judge();
    bencher.bench(|| assert_eq!(judge.file("file", file.get_ref()).grade, Grade::C));
}
