//! CMS signatures as `PAdES` B-B and GB/T 35275 want them, detached: prepared, signed elsewhere, completed; and read back strictly.

use der::asn1::{Any, ObjectIdentifier, OctetString, SetOfVec};
use der::{Decode as _, Sequence};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use x509_cert::attr::Attribute;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::algorithm::Algorithm;
use super::asn1::{base64_bytes, octets, to_der};
use super::certificate::Certificate;
use super::{SignError, Signer};

/// A signature that waits for its value: plain data, so that the key may be far away and answer later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepared {
    /// How it will be signed.
    pub algorithm: Algorithm,
    /// Whose names its parts bear.
    syntax: Syntax,
    /// The signer's certificate and those above it but the root, in DER.
    certificates: Vec<Certificate>,
    /// The signed attributes as `SET OF Attribute` in DER: what is signed (RFC 5652 5.4).
    #[serde(with = "base64_bytes")]
    attributes: Vec<u8>,
}

/// Whose names the parts of a signature bear; they are laid out alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Syntax {
    /// RFC 5652, the only ones that PDF knows.
    Cms,
    /// GB/T 35275-2017 6.
    Gb,
}

impl Syntax {
    fn data(self) -> ObjectIdentifier {
        if self == Self::Gb { GB_DATA } else { DATA }
    }

    fn signed_data(self) -> ObjectIdentifier {
        if self == Self::Gb { GB_SIGNED_DATA } else { SIGNED_DATA }
    }
}

/// Prepares a signature over content given in parts, by the names of GB/T 35275 where the key is one for SM2.
pub fn prepare(chain: &[Certificate], content: &[&[u8]], at: Timestamp) -> Result<Prepared, SignError> {
    let syntax = if chain[0].key().algorithm() == Algorithm::Sm2 { Syntax::Gb } else { Syntax::Cms };
    prepare_as(syntax, chain, content, at)
}

/// Prepares a signature over content given in parts (a PDF's bytes before and after the signature's own place). There is no
/// signing-time attribute: `PAdES` keeps that instant in the PDF (EN 319 142-1 6.3).
pub fn prepare_as(syntax: Syntax, chain: &[Certificate], content: &[&[u8]], at: Timestamp) -> Result<Prepared, SignError> {
    let signer = &chain[0];
    signer.check_valid(at)?;
    let algorithm = signer.key().algorithm();
    let digest = algorithm.digest(content);
    let attributes = SetOfVec::try_from(vec![
        attribute(CONTENT_TYPE, to_any(&syntax.data())),
        attribute(MESSAGE_DIGEST, to_any(&octets(&digest))),
        attribute(SIGNING_CERTIFICATE_V2, to_any(&SigningCertificate::pin(signer))),
    ]);
    let attributes = to_der(&attributes.map_err(|e| SignError::Prepared(e.to_string()))?);
    // The signer's own always, even where it is a root itself.
    let above = chain[1..].iter().filter(|certificate| !certificate.is_root());
    let certificates = std::iter::once(&chain[0]).chain(above).cloned().collect();
    Ok(Prepared { algorithm, syntax, certificates, attributes })
}

/// Prepares, signs and completes in one step, for a key that is at hand.
pub fn sign(signer: &dyn Signer, content: &[&[u8]], at: Timestamp) -> Result<Vec<u8>, SignError> {
    let prepared = prepare(signer.chain(), content, at)?;
    prepared.encode(&signer.sign(prepared.to_be_signed())?, None)
}

