//! The staff desk: search, one licence with all there is about it, import, bulk reissue, figures, layouts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path as FilePath;

use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::super::App;
use super::super::demo::SAMPLES;
use super::super::problem::{FieldError, Problem};
use super::super::records;
use super::visitor::Visitor;
use super::{answers, my, not_found, view};
use crate::annotation::Wish;
use crate::clock::shanghai_date;
use crate::record::{Options, Record, Status};
use crate::render::Format;
use crate::store::{Act, AuditQuery, History, Licence, Search};

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/desk", get(all).post(search))
        .route("/desk/licences/{id}", get(licence))
        .route("/desk/import", get(import))
        .route("/desk/import/preview", post(preview).layer(DefaultBodyLimit::disable()))
        .route("/desk/reissue", get(reissue))
        .route("/desk/figures", get(figures))
        .route("/desk/layouts", get(layouts))
        .route("/desk/layouts/{name}", get(sample))
}

#[derive(Deserialize, Default)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    expiring: String,
    after: Option<String>,
}

/// All of them, in order.
async fn all(State(app): State<App>, visitor: Visitor) -> Response {
    visitor.answer(found(&app, &visitor, Asked::default()).await)
}

/// What is looked for comes in the body: names and identity numbers have no place in addresses.
async fn search(State(app): State<App>, visitor: Visitor, asked: Result<Form<Asked>, FormRejection>) -> Response {
    let asked = asked.map(|Form(asked)| asked).unwrap_or_default();
    visitor.answer(found(&app, &visitor, asked).await)
}

