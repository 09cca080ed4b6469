//! The files of a 加注: the same for ever, resumable, and only inside the use period.

use axum::body::Body;
use axum::http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;

use crate::house::{Answer, House};

async fn file(house: &House, who: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(house.request(Some(who), "GET", path), |request, (name, value)| request.header(*name, *value));
    house.send(request.body(Body::empty()).unwrap()).await
}

async fn annotated(house: &House, id: &str) -> String {
    format!("/api/v1/annotations/{}", house.annotate(id).await.json()["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_file_has_its_name_and_never_changes() {
    let house = House::open().await;
    let entry = annotated(&house, "r01").await;
    let pdf = house.get("r01", &format!("{entry}/document.pdf")).await;
    assert_eq!((pdf.status, &pdf.bytes[..5]), (StatusCode::OK, &b"%PDF-"[..]));
    assert_eq!(pdf.headers["content-type"], "application/pdf");
    assert_eq!(
        pdf.headers["content-disposition"],
        "attachment; filename=\"1112012201990001.pdf\"; filename*=UTF-8''%E4%BA%AC1112012201990001.pdf"
    );
    let ofd = house.get("r01", &format!("{entry}/document.ofd")).await;
    assert_eq!((ofd.status, &ofd.bytes[..2]), (StatusCode::OK, &b"PK"[..]));
    let preview = house.get("r01", &format!("{entry}/preview.png")).await;
    assert_eq!(&preview.bytes[1..4], b"PNG");
    assert!(preview.headers["content-disposition"].to_str().unwrap().starts_with("inline;"));
    let house = house.again().await;
    let later = house.get("r01", &format!("{entry}/document.pdf")).await;
    assert_eq!((later.bytes == pdf.bytes, &later.headers["etag"]), (true, &pdf.headers["etag"]));
}

#[tokio::test]
async fn a_download_can_be_resumed_and_is_not_repeated() {
    let house = House::open().await;
    let path = format!("{}/document.pdf", annotated(&house, "r01").await);
    let whole = file(&house, "r01", &path, &[]).await;
    let etag = whole.headers["etag"].to_str().unwrap();
    let same = file(&house, "r01", &path, &[("if-none-match", etag)]).await;
    assert_eq!((same.status, same.bytes.len()), (StatusCode::NOT_MODIFIED, 0));
    let part = file(&house, "r01", &path, &[("range", "bytes=1000-1999"), ("if-range", etag)]).await;
    assert_eq!((part.status, &part.bytes[..]), (StatusCode::PARTIAL_CONTENT, &whole.bytes[1000..2000]));
    assert_eq!(part.headers["content-range"], format!("bytes 1000-1999/{}", whole.bytes.len()));
    let other = file(&house, "r01", &path, &[("range", "bytes=1000-1999"), ("if-range", "\"other\"")]).await;
    assert_eq!((other.status, other.bytes.len()), (StatusCode::OK, whole.bytes.len()));
    let beyond = file(&house, "r01", &path, &[("range", "bytes=9999999-")]).await;
    assert_eq!((beyond.status, beyond.problem()), (StatusCode::RANGE_NOT_SATISFIABLE, "bad-range".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_asked_for_many_times_at_once_is_made_once() {
    let house = std::sync::Arc::new(House::open().await);
    let path = format!("{}/document.pdf", annotated(&house, "r01").await);
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let (house, path) = (std::sync::Arc::clone(&house), path.clone());
            tokio::spawn(async move { house.get("r01", &path).await })
        })
        .collect();
    let mut bodies = std::collections::BTreeSet::new();
    for task in tasks {
        let answer = task.await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        bodies.insert(answer.bytes);
    }
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn outside_the_use_period_there_is_no_file_but_a_preview() {
    let house = House::open().await;
    let entry = annotated(&house, "r01").await;
    house.pass(SignedDuration::from_hours(24 * 181));
    let over = house.get("r01", &format!("{entry}/document.pdf")).await;
    assert_eq!((over.status, over.problem()), (StatusCode::CONFLICT, "use-period-over".to_owned()));
    assert_eq!(house.get("r01", &format!("{entry}/preview.png")).await.status, StatusCode::OK);

    let house = House::open().await;
    let path = format!("/api/v1/licences/{}/annotations", house.licence("r23").await);
    let later = house.post("r23", &path, json!({"use_from": "2026-03-10"})).await.json();
    let file = format!("/api/v1/annotations/{}/document.ofd", later["id"].as_str().unwrap());
    assert_eq!(house.get("r23", &file).await.problem(), "not-begun");
    house.pass(SignedDuration::from_hours(24 * 8));
    assert_eq!(house.get("r23", &file).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_licence_that_was_reissued_or_suspended_has_no_file() {
    let house = House::open().await;
    let (entry, licence) = (annotated(&house, "r01").await, house.licence("r01").await);
    let pdf = format!("{entry}/document.pdf");
    assert_eq!(house.get("r01", &pdf).await.status, StatusCode::OK);
    let step = async |step: &str| house.post("staff", &format!("/api/v1/licences/{licence}/{step}"), json!({"reason": "测试"})).await;
    assert_eq!(step("suspend").await.status, StatusCode::OK);
    assert_eq!(house.get("r01", &pdf).await.problem(), "inactive");
    assert_eq!(step("restore").await.status, StatusCode::OK);
    assert_eq!(house.get("r01", &pdf).await.status, StatusCode::OK);
    assert_eq!(step("reissue").await.json()["version"], 2);
    assert_eq!(house.get("r01", &pdf).await.problem(), "superseded");
    // A preview of before can still be made.
    assert_eq!(house.get("r01", &format!("{entry}/preview.png")).await.status, StatusCode::OK);
    let anew = house.annotate("r01").await.json();
    assert_eq!((&anew["version"], &anew["number"]), (&json!(2), &json!(2)));
}
