//! What signing costs, one operation a row: the key alone, a CMS envelope, a PDF file, a seal for OFD, and reading each back.

use std::sync::LazyLock;

use certpress::sign::{Algorithm, FileSigner, Signer, cms, make_test_pki, ofd, pdf, ses, test_signer};
use divan::Bencher;
use jiff::Timestamp;

fn main() {
    divan::main();
}

const SIGNERS: [&str; 4] = ["signer-ed25519", "signer-p256", "signer-rsa", "signer-sm2"];
/// As large as an ordinary licence.
static CONTENT: [u8; 60_000] = [0x5a; 60_000];
static AT: LazyLock<Timestamp> = LazyLock::new(|| "2026-03-01T04:00:00Z".parse().expect("an instant"));

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    make_test_pki(folder.path(), *AT).expect("keys");
    folder
});

fn signer(id: &str) -> FileSigner {
    test_signer(FOLDER.path(), id, *AT).expect("made before")
}

#[divan::bench(args = SIGNERS)]
fn sign_alone(bencher: Bencher, id: &str) {
    let signer = signer(id);
    bencher.bench(|| signer.sign(b"a message of ordinary length").expect("signs"));
}

#[divan::bench(args = SIGNERS)]
fn check_alone(bencher: Bencher, id: &str) {
    let signer = signer(id);
    let signature = signer.sign(b"message").expect("signs");
    bencher.bench(|| assert!(signer.chain()[0].key().holds(b"message", &signature)));
}

#[divan::bench(args = [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::Sm2])]
fn digest_60_kb(bencher: Bencher, algorithm: Algorithm) {
    bencher.bench(|| algorithm.digest(&[&CONTENT]));
}

/// Digest, prepare, sign, check, complete.
#[divan::bench(args = SIGNERS)]
fn cms_sign(bencher: Bencher, id: &str) {
    let signer = signer(id);
    bencher.bench(|| cms::sign(&signer, &[&CONTENT], *AT).expect("signs"));
}

#[divan::bench(args = SIGNERS)]
fn cms_open(bencher: Bencher, id: &str) {
    let signer = signer(id);
    let signed = cms::sign(&signer, &[&CONTENT], *AT).expect("signs");
    bencher.bench(|| cms::open(&signed).expect("holds"));
}

/// Digest, prepare, sign, check, complete into the file's own place.
#[divan::bench(args = SIGNERS)]
fn pdf_sign_and_complete(bencher: Bencher, id: &str) {
    let signer = signer(id);
    let room = pdf::room(signer.chain(), None, *AT).expect("room");
    let end = CONTENT.len() - 1000;
    let gap = end - 2 * room - 2..end;
    let mut file = CONTENT.to_vec();
    file[gap.clone()].fill(b'0');
    (file[gap.start], file[gap.end - 1]) = (b'<', b'>');
    let blank = pdf::Blank { file, gap };
    bencher.with_inputs(|| blank.clone()).bench_values(|blank| pdf::sign(blank, &signer, *AT).expect("signs"));
}

fn seal() -> ses::Seal {
    let holder = signer("signer-sm2");
    let plan = ses::SealPlan {
        id: "TEST-0001",
        name: "测试专用章",
        vendor: "certpress",
        picture: b"\x89PNG\r\n\x1a\n",
        size_mm: (42, 42),
        holders: &holder.chain()[..1],
        created: *AT,
        valid: (*AT, *AT),
    };
    ses::Seal::from_der(&ses::make_seal(&plan, &signer("seal-maker")).expect("makes")).expect("holds")
}

#[divan::bench]
fn ses_sign(bencher: Bencher) {
    let (seal, signer) = (seal(), signer("signer-sm2"));
    bencher.bench(|| ses::sign(&seal, &signer, &CONTENT, "/Doc_0/Signs/Sign_0/Signature.xml", *AT).expect("seals"));
}

#[divan::bench]
fn ses_open(bencher: Bencher) {
    let value = ses::sign(&seal(), &signer("signer-sm2"), &CONTENT, "/Doc_0/Signs/Sign_0/Signature.xml", *AT).expect("seals");
    bencher.bench(|| ses::open(&value).expect("holds"));
}

/// An OFD of 60 KB: digest its twenty entries, prepare, seal, check, complete.
#[divan::bench]
fn ofd_seal(bencher: Bencher) {
    let (seal, signer) = (seal(), signer("signer-sm2"));
    let names: Vec<String> = (0..20).map(|number| format!("Doc_0/Res/font_{number}.ttf")).collect();
    bencher.bench(|| {
        let entries = names.iter().map(|name| ofd::Entry::of(name, &CONTENT[..3_000])).collect();
        let mark = ofd::Mark::Seal { seal: &seal, page: 43, boundary: "136.2 213 42 42".to_owned() };
        ofd::sign(entries, vec![mark], &[&signer], *AT).expect("seals")
    });
}