async fn found(app: &App, visitor: &Visitor, asked: Asked) -> Result<view::Desk, Problem> {
    let caller = visitor.staff()?;
    let (register, now) = (&app.register, app.register.clock.now());
    let today = shanghai_date(now);
    let kept = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let days = asked.expiring.parse::<i32>().ok().filter(|days| (0..=3660).contains(days));
    let common = Search {
        licence_type: kept(&asked.r#type),
        status: kept(&asked.status),
        expires_from: days.map(|_| today),
        expires_before: days.map(|days| today.saturating_add((days + 1).days())),
        ..Search::default()
    };
    // What the page before ended with: the meaning that it was at, and how far.
    let (begun, mut after) = match asked.after.as_deref().and_then(|after| after.split_once(':')) {
        Some((meaning, after)) => (meaning.parse().unwrap_or(0), Some(after.to_owned())),
        None => (0, None),
    };
    let (mut listed, mut next) = (Vec::<Licence>::new(), None);
    for (i, search) in meanings(asked.q.trim(), &common).into_iter().enumerate().skip(begun) {
        let page = register.store.search(&Search { after: after.take(), ..search }).await?;
        let new: Vec<_> = page.items.into_iter().filter(|item| listed.iter().all(|known| known.id != item.id)).collect();
        listed.extend(new);
        next = page.next.map(|after| format!("{i}:{after}"));
        if next.is_some() {
            break;
        }
    }
    // What was typed may be a name; the trail says only that somebody looked.
    register.store.audit_look(&Act::new(&caller.subject, now), "look.search", "licences").await?;

    let row = |licence: &Licence| view::Row {
        id: licence.id.clone(),
        number: licence.number.clone(),
        name: licence.holder_name.clone(),
        kind: register.line.layouts().find(&licence.licence_type).map_or("", |layout| my::short(&layout.name)).to_owned(),
        employer: licence.employer_name.clone().unwrap_or_default(),
        expires: licence.expires.map_or_else(String::new, |day| day.to_string()),
        version: licence.version,
        state: my::state(licence, today),
    };
    Ok(view::Desk {
        page: visitor.page(),
        statuses: Status::ALL.into_iter().map(|status| choice(status.as_str(), status_name(status), &asked.status)).collect(),
        types: types(app, &asked.r#type),
        rows: listed.iter().map(row).collect(),
        next,
        ask: view::Ask { q: asked.q, status: asked.status, kind: asked.r#type, expiring: asked.expiring },
    })
}

/// Holder code types (GB/T 36903) that an identity number may be of: 公民身份号码, passports, 通行证, 统一社会信用代码.
const IDENTITIES: [&str; 8] = ["111", "414", "516", "511", "001", "411", "412", "413"];

/// What somebody may mean by a few words: an identity number, a number, else a name or a company; tried in this order.
fn meanings(words: &str, common: &Search) -> Vec<Search> {
    let said = || Some(words.to_owned());
    let plain = words.chars().all(|c| c.is_ascii_alphanumeric());
    if words.is_empty() {
        return vec![common.clone()];
    }
    if plain && (8..=18).contains(&words.len()) {
        let identity = |id_type: &&str| Search { identity: Some(((*id_type).to_owned(), words.to_ascii_uppercase())), ..common.clone() };
        return IDENTITIES.iter().map(identity).chain([Search { number: said(), ..common.clone() }]).collect();
    }
    let number = Search { number: said(), ..common.clone() };
    let name = Search { name: said(), ..common.clone() };
    let employer = Search { employer: said(), ..common.clone() };
    if words.chars().any(|c| c.is_ascii_digit()) { vec![number, name, employer] } else { vec![name, employer, number] }
}

fn choice(id: &str, name: &str, chosen: &str) -> view::Choice {
    view::Choice { id: id.to_owned(), name: name.to_owned(), count: 0, current: id == chosen }
}

fn types(app: &App, chosen: &str) -> Vec<view::Choice> {
    app.register.line.layouts().iter().map(|layout| choice(&layout.id, my::short(&layout.name), chosen)).collect()
}

const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Valid => "有效",
        Status::Suspended => "已暂扣",
        Status::Cancelled => "已注销",
        Status::Revoked => "已撤销",
        Status::Withdrawn => "已吊销",
    }
}

/// What can be decided about a licence, and what it brings about.
const ACTIONS: [view::Action; 6] = [
    view::Action {
        id: "reissue", name: "换发", means: "生成新版本，旧版本随即失效，扫码时显示“已被新版本替代”。", grave: false
    },
    view::Action {
        id: "suspend", name: "暂扣", means: "证照暂停使用，恢复以前不能加注，扫码时显示“已暂扣”。", grave: true
    },
    view::Action { id: "restore", name: "恢复", means: "证照恢复有效，可以加注和使用。", grave: false },
    view::Action {
        id: "revoke", name: "撤销", means: "证照永久失效，扫码时显示“已撤销”。不能恢复。", grave: true
    },
    view::Action {
        id: "withdraw", name: "吊销", means: "证照永久失效，扫码时显示“已吊销”。不能恢复。", grave: true
    },
    view::Action {
        id: "cancel", name: "注销", means: "证照永久失效，扫码时显示“已注销”。不能恢复。", grave: true
    },
];

/// `domain.md` §7: what a licence may become.
fn actions(status: Status) -> Vec<view::Action> {
    let fits = |action: &view::Action| match status {
        Status::Valid => action.id != "restore",
        Status::Suspended => action.id != "reissue" && action.id != "suspend",
        Status::Cancelled | Status::Revoked | Status::Withdrawn => false,
    };
    ACTIONS.into_iter().filter(fits).collect()
}

async fn licence(State(app): State<App>, visitor: Visitor, Path(id): Path<String>) -> Response {
    visitor.answer(whole(&app, &visitor, &id).await)
}

async fn whole(app: &App, visitor: &Visitor, id: &str) -> Result<view::DeskLicence, Problem> {
    let caller = visitor.staff()?;
    let (register, store, now) = (&app.register, &app.register.store, app.register.clock.now());
    let filed = not_found(store.licence(id).await?)?;
    store.audit_look(&Act::new(&caller.subject, now), "look.licence", id).await?;
    let layout = register.line.layouts().find(&filed.licence.licence_type).ok();
    let (facts, specialties) = my::facts(&filed)?;
    let holding = register.holding(filed.clone()).await?;

    let mut versions = Vec::new();
    for number in (1..=filed.licence.version).rev().take(MOST_SHOWN) {
        let Some(version) = store.licence_version(id, number).await? else { break };
        versions.push(view::Version {
            number,
            at: answers::instant(version.at),
            actor: version.actor,
            reason: version.reason.unwrap_or_default(),
        });
    }
    let mut annotations = Vec::new();
    for annotation in store.annotations(id, &History::default()).await? {
        let file = |file: &crate::store::IssuedFile| view::File {
            format: file.format.to_uppercase(),
            bytes: format!("{} KB", file.bytes.div_ceil(1024)),
            sha256: hex::encode(&file.sha256[..8]),
        };
        annotations.push(view::Annotation {
            number: annotation.number,
            version: annotation.version,
            at: answers::instant(annotation.at),
            period: annotation.period.and_then(|p| view::span(Some(p.from), Some(p.to))).unwrap_or_default(),
            files: store.files(&annotation.id).await?.iter().map(file).collect(),
        });
    }
    let query = AuditQuery { subject: Some(id.to_owned()), limit: Some(MOST_SHOWN as u32), ..AuditQuery::default() };
    let entry = |entry: crate::store::AuditEntry| view::Audited {
        seq: entry.seq,
        at: answers::instant(entry.at),
        actor: entry.actor,
        action: action_name(&entry.action).to_owned(),
        reason: entry.reason.unwrap_or_default(),
    };
    let audit = store.audit(&query).await?.into_iter().map(entry).collect();
    let refusal = holding.next.err().map(|why| my::refusal(&why));
    Ok(view::DeskLicence {
        page: visitor.page(),
        id: id.to_owned(),
        number: filed.licence.number.clone(),
        name: filed.licence.holder_name.clone(),
        title: layout.map_or_else(String::new, |layout| layout.name.clone()),
        state: my::state(&filed.licence, shanghai_date(now)),
        actions: actions(filed.licence.status),
        refusal,
        facts,
        specialties,
        versions,
        annotations,
        audit,
    })
}

/// How many versions and audit entries a page shows.
const MOST_SHOWN: usize = 50;

/// What the trail's words mean; one that is not known is shown as it is.
fn action_name(action: &str) -> &str {
    match action {
        "licence.load" => "导入",
        "licence.status" => "变更状态",
        "licence.reissue" => "换发",
        "annotation.record" => "加注",
        "annotation.sign" => "签名",
        "file.issue" | "annotation.file" => "生成文件",
        "look.search" => "查询",
        "look.licence" => "查看",
        "look.why" => "查询原因",
        "look.form" => "填写表格",
        other => other,
    }
}

async fn import(visitor: Visitor) -> Response {
    visitor.answer(visitor.staff().map(|_| view::DeskImport { page: visitor.page() }))
}

/// What an import would come to.
#[derive(Default, Serialize)]
struct Preview {
    good: usize,
    bad: usize,
    /// The first faults.
    faults: Vec<FieldError>,
}

/// How many faults are shown; who has more mends these first.
const MOST_FAULTS: usize = 200;

/// Reads records as an import would, and writes nothing.
async fn preview(State(app): State<App>, visitor: Visitor, request: Request) -> Result<Json<Preview>, Problem> {
    visitor.staff()?;
    let kind = records::kind(request.headers())?;
    let file = records::spool(request.into_body(), app.largest_batch).await?;
    let options = Options { today: shanghai_date(app.clock.now()), lenient_identifiers: false };
    let register = app.clone();
    let read = move || {
        let mut preview = Preview::default();
        for input in crate::record::sent(file, kind) {
            let loaded = input.load(&options);
            let known = |record: &Record| register.register.line.layouts().find(&record.licence_type).is_ok();
            let mut faults: Vec<FieldError> = match &loaded.record {
                Ok(record) if known(record) => {
                    preview.good += 1;
                    continue;
                }
                Ok(record) => {
                    let unknown = format!("`{}` is not a known licence type", record.licence_type);
                    vec![FieldError::new(None, Some("licence_type".to_owned()), unknown)]
                }
                Err(faults) => faults.iter().map(FieldError::from).collect(),
            };
            preview.bad += 1;
            for fault in &mut faults {
                fault.place.get_or_insert_with(|| loaded.source.trim_start_matches(':').to_owned());
            }
            preview.faults.extend(faults);
            preview.faults.truncate(MOST_FAULTS);
        }
        preview
    };
    tokio::task::spawn_blocking(read).await.map(Json).map_err(|cause| Problem::internal(&cause))
}

async fn reissue(State(app): State<App>, visitor: Visitor) -> Response {
    visitor.answer(visitor.staff().map(|_| view::DeskReissue { page: visitor.page(), types: types(&app, ""), reasons: REASONS }))
}

async fn figures(State(app): State<App>, visitor: Visitor) -> Response {
    visitor.answer(counted(&app, &visitor).await)
}

async fn counted(app: &App, visitor: &Visitor) -> Result<view::DeskFigures, Problem> {
    visitor.staff()?;
    let now = app.register.clock.now();
    let today = shanghai_date(now);
    let store = &app.register.store;
    let first = today.saturating_sub(29.days());
    let mut issued: BTreeMap<Date, u64> = first.series(1.day()).take(30).map(|day| (day, 0)).collect();
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for tally in store.tallies(first, today).await? {
        match tally.kind.strip_prefix("refused/") {
            Some(code) => *refused.entry(code.to_owned()).or_default() += tally.count,
            None => *issued.entry(tally.day).or_default() += tally.count,
        }
    }
    let this_month = today.first_of_month();
    let last = this_month.saturating_add(12.months()).saturating_sub(1.day());
    let month = |day: Date| day.strftime("%Y-%m").to_string();
    let mut ends: BTreeMap<String, u64> = this_month.series(1.month()).take(12).map(|day| (month(day), 0)).collect();
    for expiring in store.expiring(today, last).await? {
        *ends.entry(month(expiring.day)).or_default() += expiring.count;
    }
    let mut refused: Vec<_> = refused.into_iter().map(|(code, count)| (Cow::Borrowed(reason_name(&code)), count)).collect();
    refused.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let charts = vec![
        view::Chart::columns(
            "近30天的加注",
            "日期",
            issued.into_iter().map(|(day, n)| (day.strftime("%-m-%-d").to_string().into(), n)).collect(),
        ),
        view::Chart::columns("近30天的拒绝", "原因", refused),
        view::Chart::columns("未来12个月到期", "月份", ends.into_iter().map(|(month, n)| (month.into(), n)).collect()),
    ];
    Ok(view::DeskFigures { page: visitor.page(), as_of: answers::instant(now), charts })
}

/// Why there is no 加注, or no new version, in the words of a clerk's list.
const REASONS: [(&str, &str); 12] = [
    ("inactive", "证照无效"),
    ("not-reported", "尚未归集，暂不能加注"),
    ("expired", "证照过期"),
    ("over-age", "超龄"),
    ("photo-missing", "缺少免冠证件照"),
    ("signature-missing", "缺少手写签字"),
    ("pending", "正在生成"),
    ("out-of-range", "日期超出范围"),
    ("too-many-today", "当日次数已满"),
    ("versions-used-up", "版本号已用完"),
    ("invalid", "证照信息不完整"),
    ("other", "其他"),
];

fn reason_name(code: &str) -> &'static str {
    let found = REASONS.iter().find(|(known, _)| *known == code);
    found.map_or("其他", |(_, name)| name)
}

