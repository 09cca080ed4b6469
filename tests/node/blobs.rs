//! Made files in an S3-compatible store: shared by nodes, and asked with patience that ends when it is not there.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;

use crate::postgres;
use crate::server::{Caller, Ledger, Server, problem, signal};

/// A stand-in for S3 (moto), on a free port of the loopback. It keeps everything in memory.
struct Moto {
    process: Child,
    port: u16,
}

impl Moto {
    /// None, with a line that says so, where it is not installed. In CI that is a failure.
    fn start() -> Option<Self> {
        let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/judges/moto/bin/moto_server");
        if !installed.exists() {
            assert!(std::env::var_os("CI").is_none(), "tests/judges/install brings moto, which must be there where CI is set");
            println!("skipped: there is no stand-in for S3 here (tests/judges/install brings one)");
            return None;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(Self { process: Self::run(port), port })
    }

    fn run(port: u16) -> Child {
        let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/judges/moto/bin/moto_server");
        let mut command = Command::new(installed);
        let process = command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        for _ in 0..300 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        process.unwrap()
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn make_bucket(&self, node: &Server) {
        assert!(node.client.put(format!("{}/licences", self.address())).send().unwrap().status().is_success());
    }

    /// Gone, with all that it kept.
    fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn nodes_share_a_store_of_files_and_do_without_it_for_a_while() {
    let (Some(mut moto), Some(postgres)) = (Moto::start(), postgres::Server::start()) else { return };
    let (folder, database) = (tempfile::tempdir().unwrap(), postgres.fresh());
    let endpoint = moto.address();
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "cn-north-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let args = ["--demo", "--database", &database, "--blobs", "s3://licences/files"];
    let [first, second] = [(); 2].map(|()| Server::start(folder.path(), &args, &environment));
    let unreachable = Some("the store of made files cannot be reached");
    assert_eq!(first.unready().as_deref(), unreachable, "a bucket that nobody has made");
    moto.make_bucket(&first);
    first.ready();

    let (ledger, caller) = (Ledger::default(), Caller::new(&first, "r01"));
    let annotate = |key: &str| {
        let (status, entry) = ledger.annotate(&first, &caller, key).unwrap();
        assert_eq!(status, StatusCode::CREATED);
        entry
    };
    let kept = annotate("1");
    for node in [&first, &second] {
        assert_eq!(ledger.download(node, &caller, &kept), Some(StatusCode::OK));
    }
    let from = |node: &Server, place: &str| node.number(&format!("certpress_files_total{{from=\"{place}\"}}"));
    assert_eq!((from(&first, "made"), from(&second, "made"), from(&second, "blobs")), (1, 0, 1), "made once");

    // It hangs: 加注 goes on, files wait, and nobody waits for ever.
    signal(&moto.process, "STOP");
    let waiting = annotate("2");
    let begun = Instant::now();
    let file = format!("{}{}", first.address, waiting["files"]["pdf"].as_str().unwrap());
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| problem(first.client.get(&file).bearer_auth(first.token("r01")).send().unwrap()));
        assert_eq!(second.unready().as_deref(), unreachable);
        assert_eq!(Some(asked.join().unwrap().as_str()), unreachable);
    });
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!(ledger.download(&second, &caller, &kept), Some(StatusCode::OK), "what was made lately is still at hand");
    signal(&moto.process, "CONT");
    first.ready();
    assert_eq!(ledger.download(&first, &caller, &waiting), Some(StatusCode::OK));

    // It is gone, and comes back with nothing: what was given out is made again, to the last byte.
    moto.stop();
    assert_eq!(first.unready().as_deref(), unreachable);
    let later = annotate("3");
    assert_eq!(ledger.download(&first, &caller, &later), Some(StatusCode::SERVICE_UNAVAILABLE));
    moto.process = Moto::run(moto.port);
    moto.make_bucket(&first);
    first.ready();
    assert_eq!(ledger.download(&first, &caller, &later), Some(StatusCode::OK));
    drop(second);
    let third = Server::start(folder.path(), &args, &environment);
    ledger.check(&third);
    assert_eq!((from(&third, "made"), from(&third, "blobs")), (0, 3));
}
