//! Whether the service lives and whether it can work, and its numbers.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::problem::{Problem, Problems};

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}

/// What is served on the port of its own.
pub fn metrics(app: App) -> Router {
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    let render = async move |State(app): State<App>| (text, app.telemetry.render()).into_response();
    Router::new().route("/metrics", axum::routing::get(render)).with_state(app)
}

#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = Health), Problems))]
async fn alive() -> Json<Health> {
    Json(Health { status: "alive" })
}

/// Whether register, signer, disk and identity provider can be used.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses((status = 200, body = Health), Problems))]
async fn ready(State(app): State<App>) -> Result<Json<Health>, Problem> {
    if !app.identity.ready() {
        return Err(Problem::busy("the identity provider's keys have not been read yet", 5));
    }
    app.register.ready().await?;
    Ok(Json(Health { status: "ready" }))
}
