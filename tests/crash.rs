//! The service under load, killed again and again: what it acknowledged is there, once, and unchanged.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod server;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use server::{Caller, Ledger, Server};

/// How often it is killed; `CERTPRESS_CRASH_ROUNDS` says otherwise.
const ROUNDS: u32 = 2;

/// Who asks at the same time, each for their own licence.
const PEOPLE: [&str; 4] = ["r01", "r02", "r03", "r05"];

#[test]
fn what_was_acknowledged_survives_kill_9() {
    #[expect(clippy::disallowed_methods, reason = "a test is told how long to go on")]
    let rounds = std::env::var("CERTPRESS_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::default();
    for round in 0..rounds {
        let server = Server::start(folder.path(), &["--demo"], &[]);
        ledger.check(&server);
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
