//! Records as staff and the portal load them, one or a stream, and as staff find them.

use std::convert::Infallible;
use std::fs::File;
use std::io::{Seek as _, Write as _};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::identity::{Loader, Viewer};
use super::json::{Json, Query};
use super::problem::{Code, FieldError, Problem, Problems};
use crate::issue::register::{RegisterError, Row};
use crate::record::{self, Input, Kind, Status};
use crate::store::{Act, Licence, LoadChange, Search};

/// Loading, which may take long and bring much.
pub fn loading() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(load))
}

/// Finding.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(search))
}

/// A licence as staff see it in lists.
#[derive(Serialize, ToSchema)]
pub struct LicenceRow {
    /// Stands in addresses.
    id: String,
    licence_type: String,
    number: String,
    holder_name: String,
    employer_name: Option<String>,
    employer_code: Option<String>,
    version: u16,
    /// `valid`, `suspended`, `cancelled`, `revoked` or `withdrawn`.
    status: &'static str,
    /// Last day of the registration.
    #[schema(value_type = Option<String>, format = Date)]
    expires: Option<Date>,
}

impl From<Licence> for LicenceRow {
    fn from(licence: Licence) -> Self {
        let Licence { id, licence_type, number, holder_name, employer_name, employer_code, version, status, expires, .. } = licence;
        Self { id, licence_type, number, holder_name, employer_name, employer_code, version, status: status.as_str(), expires }
    }
}

/// What became of one record.
#[derive(Serialize, ToSchema)]
struct Loaded {
    /// Line or row.
    row: String,
    /// The licence's number, when it could be read.
    number: Option<String>,
    /// `new`, `new-version`, `status`, `equal`, `refused` or `invalid`.
    result: &'static str,
    /// The licence's id.
    licence: Option<String>,
    /// Its version now.
    version: Option<u16>,
    /// What is wrong.
    errors: Vec<FieldError>,
    /// What was accepted but should be looked at.
    warnings: Vec<FieldError>,
}

impl From<Row> for Loaded {
    fn from(Row { place, number, licence, change, errors, warnings }: Row) -> Self {
        let mut errors: Vec<_> = errors.iter().map(FieldError::from).collect();
        let result = match change {
            Some(LoadChange::New) => "new",
            Some(LoadChange::NewVersion) => "new-version",
            Some(LoadChange::Status) => "status",
            Some(LoadChange::Equal) => "equal",
            Some(LoadChange::Refused(why)) => {
                errors.push(FieldError::new(None, None, why));
                "refused"
            }
            None => "invalid",
        };
        let (licence, version) = licence.unzip();
        let row = place.trim_start_matches(':').to_owned();
        Self { row, number, result, licence, version, errors, warnings: warnings.iter().map(FieldError::from).collect() }
    }
}

/// How many records are loaded in one step: while one is written, the next is read.
const STEP: usize = 200;

/// Loads one record (JSON), or many (NDJSON, CSV, XLSX, a JSON array) with a line for each in the answer. Pictures count
/// only as `data:`. Loading an equal record again changes nothing.
#[utoipa::path(put, path = "/api/v1/records", tag = "staff", security(("bearer" = [])),
    request_body(content(
        (serde_json::Value = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    )),
    responses(
        (status = 200, content((Loaded = "application/json"), (String = "application/x-ndjson"))),
        (status = 201, body = Loaded),
        Problems
    ))]
