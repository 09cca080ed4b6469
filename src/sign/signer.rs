//! Who signs: a key and its certificates, in a file or in a device. A signer sees bytes, never a format.

use std::path::Path;

use ed25519_dalek::Signer as _;
use pkcs8::der::pem::LineEnding;
use pkcs8::{
    DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument,
};
use rsa::traits::PublicKeyParts as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::algorithm::{Algorithm, SM2_USER_ID};
use super::asn1::to_der;
use super::certificate::Certificate;
use super::keyring::{random, system_randomness};
use super::{SignError, keyfile};

/// A key that signs, wherever it lives, with the certificates that speak for it.
pub trait Signer: Send + Sync {
    /// How it signs.
    fn algorithm(&self) -> Algorithm {
        self.chain()[0].key().algorithm()
    }

    /// Its certificate, then those of its issuers; never empty. The root may be there; files do not carry it.
    fn chain(&self) -> &[Certificate];

    /// Signs a message (not its digest). Elliptic signatures but Ed25519 come as DER `SEQUENCE {r, s}`.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A signer whose private key is in a file. Its signatures are deterministic, for every algorithm.
pub struct FileSigner {
    key: PrivateKey,
    chain: Vec<Certificate>,
}

impl FileSigner {
    /// Opens a PKCS#8 key (PEM; encrypted, or for its owner alone) and the PEM file of its certificates.
    pub fn open(key: &Path, certificates: &Path, password: Option<&str>) -> Result<Self, SignError> {
        let private = PrivateKey::read(key, password)?;
        let chain = Certificate::read_chain(certificates)?;
        Self::new(private, chain).map_err(|e| SignError::key(key, format!("{e} {}", certificates.display())))
    }

    pub(super) fn new(key: PrivateKey, chain: Vec<Certificate>) -> Result<Self, String> {
        let spki = to_der(chain[0].parsed().tbs_certificate().subject_public_key_info());
        if spki != key.spki() {
            return Err(format!(
                "does not belong to the certificate of {}; name the key and the certificate that were made together, not",
                chain[0].subject()
            ));
        }
        Ok(Self { key, chain })
    }

    /// The key by itself and its public half, for issuing certificates.
    pub(super) fn into_key(self) -> (PrivateKey, Vec<u8>) {
        let spki = self.key.spki();
        (self.key, spki)
    }
}

impl Signer for FileSigner {
    fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.key.sign(message)
    }
}

/// A private key of one of the algorithms.
pub(super) enum PrivateKey {
    Ed25519(ed25519_dalek::SigningKey),
    EcdsaP256(p256::ecdsa::SigningKey),
    Rsa(Box<rsa::pkcs1v15::SigningKey<Sha256>>),
    Sm2(Box<sm2::dsa::SigningKey>),
}

