//! The test PKI: certificates written as data (`keys/dev/pki.toml`), each made when it is first needed.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::LazyLock;

use der::asn1::{Any, BitString, GeneralizedTime, Ia5String, ObjectIdentifier, UtcTime};
use der::oid::AssociatedOid;
use der::oid::db::rfc5280::{ID_KP_EMAIL_PROTECTION, ID_KP_TIME_STAMPING};
use der::{Decode as _, Encode, EncodePem as _, Sequence};
use jiff::{SignedDuration, Timestamp};
use pkcs8::der::pem::LineEnding;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, CrlNumber, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use super::SignError;
use super::algorithm::Algorithm;
use super::asn1::{bits, date_time, octets, to_der};
use super::certificate::Certificate;
use super::keyfile::{self, Access};
use super::signer::{FileSigner, PrivateKey};

/// A signer of the test PKI, by its id in `pki.toml`. What is missing of it and of its issuers is made.
pub fn test_signer(folder: &Path, id: &str, now: Timestamp) -> Result<FileSigner, SignError> {
    let place = Place(folder);
    if !place.is_made(id) {
        let _lock = keyfile::lock(folder)?;
        place.make(entry(folder, id)?, now)?;
    }
    place.open(id)
}

/// Makes every certificate of the test PKI that is not there yet; says which were made.
pub fn make_test_pki(folder: &Path, now: Timestamp) -> Result<Vec<&'static str>, SignError> {
    let place = Place(folder);
    let _lock = keyfile::lock(folder)?;
    let missing: Vec<&Entry> = PLAN.certificate.iter().filter(|entry| !place.is_made(&entry.id)).collect();
    for entry in &missing {
        // One may have been made meanwhile: a revoked one with its issuer.
        if !place.is_made(&entry.id) {
            place.make(entry, now)?;
        }
    }
    Ok(missing.iter().map(|entry| entry.id.as_str()).collect())
}

/// Whether a certificate is of the test PKI: it, or who issued it, bears the test organisation's name.
pub fn is_test(certificate: &Certificate) -> bool {
    let tbs = certificate.parsed().tbs_certificate();
    [tbs.subject(), tbs.issuer()].iter().any(|name| name.to_string().contains(&PLAN.organisation))
}

/// `keys/dev/pki.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    country: String,
    organisation: String,
    /// Where the lists of revoked certificates would be published.
    revocation_lists: String,
    certificate: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    name: String,
    issuer: String,
    #[serde(rename = "use")]
    purpose: Purpose,
    algorithm: Algorithm,
    valid_days: [i64; 2],
    #[serde(default)]
    revoked: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Purpose {
    Ca,
    Signer,
    TimeStamp,
}

static PLAN: LazyLock<Plan> =
    LazyLock::new(|| toml::from_str(include_str!("../../keys/dev/pki.toml")).expect("compiled in, and a test reads it"));

fn entry(folder: &Path, id: &str) -> Result<&'static Entry, SignError> {
    PLAN.certificate.iter().find(|entry| entry.id == id).ok_or_else(|| {
        let known: Vec<&str> = PLAN.certificate.iter().filter(|e| e.purpose != Purpose::Ca).map(|e| e.id.as_str()).collect();
        SignError::key(folder, format!("the test PKI has no `{id}`; it has {}", known.join(", ")))
    })
}

impl Entry {
    fn is_root(&self) -> bool {
        self.issuer == self.id
    }

    fn subject(&self) -> Name {
        // RFC 4514 writes a name from its end.
        let text = format!("CN={},O={},C={}", self.name, PLAN.organisation, PLAN.country);
        Name::from_str(&text).expect("the plan's names are plain text")
    }

    fn revocation_list(&self) -> CrlDistributionPoints {
        let address = Ia5String::new(&format!("{}{}.crl", PLAN.revocation_lists, self.issuer)).expect("the plan's address is ASCII");
        let name = DistributionPointName::FullName(vec![GeneralName::UniformResourceIdentifier(address)]);
        CrlDistributionPoints(vec![DistributionPoint { distribution_point: Some(name), reasons: None, crl_issuer: None }])
    }
}

/// Where the test PKI's files are, beside the statement keys.
struct Place<'p>(&'p Path);

