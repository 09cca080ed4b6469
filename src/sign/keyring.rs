//! The keys of one installation: the statement key in use, those of before, and the salt key.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::SignError;
use super::keyfile::{self, Access};

/// The key that signs statements now.
pub struct StatementKey {
    key: SigningKey,
    /// First two bytes of SHA-256 over its `SubjectPublicKeyInfo`.
    pub kid: [u8; 2],
}

impl StatementKey {
    /// From the 32 secret bytes of RFC 8032.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let kid = kid(&key.verifying_key());
        Self { key, kid }
    }

    /// Signs bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> VerifyingKey {
        self.key.verifying_key()
    }
}

/// A public key whose signatures count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// First two bytes of SHA-256 over its `SubjectPublicKeyInfo`.
    pub kid: [u8; 2],
    /// The key.
    pub key: VerifyingKey,
    /// Whether it is a test key.
    pub test: bool,
    /// When it was made, where that is known.
    pub from: Option<Timestamp>,
    /// When it was retired; what it signed before still counts.
    pub until: Option<Timestamp>,
}

impl TrustedKey {
    /// Its kid as four hexadecimal digits, the way people and files name it.
    pub fn name(&self) -> String {
        hex::encode(self.kid)
    }

    /// `SubjectPublicKeyInfo` as PEM, with a few lines above it (RFC 7468 allows them) that tell a reader what it is.
    pub fn pem(&self) -> String {
        let mut text = String::from("certpress public key for statements and QR codes\n");
        let mut line = |name: &str, value: &str| writeln!(text, "{name}: {value}").expect("a string takes it");
        line("kid", &self.name());
        line("algorithm", ALGORITHM);
        line("test", if self.test { TEST_MARK } else { "no" });
        for (name, instant) in [("from", self.from), ("until", self.until)] {
            if let Some(instant) = instant {
                line(name, &instant.to_string());
            }
        }
        text + &public_pem(&self.key)
    }
}

/// The keys of one installation.
pub struct Keyring {
    /// The statement key in use.
    pub statement: StatementKey,
    /// The secret that salts statements.
    pub salt: Zeroizing<[u8; 32]>,
    /// Every public key whose statements count, the one in use included.
    pub trusted: Vec<TrustedKey>,
    /// Whether the key in use is a test key: every file it signs says 样张.
    pub test: bool,
}

impl Keyring {
    /// Opens a folder of keys.
    pub fn open(folder: &Path) -> Result<Self, SignError> {
        let place = Place(folder);
        let ring = place.read_ring()?.ok_or_else(|| {
            SignError::key(
                &place.ring(),
                "there is no keyring here; name the right folder with `--keys`, or make test keys with `certpress keys init`",
            )
        })?;
        ring.open(&place)
    }

    /// Opens a folder of keys, making test keys when there are none. Says whether they were made.
    ///
    /// Several processes may do this at once: one makes the keys, all get the same.
    pub fn open_or_init(folder: &Path, now: Timestamp) -> Result<(Self, bool), SignError> {
        let place = Place(folder);
        if let Some(ring) = place.read_ring()? {
            return Ok((ring.open(&place)?, false));
        }
        let _lock = keyfile::lock(folder)?;
        if let Some(ring) = place.read_ring()? {
            return Ok((ring.open(&place)?, false));
        }
        place.refuse_orphans()?;
        place.write_notes()?;
        keyfile::write(&place.salt(), format!("{}\n", hex::encode(*random()?)).as_bytes(), Access::Private)?;
        let mut ring = Ring { statement: String::new(), key: Vec::new() };
        ring.add_new_key(&place, now)?;
        place.write_ring(&ring)?;
        Ok((ring.open(&place)?, true))
    }

