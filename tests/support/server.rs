//! A certpress server in a process of its own on free ports of the loopback, and a ledger of what it acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The program that is tested: the one that CERTPRESS names, else the one that was built with the tests.
pub fn program() -> PathBuf {
    std::env::var_os("CERTPRESS").map_or_else(|| env!("CARGO_BIN_EXE_certpress").into(), |path| Path::new(&path).canonicalize().unwrap())
}

/// The process; killed when it is dropped.
pub struct Server {
    process: Child,
    pub address: String,
    numbers: String,
    pub client: Client,
}

impl Server {
    /// Starts one in a folder, where it keeps its data and keys, and waits until it listens.
    pub fn start(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let limits = "[service.limits]\nper_second = 100000\nburst = 100000\n";
        let settings = folder.join("certpress.toml");
        if !settings.exists() {
            std::fs::write(settings, limits).unwrap();
        }
        let mut process = Command::new(program())
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--config", "certpress.toml"])
            .args(args)
            .current_dir(folder)
            .env("RUST_LOG", std::env::var_os("RUST_LOG").unwrap_or("off".into()))
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut addresses = line.split(['(', ')', ' ', '\n']).filter(|word| word.starts_with("http://"));
        let (Some(address), Some(numbers)) = (addresses.next(), addresses.next()) else { panic!("it does not start: {line}") };
        let client = Client::builder().timeout(Duration::from_mins(1)).no_proxy().build().unwrap();
        Self { address: address.to_owned(), numbers: numbers.to_owned(), process, client }
    }

    /// A token of one of the sample people, or of a role.
    pub fn token(&self, who: &str) -> String {
        let form = self.client.post(format!("{}/demo/token", self.address));
        let answer = form.header("content-type", "application/x-www-form-urlencoded").body(format!("as={who}")).send().unwrap();
        json(answer)["access_token"].as_str().unwrap().to_owned()
    }

    pub fn get(&self, token: &str, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.address)).bearer_auth(token).send().unwrap()
    }

    pub fn post(&self, token: &str, path: &str, key: &str) -> reqwest::Result<Response> {
        self.client.post(format!("{}{path}", self.address)).bearer_auth(token).header("idempotency-key", key).send()
    }

    /// The first licence of somebody.
    pub fn licence(&self, token: &str) -> String {
        json(self.get(token, "/api/v1/me/licences"))["licences"][0]["id"].as_str().unwrap().to_owned()
    }

    /// What `/readyz` says: nothing when all is well, else the problem's detail.
    pub fn unready(&self) -> Option<String> {
        let answer = self.get("", "/readyz");
        if answer.status() == StatusCode::OK { None } else { Some(problem(answer)) }
    }

    /// Waits until `/readyz` says so.
    pub fn ready(&self) {
        until("it is ready", || self.unready().is_none());
    }

    /// A number of `/metrics`, by the beginning of its line; 0 where it is not yet counted.
    pub fn number(&self, name: &str) -> u64 {
        let numbers = self.client.get(&self.numbers).send().unwrap().text().unwrap();
        let line = numbers.lines().find(|line| line.starts_with(name));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// The process goes on, but answers nobody from now on.
    pub fn kill(&self) {
        signal(&self.process, "KILL");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a signal to a process that the test has started.
pub fn signal(process: &Child, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), process.id().to_string()]).status().unwrap().success());
}

pub fn json(answer: Response) -> Value {
    serde_json::from_slice(&answer.bytes().unwrap()).unwrap()
}

/// The detail of a problem that says when to come back.
pub fn problem(answer: Response) -> String {
    let status = answer.status();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    json(answer)["detail"].as_str().unwrap().to_owned()
}

/// Somebody with a licence.
pub struct Caller {
    who: String,
    token: String,
    path: String,
}

impl Caller {
    pub fn new(server: &Server, who: &str) -> Self {
        let token = server.token(who);
        let path = format!("/api/v1/licences/{}/annotations", server.licence(&token));
        Self { who: who.to_owned(), token, path }
    }
}

/// What was acknowledged, to be compared with what is still known.
#[derive(Default)]
pub struct Ledger {
    /// By person: id and number of each 加注.
    annotations: Mutex<BTreeMap<String, Vec<(String, u64)>>>,
    /// By person and address, the digest of what was downloaded.
    files: Mutex<BTreeMap<(String, String), [u8; 32]>>,
    checked: Mutex<Checked>,
}

