//! Style, scripts and pictures of the pages, compiled into the binary.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use super::super::App;
use super::super::problem::Problem;
use super::words;

const JS: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// Name, media type and content.
const ASSETS: [(&str, &str, &str); 14] = [
    ("style.css", "text/css; charset=utf-8", include_str!("style.css")),
    ("emblem.svg", "image/svg+xml", include_str!("../../../layouts/art/emblem.svg")),
    ("guilloche.svg", "image/svg+xml", include_str!("guilloche.svg")),
    ("page.js", JS, include_str!("page.js")),
    ("words.js", JS, include_str!("words.js")),
    ("my.js", JS, include_str!("my.js")),
    ("verify.js", JS, include_str!("verify.js")),
    ("offline.js", JS, include_str!("offline.js")),
    ("capsule.js", JS, include_str!("capsule.js")),
    ("desk.js", JS, include_str!("desk.js")),
    ("sw.js", JS, include_str!("sw.js")),
    ("english.json", JSON, words::ENGLISH),
    ("answers.json", JSON, super::answers::ANSWERS),
    ("verify.webmanifest", "application/manifest+json", include_str!("verify.webmanifest")),
];

/// By their content: nothing else tells one release's scripts from another's.
static TAGS: LazyLock<[String; ASSETS.len()]> =
    LazyLock::new(|| ASSETS.map(|(_, _, content)| format!("\"{}\"", hex::encode(&Sha256::digest(content)[..8]))));

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/assets/types.json", get(types))
        .route("/assets/{name}", get(async |Path(name): Path<String>, headers: HeaderMap| asset(&name, &headers)))
        // A worker controls what lies below its own address.
        .route("/sw.js", get(async |headers: HeaderMap| asset("sw.js", &headers)))
        .route("/favicon.ico", get(async |headers: HeaderMap| asset("emblem.svg", &headers)))
}

fn asset(name: &str, headers: &HeaderMap) -> Response {
    let Some(place) = ASSETS.iter().position(|(known, _, _)| *known == name) else {
        return Problem::not_found().into_response();
    };
    let ((_, media_type, content), tag) = (ASSETS[place], TAGS[place].as_str());
    let about = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(header::CONTENT_TYPE, media_type)], content).into_response()
}

/// The licence types by their number in QR codes, for answers without a network.
async fn types(State(app): State<App>) -> impl IntoResponse {
    let types: serde_json::Map<_, _> =
        app.register.line.layouts().iter().map(|layout| (layout.qr_code.to_string(), layout.name.clone().into())).collect();
    ([(header::CACHE_CONTROL, "no-cache")], axum::Json(types))
}
