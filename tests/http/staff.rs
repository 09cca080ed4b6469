//! What staff do, and that all of it is in the audit.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::{House, sample};

async fn step(house: &House, licence: &str, step: &str) -> crate::house::Answer {
    house.post("staff", &format!("/api/v1/licences/{licence}/{step}"), json!({"reason": "接到举报"})).await
}

#[tokio::test]
async fn a_licence_goes_through_its_life_and_no_other_way() {
    let house = House::open().await;
    let licence = house.licence("r01").await;
    assert_eq!(step(&house, &licence, "restore").await.problem(), "wrong-state");
    assert_eq!(step(&house, &licence, "suspend").await.json()["status"], "suspended");
    assert_eq!(house.annotate("r01").await.problem(), "inactive");
    assert_eq!(step(&house, &licence, "reissue").await.problem(), "wrong-state");
    assert_eq!(step(&house, &licence, "restore").await.json()["status"], "valid");
    assert_eq!(step(&house, &licence, "reissue").await.json()["version"], 2);
    assert_eq!(step(&house, &licence, "revoke").await.json()["status"], "revoked");
    assert_eq!(step(&house, &licence, "restore").await.problem(), "wrong-state");
    assert_eq!(step(&house, "0000", "revoke").await.status, StatusCode::NOT_FOUND);
    for reason in ["", "  ", "a\nb", &"长".repeat(501)] {
        let answer = house.post("staff", &format!("/api/v1/licences/{licence}/revoke"), json!({"reason": reason})).await;
        assert_eq!(answer.problem(), "invalid", "{reason:?}");
    }
    let entries = house.get("auditor", &format!("/api/v1/audit?subject={licence}")).await.json();
    let told: Vec<(&str, &str)> = entries["entries"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|e| (e["action"].as_str().unwrap(), e["reason"].as_str().unwrap_or("")))
        .collect();
    let because = "接到举报";
    assert_eq!(
        told,
        [
            ("licence.load", ""),
            ("licence.status", because),
            ("licence.status", because),
            ("licence.reissue", because),
            ("licence.status", because)
        ]
    );
    assert!(house.app.register.store.audit_verify().await.unwrap().tampered.is_none());
}

#[tokio::test]
async fn a_step_is_taken_once_however_often_it_is_sent() {
    let house = House::open().await;
    let path = format!("/api/v1/licences/{}/reissue", house.licence("r01").await);
    let send = async |key: &str, reason: &str| {
        let request = house.request(Some("staff"), "POST", &path).header("idempotency-key", key).header("content-type", "application/json");
        house.send(request.body(Body::from(json!({"reason": reason}).to_string())).unwrap()).await
    };
    assert_eq!(send("a", "遗失").await.json()["version"], 2);
    assert_eq!(send("a", "遗失").await.json()["version"], 2);
    assert_eq!(send("a", "更名").await.problem(), "key-reused");
    assert_eq!(send("b", "遗失").await.json()["version"], 3);
}

#[tokio::test]
async fn each_look_is_audited_and_shows_no_identity_number() {
    let house = House::open().await;
    let licence = house.licence("r01").await;
    let detail = house.get("auditor", &format!("/api/v1/licences/{licence}")).await;
    let record = &detail.json()["record"];
    assert_eq!((&record["holder"]["id_number"], &record["holder"]["photo"]), (&json!("110***********0010"), &json!(true)));
    assert!(!String::from_utf8(detail.bytes).unwrap().contains(&sample("r01").holder.id_number));
    let found = house.post("staff", "/api/v1/records/search", json!({"name": "王䶮"})).await.json();
    assert!(found["licences"].as_array().unwrap().iter().any(|l| l["id"] == licence.as_str()));
    house.get("staff", &format!("/api/v1/licences/{licence}/why")).await;
    let entries = house.get("auditor", "/api/v1/audit?limit=3").await.json();
    let told: Vec<_> = entries["entries"].as_array().unwrap().iter().map(|e| (e["actor"].as_str(), e["action"].as_str())).collect();
    let look = |actor, action| (Some(actor), Some(action));
    assert_eq!(told, [look("demo:staff", "look.why"), look("demo:staff", "look.search"), look("demo:auditor", "look.licence")]);
    assert!(entries["entries"][1]["subject"].as_str().unwrap().contains(&licence));
}

#[tokio::test]
async fn licences_are_found_by_everything_that_is_asked_for() {
    let house = House::open().await;
    let holder = &sample("r01").holder;
    for (wanted, some) in [
        (json!({"identity": {"id_type": holder.id_type, "id_number": holder.id_number}}), true),
        (json!({"identity": {"id_type": holder.id_type, "id_number": "110000198506120020"}}), false),
        (json!({"number": "京1112012201990001"}), true),
        (json!({"employer": "北京测试云川"}), true),
        (json!({"licence_type": "constructor-1", "status": "valid", "expires_before": "2099-01-01"}), true),
        (json!({"expires_from": "2099-01-01"}), false),
    ] {
        let found = house.post("staff", "/api/v1/records/search", wanted.clone()).await.json();
        assert_eq!(!found["licences"].as_array().unwrap().is_empty(), some, "{wanted}: {found}");
    }
    let mut seen = 0;
    let mut path = "/api/v1/records?limit=10".to_owned();
    loop {
        let page: Value = house.get("staff", &path).await.json();
        seen += page["licences"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/records?limit=10&cursor={next}");
    }
    assert_eq!(seen, crate::house::samples().len());
    assert_eq!(house.get("staff", "/api/v1/records?status=lost").await.problem(), "invalid");
    assert_eq!(house.get("staff", "/api/v1/records?limit=0").await.problem(), "invalid");
}

#[tokio::test]
async fn why_there_is_no_file_is_one_call() {
    let house = House::open().await;
    for (id, annotate, download) in [("r09", json!("photo-missing"), "not-annotated"), ("r01", Value::Null, "not-annotated")] {
        let why = house.get("staff", &format!("/api/v1/licences/{}/why", house.licence(id).await)).await.json();
        assert_eq!((&why["annotate_refused"]["code"], &why["download_refused"]["code"]), (&annotate, &json!(download)), "{why}");
    }
    house.annotate("r01").await;
    let why = house.get("staff", &format!("/api/v1/licences/{}/why", house.licence("r01").await)).await.json();
    assert_eq!((&why["can_annotate"], &why["can_download"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn a_bulk_reissue_is_a_job_that_goes_on_after_a_restart() {
    let house = House::open().await;
    let body = json!({"search": {"licence_type": "constructor-1"}, "reason": "印章更换"});
    let begun = house.post("staff", "/api/v1/jobs/reissue", body).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    let path = begun.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(begun.json()["state"], "running");
    let house = house.again().await;
    while house.app.register.step_jobs().await.unwrap().is_zero() {}
    let done = house.get("staff", &path).await.json();
    assert_eq!(done["state"], "finished");
    assert_eq!(done["done"].as_u64().unwrap() + done["failed"].as_u64().unwrap(), done["total"].as_u64().unwrap());
    assert!(done["done"].as_u64().unwrap() >= 10 && done["failed"].as_u64().unwrap() >= 2, "{done}");
    let events = house.request(Some("staff"), "GET", &path).header("accept", "text/event-stream");
    let events = house.send(events.body(Body::empty()).unwrap()).await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    assert!(String::from_utf8(events.bytes).unwrap().starts_with("event: progress\ndata: {"));
}
