//! The register of a service elsewhere, asked over its `POST /verify` with digests, so that no file leaves this machine.

use std::error::Error as _;
use std::io::Read as _;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Entry, Question, Register, RegisterError};
use crate::record::Status;

/// A verdict is a kilobyte.
const LARGEST_ANSWER: u64 = 64 << 10;
/// A service answers within five seconds; a slow line is given as much again.
const PATIENCE: Duration = Duration::from_secs(10);

/// A service.
pub struct Service {
    address: String,
    client: reqwest::blocking::Client,
}

/// What is read of its answer.
#[derive(Deserialize)]
struct Said {
    grade: char,
    state: String,
    identifier: Option<String>,
    version: Option<u16>,
    superseded_by: Option<u16>,
}

impl Service {
    /// The service at an address, `https://zz.example.cn`; `/verify` is added where it is missing.
    pub fn new(address: &str) -> Result<Self, RegisterError> {
        // Refused when another part of the program has done it already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = address.trim_end_matches('/');
        let address = if base.ends_with("/verify") { base.to_owned() } else { format!("{base}/verify") };
        // An answer counts from the address that was named and from nowhere else: redirects are not followed.
        let client = reqwest::blocking::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|e| RegisterError::Unavailable(e.to_string()))?;
        Ok(Self { address, client })
    }

    fn ask(&self, question: &Question) -> Result<Option<Entry>, String> {
        let body = json!({"qr": question.digits, "sha256": question.file.map(hex::encode)}).to_string();
        let request = self.client.post(&self.address).header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json");
        let answer = request.body(body).send().map_err(|e| if e.is_timeout() { "no answer in time".to_owned() } else { cause(&e) })?;
        if !answer.status().is_success() {
            return Err(format!("answers {}", answer.status()));
        }
        let mut bytes = Vec::new();
        answer.take(LARGEST_ANSWER + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        if bytes.len() as u64 > LARGEST_ANSWER {
            return Err(format!("the answer has more than {LARGEST_ANSWER} bytes"));
        }
        let said: Said = serde_json::from_slice(&bytes).map_err(|e| format!("the answer is no verdict: {e}"))?;
        Ok(said.entry())
    }
}

impl Said {
    /// None where the service knows no such licence: it names the version of those that it knows.
    fn entry(self) -> Option<Entry> {
        let (identifier, version) = self.identifier.zip(self.version)?;
        let status = Status::ALL.into_iter().find(|status| status.as_str() == self.state).unwrap_or(Status::Valid);
        Some(Entry { exact: self.grade == 'A', identifier, version, latest: self.superseded_by.unwrap_or(version), status })
    }
}

impl Register for Service {
    fn answer(&self, question: &Question<'_>) -> Answer {
        self.ask(question).map_err(|cause| RegisterError::Unavailable(format!("{}: {cause}", self.address)))
    }
}

/// Why nothing came: the innermost reason, for the outer ones repeat the address.
pub fn cause(error: &reqwest::Error) -> String {
    let mut innermost = error.source();
    while let Some(deeper) = innermost.and_then(|e| e.source()) {
        innermost = Some(deeper);
    }
    innermost.map_or_else(|| error.to_string(), ToString::to_string)
}