async fn layouts(State(app): State<App>, visitor: Visitor) -> Response {
    let face = |layout: &crate::layout::Layout| view::Face { id: layout.id.clone(), name: layout.name.clone(), wide: layout.landscape() };
    let layouts = app.register.line.layouts().iter().map(face).collect();
    visitor.answer(visitor.staff().map(|_| view::DeskLayouts { page: visitor.page(), layouts }))
}

/// A type's face, with the first sample record that can be set.
async fn sample(State(app): State<App>, visitor: Visitor, Path(name): Path<String>) -> Response {
    let picture = async {
        visitor.staff()?;
        let id = not_found(name.strip_suffix(".png"))?.to_owned();
        not_found(app.register.line.layouts().find(&id).ok())?;
        let (line, now) = (std::sync::Arc::clone(&app.register.line), app.register.clock.now());
        let work = move || {
            let composed = samples(&id, shanghai_date(now)).find_map(|record| line.compose(&record, now, Wish::default()).ok());
            composed.map(|composed| line.render(&composed.document, Format::Png))
        };
        let png = not_found(app.register.gate.run(work).await.map_err(crate::issue::register::RegisterError::from)?)?;
        png.map_err(|cause| Problem::internal(&cause))
    };
    match picture.await {
        Ok(png) => ([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "private, max-age=600")], png).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// The sample records of a type that are compiled into the binary, pictures and all.
fn samples(licence_type: &str, today: Date) -> impl Iterator<Item = Record> + use<> {
    let folder = tempfile::tempdir().and_then(|folder| write_samples(folder.path()).map(|()| folder)).ok();
    let said = format!("\"licence_type\": \"{licence_type}\"");
    let own = SAMPLES.iter().filter(|(name, bytes)| name.ends_with(".json") && String::from_utf8_lossy(bytes).contains(&said));
    let paths: Vec<_> = folder.iter().flat_map(|folder| own.clone().map(|(name, _)| folder.path().join(name))).collect();
    let options = Options { today, lenient_identifiers: false };
    // The folder lives as long as what is read from it.
    crate::record::read(&paths, &options).filter_map(move |loaded| {
        let _lives = &folder;
        loaded.record.ok()
    })
}

fn write_samples(folder: &FilePath) -> std::io::Result<()> {
    for (name, bytes) in SAMPLES {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, bytes)?;
    }
    Ok(())
}
