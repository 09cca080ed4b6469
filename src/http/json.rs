//! Bodies, addresses and queries as routes receive them: strict, with problems that say what is wrong and where.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::App;
use super::problem::{Code, Problem};

/// A JSON body. An empty body counts as an object without fields.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = Bytes::from_request(request, app).await?;
        if bytes.is_empty() {
            return parse(b"{}").map(Self);
        }
        let media_type = content_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
            return Err(Problem::new(Code::UnsupportedType, "the body must be application/json"));
        }
        parse(&bytes).map(Self)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::json(&error))
}

/// What an address says between its slashes.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub struct Path<T>(pub T);

/// What an address says after its question mark.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub struct Query<T>(pub T);
