//! What each stage of the line costs for one ordinary licence, warm, on one thread: `cargo bench --bench line`.

use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use certpress::annotation::{Wish, annotate};
use certpress::config::Settings;
use certpress::deflate::{self, Effort};
use certpress::font::subset;
use certpress::issue::{Composed, Envelopes, Line};
use certpress::layout::Issue;
use certpress::page::Item;
use certpress::qr::{self, Capsule};
use certpress::record::{self, Options, Record};
use certpress::render::Format;
use certpress::sign::{Keyring, StatementKey};
use certpress::{font, statement};
use divan::Bencher;
use sha2::{Digest, Sha256};

const SEED: [u8; 32] = [7; 32];
const BASE: &str = "https://zz.example.cn/v/";
const AT: &str = "2026-03-02T09:00:00+08:00";

static LINE: LazyLock<Line> = LazyLock::new(|| {
    let keys = tempfile::tempdir().expect("a folder");
    let settings = Settings { keys: keys.path().to_owned(), ..Settings::default() };
    let keyring = Keyring::from_seeds(&SEED, SEED);
    let envelopes = Envelopes::open(&settings, &keyring, at()).expect("signers of the test PKI");
    Line::open(&settings, keyring).expect("the fonts and layouts in this program").sealed_by(envelopes)
});

/// 王䶮, constructor-1, with a portrait of 14 KB.
static RECORD: LazyLock<Record> = LazyLock::new(read_sample);

fn read_sample() -> Record {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/records");
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("samples").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    let first = files.into_iter().find(|f| f.extension().is_some_and(|e| e == "json")).expect("a record");
    let options = Options { today: "2026-03-02".parse().expect("a date"), lenient_identifiers: false };
    record::read(&[first], &options).next().expect("a record").record.expect("a valid record")
}

fn at() -> jiff::Timestamp {
    AT.parse().expect("an instant")
}

fn main() {
    LINE.issue(&RECORD, at(), Wish::default(), &[Format::Pdf, Format::Ofd, Format::Png]).expect("the sample can be issued");
    divan::main();
}

fn compose() -> Composed {
    LINE.compose(&RECORD, at(), Wish::default()).expect("the sample can be composed")
}

#[divan::bench]
fn a_record_with_photo(bencher: Bencher) {
    bencher.bench(read_sample);
}

#[divan::bench]
fn b_rule(bencher: Bencher) {
    let layout = LINE.layouts().find(&RECORD.licence_type).expect("a layout");
    bencher.bench(|| annotate(black_box(&RECORD), &layout.rules, at(), Wish::default()));
}

#[divan::bench]
fn c_statement(bencher: Bencher) {
    let layout = LINE.layouts().find(&RECORD.licence_type).expect("a layout");
    let annotated = annotate(&RECORD, &layout.rules, at(), Wish::default()).expect("may be issued");
    let identifier = layout.identifier(&RECORD);
    bencher.bench(|| statement::state(&annotated, layout, &identifier, &SEED, true));
}

#[divan::bench]
fn d_capsule_signed(bencher: Bencher) {
    let layout = LINE.layouts().find(&RECORD.licence_type).expect("a layout");
    let annotated = annotate(&RECORD, &layout.rules, at(), Wish::default()).expect("may be issued");
    let statement = statement::state(&annotated, layout, &layout.identifier(&RECORD), &SEED, true);
    let key = StatementKey::from_seed(&SEED);
    bencher.bench(|| Capsule::new(&annotated, layout, &statement, key.kid).and_then(|capsule| capsule.sign(&key)));
}

#[divan::bench]
fn e_qr_symbol(bencher: Bencher) {
    let qr = compose().qr;
    let digits = qr.strip_prefix(BASE).expect("the default base").to_owned();
    bencher.bench(|| qr::symbol(BASE, black_box(&digits)));
}

#[divan::bench]
fn f_layout(bencher: Bencher) {
    let layout = LINE.layouts().find(&RECORD.licence_type).expect("a layout");
    let annotated = annotate(&RECORD, &layout.rules, at(), Wish::default()).expect("may be issued");
    let identifier = layout.identifier(&RECORD);
    let statement = statement::state(&annotated, layout, &identifier, &SEED, true);
    let qr = compose().qr;
    let symbol = Arc::new(qr::symbol(BASE, &qr[BASE.len()..]).expect("fits"));
    bencher.bench(|| {
        let issue = Issue {
            annotated: &annotated,
            identifier: &identifier,
            statement: &statement.bytes,
            qr: &qr,
            symbol: Arc::clone(&symbol),
            at: at(),
            test: true,
        };
        layout.compose(LINE.fonts(), &issue)
    });
}

#[divan::bench]
fn g_font_subset(bencher: Bencher) {
    let document = compose().document;
    let mut uses = std::collections::BTreeMap::<font::FontId, Vec<(char, u16)>>::new();
    for item in &document.page.items {
        if let Item::Text(text) = item {
            for run in &text.runs {
                uses.entry(run.font).or_default().extend(run.glyphs.iter().map(|g| (g.ch, g.id)));
            }
        }
    }
    bencher.bench(|| uses.iter().map(|(&id, chars)| subset(LINE.fonts().font(id), chars).data.len()).sum::<usize>());
}

#[divan::bench]
fn h_pdf(bencher: Bencher) {
    let document = compose().document;
    bencher.bench(|| LINE.render(&document, Format::Pdf));
}

#[divan::bench]
fn i_ofd(bencher: Bencher) {
    let document = compose().document;
    bencher.bench(|| LINE.render(&document, Format::Ofd));
}

#[divan::bench]
fn j_png(bencher: Bencher) {
    let document = compose().document;
    bencher.bench(|| LINE.render(&document, Format::Png));
}

#[divan::bench]
fn k_svg(bencher: Bencher) {
    let document = compose().document;
    bencher.bench(|| LINE.render(&document, Format::Svg));
}

#[divan::bench]
fn l_deflate_20_kb(bencher: Bencher) {
    let svg = LINE.render(&compose().document, Format::Svg).expect("an SVG");
    let text = &svg[..svg.len().min(20_000)];
    bencher.bench(|| deflate::zlib(text, Effort::Quick).len());
}

#[divan::bench]
fn m_sha256_60_kb(bencher: Bencher) {
    let bytes = vec![0x5a_u8; 60_000];
    bencher.bench(|| Sha256::digest(black_box(&bytes)));
}

/// The whole line for one format, signed, another number each time: what `benches/peers/run` compares.
fn alone(bencher: Bencher, format: Format) {
    let mut count = 0;
    bencher
        .with_inputs(|| {
            count += 1;
            Record { number: format!("京1112012201{:06}", 990_000 + count % 9_999), ..RECORD.clone() }
        })
        .bench_local_values(|record| LINE.issue(&record, at(), Wish::default(), &[format]));
}

#[divan::bench]
fn x_ofd_alone(bencher: Bencher) {
    alone(bencher, Format::Ofd);
}

#[divan::bench]
fn y_pdf_alone(bencher: Bencher) {
    alone(bencher, Format::Pdf);
}

/// The whole line for both formats, both signed (P-256 and SM2), on one thread and on all: the figure of the README.
#[divan::bench(threads = [1, 0])]
fn z_pdf_and_ofd(bencher: Bencher) {
    bencher.bench(|| LINE.issue(black_box(&RECORD), at(), Wish::default(), &[Format::Pdf, Format::Ofd]));
}
