//! The pages: 我的证照, the verifier's page and the staff desk, over the same register as the API. What changes something
//! goes through the API; here is only what is looked at.

mod answers;
mod assets;
mod desk;
mod my;
mod verify;
mod view;
mod visitor;
mod words;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};

use super::App;
use super::problem::Problem;
pub use my::short;
pub use verify::answered;
pub use visitor::Visitor;

/// The routes.
pub fn routes() -> Router<App> {
    let small = CompressionLayer::new().compress_when(DefaultPredicate::new().and(NotForContentType::new("application/vnd")));
    Router::new()
        .route("/", get(home))
        .merge(my::routes())
        .merge(verify::routes())
        .merge(desk::routes())
        .merge(assets::routes())
        .layer(small)
}

/// The page of whoever comes.
async fn home(visitor: Visitor) -> Response {
    Redirect::to(visitor.page().home()).into_response()
}

/// An address that leads nowhere, said as whoever asked reads it.
pub async fn nowhere(visitor: Visitor, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let problem = Problem::not_found();
    if accepts.contains("text/html") { visitor.problem(&problem) } else { problem.into_response() }
}

/// What is not told apart from what is not there.
fn not_found<T>(found: Option<T>) -> Result<T, Problem> {
    found.ok_or_else(Problem::not_found)
}
