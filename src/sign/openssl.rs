//! OpenSSL as an outside judge of what this room makes, in tests.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// What OpenSSL answered.
pub(super) struct Answer(Output);

impl Answer {
    pub(super) fn is_ok(&self) -> bool {
        self.0.status.success()
    }

    /// All that it printed, to both sides.
    pub(super) fn text(&self) -> String {
        format!("{}{}", String::from_utf8_lossy(&self.0.stdout), String::from_utf8_lossy(&self.0.stderr))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0.stdout
    }
}

/// Runs OpenSSL. None, with a word on it, where there is none; under `CI=true` that fails the test.
pub(super) fn openssl(arguments: &[&str], input: &[u8]) -> Option<Answer> {
    let child = Command::new("openssl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var_os("CI").is_none(), "openssl is missing, and CI needs it");
        eprintln!("skipped: openssl is not installed");
        return None;
    };
    // A command that reads nothing closes its side first.
    let _ = child.stdin.take().expect("piped").write_all(input);
    Some(Answer(child.wait_with_output().expect("openssl ends")))
}
