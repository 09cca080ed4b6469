//! The server that time-stamps signatures (RFC 3161 over HTTP), asked with patience and memory that end.

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;

use crate::config::TimeStampSettings;
use crate::sign::{Algorithm, SignError, timestamp};
use crate::verify::cause;

/// A token is a signature with two or three certificates; more than this is no answer.
const LARGEST_ANSWER: u64 = 64 << 10;
/// What one token may be longer than another of the same server: serial number, fractions of a second, signature.
const SLACK: usize = 24;

pub(super) struct TimeStampServer {
    settings: TimeStampSettings,
    client: reqwest::blocking::Client,
    /// How long tokens become, as far as is known.
    longest: AtomicUsize,
}

impl TimeStampServer {
    /// Asks for one time-stamp, so that a wrong address is found now, and the length of tokens is known.
    pub fn open(settings: &TimeStampSettings, algorithm: Algorithm, now: Timestamp) -> Result<Self, SignError> {
        // Refused when another part of the program has done it already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let patience = Duration::from_secs(settings.timeout_seconds.into());
        let client = reqwest::blocking::Client::builder()
            .timeout(patience)
            .connect_timeout(patience.min(Duration::from_secs(5)))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|e| SignError::TimeStamp(e.to_string()))?;
        let server = Self { settings: settings.clone(), client, longest: AtomicUsize::new(0) };
        let token = server.stamp(algorithm, b"certpress: how long is a token?", now)?;
        server.expect(token.len());
        Ok(server)
    }

    /// The length to leave room for.
    pub fn longest(&self) -> usize {
        self.longest.load(Ordering::Relaxed)
    }

    /// Leaves more room from now on, as when the server's certificate has changed.
    pub fn expect(&self, length: usize) {
        self.longest.fetch_max(length + SLACK, Ordering::Relaxed);
    }

    /// A token over these bytes.
    pub fn stamp(&self, algorithm: Algorithm, bytes: &[u8], now: Timestamp) -> Result<Vec<u8>, SignError> {
        let ask = |question: &[u8]| self.ask(question).map_err(|e| format!("{}: {e}", self.settings.url));
        Ok(timestamp::stamp(algorithm, bytes, now, ask)?.token)
    }

    fn ask(&self, question: &[u8]) -> Result<Vec<u8>, String> {
        let request = self.client.post(&self.settings.url).header(CONTENT_TYPE, timestamp::QUERY_TYPE).body(question.to_vec());
        let answer = request.send().map_err(|e| if e.is_timeout() { "no answer in time".to_owned() } else { cause(&e) })?;
        if !answer.status().is_success() {
            return Err(format!("answers {}", answer.status()));
        }
        let mut bytes = Vec::with_capacity(8 << 10);
        answer.take(LARGEST_ANSWER + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        if bytes.len() as u64 > LARGEST_ANSWER {
            return Err(format!("the answer has more than {LARGEST_ANSWER} bytes"));
        }
        Ok(bytes)
    }
}