impl PrivateKey {
    /// Makes a new key.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, SignError> {
        Ok(match algorithm {
            Algorithm::Ed25519 => Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&*random()?)),
            Algorithm::EcdsaP256 => loop {
                // Almost every 32 bytes are a scalar; the others are drawn again.
                if let Ok(key) = p256::SecretKey::from_slice(&*random()?) {
                    break Self::EcdsaP256(key.into());
                }
            },
            Algorithm::Sm2 => loop {
                if let Some(key) = sm2::SecretKey::from_slice(&*random()?).ok().and_then(|key| sm2_key(&key)) {
                    break key;
                }
            },
            Algorithm::Rsa => {
                let key = rsa::RsaPrivateKey::new(&mut system_randomness(), 3072).map_err(|e| SignError::Random(e.to_string()))?;
                Self::Rsa(Box::new(rsa::pkcs1v15::SigningKey::new(key)))
            }
        })
    }

    fn read(path: &Path, password: Option<&str>) -> Result<Self, SignError> {
        let text = keyfile::read_private(path)?;
        let wrong = |message: &str| SignError::key(path, message);
        let start = text.find("-----BEGIN ").ok_or_else(|| wrong("is no PEM file; a private key is kept as PKCS#8 PEM"))?;
        let (label, document) =
            SecretDocument::from_pem(text[start..].trim_end()).map_err(|_| wrong("is no sound PEM file; restore it"))?;
        let document = match label {
            "PRIVATE KEY" => document,
            "ENCRYPTED PRIVATE KEY" => {
                let password = password.ok_or_else(|| wrong("is encrypted, and no password was given"))?;
                let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
                    .map_err(|_| wrong("is no encrypted PKCS#8 key; restore it"))?;
                encrypted
                    .decrypt(password)
                    .map_err(|_| wrong("does not open with this password (or not with PBES2, the scheme that is read here)"))?
            }
            other => return Err(wrong(&format!("is a `{other}`; turn it into PKCS#8 with `openssl pkcs8 -topk8`"))),
        };
        Self::from_pkcs8(document.as_bytes())
            .ok_or_else(|| wrong("is no key that is used here; Ed25519, ECDSA P-256, RSA of 3072 to 4096 bits, and SM2 are"))
    }

    pub(super) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        // The algorithm identifier has the same shape as in a public key, so it is read by the same rule.
        let info = PrivateKeyInfoRef::try_from(der).ok()?;
        let spki = x509_cert::spki::SubjectPublicKeyInfoRef {
            algorithm: info.algorithm,
            subject_public_key: der::asn1::BitStringRef::from_bytes(&[]).ok()?,
        };
        Some(match Algorithm::of_key(&spki)? {
            Algorithm::Ed25519 => Self::Ed25519(ed25519_dalek::SigningKey::from_pkcs8_der(der).ok()?),
            Algorithm::EcdsaP256 => Self::EcdsaP256(p256::SecretKey::from_pkcs8_der(der).ok()?.into()),
            Algorithm::Rsa => {
                let key = rsa::RsaPrivateKey::from_pkcs8_der(der).ok().filter(|key| (384..=512).contains(&key.size()))?;
                Self::Rsa(Box::new(rsa::pkcs1v15::SigningKey::new(key)))
            }
            Algorithm::Sm2 => sm2_key(&sm2::SecretKey::from_pkcs8_der(der).ok()?)?,
        })
    }

    pub(super) fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        let pem = match self {
            // Version 1, without the public half, which OpenSSL 3.0 would not read.
            Self::Ed25519(key) => {
                ed25519_dalek::pkcs8::KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_pem(LineEnding::LF)
            }
            Self::EcdsaP256(key) => p256::SecretKey::from(key.as_nonzero_scalar()).to_pkcs8_pem(LineEnding::LF),
            Self::Rsa(key) => key.to_pkcs8_pem(LineEnding::LF),
            Self::Sm2(key) => sm2::SecretKey::from(key.as_nonzero_scalar()).to_pkcs8_pem(LineEnding::LF),
        };
        pem.expect("a valid key always encodes")
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::EcdsaP256(_) => Algorithm::EcdsaP256,
            Self::Rsa(_) => Algorithm::Rsa,
            Self::Sm2(_) => Algorithm::Sm2,
        }
    }

    /// The public half as `SubjectPublicKeyInfo` in DER.
    pub(super) fn spki(&self) -> Vec<u8> {
        let document = match self {
            Self::Ed25519(key) => key.verifying_key().to_public_key_der(),
            Self::EcdsaP256(key) => p256::PublicKey::from(key.verifying_key()).to_public_key_der(),
            Self::Rsa(key) => AsRef::<rsa::RsaPrivateKey>::as_ref(&**key).as_public_key().to_public_key_der(),
            Self::Sm2(key) => sm2::PublicKey::from_secret_scalar(key.as_nonzero_scalar()).to_public_key_der(),
        };
        document.expect("a valid key always encodes").into_vec()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = |e: ed25519_dalek::SignatureError| SignError::Device(format!("the private key does not sign: {e}"));
        Ok(match self {
            Self::Ed25519(key) => key.sign(message).to_vec(),
            // RFC 6979: no randomness to get wrong, and the same bytes for the same input.
            Self::EcdsaP256(key) => {
                let signature: p256::ecdsa::DerSignature = key.try_sign(message).map_err(failed)?;
                signature.as_bytes().to_vec()
            }
            // Blinded inside against timing; the signature is the same with every blinding.
            Self::Rsa(key) => Box::<[u8]>::from(key.try_sign(message).map_err(failed)?).into_vec(),
            // The crate draws k as RFC 6979 does, with SM3.
            Self::Sm2(key) => {
                let signature: sm2::dsa::Signature = key.try_sign(message).map_err(failed)?;
                sm2::dsa::DerSignature::from(signature).to_vec()
            }
        })
    }
}

/// None for the one scalar (n − 1) whose successor has no inverse (GB/T 32918.2 6.1).
fn sm2_key(key: &sm2::SecretKey) -> Option<PrivateKey> {
    sm2::dsa::SigningKey::new(SM2_USER_ID, key).ok().map(|key| PrivateKey::Sm2(Box::new(key)))
}
