//! Every answer that is no success: RFC 9457 problem JSON with a stable code, a Chinese title and a remedy.

use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{ContentBuilder, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema as _, ToSchema};

use super::faults::chinese;
use super::holder::Reason;
use crate::annotation::{Refusal, RefusalCode};
use crate::issue::NotIssued;
use crate::issue::gate::Busy;
use crate::issue::register::{Denied, RegisterError};
use crate::record::Fault;
use crate::store::StoreError;

/// Media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done, and what to do about it. Holds nothing that the caller did not already know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem.
    pub code: Code,
    title: String,
    detail: Box<str>,
    remedy: String,
    errors: Vec<FieldError>,
    retry_after: Option<u32>,
}

/// The kinds of problem, each with its HTTP status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// 400: the request cannot be read.
    Malformed,
    /// 401: no identity, or one that cannot be believed.
    NotIdentified,
    /// 403: the role may not do this.
    NotAllowed,
    /// 403: a face verification of the last minutes is needed.
    FaceNeeded,
    /// 404: there is no such thing, or not for this caller.
    NotFound,
    /// 405: the address exists, the method does not.
    MethodNotAllowed,
    /// 408: the request took too long to arrive or to be answered.
    TooSlow,
    /// 409: a rule of 加注 says no, or the file may not be downloaded now.
    Refused(&'static str),
    /// 409: the record cannot be issued as it is.
    Incomplete,
    /// 409: the licence is not in a state from which this can be done.
    WrongState,
    /// 409: an application is not accepted on this day.
    WindowClosed,
    /// 409: the same request is being worked on at this moment.
    InProgress,
    /// 410: the register changed so that the file can no longer be made as it was stated.
    Outdated,
    /// 413: the body is too large.
    TooLarge,
    /// 415: the body's media type is not one that is read here.
    UnsupportedType,
    /// 416: the range lies outside the file.
    BadRange,
    /// 422: the request can be read, but its content is wrong.
    Invalid,
    /// 422: an `Idempotency-Key` that was used for another request.
    KeyReused,
    /// 429: too many requests of one caller.
    TooMany,
    /// 500: our fault.
    Internal,
    /// 503: too much to do, or something that is needed is not there.
    Busy,
}

impl Code {
    /// The code as interfaces spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotIdentified => "not-identified",
            Self::NotAllowed => "not-allowed",
            Self::FaceNeeded => "face-needed",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TooSlow => "too-slow",
            Self::Refused(code) => code,
            Self::Incomplete => "record-incomplete",
            Self::WrongState => "wrong-state",
            Self::WindowClosed => "window-closed",
            Self::InProgress => "in-progress",
            Self::Outdated => "outdated",
            Self::TooLarge => "too-large",
            Self::UnsupportedType => "unsupported-type",
            Self::BadRange => "bad-range",
            Self::Invalid => "invalid",
            Self::KeyReused => "key-reused",
            Self::TooMany => "too-many-requests",
            Self::Internal => "internal",
            Self::Busy => "busy",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::NotIdentified => StatusCode::UNAUTHORIZED,
            Self::NotAllowed | Self::FaceNeeded => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Refused(_) | Self::Incomplete | Self::WrongState | Self::WindowClosed | Self::InProgress => StatusCode::CONFLICT,
            Self::Outdated => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BadRange => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Invalid | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Malformed => "请求无法读取",
            Self::NotIdentified => "请先登录",
            Self::NotAllowed => "没有权限",
            Self::FaceNeeded => "需要人脸识别",
            Self::NotFound => "没有找到",
            Self::MethodNotAllowed => "不支持的请求方法",
            Self::TooSlow => "请求超时",
            Self::Refused(_) => "加注失败",
            Self::Incomplete => "证照信息不完整",
            Self::WrongState => "当前状态不能办理",
            Self::WindowClosed => "不在可申请日期内",
            Self::InProgress => "正在办理，请勿重复提交",
            Self::Outdated => "证照信息已变更",
            Self::TooLarge => "内容过大",
            Self::UnsupportedType => "不支持的内容格式",
            Self::BadRange => "请求的范围超出文件",
            Self::Invalid => "内容有误",
            Self::KeyReused => "重复的幂等键",
            Self::TooMany => "请求过于频繁",
            Self::Internal => "系统错误",
            Self::Busy => "系统繁忙",
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::Malformed | Self::Invalid => "请核对所提交的内容后再试。",
            Self::NotIdentified => "请重新登录后再试。",
            Self::NotAllowed => "请使用有相应权限的账号。",
            Self::FaceNeeded => "请完成人脸识别后再试，识别结果30分钟内有效。",
            Self::NotFound => "请核对地址和证照。",
            Self::MethodNotAllowed => "请使用 Allow 中列出的请求方法。",
            Self::TooSlow => "请检查网络后再试。",
            Self::Refused(_) => "请按提示办理后再加注。",
            Self::Incomplete => "请联系发证机关补全证照信息。",
            Self::WrongState => "请先核对证照当前状态。",
            Self::WindowClosed => "请在可申请日期内办理。",
            Self::InProgress => "请稍候再查询结果。",
            Self::Outdated => "请重新加注。",
            Self::TooLarge => "请减小内容，或分批提交。",
            Self::UnsupportedType => "请以 JSON 格式提交。",
            Self::BadRange => "请重新下载整个文件。",
            Self::KeyReused => "新的请求请使用新的 Idempotency-Key。",
            Self::TooMany | Self::Busy => "请稍候再试。",
            Self::Internal => "请稍候再试；如仍有问题，请告知管理员请求编号。",
        }
    }
}

