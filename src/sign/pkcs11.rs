//! A signer whose key never leaves a hardware module, reached through the module's PKCS#11 library.

use std::path::Path;
use std::sync::Mutex;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

use super::algorithm::{Algorithm, pair_to_der};
use super::certificate::Certificate;
use super::{SignError, Signer};

/// A key in a module: the token's label, the key's label, the PIN.
pub struct ModuleSigner {
    module: Pkcs11,
    slot: Slot,
    token: String,
    key: String,
    pin: AuthPin,
    chain: Vec<Certificate>,
    /// Lost when the module fails; the next signature opens another.
    open: Mutex<Option<(Session, ObjectHandle)>>,
}

impl ModuleSigner {
    /// Loads a module's library, finds the key, and has it sign once, so that a wrong key is found now and not on a licence.
    pub fn open(library: &Path, token: &str, key: &str, pin: &str, certificates: &Path) -> Result<Self, SignError> {
        let failed = |e: Error| SignError::Device(format!("{}: the PKCS#11 module does not start: {e}", library.display()));
        let chain = Certificate::read_chain(certificates)?;
        if chain[0].key().algorithm() == Algorithm::Sm2 {
            return Err(SignError::Device(
                "PKCS#11 has no standard way to sign with SM2; use a key file or the seal device's own service".to_owned(),
            ));
        }
        let module = Pkcs11::new(library).map_err(failed)?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another signer of this process has started it.
            Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) | Ok(()) => {}
            Err(e) => return Err(failed(e)),
        }
        let slots = module.get_slots_with_token().map_err(failed)?;
        let labelled = |slot: &Slot| module.get_token_info(*slot).is_ok_and(|info| info.label() == token);
        let slot = slots
            .into_iter()
            .find(labelled)
            .ok_or_else(|| SignError::Device(format!("{}: no token is labelled `{token}`", library.display())))?;
        let signer = Self {
            module,
            slot,
            token: token.to_owned(),
            key: key.to_owned(),
            pin: AuthPin::new(pin.into()),
            chain,
            open: Mutex::new(None),
        };
        // Whether the key belongs to the certificate: signing itself tells.
        signer.sign(b"certpress: does this key belong to this certificate?")?;
        Ok(signer)
    }

    fn login(&self) -> Result<(Session, ObjectHandle), SignError> {
        let failed = |e: Error| SignError::Device(format!("token `{}` does not open: {e}; is it there, and is the PIN right?", self.token));
        let session = self.module.open_ro_session(self.slot).map_err(failed)?;
        match session.login(UserType::User, Some(&self.pin)) {
            // A login holds for all sessions of the process.
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) | Ok(()) => {}
            Err(e) => return Err(failed(e)),
        }
        let wanted = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(self.key.clone().into_bytes())];
        match session.find_objects(&wanted).map_err(failed)?.as_slice() {
            [key] => Ok((session, *key)),
            found => Err(SignError::Device(format!(
                "token `{}` has {} private keys labelled `{}` instead of one",
                self.token,
                found.len(),
                self.key
            ))),
        }
    }

    fn sign_in(&self, session: &Session, key: ObjectHandle, message: &[u8]) -> cryptoki::error::Result<Vec<u8>> {
        let algorithm = self.algorithm();
        match algorithm {
            Algorithm::EcdsaP256 => session.sign(&Mechanism::Ecdsa, key, &algorithm.digest(&[message])),
            Algorithm::Rsa => session.sign(&Mechanism::Sha256RsaPkcs, key, message),
            // SM2 was refused when the module was opened.
            Algorithm::Ed25519 | Algorithm::Sm2 => {
                session.sign(&Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)), key, message)
            }
        }
    }
}

