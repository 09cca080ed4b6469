//! 我的证照: what a holder has, what can be done with it, what was done before.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::super::App;
use super::super::forms::FORMS;
use super::super::identity::PresentOwner;
use super::super::problem::Problem;
use super::view;
use super::visitor::Visitor;
use crate::annotation::{UsePeriod, UsePolicy};
use crate::clock::{SHANGHAI, shanghai_date};
use crate::form::Form;
use crate::issue::NotIssued;
use crate::issue::register::{Holding, downloadable};
use crate::layout::Layout;
use crate::record::Status;
use crate::store::{Annotation, Filed, History, Licence};

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/my", get(my))
}

#[derive(Deserialize, Default)]
struct Asked {
    r#type: Option<String>,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

async fn my(State(app): State<App>, visitor: Visitor, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    visitor.answer(page(&app, &visitor, asked).await)
}

async fn page(app: &App, visitor: &Visitor, asked: Asked) -> Result<view::My, Problem> {
    let register = &app.register;
    let PresentOwner(owner) = visitor.caller()?.clone().present_owner(register.clock.now())?;
    let all = register.store.licences_of(&owner.id_type, &owner.id_number).await?;
    let types: Vec<&Layout> =
        register.line.layouts().iter().filter(|layout| all.iter().any(|f| f.licence.licence_type == layout.id)).collect();
    let chosen = types.iter().find(|layout| Some(&layout.id) == asked.r#type.as_ref()).or(types.first()).copied();

    let mut licences = Vec::new();
    let mut page = visitor.page();
    page.user = all.first().map(|filed| filed.licence.holder_name.clone()).or(page.user);
    if let Some(layout) = chosen {
        for filed in all.iter().filter(|filed| filed.licence.licence_type == layout.id) {
            let holding = register.holding(filed.clone()).await?;
            let found = register.store.annotations(&filed.licence.id, &range(&asked)).await?;
            licences.push(licence(&page, layout, filed, &holding, &found, shanghai_date(register.clock.now()))?);
        }
    }
    let tab = |layout: &&Layout| view::Choice {
        id: layout.id.clone(),
        name: short(&layout.name).to_owned(),
        count: all.iter().filter(|filed| filed.licence.licence_type == layout.id).count(),
        current: chosen.is_some_and(|chosen| chosen.id == layout.id),
    };
    let searching = !(asked.from.is_empty() && asked.to.is_empty());
    Ok(view::My { page, tabs: types.iter().map(tab).collect(), licences, from: asked.from, to: asked.to, searching })
}

/// The days asked for, both included, as instants. What is no day is passed over.
fn range(asked: &Asked) -> History {
    let midnight = |day: Date| TimeZone::fixed(SHANGHAI).to_timestamp(day.at(0, 0, 0, 0)).ok();
    let day = |text: &str| text.parse::<Date>().ok();
    let from = day(&asked.from).and_then(midnight);
    let to = day(&asked.to).and_then(|day| midnight(day.tomorrow().ok()?));
    History { from, to, ..History::default() }
}

/// What the page shows of a record. Its pictures are not decoded for that.
#[derive(Deserialize)]
struct Shown {
    holder: Holder,
    specialties: Vec<Specialty>,
    valid_from: Option<Date>,
    valid_to: Option<Date>,
    issuer: Issuer,
    issued_on: Date,
}

#[derive(Deserialize)]
struct Specialty {
    name: String,
    valid_from: Option<Date>,
    valid_to: Option<Date>,
}

#[derive(Deserialize)]
struct Holder {
    id_type: String,
}

#[derive(Deserialize)]
struct Issuer {
    name: String,
}

/// 统一社会信用代码 as a holder code type (GB/T 36903).
const COMPANY: &str = "001";

/// What a licence says of itself: its facts and its 专业.
pub fn facts(filed: &Filed) -> Result<(Vec<view::Fact>, view::Specialties), Problem> {
    let shown: Shown = serde_json::from_slice(&filed.json).map_err(|cause| Problem::internal(&cause))?;
    let licence = &filed.licence;
    let facts = [
        view::Fact::of(if shown.holder.id_type == COMPANY { "单位" } else { "姓名" }, licence.holder_name.as_str()),
        view::Fact::of("编号", licence.number.as_str()),
        view::Fact::of("聘用企业", licence.employer_name.clone().unwrap_or_default()),
        view::Fact::days("注册有效期", shown.valid_from, shown.valid_to),
        view::Fact::days("签发日期", Some(shown.issued_on), Some(shown.issued_on))
            .map(|fact| view::Fact { value: shown.issued_on.to_string(), ..fact }),
        view::Fact::of("签发机关", shown.issuer.name),
    ];
    let specialty = |s: Specialty| view::Specialty { name: s.name, dates: view::span(s.valid_from, s.valid_to) };
    // 专业 have dates, qualifications have none.
    let label = if shown.specialties.iter().any(|s| s.valid_to.is_some()) { "注册专业" } else { "资质" };
    let list = shown.specialties.into_iter().map(specialty).collect();
    Ok((facts.into_iter().flatten().collect(), view::Specialties { label, list }))
}

fn licence(
    page: &view::Page,
    layout: &Layout,
    filed: &Filed,
    holding: &Holding,
    found: &[Annotation],
    today: Date,
) -> Result<view::Licence, Problem> {
    let (facts, specialties) = facts(filed)?;
    let policy = layout.rules.use_period;
    let has_use_period = policy != UsePolicy::None;
    let chooses = matches!(policy, UsePolicy::HolderChooses { .. });
    let refusal = holding.next.as_ref().err().map(refusal);
    let offer = holding.next.as_ref().ok().and_then(|period| *period).map(|UsePeriod { from, to, .. }| view::Offer { from, to, chooses });
    let mut notes = Vec::new();
    match policy {
        UsePolicy::Fixed { days } => {
            notes.push(page.t("使用有效期截止日期必须在注册有效期内。").to_owned());
            notes.push(page.with("使用有效期限定为{}天。", days));
        }
        UsePolicy::HolderChooses { new_per_day } => {
            notes.push(page.t("使用有效期截止日期必须在注册有效期内。").to_owned());
            notes.push(page.with("每日最多新增{}次使用有效期。", new_per_day));
        }
        UsePolicy::None => {}
    }
    let period = holding.latest.as_ref().and_then(|latest| latest.period).map(|UsePeriod { from, to, .. }| view::Period {
        from,
        to,
        begun: from <= today,
        live: from <= today && today <= to,
        days_left: (to - today).get_days() + 1,
    });
    let card = |annotation: &Annotation| view::Card {
        id: annotation.id.clone(),
        on: shanghai_date(annotation.at),
        to: annotation.period.map(|period| period.to),
        denied: downloadable(annotation, &filed.licence, today).err().map(|denied| denied.words().1),
    };
    Ok(view::Licence {
        id: filed.licence.id.clone(),
        kind: layout.id.clone(),
        title: layout.name.clone(),
        short: short(&layout.name).to_owned(),
        number: filed.licence.number.clone(),
        wide: layout.landscape(),
        state: state(&filed.licence, today),
        period,
        facts,
        specialties,
        refusal,
        offer,
        notes,
        has_use_period,
        signed_by_hand: layout.rules.requires.signature,
        latest: holding.latest.as_ref().map(card),
        found: found.iter().map(card).collect(),
        forms: forms(&layout.id),
        verb: view::Verb::of(has_use_period),
    })
}

/// The state of a licence in one word.
pub fn state(licence: &Licence, today: Date) -> view::State {
    let (tone, text) = match licence.status {
        Status::Valid if licence.expires.is_some_and(|expires| expires < today) => ("warn", "已过期"),
        Status::Valid => ("good", "有效"),
        Status::Suspended => ("warn", "已暂扣"),
        Status::Cancelled => ("bad", "已注销"),
        Status::Revoked => ("bad", "已撤销"),
        Status::Withdrawn => ("bad", "已吊销"),
    };
    view::State { tone, text }
}

/// Why a licence cannot be issued now, for people.
pub fn refusal(why: &NotIssued) -> view::Refusal {
    match why {
        NotIssued::Refused(refusal) => view::Refusal { message: refusal.message.clone(), remedy: refusal.remedy.clone() },
        _ => view::Refusal {
            message: "证照信息有误".to_owned(), remedy: "证照信息不能排版，请联系发证机关更正。".to_owned()
        },
    }
}

/// A type's name without what says nothing to those who know it: 一级建造师.
pub fn short(name: &str) -> &str {
    let name = ["中华人民共和国", "建筑施工企业", "建筑施工", "建设工程"].iter().find_map(|start| name.strip_prefix(start)).unwrap_or(name);
    let ends = ["注册证书", "安全生产考核合格证书", "操作资格证书", "证书"];
    ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// The forms with which the holder of such a licence applies for something.
fn forms(licence_type: &str) -> Vec<view::Choice> {
    let fits = FORMS.iter().filter(|(_, form)| form.definition.licences.iter().any(|fit| fit == licence_type));
    let choice =
        |(id, form): (&&str, &Form)| view::Choice { id: (*id).to_owned(), name: form.definition.title.clone(), count: 0, current: false };
    fits.map(choice).collect()
}
