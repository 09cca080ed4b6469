//! What staff do with one licence or with many: look, reissue, suspend, restore, end, and say why there is no file.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::holder::{Entry, Reason, idempotency_key, limit};
use super::identity::{AuditReader, Caller, Staff, Viewer};
use super::json::{Json, Path, Query};
use super::problem::{Problem, Problems};
use super::records::{LicenceRow, Wanted};
use crate::record::Status;
use crate::record::identifier::masked;
use crate::store::{Act, AuditEntry, AuditQuery, Filed, History, Job, JobState, Once};

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(detail))
        .routes(routes!(why))
        .routes(routes!(reissue))
        .routes(routes!(suspend))
        .routes(routes!(restore))
        .routes(routes!(cancel))
        .routes(routes!(revoke))
        .routes(routes!(withdraw))
        .routes(routes!(reissue_many))
        .routes(routes!(audit))
}

/// Progress, which may be listened to for as long as it takes.
pub fn progress() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(job))
}

impl App {
    /// Enters a look in the audit: before the answer goes out, so that none goes out unseen.
    pub async fn looked(&self, subject: &str, action: &str, at: &str) -> Result<(), Problem> {
        Ok(self.register.store.audit_look(&Act::new(subject, self.clock.now()), action, at).await?)
    }

    async fn filed(&self, licence: &str) -> Result<Filed, Problem> {
        self.register.store.licence(licence).await?.ok_or_else(Problem::not_found)
    }
}

/// A licence as staff see it, without its pictures and with the identity number masked.
#[derive(Serialize, ToSchema)]
struct Detail {
    licence: LicenceRow,
    /// The record; `photo` and `signature` say whether they are there.
    record: serde_json::Value,
    /// When this version was filed.
    #[schema(value_type = String, format = DateTime)]
    filed_at: Timestamp,
    /// By whom.
    filed_by: String,
    /// Why.
    filed_because: Option<String>,
    /// The latest 加注, newest first.
    annotations: Vec<Entry>,
}

/// One licence. The look is entered in the audit.
#[utoipa::path(get, path = "/api/v1/licences/{id}", tag = "staff", security(("bearer" = [])), params(("id" = String, Path)),
    responses((status = 200, body = Detail), Problems))]
async fn detail(Viewer(caller): Viewer, State(app): State<App>, Path(id): Path<String>) -> Result<axum::Json<Detail>, Problem> {
    let filed = app.filed(&id).await?;
    app.looked(&caller.subject, "look.licence", &id).await?;
    let mut record: serde_json::Value = serde_json::from_slice(&filed.json).map_err(|e| Problem::internal(&e))?;
    let holder = &mut record["holder"];
    for picture in ["photo", "signature"] {
        holder[picture] = (!holder[picture].is_null()).into();
    }
    holder["id_number"] = masked(holder["id_number"].as_str().unwrap_or_default()).into();
    let history = History { limit: Some(50), ..History::default() };
    let annotations = app.register.store.annotations(&id, &history).await?.into_iter().map(Entry::from).collect();
    Ok(axum::Json(Detail {
        licence: filed.licence.into(),
        record,
        filed_at: filed.at,
        filed_by: filed.actor,
        filed_because: filed.reason,
        annotations,
    }))
}

/// Why a holder can or cannot 加注 and download.
#[derive(Serialize, ToSchema)]
struct Why {
    licence: LicenceRow,
    can_annotate: bool,
    /// Why 加注 is not possible.
    annotate_refused: Option<Reason>,
    can_download: bool,
    /// Why nothing can be downloaded.
    download_refused: Option<Reason>,
    /// The latest 加注.
    latest: Option<Entry>,
}

/// "Why can't this person download?" The look is entered in the audit.
#[utoipa::path(get, path = "/api/v1/licences/{id}/why", tag = "staff", security(("bearer" = [])), params(("id" = String, Path)),
    responses((status = 200, body = Why), Problems))]
