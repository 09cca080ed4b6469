//! What filling a Word form costs, warm, on one thread: `cargo bench --bench forms`.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use certpress::form::{Form, Request, write_sheet};
use divan::Bencher;
use divan::counter::ItemsCount;
use serde_json::{Map, Value};

const TODAY: jiff::civil::Date = jiff::civil::date(2024, 5, 20);
const ROWS: usize = 1000;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples/forms"));

fn main() {
    divan::main();
}

fn sample<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let bytes = fs::read(FOLDER.join(format!("{name}.json"))).expect("the samples are there");
    serde_json::from_slice(&bytes).expect("the samples are sound")
}

/// Reading values, filling, and packing, with photo and QR code: the row that counts.
#[divan::bench(args = ["constructor-2-initial", "worker-renew", "admission-ticket"])]
fn fill(bencher: Bencher, id: &str) {
    let (form, data) = (Form::embedded(id).expect("a sound form"), sample::<Map<String, Value>>(id));
    let request = Request { data: &data, record: None, pictures: Some(&FOLDER), today: TODAY, rules: None, draft: false };
    bencher.bench(|| form.fill(&request).expect("a sound sample"));
}

/// Opening a template: unpacking, looking for dangers, compiling.
#[divan::bench(args = ["constructor-2-initial"])]
fn open(bencher: Bencher, id: &str) {
    bencher.bench(|| Form::embedded(id).expect("a sound form"));
}

/// A results list.
#[divan::bench]
fn list_rows(bencher: Bencher) {
    let (form, rows) = (Form::embedded("exam-results").expect("a sound form"), sample::<Vec<Map<String, Value>>>("exam-results"));
    bencher.counter(ItemsCount::new(ROWS)).bench(|| {
        let many = rows.iter().cycle().take(ROWS).cloned().map(Ok);
        write_sheet(&form, many, TODAY, std::io::Cursor::new(Vec::new()), || {}).expect("sound rows")
    });
}