impl Prepared {
    /// The bytes that the key signs.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.attributes
    }

    /// The most bytes that [`Self::complete`] can give, with a time-stamp token of that length: the room to leave in a file.
    pub fn longest(&self, token: Option<usize>) -> Result<usize, SignError> {
        let longest = self.signer()?.key().longest_signature();
        let stand_in = token.map(|length| to_der(&octets(&vec![0; length])));
        Ok(self.encode(&vec![0; longest], stand_in.as_deref())?.len())
    }

    /// Whether this content, given in parts, is what will be signed.
    pub(super) fn covers(&self, content: &[&[u8]]) -> bool {
        let attributes: Option<SetOfVec<Attribute>> = SetOfVec::from_der(&self.attributes).ok();
        let digest = attributes.iter().flat_map(SetOfVec::iter).find(|attribute| attribute.oid == MESSAGE_DIGEST);
        let digest = digest.and_then(|attribute| attribute.values.get(0)?.decode_as::<OctetString>().ok());
        digest.is_some_and(|digest| digest.as_bytes() == self.algorithm.digest(content))
    }

    /// The finished CMS with a signature from elsewhere, after checking that it is one by the signer's key over these attributes.
    /// `time_stamp` is a token over the signature ([`super::timestamp`]), which makes it `PAdES` B-T.
    pub fn complete(&self, signature: &[u8], time_stamp: Option<&[u8]>) -> Result<Vec<u8>, SignError> {
        let signer = self.signer()?;
        if !signer.key().holds(&self.attributes, signature) {
            return Err(SignError::Device(format!(
                "the signature that came back is not one by the key of {}; nothing was signed",
                signer.subject()
            )));
        }
        self.encode(signature, time_stamp)
    }

    fn signer(&self) -> Result<&Certificate, SignError> {
        let broken = |message: &str| SignError::Prepared(message.to_owned());
        let signer = self.certificates.first().ok_or_else(|| broken("has no certificate"))?;
        if signer.key().algorithm() != self.algorithm {
            return Err(broken("its certificate is for another algorithm"));
        }
        Ok(signer)
    }

    /// The finished CMS with the signature of a [`Signer`], which holds.
    pub(super) fn encode(&self, signature: &[u8], time_stamp: Option<&[u8]>) -> Result<Vec<u8>, SignError> {
        let broken = |e: der::Error| SignError::Prepared(e.to_string());
        let any = |der: &[u8]| Any::from_der(der).map_err(broken);
        let unsigned = match time_stamp {
            Some(token) => Some(SetOfVec::try_from(vec![attribute(TIME_STAMP_TOKEN, any(token)?)]).map_err(broken)?),
            None => None,
        };
        let tbs = self.signer()?.parsed().tbs_certificate();
        let signer = SignerInfo {
            version: 1,
            issuer_and_serial: IssuerAndSerial { issuer: tbs.issuer().clone(), serial: tbs.serial_number().clone() },
            digest_algorithm: self.algorithm.digest_identifier(),
            signed_attributes: SetOfVec::from_der(&self.attributes).map_err(broken)?,
            signature_algorithm: self.algorithm.cms_identifier(),
            signature: octets(signature),
            unsigned_attributes: unsigned,
        };
        let certificates: Vec<Any> = self.certificates.iter().map(|certificate| any(certificate.der())).collect::<Result<_, _>>()?;
        let body = SignedData {
            version: 1,
            digest_algorithms: SetOfVec::try_from(vec![self.algorithm.digest_identifier()]).map_err(broken)?,
            content: EncapsulatedContent { content_type: self.syntax.data(), content: None },
            certificates: Some(SetOfVec::try_from(certificates).map_err(broken)?),
            revocations: None,
            signers: SetOfVec::try_from(vec![any(&to_der(&signer))?]).map_err(broken)?,
        };
        Ok(to_der(&ContentInfo { content_type: self.syntax.signed_data(), content: body }))
    }
}

/// A CMS signature whose own mathematics hold: the signed attributes are signed by the signer's key.
/// Whether the content is what was signed ([`Self::covers`]), and whether the signer is trusted, is for the caller to see.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The signer's certificate.
    pub signer: Certificate,
    /// All certificates that came along, the signer's included, in the order of the file.
    pub certificates: Vec<Certificate>,
    message_digest: Vec<u8>,
    /// What the content is called.
    pub content_type: ObjectIdentifier,
    /// The content, where it is inside.
    pub content: Option<Vec<u8>>,
    /// The signature's value, over which a time-stamp is made.
    pub signature: Vec<u8>,
    /// The time-stamp token over it.
    pub time_stamp: Option<Vec<u8>>,
}

