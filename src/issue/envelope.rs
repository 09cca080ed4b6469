//! Who signs the files that are given out: opened once, refused before anything is written.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::seals::Seals;
use super::time_stamp::TimeStampServer;
use super::{LineError, NotIssued};
use crate::config::{Mode, Settings, SignerSettings};
use crate::layout::Document;
use crate::render::{OfdRenderer, PdfRenderer};
use crate::sign::{Keyring, SignError, Signer, is_test, open_signer, pdf, test_signer};

/// The signers of files, and the server that time-stamps their signatures.
pub struct Envelopes {
    pdf: Arc<dyn Signer>,
    /// What a signature without a time-stamp takes at most.
    room: usize,
    ofd: Seals,
    time_stamps: Option<TimeStampServer>,
    elsewhere: bool,
}

impl Envelopes {
    /// Opens what the settings name; in demo what they leave out is taken from the test PKI, and made when it is not there.
    ///
    /// A time-stamp server is asked with blocking calls, here and for each file: not on a thread that runs async tasks.
    pub fn open(settings: &Settings, keyring: &Keyring, now: Timestamp) -> Result<Self, LineError> {
        check_statement_key(settings, keyring)?;
        let pdf = settings.pdf.signer.as_deref().or((settings.mode == Mode::Demo).then_some("signer-p256"));
        let pdf = pdf.ok_or_else(|| {
            LineError::Mode(
                "mode = \"production\" needs a signer of PDF files: name one of your [signer.NAME] as `signer` in [pdf]".to_owned(),
            )
        })?;
        let signer = open_named(settings, pdf, now)?;
        let time_stamps = settings.time_stamp.as_ref().map(|server| TimeStampServer::open(server, signer.algorithm(), now)).transpose()?;
        let ofd = Seals::open(settings, now)?;
        let module = settings.signer.values().any(|signer| matches!(signer, SignerSettings::Module { .. }));
        let room = pdf::room(signer.chain(), None, now)?;
        Ok(Self { elsewhere: module || time_stamps.is_some(), pdf: signer, room, ofd, time_stamps })
    }

    /// Whether somebody else has a part in it: a hardware module, a time-stamp server.
    pub(super) fn elsewhere(&self) -> bool {
        self.elsewhere
    }

    /// The signer of PDF files.
    pub fn pdf_signer(&self) -> &dyn Signer {
        &*self.pdf
    }

    /// Whether the signer of PDF files signs: a device that was unplugged says so here first.
    pub(super) fn probe(&self) -> Result<(), SignError> {
        timed("probe", || self.pdf.sign(b"certpress/probe")).map(drop)
    }

    /// The document as a signed PDF file.
    pub(super) fn pdf(&self, renderer: &PdfRenderer, document: &Document) -> Result<Vec<u8>, NotIssued> {
        let (chain, at) = (self.pdf.chain(), document.instant);
        let Some(server) = &self.time_stamps else {
            let blank = renderer.render_blank(document, self.room)?;
            return Ok(timed("pdf", || pdf::sign(blank, &*self.pdf, at))?);
        };
        // A second time only where tokens have grown, which is known from then on.
        for _ in 0..2 {
            let longest = server.longest();
            let room = pdf::room(chain, Some(longest), at)?;
            let prepared = pdf::prepare(renderer.render_blank(document, room)?, chain, at)?;
            let signature = timed("pdf", || self.pdf.sign(prepared.to_be_signed()))?;
            let token = timed("time-stamp", || server.stamp(self.pdf.algorithm(), &signature, at))?;
            if token.len() <= longest {
                return Ok(prepared.complete(&signature, Some(&token))?);
            }
            server.expect(token.len());
        }
        Err(SignError::TimeStamp("the server's tokens grow from one to the next".to_owned()).into())
    }

    /// The document as a signed OFD file.
    pub(super) fn ofd(&self, renderer: &OfdRenderer, document: &Document) -> Result<Vec<u8>, NotIssued> {
        self.ofd.sign(renderer, document)
    }
}

/// Tells how long a signer took, also when it failed.
fn timed<T>(work: &'static str, sign: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let signed = sign();
    metrics::histogram!("certpress_sign_seconds", "work" => work).record(began.elapsed().as_secs_f64());
    signed
}

