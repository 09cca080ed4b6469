//! Time-stamps (RFC 3161): the question to a server, and its answer checked. Who carries them is the caller's matter.

use der::asn1::{Any, ObjectIdentifier, OctetString, Uint};
use der::{Decode as _, Sequence, Tag, Tagged as _};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use x509_cert::ext::pkix::ExtendedKeyUsage;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::SignError;
use super::algorithm::Algorithm;
use super::asn1::{octets, to_der};
use super::certificate::Certificate;
use super::cms;

/// A time-stamp whose own mathematics hold. Whether its authority is trusted is for the caller to see.
#[derive(Clone, Debug)]
pub struct TimeStamp {
    /// The token, as it goes into a file.
    pub token: Vec<u8>,
    /// The instant that it attests.
    pub at: Timestamp,
    /// Who attests it.
    pub authority: Certificate,
    /// All certificates that came along.
    pub certificates: Vec<Certificate>,
}

/// The media type of a question, for transports that name it (RFC 3161 3.4).
pub const QUERY_TYPE: &str = "application/timestamp-query";

/// Has bytes stamped: `ask` carries the question to a server and brings its answer, or says why it cannot.
/// The imprint is made with the digest that goes with `algorithm`.
pub fn stamp(
    algorithm: Algorithm,
    bytes: &[u8],
    now: Timestamp,
    ask: impl FnOnce(&[u8]) -> Result<Vec<u8>, String>,
) -> Result<TimeStamp, SignError> {
    let digest = algorithm.digest(&[bytes]);
    // A nonce ties the answer to this question (RFC 3161 2.4.1). It must differ each time, but need not be secret.
    let nonce = Sha256::digest([b"certpress/timestamp/1\0".as_slice(), &digest, &now.as_nanosecond().to_be_bytes()].concat());
    let nonce = Uint::new(&nonce[..8]).map_err(|e| SignError::TimeStamp(e.to_string()))?;
    let imprint = Imprint { algorithm: algorithm.digest_identifier(), digest: octets(&digest) };
    let question = Question { version: 1, imprint, nonce: nonce.clone(), wants_certificates: true };
    let answer = ask(&to_der(&question)).map_err(SignError::TimeStamp)?;
    let answer = Answer::from_der(&answer).map_err(|e| SignError::TimeStamp(format!("the server's answer is malformed: {e}")))?;
    let token = match (answer.status.code, answer.token) {
        (0 | 1, Some(token)) => to_der(&token),
        (code, _) => {
            let words = answer.status.text.unwrap_or_default().join("; ");
            return Err(SignError::TimeStamp(format!("the server refused with status {code} {words}")));
        }
    };
    let (stamp, answered) = read(&token, bytes).map_err(|e| SignError::TimeStamp(e.to_string()))?;
    if answered.as_ref() != Some(&nonce) {
        return Err(SignError::TimeStamp("the server answered another question: its nonce is not the one sent".to_owned()));
    }
    Ok(stamp)
}

/// Reads the token of a file and checks that it stamps these bytes.
pub fn open(token: &[u8], bytes: &[u8]) -> Result<TimeStamp, TimeStampFault> {
    read(token, bytes).map(|(stamp, _)| stamp)
}

fn read(token: &[u8], bytes: &[u8]) -> Result<(TimeStamp, Option<Uint>), TimeStampFault> {
    let opened = cms::open_foreign(token)?;
    let content = opened.content.clone().filter(|_| opened.content_type == TST_INFO).ok_or(TimeStampFault::NoTimeStamp)?;
    if !opened.covers(&[&content]) {
        return Err(TimeStampFault::Signature(cms::CmsFault::Attribute("messageDigest")));
    }
    // RFC 3161 2.3: a key for this purpose alone, and marked critical.
    let purpose = opened.signer.parsed().tbs_certificate().get_extension::<ExtendedKeyUsage>().ok().flatten();
    if purpose.is_none_or(|(critical, usage)| !critical || usage.0 != [TIME_STAMPING]) {
        return Err(TimeStampFault::Purpose(opened.signer.subject()));
    }
    let info = Info::from_der(&content).map_err(|e| TimeStampFault::Malformed(e.to_string()))?;
    let mut digests = [Algorithm::EcdsaP256, Algorithm::Ed25519, Algorithm::Sm2].into_iter();
    let by = digests.find(|a| a.digest_identifier().oid == info.imprint.algorithm.oid);
    if by.is_none_or(|by| by.digest(&[bytes]) != info.imprint.digest.as_bytes()) {
        return Err(TimeStampFault::OtherBytes);
    }
    let at = instant(&info.at).ok_or_else(|| TimeStampFault::Malformed("its instant is none".to_owned()))?;
    let stamp = TimeStamp { token: token.to_vec(), at, authority: opened.signer, certificates: opened.certificates };
    Ok((stamp, info.nonce))
}

