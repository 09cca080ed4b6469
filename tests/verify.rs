//! `certpress verify` as scripts call it: files that `issue` wrote, the register beside them, grades and exit codes.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "support/postgres.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod postgres;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use certpress::clock::{Clock, shanghai_date};
use certpress::config::Settings;
use certpress::issue::register::{Person, Register};
use certpress::issue::{Envelopes, Line};
use certpress::record::{self, Options};
use certpress::render::Format;
use certpress::sign::Keyring;
use certpress::store::blobs::Blobs;
use certpress::store::{Access, Act, Store};
use jiff::Timestamp;
use serde_json::Value;

const AS_OF: &str = "2026-03-02T09:00:00+08:00";

/// Runs certpress in a folder with keys of its own; gives its exit code, what it printed and what it complained.
fn certpress(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_certpress"))
        .args(args)
        .current_dir(folder)
        .env("CERTPRESS_KEYS", folder.join("keys"))
        .env_remove("CERTPRESS_CONFIG")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

/// Verifies, with a JSON line for each.
fn verified(folder: &Path, args: &[&str]) -> (i32, Vec<Value>) {
    verified_at(folder, AS_OF, args)
}

fn verified_at(folder: &Path, at: &str, args: &[&str]) -> (i32, Vec<Value>) {
    let (code, out, complaint) = certpress(folder, &[&["verify", "--json", "--as-of", at], args].concat());
    assert_eq!(complaint, "");
    (code, out.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Two licences in every format that can be verified.
fn issued(folder: &Path) -> Vec<String> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/records");
    let [first, second] =
        ["r01-constructor-1-rare-character.json", "r19-architect-1-ordinary.json"].map(|name| samples.join(name).display().to_string());
    let (code, ..) = certpress(folder, &["issue", &first, &second, "--out", "out", "--as-of", AS_OF, "--formats", "pdf,ofd,png"]);
    assert_eq!(code, 0);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("out")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension != "jsonl"));
    files.sort();
    files.iter().map(|file| file.display().to_string()).collect()
}

#[test]
fn what_issue_wrote_is_grade_a_with_its_report_and_b_without() {
    let folder = tempfile::tempdir().unwrap();
    let files = issued(folder.path());
    let mut args: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(args.len(), 6);
    let (code, verdicts) = verified(folder.path(), &args);
    assert_eq!(code, 1, "without the register nothing is grade A");
    assert!(verdicts.iter().all(|v| v["grade"] == "B" && v["state"] == "valid" && v["reason_en"].as_str().unwrap().contains("not asked")));
    args.extend(["--register", "out/report.jsonl", "--trust", "keys/trust"]);
    let (code, verdicts) = verified(folder.path(), &args);
    assert_eq!(code, 0, "{verdicts:?}");
    for (verdict, file) in verdicts.iter().zip(&files) {
        let number = Path::new(file).file_stem().unwrap().to_str().unwrap();
        let kind = match Path::new(file).extension().unwrap().to_str().unwrap() {
            "png" => "picture",
            other => other,
        };
        let told = [&verdict["grade"], &verdict["kind"], &verdict["state"], &verdict["number"]];
        assert_eq!(told, ["A", kind, "valid", number]);
        assert!(verdict["version"] == 1 && verdict["test"] == true && verdict["use_from"] == "2026-03-02", "{verdict}");
    }
    let (code, verdicts) = verified_at(folder.path(), "2030-01-01T00:00:00Z", &[&args[..1], &args[6..]].concat());
    assert_eq!((code, &verdicts[0]["grade"], &verdicts[0]["state"]), (1, &"A".into(), &"over".into()), "A says genuine, not valid");
}

#[test]
fn one_changed_file_among_good_ones_is_named_and_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let files = issued(folder.path());
    for file in files.iter().filter(|file| !file.ends_with("png")) {
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let forged = folder.path().join("forged");
        std::fs::write(&forged, bytes).unwrap();
        let (code, verdicts) = verified(folder.path(), &[file, forged.to_str().unwrap(), "--register", "out/report.jsonl"]);
        assert_eq!((code, &verdicts[0]["grade"], &verdicts[1]["grade"]), (1, &"A".into(), &"C".into()));
        assert!(verdicts[1]["number"].is_null(), "what is not genuine says nothing");
    }
}