    /// Makes a new test key and signs with it from now on; the old one is retired and stays trusted.
    pub fn rotate(folder: &Path, now: Timestamp) -> Result<Self, SignError> {
        let place = Place(folder);
        if !Self::open(folder)?.test {
            return Err(SignError::key(
                &place.ring(),
                "the key in use is no test key, and only test keys are made here; README.md beside it tells how to add your own",
            ));
        }
        let _lock = keyfile::lock(folder)?;
        let mut ring = place.read_ring()?.ok_or_else(|| SignError::key(&place.ring(), "went away while the key was being rotated"))?;
        let old = ring.statement.clone();
        ring.add_new_key(&place, now)?;
        for entry in &mut ring.key {
            if entry.kid == old {
                entry.until = Some(seconds(now));
            }
        }
        // This one rename is the rotation; a crash before it leaves the old key in use.
        place.write_ring(&ring)?;
        let keyring = ring.open(&place)?;
        for key in keyring.trusted.iter().filter(|key| key.name() == old) {
            keyfile::write(&place.public(&old), key.pem().as_bytes(), Access::Public)?;
        }
        Ok(keyring)
    }

    /// Test keys that live in memory only, the same for the same seeds: for tests and benches.
    pub fn from_seeds(statement: &[u8; 32], salt: [u8; 32]) -> Self {
        let statement = StatementKey::from_seed(statement);
        let trusted = vec![TrustedKey { kid: statement.kid, key: statement.public(), test: true, from: None, until: None }];
        Self { statement, salt: Zeroizing::new(salt), trusted, test: true }
    }

    /// What `certpress keys export --json` prints and `/.well-known/certpress/keys.json` serves.
    pub fn key_list(&self) -> KeyList {
        KeyList::new(&self.trusted)
    }

    /// What a key is doing here.
    pub fn state(&self, key: &TrustedKey) -> KeyState {
        if key.kid == self.statement.kid {
            KeyState::InUse
        } else if key.until.is_some() {
            KeyState::Retired
        } else {
            KeyState::Trusted
        }
    }
}

/// What a key is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Signs now.
    InUse,
    /// Signed before; what it signed still counts.
    Retired,
    /// Signs elsewhere, and counts here.
    Trusted,
}

/// Public keys as verifiers fetch them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyList {
    /// The keys, in the keyring's order.
    pub keys: Vec<ListedKey>,
}

/// One public key of a [`KeyList`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedKey {
    /// Four hexadecimal digits.
    pub kid: String,
    /// `Ed25519`.
    pub algorithm: String,
    /// `SubjectPublicKeyInfo`, DER in base64.
    pub spki: String,
    /// Whether it is a test key.
    pub test: bool,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// When it was retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl KeyList {
    /// The list of these keys.
    pub fn new(keys: &[TrustedKey]) -> Self {
        let listed = |key: &TrustedKey| ListedKey {
            kid: key.name(),
            algorithm: ALGORITHM.to_owned(),
            spki: base64::engine::general_purpose::STANDARD.encode(spki(&key.key)),
            test: key.test,
            from: key.from,
            until: key.until,
        };
        Self { keys: keys.iter().map(listed).collect() }
    }

    /// The keys themselves; `path` is where the list came from.
    pub fn trusted(&self, path: &Path) -> Result<Vec<TrustedKey>, SignError> {
        let key = |listed: &ListedKey| {
            let wrong = |what: &str| SignError::key(path, format!("key `{}`: {what}; fetch the list again", listed.kid));
            check_algorithm(&listed.algorithm).map_err(|e| wrong(&e))?;
            let der = base64::engine::general_purpose::STANDARD.decode(&listed.spki).map_err(|_| wrong("`spki` is not base64"))?;
            let key = VerifyingKey::from_public_key_der(&der).map_err(|_| wrong("`spki` is no Ed25519 SubjectPublicKeyInfo"))?;
            let key =
                TrustedKey { kid: sound_kid(&key).map_err(|e| wrong(&e))?, key, test: listed.test, from: listed.from, until: listed.until };
            if key.name() != listed.kid {
                return Err(wrong(&format!("its public key has the kid {}", key.name())));
            }
            Ok(key)
        };
        self.keys.iter().map(key).collect()
    }
}