impl Signer for ModuleSigner {
    fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (session, key) = match open.take() {
            Some(open) => open,
            None => self.login()?,
        };
        // On failure the session stays closed, and the next signature opens another.
        let signature = self
            .sign_in(&session, key, message)
            .map_err(|e| SignError::Device(format!("token `{}` did not sign: {e}; nothing was signed", self.token)))?;
        *open = Some((session, key));
        let signature = match self.algorithm() {
            Algorithm::EcdsaP256 => pair_to_der(&signature),
            _ => Some(signature),
        };
        let own = &self.chain[0];
        signature.filter(|signature| own.key().holds(message, signature)).ok_or_else(|| {
            SignError::Device(format!(
                "token `{}` gave a signature that does not hold; its key `{}` does not belong to the certificate of {}, or the device \
                 fails; nothing was signed",
                self.token,
                self.key,
                own.subject()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;
    use crate::sign::{cms, test_signer};

    const LIBRARIES: [&str; 3] =
        ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"];

    fn now() -> jiff::Timestamp {
        crate::clock::Clock::now(&crate::clock::SystemClock)
    }

    fn softhsm(arguments: &[&str], config: &Path) {
        let made = Command::new("softhsm2-util").args(arguments).env("SOFTHSM2_CONF", config).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// SoftHSM reads its configuration from the environment once per process, so this is one test that runs itself again
    /// with the environment set.
    #[test]
    fn softhsm_signs_what_our_reader_accepts() {
        let Some(library) = LIBRARIES.iter().map(Path::new).find(|path| path.exists()) else {
            assert!(std::env::var_os("CI").is_none(), "SoftHSM2 is missing, and CI needs it");
            eprintln!("skipped: SoftHSM2 is not installed");
            return;
        };
        let Some(folder) = std::env::var_os("CERTPRESS_TEST_MODULE").map(PathBuf::from) else {
            let folder = tempfile::tempdir().unwrap();
            let config = folder.path().join("softhsm2.conf");
            std::fs::create_dir(folder.path().join("tokens")).unwrap();
            std::fs::write(&config, format!("directories.tokendir = {}\n", folder.path().join("tokens").display())).unwrap();
            softhsm(&["--init-token", "--free", "--label", "seals", "--pin", "4321", "--so-pin", "8765"], &config);
            for (number, id) in [("01", "signer-p256"), ("02", "signer-rsa"), ("03", "signer-revoked")] {
                test_signer(folder.path(), id, now()).unwrap();
                let file = folder.path().join("private").join(format!("{id}.pem"));
                softhsm(&["--import", file.to_str().unwrap(), "--token", "seals", "--label", id, "--id", number, "--pin", "4321"], &config);
            }
            let again = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "sign::pkcs11::tests::softhsm_signs_what_our_reader_accepts", "--nocapture"])
                .env("SOFTHSM2_CONF", &config)
                .env("CERTPRESS_TEST_MODULE", folder.path())
                .output()
                .unwrap();
            assert!(again.status.success(), "{}{}", String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&again.stderr));
            return;
        };
        let certificates = |id: &str| folder.join("certificates").join(format!("{id}.pem"));
        for id in ["signer-p256", "signer-rsa"] {
            let signer = ModuleSigner::open(library, "seals", id, "4321", &certificates(id)).unwrap();
            let signed = cms::sign(&signer, &[b"content"], now()).unwrap();
            let opened = cms::open(&signed).unwrap();
            assert!(opened.covers(&[b"content"]) && opened.signer.der() == signer.chain()[0].der());
        }
        let refused = |token: &str, key: &str, pin: &str, id: &str| {
            ModuleSigner::open(library, token, key, pin, &certificates(id)).err().unwrap().to_string()
        };
        assert!(refused("other", "signer-p256", "4321", "signer-p256").contains("no token is labelled `other`"));
        assert!(refused("seals", "other", "4321", "signer-p256").contains("0 private keys labelled `other`"));
        assert!(refused("seals", "signer-revoked", "4321", "signer-p256").contains("does not belong to"));
        let absent = ModuleSigner::open(Path::new("/nowhere/module.so"), "seals", "k", "4321", &certificates("signer-p256")).err().unwrap();
        assert!(absent.to_string().contains("does not start"), "{absent}");
        // The token's files go while a signer is open: an error, and no signature.
        let signer = ModuleSigner::open(library, "seals", "signer-p256", "4321", &certificates("signer-p256")).unwrap();
        std::fs::remove_dir_all(folder.join("tokens")).unwrap();
        let gone = (0..3).find_map(|_| signer.sign(b"message").err()).expect("a module without its files stops signing");
        assert!(gone.to_string().contains("seals"), "{gone}");
    }
}