/// One thing that is wrong in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Line and column of the body, or row of a table: `3:17`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Path of the field, `holder.id_number`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong, what was expected, what to do.
    pub message: String,
    /// The field and what is wrong with it, in Chinese.
    pub chinese: Chinese,
}

/// A [`FieldError`] for clerks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Chinese {
    /// What the field is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What is wrong, what was expected, what to do.
    message: String,
}

impl FieldError {
    /// Says it in both languages.
    pub fn new(place: Option<String>, field: Option<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        let said = Some(chinese(&message)).filter(|said| said.contains(|c| c >= '\u{4e00}'));
        let said = said.unwrap_or_else(|| "内容或格式有误".to_owned());
        let chinese = Chinese { field: field.as_deref().map(chinese), message: said };
        Self { place, field, message, chinese }
    }
}

impl From<&Fault> for FieldError {
    fn from(fault: &Fault) -> Self {
        let field = Some(fault.field.clone()).filter(|field| !field.is_empty());
        let place = Some(fault.source_place.trim_start_matches(':').to_owned()).filter(|place| !place.is_empty());
        Self::new(place, field, fault.message.clone())
    }
}

impl Problem {
    /// A problem of a kind, said in English for the one who reads logs and answers.
    pub fn new(code: Code, detail: impl Into<Box<str>>) -> Self {
        let (title, remedy) = (code.title().to_owned(), code.remedy().to_owned());
        Self { code, title, detail: detail.into(), remedy, errors: Vec::new(), retry_after: None }
    }

    /// With another remedy than the usual one of its kind.
    #[must_use]
    pub fn remedied(self, remedy: &str) -> Self {
        Self { remedy: remedy.to_owned(), ..self }
    }

    /// What to show in a list.
    pub fn reason(self) -> Reason {
        Reason { code: self.code.as_str().to_owned(), message: self.title, remedy: self.remedy }
    }

    /// There is no such thing, or it is somebody else's: the two look the same.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "there is no such thing")
    }

    /// Our fault. The cause goes to the log, once, and not to the caller.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(cause = %cause, "a request failed");
        Self::new(Code::Internal, "something went wrong on our side")
    }

    /// An application that is not accepted on this day; the title says when it is.
    pub fn window_closed(title: String) -> Self {
        Self { title, ..Self::new(Code::WindowClosed, "applications are not accepted today") }
    }

    /// Come back in a while.
    pub fn busy(detail: &'static str, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(Code::Busy, detail) }
    }

    /// Too many requests of one caller.
    pub fn too_many(seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(Code::TooMany, "too many requests from this caller") }
    }

    /// Content that can be read but is wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(Code::Invalid, "the content is wrong; see errors").remedied(AS_LISTED) }
    }

    /// One field that is wrong.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(None, Some(field.to_owned()), message)])
    }

    /// A JSON body that is no JSON (400), or not the JSON that was expected (422), with line and column.
    pub fn json(error: &serde_json::Error) -> Self {
        let place = (error.line() > 0).then(|| format!("{}:{}", error.line(), error.column()));
        let text = error.to_string();
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned();
        let errors = vec![FieldError::new(place, None, with_nearest(message))];
        let code = if error.is_data() { Code::Invalid } else { Code::Malformed };
        Self { errors, ..Self::new(code, "the JSON body is not as it should be; see errors").remedied(AS_LISTED) }
    }
}

/// The remedy where it is listed what exactly is wrong.
const AS_LISTED: &str = "请按所列错误修改后再提交。";