/// Reads the public keys that somebody else published: a key list (`.json`), a public key (`.pem`), or a folder of such files.
pub fn read_trust(path: &Path) -> Result<Vec<TrustedKey>, SignError> {
    let mut keys = Vec::new();
    if path.is_dir() {
        let entries =
            fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|cause| SignError::file("read", path, cause))?;
        let mut files: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).filter(|file| has_extension(file, &["pem", "json"])).collect();
        files.sort();
        for file in files {
            keys.extend(read_trust_file(&file)?);
        }
    } else {
        keys = read_trust_file(path)?;
    }
    let mut seen = BTreeSet::new();
    keys.retain(|key| seen.insert((key.kid, key.key.to_bytes())));
    if keys.is_empty() {
        return Err(SignError::key(path, "holds no public key; put what `certpress keys export` printed there"));
    }
    if let Some(pair) = keys.iter().enumerate().find_map(|(i, a)| keys[i + 1..].iter().find(|b| b.kid == a.kid)) {
        return Err(SignError::key(path, format!("two different keys share the kid {}; keep the one that is meant", pair.name())));
    }
    Ok(keys)
}

fn read_trust_file(path: &Path) -> Result<Vec<TrustedKey>, SignError> {
    let text = keyfile::read_public(path)?;
    if has_extension(path, &["json"]) {
        let list: KeyList = serde_json::from_str(&text).map_err(|e| SignError::key(path, format!("is no key list: {e}")))?;
        return list.trusted(path);
    }
    // A folder of trust anchors may hold certificates beside the statement keys.
    let mut keys = Vec::new();
    for part in text.split_inclusive("-----END PUBLIC KEY-----") {
        let Some(start) = part.find("-----BEGIN PUBLIC KEY-----") else { continue };
        let (notes, pem) = part.split_at(start);
        let note = |name: &str| notes.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| *n == name).map(|(_, value)| value);
        let instant = |name: &str| {
            let parse =
                |value: &str| value.parse().map_err(|_| SignError::key(path, format!("`{name}: {value}` is not an RFC 3339 instant")));
            note(name).map(parse).transpose()
        };
        let (kid, key) = parse_public(pem, path)?;
        keys.push(TrustedKey { kid, key, test: note("test") == Some(TEST_MARK), from: instant("from")?, until: instant("until")? });
    }
    Ok(keys)
}

const ALGORITHM: &str = "Ed25519";
const TEST_MARK: &str = "yes (TEST KEY 测试密钥)";

