//! The service under load, a bulk issue and a bulk reissue, killed again and again: what was acknowledged or reported is
//! there, once, and unchanged, and what is missing comes.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod server;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use server::{Caller, Ledger, Server};
use sha2::{Digest as _, Sha256};

/// How often it is killed; `CERTPRESS_CRASH_ROUNDS` says otherwise.
const ROUNDS: u32 = 2;

/// Who asks at the same time, each for their own licence.
const PEOPLE: [&str; 4] = ["r01", "r02", "r03", "r05"];

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let rounds = rounds();
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::default();
    for round in 0..rounds {
        let server = Server::start(folder.path(), &["--demo"], &[]);
        // What the last round has left; all of it at the end.
        ledger.check_new(&server);
        let (over, answered) = (AtomicBool::new(false), AtomicU32::new(0));
        let callers = PEOPLE.map(|who| Caller::new(&server, who));
        std::thread::scope(|scope| {
            for caller in &callers {
                let (server, over, answered, ledger) = (&server, &over, &answered, &ledger);
                scope.spawn(move || {
                    let mut count = 0;
                    while !over.load(Ordering::Relaxed) {
                        count += 1;
                        let Some((status, entry)) = ledger.annotate(server, caller, &format!("{round}-{count}")) else { return };
                        assert_eq!(status, StatusCode::CREATED);
                        answered.fetch_add(1, Ordering::Relaxed);
                        if count % 3 == 1 {
                            let Some(status) = ledger.download(server, caller, &entry) else { return };
                            assert_eq!(status, StatusCode::OK);
                        }
                    }
                });
            }
            // Every round dies at another moment, and none before there is something to lose.
            while answered.load(Ordering::Relaxed) < 8 {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::thread::sleep(Duration::from_millis(u64::from(round * 37 % 500)));
            server.kill();
            over.store(true, Ordering::Relaxed);
        });
    }
    let server = Server::start(folder.path(), &["--demo"], &[]);
    ledger.check(&server);
    drop(server);
    let (annotations, files) = ledger.counts();
    assert!(annotations > 0, "nothing was acknowledged, so nothing was shown");
    println!("{rounds} rounds, {annotations} acknowledged, {files} files");
    server::audit(folder.path());
}

/// Runs certpress in the folder and kills it after so many milliseconds. Whether it had ended by itself.
fn killed_after(folder: &Path, args: &[&str], milliseconds: u64) -> bool {
    let mut command = Command::new(server::program());
    let mut process = command.args(args).current_dir(folder).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(milliseconds));
    let ended = process.try_wait().unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(ended.is_none_or(|status| status.success()), "{args:?}");
    ended.is_some()
}

fn run(folder: &Path, args: &[&str]) -> String {
    let run = Command::new(server::program()).args(args).current_dir(folder).output().unwrap();
    assert!(run.status.success(), "{args:?}: {}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

fn rounds() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "a test is told how long to go on")]
    std::env::var("CERTPRESS_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// So many invented people, a line each.
fn people(folder: &Path, count: u32) {
    let sample = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/other/batch.jsonl")).unwrap();
    let mut person: Value = serde_json::from_slice(sample.split(|&byte| byte == b'\n').next().unwrap()).unwrap();
    person["status"] = "valid".into();
    person["holder"]["photo"] = PIXEL.into();
    person["holder"]["signature"] = PIXEL.into();
    person["holder"]["phone_bound"] = true.into();
    person["reported"] = true.into();
    let line = |n: u32| {
        person["number"] = format!("京111202120{n:07}").into();
        person["serial"] = format!("TEST{n:010}").into();
        person.to_string() + "\n"
    };
    std::fs::write(folder.join("people.jsonl"), (0..count).map(line).collect::<String>()).unwrap();
}

/// A picture of one pixel.
const PIXEL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg==";

#[test]
fn an_issue_that_is_killed_goes_on_without_a_gap_or_a_double() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let count = 600;
    people(folder, count);
    let issue = ["issue", "people.jsonl", "--out", "out", "--formats", "pdf,ofd", "--resume"];
    // Keys are made first: that is not what is killed here.
    run(folder, &["issue", "people.jsonl", "--out", "before", "--formats", "txt"]);
    let mut kept = BTreeMap::new();
    let whole = |kept: &mut BTreeMap<String, [u8; 32]>| {
        let report = ["out/report.jsonl", "out/report.jsonl.part"].iter().find_map(|name| std::fs::read(folder.join(name)).ok());
        // The last line may be torn.
        let lines: Vec<Value> =
            report.iter().flat_map(|r| r.split(|&b| b == b'\n')).filter_map(|l| serde_json::from_slice(l).ok()).collect();
        for line in &lines {
            for file in line["files"].as_object().unwrap().values() {
                let path = file["path"].as_str().unwrap();
                let bytes: [u8; 32] = Sha256::digest(std::fs::read(folder.join("out").join(path)).unwrap()).into();
                assert_eq!(hex::encode(bytes), file["sha256"].as_str().unwrap(), "{path}");
                assert_eq!(*kept.entry(path.to_owned()).or_insert(bytes), bytes, "{path} was reported before and is another one");
            }
        }
        lines.len()
    };
    for round in 0..rounds() {
        if killed_after(folder, &issue, 300 + u64::from(round * 137 % 700)) {
            break;
        }
        whole(&mut kept);
    }
    run(folder, &issue);
    assert_eq!(whole(&mut kept), count as usize, "a line for each record");
    assert_eq!(kept.len(), 2 * count as usize);
    let left = std::fs::read_dir(folder.join("out")).unwrap().count();
    assert_eq!(left, 2 * count as usize + 1, "two files each, the report, and nothing else");
    let some: Vec<_> = kept.keys().step_by(97).map(|path| format!("out/{path}")).collect();
    let some: Vec<&str> = some.iter().map(String::as_str).collect();
    run(folder, &[&["verify", "--trust", "keys/trust", "--register", "out/report.jsonl"], some.as_slice()].concat());
}

#[test]
fn a_reissue_that_is_killed_goes_on_without_a_gap_or_a_double() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let count = 9000;
    people(folder, count);
    run(folder, &["import", "people.jsonl", "--create"]);
    let mut reissue = vec!["reissue", "--all", "--reason", "印章更换"];
    for round in 0..rounds() {
        let ended = killed_after(folder, &reissue, 200 + u64::from(round * 173 % 800));
        // Unless it was killed before it had begun.
        if rows(folder, "SELECT count(*) FROM job") == 1 {
            reissue = vec!["reissue", "--resume"];
        }
        if ended {
            break;
        }
    }
    run(folder, &reissue);
    assert_eq!(rows(folder, "SELECT count(*) FROM job WHERE state <> 'finished'"), 0);
    let count = i64::from(count);
    for (sql, rows_of) in [
        ("SELECT count(*) FROM licence WHERE version = 2", count),
        ("SELECT count(*) FROM record_version", 2 * count),
        ("SELECT count(DISTINCT licence) FROM annotation WHERE version = 2 AND number = 1", count),
        ("SELECT count(*) FROM annotation", count),
        ("SELECT max(status_index) + 1 FROM annotation", count),
        ("SELECT count(*) FROM signature", count),
    ] {
        assert_eq!(rows(folder, sql), rows_of, "{sql}");
    }
    assert!(run(folder, &["audit", "verify"]).contains("\"tampered\":null"));
}

/// One number from the register.
fn rows(folder: &Path, sql: &'static str) -> i64 {
    let register = rusqlite::Connection::open(folder.join("data/register.db")).unwrap();
    register.query_row(sql, [], |row| row.get(0)).unwrap()
}
