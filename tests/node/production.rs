//! A service that counts: keys of its own, tokens of a provider that rotates its keys and is not always there.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use certpress::clock::{Clock as _, SystemClock};
use certpress::http::Claims;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::StatusCode;
use serde_json::json;

use crate::provider::{Provider, openssl};
use crate::server::{Server, until};

/// Keys that count, a signer of its own, and the settings.
fn installation(folder: &Path, jwks: &str, authority: &str) {
    let made = Command::new(env!("CARGO_BIN_EXE_certpress")).args(["keys", "init"]).current_dir(folder).output().unwrap();
    assert!(made.status.success());
    let ring = std::fs::read_to_string(folder.join("keys/keyring.toml")).unwrap();
    std::fs::write(folder.join("keys/keyring.toml"), ring.replace("test = true", "test = false")).unwrap();
    let signer = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=licences \
                  -addext keyUsage=digitalSignature,nonRepudiation -keyout licences.key -out licences.pem";
    assert!(openssl(folder, signer));
    let settings = format!(
        "mode = \"production\"\n[pdf]\nsigner = \"licences\"\n[signer.licences]\nkey = \"licences.key\"\ncertificates = \"licences.pem\"\n\
         [service.openid]\nissuer = \"https://portal\"\naudience = \"certpress\"\njwks = \"{jwks}\"\nca_file = \"{authority}\"\n"
    );
    std::fs::write(folder.join("certpress.toml"), settings).unwrap();
}

/// A key of the provider, by a number.
struct Key(SigningKey, String);

impl Key {
    fn new(number: u8) -> Self {
        Self(SigningKey::from_bytes(&[number; 32]), format!("key-{number}"))
    }

    fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    fn set(&self) -> String {
        let x = BASE64.encode(self.public());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.1, "x": x}]}).to_string()
    }

    fn token(&self, claims: &Claims) -> String {
        let header = Header { kid: Some(self.1.clone()), ..Header::new(Algorithm::EdDSA) };
        let key = EncodingKey::from_ed_der(self.0.to_pkcs8_der().unwrap().as_bytes());
        encode(&header, claims, &key).unwrap()
    }
}

fn staff() -> Claims {
    Claims {
        iss: "https://portal".to_owned(),
        aud: "certpress".into(),
        sub: "clerk".to_owned(),
        exp: SystemClock.now().as_second() + 3600,
        roles: vec!["staff".to_owned()],
        ..Claims::default()
    }
}

fn status(server: &Server, token: &str) -> StatusCode {
    server.get(token, "/api/v1/records").status()
}

#[test]
fn tokens_count_by_the_keys_that_the_provider_has_now() {
    let folder = tempfile::tempdir().unwrap();
    let Some(provider) = Provider::start(folder.path()) else { return };
    installation(folder.path(), &provider.address, provider.authority.to_str().unwrap());
    // The provider is not there yet: the service is up, and says what it waits for.
    let server = Server::start(folder.path(), &["--create"], &[]);
    assert_eq!(server.unready().as_deref(), Some("the identity provider's keys have not been read yet"));
    let (first, second) = (Key::new(1), Key::new(2));
    assert_eq!(status(&server, &first.token(&staff())), StatusCode::UNAUTHORIZED);
    provider.say(Some(first.set()));
    server.ready();
    assert_eq!(status(&server, &first.token(&staff())), StatusCode::OK);

    let unsigned = |header: &str| {
        let part = |text: &str| BASE64.encode(text);
        format!("{}.{}.", part(header), part(&serde_json::to_string(&staff()).unwrap()))
    };
    let shared = Header { kid: Some(first.1.clone()), ..Header::new(Algorithm::HS256) };
    let mut stranger = Key::new(3);
    stranger.1.clone_from(&first.1);
    for (what, token) in [
        ("another issuer", first.token(&Claims { iss: "https://portal.example".to_owned(), ..staff() })),
        ("another audience", first.token(&Claims { aud: "portal".into(), ..staff() })),
        ("expired", first.token(&Claims { exp: staff().exp - 3700, ..staff() })),
        ("not yet", first.token(&Claims { nbf: Some(staff().exp), ..staff() })),
        ("alg none", unsigned("{\"alg\":\"none\",\"kid\":\"key-1\"}")),
        ("no signature", unsigned("{\"alg\":\"EdDSA\",\"kid\":\"key-1\"}")),
        ("the public key as a shared secret", encode(&shared, &staff(), &EncodingKey::from_secret(&first.public())).unwrap()),
        ("somebody else's key under its name", stranger.token(&staff())),
    ] {
        assert_eq!(status(&server, &token), StatusCode::UNAUTHORIZED, "{what}");
    }
    let auditor = Claims { roles: vec!["root".to_owned()], ..staff() };
    assert_eq!(status(&server, &first.token(&auditor)), StatusCode::FORBIDDEN, "a role that is not known");

    // The provider changes its key: the first token of the new one has it fetched, and guessing has it fetched no oftener.
    provider.say(Some(second.set()));
    let (asked, begun) = (provider.asked.load(Ordering::Relaxed), Instant::now());
    until("the new key", || status(&server, &second.token(&staff())) == StatusCode::OK);
    assert_eq!(status(&server, &first.token(&staff())), StatusCode::UNAUTHORIZED, "the old key is gone");
    for n in 10..60 {
        assert_eq!(status(&server, &Key::new(n).token(&staff())), StatusCode::UNAUTHORIZED);
    }
    let asked = provider.asked.load(Ordering::Relaxed) - asked;
    assert!(u64::from(asked) <= begun.elapsed().as_secs() / 5 + 2, "asked {asked} times in {:?}", begun.elapsed());

    // It is down, and then says nonsense: what is known goes on.
    for says in [None, Some("<html>".to_owned()), Some("{\"keys\":[]}".to_owned())] {
        let asked = provider.asked.load(Ordering::Relaxed);
        provider.say(says);
        until("it is asked", || {
            status(&server, &Key::new(9).token(&staff()));
            provider.asked.load(Ordering::Relaxed) > asked
        });
        assert_eq!(status(&server, &second.token(&staff())), StatusCode::OK);
    }
    server.ready();
}

#[test]
fn a_provider_that_cannot_be_trusted_is_refused() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (Some(provider), Some(stranger)) = (Provider::start(folder.path()), Provider::start(other.path())) else { return };
    provider.say(Some(Key::new(1).set()));
    // Another authority vouches for it.
    installation(folder.path(), &provider.address, stranger.authority.to_str().unwrap());
    let server = Server::start(folder.path(), &["--create"], &[]);
    until("it is asked", || provider.asked.load(Ordering::Relaxed) > 0);
    assert!(server.unready().is_some());
    assert_eq!(status(&server, &Key::new(1).token(&staff())), StatusCode::UNAUTHORIZED);
    drop(server);
    for (jwks, authority, said) in [
        ("http://127.0.0.1:1/keys", "authority.pem", "takes keys by https:// or from a file"),
        ("https://127.0.0.1:1/keys", "nowhere.pem", "ca_file = \"nowhere.pem\""),
    ] {
        installation(folder.path(), jwks, authority);
        let mut serve = Command::new(env!("CARGO_BIN_EXE_certpress"));
        let run = serve.args(["serve", "--config", "certpress.toml"]).current_dir(folder.path()).output().unwrap();
        let told = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success() && told.contains(said), "{told}");
    }
}