async fn load(Loader(caller): Loader, State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let kind = kind(request.headers())?;
    let file = spool(request.into_body(), app.largest_batch).await?;
    let mut inputs = steps(file, kind);
    let first = inputs.recv().await.unwrap_or_default();
    if kind == Kind::Json && first.len() == 1 {
        return one(&app, &caller.subject, first).await;
    }
    let (lines, answer) = mpsc::channel::<Result<Bytes, Infallible>>(4);
    tokio::spawn(async move {
        let read = async |step: Vec<Input>| if step.is_empty() { Ok(Vec::new()) } else { app.register.read(app.clock.now(), step).await };
        let mut next = read(first).await;
        loop {
            let (text, goes_on) = match next {
                Ok(step) if step.is_empty() => return,
                Ok(step) => {
                    let act = Act::new(&caller.subject, app.clock.now());
                    let following = async { read(inputs.recv().await.unwrap_or_default()).await };
                    let (filed, following) = tokio::join!(app.register.file_all(&act, step), following);
                    next = following;
                    match filed {
                        Ok(rows) => (rows.into_iter().map(|row| json_line(&Loaded::from(row))).collect::<String>(), true),
                        Err(error) => (json_line(&failed(error)), false),
                    }
                }
                Err(error) => {
                    next = Ok(Vec::new());
                    (json_line(&failed(error)), false)
                }
            };
            if lines.send(Ok(text.into())).await.is_err() || !goes_on {
                return;
            }
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(ReceiverStream::new(answer))).into_response())
}

/// The last line when loading could not go on: what stands above it is loaded, nothing after it.
#[derive(Serialize)]
struct Failed {
    result: &'static str,
    code: &'static str,
    message: &'static str,
}

fn failed(error: RegisterError) -> Failed {
    let code = Problem::from(error).code.as_str();
    Failed { result: "failed", code, message: "loading stopped here; send the rest again, records already loaded are left as they are" }
}

fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("text and numbers always have a JSON form") + "\n"
}

async fn one(app: &App, subject: &str, input: Vec<Input>) -> Result<Response, Problem> {
    let act = Act::new(subject, app.clock.now());
    let row = app.register.load(&act, input).await?.pop().map(Loaded::from);
    let row = row.ok_or_else(|| Problem::new(Code::Malformed, "the body holds no record"))?;
    match row.result {
        "invalid" => Err(Problem::invalid(row.errors)),
        "refused" => Err(Problem::new(Code::WrongState, row.errors.first().map_or("", |e| &e.message))),
        "new" => Ok((StatusCode::CREATED, axum::Json(row)).into_response()),
        _ => Ok(axum::Json(row).into_response()),
    }
}

/// The kind of records that a body says it is.
pub fn kind(headers: &HeaderMap) -> Result<Kind, Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Kind::Json),
        "application/x-ndjson" | "application/jsonl" | "application/x-jsonlines" => Ok(Kind::Lines),
        "text/csv" => Ok(Kind::Csv),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Ok(Kind::Xlsx),
        _ => {
            let detail = "send application/json, application/x-ndjson, text/csv or \
                          application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
            Err(Problem::new(Code::UnsupportedType, detail).remedied("请改用 JSON、NDJSON、CSV 或 XLSX 文件。"))
        }
    }
}

/// Receives the body into a file without a name: nothing is done before all of it is here.
pub async fn spool(body: Body, largest: usize) -> Result<File, Problem> {
    let mut file = tempfile::tempfile().map_err(|e| Problem::internal(&e))?;
    let mut body = body.into_data_stream();
    let mut size = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Problem::new(Code::Malformed, "the body could not be read to its end"))?;
        size += chunk.len();
        if size > largest {
            return Err(Problem::new(Code::TooLarge, "the body is larger than is accepted here"));
        }
        // Short writes into the page cache; a thread for each would cost more.
        file.write_all(&chunk).map_err(|e| Problem::internal(&e))?;
    }
    file.rewind().map_err(|e| Problem::internal(&e))?;
    Ok(file)
}

/// Splits a file into steps, on a thread of its own and not faster than they are loaded.
fn steps(file: File, kind: Kind) -> mpsc::Receiver<Vec<Input>> {
    let (send, receive) = mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        let mut inputs = record::sent(file, kind);
        loop {
            let step: Vec<_> = inputs.by_ref().take(STEP).collect();
            if step.is_empty() || send.blocking_send(step).is_err() {
                return;
            }
        }
    });
    receive
}

/// What may stand in an address: nothing about a person.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Listing {
    /// Licence type.
    licence_type: Option<String>,
    /// How the number begins.
    number: Option<String>,
    /// How the company's name begins.
    employer: Option<String>,
    /// Whether it is in force.
    #[param(inline)]
    status: Option<StatusWord>,
    /// Registration ends on this day or later.
    #[param(value_type = Option<String>, format = Date)]
    expires_from: Option<Date>,
    /// Registration ends before this day.
    #[param(value_type = Option<String>, format = Date)]
    expires_before: Option<Date>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 499)]
    limit: Option<u32>,
}

