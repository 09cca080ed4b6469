//! What is told about requests: an id, a log line and numbers, and nothing personal in any of them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::time::Instant;

use super::App;
use super::connection::Peer;

/// A request's id, taken over from a proxy or made here, also in the answer and in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Seconds that tell a good day from a bad one.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

/// Counts requests and hands out the numbers.
pub struct Telemetry {
    numbers: PrometheusHandle,
    begun: i64,
    count: AtomicU64,
}

impl Telemetry {
    /// Counting starts once in a process.
    pub fn new(now: jiff::Timestamp) -> Self {
        static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
        let numbers = RECORDER.get_or_init(|| {
            let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).expect("there is at least one bucket");
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("somebody else counts already; /metrics stays empty");
            }
            handle
        });
        Self { numbers: numbers.clone(), begun: now.as_millisecond(), count: AtomicU64::new(0) }
    }

    /// The numbers in the form that Prometheus reads.
    pub fn render(&self) -> String {
        self.numbers.run_upkeep();
        self.numbers.render()
    }

    /// Tells requests of one process from those of another and from each other; it is no secret.
    fn request_id(&self) -> String {
        format!("{:x}-{:x}-{:x}", self.begun, std::process::id(), self.count.fetch_add(1, Ordering::Relaxed))
    }
}

/// Every request passes here first and last.
pub async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let answering = request.extensions().get::<ConnectInfo<Peer>>().map(|ConnectInfo(peer)| peer.begin());
    let id = request.headers().get(&REQUEST_ID).filter(|id| sound(id)).cloned();
    let id = id.unwrap_or_else(|| HeaderValue::try_from(app.telemetry.request_id()).expect("hexadecimal digits and hyphens"));
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = request.method().clone();
    // The route's pattern, not the address: that may hold ids and digits of QR codes.
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());

    let mut response = next.run(request).await;

    drop(answering);
    let (status, seconds) = (response.status().as_u16(), began.elapsed().as_secs_f64());
    let id_text = id.to_str().unwrap_or_default();
    tracing::info!(%method, route, status, ms = (seconds * 1e4).round() / 10.0, request = id_text, "answered");
    let labels = [("method", method.to_string()), ("route", route), ("status", status.to_string())];
    metrics::counter!("certpress_requests_total", &labels).increment(1);
    metrics::histogram!("certpress_request_seconds", &labels[..2]).record(seconds);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    for (name, value) in SECURITY {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn sound(id: &HeaderValue) -> bool {
    (1..=64).contains(&id.len()) && id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

/// Headers that keep browsers from doing more with an answer than it was meant for. A route may set its own.
const SECURITY: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
];
