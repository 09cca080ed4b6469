//! What several integration tests share: the fixed day and keys, the samples, references that are never accepted by accident.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod pictures;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use certpress::config::Settings;
use certpress::issue::{Envelopes, Line};
use certpress::layout::Document;
use certpress::page::{Item, Rect, Segment};
use certpress::record::{self, Loaded, Options};
use certpress::sign::Keyring;
use jiff::Timestamp;

/// The instant of all golden files: a day on which each sample is what its name says.
pub fn fixed_instant() -> Timestamp {
    "2026-03-02T09:00:00+08:00".parse().unwrap()
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The line with statement keys that are the same on every machine, so that what it renders is too.
pub fn line() -> Line {
    Line::open(&Settings::default(), keyring()).unwrap()
}

/// The same line with the signers of a folder, which are made there when they are missing.
pub fn sealed_line(keys: &Path) -> Line {
    let settings = Settings { keys: keys.to_owned(), ..Settings::default() };
    line().sealed_by(Envelopes::open(&settings, &keyring(), fixed_instant()).unwrap())
}

/// Statement keys that are the same on every machine.
pub fn keyring() -> Keyring {
    Keyring::from_seeds(b"certpress golden statement key 1", *b"certpress golden salt key, fixed")
}

/// Every sample record, in the order of file names.
pub fn samples() -> Vec<Loaded> {
    let options = Options { today: certpress::clock::shanghai_date(fixed_instant()), lenient_identifiers: false };
    record::read(&[root().join("samples/records")], &options).collect()
}

/// The file name of a sample without folders and ending.
pub fn stem(loaded: &Loaded) -> String {
    Path::new(&loaded.source).file_stem().unwrap().to_str().unwrap().to_owned()
}

/// Compares with a reference file; `UPDATE=1` rewrites it. A difference, a rewrite and a missing file are all faults.
pub fn against_reference(path: &Path, actual: &str, faults: &mut Vec<String>) {
    let shown = path.strip_prefix(root()).unwrap_or(path).display();
    let expected = std::fs::read_to_string(path).ok();
    if expected.as_deref() == Some(actual) {
        return;
    }
    if update() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, actual).unwrap();
        faults.push(format!("{shown}: rewritten; look at the difference, then run again without UPDATE"));
        return;
    }
    let Some(expected) = expected else {
        faults.push(format!("{shown}: missing; UPDATE=1 writes it"));
        return;
    };
    let line = expected.lines().zip(actual.lines()).position(|(e, a)| e != a);
    let at = line.unwrap_or_else(|| expected.lines().count().min(actual.lines().count()));
    let show = |text: &str| text.lines().nth(at).unwrap_or("(nothing)").to_owned();
    faults.push(format!("{shown}:{}:\n  expected {}\n  actual   {}", at + 1, show(&expected), show(actual)));
}

/// Whether references are to be rewritten.
pub fn update() -> bool {
    std::env::var_os("UPDATE").is_some_and(|v| v == "1")
}

/// A place that goes away with the test.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The page model as text: an item a line, its runs below it.
pub fn dump(document: &Document) -> String {
    let mut out = format!("{} · {} · {}\n", document.title, document.author, document.subject);
    let rect = |r: &Rect| format!("[{} {} {} {}]", r.x, r.y, r.w, r.h);
    let parts = [("face", &document.page.face.items), ("page", &document.page.items)];
    for (part, items) in parts {
        for item in items {
            match item {
                Item::Text(text) => {
                    let name = text.name.as_deref().unwrap_or("-");
                    writeln!(out, "{part} text {:?} {name} {} {:?}", text.role, rect(&text.area), text.color).unwrap();
                    for run in &text.runs {
                        writeln!(out, "       {} {} at {},{} {}", run.text(), run.size, run.origin.x, run.origin.y, run.width()).unwrap();
                    }
                }
                Item::Image(image) => {
                    let picture = &image.picture;
                    writeln!(out, "{part} image {} {}×{} {}", rect(&image.area), picture.width, picture.height, image.alt).unwrap();
                }
                Item::Path(path) => {
                    let curves = path.segments.iter().filter(|s| matches!(s, Segment::Cubic(..))).count();
                    writeln!(out, "{part} path {} segments, {curves} curves {:?} {:?}", path.segments.len(), path.fill, path.stroke)
                        .unwrap();
                }
                Item::Qr(qr) => writeln!(out, "{part} qr {} {} modules", rect(&qr.area), qr.symbol.side).unwrap(),
                Item::Seal(seal) => writeln!(out, "{part} seal {} {}", rect(&seal.area), seal.alt).unwrap(),
            }
        }
    }
    for meta in &document.metadata {
        writeln!(out, "meta {} = {}{}", meta.name, meta.value, if meta.item.is_some() { " (printed)" } else { "" }).unwrap();
    }
    out
}

/// The path of a golden file.
pub fn golden(name: &str) -> PathBuf {
    root().join("tests/golden").join(name)
}
