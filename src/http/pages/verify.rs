//! The verifier's page.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::super::App;
use super::super::problem::Problem;
use super::visitor::Visitor;
use super::{answers, view};
use crate::layout::Layouts;
use crate::verify::Verdict;

/// The routes. An answer's own address, `/v/…`, is the API's, which calls [`answered`] when a page is wanted.
pub fn routes() -> Router<App> {
    Router::new().route("/verify", get(ask))
}

/// The page with nothing asked yet.
async fn ask(State(app): State<App>, visitor: Visitor) -> Response {
    show(&visitor, app.register.line.verify_base(), view::Answer::default())
}

/// The page with an answer.
pub fn answered(visitor: &Visitor, base: &str, verdict: &Verdict, layouts: &Layouts) -> Response {
    show(visitor, base, answers::answer(verdict, layouts, visitor.lang))
}

fn show(visitor: &Visitor, base: &str, answer: view::Answer) -> Response {
    visitor.answer(Ok::<_, Problem>(view::Verify { page: visitor.page(), base: base.to_owned(), answer }))
}
