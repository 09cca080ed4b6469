//! Records as JSON, JSONL and CSV: right in every field, or all the faults.
#![no_main]

use std::sync::LazyLock;

use certpress::record::{self, Options};

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let path = FOLDER.path().join(["fuzz.json", "fuzz.jsonl", "fuzz.csv"][usize::from(*kind) % 3]);
    std::fs::write(&path, bytes).expect("a temporary file");
    let options = Options { today: jiff::civil::date(2026, 3, 2), lenient_identifiers: kind & 4 != 0 };
    for loaded in record::read(&[path], &options) {
        if let Err(faults) = loaded.record {
            assert!(!faults.is_empty());
        }
    }
});