async fn why(Viewer(caller): Viewer, State(app): State<App>, Path(id): Path<String>) -> Result<axum::Json<Why>, Problem> {
    let filed = app.filed(&id).await?;
    app.looked(&caller.subject, "look.why", &id).await?;
    let holding = app.register.holding(filed).await?;
    let annotate_refused = holding.next.err().map(|error| Problem::from(error).reason());
    let download_refused = holding.download.err().map(|denied| Problem::from(denied).reason());
    Ok(axum::Json(Why {
        licence: holding.licence.into(),
        can_annotate: annotate_refused.is_none(),
        annotate_refused,
        can_download: download_refused.is_none(),
        download_refused,
        latest: holding.latest.map(Entry::from),
    }))
}

/// Why a clerk does something.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Because {
    /// For the audit; no names.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

fn checked(reason: &str) -> Result<&str, Problem> {
    let reason = reason.trim();
    let sound = (1..=500).contains(&reason.chars().count()) && !reason.chars().any(char::is_control);
    if sound { Ok(reason) } else { Err(Problem::field("reason", "must have 1 to 500 characters and no control characters")) }
}

/// A step in the life of a licence: what the clerk asked for, and how it is done once.
struct Step<'a> {
    caller: Caller,
    app: App,
    headers: &'a HeaderMap,
    because: Because,
    action: &'static str,
    licence: &'a str,
}

impl Step<'_> {
    async fn take(self, to: Option<Status>) -> Result<axum::Json<LicenceRow>, Problem> {
        let Self { caller, app, headers, because, action, licence } = self;
        let reason = checked(&because.reason)?;
        let once = once(headers, &[action, licence, reason])?;
        let act = Act { once, ..Act::new(&caller.subject, app.clock.now()).because(reason) };
        let licence = match to {
            Some(status) => app.register.store.change_status(&act, licence, status).await?,
            None => app.register.store.reissue(&act, licence).await?,
        };
        Ok(axum::Json(licence.into()))
    }
}

fn once<'h>(headers: &'h HeaderMap, request: &[&str]) -> Result<Option<Once<'h>>, Problem> {
    let mut digest = Sha256::new();
    for part in request {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    Ok(idempotency_key(headers)?.map(|key| Once { key, request: digest.finalize().into() }))
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident $path:literal $to:expr;)+) => {$(
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "staff", security(("bearer" = [])),
            params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = Because,
            responses((status = 200, body = LicenceRow), Problems))]
        async fn $name(
            Staff(caller): Staff,
            State(app): State<App>,
            Path(licence): Path<String>,
            headers: HeaderMap,
            Json(because): Json<Because>,
        ) -> Result<axum::Json<LicenceRow>, Problem> {
            Step { caller, app, headers: &headers, because, action: stringify!($name), licence: &licence }.take($to).await
        }
    )+};
}

steps! {
    /// 换发: the next version; the one before is superseded in the same step.
    reissue "/api/v1/licences/{id}/reissue" None;
    /// 暂扣.
    suspend "/api/v1/licences/{id}/suspend" Some(Status::Suspended);
    /// Lifts a 暂扣.
    restore "/api/v1/licences/{id}/restore" Some(Status::Valid);
    /// 注销.
    cancel "/api/v1/licences/{id}/cancel" Some(Status::Cancelled);
    /// 撤销.
    revoke "/api/v1/licences/{id}/revoke" Some(Status::Revoked);
    /// 吊销.
    withdraw "/api/v1/licences/{id}/withdraw" Some(Status::Withdrawn);
}

/// A bulk reissue.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReissueMany {
    /// Which licences; all when absent.
    search: Option<Wanted>,
    /// For the audit.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// How far a bulk job is.
#[derive(Serialize, ToSchema)]
struct Progress {
    id: String,
    /// `running`, `finished` or `stopped`.
    #[schema(value_type = String)]
    state: JobState,
    /// Licences found when it began.
    total: u64,
    /// Reissued.
    done: u64,
    /// Not reissued.
    failed: u64,
    /// How many for which reason: a refusal's code, `versions-used-up`, `invalid`.
    reasons: BTreeMap<String, u64>,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    reason: Option<String>,
}

impl From<Job> for Progress {
    fn from(Job { id, state, total, done, failed, reasons, at, reason, .. }: Job) -> Self {
        Self { id, state, total, done, failed, reasons, at, reason }
    }
}

