//! Signed files end to end: every algorithm, a time-stamp server, and what happens when a signer or a server fails.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use certpress::annotation::Wish;
use certpress::clock::{Clock as _, SystemClock, shanghai_date};
use certpress::config::{PdfSettings, Settings, TimeStampSettings};
use certpress::issue::batch::{Batch, Summary};
use certpress::issue::{Envelopes, Line};
use certpress::record::{self, Options, Record};
use certpress::render::Format;
use certpress::sign::{cms, test_signer, timestamp};
use jiff::Timestamp;
use support::{fixed_instant, keyring, line, root, samples, scratch};

/// Certificates have to hold on the day of the test: OpenSSL asks the machine's clock.
fn now() -> Timestamp {
    SystemClock.now()
}

fn record() -> Record {
    samples().into_iter().next().unwrap().record.unwrap()
}

fn settings(keys: &Path, signer: &str, server: Option<&str>) -> Settings {
    let time_stamp = server.map(|url| TimeStampSettings { url: url.to_owned(), timeout_seconds: 1 });
    Settings { keys: keys.to_owned(), pdf: PdfSettings { signer: Some(signer.to_owned()) }, time_stamp, ..Settings::default() }
}

fn envelopes(settings: &Settings) -> Result<Envelopes, String> {
    Envelopes::open(settings, &keyring(), now()).map_err(|e| e.to_string())
}

fn pdf(line: &Line) -> Vec<u8> {
    line.issue(&record(), fixed_instant(), Wish::default(), &[Format::Pdf]).unwrap().files.remove(0).1
}

/// The signature of a file, without its padding, and the two parts that it signs.
fn signature(file: &[u8]) -> (Vec<u8>, [&[u8]; 2]) {
    let words = b"/ByteRange[0 ";
    let at = file.windows(words.len()).rposition(|w| w == words).unwrap() + words.len();
    let numbers = std::str::from_utf8(&file[at..at + 40]).unwrap();
    let range: Vec<usize> = numbers.split([' ', ']']).take(3).map(|n| n.parse().unwrap()).collect();
    assert_eq!(range[1] + range[2], file.len());
    let value = hex::decode(&file[range[0] + 1..range[1] - 1]).unwrap();
    let length = 4 + usize::from(u16::from_be_bytes([value[2], value[3]]));
    assert!(value.len() - length <= 60 && value[length..].iter().all(|&b| b == 0), "{} bytes of padding", value.len() - length);
    (value[..length].to_vec(), [&file[..range[0]], &file[range[1]..]])
}

/// Whether OpenSSL is there; under `CI=true` it has to be.
fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "openssl is missing, and CI needs it");
    if !found {
        eprintln!("skipped: openssl is not installed");
    }
    found
}

fn openssl(arguments: &[&str]) {
    let run = Command::new("openssl").args(arguments).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn every_kind_of_key_signs_the_whole_file() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut line = line();
    for signer in ["signer-p256", "signer-rsa", "signer-ed25519", "signer-sm2"] {
        line = line.sealed_by(envelopes(&settings(folder.path(), signer, None)).unwrap());
        let file = pdf(&line);
        let (value, parts) = signature(&file);
        let opened = cms::open(&value).unwrap();
        assert!(opened.covers(&parts) && opened.time_stamp.is_none(), "{signer}");
        // OpenSSL 3.0 has no CMS with Ed25519 or SM2.
        if ["signer-p256", "signer-rsa"].contains(&signer) && has_openssl() {
            std::fs::write(path("cms"), &value).unwrap();
            std::fs::write(path("content"), parts.concat()).unwrap();
            let (cms, content, root, out) = (path("cms"), path("content"), path("trust/root.pem"), path("out"));
            let verify = ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-purpose", "any", "-in", &cms, "-out", &out];
            openssl(&[&verify[..], &["-content", &content, "-CAfile", &root]].concat());
        }
    }
}

/// A server on this machine: answers each question with what `answer` makes of it, status and body.
fn serve(answer: impl Fn(usize, &[u8]) -> (u16, Vec<u8>) + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/tsa", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
            let head = head.to_ascii_lowercase();
            assert!(head.starts_with("post /tsa") && head.contains("content-type: application/timestamp-query"), "{head}");
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap().parse().unwrap();
            let mut question = vec![0; length];
            stream.read_exact(&mut question).unwrap();
            let (status, body) = answer(count.fetch_add(1, Ordering::SeqCst), &question);
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            // One who asks may have gone meanwhile.
            let _ = stream.get_mut().write_all(&[head.as_bytes(), &body].concat());
        }
    });
    (url, asked)
}

