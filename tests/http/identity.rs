//! Which tokens are believed.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use certpress::http::{Claims, Identity};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::house::{House, opening};

const ISSUER: &str = "https://portal.example.cn";

/// A P-256 key and an Ed25519 key, as PKCS#8 and as entries of a key set.
fn provider() -> (Identity, EncodingKey, EncodingKey) {
    use ed25519_dalek::pkcs8::EncodePrivateKey as _;
    let ed = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let ec = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let point = p256::elliptic_curve::sec1::ToSec1Point::to_sec1_point(&ec.public_key(), false);
    let b64 = |bytes: &[u8]| BASE64.encode(bytes);
    let jwks = json!({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(ed.verifying_key().as_bytes())},
        {"kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256", "x": b64(point.x().unwrap()), "y": b64(point.y().unwrap())},
        {"kty": "oct", "kid": "shared", "alg": "HS256", "k": b64(b"a shared secret that must not count")},
        {"kty": "new", "kid": "unknown"},
    ]});
    let ed = EncodingKey::from_ed_der(ed.to_pkcs8_der().unwrap().as_bytes());
    let ec = EncodingKey::from_ec_der(ec.to_pkcs8_der().unwrap().as_bytes());
    (Identity::fixed(ISSUER, "certpress", &jwks), ed, ec)
}

fn claims() -> Claims {
    let exp = opening().as_second() + 300;
    Claims { iss: ISSUER.into(), aud: json!(["other", "certpress"]), sub: "u1".into(), exp, ..Claims::default() }
}

fn token(kid: &str, algorithm: Algorithm, claims: &Claims, key: &EncodingKey) -> String {
    jsonwebtoken::encode(&Header { kid: Some(kid.into()), ..Header::new(algorithm) }, claims, key).unwrap()
}

#[test]
fn tokens_of_the_provider_count_and_others_do_not() {
    let (identity, ed, ec) = provider();
    let now = opening();
    let believed = |token: &str| identity.claims(token, now).is_ok();
    assert!(believed(&token("ed", Algorithm::EdDSA, &claims(), &ed)));
    assert!(believed(&token("ec", Algorithm::ES256, &claims(), &ec)));
    let good = token("ed", Algorithm::EdDSA, &claims(), &ed);
    // What was believed once is looked at each time: it does not count for longer.
    assert!(believed(&good) && identity.claims(&good, now + jiff::SignedDuration::from_secs(331)).is_err());
    let exp = now.as_second();
    for (what, wrong) in [
        ("an unknown key", token("new", Algorithm::EdDSA, &claims(), &ed)),
        ("another key's id", token("ec", Algorithm::EdDSA, &claims(), &ed)),
        ("no key id where there are two keys", { jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims(), &ed).unwrap() }),
        ("another issuer", token("ed", Algorithm::EdDSA, &Claims { iss: "x".into(), ..claims() }, &ed)),
        ("another audience", token("ed", Algorithm::EdDSA, &Claims { aud: json!("x"), ..claims() }, &ed)),
        ("expired", token("ed", Algorithm::EdDSA, &Claims { exp: exp - 60, ..claims() }, &ed)),
        ("not yet", token("ed", Algorithm::EdDSA, &Claims { nbf: Some(exp + 60), ..claims() }, &ed)),
        ("a shared secret", {
            token("shared", Algorithm::HS256, &claims(), &EncodingKey::from_secret(b"a shared secret that must not count"))
        }),
        ("the public key as a secret", token("ed", Algorithm::HS256, &claims(), &EncodingKey::from_secret(&[7; 32]))),
        ("no signature", {
            let part = |value: serde_json::Value| BASE64.encode(value.to_string());
            format!("{}.{}.", part(json!({"alg": "none", "kid": "ed"})), part(serde_json::to_value(claims()).unwrap()))
        }),
        ("a changed claim", {
            let mut parts: Vec<_> = good.split('.').map(ToOwned::to_owned).collect();
            parts[1] = BASE64.encode(serde_json::to_string(&Claims { sub: "u2".into(), ..claims() }).unwrap());
            parts.join(".")
        }),
        ("no token at all", "x.y".into()),
    ] {
        assert!(!believed(&wrong), "{what}");
    }
}

#[tokio::test]
async fn who_sends_no_token_or_a_wrong_one_is_asked_to_log_in() {
    let house = House::empty().await;
    for header in [None, Some("Bearer x.y.z"), Some("Basic dTpw"), Some("Bearer")] {
        let request = header.iter().fold(Request::get("/api/v1/me/licences"), |r, value| r.header("authorization", *value));
        let answer = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::UNAUTHORIZED, "not-identified".to_owned()), "{header:?}");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
}

#[tokio::test]
async fn the_pages_cookie_is_as_good_as_the_header_but_not_for_other_sites() {
    let house = House::open().await;
    let login = Request::post("/demo/login").header("content-type", "application/x-www-form-urlencoded");
    let login = house.send(login.body(Body::from("as=r01")).unwrap()).await;
    assert_eq!(login.status, StatusCode::SEE_OTHER);
    let cookie = login.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let list = Request::get("/api/v1/me/licences").header("cookie", format!("a=b; {cookie}"));
    assert_eq!(house.send(list.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
    let path = format!("/api/v1/licences/{}/annotations", house.licence("r01").await);
    for (site, status) in [("cross-site", StatusCode::FORBIDDEN), ("same-origin", StatusCode::CREATED)] {
        let post = Request::post(&path).header("cookie", cookie).header("sec-fetch-site", site);
        assert_eq!(house.send(post.body(Body::empty()).unwrap()).await.status, status, "{site}");
    }
}

#[tokio::test]
async fn a_service_acts_for_the_holder_that_its_headers_name() {
    let house = House::open().await;
    let holder = &crate::house::sample("r01").holder;
    let send = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let request = headers.iter().fold(house.request(Some("service"), method, path), |r, (name, value)| r.header(*name, *value));
        house.send(request.body(Body::empty()).unwrap()).await
    };
    let named = [("holder-id-type", holder.id_type.as_str()), ("holder-id-number", holder.id_number.as_str())];
    assert_eq!(send("GET", "/api/v1/me/licences", &named).await.json()["licences"].as_array().unwrap().len(), 2);
    assert_eq!(send("GET", "/api/v1/me/licences", &[]).await.problem(), "not-allowed");
    let path = format!("/api/v1/licences/{}/annotations", house.licence("r01").await);
    assert_eq!(send("POST", &path, &named).await.problem(), "face-needed");
    let now = opening().to_string();
    let faced = [named[0], named[1], ("holder-face-verified-at", now.as_str())];
    assert_eq!(send("POST", &path, &faced).await.status, StatusCode::CREATED);
    assert_eq!(
        send("POST", &path, &[named[0], named[1], ("holder-face-verified-at", "soon")]).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    // A holder cannot name somebody else.
    let request = house.request(Some("r02"), "GET", "/api/v1/me/licences").header(named[0].0, named[0].1).header(named[1].0, named[1].1);
    let own = house.send(request.body(Body::empty()).unwrap()).await.json();
    assert!(own["licences"].as_array().unwrap().iter().all(|licence| licence["number"] != "京1112012201990001"), "{own}");
}
