//! A judge who trusts one statement key and no certificate: what a fuzzer can find is a panic, a hang, or a grade.

use std::sync::LazyLock;

use certpress::sign::{Anchors, StatementKey, TrustedKey};
use certpress::verify::{Grade, Judge, Verdict};

static TRUSTED: LazyLock<[TrustedKey; 1]> = LazyLock::new(|| {
    let key = StatementKey::from_seed(&[7; 32]);
    [TrustedKey { kid: key.kid, key: key.public(), test: true, from: None, until: None }]
});
static ANCHORS: LazyLock<Anchors> = LazyLock::new(Anchors::default);

pub fn judge() -> Judge<'static> {
    let at = jiff::Timestamp::from_second(1_772_413_200).expect("in range");
    Judge { trusted: &*TRUSTED, anchors: &ANCHORS, register: None, verify_base: "https://zz.example.cn/v/", at }
}

/// Nobody has signed what a fuzzer makes.
pub fn refuse(verdict: &Verdict) {
    assert!(verdict.grade == Grade::C && verdict.licence.is_none(), "{verdict:?}");
}
