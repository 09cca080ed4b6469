//! That the description of the API is whole.

use crate::house::House;

#[tokio::test]
async fn every_operation_is_described_and_says_what_can_go_wrong() {
    let house = House::empty().await;
    let api = house.get("r01", "/openapi.json").await.json();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = std::collections::BTreeSet::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let what = format!("{method} {path}");
            assert!(operation["summary"].is_string() || operation["description"].is_string(), "{what}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{what}: an operationId twice");
            for status in ["400", "401", "403", "404", "413", "415", "422", "429", "500", "503"] {
                assert!(operation["responses"][status]["content"]["application/problem+json"].is_object(), "{what}: {status}");
            }
        }
    }
    let text = api.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(api.pointer(reference).is_some(), "{reference} leads nowhere");
    }
}
