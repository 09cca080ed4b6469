//! Word application forms over HTTP: what there are and what they ask for, and one filled in from a body and the register.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::extract::{FromRequestParts, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::document::disposition;
use super::identity::{Caller, Owner, Role};
use super::json::{Json, Path, Query};
use super::limits::Anyone;
use super::problem::{FieldError, Problem, Problems};
use crate::clock::shanghai_date;
use crate::form::{self, Field, Form, FormError, Kind, Named, Request};
use crate::store::{Act, Filed};

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(forms)).routes(routes!(fill_form))
}

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// The forms of the program, parsed once. Templates come with the program and never over the network.
pub static FORMS: LazyLock<BTreeMap<&str, Form>> = LazyLock::new(|| {
    let open = |(id, _)| match Form::embedded(id) {
        Ok(form) => Some((id, form)).filter(|(_, form)| !form.definition.sheet),
        Err(cause) => {
            tracing::error!(form = id, %cause, "a form of the program cannot be used");
            None
        }
    };
    form::embedded().filter_map(open).collect()
});

/// Who fills a form: a holder from their own licences, staff from any.
enum Applicant {
    Owner(Owner),
    Staff(Caller),
}

impl FromRequestParts<App> for Applicant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        if caller.is(Role::Staff) { Ok(Self::Staff(caller)) } else { caller.owner().map(Self::Owner) }
    }
}

/// The forms.
#[derive(Serialize, ToSchema)]
struct Forms {
    forms: Vec<FormInfo>,
}

/// A form.
#[derive(Serialize, ToSchema)]
struct FormInfo {
    /// Stands in addresses.
    id: &'static str,
    title: &'static str,
    /// The licence type whose windows it obeys.
    licence_type: Option<&'static str>,
    fields: Vec<FieldInfo>,
    /// Repeated rows: arrays of objects in the body.
    lists: Vec<ListInfo>,
}

/// Repeated rows.
#[derive(Serialize, ToSchema)]
struct ListInfo {
    name: &'static str,
    /// Whether at least one row is needed.
    required: bool,
    /// Rows accepted at most.
    most: usize,
    /// Whether it is taken from the register when it is not given.
    from_register: bool,
    fields: Vec<FieldInfo>,
}

/// A field.
#[derive(Serialize, ToSchema)]
struct FieldInfo {
    name: &'static str,
    /// `text`, `date`, `number`; `picture` is a `data:` URL of a PNG or JPEG.
    #[schema(value_type = String)]
    kind: Kind,
    required: bool,
    /// Whether it is taken from the register when it is not given.
    from_register: bool,
    /// The value when none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'static str>,
    /// The only values accepted.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    options: &'static [String],
    /// Whether several of them may be given, as an array.
    many: bool,
    /// Longest value, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_chars: Option<usize>,
}

/// What can be filled in; values that are worked out are not asked for.
fn fields(fields: &'static Named<Field>) -> Vec<FieldInfo> {
    let asked = fields.iter().filter(|(_, field)| field.compute.is_none() && field.kind != Kind::Qr);
    let info = |(name, field): (&'static str, &'static Field)| FieldInfo {
        name,
        kind: field.kind,
        required: field.required,
        from_register: field.from.is_some(),
        default: field.default.as_deref(),
        options: &field.options,
        many: field.many,
        max_chars: field.max_chars,
    };
    asked.map(info).collect()
}

/// All forms with their fields.
#[utoipa::path(get, path = "/api/v1/forms", tag = "forms", responses((status = 200, body = Forms), Problems))]
async fn forms(_: Anyone) -> axum::Json<Forms> {
    let info = |(id, form): (&&'static str, &'static Form)| FormInfo {
        id,
        title: &form.definition.title,
        licence_type: form.definition.window.as_ref().map(|window| window.licence_type.as_str()),
        fields: fields(&form.definition.fields),
        lists: form
            .definition
            .lists
            .iter()
            .map(|(name, list)| ListInfo {
                name,
                required: list.required,
                most: list.most,
                from_register: list.from.is_some(),
                fields: fields(&list.fields),
            })
            .collect(),
    };
    axum::Json(Forms { forms: FORMS.iter().map(info).collect() })
}

/// How to fill.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct How {
    /// The licence that values not given are taken from. Without it, the holder's only one that fits.
    licence: Option<String>,
    /// Leave required fields empty, to be completed by hand.
    #[serde(default)]
    draft: bool,
}

/// A filled form, as a Word document. The body holds field values by name; it may be empty.
#[utoipa::path(post, path = "/api/v1/forms/{form}", tag = "forms", security(("bearer" = [])),
    params(("form" = String, Path), How), request_body(content = Object),
    responses((status = 200, content_type = DOCX, body = Vec<u8>), Problems))]
async fn fill_form(
    applicant: Applicant,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(how): Query<How>,
    Json(data): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let form = FORMS.get(id.as_str()).ok_or_else(Problem::not_found)?;
    let filed = app.licence_for(form, &applicant, how.licence.as_deref()).await?;
    let (line, today) = (std::sync::Arc::clone(&app.register.line), shanghai_date(app.clock.now()));
    let work = move || {
        let record = filed.map(|filed| filed.record()).transpose()?;
        let window = form.definition.window.as_ref().filter(|_| !how.draft);
        let rules = window.and_then(|window| line.layouts().find(&window.licence_type).ok()).map(|layout| &layout.rules);
        // No path of a picture is followed: what a body names is not looked for on this machine.
        let request = Request { data: &data, record: record.as_ref(), pictures: None, today, rules, draft: how.draft };
        form.fill(&request).map_err(Problem::from)
    };
    let document = app.register.gate.run(work).await??;
    let disposition = disposition("attachment", &form.definition.title, "docx");
    Ok(([(header::CONTENT_TYPE, DOCX.to_owned()), (header::CONTENT_DISPOSITION, disposition)], document).into_response())
}

impl App {
    /// The licence that a form is filled from, if any. Somebody else's is as if it were not there.
    async fn licence_for(&self, form: &Form, applicant: &Applicant, named: Option<&str>) -> Result<Option<Filed>, Problem> {
        let register = &self.register;
        match (applicant, named) {
            (Applicant::Owner(owner), Some(id)) => Ok(Some(register.of(owner.person(), id).await?)),
            (Applicant::Staff(caller), Some(id)) => {
                let act = Act::new(&caller.subject, self.clock.now());
                register.store.audit_look(&act, "look.form", id).await?;
                Ok(Some(register.store.licence(id).await?.ok_or_else(Problem::not_found)?))
            }
            (Applicant::Owner(owner), None) => {
                let wanted = form.definition.window.as_ref().map(|window| &window.licence_type);
                let mut own = register.store.licences_of(&owner.id_type, &owner.id_number).await?;
                own.retain(|filed| wanted.is_none_or(|wanted| filed.licence.licence_type == *wanted));
                Ok(own.pop().filter(|_| own.is_empty()))
            }
            (Applicant::Staff(_), None) => Ok(None),
        }
    }
}

impl From<FormError> for Problem {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Data(faults) => {
                let error = |fault: form::Fault| FieldError::new(None, Some(fault.place), fault.message);
                Self::invalid(faults.into_iter().map(error).collect())
            }
            FormError::Window(refusal) => Self::window_closed(refusal.to_string()),
            FormError::Unknown { .. } | FormError::Sheet(_) => Self::not_found(),
            FormError::Template(_) | FormError::Package(_) => Self::internal(&error),
        }
    }
}
