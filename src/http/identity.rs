//! Who is calling and what they may do: bearer tokens of the portal's OpenID provider, and the extractors that routes name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Certificate;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use super::App;
use super::problem::{Code, Problem};
use crate::config::OpenId;
use crate::verify::cause;

/// How long a face verification counts.
pub const FACE_COUNTS_FOR: SignedDuration = SignedDuration::from_mins(30);

/// How far the provider's clock and ours may differ.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// The cookie in which the pages carry the token.
pub const COOKIE: &str = "certpress_session";

/// Headers by which a service names the holder it acts for. Never in an address: those end up in logs.
pub const HOLDER_ID_TYPE: &str = "holder-id-type";
/// The identity number of that holder.
pub const HOLDER_ID_NUMBER: &str = "holder-id-number";
/// When the portal verified that holder's face (RFC 3339).
pub const HOLDER_FACE_VERIFIED_AT: &str = "holder-face-verified-at";

/// How often keys are fetched without being asked for.
const REFRESH: Duration = Duration::from_mins(5);
/// How soon after a fetch an unknown key may cause another.
const REFRESH_AT_MOST: Duration = Duration::from_secs(5);
/// A key set of a provider is a few kilobytes.
const LARGEST_KEY_SET: usize = 1024 * 1024;

/// What a caller may be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Holds licences.
    Holder,
    /// Works at the authority.
    Staff,
    /// Reads everything, changes nothing.
    Auditor,
    /// The portal's back end.
    Service,
}

/// The claims of a token that are read here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Audience; one or several.
    pub aud: serde_json::Value,
    /// Who.
    pub sub: String,
    /// Until when, Unix seconds.
    pub exp: i64,
    /// From when, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Roles; those that are not known here are passed over.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Holder code type (GB/T 36903).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_type: Option<String>,
    /// Number of that document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_number: Option<String>,
    /// When the face was verified, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub face_verified_at: Option<i64>,
}

/// Believes tokens of one provider.
pub struct Identity {
    issuer: String,
    audience: String,
    source: KeySource,
    keys: RwLock<Arc<Keys>>,
    unknown_key: Notify,
}

/// The keys that the provider lists, and what was believed under them.
#[derive(Default)]
struct Keys {
    listed: HashMap<String, TokenKey>,
    /// By the digest of a token, the claims of one that is genuine; when it counts is looked at each time.
    believed: Mutex<HashMap<[u8; 32], Claims>>,
}

/// So many tokens are remembered before all are forgotten: some megabytes.
const REMEMBERED: usize = 10_000;

/// Where the provider's keys come from.
pub enum KeySource {
    /// An address, fetched in the background.
    Url(String, reqwest::Client),
    /// A file, read again in the background.
    File(PathBuf),
    /// The demo issuer's own.
    Fixed,
}

struct TokenKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Identity {
    /// Tokens of the provider that the settings name. Fails when its authority's certificates cannot be read.
    pub fn new(openid: &OpenId) -> std::io::Result<Self> {
        let source = match &openid.jwks {
            address if address.starts_with("https://") || address.starts_with("http://") => {
                KeySource::Url(address.clone(), client(openid.ca_file.as_deref())?)
            }
            file => KeySource::File(file.into()),
        };
        Ok(Self::with_source(openid.issuer.clone(), openid.audience.clone(), source))
    }

    /// Tokens of an issuer with a key set that never changes.
    pub fn fixed(issuer: &str, audience: &str, jwks: &serde_json::Value) -> Self {
        let identity = Self::with_source(issuer.to_owned(), audience.to_owned(), KeySource::Fixed);
        identity.take(jwks);
        identity
    }

    fn with_source(issuer: String, audience: String, source: KeySource) -> Self {
        Self { issuer, audience, source, keys: RwLock::default(), unknown_key: Notify::new() }
    }

    /// Whether there are keys to believe.
    pub fn ready(&self) -> bool {
        !self.keys().listed.is_empty()
    }

