//! The service: routes, roles, problems and pages around the register. OPERATING.md tells the roles.

mod connection;
mod demo;
mod document;
mod faults;
mod forms;
mod health;
mod holder;
mod identity;
mod json;
mod limits;
mod observe;
mod pages;
mod problem;
mod public;
mod records;
mod serve;
mod staff;
mod well_known;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::{Json, Router, middleware};
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::clock::Clock;
use crate::config::ServiceSettings;
use crate::issue::register::Register;
use crate::sign::Anchors;

pub use demo::{Demo, SAMPLES};
pub use identity::{Claims, Identity};
pub use observe::Telemetry;
pub use problem::{Code, Problem};
pub use serve::serve;

/// How long an ordinary request may take, its body included.
const ORDINARY: Duration = Duration::from_secs(30);

/// How long a body may pause.
const BODY_PAUSE: Duration = Duration::from_secs(15);

/// What all routes share. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// The parts of an [`App`].
pub struct Shared {
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// Believes tokens.
    pub identity: Arc<Identity>,
    /// The register.
    pub register: Arc<Register>,
    /// The certificates under which files are signed.
    pub anchors: Anchors,
    /// What is handed in and not yet judged.
    desk: public::Desk,
    /// The key list and the status lists.
    well_known: well_known::WellKnown,
    /// How often one caller may ask.
    pub limits: limits::Limits,
    /// Counts what happens.
    pub telemetry: Telemetry,
    /// The issuer of a demonstration; none in production.
    pub demo: Option<Demo>,
    largest_batch: usize,
    stopping: watch::Sender<bool>,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// What an [`App`] is made of.
pub struct Parts {
    /// The register.
    pub register: Register,
    /// The certificates under which files are signed.
    pub anchors: Anchors,
    /// Believes tokens.
    pub identity: Arc<Identity>,
    /// Counts what happens.
    pub telemetry: Telemetry,
    /// The issuer of a demonstration.
    pub demo: Option<Demo>,
}

impl App {
    /// Puts the parts together.
    pub fn new(settings: &ServiceSettings, parts: Parts) -> Self {
        let Parts { register, anchors, identity, telemetry, demo } = parts;
        let (clock, limits) = (Arc::clone(&register.clock), limits::Limits::new(settings));
        let largest_batch = settings.limits.records_mb * 1024 * 1024;
        let register = Arc::new(register);
        let (desk, well_known) = (public::Desk::default(), well_known::WellKnown::new(&register.line));
        let stopping = watch::Sender::new(false);
        Self(Arc::new(Shared { clock, identity, register, anchors, desk, well_known, limits, telemetry, demo, largest_batch, stopping }))
    }

    /// Asks everything that would go on for ever to end.
    fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits until [`App::stop`].
    fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.stopping.subscribe();
        async move {
            // An error means that the service is gone, which is also the end.
            stopping.wait_for(|stopping| *stopping).await.ok();
        }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "certpress", description = "Electronic licences: 加注, download, the register, checking."),
    modifiers(&Bearer),
    components(schemas(problem::FieldError))
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        api.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// All routes, with what every request passes on its way in and out.
pub fn router(app: &App) -> Router {
    let ordinary = OpenApiRouter::new()
        .merge(health::routes())
        .merge(holder::routes())
        .merge(document::routes())
        .merge(public::routes())
        .merge(records::routes())
        .merge(staff::routes())
        .merge(well_known::routes())
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, ORDINARY))
        .layer(limits::body(limits::ORDINARY_BODY));
    let uploads = OpenApiRouter::new()
        .merge(public::uploads())
        .merge(forms::routes())
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, ORDINARY))
        .layer(limits::body(limits::LARGEST_UPLOAD));
    let unhurried = OpenApiRouter::new().merge(records::loading()).merge(staff::progress()).layer(limits::body(app.largest_batch));
    let (routes, api) = OpenApiRouter::with_openapi(Api::openapi()).merge(ordinary).merge(uploads).merge(unhurried).split_for_parts();
    let pages = app.demo.is_some().then(demo::routes).unwrap_or_default();
    routes
        .merge(pages)
        .merge(pages::routes())
        .route("/openapi.json", axum::routing::get(|| async { Json(api) }))
        .fallback(pages::nowhere)
        .method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED.into_response())
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE))
        .layer(CatchPanicLayer::new())
        .layer(middleware::map_response(problem::explained))
        .layer(middleware::from_fn_with_state(app.clone(), observe::observe))
        .with_state(app.clone())
}