impl Opened {
    /// Whether this content, given in parts, is what was signed.
    pub fn covers(&self, content: &[&[u8]]) -> bool {
        self.signer.key().algorithm().digest(content) == self.message_digest
    }
}

/// Reads a CMS signature of ours strictly: DER throughout, nothing after it, one signer, each attribute once, the signing
/// certificate pinned by its hash, the signature holding.
pub fn open(der: &[u8]) -> Result<Opened, CmsFault> {
    let info = parse(der)?;
    if to_der(&info) != der {
        return Err(CmsFault::Malformed("it is not written as DER".to_owned()));
    }
    let certificates = info.content.certificates.as_ref().map_or(0, SetOfVec::len);
    let opened = judge(info)?;
    // What cannot be read would be room for a stranger's bytes.
    if opened.certificates.len() != certificates {
        return Err(CmsFault::Malformed("it carries something that is no certificate".to_owned()));
    }
    Ok(opened)
}

/// Reads one by another program, for which only the order of its sets may be other than DER wants.
pub(super) fn open_foreign(der: &[u8]) -> Result<Opened, CmsFault> {
    judge(parse(der)?)
}

fn parse(der: &[u8]) -> Result<ContentInfo, CmsFault> {
    ContentInfo::from_der(der).map_err(|e| CmsFault::Malformed(e.to_string()))
}

fn judge(info: ContentInfo) -> Result<Opened, CmsFault> {
    if ![SIGNED_DATA, GB_SIGNED_DATA].contains(&info.content_type) {
        return Err(CmsFault::Malformed(format!("the content type {} is no signed data", info.content_type)));
    }
    let body = info.content;
    let [signer] = body.signers.as_slice() else { return Err(CmsFault::Signers(body.signers.len())) };
    let signer: SignerInfo = signer.decode_as().map_err(|e: der::Error| CmsFault::Malformed(e.to_string()))?;
    // RFC 5652 5.1: version 3 where the content is of a type of its own, as in a time-stamp.
    let version = if [DATA, GB_DATA].contains(&body.content.content_type) { 1 } else { 3 };
    if (body.version, signer.version) != (version, 1) {
        return Err(CmsFault::Malformed("its versions are not what RFC 5652 asks for".to_owned()));
    }
    let certificates: Vec<Certificate> =
        body.certificates.iter().flat_map(SetOfVec::iter).filter_map(|any| Certificate::from_der(&to_der(any)).ok()).collect();
    let is_signer = |certificate: &&Certificate| {
        let tbs = certificate.parsed().tbs_certificate();
        *tbs.issuer() == signer.issuer_and_serial.issuer && *tbs.serial_number() == signer.issuer_and_serial.serial
    };
    let certificate = certificates.iter().find(is_signer).ok_or(CmsFault::NoCertificate)?.clone();
    let algorithm = certificate.key().algorithm();
    let names = [algorithm.cms_identifier(), algorithm.identifier()];
    let rsa_by_key = algorithm == Algorithm::Rsa && signer.signature_algorithm.oid == RSA_ENCRYPTION;
    let digest = algorithm.digest_identifier().oid;
    let one_digest = signer.digest_algorithm.oid == digest && body.digest_algorithms.iter().all(|a| a.oid == digest);
    if !one_digest || !(names.contains(&signer.signature_algorithm) || rsa_by_key) {
        return Err(CmsFault::Algorithm(format!("{} with {}", signer.signature_algorithm.oid, signer.digest_algorithm.oid)));
    }
    let single = |oid: ObjectIdentifier, name: &'static str| {
        let mut found = signer.signed_attributes.iter().filter(|attribute| attribute.oid == oid);
        match (found.next().map(|attribute| attribute.values.as_slice()), found.next()) {
            (Some([value]), None) => Ok(value),
            _ => Err(CmsFault::Attribute(name)),
        }
    };
    let content_type: ObjectIdentifier =
        single(CONTENT_TYPE, "contentType")?.decode_as().map_err(|_| CmsFault::Attribute("contentType"))?;
    if content_type != body.content.content_type {
        return Err(CmsFault::Attribute("contentType"));
    }
    let digest: OctetString = single(MESSAGE_DIGEST, "messageDigest")?.decode_as().map_err(|_| CmsFault::Attribute("messageDigest"))?;
    let pinned: SigningCertificate =
        single(SIGNING_CERTIFICATE_V2, "signing-certificate-v2")?.decode_as().map_err(|_| CmsFault::Attribute("signing-certificate-v2"))?;
    if !pinned.names(&certificate) {
        return Err(CmsFault::Attribute("signing-certificate-v2"));
    }
    if !certificate.key().holds(&to_der(&signer.signed_attributes), signer.signature.as_bytes()) {
        return Err(CmsFault::Signature);
    }
    let content = body.content.content.map(|any| any.decode_as::<OctetString>().map(OctetString::into_bytes)).transpose();
    let token = signer.unsigned_attributes.iter().flat_map(SetOfVec::iter).find(|attribute| attribute.oid == TIME_STAMP_TOKEN);
    Ok(Opened {
        signer: certificate,
        certificates,
        message_digest: digest.into_bytes().into_vec(),
        content_type,
        content: content.map_err(|e| CmsFault::Malformed(e.to_string()))?.map(Into::into),
        signature: signer.signature.into_bytes().into_vec(),
        time_stamp: token.and_then(|attribute| attribute.values.get(0)).map(to_der),
    })
}

