//! What verifiers fetch to judge without a network: the key list and the signed status lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::document::matches;
use super::json::Path;
use super::limits::Anyone;
use super::problem::{Problem, Problems};
use crate::issue::Line;
use crate::sign::KeyList;
use crate::verify::{ENTRIES, Packed, StatusClaims};

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(key_list)).routes(routes!(status_list))
}

/// A list is made anew after this long, also when nothing has changed: who carries it sees that it is fresh.
const FRESH: SignedDuration = SignedDuration::from_hours(1);
/// Who has had no network for longer than this should not rely on it.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(48);

/// The lists as they are sent.
pub struct WellKnown {
    keys: Sent,
    /// By number; at most 256 of them, for all 2³² indices. While one is made, who asks waits, so nothing is made twice.
    lists: Mutex<BTreeMap<u32, Made>>,
}

#[derive(Clone)]
struct Sent {
    body: Bytes,
    etag: String,
}

struct Made {
    /// The register's change counter, and how far the list reached.
    of: (u64, u32),
    at: jiff::Timestamp,
    sent: Sent,
}

impl WellKnown {
    /// The keys are those of the line.
    pub fn new(line: &Line) -> Self {
        let keys = serde_json::to_vec(&KeyList::new(line.trusted())).expect("text always has a JSON form");
        Self { keys: Sent::new(keys), lists: Mutex::default() }
    }
}

impl Sent {
    fn new(body: Vec<u8>) -> Self {
        let etag = format!("\"{}\"", &hex::encode(Sha256::digest(&body))[..32]);
        Self { body: body.into(), etag }
    }

    /// Anybody may keep it for so many seconds, and any page may read it.
    fn answer(self, headers: &HeaderMap, seconds: u32) -> Response {
        let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| matches(value.as_bytes(), &self.etag));
        let common: [(HeaderName, String); 3] = [
            (header::ETAG, self.etag),
            (header::CACHE_CONTROL, format!("public, max-age={seconds}")),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
        ];
        if known {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        (common, [(header::CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}

/// The public keys whose statements count, as `certpress keys export --json` prints them.
#[utoipa::path(get, path = "/.well-known/certpress/keys.json", tag = "public",
    params(("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Object), (status = 304, description = "Unchanged"), Problems))]
async fn key_list(_: Anyone, State(app): State<App>, headers: HeaderMap) -> Response {
    app.well_known.keys.clone().answer(&headers, 3600)
}

/// The signed status list number `n`, which says of 2²⁴ status indices which are not in force (`src/verify/status_list.rs`
/// describes it). List 0 is always there, the others when the register has come so far.
#[utoipa::path(get, path = "/.well-known/certpress/status/{n}", tag = "public",
    params(("n" = u32, Path, maximum = 255), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Object), (status = 304, description = "Unchanged"), Problems))]
async fn status_list(_: Anyone, State(app): State<App>, Path(n): Path<u32>, headers: HeaderMap) -> Result<Response, Problem> {
    Ok(app.status_list(n).await?.answer(&headers, 60))
}

impl App {
    async fn status_list(&self, n: u32) -> Result<Sent, Problem> {
        let head = self.register.store.status_head().await?;
        let first = n.checked_mul(ENTRIES).filter(|&first| n == 0 || first < head.size).ok_or_else(Problem::not_found)?;
        // Both ends as the list has them, so that an index that is new on the same page makes no new list.
        let end = Packed::end(first, head.size);
        let (of, now) = ((head.change, end), self.clock.now());
        let mut lists = self.well_known.lists.lock().await;
        if let Some(made) = lists.get(&n).filter(|made| made.of == of && now.duration_since(made.at) < FRESH) {
            return Ok(made.sent.clone());
        }
        let listed = self.register.store.status_list(first, end).await?;
        let line = Arc::clone(&self.register.line);
        let make = move || {
            let base = line.verify_base();
            let host = base.match_indices('/').nth(2).map_or(base, |(end, _)| &base[..end]);
            let claims = StatusClaims {
                sub: format!("{host}/.well-known/certpress/status/{n}"),
                iat: now.as_second(),
                exp: now.as_second() + GOOD_FOR.as_secs(),
                ttl: FRESH.as_secs() as u32,
                first,
                status_list: Packed::new(first, end, &listed),
            };
            serde_json::to_vec(&line.sign_status_list(&claims)).expect("text always has a JSON form")
        };
        let sent = Sent::new(self.register.gate.run(make).await?);
        lists.insert(n, Made { of, at: now, sent: sent.clone() });
        Ok(sent)
    }
}
