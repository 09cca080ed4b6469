//! Who may call what: every route with every role, with one's own licence and with somebody else's.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::House;

/// Of each route: method, address, body, and who gets past the door. `{own}` and `{entry}` are r01's licence and 加注.
const ROUTES: &[(&str, &str, &str, &[&str])] = &[
    ("GET", "/api/v1/me/licences", "", &["r01", "r02"]),
    ("GET", "/api/v1/licences/{own}/annotations", "", &["r01"]),
    ("POST", "/api/v1/licences/{own}/annotations", "", &["r01"]),
    ("GET", "/api/v1/annotations/{entry}", "", &["r01"]),
    ("GET", "/api/v1/annotations/{entry}/document.pdf", "", &["r01"]),
    ("GET", "/api/v1/annotations/{entry}/document.ofd", "", &["r01"]),
    ("GET", "/api/v1/annotations/{entry}/preview.png", "", &["r01"]),
    ("PUT", "/api/v1/records", "{}", &["staff", "service"]),
    ("GET", "/api/v1/records", "", &["staff", "auditor"]),
    ("POST", "/api/v1/records/search", "{}", &["staff", "auditor"]),
    ("GET", "/api/v1/licences/{own}", "", &["staff", "auditor"]),
    ("GET", "/api/v1/licences/{own}/why", "", &["staff", "auditor"]),
    ("POST", "/api/v1/licences/{own}/reissue", "{}", &["staff"]),
    ("POST", "/api/v1/licences/{own}/suspend", "{}", &["staff"]),
    ("POST", "/api/v1/licences/{own}/restore", "{}", &["staff"]),
    ("POST", "/api/v1/licences/{own}/cancel", "{}", &["staff"]),
    ("POST", "/api/v1/licences/{own}/revoke", "{}", &["staff"]),
    ("POST", "/api/v1/licences/{own}/withdraw", "{}", &["staff"]),
    ("POST", "/api/v1/jobs/reissue", "{}", &["staff"]),
    ("GET", "/api/v1/jobs/none", "", &["staff", "auditor"]),
    ("GET", "/api/v1/audit", "", &["staff", "auditor"]),
    ("POST", "/api/v1/forms/{form}", "{}", &["r01", "r02", "staff"]),
];

#[tokio::test]
async fn every_route_knows_who_may_call_it() {
    let house = House::open().await;
    let own = house.licence("r01").await;
    let entry = house.annotate("r01").await.json()["id"].as_str().unwrap().to_owned();
    for (method, path, body, allowed) in ROUTES {
        let path = path.replace("{own}", &own).replace("{entry}", &entry).replace("{form}", "worker-renew");
        for who in [None, Some("r01"), Some("r02"), Some("staff"), Some("auditor"), Some("service")] {
            let request = house.request(who, method, &path).header("content-type", "application/json");
            let answer = house.send(request.body(Body::from(*body)).unwrap()).await;
            let status = answer.status;
            let what = format!("{method} {path} as {who:?}: {status}");
            match who {
                None => assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}"),
                // Past the door: an answer, or a fault of the empty body or of the job that is not there.
                Some(who) if allowed.contains(&who) => {
                    let past = status.is_success() || status == StatusCode::UNPROCESSABLE_ENTITY || path.ends_with("/jobs/none");
                    assert!(past, "{what}");
                }
                // Somebody else's licence looks like none at all.
                Some("r02") if allowed.contains(&"r01") => assert_eq!(status, StatusCode::NOT_FOUND, "{what}"),
                Some(_) => assert_eq!(status, StatusCode::FORBIDDEN, "{what}"),
            }
        }
    }
}

#[tokio::test]
async fn no_route_is_left_out_of_the_matrix() {
    let house = House::empty().await;
    let api: Value = house.get("r01", "/openapi.json").await.json();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let guarded = operation["security"] == json!([{"bearer": []}]);
            let shape = |path: &str| path.replace("{own}", "{id}").replace("{entry}", "{id}").replace("none", "{id}");
            let listed = ROUTES.iter().any(|(m, p, ..)| m.eq_ignore_ascii_case(method) && shape(p) == *path);
            assert_eq!(guarded, listed, "{method} {path}");
        }
    }
}