    /// Keeps the keys fresh, for as long as the service runs. A provider that cannot be reached leaves the old keys in use.
    pub async fn keep_fresh(self: Arc<Self>) {
        loop {
            let read = match &self.source {
                KeySource::Fixed => return,
                KeySource::File(file) => tokio::fs::read(file).await.map_err(|e| format!("{}: {e}", file.display())),
                KeySource::Url(address, client) => fetch(client, address).await.map_err(|e| format!("{address}: {}", cause(&e))),
            };
            match read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|e| format!("is no key set: {e}"))) {
                Ok(set) => self.take(&set),
                Err(cause) => tracing::warn!(cause, "the identity provider's keys cannot be read; those of before stay in use"),
            }
            tokio::time::sleep(REFRESH_AT_MOST).await;
            // Without any key nobody can come in, and nobody's token asks for one.
            if self.ready() {
                tokio::select! {
                    () = tokio::time::sleep(REFRESH) => {}
                    () = self.unknown_key.notified() => {}
                }
            }
        }
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self, set: &serde_json::Value) {
        let listed = set["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        let listed: HashMap<_, _> = listed.iter().filter_map(TokenKey::read).collect();
        if listed.is_empty() {
            tracing::warn!("the identity provider lists no key that is accepted here; those of before stay in use");
            return;
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys { listed, believed: Mutex::default() });
    }

    /// The claims of a token, if it is one to believe at that instant.
    pub fn claims(&self, token: &str, now: Timestamp) -> Result<Claims, Problem> {
        let refused = |detail: &str| Problem::new(Code::NotIdentified, detail);
        let keys = self.keys();
        let believed = || keys.believed.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = Sha256::digest(token).into();
        let known = believed().get(&digest).cloned();
        let claims = match known {
            Some(claims) => claims,
            None => {
                let claims = self.genuine(&keys, token)?;
                let mut believed = believed();
                if believed.len() >= REMEMBERED {
                    believed.clear();
                }
                believed.insert(digest, claims.clone());
                claims
            }
        };
        let (now, leeway) = (now.as_second(), LEEWAY.as_secs());
        if claims.exp + leeway <= now {
            return Err(refused("the token has expired"));
        }
        if claims.nbf.is_some_and(|nbf| nbf - leeway > now) {
            return Err(refused("the token does not count yet"));
        }
        Ok(claims)
    }

    /// The claims of a token that the provider has signed for us, whenever it counts.
    fn genuine(&self, keys: &Keys, token: &str) -> Result<Claims, Problem> {
        let refused = |detail: &str| Problem::new(Code::NotIdentified, detail);
        let header = jsonwebtoken::decode_header(token).map_err(|_| refused("the token is no JWT"))?;
        let key = match &header.kid {
            Some(kid) => keys.listed.get(kid),
            None => keys.listed.values().next().filter(|_| keys.listed.len() == 1),
        };
        let Some(key) = key else {
            self.unknown_key.notify_one();
            return Err(refused("the token is signed with a key that the provider does not list"));
        };
        // The algorithm is the key's, whatever the token's header says: `none` and HS256 never come this far.
        let mut validation = Validation::new(key.algorithm);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // The library would read the machine's clock; the caller looks at ours.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.key, &validation).map_err(|e| {
            use jsonwebtoken::errors::ErrorKind;
            refused(match e.kind() {
                ErrorKind::InvalidIssuer => "the token is of another issuer",
                ErrorKind::InvalidAudience => "the token is for another audience",
                ErrorKind::InvalidAlgorithm => "the token's algorithm is not that of its key",
                ErrorKind::MissingRequiredClaim(_) | ErrorKind::Json(_) => "the token lacks a claim; needed are iss, aud, sub and exp",
                _ => "the token's signature is wrong",
            })
        })?;
        Ok(claims.claims)
    }
}

impl TokenKey {
    /// A key for signatures in one of the three algorithms that are accepted. Shared secrets are none.
    fn read(listed: &serde_json::Value) -> Option<(String, Self)> {
        let jwk: Jwk = serde_json::from_value(listed.clone()).ok()?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::RSA(key) if key.n.len() >= 342 => Algorithm::RS256,
            _ => return None,
        };
        let said = match jwk.common.key_algorithm {
            None => algorithm,
            Some(KeyAlgorithm::EdDSA) => Algorithm::EdDSA,
            Some(KeyAlgorithm::ES256) => Algorithm::ES256,
            Some(KeyAlgorithm::RS256) => Algorithm::RS256,
            Some(_) => return None,
        };
        let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| said == algorithm)?;
        Some((jwk.common.key_id.unwrap_or_default(), Self { algorithm, key }))
    }
}

/// Asks the provider, whose certificate must be of the authority in the file, or of one that the system trusts.
fn client(authority: Option<&Path>) -> std::io::Result<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).redirect(reqwest::redirect::Policy::none());
    let client = match authority {
        Some(file) => {
            let certificates = Certificate::from_pem_bundle(&std::fs::read(file)?).map_err(std::io::Error::other)?;
            client.tls_certs_only(certificates)
        }
        None => client,
    };
    client.build().map_err(std::io::Error::other)
}

async fn fetch(client: &reqwest::Client, address: &str) -> Result<Vec<u8>, reqwest::Error> {
    let mut response = client.get(address).send().await?.error_for_status()?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST_KEY_SET {
            break;
        }
    }
    Ok(bytes)
}

/// Somebody whose token was believed.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The provider's name for them, as the audit records it.
    pub subject: String,
    roles: Vec<Role>,
    document: Option<(String, String)>,
    face_verified_at: Option<Timestamp>,
}