/// What was compared already.
#[derive(Default)]
struct Checked {
    /// By person, the length of a history.
    histories: BTreeMap<String, u64>,
    /// By person and address.
    files: BTreeSet<(String, String)>,
}

impl Ledger {
    /// 加注. What was answered; none when no whole answer came.
    pub fn annotate(&self, server: &Server, caller: &Caller, key: &str) -> Option<(StatusCode, Value)> {
        let answer = server.post(&caller.token, &caller.path, key).ok()?;
        let status = answer.status();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Some((status, problem(answer).into()));
        }
        let entry: Value = serde_json::from_slice(&answer.bytes().ok()?).unwrap();
        assert!(status == StatusCode::CREATED || status == StatusCode::ACCEPTED, "{}: {status} {entry}", caller.who);
        let acknowledged = (entry["id"].as_str().unwrap().to_owned(), entry["number"].as_u64().unwrap());
        self.annotations.lock().unwrap().entry(caller.who.clone()).or_default().push(acknowledged);
        Some((status, entry))
    }

    /// Downloads the PDF of an entry. The status; none when the answer did not come in whole.
    pub fn download(&self, server: &Server, caller: &Caller, entry: &Value) -> Option<StatusCode> {
        let file = entry["files"]["pdf"].as_str().unwrap();
        let answer = server.client.get(format!("{}{file}", server.address)).bearer_auth(&caller.token).send().ok()?;
        let status = answer.status();
        if status == StatusCode::OK {
            let digest = Sha256::digest(answer.bytes().ok()?).into();
            let before = self.files.lock().unwrap().insert((caller.who.clone(), file.to_owned()), digest);
            assert!(before.is_none_or(|before| before == digest), "{file} has changed");
        }
        Some(status)
    }

    /// How many annotations and how many files.
    pub fn counts(&self) -> (usize, usize) {
        (self.annotations.lock().unwrap().values().map(Vec::len).sum(), self.files.lock().unwrap().len())
    }

    /// Nothing lost, no number twice, no gap, every file the one that was given out. How many annotations everybody has.
    pub fn check(&self, server: &Server) -> BTreeMap<String, u64> {
        *self.checked.lock().unwrap() = Checked::default();
        self.check_new(server)
    }

    /// The same for what has come since the last time.
    pub fn check_new(&self, server: &Server) -> BTreeMap<String, u64> {
        let mut checked = self.checked.lock().unwrap();
        let Checked { histories: counts, files } = &mut *checked;
        for (who, entries) in &*self.annotations.lock().unwrap() {
            let caller = Caller::new(server, who);
            let known = counts.get(who).copied().unwrap_or_default();
            let (mut history, mut cursor) = (BTreeMap::new(), String::new());
            loop {
                let page = json(server.get(&caller.token, &format!("{}?limit=499{cursor}", caller.path)));
                for entry in page["annotations"].as_array().unwrap() {
                    history.insert(entry["number"].as_u64().unwrap(), entry["id"].as_str().unwrap().to_owned());
                }
                let Some(next) = page["next"].as_u64().filter(|&next| next > known + 1) else { break };
                cursor = format!("&cursor={next}");
            }
            let last = history.keys().next_back().copied().unwrap_or_default();
            assert!((known + 1..=last).all(|number| history.contains_key(&number)), "{who}: a gap");
            assert!(last >= known, "{who}: there were {known}");
            for (id, number) in entries.iter().filter(|(_, number)| *number > known) {
                assert_eq!(history.get(number), Some(id), "{who}: number {number} was acknowledged");
            }
            counts.insert(who.clone(), last);
        }
        for ((who, file), digest) in &*self.files.lock().unwrap() {
            if files.insert((who.clone(), file.clone())) {
                let bytes = server.get(&server.token(who), file).bytes().unwrap();
                assert_eq!(<[u8; 32]>::from(Sha256::digest(&bytes)), *digest, "{who} {file} has changed");
            }
        }
        counts.clone()
    }
}

/// Waits until it is so.
pub fn until(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends the load also when the test fails.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// `certpress audit verify` in the folder of a server that has stopped.
pub fn audit(folder: &Path) {
    let audit = Command::new(program()).args(["audit", "verify"]).current_dir(folder).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
}