/// Why a CMS signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmsFault {
    /// Not DER, or not these structures.
    #[error("the signature is malformed: {0}")]
    Malformed(String),
    /// None, or several.
    #[error("the signature has {0} signers instead of one")]
    Signers(usize),
    /// The signer's certificate is not inside.
    #[error("the signer's certificate is missing")]
    NoCertificate,
    /// Not one of ours, or digest and signature do not go together.
    #[error("the algorithms are not accepted: {0}")]
    Algorithm(String),
    /// Missing, there twice, or not what it must be.
    #[error("the signed attribute {0} is missing, doubled or wrong")]
    Attribute(&'static str),
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
}

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// GB/T 35275-2017 6.
const GB_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.6.1.4.2.1");
const GB_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.6.1.4.2.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const TIME_STAMP_TOKEN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");
/// Some signers name their key here and leave the digest to the other field (RFC 5754 3.2 allows both).
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// RFC 5652 3.
#[derive(Sequence)]
struct ContentInfo {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: SignedData,
}

/// RFC 5652 5.1, GB/T 35275-2017 8.1. Certificates keep their bytes.
#[derive(Sequence)]
struct SignedData {
    version: u8,
    digest_algorithms: SetOfVec<AlgorithmIdentifierOwned>,
    content: EncapsulatedContent,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    certificates: Option<SetOfVec<Any>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    revocations: Option<SetOfVec<Any>>,
    signers: SetOfVec<Any>,
}

#[derive(Sequence)]
struct EncapsulatedContent {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    content: Option<Any>,
}

/// RFC 5652 5.3.
#[derive(Sequence)]
struct SignerInfo {
    version: u8,
    issuer_and_serial: IssuerAndSerial,
    digest_algorithm: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    signed_attributes: SetOfVec<Attribute>,
    signature_algorithm: AlgorithmIdentifierOwned,
    signature: OctetString,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    unsigned_attributes: Option<SetOfVec<Attribute>>,
}

#[derive(Sequence)]
struct IssuerAndSerial {
    issuer: Name,
    serial: SerialNumber,
}

/// RFC 5035 3.
#[derive(Sequence)]
struct SigningCertificate {
    certificates: Vec<CertificateId>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

/// RFC 5035 4. SHA-256 is the default and stays unsaid.
#[derive(Sequence)]
struct CertificateId {
    #[asn1(optional = "true")]
    algorithm: Option<AlgorithmIdentifierOwned>,
    hash: OctetString,
    #[asn1(optional = "true")]
    issuer_and_serial: Option<Any>,
}

impl SigningCertificate {
    /// By SHA-256, but SM3 where everything else is of the same family.
    fn pin(signer: &Certificate) -> Self {
        let sm2 = signer.key().algorithm() == Algorithm::Sm2;
        let by = if sm2 { Algorithm::Sm2 } else { Algorithm::EcdsaP256 };
        let hash = octets(&by.digest(&[signer.der()]));
        Self {
            certificates: vec![CertificateId { algorithm: sm2.then(|| by.digest_identifier()), hash, issuer_and_serial: None }],
            policies: None,
        }
    }