fn with_nearest(message: String) -> String {
    let nearest = nearest_field(&message).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    message + &nearest
}

/// The known field that an unknown one was probably meant to be, from serde's "unknown field `a`, expected one of `b`, `c`".
fn nearest_field(message: &str) -> Option<&str> {
    let mut names = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    let near = |name: &&str| strsim::damerau_levenshtein(unknown, name);
    names.min_by_key(near).filter(|name| near(name) <= 3)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = match refusal.code {
            RefusalCode::Inactive => "the licence is not in force",
            RefusalCode::NotReported => "the record has not reached the ministry yet",
            RefusalCode::Expired => "no registration is live",
            RefusalCode::OverAge => "the holder is past the age limit, or the age is not known",
            RefusalCode::PhotoMissing => "there is no photo",
            RefusalCode::SignatureMissing => "there is no signature",
            RefusalCode::Pending => "the phone is not bound, or sealing is under way",
            RefusalCode::OutOfRange => "the chosen dates lie outside the registration",
            RefusalCode::TooManyToday => "no more on this day",
        };
        Self { title: refusal.message, remedy: refusal.remedy, ..Self::new(Code::Refused(refusal.code.as_str()), detail) }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let (code, title, remedy) = denied.words();
        let retry_after = (denied == Denied::Sealing).then_some(2);
        Self { title, remedy, retry_after, ..Self::new(Code::Refused(code), denied.to_string()) }
    }
}

impl From<NotIssued> for Problem {
    fn from(error: NotIssued) -> Self {
        RegisterError::from(error).into()
    }
}

impl From<Busy> for Problem {
    fn from(busy: Busy) -> Self {
        RegisterError::from(busy).into()
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::NotFound => Self::not_found(),
            RegisterError::Refused(refusal) => refusal.into(),
            RegisterError::Denied(denied) => denied.into(),
            RegisterError::Record(cause) => {
                tracing::warn!(%cause, "a record cannot be issued as it is");
                Self::new(Code::Incomplete, "the record does not fit its licence type")
            }
            RegisterError::Outdated(_) => Self::new(Code::Outdated, "layout or keys have changed since; a new annotation is needed"),
            RegisterError::Busy(_) => Self::busy("too many files are being made", 1),
            RegisterError::Store(error) => error.into(),
            RegisterError::Sign(cause) => {
                tracing::error!(%cause, "a file cannot be signed now");
                Self {
                    title: "正在生成证照，请耐心等待！".to_owned(),
                    ..Self::busy("the signer cannot be reached; sealing goes on later", 5)
                }
            }
            RegisterError::Render(_) | RegisterError::Qr(_) => Self::internal(&error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { .. } => Self::not_found(),
            StoreError::Stale { .. } | StoreError::NotAllowed { .. } | StoreError::NotInForce { .. } | StoreError::VersionsUsedUp(_) => {
                let detail = error.to_string();
                let said = chinese(&detail);
                let problem = Self::new(Code::WrongState, detail.clone());
                // What exactly, where there are words for it.
                if said == detail { problem } else { Self { title: said, ..problem } }
            }
            StoreError::TooManyToday { .. } => Self::new(Code::Refused(RefusalCode::TooManyToday.as_str()), error.to_string()),
            StoreError::KeyReused => Self::new(Code::KeyReused, "this Idempotency-Key was used for another request"),
            StoreError::Unavailable(_) | StoreError::Disk { .. } => unreachable_now(&error, "the register cannot be reached"),
            StoreError::Blob { .. } => unreachable_now(&error, "the store of made files cannot be reached"),
            _ => Self::internal(&error),
        }
    }
}

/// Nothing was changed, and it may work in a while.
fn unreachable_now(cause: &StoreError, detail: &'static str) -> Problem {
    tracing::error!(%cause, "{detail}");
    Problem::busy(detail, 5)
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::not_found()
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        // axum says what field and why, without the value where that could be anything.
        let text = rejection.body_text();
        let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        let (field, message) = text.split_once(": ").filter(|(field, _)| !field.contains(' ')).unwrap_or(("query", text));
        Self::field(field, with_nearest(message.to_owned()))
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Code::TooLarge, "the body is larger than is accepted here"),
            _ => Self::new(Code::Malformed, "the body could not be read to its end"),
        }
    }
}

