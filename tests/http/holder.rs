//! 我的证照 and 加注 as the manuals tell them.

use axum::body::Body;
use axum::http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::house::House;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn of<'j>(list: &'j Value, number: &str) -> &'j Value {
    list["licences"].as_array().unwrap().iter().find(|licence| licence["number"] == number).unwrap()
}

#[tokio::test]
async fn all_licences_are_listed_those_without_a_file_with_the_reason() {
    let house = House::open().await;
    let list = house.get("r01", "/api/v1/me/licences").await.json();
    let ordinary = of(&list, "京1112012201990001");
    assert_eq!(ordinary["can_annotate"], true);
    assert_eq!(ordinary["next_period"], json!({"use_from": "2026-03-02", "use_to": "2026-08-29", "days": 180, "capped_by": "days"}));
    assert_eq!(ordinary["no_file_because"]["code"], "not-annotated");
    for (id, code) in [
        ("r08", "expired"),
        ("r09", "photo-missing"),
        ("r10", "signature-missing"),
        ("r11", "over-age"),
        ("r12", "inactive"),
        ("r13", "inactive"),
        ("r14", "not-reported"),
        ("r15", "pending"),
    ] {
        let list = house.get(id, "/api/v1/me/licences").await.json();
        let licence = of(&list, &crate::house::sample(id).number);
        assert_eq!((&licence["can_annotate"], &licence["can_download"]), (&json!(false), &json!(false)), "{id}");
        for reason in ["refusal", "no_file_because"] {
            assert_eq!(licence[reason]["code"], code, "{id}");
            assert!(!licence[reason]["remedy"].as_str().unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn a_refusal_has_the_words_of_the_manual() {
    let house = House::open().await;
    for (id, code, title) in [
        ("r12", "inactive", "证照已注销"),
        ("r14", "not-reported", "加注失败"),
        ("r08", "expired", "证照过期"),
        ("r11", "over-age", "已满65周岁"),
        ("r09", "photo-missing", "缺少免冠证件照"),
        ("r10", "signature-missing", "缺少手写签字"),
        ("r15", "pending", "正在生成证照，请耐心等待！"),
    ] {
        let answer = house.annotate(id).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::CONFLICT, code.to_owned()), "{id}");
        assert_eq!(answer.json()["title"], title);
    }
}

#[tokio::test]
async fn an_annotation_may_be_repeated_and_the_history_is_newest_first() {
    let house = House::open().await;
    let first = house.annotate("r01").await;
    assert_eq!(first.status, StatusCode::CREATED);
    let first = first.json();
    assert_eq!((&first["message"], &first["state"], &first["number"]), (&json!("加注成功！"), &json!("ready"), &json!(1)));
    for _ in 0..3 {
        house.pass(DAY);
        assert_eq!(house.annotate("r01").await.status, StatusCode::CREATED);
    }
    let path = format!("/api/v1/licences/{}/annotations", house.licence("r01").await);
    let numbers = |page: &Value| page["annotations"].as_array().unwrap().iter().map(|a| a["number"].as_u64().unwrap()).collect::<Vec<_>>();
    let all = house.get("r01", &path).await.json();
    assert_eq!((numbers(&all), &all["next"]), (vec![4, 3, 2, 1], &Value::Null));
    assert_eq!(all["annotations"][0]["day"], "2026-03-05");
    // By 加注时间, both days included.
    assert_eq!(numbers(&house.get("r01", &format!("{path}?from=2026-03-03&to=2026-03-04")).await.json()), [3, 2]);
    // A page at a time.
    let page = house.get("r01", &format!("{path}?limit=3")).await.json();
    assert_eq!(numbers(&page), [4, 3, 2]);
    let next = house.get("r01", &format!("{path}?limit=3&cursor={}", page["next"])).await.json();
    assert_eq!((numbers(&next), &next["next"]), (vec![1], &Value::Null));
    // What a Location names.
    let entry = house.get("r01", &format!("/api/v1/annotations/{}", first["id"].as_str().unwrap())).await.json();
    assert_eq!((&entry["id"], &entry["period"]), (&first["id"], &first["period"]));
}

#[tokio::test]
async fn the_holder_chooses_where_the_type_says_so_and_twice_a_day() {
    let house = House::open().await;
    let path = format!("/api/v1/licences/{}/annotations", house.licence("r23").await);
    let chosen = json!({"use_from": "2026-03-10", "use_to": "2026-04-10"});
    let made = house.post("r23", &path, chosen.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.json()["period"], json!({"use_from": "2026-03-10", "use_to": "2026-04-10", "days": 31}));
    let outside = house.post("r23", &path, json!({"use_from": "2026-03-01"})).await;
    assert_eq!(outside.problem(), "out-of-range");
    assert_eq!(house.post("r23", &path, chosen.clone()).await.status, StatusCode::CREATED);
    assert_eq!(house.post("r23", &path, chosen.clone()).await.problem(), "too-many-today");
    house.pass(DAY);
    assert_eq!(house.post("r23", &path, chosen).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_also_after_a_restart() {
    let house = House::open().await;
    let path = format!("/api/v1/licences/{}/annotations", house.licence("r23").await);
    let send = async |house: &House, key: &str, body: Value| {
        let request = house.request(Some("r23"), "POST", &path).header("idempotency-key", key).header("content-type", "application/json");
        house.send(request.body(Body::from(body.to_string())).unwrap()).await
    };
    let first = send(&house, "k1", json!({})).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(send(&house, "k1", json!({})).await.json(), first.json());
    let other = send(&house, "k1", json!({"use_to": "2026-04-10"})).await;
    assert_eq!((other.status, other.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "key-reused".to_owned()));
    let second = send(&house, "k2", json!({})).await.json();
    assert_eq!(second["number"], 2);
    // No more today, but what was answered is answered again.
    assert_eq!(send(&house, "k3", json!({})).await.problem(), "too-many-today");
    let house = house.again().await;
    assert_eq!(send(&house, "k1", json!({})).await.json(), first.json());
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_leave_no_gap_and_no_double() {
    let house = std::sync::Arc::new(House::open().await);
    let path = format!("/api/v1/licences/{}/annotations", house.licence("r01").await);
    let tasks: Vec<_> = (0..50)
        .map(|i| {
            let (house, path) = (std::sync::Arc::clone(&house), path.clone());
            tokio::spawn(async move {
                // Half of them are the same request.
                let key = if i % 2 == 0 { "same".to_owned() } else { format!("own-{i}") };
                let request = house.request(Some("r01"), "POST", &path).header("idempotency-key", key);
                let answer = house.send(request.body(Body::empty()).unwrap()).await;
                assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
                (i % 2 == 0, answer.json()["number"].as_u64().unwrap())
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for task in tasks {
        numbers.push(task.await.unwrap());
    }
    let same: std::collections::BTreeSet<_> = numbers.iter().filter(|(same, _)| *same).map(|(_, number)| number).collect();
    assert_eq!(same.len(), 1, "one answer for one key");
    let all: std::collections::BTreeSet<u64> = numbers.iter().map(|(_, number)| *number).collect();
    assert_eq!(all.into_iter().collect::<Vec<_>>(), (1..=26).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_face_verification_counts_for_half_an_hour() {
    let house = House::open().await;
    let path = format!("/api/v1/licences/{}/annotations", house.licence("r01").await);
    let token = house.token("r01");
    let send = async || {
        let request = axum::http::Request::post(&path).header("authorization", format!("Bearer {token}"));
        house.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(send().await.status, StatusCode::CREATED);
    house.pass(SignedDuration::from_mins(30));
    assert_eq!(send().await.status, StatusCode::CREATED);
    house.pass(SignedDuration::from_secs(1));
    let late = send().await;
    assert_eq!((late.status, late.problem()), (StatusCode::FORBIDDEN, "face-needed".to_owned()));
}

#[tokio::test]
async fn what_a_crash_left_unsigned_is_signed_later() {
    let house = House::open().await;
    let (store, line) = (&house.app.register.store, &house.app.register.line);
    let licence = house.licence("r01").await;
    let filed = store.licence(&licence).await.unwrap().unwrap();
    let (record, at) = (filed.record().unwrap(), crate::house::opening());
    let stated = line.state(&record, at, certpress::annotation::Wish::default()).unwrap();
    let new = certpress::store::NewAnnotation {
        licence: &licence,
        version: 1,
        period: stated.annotated.period(),
        statement: &stated.statement,
        kid: line.kid(),
        layout_digest: stated.layout.digest,
        per_day: None,
    };
    // The process died here.
    let recorded = store.annotate(&certpress::store::Act::new("demo:r01", at), &new).await.unwrap();
    let entry = format!("/api/v1/annotations/{}", recorded.id);
    assert_eq!(house.get("r01", &entry).await.json()["state"], "sealing");
    let early = house.get("r01", &format!("{entry}/document.pdf")).await;
    assert_eq!((early.problem(), early.headers["retry-after"].to_str().unwrap()), ("pending".to_owned(), "2"));
    assert_eq!(house.app.register.finish().await.unwrap(), 1);
    assert_eq!(house.app.register.finish().await.unwrap(), 0);
    assert_eq!(house.get("r01", &entry).await.json()["state"], "ready");
    assert_eq!(house.get("r01", &format!("{entry}/document.pdf")).await.status, StatusCode::OK);
}
