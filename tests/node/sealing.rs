//! 加注 while somebody else seals: answered at once, followed until the files are there, and nobody else is held up.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;

use crate::server::{Caller, Ledger, Server, json, signal, until};

/// A time-stamp server, which can be made to hang.
struct TimeStamps {
    process: Child,
    address: String,
}

impl TimeStamps {
    /// None, with a line that says so, where Python or openssl is not installed. In CI that is a failure.
    fn start(keys: &Path) -> Option<Self> {
        let there = |program: &str| Command::new(program).arg("--version").output().is_ok_and(|run| run.status.success());
        if !there("python3") || !Command::new("openssl").arg("version").output().is_ok_and(|run| run.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "python3 and openssl must be installed where CI is set");
            println!("skipped: there is no python3 or no openssl here");
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/time_stamp_server.py");
        let mut process = Command::new("python3").arg(script).arg(keys).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Some(Self { process, address: address.trim().to_owned() })
    }
}

impl Drop for TimeStamps {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn while_a_remote_seal_is_under_way_the_answer_is_202_and_the_result_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let init = Command::new(env!("CARGO_BIN_EXE_certpress")).args(["keys", "init"]).current_dir(folder.path()).output().unwrap();
    assert!(init.status.success());
    let Some(stamps) = TimeStamps::start(&folder.path().join("keys")) else { return };
    let settings = format!("[time_stamp]\nurl = \"{}\"\ntimeout_seconds = 20\n", stamps.address);
    std::fs::write(folder.path().join("certpress.toml"), settings).unwrap();
    let server = Server::start(folder.path(), &["--demo"], &[]);
    let (ledger, caller) = (Ledger::default(), Caller::new(&server, "r01"));
    let token = server.token("r01");
    let state =
        |entry: &Value| json(server.get(&token, &format!("/api/v1/annotations/{}", entry["id"].as_str().unwrap())))["state"].clone();
    let sealed = |entry: &Value| {
        until("it is sealed", || state(entry) == "ready");
        assert_eq!(ledger.download(&server, &caller, entry), Some(StatusCode::OK));
    };
    // The first files of a process take longest; from then on a seal is there before anybody asks.
    sealed(&ledger.annotate(&server, &caller, "1").unwrap().1);
    let (status, entry) = ledger.annotate(&server, &caller, "2").unwrap();
    assert_eq!((status, &entry["state"]), (StatusCode::CREATED, &"ready".into()));

    signal(&stamps.process, "STOP");
    let (status, waiting) = ledger.annotate(&server, &caller, "3").unwrap();
    assert_eq!(
        (status, &waiting["state"], &waiting["message"]),
        (StatusCode::ACCEPTED, &"sealing".into(), &"正在生成证照，请耐心等待！".into())
    );
    let again = ledger.annotate(&server, &caller, "3").unwrap();
    assert_eq!((again.0, &again.1["id"]), (StatusCode::ACCEPTED, &waiting["id"]), "the same key, the same 加注");
    assert_eq!(state(&waiting), "sealing");
    let early = server.get(&token, waiting["files"]["pdf"].as_str().unwrap());
    assert_eq!((early.status(), early.headers()["retry-after"].to_str().unwrap()), (StatusCode::CONFLICT, "2"));
    assert_eq!(json(early)["code"], "pending");
    let mine = json(server.get(&token, "/api/v1/me/licences"));
    let licence = mine["licences"].as_array().unwrap().iter().find(|licence| licence["id"] == waiting["licence"]).unwrap();
    assert_eq!((&licence["can_download"], &licence["no_file_because"]["code"]), (&false.into(), &"pending".into()));
    // Others need not wait for it: not for what is kept, and not for their own 加注 either.
    let begun = Instant::now();
    assert_eq!(ledger.download(&server, &caller, &entry), Some(StatusCode::OK));
    assert_eq!(ledger.annotate(&server, &Caller::new(&server, "r02"), "1").unwrap().0, StatusCode::ACCEPTED);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    signal(&stamps.process, "CONT");
    sealed(&waiting);
    assert_eq!(ledger.annotate(&server, &caller, "3").unwrap().0, StatusCode::CREATED);
    ledger.check(&server);
}