/// `keyring.toml`: no secret in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ring {
    statement: String,
    key: Vec<RingKey>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingKey {
    kid: String,
    algorithm: String,
    test: bool,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Ring {
    /// Makes a test key, writes both halves, lists it, and puts it in use.
    fn add_new_key(&mut self, place: &Place, now: Timestamp) -> Result<(), SignError> {
        let (seed, key) = loop {
            let seed = random()?;
            let key = StatementKey::from_seed(&seed);
            // 65,536 kids: a second key meets a given first one rarely, but it happens.
            if !self.key.iter().any(|entry| entry.kid == hex::encode(key.kid)) {
                break (seed, key);
            }
        };
        let trusted = TrustedKey { kid: key.kid, key: key.public(), test: true, from: Some(seconds(now)), until: None };
        let kid = trusted.name();
        keyfile::write(&place.private(&kid), private_pem(&seed).as_bytes(), Access::Private)?;
        keyfile::write(&place.public(&kid), trusted.pem().as_bytes(), Access::Public)?;
        self.key.push(RingKey { kid: kid.clone(), algorithm: ALGORITHM.to_owned(), test: true, from: trusted.from, until: None });
        self.statement = kid;
        Ok(())
    }

    /// Reads the files that the list names, and checks that they belong together.
    fn open(&self, place: &Place) -> Result<Keyring, SignError> {
        let list = place.ring();
        let mut trusted: Vec<TrustedKey> = Vec::new();
        for entry in &self.key {
            check_algorithm(&entry.algorithm).map_err(|e| SignError::key(&list, format!("key `{}`: {e}", entry.kid)))?;
            if trusted.iter().any(|key| key.name() == entry.kid) {
                return Err(SignError::key(&list, format!("lists the kid `{}` twice; keep one of them", entry.kid)));
            }
            let file = place.public(&entry.kid);
            let text = keyfile::read_public(&file)?;
            let (kid, key) = parse_public(&text, &file)?;
            if hex::encode(kid) != entry.kid {
                return Err(SignError::key(&file, format!("holds another key, whose kid is {}; restore the file", hex::encode(kid))));
            }
            trusted.push(TrustedKey { kid, key, test: entry.test, from: entry.from, until: entry.until });
        }
        let Some(in_use) = trusted.iter().find(|key| key.name() == self.statement) else {
            return Err(SignError::key(&list, format!("`statement = \"{}\"` names no listed key", self.statement)));
        };
        if in_use.until.is_some() {
            return Err(SignError::key(&list, format!("the key in use, {}, has an `until`; name another in `statement`", self.statement)));
        }
        let file = place.private(&self.statement);
        let key = SigningKey::from_pkcs8_pem(&keyfile::read_private(&file)?).map_err(|_| {
            SignError::key(&file, "is no Ed25519 private key (PKCS#8 PEM, not encrypted); restore the file, or rotate the key")
        })?;
        if key.verifying_key() != in_use.key {
            return Err(SignError::key(
                &file,
                format!("does not belong to trust/{}.pem; restore both files from the same backup", self.statement),
            ));
        }
        let (kid, test) = (in_use.kid, in_use.test);
        Ok(Keyring { statement: StatementKey { key, kid }, salt: place.read_salt()?, trusted, test })
    }

    fn to_toml(&self) -> String {
        let mut text = format!(
            "# The keys of this installation. It holds no secret: the secrets are in private/. README.md here explains each file.\n\
             # `certpress keys init` and `certpress keys rotate` write it anew.\n\n\
             # The key that signs statements and QR codes now: private/statement-{0}.pem\n\
             statement = \"{0}\"\n\n\
             # Every key whose signatures count; the public halves are trust/<kid>.pem. `until` says when a key was retired:\n\
             # what it signed before then still counts. With `test = true` each file it signs says 样张 SAMPLE.\n",
            self.statement
        );
        for entry in &self.key {
            let mut line = |name: &str, value: &str| writeln!(text, "{name} = {value}").expect("a string takes it");
            line("[[key]]\nkid", &format!("\"{}\"", entry.kid));
            line("algorithm", &format!("\"{}\"", entry.algorithm));
            line("test", &entry.test.to_string());
            for (name, instant) in [("from", entry.from), ("until", entry.until)] {
                if let Some(instant) = instant {
                    line(name, &format!("\"{instant}\""));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Where the files of a keyring are.
struct Place<'p>(&'p Path);

impl Place<'_> {
    fn ring(&self) -> PathBuf {
        self.0.join("keyring.toml")
    }

    fn secrets(&self) -> PathBuf {
        self.0.join("private")
    }

    fn private(&self, kid: &str) -> PathBuf {
        self.secrets().join(format!("statement-{kid}.pem"))
    }

    fn salt(&self) -> PathBuf {
        self.secrets().join("salt.hex")
    }

    fn public(&self, kid: &str) -> PathBuf {
        self.0.join("trust").join(format!("{kid}.pem"))
    }

    fn read_ring(&self) -> Result<Option<Ring>, SignError> {
        let path = self.ring();
        let text = match keyfile::read_public(&path) {
            Err(SignError::File { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let ring: Ring = toml::from_str(&text).map_err(|e| {
            let line = e.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            SignError::key(&path, format!("line {line}: {}", e.message()))
        })?;
        // A kid becomes part of a file name.
        if let Some(entry) =
            ring.key.iter().find(|entry| hex::decode(&entry.kid).map_or(0, |kid| kid.len()) != 2 || entry.kid != entry.kid.to_lowercase())
        {
            return Err(SignError::key(&path, format!("`kid = \"{}\"` is not four lower-case hexadecimal digits", entry.kid)));
        }
        Ok(Some(ring))
    }

    fn write_ring(&self, ring: &Ring) -> Result<(), SignError> {
        keyfile::write(&self.ring(), ring.to_toml().as_bytes(), Access::Public)
    }

    fn read_salt(&self) -> Result<Zeroizing<[u8; 32]>, SignError> {
        let path = self.salt();
        let text = keyfile::read_private(&path)?;
        let mut salt = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *salt)
            .map_err(|_| SignError::key(&path, "is not 64 hexadecimal digits; restore the file"))?;
        Ok(salt)
    }

    /// Private keys without a list are an accident (a lost file, a wrong folder): new keys beside them would hide it.
    fn refuse_orphans(&self) -> Result<(), SignError> {
        let folder = self.secrets();
        let entries = fs::read_dir(&folder).map_err(|cause| SignError::file("read", &folder, cause))?;
        let is_ours = |name: &str| name == "salt.hex" || name.starts_with("statement-");
        let orphan = entries.flatten().find(|entry| entry.file_name().to_str().is_some_and(is_ours)).map(|entry| entry.path());
        match orphan {
            Some(file) => Err(SignError::key(
                &file,
                "is a private key, but keyring.toml is missing; restore keyring.toml, or move private/ away to begin anew",
            )),
            None => Ok(()),
        }
    }

    /// The notes that come with the folder, where it has none yet: what git must never take, and what each file is.
    fn write_notes(&self) -> Result<(), SignError> {
        for (name, text) in [(".gitignore", include_str!("../../keys/.gitignore")), ("README.md", include_str!("../../keys/README.md"))] {
            let path = self.0.join(name);
            if !path.exists() {
                keyfile::write(&path, text.as_bytes(), Access::Public)?;
            }
        }
        Ok(())
    }
}

fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| wanted.contains(&e))
}

fn check_algorithm(algorithm: &str) -> Result<(), String> {
    if algorithm == ALGORITHM {
        Ok(())
    } else {
        Err(format!("the algorithm `{algorithm}` is not known here; statements are signed with {ALGORITHM}"))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where keys are made")]
pub(super) fn random() -> Result<Zeroizing<[u8; 32]>, SignError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|e| SignError::Random(e.to_string()))?;
    Ok(bytes)
}

/// The operating system's randomness for crates that draw from it themselves, to make keys.
pub(super) fn system_randomness() -> impl rsa::rand_core::CryptoRng {
    rsa::rand_core::UnwrapErr(getrandom::SysRng)
}

fn spki(key: &VerifyingKey) -> Vec<u8> {
    key.to_public_key_der().expect("44 bytes always encode").into_vec()
}

fn kid(key: &VerifyingKey) -> [u8; 2] {
    let digest = Sha256::digest(spki(key));
    [digest[0], digest[1]]
}

/// The kid of a key that may be trusted: with a small-order key anything verifies (RFC 8032 8.9, strict reading).
fn sound_kid(key: &VerifyingKey) -> Result<[u8; 2], String> {
    if key.is_weak() { Err("is a small-order key, with which anything would verify".to_owned()) } else { Ok(kid(key)) }
}

fn parse_public(text: &str, path: &Path) -> Result<([u8; 2], VerifyingKey), SignError> {
    let start = text.find("-----BEGIN ").unwrap_or(0);
    let key = VerifyingKey::from_public_key_pem(text[start..].trim_end())
        .map_err(|_| SignError::key(path, "is no Ed25519 public key (PEM, `BEGIN PUBLIC KEY`); restore the file"))?;
    let kid = sound_kid(&key).map_err(|e| SignError::key(path, e))?;
    Ok((kid, key))
}

fn public_pem(key: &VerifyingKey) -> String {
    key.to_public_key_pem(LineEnding::LF).expect("44 bytes always encode")
}

/// PKCS#8 version 1, without the public half, which OpenSSL 3.0 would not read.
fn private_pem(seed: &[u8; 32]) -> Zeroizing<String> {
    let pair = KeypairBytes { secret_key: *seed, public_key: None };
    pair.to_pkcs8_pem(LineEnding::LF).expect("48 bytes always encode")
}

/// Instants in key files are whole seconds.
fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).expect("rounding stays in range")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NOON: &str = "2026-03-01T04:00:00.5Z";

    #[test]
    fn kid_is_the_start_of_the_spki_hash() {
        let seed: [u8; 32] = std::array::from_fn(|i| i as u8);
        let key = StatementKey::from_seed(&seed);
        assert_eq!(
            hex::encode(spki(&key.public())),
            "302a300506032b657003210003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
        );
        assert_eq!(key.kid, [0xa0, 0x50]);
    }

    #[test]
    fn first_run_makes_keys_and_the_next_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        let (first, made) = Keyring::open_or_init(folder.path(), at(NOON)).unwrap();
        assert!(made && first.test);
        assert_eq!(first.trusted.len(), 1);
        assert_eq!(first.trusted[0].from, Some(at("2026-03-01T04:00:00Z")));
        let (second, made) = Keyring::open_or_init(folder.path(), at("2027-01-01T00:00:00Z")).unwrap();
        assert!(!made);
        assert_eq!(first.statement.sign(b"x"), second.statement.sign(b"x"));
        assert_eq!(first.salt, second.salt);
        first.trusted[0].key.verify_strict(b"x", &ed25519_dalek::Signature::from_bytes(&second.statement.sign(b"x"))).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (ring, _) = Keyring::open_or_init(folder.path(), at(NOON)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let place = Place(folder.path());
        let key = place.private(&ring.trusted[0].name());
        assert_eq!((mode(&place.secrets()), mode(&key), mode(&place.salt())), (0o700, 0o600, 0o600));
        for file in [&key, &place.salt()] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
            let error = Keyring::open(folder.path()).err().unwrap().to_string();
            assert!(error.contains(&format!("chmod 600 {}", file.display())), "{error}");
            fs::set_permissions(file, fs::Permissions::from_mode(0o400)).unwrap();
        }
        Keyring::open(folder.path()).unwrap();
    }

    #[test]
    fn many_first_runs_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let rings: Vec<(Keyring, bool)> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| Keyring::open_or_init(folder.path(), at(NOON)).unwrap())).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert_eq!(rings.iter().filter(|(_, made)| *made).count(), 1);
        assert!(rings.iter().all(|(ring, _)| ring.trusted == rings[0].0.trusted && ring.salt == rings[0].0.salt));
    }

    #[test]
    fn rotation_retires_the_old_key_and_keeps_trusting_it() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = Keyring::open_or_init(folder.path(), at(NOON)).unwrap();
        let later = at("2026-09-01T00:00:00Z");
        let second = Keyring::rotate(folder.path(), later).unwrap();
        assert_ne!(first.statement.kid, second.statement.kid);
        assert_eq!(first.salt, second.salt, "statements of before must come out the same again");
        assert_eq!(second.trusted[0], TrustedKey { until: Some(later), ..first.trusted[0].clone() });
        assert_eq!((second.state(&second.trusted[0]), second.state(&second.trusted[1])), (KeyState::Retired, KeyState::InUse));
        assert_eq!(read_trust(&folder.path().join("trust")).unwrap().len(), 2);
        assert_eq!(Keyring::open(folder.path()).unwrap().trusted, second.trusted);
    }

    #[test]
    fn a_key_for_real_use_is_never_replaced_by_a_test_key() {
        let folder = tempfile::tempdir().unwrap();
        Keyring::open_or_init(folder.path(), at(NOON)).unwrap();
        let list = Place(folder.path()).ring();
        fs::write(&list, fs::read_to_string(&list).unwrap().replace("\ntest = true", "\ntest = false")).unwrap();
        assert!(!Keyring::open(folder.path()).unwrap().test);
        let error = Keyring::rotate(folder.path(), at(NOON)).err().unwrap().to_string();
        assert!(error.contains("only test keys are made here"), "{error}");
    }

    #[test]
    fn published_keys_read_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        Keyring::open_or_init(folder.path(), at(NOON)).unwrap();
        let ring = Keyring::rotate(folder.path(), at("2026-09-01T00:00:00Z")).unwrap();
        let sorted = |mut keys: Vec<TrustedKey>| {
            keys.sort_by_key(|key| key.kid);
            keys
        };
        let json = folder.path().join("keys.json");
        fs::write(&json, serde_json::to_string(&ring.key_list()).unwrap()).unwrap();
        assert_eq!(read_trust(&json).unwrap(), ring.trusted);
        let pem = folder.path().join("all.pem");
        fs::write(&pem, ring.trusted.iter().map(TrustedKey::pem).collect::<String>()).unwrap();
        assert_eq!(read_trust(&pem).unwrap(), ring.trusted);
        assert_eq!(sorted(read_trust(&folder.path().join("trust")).unwrap()), sorted(ring.trusted));
    }

    /// Breaks one file of a fresh keyring; the error must name the file and hold the words.
    fn refusal(break_it: impl FnOnce(&Place, &str), words: &str) {
        let folder = tempfile::tempdir().unwrap();
        let (ring, _) = Keyring::open_or_init(folder.path(), at(NOON)).unwrap();
        break_it(&Place(folder.path()), &ring.trusted[0].name());
        let error = Keyring::open_or_init(folder.path(), at(NOON)).err().expect("must be refused").to_string();
        assert!(error.starts_with(&folder.path().display().to_string()) && error.contains(words), "{error}");
    }

    #[test]
    fn broken_keyrings_are_refused_with_the_file_named() {
        let edit = |path: &Path, from: &str, to: &str| {
            let text = fs::read_to_string(path).unwrap();
            assert!(text.contains(from));
            fs::write(path, text.replacen(from, to, 1)).unwrap();
        };
        refusal(|place, _| fs::remove_file(place.ring()).unwrap(), "keyring.toml is missing");
        refusal(|place, kid| fs::remove_file(place.public(kid)).unwrap(), "cannot read");
        refusal(|place, _| edit(&place.ring(), "\ntest = true", "\ntests = true"), "line 11: unknown field `tests`");
        refusal(|place, _| edit(&place.ring(), "Ed25519", "Ed448"), "`Ed448` is not known");
        refusal(|place, kid| edit(&place.ring(), &format!("kid = \"{kid}\""), "kid = \"../x\""), "four lower-case hexadecimal digits");
        refusal(|place, _| edit(&place.salt(), "\n", "00"), "64 hexadecimal digits");
        refusal(|place, kid| edit(&place.private(kid), "BEGIN", "BEGINN"), "no Ed25519 private key");
        refusal(
            |place, kid| edit(&place.private(kid), &fs::read_to_string(place.private(kid)).unwrap(), &private_pem(&[7; 32])),
            "does not belong to",
        );
        let stranger = TrustedKey { kid: [0, 0], key: StatementKey::from_seed(&[7; 32]).public(), test: true, from: None, until: None };
        refusal(|place, kid| fs::write(place.public(kid), stranger.pem()).unwrap(), "holds another key");
        // The neutral element of the curve: a signature by it verifies over any message.
        let weak = VerifyingKey::from_bytes(&std::array::from_fn(|i| u8::from(i == 0))).unwrap();
        refusal(|place, kid| fs::write(place.public(kid), public_pem(&weak)).unwrap(), "small-order");
    }

    #[test]
    fn opening_an_empty_folder_says_how_to_begin() {
        let folder = tempfile::tempdir().unwrap();
        let error = Keyring::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("certpress keys init"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "opening makes nothing");
    }
}
