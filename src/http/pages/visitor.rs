//! Who looks at a page, in which language, and how the page is sent.

use std::convert::Infallible;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::super::App;
use super::super::holder::Reason;
use super::super::identity::{COOKIE, Caller, Role};
use super::super::problem::{Code, Problem};
use super::view;
use super::words::Lang;

const LANG_COOKIE: &str = "certpress_lang";

/// Own scripts, styles and pictures; nobody else's, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; \
                      connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Somebody who looks at a page.
#[derive(Clone)]
pub struct Visitor {
    /// Language.
    pub lang: Lang,
    /// The language that the address itself asks for: it is kept.
    chosen: Option<Lang>,
    path: String,
    caller: Option<Caller>,
    demo: bool,
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let query: Vec<_> = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
        let asked = query.iter().find_map(|pair| pair.strip_prefix("lang="));
        let accepts = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let lang = Lang::chosen(asked, cookie(&parts.headers, LANG_COOKIE), accepts);
        let chosen = asked.map(|_| lang);
        let rest: Vec<_> = query.iter().filter(|pair| !pair.starts_with("lang=")).map(String::as_str).collect();
        let path = if rest.is_empty() { parts.uri.path().to_owned() } else { format!("{}?{}", parts.uri.path(), rest.join("&")) };
        // Who shows no token is nobody; the rate of addresses is kept where it is asked for.
        let shown = parts.headers.contains_key(header::AUTHORIZATION) || cookie(&parts.headers, COOKIE).is_some();
        let caller = if shown { Caller::from_request_parts(parts, app).await.ok() } else { None };
        Ok(Self { lang, chosen, path, caller, demo: app.demo.is_some() })
    }
}

fn cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == wanted).map(|(_, lang)| lang)
}

impl Visitor {
    /// Who they are, or the problem that they are not logged in.
    pub fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(|| Problem::new(Code::NotIdentified, "nobody is logged in"))
    }

    /// Who they are, if they work at the desk.
    pub fn staff(&self) -> Result<&Caller, Problem> {
        let caller = self.caller()?;
        let may = caller.is(Role::Staff) || caller.is(Role::Auditor);
        if may { Ok(caller) } else { Err(Problem::new(Code::NotAllowed, "the desk is for staff and auditors")) }
    }

    /// What stands around the content.
    pub fn page(&self) -> view::Page {
        let is = |role| self.caller.as_ref().is_some_and(|caller| caller.is(role));
        view::Page {
            lang: self.lang,
            path: self.path.clone(),
            user: self.caller.as_ref().map(|caller| caller.subject.trim_start_matches("demo:").to_owned()),
            staff: is(Role::Staff) || is(Role::Auditor),
            holder: is(Role::Holder),
            demo: self.demo,
        }
    }

    /// Sends a page, or in its place what went wrong.
    pub fn answer<T: Template>(&self, page: Result<T, Problem>) -> Response {
        match page {
            Ok(page) => self.send(StatusCode::OK, &page),
            Err(problem) => self.problem(&problem),
        }
    }

    /// Says on a page what went wrong. Who is not logged in is led to where one does that.
    pub fn problem(&self, problem: &Problem) -> Response {
        if matches!(problem.code, Code::NotIdentified | Code::FaceNeeded) && self.demo {
            return Redirect::to(&format!("/demo/login?next={}", self.path.replace('&', "%26"))).into_response();
        }
        let Reason { message, remedy, .. } = problem.clone().reason();
        self.send(problem.code.status(), &view::Problem { page: self.page(), title: message, remedy })
    }

    /// The demonstration's login.
    pub fn login(&self, next: String, people: Vec<(String, String, String)>) -> Response {
        self.send(StatusCode::OK, &view::Login { page: self.page(), next, people })
    }

    fn send(&self, status: StatusCode, page: &impl Template) -> Response {
        let html = match page.render() {
            Ok(html) => html,
            Err(cause) => return Problem::internal(&cause).into_response(),
        };
        let about = [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::VARY, "Cookie, Accept-Language"),
            (header::CONTENT_LANGUAGE, self.lang.tag()),
        ];
        let mut response = (status, about, Html(html)).into_response();
        if let Some(lang) = self.chosen {
            let cookie = format!("{LANG_COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Lax", lang.tag());
            response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_str(&cookie).expect("a tag is plain ASCII"));
        }
        response
    }
}