/// Reissues all that a search finds, as a job that survives a restart.
#[utoipa::path(post, path = "/api/v1/jobs/reissue", tag = "staff", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header)), request_body = ReissueMany,
    responses((status = 202, body = Progress, headers(("Location" = String))), Problems))]
async fn reissue_many(
    Staff(caller): Staff,
    State(app): State<App>,
    headers: HeaderMap,
    Json(wanted): Json<ReissueMany>,
) -> Result<impl IntoResponse, Problem> {
    let reason = checked(&wanted.reason)?;
    let search = wanted.search.unwrap_or_default().search()?;
    let asked = serde_json::to_string(&search).map_err(|e| Problem::internal(&e))?;
    let once = once(&headers, &["jobs/reissue", &asked, reason])?;
    let act = Act { once, ..Act::new(&caller.subject, app.clock.now()).because(reason) };
    let job = app.register.store.create_job(&act, &search, &[]).await?;
    let location = format!("/api/v1/jobs/{}", job.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], axum::Json(Progress::from(job))))
}

/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(500);

/// A job's progress; with `Accept: text/event-stream` again and again until it ends.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "staff", security(("bearer" = [])), params(("id" = String, Path)),
    responses((status = 200, content((Progress = "application/json"), (String = "text/event-stream"))), Problems))]
async fn job(_: Viewer, State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let job = app.register.store.job(&id).await?.ok_or_else(Problem::not_found)?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/event-stream") {
        return Ok(axum::Json(Progress::from(job)).into_response());
    }
    let events = stream::unfold(Some(job), move |next| {
        let (app, id) = (app.clone(), id.clone());
        async move {
            let job = next?;
            let running = job.state == JobState::Running;
            let event = Event::default().event("progress").json_data(Progress::from(job)).unwrap_or_default();
            let next = if running {
                tokio::select! {
                    () = tokio::time::sleep(PROGRESS) => {}
                    () = app.stopped() => return Some((Ok::<_, Infallible>(event), None)),
                }
                app.register.store.job(&id).await.ok().flatten()
            } else {
                None
            };
            Some((Ok(event), next))
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// Which entries of the audit to show.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Entries {
    /// By whom.
    actor: Option<String>,
    /// On what: the id of a licence, an annotation, a job.
    subject: Option<String>,
    /// From this instant on (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before this instant (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// The `next` of the page before.
    cursor: Option<i64>,
    /// How many at most.
    #[param(minimum = 1, maximum = 499)]
    limit: Option<u32>,
}

/// An entry of the audit.
#[derive(Serialize, ToSchema)]
struct Audited {
    seq: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    actor: String,
    action: String,
    subject: String,
    reason: Option<String>,
    before: Option<String>,
    after: Option<String>,
    /// Hash of the entry before.
    prev: String,
    /// SHA-256 over the canonical JSON of all the above.
    hash: String,
}

impl From<AuditEntry> for Audited {
    fn from(AuditEntry { seq, at, actor, action, subject, reason, before, after, prev, hash }: AuditEntry) -> Self {
        Self { seq, at, actor, action, subject, reason, before, after, prev, hash }
    }
}

/// A page of the audit, newest first.
#[derive(Serialize, ToSchema)]
struct AuditPage {
    entries: Vec<Audited>,
    /// The `cursor` of the next page, if there is one.
    next: Option<u64>,
}

/// The audit, newest first: every change and every look, each entry chained to the one before.
#[utoipa::path(get, path = "/api/v1/audit", tag = "staff", security(("bearer" = [])), params(Entries),
    responses((status = 200, body = AuditPage), Problems))]
async fn audit(
    AuditReader(caller): AuditReader,
    State(app): State<App>,
    Query(entries): Query<Entries>,
) -> Result<axum::Json<AuditPage>, Problem> {
    let Entries { actor, subject, from, to, cursor, limit: asked } = entries;
    let limit = limit(asked, 100)?;
    let query = AuditQuery { actor, subject, from, to, before: cursor.map(|seq| seq.max(0) as u64), limit: Some(limit + 1) };
    let mut found = app.register.store.audit(&query).await?;
    app.looked(&caller.subject, "look.audit", "audit").await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.seq);
    Ok(axum::Json(AuditPage { entries: found.into_iter().map(Audited::from).collect(), next }))
}
