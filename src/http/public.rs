//! The answers to the public: whoever scans a code or hands in a file learns whether it holds, and nothing else about anybody.
//!
//! Signatures come first; the register is asked only about what is genuine, so nobody can look numbers up here. A forged code
//! and a genuine one that the register does not know get one and the same answer.

use std::sync::Arc;

use axum::extract::{FromRequest as _, FromRequestParts as _, Multipart, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::json::{Json, Path};
use super::limits::{Anyone, LARGEST_UPLOAD};
use super::pages::{self, Visitor};
use super::problem::{Code, Problem, Problems};
use crate::verify::{Grade, Judge, Kind, Opened, State as Standing, Verdict, ask_store};

/// The routes without a file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(look_up))
}

/// The route that takes files.
pub fn uploads() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(hand_in))
}

/// Room for what is handed in and not yet judged, in kilobytes.
pub struct Desk(Arc<Semaphore>);

/// Twelve of the largest, or thousands of ordinary files.
const ROOM: usize = 256 * 1024;

impl Default for Desk {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }
}

impl Desk {
    /// Takes room for a body, as much as it says it needs, before it is read.
    fn take(&self, headers: &HeaderMap) -> Result<OwnedSemaphorePermit, Problem> {
        let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let kilobytes = said.unwrap_or(LARGEST_UPLOAD).min(LARGEST_UPLOAD) / 1024 + 1;
        let permit = Arc::clone(&self.0).try_acquire_many_owned(u32::try_from(kilobytes).unwrap_or(u32::MAX));
        permit.map_err(|_| Problem::busy("too many files are being judged", 2))
    }
}

impl App {
    /// Whom to believe, now.
    fn judge(&self) -> Judge<'_> {
        let line = &self.register.line;
        Judge { trusted: line.trusted(), anchors: &self.anchors, register: None, verify_base: line.verify_base(), at: self.clock.now() }
    }

    /// Asks the register about what is genuine.
    async fn settle(&self, opened: Opened) -> Result<Verdict, Problem> {
        let answer = match opened.question() {
            Some(question) => Some(Ok(ask_store(&self.register.store, &question).await?)),
            None => None,
        };
        let mut verdict = opened.settle(answer);
        if let Some(licence) = &mut verdict.licence {
            licence.name = licence.name.as_deref().map(masked);
        }
        Ok(verdict)
    }

    /// A page for browsers, JSON for programs.
    async fn answer(&self, asked: &mut Parts, verdict: Verdict) -> Response {
        let response = if wants_page(&asked.headers) {
            // Only now: who is logged in does not matter to programs, and finding out counts as another request.
            let Ok(visitor) = Visitor::from_request_parts(asked, self).await;
            let line = &self.register.line;
            pages::answered(&visitor, line.verify_base(), &verdict, line.layouts())
        } else {
            axum::Json(Told::new(self, verdict)).into_response()
        };
        (AppendHeaders([(header::VARY, "Accept")]), response).into_response()
    }
}

/// 王*.
fn masked(name: &str) -> String {
    name.chars().take(1).chain(['*']).collect()
}

/// What the public is told. What is not named here is not told: no identity number, no birth date, no whole name.
#[derive(Serialize, ToSchema)]
#[schema(as = Verdict)]
struct Told {
    /// `A` genuine and exactly as issued, `B` genuinely signed but not exactly that, `C` neither.
    #[schema(value_type = String)]
    grade: Grade,
    /// What was handed in: `qr-text`, `picture`, `pdf`, `ofd`, `unknown`.
    #[schema(value_type = String)]
    kind: Kind,
    /// What holds now: `valid`, `over`, `not-begun`, `undated`, `superseded`, `suspended`, `cancelled`, `revoked`,
    /// `withdrawn`, `altered`, `unsigned`, `not-issued`, `other-address`, `no-code`, `unreadable`.
    #[schema(value_type = String)]
    state: Standing,
    /// Why, in Chinese.
    reason: String,
    /// Why, in English.
    reason_en: String,
    /// What it says, when it is genuine.
    #[serde(flatten)]
    #[schema(value_type = ToldLicence)]
    licence: Option<ToldLicence>,
    /// The instant of the answer.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
}

/// What the public is told about a licence.
#[derive(Serialize, ToSchema)]
struct ToldLicence {
    /// Licence type's number in QR codes.
    #[schema(required = false)]
    licence_type: u8,
    /// 证照名称.
    #[schema(required = false)]
    title: String,
    /// 注册编号 or 证书编号.
    #[schema(required = false)]
    number: String,
    /// The first character of the holder's name and a star; null where the code carries only a commitment to the name.
    name: Option<String>,
    /// 证照标识.
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<String>,
    /// Version of the licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u16>,
    /// The version that has replaced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<u16>,
    /// First day of use.
    #[schema(value_type = Option<String>, format = Date)]
    use_from: Option<Date>,
    /// Last day of use, included.
    #[schema(value_type = Option<String>, format = Date)]
    use_to: Option<Date>,
    /// 加注时间.
    #[schema(value_type = String, format = DateTime, required = false)]
    issued_at: Timestamp,
    /// Whether test keys have signed it: a sample, not a licence.
    #[schema(required = false)]
    test: bool,
}

impl Told {
    fn new(app: &App, verdict: Verdict) -> Self {
        let Verdict { grade, kind, state, reason, reason_en, licence, as_of, .. } = verdict;
        let title = |code| app.register.line.layouts().iter().find(|layout| layout.qr_code == code).map_or("", |layout| &layout.name);
        let licence = licence.map(|licence| ToldLicence {
            licence_type: licence.licence_type,
            title: title(licence.licence_type).to_owned(),
            number: licence.number,
            name: licence.name,
            identifier: licence.identifier,
            version: licence.version,
            superseded_by: licence.superseded_by,
            use_from: licence.use_from,
            use_to: licence.use_to,
            issued_at: licence.issued_at,
            test: licence.test,
        });
        Self { grade, kind, state, reason, reason_en, licence, as_of }
    }
}

