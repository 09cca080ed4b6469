//! The service under load, killed again and again: what it acknowledged is there, once, and unchanged.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// How often it is killed; `CERTPRESS_CRASH_ROUNDS` says otherwise.
const ROUNDS: u32 = 2;

/// Who asks at the same time, each for their own licence and all for the first.
const PEOPLE: [&str; 4] = ["r01", "r02", "r03", "r05"];

struct Server {
    process: Child,
    address: String,
    client: Client,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_certpress"))
            .args(["serve", "--demo", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--config", "certpress.toml"])
            .current_dir(folder)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap_or_else(|| panic!("{line}")).to_owned();
        let client = Client::builder().timeout(Duration::from_mins(1)).no_proxy().build().unwrap();
        Self { process, address, client }
    }

    fn token(&self, who: &str) -> String {
        let form = self.client.post(format!("{}/demo/token", self.address));
        let answer = form.header("content-type", "application/x-www-form-urlencoded").body(format!("as={who}")).send().unwrap();
        json(answer)["access_token"].as_str().unwrap().to_owned()
    }

    fn get(&self, token: &str, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.address)).bearer_auth(token).send().unwrap()
    }

    /// The first licence of somebody.
    fn licence(&self, token: &str) -> String {
        json(self.get(token, "/api/v1/me/licences"))["licences"][0]["id"].as_str().unwrap().to_owned()
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn json(answer: Response) -> Value {
    serde_json::from_slice(&answer.bytes().unwrap()).unwrap()
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "a test is told how long to go on")]
    let rounds = std::env::var("CERTPRESS_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("certpress.toml"), "[service.limits]\nper_second = 100000\nburst = 100000\n").unwrap();
    // By person: what was acknowledged, as id and number; and by address the digest of what was downloaded.
    let acknowledged: Mutex<BTreeMap<&str, Vec<(String, u64)>>> = Mutex::default();
    let downloaded: Mutex<BTreeMap<String, [u8; 32]>> = Mutex::default();
    for round in 0..rounds {
        let server = Server::start(folder.path());
        check(&server, &acknowledged.lock().unwrap(), &downloaded.lock().unwrap());
        let (over, answered) = (AtomicBool::new(false), AtomicU32::new(0));
        let callers = PEOPLE.map(|who| {
            let token = server.token(who);
            let path = format!("/api/v1/licences/{}/annotations", server.licence(&token));
            (who, token, path)
        });
        std::thread::scope(|scope| {
            for (who, token, path) in callers {
                let (server, over, answered, acknowledged, downloaded) = (&server, &over, &answered, &acknowledged, &downloaded);
                scope.spawn(move || {
                    let mut count = 0;
                    while !over.load(Ordering::Relaxed) {
                        count += 1;
                        let post = server.client.post(format!("{}{path}", server.address)).bearer_auth(&token);
                        // An answer that does not come in whole is none.
                        let Ok(answer) = post.header("idempotency-key", format!("{round}-{count}")).send() else { return };
                        assert_eq!(answer.status(), 201, "{who}");
                        let Ok(bytes) = answer.bytes() else { return };
                        let entry: Value = serde_json::from_slice(&bytes).unwrap();
                        let id = entry["id"].as_str().unwrap().to_owned();
                        answered.fetch_add(1, Ordering::Relaxed);
                        acknowledged.lock().unwrap().entry(who).or_default().push((id, entry["number"].as_u64().unwrap()));
                        let file = entry["files"]["pdf"].as_str().unwrap().to_owned();
                        if count % 3 == 1 {
                            let Ok(answer) = server.client.get(format!("{}{file}", server.address)).bearer_auth(&token).send() else {
                                return;
                            };
                            assert_eq!(answer.status(), 200, "{who}");
                            let Ok(bytes) = answer.bytes() else { return };
                            downloaded.lock().unwrap().insert(format!("{who} {file}"), Sha256::digest(&bytes).into());
                        }
                    }
                });
            }
            // Every round dies at another moment, and none before there is something to lose.
            while answered.load(Ordering::Relaxed) < 8 {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::thread::sleep(Duration::from_millis(u64::from(round * 37 % 500)));
            let id = server.process.id().to_string();
            assert!(Command::new("kill").args(["-9", &id]).status().unwrap().success());
            over.store(true, Ordering::Relaxed);
        });
        server.kill();
    }
    let server = Server::start(folder.path());
    check(&server, &acknowledged.lock().unwrap(), &downloaded.lock().unwrap());
    server.kill();
    let count: usize = acknowledged.lock().unwrap().values().map(Vec::len).sum();
    assert!(count > 0, "nothing was acknowledged, so nothing was shown");
    println!("{rounds} rounds, {count} acknowledged, {} files", downloaded.lock().unwrap().len());
    let audit = Command::new(env!("CARGO_BIN_EXE_certpress")).args(["audit", "verify"]).current_dir(folder.path()).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
}

/// Nothing lost, no number twice, no gap, every file the one that was given out.
fn check(server: &Server, acknowledged: &BTreeMap<&str, Vec<(String, u64)>>, downloaded: &BTreeMap<String, [u8; 32]>) {
    for (who, entries) in acknowledged {
        let token = server.token(who);
        let path = format!("/api/v1/licences/{}/annotations?limit=499", server.licence(&token));
        let (mut history, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let page = json(server.get(&token, &format!("{path}{cursor}")));
            for entry in page["annotations"].as_array().unwrap() {
                history.insert(entry["number"].as_u64().unwrap(), entry["id"].as_str().unwrap().to_owned());
            }
            let Some(next) = page["next"].as_u64() else { break };
            cursor = format!("&cursor={next}");
        }
        assert!(history.keys().copied().eq(1..=history.len() as u64), "{who}: a gap");
        for (id, number) in entries {
            assert_eq!(history.get(number), Some(id), "{who}: number {number} was acknowledged");
        }
    }
    for (place, digest) in downloaded {
        let (who, file) = place.split_once(' ').unwrap();
        let bytes = server.get(&server.token(who), file).bytes().unwrap();
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&bytes)), *digest, "{place} has changed");
    }
}
