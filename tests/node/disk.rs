//! A disk that is full, and one that does not keep what it is given: said so at once, nothing lost, and over when it is over.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use reqwest::StatusCode;

use crate::server::{self, Caller, Ledger, Over, Server, until};

/// The library of a source beside this file; Rust needs a C compiler to link, so where this test runs there is one.
pub fn library(folder: &Path, source: &str) -> String {
    let library = folder.join(source).with_extension("so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node").join(source);
    let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").status().unwrap();
    assert!(made.success());
    library.display().to_string()
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_fails_loses_nothing_and_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let fault = folder.path().join("fault");
    let environment = [("LD_PRELOAD", library(folder.path(), "fault.c")), ("CERTPRESS_TEST_FAULT", fault.display().to_string())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let server = Server::start(folder.path(), &["--demo"], &environment);
    let ledger = Ledger::default();
    let callers = ["r01", "r02", "r03", "r05"].map(|who| Caller::new(&server, who));
    let (over, refused) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for caller in &callers {
            let (server, ledger, over, refused) = (&server, &ledger, &over, &refused);
            scope.spawn(move || {
                let mut count = 0;
                while !over.load(Ordering::Relaxed) {
                    count += 1;
                    // What was refused is asked for again under the same key, until it is done.
                    let (status, entry) = ledger.annotate(server, caller, &count.to_string()).unwrap();
                    if status == StatusCode::SERVICE_UNAVAILABLE {
                        refused.fetch_add(1, Ordering::Relaxed);
                        count -= 1;
                        std::thread::sleep(Duration::from_millis(20));
                    } else if count % 3 == 1 {
                        let status = ledger.download(server, caller, &entry).unwrap();
                        assert!([200, 409, 503].contains(&status.as_u16()), "{status}");
                    }
                }
            });
        }
        let _over = Over(&over);
        for what in ["full", "sync"] {
            until("it goes on", || ledger.counts().0 > 10);
            let before = refused.load(Ordering::Relaxed);
            std::fs::write(&fault, what).unwrap();
            until("somebody meets the fault", || refused.load(Ordering::Relaxed) > before + 5);
            assert_eq!(server.unready().as_deref(), Some("the register cannot be reached"), "{what}");
            std::fs::remove_file(&fault).unwrap();
            server.ready();
            let before = ledger.counts().0;
            until("it goes on", || ledger.counts().0 > before + 10);
        }
    });
    ledger.check(&server);
    server.kill();
    drop(server);
    let server = Server::start(folder.path(), &["--demo"], &[]);
    ledger.check(&server);
    drop(server);
    server::audit(folder.path());
}