/// Whether a page is preferred to JSON: it is named, and JSON is not named as more welcome. A bare `*/*` is a program.
fn wants_page(headers: &HeaderMap) -> bool {
    let named = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let (mut page, mut json) = (0.0, 0.0);
    for range in named {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let welcome: &mut f32 = match kind.to_ascii_lowercase().as_str() {
            "text/html" | "application/xhtml+xml" => &mut page,
            "application/json" => &mut json,
            _ => continue,
        };
        *welcome = welcome.max(weight);
    }
    page > 0.0 && page >= json
}

/// The address that a QR code opens: a page, or JSON by `Accept`. Always 200, whatever the code is worth.
#[utoipa::path(get, path = "/v/{digits}", tag = "public",
    params(("digits" = String, Path, description = "The digits of the code")),
    responses((status = 200, content((Told = "application/json"), (String = "text/html"))), Problems))]
async fn look_up(_: Anyone, State(app): State<App>, digits: Result<Path<String>, Problem>, request: Request) -> Result<Response, Problem> {
    let digits = digits.map_or_else(|_| String::new(), |Path(digits)| digits);
    // What is no digits is no code: other spellings of a genuine one, a whole address above all, are not looked into.
    let digits = if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits } else { String::new() };
    let verdict = app.settle(app.judge().open_text(&digits)).await?;
    let known = verdict.licence.as_ref().is_some_and(|licence| licence.version.is_some());
    let verdict = if known { verdict } else { unknown(verdict) };
    Ok(app.answer(&mut request.into_parts().0, verdict).await)
}

/// Forged, misread, or not in this register: the one answer to all of them.
fn unknown(verdict: Verdict) -> Verdict {
    Verdict {
        grade: Grade::C,
        state: Standing::NotIssued,
        reason: "没有查到与此二维码相符的证照".to_owned(),
        reason_en: "There is no licence on record for this code".to_owned(),
        licence: None,
        ..verdict
    }
}

/// A question about something that stays where it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The text of the QR code, or its digits. A file repeats them in `metadata.xml`.
    qr: String,
    /// SHA-256 of the file, in hexadecimal digits.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: Option<String>,
}

/// Judges a PDF, an OFD, a picture (PNG, JPEG) or a QR text: as the body itself, as the part `file` of a form, or as JSON that
/// names the code and the file's SHA-256 where the file is not to leave the house.
#[utoipa::path(post, path = "/verify", tag = "public",
    request_body(content((Vec<u8> = "application/octet-stream"), (Asked = "application/json"))),
    responses((status = 200, content((Told = "application/json"), (String = "text/html"))), Problems))]
async fn hand_in(_: Anyone, State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (mut asked, body) = request.into_parts();
    let request = Request::from_parts(asked.clone(), body);
    let room = app.desk.take(&asked.headers)?;
    let media_type = asked.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let opened = match media_type.as_str() {
        "application/json" => {
            let Json(Asked { qr, sha256 }) = Json::from_request(request, &app).await?;
            let opened = app.judge().open_text(&qr);
            match sha256.map(|digest| hex::decode(digest).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())) {
                None => opened,
                Some(Some(sha256)) => opened.of_file(sha256),
                Some(None) => return Err(Problem::field("sha256", "must be 64 hexadecimal digits")),
            }
        }
        other => {
            let file = match other {
                "multipart/form-data" => form_file(Multipart::from_request(request, &app).await.map_err(|e| torn(e.status()))?).await?,
                _ => Bytes::from_request(request, &app).await?,
            };
            if file.is_empty() {
                return Err(Problem::field("file", "is empty"));
            }
            let judging = app.clone();
            let judge = move || {
                let opened = judging.judge().open_file("", &file);
                drop((file, room));
                opened
            };
            app.register.gate.run(judge).await?
        }
    };
    let verdict = app.settle(opened).await?;
    Ok(app.answer(&mut asked, verdict).await)
}

/// The one file of a form.
async fn form_file(mut form: Multipart) -> Result<Bytes, Problem> {
    let mut file = None;
    while let Some(part) = form.next_field().await.map_err(|e| torn(e.status()))? {
        match part.name() {
            Some("file") if file.is_none() => file = Some(part.bytes().await.map_err(|e| torn(e.status()))?),
            Some("file") => return Err(Problem::field("file", "is there twice; one file is judged at a time")),
            _ => return Err(Problem::field("form", "has another part than `file`")),
        }
    }
    file.ok_or_else(|| Problem::field("file", "is missing from the form"))
}

fn torn(status: StatusCode) -> Problem {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::TooLarge, "the body is larger than is accepted here"),
        _ => Problem::new(Code::Malformed, "the form cannot be read to its end"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_browsers() {
        for (accept, page) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("text/html, application/json;q=0.9", true),
            ("TEXT/HTML; charset=utf-8", true),
            ("application/json, text/html;q=0.9", false),
            ("text/html;q=0", false),
            ("text/html;q=x", false),
            ("*/*", false),
            ("application/json", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(wants_page(&headers), page, "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }

    #[test]
    fn of_a_name_the_first_character_is_told() {
        assert_eq!([masked("王䶮"), masked("𬎆"), masked("")], ["王*", "𬎆*", "*"]);
    }
}