/// The answer of `openssl ts` with the test PKI's time-stamp key.
fn stamp(folder: &Path, question: &[u8]) -> Vec<u8> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::write(path("question"), question).unwrap();
    let (certificate, key) = (path("certificates/time-stamp.pem"), path("private/time-stamp.pem"));
    let config = format!(
        "[tsa]\nserial = {}\nsigner_cert = {certificate}\ncerts = {certificate}\nsigner_key = {key}\nsigner_digest = sha256\n\
         default_policy = 1.2.3.4.1\ndigests = sha256, sha512, sm3\naccuracy = secs:1\ness_cert_id_alg = sha256\n",
        path("serial")
    );
    std::fs::write(path("config"), config).unwrap();
    let (config, question, answer) = (path("config"), path("question"), path("answer"));
    openssl(&["ts", "-reply", "-config", &config, "-section", "tsa", "-queryfile", &question, "-out", &answer]);
    std::fs::read(answer).unwrap()
}

/// With the server's certificate and the number of its first time-stamp.
fn scratch_of_a_time_stamp_server() -> tempfile::TempDir {
    let folder = scratch();
    test_signer(folder.path(), "time-stamp", now()).unwrap();
    std::fs::write(folder.path().join("serial"), "01\n").unwrap();
    folder
}

#[test]
fn a_time_stamp_is_inside_where_a_server_is_named() {
    if !has_openssl() {
        return;
    }
    let folder = scratch_of_a_time_stamp_server();
    let keys = folder.path().to_owned();
    let (url, asked) = serve(move |_, question| (200, stamp(&keys, question)));
    let mut line = line();
    for (signer, asked_in_all) in [("signer-p256", 3), ("signer-ed25519", 6)] {
        line = line.sealed_by(envelopes(&settings(folder.path(), signer, Some(&url))).unwrap());
        for _ in 0..2 {
            let file = pdf(&line);
            let (value, parts) = signature(&file);
            let opened = cms::open(&value).unwrap();
            assert!(opened.covers(&parts));
            let token = timestamp::open(&opened.time_stamp.unwrap(), &opened.signature).unwrap();
            assert!(token.authority.subject().contains("TEST Time-Stamp"));
            assert!((now().as_second() - token.at.as_second()).abs() < 60);
        }
        // Once at the start, for the length of a token.
        assert_eq!(asked.load(Ordering::SeqCst), asked_in_all);
    }
}

#[test]
fn a_server_that_does_not_stamp_is_found_before_anything_is_issued() {
    let folder = scratch();
    let refused = |url: &str| envelopes(&settings(folder.path(), "signer-p256", Some(url))).err().unwrap();
    let (broken, _) = serve(|_, _| (500, Vec::new()));
    assert!(refused(&broken).contains("answers 500"), "{}", refused(&broken));
    let (endless, _) = serve(|_, _| (200, vec![0x30; 1 << 20]));
    assert!(refused(&endless).contains("more than 65536 bytes"), "{}", refused(&endless));
    let (slow, _) = serve(|_, _| {
        thread::sleep(std::time::Duration::from_secs(3));
        (200, Vec::new())
    });
    assert!(refused(&slow).contains("no answer in time"), "{}", refused(&slow));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(&format!("http://{gone}/"));
    assert!(error.starts_with(&format!("no time-stamp: http://{gone}/: ")) && error.contains("refused"), "{error}");
}

#[test]
fn a_server_that_dies_in_the_middle_leaves_no_file() {
    if !has_openssl() {
        return;
    }
    let folder = scratch_of_a_time_stamp_server();
    let keys = folder.path().to_owned();
    let (url, _) = serve(move |asked, question| if asked < 2 { (200, stamp(&keys, question)) } else { (503, Vec::new()) });
    let line = line().sealed_by(envelopes(&settings(folder.path(), "signer-p256", Some(&url))).unwrap());
    let out = folder.path().join("out");
    let formats = [Format::Pdf, Format::Txt];
    let reading = Options { today: shanghai_date(fixed_instant()), lenient_identifiers: false };
    let batch =
        Batch { line: &line, out: &out, resume: false, reading, at: fixed_instant(), wish: Wish::default(), formats: &formats, jobs: 1 };
    let mut said = Vec::new();
    let summary =
        batch.run(record::inputs(&[root().join("samples/records")]).take(2), |report| said.extend(report.message.clone())).unwrap();
    assert_eq!(summary, Summary { issued: 1, failed: 1, ..Summary::default() });
    assert!(said[0].contains("no time-stamp") && said[0].contains("503"), "{said:?}");
    assert_eq!(std::fs::read_dir(out).unwrap().count(), 3, "two files of the first, nothing of the second, and the report");
}
