//! Bytes for the PDF reader.
#![no_main]

mod judge;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    judge::refuse(&judge::judge().file("fuzz", bytes));
    // The same behind a header, so that none of them is lost at the first byte.
    judge::refuse(&judge::judge().file("fuzz", &[&b"%PDF-1.7\n%\xbb\xad\xc0\xde\n"[..], bytes].concat()));
});
