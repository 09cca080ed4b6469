//! Project Wycheproof's vectors for the two algorithms that strangers' signatures arrive in: what the verifier's keys accept.

use certpress::sign::PublicKey;
use wycheproof::TestResult;

/// Valid ones hold, invalid ones do not; where the vectors leave it open, nothing is asked.
fn agrees(key: &PublicKey, message: &[u8], signature: &[u8], expected: TestResult) -> bool {
    match expected {
        TestResult::Valid => key.holds(message, signature),
        TestResult::Invalid => !key.holds(message, signature),
        TestResult::Acceptable => true,
    }
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut tried = 0;
    for group in set.test_groups {
        let key = PublicKey::from_spki(&group.der).unwrap();
        for test in group.tests {
            assert!(agrees(&key, &test.msg, &test.sig, test.result), "{}: {}", test.tc_id, test.comment);
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried} vectors");
}

#[test]
fn p256() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap();
    let mut tried = 0;
    for group in set.test_groups {
        let key = PublicKey::from_spki(&group.der).unwrap();
        for test in group.tests {
            assert!(agrees(&key, &test.msg, &test.sig, test.result), "{}: {}", test.tc_id, test.comment);
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried} vectors");
}
