//! An X.509 certificate: its exact bytes, and the few things that signing and checking ask of it.

use std::path::Path;
use std::sync::Arc;

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode as _, DecodePem as _, Sequence};
use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use x509_cert::crl::CertificateList;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::algorithm::PublicKey;
use super::asn1::{base64_bytes, timestamp, to_der};
use super::{SignError, keyfile};

/// A certificate, parsed, with a public key that is known here.
#[derive(Clone, Debug)]
pub struct Certificate(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
    key: PublicKey,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

/// As base64 of its exact bytes.
impl Serialize for Certificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        base64_bytes::serialize(self.der(), serializer)
    }
}

impl<'de> Deserialize<'de> for Certificate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let der = base64_bytes::deserialize(deserializer)?;
        Self::from_der(&der).map_err(|wrong| D::Error::custom(format!("a certificate {wrong}")))
    }
}

impl Certificate {
    /// From DER. Says what is wrong, without naming where it came from.
    pub fn from_der(der: &[u8]) -> Result<Self, String> {
        let parsed = x509_cert::Certificate::from_der(der).map_err(|e| format!("is no X.509 certificate: {e}"))?;
        let spki = to_der(parsed.tbs_certificate().subject_public_key_info());
        let key = PublicKey::from_spki(&spki)
            .ok_or("has a public key that is not used here; Ed25519, ECDSA P-256, RSA of 3072 bits or more, and SM2 are")?;
        Ok(Self(Arc::new(Parts { der: der.to_vec(), parsed, key })))
    }

    /// Reads a PEM file of certificates, the signer's first, then its issuers.
    pub fn read_chain(path: &Path) -> Result<Vec<Self>, SignError> {
        let text = keyfile::read_public(path)?;
        let mut chain = Vec::new();
        for part in text.split_inclusive(END) {
            let Some(start) = part.find(BEGIN) else { continue };
            let document = der::Document::from_pem(&part[start..])
                .map_err(|e| SignError::key(path, format!("is no PEM file of certificates: {e}")))?
                .1;
            chain.push(
                Self::from_der(document.as_bytes()).map_err(|e| SignError::key(path, format!("certificate {} {e}", chain.len() + 1)))?,
            );
        }
        if chain.is_empty() {
            return Err(SignError::key(path, format!("holds no certificate; put it there as PEM (`{BEGIN}`), the signer's first")));
        }
        Ok(chain)
    }

    /// The exact bytes.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The certificate as parsed.
    pub fn parsed(&self) -> &x509_cert::Certificate {
        &self.0.parsed
    }

    /// Its public key.
    pub fn key(&self) -> &PublicKey {
        &self.0.key
    }

    /// Whom it is for, as RFC 4514 writes a name.
    pub fn subject(&self) -> String {
        self.0.parsed.tbs_certificate().subject().to_string()
    }

    /// First and last instant of its validity.
    pub fn validity(&self) -> (Timestamp, Timestamp) {
        let validity = self.0.parsed.tbs_certificate().validity();
        (timestamp(validity.not_before.to_unix_duration()), timestamp(validity.not_after.to_unix_duration()))
    }

    /// Refuses the certificate before and after its validity.
    pub fn check_valid(&self, at: Timestamp) -> Result<(), SignError> {
        let (from, to) = self.validity();
        if at < from || to < at {
            let message = format!("is valid from {from} to {to}, not at {at}; sign with a certificate that is");
            return Err(SignError::Certificate { subject: self.subject(), message });
        }
        Ok(())
    }

    /// Whether it names itself as its issuer: a root, which verifiers hold and files do not carry.
    pub fn is_root(&self) -> bool {
        let tbs = self.0.parsed.tbs_certificate();
        tbs.subject() == tbs.issuer()
    }

    /// Whether `issuer` issued this certificate: the names meet and the signature holds. Says nothing of validity or purpose.
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        if self.0.parsed.tbs_certificate().issuer() != issuer.0.parsed.tbs_certificate().subject() {
            return false;
        }
        // The algorithm stands in the certificate twice.
        self.0.parsed.signature_algorithm() == self.0.parsed.tbs_certificate().signature() && is_signed_by(&self.0.der, &issuer.0.key)
    }
}

/// What an issuer has revoked.
#[derive(Clone, Debug)]
pub struct RevocationList {
    der: Vec<u8>,
    parsed: CertificateList,
}

impl RevocationList {
    /// Reads a PEM file that holds one list.
    pub fn read(path: &Path) -> Result<Self, SignError> {
        let text = keyfile::read_public(path)?;
        let parsed = CertificateList::from_pem(text.trim_end())
            .map_err(|e| SignError::key(path, format!("is no PEM file of a revocation list: {e}")))?;
        Ok(Self { der: to_der(&parsed), parsed })
    }

    /// Whether `issuer` issued this list: the names meet and the signature holds.
    pub fn is_issued_by(&self, issuer: &Certificate) -> bool {
        let content = &self.parsed.tbs_cert_list;
        content.issuer == *issuer.parsed().tbs_certificate().subject()
            && content.signature == self.parsed.signature_algorithm
            && is_signed_by(&self.der, issuer.key())
    }

    /// Whether a certificate of this issuer is on the list.
    pub fn revokes(&self, certificate: &Certificate) -> bool {
        let content = &self.parsed.tbs_cert_list;
        let tbs = certificate.parsed().tbs_certificate();
        content.issuer == *tbs.issuer()
            && content.revoked_certificates.iter().flatten().any(|entry| entry.serial_number == *tbs.serial_number())
    }
}

/// Whether a key signed a certificate or a list, by the algorithm that the thing names.
fn is_signed_by(der: &[u8], key: &PublicKey) -> bool {
    let Ok(signed) = Signed::from_der(der) else { return false };
    signed.algorithm == key.algorithm().identifier()
        && signed.signature.as_bytes().is_some_and(|signature| key.holds(&to_der(&signed.content), signature))
}

/// A signed thing of X.509, its content left as it is.
#[derive(Sequence)]
struct Signed<'a> {
    content: AnyRef<'a>,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitStringRef<'a>,
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
