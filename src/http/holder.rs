//! What a holder does: see their licences, 加注, look up the history.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::identity::{Owner, PresentOwner};
use super::json::{Json, Path, Query};
use super::problem::{Problem, Problems};
use crate::annotation::UsePeriod;
use crate::clock::{SHANGHAI, shanghai_date};
use crate::issue::register::{Holding, Person};
use crate::store::{Annotation, History, Once};

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(licences)).routes(routes!(history, annotate)).routes(routes!(entry))
}

impl Owner {
    /// Whose licences they may see.
    pub fn person(&self) -> Person<'_> {
        Person { id_type: &self.id_type, id_number: &self.id_number }
    }
}

/// A reason, as it is shown.
#[derive(Serialize, ToSchema)]
pub struct Reason {
    /// For programs: `photo-missing`.
    pub code: String,
    /// What to show.
    pub message: String,
    /// What can be done.
    pub remedy: String,
}

/// A use period; none for types without one.
#[derive(Serialize, ToSchema)]
pub struct Period {
    /// First day.
    #[schema(value_type = String, format = Date)]
    use_from: Date,
    /// Last day, included.
    #[schema(value_type = String, format = Date)]
    use_to: Date,
    /// Days from first to last.
    days: i32,
    /// What decided the last day: `days`, `registration`, `age`; absent when the holder chose an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    capped_by: Option<crate::annotation::Cap>,
}

impl From<UsePeriod> for Period {
    fn from(UsePeriod { from, to, days, capped_by }: UsePeriod) -> Self {
        Self { use_from: from, use_to: to, days, capped_by }
    }
}

/// A licence in 我的证照.
#[derive(Serialize, ToSchema)]
struct MyLicence {
    /// Stands in addresses.
    id: String,
    /// Licence type.
    licence_type: String,
    /// 证照名称.
    title: String,
    /// 注册编号 or 证书编号.
    number: String,
    holder_name: String,
    employer_name: Option<String>,
    version: u16,
    status: &'static str,
    /// Last day of the registration.
    #[schema(value_type = Option<String>, format = Date)]
    expires: Option<Date>,
    /// Whether 加注 is possible now.
    can_annotate: bool,
    /// The use period that 加注 would give now.
    next_period: Option<Period>,
    /// Why 加注 is not possible.
    refusal: Option<Reason>,
    /// The latest 加注.
    latest: Option<Entry>,
    /// Whether PDF and OFD of the latest can be downloaded now.
    can_download: bool,
    /// 无电子证书的原因: why there is no file now.
    no_file_because: Option<Reason>,
}

impl MyLicence {
    fn new(app: &App, holding: Holding) -> Self {
        let Holding { licence, next, latest, download } = holding;
        let title = app.register.line.layouts().find(&licence.licence_type).map_or("", |layout| &layout.name).to_owned();
        let (next_period, refusal) = match next {
            Ok(period) => (period.map(Period::from), None),
            Err(error) => (None, Some(Problem::from(error).reason())),
        };
        let denied = download.err().map(|denied| Problem::from(denied).reason());
        // Why there can be no file says more than that there is none.
        let no_file_because = denied.map(|denied| refusal.as_ref().map_or(denied, Reason::again));
        Self {
            id: licence.id,
            licence_type: licence.licence_type,
            title,
            number: licence.number,
            holder_name: licence.holder_name,
            employer_name: licence.employer_name,
            version: licence.version,
            status: licence.status.as_str(),
            expires: licence.expires,
            can_annotate: refusal.is_none(),
            next_period,
            refusal,
            latest: latest.map(Entry::from),
            can_download: no_file_because.is_none(),
            no_file_because,
        }
    }
}

impl Reason {
    fn again(&self) -> Self {
        Self { code: self.code.clone(), message: self.message.clone(), remedy: self.remedy.clone() }
    }
}

/// An entry of the history.
#[derive(Serialize, ToSchema)]
pub struct Entry {
    /// Stands in addresses.
    id: String,
    /// The licence.
    licence: String,
    /// Version of the licence.
    version: u16,
    /// From 1, without gaps.
    number: u32,
    /// 加注时间.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The civil date of it in Asia/Shanghai.
    #[schema(value_type = String, format = Date)]
    day: Date,
    /// 使用有效期.
    period: Option<Period>,
    /// `ready`, or `sealing` while the signature is under way.
    state: &'static str,
    /// The files.
    files: Files,
}

/// Where the files of an entry are.
#[derive(Serialize, ToSchema)]
struct Files {
    pdf: String,
    ofd: String,
    preview: String,
}

impl From<Annotation> for Entry {
    fn from(annotation: Annotation) -> Self {
        let sealed = annotation.digits.is_some();
        Self::new(annotation, sealed)
    }
}

impl Entry {
    fn new(annotation: Annotation, sealed: bool) -> Self {
        let file = |name: &str| format!("/api/v1/annotations/{}/{name}", annotation.id);
        let files = Files { pdf: file("document.pdf"), ofd: file("document.ofd"), preview: file("preview.png") };
        Self {
            files,
            licence: annotation.licence,
            version: annotation.version,
            number: annotation.number,
            at: annotation.at,
            day: shanghai_date(annotation.at),
            period: annotation.period.map(Period::from),
            state: if sealed { "ready" } else { "sealing" },
            id: annotation.id,
        }
    }
}

/// 我的证照.
#[derive(Serialize, ToSchema)]
struct MyLicences {
    licences: Vec<MyLicence>,
}

/// 我的证照: all of them, those without a file with the reason.
#[utoipa::path(get, path = "/api/v1/me/licences", tag = "holder", security(("bearer" = [])),
    responses((status = 200, body = MyLicences), Problems))]
