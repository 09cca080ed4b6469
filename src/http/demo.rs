//! The issuer of a demonstration: the people of the samples, a page to log in as one of them, tokens for curl.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::ToSpan as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;

use super::App;
use super::identity::{COOKIE, Claims, Identity, Role};
use super::pages::{Visitor, short};
use super::problem::Problem;
use crate::record::Record;
use crate::sign::Keyring;

/// The sample records and their pictures, compiled into the binary.
pub const SAMPLES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/records.rs"));

const ISSUER: &str = "https://demo.certpress.invalid";
const AUDIENCE: &str = "certpress";

/// How long a token of the demonstration lasts.
const HOURS: i64 = 8;

/// The issuer.
pub struct Demo {
    key: EncodingKey,
    jwks: serde_json::Value,
    people: Vec<Person>,
}

/// Somebody to log in as.
#[derive(Clone, Debug)]
struct Person {
    /// Short name for curl: `r01`, `staff`.
    id: String,
    name: String,
    about: String,
    role: Role,
    document: Option<(String, String)>,
}

impl Demo {
    /// An issuer whose key follows from the test keys, so that tokens outlive a restart.
    pub fn new<'r>(keyring: &Keyring, samples: impl Iterator<Item = (String, &'r Record)>) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*keyring.salt).expect("HMAC takes a key of any length");
        mac.update(b"certpress/demo-issuer/1");
        let key = SigningKey::from_bytes(&mac.finalize().into_bytes().into());
        let x = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, key.verifying_key().as_bytes());
        let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "demo", "x": x}]});
        let der = key.to_pkcs8_der().expect("a key always has a PKCS#8 form");
        let desk = |id: &str, name: &str, about: &str, role| Person {
            id: id.to_owned(),
            name: name.to_owned(),
            about: about.to_owned(),
            role,
            document: None,
        };
        let mut people: Vec<Person> = samples
            .map(|(id, record)| Person {
                id,
                name: record.holder.name.clone(),
                about: format!("{} {}", record.licence_type, record.number),
                role: Role::Holder,
                document: Some((record.holder.id_type.clone(), record.holder.id_number.clone())),
            })
            .collect();
        people.push(desk("staff", "经办人", "导入、查询、换发、暂扣、撤销", Role::Staff));
        people.push(desk("auditor", "审计员", "查看操作记录", Role::Auditor));
        people.push(desk("service", "政务服务门户", "代持证人办理", Role::Service));
        Self { key: EncodingKey::from_ed_der(der.as_bytes()), jwks, people }
    }

    /// What believes the tokens of this issuer: the same code that believes the portal's.
    pub fn identity(&self) -> Identity {
        Identity::fixed(ISSUER, AUDIENCE, &self.jwks)
    }

    /// A token for one of the people.
    pub fn token(&self, id: &str, now: jiff::Timestamp, face: bool) -> Option<String> {
        let person = self.people.iter().find(|person| person.id == id)?;
        let role = serde_json::to_value(person.role).ok()?.as_str()?.to_owned();
        let (id_type, id_number) = person.document.clone().unzip();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.into(),
            sub: format!("demo:{id}"),
            exp: now.saturating_add(HOURS.hours()).ok()?.as_second(),
            nbf: None,
            roles: vec![role],
            id_type,
            id_number,
            face_verified_at: (face && person.role == Role::Holder).then(|| now.as_second()),
        };
        let header = Header { kid: Some("demo".to_owned()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &self.key).ok()
    }
}

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/demo/login", get(page).post(login)).route("/demo/logout", post(logout)).route("/demo/token", post(token))
}

#[derive(Deserialize)]
struct Login {
    r#as: String,
    /// `no` for a token without a face verification.
    #[serde(default)]
    face: Option<String>,
    /// Where to go then.
    #[serde(default)]
    next: Option<String>,
}

fn demo(app: &App) -> Result<&Demo, Problem> {
    app.demo.as_ref().ok_or_else(Problem::not_found)
}

#[derive(Deserialize, Default)]
struct After {
    #[serde(default)]
    next: Option<String>,
}

async fn page(State(app): State<App>, visitor: Visitor, after: Result<Query<After>, QueryRejection>) -> Response {
    let next = after.ok().and_then(|Query(after)| after.next).unwrap_or_default();
    let people = app.demo.iter().flat_map(|demo| &demo.people);
    let people = people.map(|person| (person.id.clone(), person.name.clone(), about(&app, &person.about))).collect();
    visitor.login(next, people)
}

/// With a licence type by its name.
fn about(app: &App, about: &str) -> String {
    let layout = |id: &str| app.register.line.layouts().find(id).ok();
    match about.split_once(' ').and_then(|(id, number)| Some((layout(id)?, number))) {
        Some((layout, number)) => format!("{} {number}", short(&layout.name)),
        None => about.to_owned(),
    }
}

impl App {
    fn log_in(&self, login: &Login) -> Result<String, Problem> {
        let face = login.face.as_deref() != Some("no");
        demo(self)?.token(&login.r#as, self.clock.now(), face).ok_or_else(|| Problem::field("as", "there is nobody of that name"))
    }
}

async fn login(State(app): State<App>, Form(login): Form<Login>) -> Result<impl IntoResponse, Problem> {
    let next = login.next.as_deref().filter(|next| is_own(next)).unwrap_or("/");
    Ok(moved(next, &app.log_in(&login)?, HOURS * 3600))
}

/// Whether an address is a page of our own, to every browser: they drop tabs and line breaks, and take a backslash for a slash.
fn is_own(address: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    address.starts_with('/') && !address.starts_with("//") && address.bytes().all(plain)
}

async fn logout() -> impl IntoResponse {
    moved("/demo/login", "", 0)
}

fn moved(to: &str, token: &str, seconds: i64) -> impl IntoResponse + use<> {
    let cookie = format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax");
    (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, to.to_owned())])
}

#[derive(Serialize)]
struct Token {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
}

async fn token(State(app): State<App>, Form(login): Form<Login>) -> Result<Json<Token>, Problem> {
    Ok(Json(Token { access_token: app.log_in(&login)?, token_type: "Bearer", expires_in: HOURS * 3600 }))
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn a_login_leads_to_pages_of_our_own() {
        for own in ["/", "/my", "/my?type=constructor-1&from=2026-01-01", "/v/0496", "/desk/licences/a%2Fb"] {
            assert!(is_own(own), "{own}");
        }
        for other in [
            "",
            "my",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " /my",
            "/my ",
            "/my\r\nSet-Cookie: a=b",
            "/\u{0}",
            "javascript:alert(1)",
            "/证照",
        ] {
            assert!(!is_own(other), "{other:?}");
        }
    }
}