/// What counts and what is a test must not stand in one file.
fn check_statement_key(settings: &Settings, keyring: &Keyring) -> Result<(), LineError> {
    let folder = settings.keys.display();
    match (settings.mode, keyring.test) {
        (Mode::Demo, true) | (Mode::Production, false) => Ok(()),
        (Mode::Production, true) => Err(LineError::Mode(format!(
            "{folder}: mode = \"production\", but the statement key is a test key; add your own as keys/README.md tells"
        ))),
        (Mode::Demo, false) => Err(LineError::Mode(format!(
            "{folder}: the statement key counts, but mode is \"demo\"; set mode = \"production\", or name a folder of test keys with --keys"
        ))),
    }
}

/// A signer by its name in the settings, or in demo in the test PKI.
pub(super) fn open_named(settings: &Settings, name: &str, now: Timestamp) -> Result<Arc<dyn Signer>, LineError> {
    let signer: Arc<dyn Signer> = match (settings.signer.get(name), settings.mode) {
        (Some(found), _) => open_signer(found)?,
        (None, Mode::Demo) => Arc::new(test_signer(&settings.keys, name, now)?),
        (None, Mode::Production) => {
            let known: Vec<&str> = settings.signer.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(LineError::Mode(format!("there is no [signer.{name}] in the settings; there is {known}")));
        }
    };
    let own = &signer.chain()[0];
    own.check_valid(now)?;
    if settings.mode == Mode::Production && signer.chain().iter().any(is_test) {
        return Err(LineError::Mode(format!(
            "[signer.{name}]: mode = \"production\" refuses the test certificate of {}; use one of your certificate authority",
            own.subject()
        )));
    }
    Ok(signer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-03-01T04:00:00Z";

    fn refusal(text: &str, folder: &std::path::Path, test: bool) -> String {
        let mut settings: Settings = toml::from_str(&text.replace("KEYS", folder.to_str().unwrap())).unwrap();
        settings.keys = folder.to_owned();
        let mut keyring = Keyring::from_seeds(&[1; 32], [2; 32]);
        keyring.test = test;
        Envelopes::open(&settings, &keyring, NOW.parse().unwrap()).map_or_else(|e| e.to_string(), |_| "opened".to_owned())
    }

    #[test]
    fn production_refuses_what_is_a_test_and_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        test_signer(folder.path(), "signer-p256", NOW.parse().unwrap()).unwrap();
        let refused = |text: &str, test| refusal(text, folder.path(), test);
        let signer = "mode = \"production\"\npdf.signer = \"a\"\n";
        let tables = "[signer.a]\nkey = \"KEYS/private/signer-p256.pem\"\ncertificates = \"KEYS/certificates/signer-p256.pem\"\n";
        assert!(refused("mode = \"production\"", true).contains("the statement key is a test key"));
        assert!(refused("mode = \"production\"", false).contains("[pdf]"));
        assert!(refused(signer, false).contains("there is no [signer.a]"));
        assert!(refused(&format!("{signer}{tables}"), false).contains("refuses the test certificate of"));
        assert!(refused("", false).contains("set mode = \"production\""), "a key that counts in a demonstration");
        assert_eq!(refused(&format!("pdf.signer = \"a\"\n{tables}"), true), "opened");
    }

    #[test]
    fn signers_that_cannot_sign_are_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |text: &str| refusal(text, folder.path(), true);
        assert_eq!(refused(""), "opened", "the test PKI's own, made now");
        assert!(refused("pdf.signer = \"signer-expired\"").contains("is valid from"));
        assert!(refused("pdf.signer = \"signer-p265\"").contains("the test PKI has no `signer-p265`; it has signer-p256"));
        let pin = folder.path().join("pin");
        std::fs::write(&pin, "1234\n").unwrap();
        let locked = "pdf.signer = \"a\"\n[signer.a]\nkey = \"KEYS/private/signer-p256.pem\"\ncertificates = \"KEYS/certificates/signer-p256.pem\"\n\
                      password_file = \"KEYS/pin\"\n";
        assert!(refused(locked).contains("chmod 600"), "a password that others can read");
        let module = "pdf.signer = \"a\"\n[signer.a]\nmodule = \"/nowhere.so\"\ntoken = \"t\"\nlabel = \"k\"\npin_file = \"KEYS/pin\"\n\
                      certificates = \"KEYS/certificates/signer-p256.pem\"\n";
        let said = refused(module);
        assert!(said.contains(if cfg!(feature = "pkcs11") { "chmod 600" } else { "built without PKCS#11" }), "{said}");
    }
}
