//! `certpress doctor --service`: what an operator is told about a running service, and what to do.

use std::path::Path;
use std::process::Command;

use certpress::store::{Access, Store};

use crate::provider::Provider;
use crate::server::{Caller, Ledger, Server};

/// Whether all is well, and the lines.
fn doctor(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certpress"));
    let run = command.args(["doctor", "--service"]).args(args).current_dir(folder).envs(environment.iter().copied()).output().unwrap();
    (run.status.success(), String::from_utf8(run.stdout).unwrap())
}

#[test]
fn a_running_service_is_examined() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--demo"], &[]);
    let (well, told) = doctor(folder.path(), &[&server.address], &[]);
    for line in ["ok   reach", "ok   clock", "ok   ready", "warn keys", "ok   status", "ok   code"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(well && !told.contains("not listed"), "{told}");

    let (_, entry) = Ledger::default().annotate(&server, &Caller::new(&server, "r01"), "1").unwrap();
    let data = folder.path().join("data").display().to_string();
    let digits = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(&data, Access::Read).await.unwrap();
        store.annotation(entry["id"].as_str().unwrap()).await.unwrap().unwrap().digits.unwrap()
    });
    let (well, told) = doctor(folder.path(), &[&server.address, "--code", &format!("https://zz.example.cn/v/{digits}")], &[]);
    assert!(well && told.contains("ok   code     known"), "{told}");
    let (well, told) = doctor(folder.path(), &[&server.address, "--code", &digits[1..]], &[]);
    assert!(!well && told.contains("BAD  code"), "{told}");

    // From an installation with other keys.
    let elsewhere = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_certpress")).args(["keys", "init"]).current_dir(elsewhere.path()).output().unwrap();
    let (_, told) = doctor(elsewhere.path(), &[&server.address], &[]);
    assert!(told.contains("not listed"), "{told}");

    let address = server.address.clone();
    drop(server);
    let (well, told) = doctor(folder.path(), &[&address], &[]);
    assert!(!well && told.contains("BAD  reach") && told.contains("check the address"), "{told}");
}

#[test]
fn a_certificate_that_is_not_trusted_and_a_clock_that_stands_still_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let Some(provider) = Provider::start(folder.path()) else { return };
    provider.say(Some("{\"keys\":[]}".to_owned()));
    let (well, told) = doctor(folder.path(), &[&provider.address], &[]);
    assert!(!well && told.contains("certificate") && told.contains("SSL_CERT_FILE"), "{told}");
    let (well, told) = doctor(folder.path(), &[&provider.address], &[("SSL_CERT_FILE", provider.authority.to_str().unwrap())]);
    assert!(!well && told.contains("ok   reach") && told.contains("BAD  clock") && told.contains("time server"), "{told}");
    assert!(told.contains("BAD  status") && told.contains("is this certpress?"), "{told}");
}
