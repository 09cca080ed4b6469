//! Text, and bytes as digits, for the reader of QR codes.
#![no_main]

mod judge;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let judge = judge::judge();
    judge::refuse(&judge.text(&String::from_utf8_lossy(bytes)));
    let digits = certpress::qr::digits::encode(bytes);
    judge::refuse(&judge.text(&format!("{}{digits}", judge.verify_base)));
    if let Ok(back) = certpress::qr::digits::decode(&digits) {
        assert_eq!(back, bytes, "one spelling for each byte string");
    }
});
