//! What the careless and the hostile send.

use std::num::NonZeroU32;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use certpress::config::{LimitSettings, ServiceSettings};
use serde_json::json;

use crate::house::{House, opening};

#[tokio::test]
async fn faults_of_a_body_have_line_and_column() {
    let house = House::open().await;
    let path = format!("/api/v1/licences/{}/annotations", house.licence("r23").await);
    let send = async |media_type: &str, body: &'static [u8]| {
        let request = house.request(Some("r23"), "POST", &path).header("content-type", media_type);
        house.send(request.body(Body::from(body)).unwrap()).await
    };
    let broken = send("application/json", b"{\n \"use_from\" \"2026\"}").await;
    assert_eq!((broken.status, &broken.json()["errors"][0]["place"]), (StatusCode::BAD_REQUEST, &json!("2:13")));
    let unknown = send("application/json", b"{\"use_form\": null}").await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unknown.json()["errors"][0]["message"].as_str().unwrap().contains("did you mean `use_from`?"));
    for wrong in [&b"{\"use_from\":\"2026-13-01\"}"[..], b"[]", b"{\"use_from\":1}", b"{\"use_to\":\"\"}"] {
        assert_eq!(send("application/json", wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}");
    }
    assert_eq!(send("application/json", b"\xff\xfe").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(send("application/x-www-form-urlencoded", b"a=b").await.problem(), "unsupported-type");
}

#[tokio::test]
async fn names_in_an_address_that_nobody_knows_are_refused_with_the_nearest() {
    let house = House::open().await;
    let history = format!("/api/v1/licences/{}/annotations?form=2026-03-01", house.licence("r01").await);
    for (who, path, nearest) in [
        ("staff", "/api/v1/records?licence_tpye=constructor-1", "licence_type"),
        ("staff", "/api/v1/audit?subjet=x", "subject"),
        ("r01", history.as_str(), "from"),
    ] {
        let refused = house.get(who, path).await;
        assert_eq!((refused.status, refused.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid".to_owned()), "{path}");
        let told = &refused.json()["errors"][0];
        assert!(told["message"].as_str().unwrap().contains(&format!("did you mean `{nearest}`?")), "{told}");
        assert!(told["chinese"]["message"].as_str().unwrap().ends_with(&format!("是否应为 {nearest}？")), "{told}");
    }
    let wrong = house.get("staff", "/api/v1/records?limit=many").await.json();
    assert_eq!((&wrong["errors"][0]["field"], &wrong["errors"][0]["chinese"]["field"]), (&json!("limit"), &json!("条数")));
    assert!(wrong["errors"][0]["chinese"]["message"].as_str().unwrap().contains("有误"), "{wrong}");
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_read() {
    let house = House::open().await;
    let path = format!("/api/v1/licences/{}/annotations", house.licence("r01").await);
    let request = house.request(Some("r01"), "POST", &path).header("content-length", "99999999").header("content-type", "application/json");
    let unread = Body::from_stream(futures_util::stream::poll_fn(|_| -> std::task::Poll<Option<Result<bytes::Bytes, std::io::Error>>> {
        panic!("the body was read")
    }));
    let refused = house.send(request.body(unread).unwrap()).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::PAYLOAD_TOO_LARGE, "too-large".to_owned()));
    // And one that does not say so is read no further than that.
    let request = house.request(Some("r01"), "POST", &path).header("content-type", "application/json");
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from_static(&[b' '; 65536])));
    assert_eq!(house.send(request.body(Body::from_stream(endless)).unwrap()).await.problem(), "too-large");
}

#[tokio::test]
async fn addresses_that_lead_nowhere_are_problems_too() {
    let house = House::open().await;
    for path in [
        "/api/v1/nothing",
        "/api/v1/annotations/..%2f..%2fetc%2fpasswd/document.pdf",
        "/api/v1/annotations/%00/document.pdf",
        "/api/v1/annotations/%ff/document.pdf",
        "/api/v1/annotations/'%20OR%201=1--/document.pdf",
        "/api/v1/licences/%F0%9F%92%A9/annotations",
    ] {
        let answer = house.get("r01", path).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::NOT_FOUND, "not-found".to_owned()), "{path}");
    }
    // A browser gets a page, with the same status.
    let browser = house.request(None, "GET", "/nothing").header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let page = house.send(browser.body(Body::empty()).unwrap()).await;
    assert_eq!((page.status, &page.headers["content-type"]), (StatusCode::NOT_FOUND, &"text/html; charset=utf-8".parse().unwrap()));
    assert!(String::from_utf8(page.bytes).unwrap().contains("没有找到"));
    let other = house.send(house.request(Some("r01"), "DELETE", "/api/v1/me/licences").body(Body::empty()).unwrap()).await;
    assert_eq!((other.status, other.problem()), (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed".to_owned()));
    assert!(other.headers["allow"].to_str().unwrap().contains("GET"));
}

#[tokio::test]
async fn a_caller_who_asks_too_often_waits() {
    let one = |n| NonZeroU32::new(n).unwrap();
    let limits = LimitSettings { per_second: one(1), burst: one(3), ..LimitSettings::default() };
    let settings = ServiceSettings { limits, ..ServiceSettings::default() };
    let house = House::over(tempfile::tempdir().unwrap(), opening(), &settings).await;
    for _ in 0..3 {
        assert_eq!(house.get("r01", "/api/v1/me/licences").await.status, StatusCode::OK);
    }
    let early = house.get("r01", "/api/v1/me/licences").await;
    assert_eq!((early.status, early.problem()), (StatusCode::TOO_MANY_REQUESTS, "too-many-requests".to_owned()));
    assert!(early.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    assert_eq!(house.get("r02", "/api/v1/me/licences").await.status, StatusCode::OK, "others need not wait");
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let guess = Request::get("/api/v1/me/licences").header("authorization", "Bearer a.b.c");
        statuses.push(house.send(guess.body(Body::empty()).unwrap()).await.status);
    }
    assert_eq!(statuses[4], StatusCode::TOO_MANY_REQUESTS, "who guesses tokens waits too");
}

#[tokio::test]
async fn every_answer_has_an_id_and_keeps_browsers_in_check() {
    let house = House::empty().await;
    for (sent, kept) in [("portal-17", true), ("a b", false), ("", false), (&"x".repeat(65), false)] {
        let answer = house.send(Request::get("/healthz").header("x-request-id", sent).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.headers["x-request-id"] == sent, kept, "{sent:?}");
        assert!(!answer.headers["x-request-id"].is_empty());
        for name in ["x-content-type-options", "content-security-policy", "referrer-policy", "x-frame-options"] {
            assert!(answer.headers.contains_key(name), "{name}");
        }
    }
}

#[tokio::test]
async fn hostile_names_are_text_or_refused() {
    let house = House::empty().await;
    for name in ["<script>alert(1)</script>", "王\u{202e}䶮", "王\0", "'; DROP TABLE licence;--", "{{7*7}}"] {
        let mut record = crate::house::sample_json("r01");
        record["holder"]["name"] = name.into();
        let request = house.request(Some("staff"), "PUT", "/api/v1/records").header("content-type", "application/json");
        let answer = house.send(request.body(Body::from(record.to_string())).unwrap()).await;
        assert!(answer.status.is_success() || answer.status == StatusCode::UNPROCESSABLE_ENTITY, "{name:?}: {answer:?}");
    }
    assert_eq!(house.get("staff", "/api/v1/records").await.status, StatusCode::OK);
}