impl Place<'_> {
    fn private(&self, id: &str) -> PathBuf {
        self.0.join("private").join(format!("{id}.pem"))
    }

    /// The certificate with its issuers; the root is in trust/.
    fn chain(&self, id: &str) -> PathBuf {
        self.0.join("certificates").join(format!("{id}.pem"))
    }

    fn revocations(&self, id: &str) -> PathBuf {
        self.0.join("certificates").join(format!("{id}.crl.pem"))
    }

    fn root(&self, id: &str) -> PathBuf {
        self.0.join("trust").join(format!("{id}.pem"))
    }

    fn certificate(&self, entry: &Entry) -> PathBuf {
        if entry.is_root() { self.root(&entry.id) } else { self.chain(&entry.id) }
    }

    /// The certificate is written after the key, so it stands for both.
    fn is_made(&self, id: &str) -> bool {
        PLAN.certificate.iter().find(|entry| entry.id == id).is_some_and(|entry| self.certificate(entry).exists())
    }

    fn open(&self, id: &str) -> Result<FileSigner, SignError> {
        FileSigner::open(&self.private(id), &self.certificate(entry(self.0, id)?), None)
    }

    /// Makes a key and its certificate, and what they rest on. The caller holds the lock.
    fn make(&self, entry: &Entry, now: Timestamp) -> Result<(), SignError> {
        let key = PrivateKey::generate(entry.algorithm)?;
        let pem = if entry.is_root() {
            certify(entry, &key.spki(), &key.spki(), &entry.subject(), &key, now)?
        } else {
            let issuer = self.make_if_missing(&entry.issuer, now)?;
            let own = certify(entry, &key.spki(), &issuer.spki, &issuer.subject, &issuer.key, now)?;
            own + &issuer.chain
        };
        keyfile::make_folder(&self.0.join("certificates"), Access::Public)?;
        keyfile::write(&self.private(&entry.id), key.to_pkcs8_pem().as_bytes(), Access::Private)?;
        keyfile::write(&self.certificate(entry), pem.as_bytes(), Access::Public)?;
        if entry.purpose == Purpose::Ca {
            self.make_revocations(entry, now)?;
        }
        Ok(())
    }

    fn make_if_missing(&self, id: &str, now: Timestamp) -> Result<Issuer, SignError> {
        let entry = entry(self.0, id)?;
        if !self.is_made(id) {
            self.make(entry, now)?;
        }
        let signer = self.open(id)?;
        let chain = super::Signer::chain(&signer);
        let without_root =
            chain.iter().filter(|certificate| !certificate.is_root()).map(|c| certificate_pem(&c.subject(), c.parsed())).collect();
        let subject = chain[0].parsed().tbs_certificate().subject().clone();
        let (key, spki) = signer.into_key();
        Ok(Issuer { key, spki, subject, chain: without_root })
    }

    /// The list of what an issuer has revoked. The plan says who, so those are made first.
    fn make_revocations(&self, issuer: &Entry, now: Timestamp) -> Result<(), SignError> {
        let mut revoked = Vec::new();
        for entry in PLAN.certificate.iter().filter(|entry| entry.revoked && entry.issuer == issuer.id) {
            if !self.is_made(&entry.id) {
                self.make(entry, now)?;
            }
            let chain = Certificate::read_chain(&self.chain(&entry.id))?;
            let serial_number = chain[0].parsed().tbs_certificate().serial_number().clone();
            revoked.push(RevokedCert { serial_number, revocation_date: time(day(now, 0)), crl_entry_extensions: None });
        }
        let by = self.make_if_missing(&issuer.id, now)?;
        let algorithm = by.key.algorithm().identifier();
        let extensions = vec![authority(&by.spki), extension(false, &CrlNumber::try_from(1u8).expect("one is a number"))];
        let tbs_cert_list = TbsCertList {
            version: Version::V2,
            signature: algorithm.clone(),
            issuer: by.subject,
            this_update: time(day(now, 0)),
            next_update: Some(time(day(now, 3650))),
            revoked_certificates: (!revoked.is_empty()).then_some(revoked),
            crl_extensions: Some(extensions),
        };
        let signature = by.key.sign(&to_der(&tbs_cert_list))?;
        let list: CertificateList = CertificateList { tbs_cert_list, signature_algorithm: algorithm, signature: bits(&signature) };
        let pem = list.to_pem(LineEnding::LF).expect("small structures of valid parts always encode");
        keyfile::write(&self.revocations(&issuer.id), pem.as_bytes(), Access::Public)
    }
}

struct Issuer {
    key: PrivateKey,
    spki: Vec<u8>,
    subject: Name,
    /// PEM of its certificate and those above it, the root left out.
    chain: String,
}

/// RFC 9336 3.1.
const DOCUMENT_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.36");