impl Caller {
    /// Whether they have a role.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    fn need(self, roles: &[Role]) -> Result<Self, Problem> {
        if roles.iter().any(|&role| self.is(role)) {
            return Ok(self);
        }
        Err(Problem::new(Code::NotAllowed, "the token's roles do not allow this"))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let now = app.clock.now();
        let claims = match token(&parts.headers, &parts.method) {
            Ok(token) => app.identity.claims(token, now),
            Err(problem) => Err(problem),
        };
        let claims = match claims {
            Ok(claims) => claims,
            Err(problem) => {
                // Who guesses tokens is slowed down like any other anonymous caller.
                app.limits.address(parts)?;
                return Err(problem);
            }
        };
        let roles: Vec<Role> =
            claims.roles.iter().filter_map(|role| serde_json::from_value(serde_json::Value::from(role.as_str())).ok()).collect();
        let mut caller = Self {
            subject: claims.sub,
            document: claims.id_type.zip(claims.id_number),
            face_verified_at: claims.face_verified_at.and_then(|second| Timestamp::from_second(second).ok()),
            roles,
        };
        if caller.is(Role::Service) {
            caller.act_for_holder(&parts.headers)?;
        }
        let who = caller.document.as_ref().map_or(&caller.subject, |(_, number)| number);
        app.limits.caller(who)?;
        Ok(caller)
    }
}

impl Caller {
    /// A service acts for the holder that its request names. Its own token names nobody.
    fn act_for_holder(&mut self, headers: &HeaderMap) -> Result<(), Problem> {
        let text = |name: &str| match headers.get(name) {
            None => Ok(None),
            Some(value) => value.to_str().map(|text| Some(text.trim().to_owned())).map_err(|_| Problem::field(name, "is not plain ASCII")),
        };
        self.document = text(HOLDER_ID_TYPE)?.zip(text(HOLDER_ID_NUMBER)?);
        let instant = |text: String| text.parse().map_err(|_| Problem::field(HOLDER_FACE_VERIFIED_AT, "is not an RFC 3339 instant"));
        self.face_verified_at = text(HOLDER_FACE_VERIFIED_AT)?.map(instant).transpose()?;
        Ok(())
    }
}

/// The bearer token, or the one that the pages keep in a cookie.
fn token<'h>(headers: &'h HeaderMap, method: &Method) -> Result<&'h str, Problem> {
    let refused = |detail| Err(Problem::new(Code::NotIdentified, detail));
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let bearer = value.to_str().ok().and_then(|value| value.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        return bearer.map_or_else(|| refused("the Authorization header holds no bearer token"), |(_, token)| Ok(token.trim()));
    }
    let Some(token) = cookie(headers) else { return refused("no token; send `Authorization: Bearer …`") };
    // SameSite=Lax already keeps other sites' forms from using the cookie; this holds where a browser does not know Lax.
    let foreign = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if !method.is_safe() && foreign {
        return Err(Problem::new(Code::NotAllowed, "another site may not act for the one who is logged in"));
    }
    Ok(token)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
}

/// A holder, or a service that acts for one: sees only that holder's licences.
pub struct Owner {
    /// Who asks.
    pub subject: String,
    /// The holder's code type (GB/T 36903).
    pub id_type: String,
    /// The number of that identity document.
    pub id_number: String,
}

/// An [`Owner`] whose face was verified in the last half hour.
pub struct PresentOwner(pub Owner);

impl Caller {
    /// An owner whose face was verified lately.
    pub fn present_owner(self, now: Timestamp) -> Result<PresentOwner, Problem> {
        let verified = self.face_verified_at;
        let owner = self.owner()?;
        let counts = |at: Timestamp| now.duration_since(at) <= FACE_COUNTS_FOR && at.duration_since(now) <= LEEWAY;
        if !verified.is_some_and(counts) {
            return Err(Problem::new(Code::FaceNeeded, "a face verification of the last 30 minutes is needed"));
        }
        Ok(PresentOwner(owner))
    }

    /// The holder, or the one whom a service acts for.
    pub fn owner(self) -> Result<Owner, Problem> {
        let caller = self.need(&[Role::Holder, Role::Service])?;
        let Some((id_type, id_number)) = caller.document else {
            let detail = if caller.roles.contains(&Role::Service) {
                "a service names the holder in the headers Holder-Id-Type and Holder-Id-Number"
            } else {
                "the token lacks the claims id_type and id_number"
            };
            return Err(Problem::new(Code::NotAllowed, detail));
        };
        // The check character of an identity number is written both ways.
        Ok(Owner { subject: caller.subject, id_type, id_number: id_number.to_ascii_uppercase() })
    }
}

impl FromRequestParts<App> for Owner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, app).await?.owner()
    }
}

impl FromRequestParts<App> for PresentOwner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, app).await?.present_owner(app.clock.now())
    }
}

/// Extractors of those who work with everybody's licences; the type in a route's signature is its permission.
macro_rules! permits {
    ($($(#[$doc:meta])* $name:ident: $($role:ident)|+;)+) => {$(
        $(#[$doc])*
        pub struct $name(pub Caller);

        impl FromRequestParts<App> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
                Caller::from_request_parts(parts, app).await?.need(&[$(Role::$role),+]).map($name)
            }
        }
    )+};
}

permits! {
    /// May change licences.
    Staff: Staff;
    /// May load records.
    Loader: Staff | Service;
    /// May look at everybody's licences.
    Viewer: Staff | Auditor;
    /// May read the audit.
    AuditReader: Auditor | Staff;
}