/// Why a time-stamp does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeStampFault {
    /// The signature of the token.
    #[error("the time-stamp does not hold: {0}")]
    Signature(#[from] cms::CmsFault),
    /// Signed, but something else.
    #[error("it is no time-stamp token")]
    NoTimeStamp,
    /// Not DER, or not these structures.
    #[error("the time-stamp is malformed: {0}")]
    Malformed(String),
    /// A certificate that is not for time-stamps.
    #[error("the certificate of {0} is not for time-stamps alone")]
    Purpose(String),
    /// It stamps something else.
    #[error("the time-stamp is for other bytes")]
    OtherBytes,
}

const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

/// `TimeStampReq`.
#[derive(Sequence)]
struct Question {
    version: u8,
    imprint: Imprint,
    nonce: Uint,
    wants_certificates: bool,
}

/// `MessageImprint`.
#[derive(Sequence)]
struct Imprint {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetString,
}

/// `TimeStampResp`.
#[derive(Sequence)]
struct Answer {
    status: Status,
    #[asn1(optional = "true")]
    token: Option<Any>,
}

/// `PKIStatusInfo`.
#[derive(Sequence)]
struct Status {
    code: u8,
    #[asn1(optional = "true")]
    text: Option<Vec<String>>,
    #[asn1(optional = "true")]
    failure: Option<der::asn1::BitString>,
}

/// `TSTInfo`.
#[derive(Sequence)]
struct Info {
    version: u8,
    policy: ObjectIdentifier,
    imprint: Imprint,
    serial: Any,
    at: Any,
    #[asn1(optional = "true")]
    accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<Uint>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    authority: Option<Any>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Vec<Any>>,
}

#[derive(Sequence)]
struct Accuracy {
    #[asn1(optional = "true")]
    seconds: Option<u32>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    micros: Option<u16>,
}