/// A status, as records write it.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StatusWord {
    Valid,
    Suspended,
    Cancelled,
    Revoked,
    Withdrawn,
}

impl StatusWord {
    const fn word(self) -> &'static str {
        match self {
            Self::Valid => Status::Valid,
            Self::Suspended => Status::Suspended,
            Self::Cancelled => Status::Cancelled,
            Self::Revoked => Status::Revoked,
            Self::Withdrawn => Status::Withdrawn,
        }
        .as_str()
    }
}

/// The same with a person's name or identity document, which belong in a body.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Licence type.
    licence_type: Option<String>,
    /// How the number begins.
    number: Option<String>,
    /// How the holder's name begins.
    name: Option<String>,
    /// How the company's name begins.
    employer: Option<String>,
    /// The holder's identity document, exactly.
    identity: Option<Document>,
    /// Whether it is in force.
    #[schema(inline)]
    status: Option<StatusWord>,
    /// Registration ends on this day or later.
    #[schema(value_type = Option<String>, format = Date)]
    expires_from: Option<Date>,
    /// Registration ends before this day.
    #[schema(value_type = Option<String>, format = Date)]
    expires_before: Option<Date>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[schema(minimum = 1, maximum = 499)]
    limit: Option<u32>,
}

/// An identity document.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Code type (GB/T 36903), `111`.
    id_type: String,
    /// Its number.
    id_number: String,
}

impl From<Listing> for Wanted {
    fn from(listing: Listing) -> Self {
        let Listing { licence_type, number, employer, status, expires_from, expires_before, cursor, limit } = listing;
        Self { licence_type, number, employer, status, expires_from, expires_before, cursor, limit, name: None, identity: None }
    }
}

impl Wanted {
    /// What the register is asked.
    pub fn search(self) -> Result<Search, Problem> {
        Ok(Search {
            licence_type: self.licence_type,
            number: self.number,
            name: self.name,
            employer: self.employer,
            identity: self.identity.map(|document| (document.id_type, document.id_number.to_ascii_uppercase())),
            status: self.status.map(|status| status.word().to_owned()),
            expires_from: self.expires_from,
            expires_before: self.expires_before,
            after: self.cursor,
            limit: Some(super::holder::limit(self.limit, 50)?),
        })
    }
}

/// A page of licences.
#[derive(Serialize, ToSchema)]
struct Found {
    licences: Vec<LicenceRow>,
    /// The `cursor` of the next page, if there is one.
    next: Option<String>,
}

/// Licences by type, number, company, status or end of registration. Each look is entered in the audit.
#[utoipa::path(get, path = "/api/v1/records", tag = "staff", security(("bearer" = [])), params(Listing),
    responses((status = 200, body = Found), Problems))]
async fn list(Viewer(caller): Viewer, State(app): State<App>, Query(listing): Query<Listing>) -> Result<axum::Json<Found>, Problem> {
    found(&app, &caller.subject, listing.into()).await
}

/// The same, also by the holder's name or identity document.
#[utoipa::path(post, path = "/api/v1/records/search", tag = "staff", security(("bearer" = [])), request_body = Option<Wanted>,
    responses((status = 200, body = Found), Problems))]
async fn search(Viewer(caller): Viewer, State(app): State<App>, Json(wanted): Json<Wanted>) -> Result<axum::Json<Found>, Problem> {
    found(&app, &caller.subject, wanted).await
}

async fn found(app: &App, subject: &str, wanted: Wanted) -> Result<axum::Json<Found>, Problem> {
    let search = wanted.search()?;
    let page = app.register.store.search(&search).await?;
    let seen: Vec<&str> = page.items.iter().map(|licence| licence.id.as_str()).collect();
    app.looked(subject, "look.search", &seen.join(" ")).await?;
    Ok(axum::Json(Found { licences: page.items.into_iter().map(LicenceRow::from).collect(), next: page.next }))
}
