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
    followed(&server, || signal(&stamps.process, "STOP"), || signal(&stamps.process, "CONT"));
}

/// A key in SoftHSM2 behind a module that can be made to hang.
#[test]
#[cfg(all(feature = "pkcs11", target_os = "linux"))]
fn while_a_hardware_module_takes_its_time_the_answer_is_202_and_the_result_comes_later() {
    let libraries = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
    let Some(module) = libraries.into_iter().find(|library| Path::new(library).exists()) else {
        assert!(std::env::var_os("CI").is_none(), "SoftHSM2 must be installed where CI is set");
        println!("skipped: there is no SoftHSM2 here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let run = |program: &str, args: &[&str]| {
        let run = Command::new(program).args(args).env("SOFTHSM2_CONF", place("softhsm2.conf")).current_dir(folder.path()).output();
        let run = run.unwrap();
        assert!(run.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&run.stderr));
    };
    // The test signers are made with the first file.
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/records/r01-constructor-1-rare-character.json");
    run(env!("CARGO_BIN_EXE_certpress"), &["issue", sample.to_str().unwrap(), "--out", "out", "--formats", "pdf"]);
    std::fs::create_dir(place("tokens")).unwrap();
    std::fs::write(place("softhsm2.conf"), format!("directories.tokendir = {}\n", place("tokens"))).unwrap();
    std::fs::write(place("pin"), "4321\n").unwrap();
    std::fs::set_permissions(place("pin"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    run("softhsm2-util", &["--init-token", "--free", "--label", "seals", "--pin", "4321", "--so-pin", "8765"]);
    let key = ["--import", "keys/private/signer-p256.pem", "--token", "seals", "--label", "licences", "--id", "01", "--pin", "4321"];
    run("softhsm2-util", &key);
    let settings = format!(
        "[pdf]\nsigner = \"module\"\n[signer.module]\nmodule = \"{}\"\ntoken = \"seals\"\nlabel = \"licences\"\npin_file = \"pin\"\n\
         certificates = \"keys/certificates/signer-p256.pem\"\n",
        crate::disk::library(folder.path(), "module.c")
    );
    std::fs::write(place("certpress.toml"), settings).unwrap();
    let (conf, hung) = (place("softhsm2.conf"), place("hung"));
    let environment = [("SOFTHSM2_CONF", conf.as_str()), ("CERTPRESS_TEST_MODULE", module), ("CERTPRESS_TEST_FAULT", hung.as_str())];
    let server = Server::start(folder.path(), &["--demo"], &environment);
    followed(&server, || std::fs::write(&hung, "").unwrap(), || std::fs::remove_file(&hung).unwrap());
}

/// What happens when who seals hangs, and when it goes on.
fn followed(server: &Server, hang: impl Fn(), go_on: impl Fn()) {
    let (ledger, caller) = (Ledger::default(), Caller::new(server, "r01"));
    let token = server.token("r01");
    let state =
        |entry: &Value| json(server.get(&token, &format!("/api/v1/annotations/{}", entry["id"].as_str().unwrap())))["state"].clone();
    let sealed = |entry: &Value| {
        until("it is sealed", || state(entry) == "ready");
        assert_eq!(ledger.download(server, &caller, entry), Some(StatusCode::OK));
    };
    // The first files of a process take longest; from then on a seal is there before anybody asks.
    sealed(&ledger.annotate(server, &caller, "1").unwrap().1);
    let (status, entry) = ledger.annotate(server, &caller, "2").unwrap();
    assert_eq!((status, &entry["state"]), (StatusCode::CREATED, &"ready".into()));

    hang();
    let (status, waiting) = ledger.annotate(server, &caller, "3").unwrap();
    assert_eq!(
        (status, &waiting["state"], &waiting["message"]),
        (StatusCode::ACCEPTED, &"sealing".into(), &"正在生成证照，请耐心等待！".into())
    );
    let again = ledger.annotate(server, &caller, "3").unwrap();
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
    assert_eq!(ledger.download(server, &caller, &entry), Some(StatusCode::OK));
    assert_eq!(ledger.annotate(server, &Caller::new(server, "r02"), "1").unwrap().0, StatusCode::ACCEPTED);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    go_on();
    sealed(&waiting);
    assert_eq!(ledger.annotate(server, &caller, "3").unwrap().0, StatusCode::CREATED);
    ledger.check(server);
}