/// A `GeneralizedTime` in UTC, here with fractions of a second where the server gives them (RFC 3161 2.4.2).
fn instant(time: &Any) -> Option<Timestamp> {
    let text = std::str::from_utf8(time.value()).ok().filter(|_| time.tag() == Tag::GeneralizedTime)?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !fraction.is_none_or(digits) {
        return None;
    }
    let fraction = fraction.map(|f| format!(".{f}")).unwrap_or_default();
    let (date, time) = whole.split_at(8);
    format!("{date}T{time}{fraction}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::openssl::openssl;
    use crate::sign::{Signer as _, test_signer};

    fn now() -> Timestamp {
        crate::clock::Clock::now(&crate::clock::SystemClock)
    }

    /// A server made of `openssl ts`, with the test PKI's time-stamp key. None when there is no OpenSSL.
    fn server(folder: &std::path::Path, question: &[u8]) -> Option<Vec<u8>> {
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        test_signer(folder, "time-stamp", now()).unwrap();
        std::fs::write(path("serial"), "01\n").unwrap();
        std::fs::write(path("question"), question).unwrap();
        let config = format!(
            "[tsa]\nserial = {}\nsigner_cert = {}\ncerts = {}\nsigner_key = {}\nsigner_digest = sha256\n\
             default_policy = 1.2.3.4.1\ndigests = sha256, sha512, sm3\naccuracy = secs:1, millisecs:500\nordering = yes\ntsa_name = yes\n\
             ess_cert_id_chain = no\ness_cert_id_alg = sha256\n",
            path("serial"),
            path("certificates/time-stamp.pem"),
            path("certificates/time-stamp.pem"),
            path("private/time-stamp.pem")
        );
        std::fs::write(path("config"), config).unwrap();
        let (config, question, answer) = (path("config"), path("question"), path("answer"));
        let made = openssl(&["ts", "-reply", "-config", &config, "-section", "tsa", "-queryfile", &question, "-out", &answer], b"")?;
        assert!(made.is_ok(), "{}", made.text());
        Some(std::fs::read(answer).unwrap())
    }

    #[test]
    fn openssl_stamps_and_the_stamp_completes_the_signature() {
        let folder = tempfile::tempdir().unwrap();
        let signer = test_signer(folder.path(), "signer-p256", now()).unwrap();
        let prepared = cms::prepare(signer.chain(), &[b"content"], now()).unwrap();
        let signature = signer.sign(prepared.to_be_signed()).unwrap();
        if openssl(&["version"], b"").is_none() {
            return;
        }
        let stamp = stamp(Algorithm::EcdsaP256, &signature, now(), |question| {
            server(folder.path(), question).ok_or_else(|| "no OpenSSL".to_owned())
        })
        .unwrap();
        assert!(stamp.authority.subject().contains("TEST Time-Stamp"));
        assert!((now().as_second() - stamp.at.as_second()).abs() < 60, "{}", stamp.at);
        let cms = prepared.complete(&signature, Some(&stamp.token)).unwrap();
        let opened = cms::open(&cms).unwrap();
        let token = opened.time_stamp.unwrap();
        assert_eq!(token, stamp.token);
        assert_eq!(open(&token, &opened.signature).unwrap().at, stamp.at);
        assert_eq!(open(&token, b"other bytes").unwrap_err(), TimeStampFault::OtherBytes);
        // OpenSSL judges its own token by our root, and the signature that carries it.
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("token"), &token).unwrap();
        std::fs::write(path("stamped"), &signature).unwrap();
        std::fs::write(path("content"), b"content").unwrap();
        let (root, ca) = (path("trust/root.pem"), path("certificates/issuing-ca.pem"));
        let judged = openssl(
            &["ts", "-verify", "-data", &path("stamped"), "-in", &path("token"), "-token_in", "-CAfile", &root, "-untrusted", &ca],
            b"",
        )
        .unwrap();
        assert!(judged.is_ok(), "{}", judged.text());
        let arguments =
            ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-content", &path("content"), "-CAfile", &root, "-purpose", "any"];
        assert!(openssl(&arguments, &cms).unwrap().is_ok());
    }

    #[test]
    fn answers_to_another_question_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut old = None;
        let first = stamp(Algorithm::EcdsaP256, b"bytes", now(), |question| {
            old = server(folder.path(), question);
            old.clone().ok_or_else(|| "no OpenSSL".to_owned())
        });
        if old.is_none() {
            return;
        }
        first.unwrap();
        let old = old.unwrap();
        let replayed = stamp(Algorithm::EcdsaP256, b"bytes", now(), |_| Ok(old.clone())).unwrap_err().to_string();
        assert!(replayed.contains("another question"), "{replayed}");
        let other = stamp(Algorithm::EcdsaP256, b"other", now(), |_| Ok(old.clone())).unwrap_err().to_string();
        assert!(other.contains("other bytes"), "{other}");
    }

    #[test]
    fn a_server_that_fails_is_told_apart() {
        let said = |answer: Result<Vec<u8>, String>| stamp(Algorithm::Ed25519, b"bytes", now(), |_| answer).unwrap_err().to_string();
        assert_eq!(said(Err("connection refused".to_owned())), "no time-stamp: connection refused");
        assert!(said(Ok(b"<html>".to_vec())).contains("malformed"));
        // status 2 (rejection) with the word `no` (RFC 3161 2.4.2)
        assert!(said(Ok(vec![0x30, 0x09, 0x30, 0x07, 0x02, 0x01, 0x02, 0x30, 0x02, 0x0c, 0x00])).contains("refused with status 2"));
    }

    #[test]
    fn instants_may_have_fractions() {
        let any = |text: &str| Any::new(Tag::GeneralizedTime, text.as_bytes()).unwrap();
        assert_eq!(instant(&any("20260301040000.25Z")), "2026-03-01T04:00:00.25Z".parse().ok());
        for wrong in ["20260301040000", "2026030104Z", "20261301040000Z", "20260301040000.Z", "20260301040000+0800"] {
            assert_eq!(instant(&any(wrong)), None, "{wrong}");
        }
    }
}