/// Gives the bare refusals of the layers below (405, 408, 413, a panic's 500) the form that all problems have.
pub async fn explained(response: Response) -> Response {
    // Pages say themselves what went wrong.
    let ours = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE || kind == "text/html; charset=utf-8");
    let status = response.status();
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let problem = match status {
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(Code::MethodNotAllowed, "the address does not know this method"),
        StatusCode::REQUEST_TIMEOUT => Problem::new(Code::TooSlow, "the request took too long"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::TooLarge, "the body is larger than is accepted here"),
        StatusCode::NOT_FOUND => Problem::not_found(),
        status if status.is_client_error() => Problem::new(Code::Malformed, "the request cannot be read"),
        status => Problem::internal(&status),
    };
    let mut answer = problem.into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    answer
}

/// What goes over the wire.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
struct Body<'a> {
    /// `urn:certpress:problem:` and the code.
    r#type: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A stable code for programs, `photo-missing`.
    code: &'a str,
    /// What to show, in Chinese.
    title: &'a str,
    /// The same for those who read logs.
    detail: &'a str,
    /// What can be done, in Chinese.
    remedy: &'a str,
    /// What exactly is wrong, where that is more than one thing or has a place.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, status) = (self.code.as_str(), self.code.status());
        let body = Body {
            r#type: format!("urn:certpress:problem:{code}"),
            status: status.as_u16(),
            code,
            title: &self.title,
            detail: &self.detail,
            remedy: &self.remedy,
            errors: &self.errors,
        };
        let body = serde_json::to_vec(&body).expect("text and numbers always have a JSON form");
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")], body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code == Code::NotIdentified {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"certpress\""));
        }
        response
    }
}

/// The problems that any route may answer, for the OpenAPI document; 409 belongs to the routes that know it.
pub struct Problems;

impl IntoResponses for Problems {
    fn responses() -> std::collections::BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        [400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 416, 422, 429, 500, 503]
            .into_iter()
            .map(|status: u16| {
                let reason = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or_default();
                let content = ContentBuilder::new().schema(Some(Body::schema())).build();
                (status.to_string(), RefOr::T(ResponseBuilder::new().description(reason).content(MEDIA_TYPE, content).build()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Chosen {
        #[serde(rename = "use_from")]
        _from: String,
    }

    fn wrong(text: &str) -> Problem {
        Problem::json(&serde_json::from_str::<Chosen>(text).unwrap_err())
    }

    #[test]
    fn a_json_fault_has_line_and_column_and_the_nearest_name() {
        let problem = wrong("{\n  \"use_form\": 1}");
        assert_eq!(problem.code, Code::Invalid);
        assert_eq!(problem.errors[0].place.as_deref(), Some("2:12"));
        assert_eq!(problem.errors[0].message, "unknown field `use_form`, expected `use_from`; did you mean `use_from`?");
        let problem = wrong("{\n\"use_from\" 1}");
        assert_eq!((problem.code, problem.errors[0].place.as_deref()), (Code::Malformed, Some("2:12")));
        assert!(!wrong("{\"entirely_else\":1}").errors[0].message.contains("did you mean"));
    }

    #[test]
    fn what_is_wrong_is_said_in_chinese_too() {
        let wrong = |text: &str| wrong(text).errors[0].chinese.message.clone();
        assert_eq!(wrong("{\"use_form\": 1}"), "use_form 不是已知的字段，是否应为 use_from？");
        assert_eq!(wrong("{}"), "缺少字段 use_from");
        assert_eq!(wrong("{\"use_from\": 1}"), "类型有误");
        assert_eq!(wrong("{\"use_from\""), "JSON 有误：内容在此中断");
        let said = |message: &str| FieldError::new(None, Some("reason".to_owned()), message).chinese;
        let told = said("must have 1 to 500 characters and no control characters");
        assert_eq!((told.field.as_deref(), told.message.as_str()), (Some("原因"), "应为1至500个字符，且不含控制字符"));
        assert_eq!(said("something that nobody has translated").message, "内容或格式有误");
        let ended = StoreError::NotAllowed { from: crate::record::Status::Cancelled, to: crate::record::Status::Valid };
        assert_eq!(Problem::from(ended).title, "证照已注销，不能变为有效");
    }

    #[test]
    fn a_refusal_keeps_its_words() {
        let refusal =
            Refusal { code: RefusalCode::Expired, message: "证照过期".into(), remedy: "请申请办理延续注册业务。".into() };
        let problem = Problem::from(refusal);
        assert_eq!((problem.code.as_str(), problem.code.status().as_u16()), ("expired", 409));
        assert_eq!((problem.title.as_str(), problem.remedy.as_str()), ("证照过期", "请申请办理延续注册业务。"));
    }

    #[test]
    fn who_must_wait_is_told_how_long() {
        let response = Problem::too_many(7).into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.headers()["content-type"], MEDIA_TYPE);
    }
}
