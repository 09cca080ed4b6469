//! Bytes for the OFD reader.
#![no_main]

mod judge;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    judge::refuse(&judge::judge().file("fuzz", bytes));
    // The same behind a header, so that none of them is lost at the first byte.
    judge::refuse(&judge::judge().file("fuzz", &[&b"PK\x03\x04"[..], bytes].concat()));
});