async fn licences(owner: Owner, State(app): State<App>) -> Result<axum::Json<MyLicences>, Problem> {
    let holdings = app.register.holdings(owner.person()).await?;
    let licences = holdings.into_iter().map(|holding| MyLicence::new(&app, holding)).collect();
    Ok(axum::Json(MyLicences { licences }))
}

/// Chosen dates, for types whose holder chooses; today and the registration's end when absent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Chosen {
    /// First day.
    #[schema(value_type = Option<String>, format = Date)]
    use_from: Option<Date>,
    /// Last day.
    #[schema(value_type = Option<String>, format = Date)]
    use_to: Option<Date>,
}

/// A 加注 that was made.
#[derive(Serialize, ToSchema)]
struct Annotated {
    /// 加注成功！
    message: &'static str,
    #[serde(flatten)]
    entry: Entry,
}

/// 加注.
#[utoipa::path(post, path = "/api/v1/licences/{id}/annotations", tag = "holder", security(("bearer" = [])),
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same answer")),
    request_body(content = Option<Chosen>, description = "May be empty"),
    responses(
        (status = 201, body = Annotated, headers(("Location" = String))),
        (status = 202, body = Annotated, description = "Recorded; sealing is under way", headers(("Location" = String))),
        Problems
    ))]
async fn annotate(
    PresentOwner(owner): PresentOwner,
    State(app): State<App>,
    Path(licence): Path<String>,
    headers: HeaderMap,
    Json(chosen): Json<Chosen>,
) -> Result<Response, Problem> {
    let Chosen { use_from, use_to } = chosen;
    let key = idempotency_key(&headers)?;
    let mut request = Sha256::new();
    for part in ["annotate", &licence, &owner.id_type, &owner.id_number, &format!("{use_from:?} {use_to:?}")] {
        request.update((part.len() as u64).to_be_bytes());
        request.update(part);
    }
    let once = key.map(|key| Once { key, request: request.finalize().into() });
    let annotation = app.register.annotate(&owner.subject, owner.person(), &licence, (use_from, use_to), once).await?;
    let location = format!("/api/v1/annotations/{}", annotation.id);
    let sealed = app.register.sealed(&annotation).await;
    let (status, message) =
        if sealed { (StatusCode::CREATED, "加注成功！") } else { (StatusCode::ACCEPTED, "正在生成证照，请耐心等待！") };
    let annotated = Annotated { message, entry: Entry::new(annotation, sealed) };
    Ok((status, [(header::LOCATION, location)], axum::Json(annotated)).into_response())
}

/// The `Idempotency-Key`: any text without control characters that is not too long.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().map(str::trim).filter(|key| (1..=200).contains(&key.len()));
    key.map(Some).ok_or_else(|| Problem::field("Idempotency-Key", "must have 1 to 200 characters of plain ASCII"))
}

/// Which part of the history to show.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Span {
    /// 加注时间, from this day on (Asia/Shanghai).
    #[param(value_type = Option<String>, format = Date)]
    from: Option<Date>,
    /// 加注时间, up to and including this day.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<Date>,
    /// The `next` of the page before.
    cursor: Option<u32>,
    /// How many at most.
    #[param(minimum = 1, maximum = 499)]
    limit: Option<u32>,
}

/// A page of the history, newest first.
#[derive(Serialize, ToSchema)]
struct Entries {
    annotations: Vec<Entry>,
    /// The `cursor` of the next page, if there is one.
    next: Option<u32>,
}

/// 加注历史, newest first, by 加注时间.
#[utoipa::path(get, path = "/api/v1/licences/{id}/annotations", tag = "holder", security(("bearer" = [])),
    params(("id" = String, Path), Span), responses((status = 200, body = Entries), Problems))]
async fn history(
    owner: Owner,
    State(app): State<App>,
    Path(licence): Path<String>,
    Query(span): Query<Span>,
) -> Result<axum::Json<Entries>, Problem> {
    let limit = limit(span.limit, 50)?;
    let midnight = |day: Date| {
        let start = TimeZone::fixed(SHANGHAI).to_timestamp(day.at(0, 0, 0, 0));
        start.map_err(|_| Problem::field("from", "is out of range"))
    };
    let history = History {
        from: span.from.map(midnight).transpose()?,
        to: span.to.map(|day| day.tomorrow().map_err(|_| Problem::field("to", "is out of range")).and_then(midnight)).transpose()?,
        before: span.cursor,
        // One more tells whether there is a next page.
        limit: Some(limit + 1),
    };
    let mut found = app.register.history(owner.person(), &licence, &history).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.number);
    Ok(axum::Json(Entries { annotations: found.into_iter().map(Entry::from).collect(), next }))
}

/// One 加注: what became of one that was answered with 202.
#[utoipa::path(get, path = "/api/v1/annotations/{id}", tag = "holder", security(("bearer" = [])), params(("id" = String, Path)),
    responses((status = 200, body = Entry), Problems))]
async fn entry(owner: Owner, State(app): State<App>, Path(id): Path<String>) -> Result<axum::Json<Entry>, Problem> {
    let Person { id_type, id_number } = owner.person();
    let found = app.register.store.annotation_of(id_type, id_number, &id).await?;
    let (annotation, _) = found.ok_or_else(Problem::not_found)?;
    let sealed = app.register.sealed(&annotation).await;
    Ok(axum::Json(Entry::new(annotation, sealed)))
}

/// How many to show on a page.
pub fn limit(asked: Option<u32>, usual: u32) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(usual);
    if (1..=499).contains(&limit) { Ok(limit) } else { Err(Problem::field("limit", "must be 1 to 499")) }
}
