//! The signature algorithms: what each is called in DER, what it digests with, and whether a signature holds.

use der::Decode as _;
use der::asn1::{Any, ObjectIdentifier};
use ed25519_dalek::Verifier as _;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::traits::PublicKeyParts as _;
use serde::{Deserialize, Serialize};
use sha2::{Sha256, Sha512};
use sm3::{Digest, Sm3};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};

/// A signature algorithm with the digest that goes with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// RFC 8032; in CMS with SHA-512 (RFC 8419 3.1).
    Ed25519,
    /// ECDSA over P-256 with SHA-256.
    EcdsaP256,
    /// RSA of 3072 bits or more, PKCS#1 v1.5 with SHA-256.
    Rsa,
    /// SM2 with SM3 (GB/T 32918.2), under the user id that everybody uses.
    Sm2,
}

/// The user id that GB/T 35276 10 prescribes where the two sides have agreed on no other.
pub const SM2_USER_ID: &str = "1234567812345678";

const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
pub(super) const SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.401");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const RSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
/// SM2 with SM3, as certificates and seals name it.
pub(super) const SM2_WITH_SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");
/// SM2 signing, as GB/T 35275 names it beside the digest.
const SM2_SIGN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const P256_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SM2_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");

impl Algorithm {
    /// The algorithm that a public key is for.
    pub fn of_key(spki: &SubjectPublicKeyInfoRef<'_>) -> Option<Self> {
        let curve = || spki.algorithm.parameters.and_then(|p| p.decode_as::<ObjectIdentifier>().ok());
        match spki.algorithm.oid {
            ED25519 => Some(Self::Ed25519),
            RSA_ENCRYPTION => Some(Self::Rsa),
            EC_PUBLIC_KEY if curve() == Some(P256_CURVE) => Some(Self::EcdsaP256),
            EC_PUBLIC_KEY if curve() == Some(SM2_CURVE) => Some(Self::Sm2),
            _ => None,
        }
    }

    /// Digests what is given in parts.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        fn over<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
            parts.iter().fold(D::new(), D::chain_update).finalize().to_vec()
        }
        match self {
            Self::Ed25519 => over::<Sha512>(parts),
            Self::EcdsaP256 | Self::Rsa => over::<Sha256>(parts),
            Self::Sm2 => over::<Sm3>(parts),
        }
    }

    /// SM3 (GB/T 32905) of the bytes.
    pub fn sm3(bytes: &[u8]) -> [u8; 32] {
        Sm3::digest(bytes).into()
    }

    /// How CMS names the digest; parameters stay away (RFC 5754 2).
    pub(super) fn digest_identifier(self) -> AlgorithmIdentifierOwned {
        let oid = match self {
            Self::Ed25519 => SHA512,
            Self::EcdsaP256 | Self::Rsa => SHA256,
            Self::Sm2 => SM3,
        };
        AlgorithmIdentifierOwned { oid, parameters: None }
    }

    /// How certificates and seals name the signature algorithm.
    pub(super) fn identifier(self) -> AlgorithmIdentifierOwned {
        match self {
            Self::Ed25519 => AlgorithmIdentifierOwned { oid: ED25519, parameters: None },
            Self::EcdsaP256 => AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA256, parameters: None },
            // RFC 4055 5: the parameters are NULL, and must be there.
            Self::Rsa => AlgorithmIdentifierOwned { oid: RSA_WITH_SHA256, parameters: Some(Any::null()) },
            Self::Sm2 => AlgorithmIdentifierOwned { oid: SM2_WITH_SM3, parameters: None },
        }
    }

    /// How the signer of a CMS names the signature algorithm.
    pub(super) fn cms_identifier(self) -> AlgorithmIdentifierOwned {
        match self {
            Self::Sm2 => AlgorithmIdentifierOwned { oid: SM2_SIGN, parameters: None },
            other => other.identifier(),
        }
    }
}

/// A public key, parsed, with which signatures are checked.
#[derive(Clone, Debug)]
pub struct PublicKey(Key);

#[derive(Clone, Debug)]
enum Key {
    Ed25519(ed25519_dalek::VerifyingKey),
    EcdsaP256(p256::ecdsa::VerifyingKey),
    Rsa(rsa::pkcs1v15::VerifyingKey<Sha256>, usize),
    Sm2(super::sm2::PublicKey),
}

impl PublicKey {
    /// From a `SubjectPublicKeyInfo` in DER. None for a key that is malformed, weak or of another algorithm.
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).ok()?;
        let bytes = spki.subject_public_key.as_bytes()?;
        Some(Self(match Algorithm::of_key(&spki)? {
            Algorithm::Ed25519 => {
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?;
                if key.is_weak() {
                    return None;
                }
                Key::Ed25519(key)
            }
            Algorithm::EcdsaP256 => Key::EcdsaP256(p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?),
            Algorithm::Rsa => {
                let key = rsa::RsaPublicKey::from_pkcs1_der(bytes).ok()?;
                let size = key.size();
                if size < SMALLEST_RSA {
                    return None;
                }
                Key::Rsa(rsa::pkcs1v15::VerifyingKey::new(key), size)
            }
            Algorithm::Sm2 => Key::Sm2(super::sm2::PublicKey::from_sec1(bytes)?),
        }))
    }

    /// What the key is for.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Key::Ed25519(_) => Algorithm::Ed25519,
            Key::EcdsaP256(_) => Algorithm::EcdsaP256,
            Key::Rsa(..) => Algorithm::Rsa,
            Key::Sm2(_) => Algorithm::Sm2,
        }
    }

    /// Whether a signature over a message holds. Elliptic signatures are DER and nothing but DER.
    pub fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        let checked = match &self.0 {
            Key::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature).and_then(|s| key.verify_strict(message, &s)),
            Key::EcdsaP256(key) => p256::ecdsa::DerSignature::from_bytes(signature).and_then(|s| key.verify(message, &s)),
            Key::Rsa(key, _) => rsa::pkcs1v15::Signature::try_from(signature).and_then(|s| key.verify(message, &s)),
            Key::Sm2(key) => return key.holds(message, signature),
        };
        checked.is_ok()
    }

    /// Prepares for many more signatures by this key, where that makes judging them faster.
    pub(super) fn expect_more(&self) {
        if let Key::Sm2(key) = &self.0 {
            key.expect_more();
        }
    }

    /// The most bytes that a signature by this key can have. Elliptic ones vary by what DER leaves out.
    pub fn longest_signature(&self) -> usize {
        match self.0 {
            Key::Ed25519(_) => 64,
            Key::EcdsaP256(_) | Key::Sm2(_) => 72,
            Key::Rsa(_, size) => size,
        }
    }
}

/// 3072 bits.
const SMALLEST_RSA: usize = 384;

/// Two integers as `SEQUENCE {r, s}`, from the fixed-length form that devices give.
#[cfg(feature = "pkcs11")]
pub(super) fn pair_to_der(pair: &[u8]) -> Option<Vec<u8>> {
    p256::ecdsa::Signature::from_slice(pair).ok().map(|s| s.to_der().as_bytes().to_vec())
}