    /// RFC 5035 3: the first one is the signer's.
    fn names(&self, certificate: &Certificate) -> bool {
        let Some(id) = self.certificates.first() else { return false };
        let by = match &id.algorithm {
            None => Some(Algorithm::EcdsaP256),
            Some(named) => {
                [Algorithm::EcdsaP256, Algorithm::Ed25519, Algorithm::Sm2].into_iter().find(|a| a.digest_identifier().oid == named.oid)
            }
        };
        by.is_some_and(|by| id.hash.as_bytes() == by.digest(&[certificate.der()]))
    }
}

fn attribute(oid: ObjectIdentifier, value: Any) -> Attribute {
    Attribute { oid, values: SetOfVec::try_from(vec![value]).expect("one value is a set") }
}

fn to_any(value: &impl der::Encode) -> Any {
    Any::from_der(&to_der(value)).expect("made as DER")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sign::openssl::openssl;
    use crate::sign::{FileSigner, test_signer};

    const CONTENT: [&[u8]; 2] = [b"the bytes before the signature, ", b"and those after it"];

    fn now() -> Timestamp {
        crate::clock::Clock::now(&crate::clock::SystemClock)
    }

    fn signed(folder: &Path, id: &str) -> (FileSigner, Vec<u8>) {
        let signer = test_signer(folder, id, now()).unwrap();
        let cms = sign(&signer, &CONTENT, now()).unwrap();
        (signer, cms)
    }

    #[test]
    fn each_algorithm_signs_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        for id in ["signer-p256", "signer-ed25519", "signer-sm2", "signer-rsa"] {
            let (signer, cms) = signed(folder.path(), id);
            let opened = open(&cms).unwrap();
            assert!(opened.covers(&CONTENT) && opened.covers(&[&CONTENT.concat()]) && !opened.covers(&CONTENT[..1]));
            assert_eq!(opened.signer.der(), signer.chain()[0].der());
            assert_eq!(opened.certificates.len(), 2, "signer and intermediate, no root");
            assert!(opened.content.is_none() && opened.time_stamp.is_none());
            assert_eq!(cms, sign(&signer, &CONTENT, now()).unwrap(), "deterministic");
            let prepared = prepare(signer.chain(), &CONTENT, now()).unwrap();
            let room = prepared.longest(None).unwrap();
            assert!(cms.len() <= room && room - cms.len() <= 8, "{} of {room}", cms.len());
        }
    }

    #[test]
    fn a_remote_device_may_answer_later() {
        let folder = tempfile::tempdir().unwrap();
        let signer = test_signer(folder.path(), "signer-p256", now()).unwrap();
        let prepared = prepare(signer.chain(), &CONTENT, now()).unwrap();
        let travelled: Prepared = serde_json::from_str(&serde_json::to_string(&prepared).unwrap()).unwrap();
        assert_eq!(travelled, prepared);
        let signature = signer.sign(travelled.to_be_signed()).unwrap();
        assert_eq!(travelled.complete(&signature, None).unwrap(), sign(&signer, &CONTENT, now()).unwrap());
        // An answer by another key, or to another question, becomes no signature.
        let stranger = test_signer(folder.path(), "signer-revoked", now()).unwrap();
        for wrong in [stranger.sign(travelled.to_be_signed()).unwrap(), signer.sign(b"another question").unwrap(), Vec::new(), vec![0; 72]]
        {
            let error = travelled.complete(&wrong, None).unwrap_err();
            assert!(error.to_string().contains("nothing was signed"), "{error}");
        }
    }

