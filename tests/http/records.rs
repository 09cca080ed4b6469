//! Loading records: one, many, in every form, and the wrong ones.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::{Answer, House, sample_json, samples};

async fn put(house: &House, media_type: &str, body: impl Into<Body>) -> Answer {
    let request = house.request(Some("service"), "PUT", "/api/v1/records").header("content-type", media_type);
    house.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn one_record_is_new_then_equal_then_a_new_version() {
    let house = House::empty().await;
    let mut record = sample_json("r01");
    let loaded = put(&house, "application/json", record.to_string()).await;
    assert_eq!((loaded.status, &loaded.json()["result"]), (StatusCode::CREATED, &json!("new")), "{loaded:?}");
    let equal = put(&house, "application/json", record.to_string()).await;
    assert_eq!((equal.status, &equal.json()["result"]), (StatusCode::OK, &json!("equal")));
    record["employer"]["name"] = "北京测试另一家有限公司".into();
    let other = put(&house, "application/json", record.to_string()).await.json();
    assert_eq!((&other["result"], &other["version"]), (&json!("new-version"), &json!(2)));
    record["serial"] = "ANOTHER1".into();
    assert_eq!(put(&house, "application/json", record.to_string()).await.problem(), "wrong-state");
}

#[tokio::test]
async fn each_line_of_a_stream_has_its_result() {
    let house = House::empty().await;
    let mut lines: Vec<String> = samples().iter().map(|(id, _)| sample_json(id).to_string()).collect();
    lines.insert(1, "{\"number\" 7}".into());
    lines.insert(2, json!({"licence_type": "constructor-1", "numbr": "x"}).to_string());
    lines.push(sample_json("r01").to_string());
    let answer = put(&house, "application/x-ndjson", lines.join("\n")).await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let results = answer.lines();
    assert_eq!(results.len(), lines.len());
    let result = |at: usize| results[at]["result"].as_str().unwrap();
    assert_eq!((result(0), result(1), result(2), result(lines.len() - 1)), ("new", "invalid", "invalid", "equal"));
    assert!(results[3..lines.len() - 1].iter().all(|row| row["result"] == "new"), "{results:?}");
    assert!(results[1]["errors"][0]["place"].as_str().unwrap().starts_with("2:"), "{}", results[1]);
    let unknown = results[2]["errors"].as_array().unwrap().iter().find(|e| e["field"] == "numbr").unwrap();
    assert!(unknown["message"].as_str().unwrap().contains("number"), "{unknown}");
}

#[tokio::test]
async fn tables_are_loaded_as_well() {
    let house = House::empty().await;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/other");
    for (file, media_type) in
        [("utf8.csv", "text/csv; charset=utf-8"), ("batch.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")]
    {
        let rows = put(&house, media_type, std::fs::read(root.join(file)).unwrap()).await.lines();
        assert_eq!(rows.len(), 4, "{file}");
        // Files of ours stay closed: pictures by path are refused.
        for row in rows {
            let by_path = row["errors"]
                .as_array()
                .unwrap()
                .iter()
                .all(|e| ["holder.photo", "holder.signature"].contains(&e["field"].as_str().unwrap()));
            assert!(row["result"] == "new" || row["result"] == "invalid" && by_path, "{row}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_field_and_without_the_number() {
    let house = House::empty().await;
    let mut record = sample_json("r01");
    record["holder"]["id_number"] = "110000198506120011".into();
    record["holder"]["photo"] = "../../../etc/passwd".into();
    record["holder"]["signature"] = "https://example.cn/a.png".into();
    let wrong = put(&house, "application/json", record.to_string()).await;
    assert_eq!((wrong.status, wrong.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid".to_owned()));
    let problem = wrong.json();
    let fields: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["holder.id_number", "holder.photo", "holder.signature"]);
    assert!(!String::from_utf8(wrong.bytes).unwrap().contains("110000198506120011"));
    let mut record = sample_json("r01");
    record["licence_type"] = "constructer-1".into();
    let unknown: Value = put(&house, "application/json", record.to_string()).await.json();
    assert!(unknown["errors"][0]["message"].as_str().unwrap().contains("did you mean `constructor-1`?"), "{unknown}");
    assert_eq!(put(&house, "application/json", "").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(put(&house, "text/plain", "x").await.problem(), "unsupported-type");
}
