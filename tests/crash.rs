//! The service under load, a bulk issue and a bulk reissue, killed again and again: what was acknowledged or reported is
//! there, once, and unchanged, and what is missing comes.
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
    let rounds = rounds();
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

/// Runs certpress in the folder and kills it after so many milliseconds. Whether it had ended by itself.
fn killed_after(folder: &Path, args: &[&str], milliseconds: u64) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certpress"));
    let mut process = command.args(args).current_dir(folder).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(milliseconds));
    let ended = process.try_wait().unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(ended.is_none_or(|status| status.success()), "{args:?}");
    ended.is_some()
}

fn run(folder: &Path, args: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_certpress")).args(args).current_dir(folder).output().unwrap();
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::Connection as _;
        let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{}/data/register.db", folder.display())).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    })
}
