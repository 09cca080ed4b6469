//! Who signs: a key and its certificates, in a file or in a device. A signer sees bytes, never a format.

use std::path::Path;
use std::sync::Arc;

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
use crate::config::SignerSettings;

/// A key that signs, wherever it lives, with the certificates that speak for it.
pub trait Signer: Send + Sync {
    /// How it signs.
    fn algorithm(&self) -> Algorithm {
        self.chain()[0].key().algorithm()
    }

    /// Its certificate, then those of its issuers; never empty. The root may be there; files do not carry it.
    fn chain(&self) -> &[Certificate];

    /// Signs a message (not its digest). Elliptic signatures but Ed25519 come as DER `SEQUENCE {r, s}`. What is given back
    /// holds: a signer that asks a device checks the answer, one that computes with a key that fits its certificate need not.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Opens a signer of the settings.
pub fn open_signer(settings: &SignerSettings) -> Result<Arc<dyn Signer>, SignError> {
    match settings {
        SignerSettings::File { key, certificates, password_file } => {
            let password = password_file.as_deref().map(secret).transpose()?;
            Ok(Arc::new(FileSigner::open(key, certificates, password.as_deref().map(String::as_str))?))
        }
        #[cfg(feature = "pkcs11")]
        SignerSettings::Module { module, token, label, pin_file, certificates } => {
            Ok(Arc::new(super::ModuleSigner::open(module, token, label, &secret(pin_file)?, certificates)?))
        }
        #[cfg(not(feature = "pkcs11"))]
        SignerSettings::Module { module, .. } => Err(SignError::Device(format!(
            "{}: this program was built without PKCS#11; use one that was built with `--features pkcs11`",
            module.display()
        ))),
    }
}

/// A password or PIN, alone in a file that only its owner can read.
fn secret(file: &Path) -> Result<Zeroizing<String>, SignError> {
    let text = keyfile::read_private(file)?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sign::openssl::openssl;
    use crate::sign::test_signer;

    fn now() -> jiff::Timestamp {
        "2026-03-01T04:00:00Z".parse().unwrap()
    }

    /// Keys made by OpenSSL, in each form that an operator may have them.
    #[test]
    fn keys_of_openssl_open_and_sign() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let run = |arguments: &[&str]| openssl(arguments, b"").map(|answer| assert!(answer.is_ok(), "{}", answer.text()));
        let algorithms: [(&str, &[&str]); 4] = [
            ("ed25519", &["-algorithm", "ed25519"]),
            ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
            ("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"]),
            ("sm2", &["-algorithm", "SM2"]),
        ];
        for (name, how) in algorithms {
            let (plain, locked, certificate) =
                (path(&format!("{name}.pem")), path(&format!("{name}.enc.pem")), path(&format!("{name}.crt")));
            if run(&[&["genpkey"], how, &["-out", plain.to_str().unwrap()]].concat()).is_none() {
                return;
            }
            restrict(&plain);
            let digest = if name == "sm2" { "-sm3" } else { "-sha256" };
            run(&[
                "req",
                "-x509",
                "-new",
                digest,
                "-subj",
                "/CN=TEST",
                "-key",
                plain.to_str().unwrap(),
                "-out",
                certificate.to_str().unwrap(),
            ]);
            run(&["pkcs8", "-topk8", "-in", plain.to_str().unwrap(), "-out", locked.to_str().unwrap(), "-passout", "pass:secret"]);
            let open = FileSigner::open(&plain, &certificate, None).unwrap();
            let signature = open.sign(b"message").unwrap();
            assert!(open.chain()[0].key().holds(b"message", &signature), "{name}");
            let unlocked = FileSigner::open(&locked, &certificate, Some("secret")).unwrap();
            assert_eq!(unlocked.sign(b"message").unwrap(), signature, "{name}: the same key signs the same");
            let refused = |password: Option<&str>| FileSigner::open(&locked, &certificate, password).err().unwrap().to_string();
            assert!(refused(Some("wrong")).contains("does not open with this password"), "{}", refused(Some("wrong")));
            assert!(refused(None).contains("no password was given"), "{}", refused(None));
        }
        let small = path("small.pem");
        run(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", small.to_str().unwrap()]);
        restrict(&small);
        let error = FileSigner::open(&small, &path("rsa.crt"), None).err().unwrap().to_string();
        assert!(error.contains("3072 to 4096 bits"), "{error}");
        let old = path("old.pem");
        run(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", old.to_str().unwrap()]);
        restrict(&old);
        let error = FileSigner::open(&old, &path("p256.crt"), None).err().unwrap().to_string();
        assert!(error.contains("openssl pkcs8 -topk8"), "{error}");
    }

    fn restrict(path: &Path) {
        #[cfg(unix)]
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        #[cfg(not(unix))]
        let _ = path;
    }

    #[test]
    fn key_and_certificate_must_belong_together() {
        let folder = tempfile::tempdir().unwrap();
        for id in ["signer-p256", "signer-ed25519"] {
            test_signer(folder.path(), id, now()).unwrap();
        }
        let private = folder.path().join("private/signer-p256.pem");
        let other = folder.path().join("certificates/signer-ed25519.pem");
        let error = FileSigner::open(&private, &other, None).err().unwrap().to_string();
        assert!(error.starts_with(&private.display().to_string()) && error.contains("does not belong to the certificate of"), "{error}");
        assert!(error.contains(&other.display().to_string()), "{error}");
        let error = FileSigner::open(&private, &private, None).err().unwrap().to_string();
        assert!(error.contains("holds no certificate"), "{error}");
        let error = FileSigner::open(&other, &other, None).err().unwrap().to_string();
        assert!(error.contains("`CERTIFICATE`") || error.contains("lets others at it"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        test_signer(folder.path(), "signer-sm2", now()).unwrap();
        let private = folder.path().join("private/signer-sm2.pem");
        fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        let error = test_signer(folder.path(), "signer-sm2", now()).err().unwrap().to_string();
        assert!(error.contains(&format!("chmod 600 {}", private.display())), "{error}");
    }

    /// GB/T 32918.5 A.2: the example of the standard, over its own curve point and user id.
    #[test]
    fn sm2_public_keys_follow_the_standard() {
        let key =
            sm2::SecretKey::from_slice(&hex::decode("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8").unwrap()).unwrap();
        let Some(PrivateKey::Sm2(key)) = sm2_key(&key) else { panic!("a valid key") };
        let public = hex::encode(key.verifying_key().to_sec1_bytes());
        assert!(public.ends_with("09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"), "{public}");
        let signature = hex::decode("f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa").unwrap();
        let signature = sm2::dsa::Signature::from_slice(&signature).unwrap();
        use sm2::dsa::signature::Verifier as _;
        key.verifying_key().verify(b"message digest", &signature).unwrap();
    }
}