    #[test]
    fn an_expired_signer_is_refused_before_signing() {
        let folder = tempfile::tempdir().unwrap();
        let signer = test_signer(folder.path(), "signer-expired", now()).unwrap();
        let error = sign(&signer, &CONTENT, now()).unwrap_err().to_string();
        assert!(error.contains("Expired") && error.contains("is valid from"), "{error}");
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (signer, cms) = signed(folder.path(), "signer-ed25519");
        let original = open(&cms).unwrap();
        let mut accepted = Vec::new();
        for at in 0..cms.len() {
            let mut changed = cms.clone();
            changed[at] ^= 0x01;
            if let Ok(opened) = open(&changed) {
                accepted.push(at);
                // The second certificate is not signed by the signer, whose own is pinned: the chain is judged elsewhere.
                assert_eq!((opened.message_digest, opened.signer.der()), (original.message_digest.clone(), signer.chain()[0].der()));
            }
        }
        let start = cms.windows(64).position(|w| w == &signer.chain()[1].der()[..64]).unwrap();
        let elsewhere: Vec<usize> =
            accepted.into_iter().filter(|at| !(start..start + signer.chain()[1].der().len()).contains(at)).collect();
        assert_eq!(elsewhere, Vec::<usize>::new());
        assert!(open(&[cms.as_slice(), b"\0"].concat()).is_err(), "nothing may follow");
        assert!(open(&cms[..cms.len() - 1]).is_err());
    }

    #[test]
    fn openssl_verifies_the_cades_signature() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("content"), CONTENT.concat()).unwrap();
        for id in ["signer-p256", "signer-rsa"] {
            let (_, cms) = signed(folder.path(), id);
            std::fs::write(path("cms"), &cms).unwrap();
            let root = path("trust/root.pem");
            let arguments = [
                "cms",
                "-verify",
                "-cades",
                "-binary",
                "-inform",
                "DER",
                "-in",
                &path("cms"),
                "-content",
                &path("content"),
                "-CAfile",
                &root,
                "-purpose",
                "any",
            ];
            let Some(answer) = openssl(&arguments, b"") else { return };
            assert!(answer.is_ok() && answer.text().contains("Verification successful"), "{id}: {}", answer.text());
            std::fs::write(path("other"), b"other content").unwrap();
            let arguments = arguments.map(|a| if a == path("content") { path("other") } else { a.to_owned() });
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            assert!(!openssl(&arguments, b"").unwrap().is_ok());
        }
    }

    /// `openssl cms` of 3.0 knows neither Ed25519 nor the GB/T 35275 types, so the value over the attributes is checked alone.
    #[test]
    fn openssl_verifies_the_values_that_its_cms_does_not_know() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for id in ["signer-ed25519", "signer-sm2"] {
            let (signer, cms) = signed(folder.path(), id);
            let prepared = prepare(signer.chain(), &CONTENT, now()).unwrap();
            std::fs::write(path("attributes"), prepared.to_be_signed()).unwrap();
            std::fs::write(path("value"), open(&cms).unwrap().signature).unwrap();
            let Some(key) = openssl(&["x509", "-in", &path(&format!("certificates/{id}.pem")), "-noout", "-pubkey"], b"") else { return };
            std::fs::write(path("key"), key.bytes()).unwrap();
            let mut arguments = vec!["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"];
            let (key, attributes, value) = (path("key"), path("attributes"), path("value"));
            arguments.extend([key.as_str(), "-in", &attributes, "-sigfile", &value]);
            if id == "signer-sm2" {
                arguments.extend(["-digest", "sm3", "-pkeyopt", "distid:1234567812345678"]);
            }
            let answer = openssl(&arguments, b"").unwrap();
            assert!(answer.is_ok() && answer.text().contains("Signature Verified Successfully"), "{id}: {}", answer.text());
            let parsed = openssl(&["asn1parse", "-inform", "DER"], &cms).unwrap();
            assert!(parsed.is_ok() && parsed.text().contains("id-smime-aa-signingCertificateV2"), "{}", parsed.text());
        }
    }
}