#[test]
fn other_keys_and_missing_files_are_told_apart() {
    let (folder, stranger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = issued(folder.path());
    issued(stranger.path());
    let trust = stranger.path().join("keys/trust");
    let (code, verdicts) = verified(folder.path(), &[&files[0], &files[1], &files[2], "--trust", trust.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(verdicts.iter().all(|verdict| verdict["grade"] == "C" && verdict["state"] == "not-issued"), "{verdicts:?}");
    let (code, verdicts) = verified(folder.path(), &["nowhere.pdf"]);
    assert_eq!((code, &verdicts[0]["state"]), (1, &"unreadable".into()));
    let (code, out, complaint) = certpress(folder.path(), &["verify", &files[0], "--register", "nowhere.jsonl"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(complaint.contains("nowhere.jsonl") && complaint.contains("report.jsonl of the batch"), "{complaint}");
    let (_, shown, _) = certpress(folder.path(), &["verify", &files[0], "--as-of", AS_OF]);
    assert!(shown.contains("证照标识 id") && shown.contains("valid now") && shown.contains("样张"), "{shown}");
}

/// What a service has issued, asked for in its own database by somebody who has only the files.
#[test]
fn a_register_in_postgresql_knows_what_the_service_issued() {
    let Some(server) = postgres::Server::start() else { return };
    let (folder, address) = (tempfile::tempdir().unwrap(), server.fresh());
    let (number, files) = served(folder.path(), &address);
    for (format, bytes) in &files {
        let path = folder.path().join(format!("licence.{format}"));
        std::fs::write(&path, bytes).unwrap();
        let changed = folder.path().join(format!("changed.{format}"));
        std::fs::write(&changed, [&bytes[..bytes.len() - 1], &[bytes[bytes.len() - 1] ^ 1]].concat()).unwrap();
        let (code, verdicts) = verified(folder.path(), &[path.to_str().unwrap(), changed.to_str().unwrap(), "--register", &address]);
        let told = [&verdicts[0]["grade"], &verdicts[0]["state"], &verdicts[0]["number"], &verdicts[1]["grade"]];
        assert_eq!(told, ["A", "valid", number.as_str(), "C"], "{format}: {verdicts:?}");
        assert_eq!(code, 1);
    }
    let path = folder.path().join("licence.pdf");
    let (code, verdicts) = verified(folder.path(), &[path.to_str().unwrap(), "--register", &address]);
    assert_eq!((code, &verdicts[0]["grade"]), (0, &"A".into()));
    let (code, out, complaint) = certpress(folder.path(), &["verify", path.to_str().unwrap(), "--register", &server.fresh()]);
    assert_eq!((code, out.as_str()), (1, ""), "a register that is not there is an error, and made by nobody");
    assert!(!complaint.is_empty());
}

/// One 加注 by the service over a register: the licence's number, and its PDF and OFD.
fn served(folder: &Path, address: &str) -> (String, Vec<(&'static str, Vec<u8>)>) {
    struct Fixed;
    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            AS_OF.parse().unwrap()
        }
    }
    let settings = Settings { keys: folder.join("keys"), ..Settings::default() };
    let (keyring, _) = Keyring::open_or_init(&settings.keys, Fixed.now()).unwrap();
    let index_key = *keyring.salt;
    let envelopes = Envelopes::open(&settings, &keyring, Fixed.now()).unwrap();
    let line = Arc::new(Line::open(&settings, keyring).unwrap().sealed_by(envelopes));
    let samples = [Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/records/r19-architect-1-ordinary.json")];
    let options = Options { today: shanghai_date(Fixed.now()), lenient_identifiers: false };
    let record = record::read(&samples, &options).next().unwrap().record.unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Arc::new(Store::open(address, Access::Write { create: true, index_key }).await.unwrap());
        let blobs = Blobs::open(folder.join("blobs").to_str().unwrap()).unwrap();
        let register = Arc::new(Register::new(line, store, blobs, Arc::new(Fixed), 8));
        let loaded = register.store.load(&Act::new("test", Fixed.now()), std::slice::from_ref(&record)).await.unwrap();
        let person = Person { id_type: &record.holder.id_type, id_number: &record.holder.id_number };
        let annotation = register.annotate("holder", person, &loaded[0].licence, (None, None), None).await.unwrap();
        let mut files = Vec::new();
        for format in [Format::Pdf, Format::Ofd] {
            let (made, _) = register.file(person, &annotation.id, format).await.unwrap();
            files.push((format.extension(), made.bytes.to_vec()));
        }
        register.store.close().await;
        (record.number, files)
    })
}