/// A certificate as RFC 5280 4.1 lays it out, to be signed.
#[derive(Sequence)]
struct ToBeSigned {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    key: Any,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

#[derive(Sequence)]
struct Validity {
    not_before: Time,
    not_after: Time,
}

#[derive(Sequence)]
struct Signed {
    content: ToBeSigned,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

fn certify(entry: &Entry, spki: &[u8], issuer_spki: &[u8], issuer: &Name, key: &PrivateKey, now: Timestamp) -> Result<String, SignError> {
    let usage = match entry.purpose {
        Purpose::Ca => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
        Purpose::Signer | Purpose::TimeStamp => KeyUsages::DigitalSignature | KeyUsages::NonRepudiation,
    };
    let is_ca = entry.purpose == Purpose::Ca;
    // The root stands over the issuing CA; nothing stands between that and a signer.
    let path_length = (is_ca && !entry.is_root()).then_some(0);
    let mut extensions = vec![
        extension(true, &BasicConstraints { ca: is_ca, path_len_constraint: path_length }),
        extension(true, &KeyUsage(usage)),
        extension(false, &SubjectKeyIdentifier(octets(&key_identifier(spki)))),
        authority(issuer_spki),
    ];
    match entry.purpose {
        Purpose::Ca => {}
        // RFC 9336, and the one that older programs ask of who signs documents.
        Purpose::Signer => extensions.push(extension(false, &ExtendedKeyUsage(vec![DOCUMENT_SIGNING, ID_KP_EMAIL_PROTECTION]))),
        // RFC 3161 2.3: this purpose alone, and critical.
        Purpose::TimeStamp => extensions.push(extension(true, &ExtendedKeyUsage(vec![ID_KP_TIME_STAMPING]))),
    }
    if !entry.is_root() {
        extensions.push(extension(false, &entry.revocation_list()));
    }
    let algorithm = key.algorithm().identifier();
    // Of the key, so that it is unique per issuer without a counter; positive, at most 20 bytes (RFC 5280 4.1.2.2).
    let mut serial = Sha256::digest([b"certpress/serial/1\0".as_slice(), spki].concat());
    serial[0] = serial[0] & 0x7f | 0x40;
    let content = ToBeSigned {
        version: Version::V3,
        serial: SerialNumber::new(&serial[..16]).expect("16 bytes, positive"),
        signature: algorithm.clone(),
        issuer: issuer.clone(),
        validity: Validity { not_before: time(day(now, entry.valid_days[0])), not_after: time(day(now, entry.valid_days[1])) },
        subject: entry.subject(),
        key: Any::from_der(spki).expect("made as DER"),
        extensions,
    };
    let signature = key.sign(&to_der(&content))?;
    let signed = Signed { content, algorithm, signature: bits(&signature) };
    let parsed = x509_cert::Certificate::from_der(&to_der(&signed)).expect("made by the same rules as it is read");
    Ok(certificate_pem(&entry.name, &parsed))
}

/// PEM with a line above (RFC 7468 allows it) that tells a reader whose certificate it is.
fn certificate_pem(name: &str, certificate: &x509_cert::Certificate) -> String {
    let pem = certificate.to_pem(LineEnding::LF).expect("small structures of valid parts always encode");
    format!("{name}\n{pem}")
}

fn extension(critical: bool, value: &(impl AssociatedOid + Encode)) -> Extension {
    Extension { extn_id: oid_of(value), critical, extn_value: octets(&to_der(value)) }
}

fn oid_of<T: AssociatedOid>(_: &T) -> der::asn1::ObjectIdentifier {
    T::OID
}

fn authority(issuer_spki: &[u8]) -> Extension {
    let key_identifier = Some(octets(&key_identifier(issuer_spki)));
    extension(false, &AuthorityKeyIdentifier { key_identifier, authority_cert_issuer: None, authority_cert_serial_number: None })
}

/// RFC 7093 2, method 1: the first 160 bits of SHA-256 over the key's bits.
fn key_identifier(spki: &[u8]) -> [u8; 20] {
    let key = x509_cert::spki::SubjectPublicKeyInfoRef::from_der(spki).expect("made as DER");
    let digest = Sha256::digest(key.subject_public_key.raw_bytes());
    std::array::from_fn(|i| digest[i])
}

/// Midnight (UTC) so many days away: the same for every certificate of one day.
fn day(now: Timestamp, days: i64) -> Timestamp {
    let midnight = now.as_second().div_euclid(86_400) * 86_400;
    Timestamp::from_second(midnight).and_then(|day| day.checked_add(SignedDuration::from_hours(24 * days))).unwrap_or(Timestamp::MAX)
}

/// RFC 5280 4.1.2.5: `UTCTime` until the year 2049, `GeneralizedTime` after.
fn time(at: Timestamp) -> Time {
    let at = date_time(at);
    UtcTime::from_date_time(at).map_or_else(|_| Time::GeneralTime(GeneralizedTime::from_date_time(at)), Time::UtcTime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::RevocationList;
    use crate::sign::Signer as _;
    use crate::sign::openssl::openssl;

    const NOW: &str = "2026-03-01T04:00:00Z";

    #[test]
    fn every_certificate_of_the_plan_chains_to_its_root() {
        let folder = tempfile::tempdir().unwrap();
        let now: Timestamp = NOW.parse().unwrap();
        let made = make_test_pki(folder.path(), now).unwrap();
        assert_eq!(made.len(), PLAN.certificate.len(), "revoked ones are made with their issuer, and only once");
        assert!(make_test_pki(folder.path(), now).unwrap().is_empty());
        let place = Place(folder.path());
        for entry in &PLAN.certificate {
            let signer = place.open(&entry.id).unwrap();
            let chain = signer.chain();
            assert!(chain[0].subject().contains("TEST") && chain[0].subject().contains("测试"), "{}", chain[0].subject());
            assert_eq!(signer.algorithm(), entry.algorithm);
            assert!(chain.iter().all(is_test));
            assert!(chain.windows(2).all(|pair| pair[0].is_issued_by(&pair[1])), "{}", entry.id);
            let root = if entry.algorithm == Algorithm::Sm2 { "sm2-root" } else { "root" };
            let root = Certificate::read_chain(&place.root(root)).unwrap().remove(0);
            assert!(chain[chain.len() - 1].is_issued_by(&root), "{}", entry.id);
            assert_eq!(chain.iter().any(Certificate::is_root), entry.is_root(), "files carry no root");
            let message = entry.id.as_bytes();
            let signature = signer.sign(message).unwrap();
            assert_eq!(signature, signer.sign(message).unwrap(), "deterministic");
            assert!(chain[0].key().holds(message, &signature) && !chain[0].key().holds(b"other", &signature));
            assert!(signature.len() <= chain[0].key().longest_signature());
            assert_eq!(chain[0].check_valid(now).is_err(), entry.id == "signer-expired");
            if entry.purpose != Purpose::Ca {
                let list = RevocationList::read(&place.revocations(&entry.issuer)).unwrap();
                assert!(list.is_issued_by(&chain[1]) && !list.is_issued_by(&chain[0]));
                assert_eq!(list.revokes(&chain[0]), entry.revoked);
            }
        }
    }

    #[test]
    fn one_signer_makes_only_what_it_rests_on() {
        let folder = tempfile::tempdir().unwrap();
        test_signer(folder.path(), "signer-sm2", NOW.parse().unwrap()).unwrap();
        let mut files: Vec<String> =
            std::fs::read_dir(folder.path().join("private")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        assert_eq!(files, [".lock", "signer-sm2.pem", "sm2-issuing-ca.pem", "sm2-root.pem"]);
        let error = test_signer(folder.path(), "signer-x", NOW.parse().unwrap()).err().unwrap().to_string();
        assert!(error.contains("no `signer-x`; it has signer-p256"), "{error}");
    }

    #[test]
    fn openssl_accepts_each_chain_and_the_revocation() {
        let folder = tempfile::tempdir().unwrap();
        // OpenSSL judges by the present moment.
        let now = crate::clock::Clock::now(&crate::clock::SystemClock);
        make_test_pki(folder.path(), now).unwrap();
        let place = Place(folder.path());
        for entry in PLAN.certificate.iter().filter(|entry| !entry.is_root()) {
            let root = place.root(if entry.algorithm == Algorithm::Sm2 { "sm2-root" } else { "root" });
            let ca = if entry.algorithm == Algorithm::Sm2 { "sm2-issuing-ca" } else { "issuing-ca" };
            let (chain, list, ca) = (place.chain(&entry.id), place.revocations(ca), place.chain(ca));
            let purpose = if entry.purpose == Purpose::TimeStamp { "timestampsign" } else { "any" };
            let mut arguments = vec!["verify", "-x509_strict", "-purpose", purpose];
            // OpenSSL can be told the SM2 user id for the last certificate only, not for its issuers and their lists.
            match (entry.algorithm, entry.purpose) {
                (Algorithm::Sm2, Purpose::Ca) => {
                    arguments.extend(["-vfyopt", "distid:1234567812345678", "-CAfile", root.to_str().unwrap()]);
                }
                (Algorithm::Sm2, _) => {
                    arguments.extend(["-vfyopt", "distid:1234567812345678", "-partial_chain", "-trusted", ca.to_str().unwrap()]);
                }
                (_, Purpose::Ca) => arguments.extend(["-CAfile", root.to_str().unwrap()]),
                _ => arguments.extend([
                    "-CAfile",
                    root.to_str().unwrap(),
                    "-untrusted",
                    ca.to_str().unwrap(),
                    "-crl_check",
                    "-CRLfile",
                    list.to_str().unwrap(),
                ]),
            }
            arguments.push(chain.to_str().unwrap());
            let Some(answer) = openssl(&arguments, b"") else { return };
            let expected = match entry.id.as_str() {
                "signer-expired" => "certificate has expired",
                "signer-revoked" => "certificate revoked",
                _ => ": OK",
            };
            assert!(answer.text().contains(expected), "{}: {}", entry.id, answer.text());
        }
    }
}
