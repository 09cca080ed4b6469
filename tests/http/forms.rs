//! Word forms over HTTP: prefilled from one's own licence only, with faults that name their field.

use std::io::Read as _;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::{Answer, House, sample};

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// The text of a Word document.
fn text(answer: &Answer) -> String {
    assert_eq!(
        (answer.status, answer.headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, DOCX),
        "{}",
        String::from_utf8_lossy(&answer.bytes)
    );
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&answer.bytes)).unwrap();
    let mut xml = String::new();
    zip.by_name("word/document.xml").unwrap().read_to_string(&mut xml).unwrap();
    xml.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text).collect()
}

async fn fill(house: &House, who: &str, form: &str, body: Value) -> Answer {
    house.post(who, &format!("/api/v1/forms/{form}"), body).await
}

#[tokio::test]
async fn every_form_is_listed_with_its_fields() {
    let house = House::empty().await;
    let forms = house.get("r01", "/api/v1/forms").await.json()["forms"].as_array().unwrap().clone();
    assert!(forms.len() >= 17, "{}", forms.len());
    let renew = forms.iter().find(|form| form["id"] == "constructor-2-renew").unwrap();
    assert_eq!((&renew["title"], &renew["licence_type"]), (&json!("二级建造师延续注册申请表"), &json!("constructor-2-bj")));
    let field = |name: &str| renew["fields"].as_array().unwrap().iter().find(|field| field["name"] == name).cloned();
    assert_eq!(
        field("姓名").unwrap(),
        json!({"name": "姓名", "kind": "text", "required": true, "from_register": true, "many": false, "max_chars": 120})
    );
    assert_eq!(field("性别").unwrap()["options"], json!(["男", "女"]));
    assert_eq!(field("二维码"), None, "what is worked out is not asked for");
    assert_eq!(renew["lists"][0]["from_register"], true);
}

#[tokio::test]
async fn a_holder_gets_the_form_filled_from_the_register() {
    let house = House::open().await;
    let holder = &sample("r23").holder;
    let draft = fill(&house, "r23", "constructor-2-renew?draft=true", json!({"电子邮箱": "a&b<c>@example.com"})).await;
    assert!(draft.headers["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\""));
    let draft = text(&draft);
    for value in [holder.name.as_str(), &holder.id_number, &sample("r23").number, "a&amp;b&lt;c&gt;@example.com"] {
        assert!(draft.contains(value), "{value}");
    }
    // Staff name the licence; the look is in the audit.
    let id = house.licence("r23").await;
    assert!(
        text(&fill(&house, "staff", &format!("constructor-2-renew?draft=true&licence={id}"), json!({})).await).contains(&holder.id_number)
    );
    let audit = house.get("auditor", "/api/v1/audit").await.json().to_string();
    assert!(audit.contains("look.form") && audit.contains(&id) && !audit.contains(&holder.id_number));
    assert!(!text(&fill(&house, "staff", "constructor-2-renew?draft=true", json!({})).await).contains(&holder.id_number));
}

#[tokio::test]
async fn somebody_elses_licence_fills_nothing() {
    let house = House::open().await;
    let theirs = house.licence("r23").await;
    let refused = fill(&house, "r01", &format!("constructor-2-renew?draft=true&licence={theirs}"), json!({})).await;
    assert_eq!(refused.problem(), "not-found");
    assert_eq!(fill(&house, "staff", "constructor-2-renew?licence=none", json!({})).await.problem(), "not-found");
    assert_eq!(fill(&house, "auditor", "constructor-2-renew", json!({})).await.problem(), "not-allowed");
    assert_eq!(fill(&house, "service", "constructor-2-renew", json!({})).await.problem(), "not-allowed");
    let request = house.request(Some("service"), "POST", "/api/v1/forms/constructor-2-renew?draft=true");
    let holder = &sample("r23").holder;
    let request = request.header("holder-id-type", &holder.id_type).header("holder-id-number", &holder.id_number);
    assert!(text(&house.send(request.body(axum::body::Body::empty()).unwrap()).await).contains(&holder.id_number));
}

#[tokio::test]
async fn faults_name_their_fields() {
    let house = House::open().await;
    let wrong = fill(
        &house,
        "r23",
        "worker-renew?draft=true",
        json!({"性别": "?", "姓": "王", "出生日期": "2020-13-01", "照片": "photos/p01.jpg"}),
    )
    .await;
    assert_eq!(wrong.problem(), "invalid");
    let fields: Vec<Value> = wrong.json()["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    for field in ["性别", "姓", "出生日期", "照片"] {
        assert!(fields.contains(&json!(field)), "{field}: {}", wrong.json());
    }
    let missing = fill(&house, "r23", "worker-renew", json!({})).await;
    assert!(missing.json()["errors"].as_array().unwrap().iter().any(|error| error["field"] == "联系电话"), "{}", missing.json());
    assert_eq!(fill(&house, "r23", "nothing", json!({})).await.problem(), "not-found");
    assert_eq!(fill(&house, "r23", "exam-results", json!({})).await.problem(), "not-found");
    assert_eq!(fill(&house, "r23", "..%2f..%2fetc", json!({})).await.problem(), "not-found");
    assert_eq!(fill(&house, "r23", "worker-renew", json!([])).await.problem(), "invalid");
    assert_eq!(fill(&house, "r23", "worker-renew?template=x", json!({})).await.problem(), "invalid");
    assert_eq!(fill(&house, "r23", "worker-renew?draft=true", json!({"姓名": "a\u{0}b"})).await.problem(), "invalid");
}

#[tokio::test]
async fn an_application_outside_its_window_is_refused_with_the_dates() {
    let house = House::open().await;
    let fields = json!({"民族": "汉族", "手机号码": "13800000001", "法定代表人": "李", "工商注册地": "北京", "企业类型": "有限责任公司",
                        "联系人": "赵", "联系电话": "010"});
    let refused = fill(&house, "r23", "constructor-2-renew", fields).await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::CONFLICT, "window-closed"), "{}", refused.json());
    assert!(refused.json()["title"].as_str().unwrap().contains("可申请日期"), "{}", refused.json());
}
