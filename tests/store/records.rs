//! Loading, versions, statuses.

use std::sync::Arc;

use certpress::record::Status;
use certpress::store::{Act, LoadChange, Once, StoreError};
use serde_json::json;

use super::{Place, at, clerk, loaded, record};

pub async fn loading_numbers_the_versions(place: Place) {
    let store = place.open().await;
    let first = record(1, json!({}));
    let moved = record(1, json!({"/employer/name": "北京测试新址建筑工程有限公司"}));
    let other_serial = record(1, json!({"/serial": "TEST9", "/holder/name": "李四"}));
    let outcomes = store.load(&clerk(0), &[first.clone(), record(2, json!({"/version": 3})), first.clone()]).await.unwrap();
    let said: Vec<_> = outcomes.iter().map(|o| (o.version, o.change.clone())).collect();
    assert_eq!(said, [(1, LoadChange::New), (3, LoadChange::New), (1, LoadChange::Equal)]);

    let outcomes = store.load(&clerk(1).because("聘用企业变更"), &[moved.clone(), moved, other_serial]).await.unwrap();
    assert_eq!((outcomes[0].version, &outcomes[0].change), (2, &LoadChange::NewVersion));
    assert_eq!((outcomes[1].version, &outcomes[1].change), (2, &LoadChange::Equal));
    assert!(matches!(&outcomes[2].change, LoadChange::Refused(why) if why.contains("serial")));

    // An identifier has three digits for the version.
    loaded(&store, record(3, json!({"/version": 999}))).await;
    let outcome = store.load(&clerk(2), &[record(3, json!({"/holder/name": "李四"}))]).await.unwrap().remove(0);
    assert!(matches!(&outcome.change, LoadChange::Refused(why) if why.contains("999")), "{outcome:?}");

    let id = &outcomes[0].licence;
    let now = store.licence(id).await.unwrap().unwrap();
    assert_eq!((now.version, now.licence.version), (2, 2));
    assert_eq!(now.licence.employer_name.as_deref(), Some("北京测试新址建筑工程有限公司"));
    assert_eq!(now.record().unwrap().version, 2);
    assert_eq!((now.at, now.actor.as_str(), now.reason.as_deref()), (at(1), "clerk-7", Some("聘用企业变更")));
    let before = store.licence_version(id, 1).await.unwrap().unwrap();
    assert_eq!((before.version, before.licence.version), (1, 2));
    assert_eq!(before.record().unwrap(), first);
    assert!(store.licence_version(id, 3).await.unwrap().is_none());
    assert_eq!(store.licence_numbered("constructor-1", &first.number).await.unwrap().unwrap().licence.id, *id);
    let own = store.licences_of("999", "H00000001").await.unwrap();
    assert_eq!(own.iter().map(|f| &f.licence.id).collect::<Vec<_>>(), [id]);
    assert!(store.is_holder(id, "999", "H00000001").await.unwrap());
    assert!(!store.is_holder(id, "999", "H00000002").await.unwrap());
}

pub async fn an_old_file_undoes_nothing(place: Place) {
    let store = place.open().await;
    let old = record(1, json!({}));
    let id = loaded(&store, old.clone()).await;
    store.change_status(&clerk(1).because("暂扣三个月"), &id, Status::Suspended).await.unwrap();
    let outcome = store.load(&clerk(2), &[old]).await.unwrap().remove(0);
    assert_eq!(outcome.change, LoadChange::Equal);
    assert_eq!(store.licence(&id).await.unwrap().unwrap().record().unwrap().status, Status::Suspended);

    let load = async |differs| store.load(&clerk(3), &[record(1, differs)]).await.unwrap().remove(0);
    assert_eq!(load(json!({"/status": "cancelled"})).await.change, LoadChange::Status);
    assert_eq!(store.licence(&id).await.unwrap().unwrap().licence.status, Status::Cancelled);
    // What has ended does not begin again by itself, but by a new registration.
    assert!(matches!(load(json!({"/status": "valid"})).await.change, LoadChange::Refused(_)));
    let anew = load(json!({"/status": "valid", "/specialties/0/valid_to": "2029-01-01"})).await;
    assert_eq!((anew.version, anew.change), (2, LoadChange::NewVersion));
    assert_eq!(store.licence(&id).await.unwrap().unwrap().licence.status, Status::Valid);
}

pub async fn a_licence_lives_by_the_rules(place: Place) {
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    let reason = clerk(1).because("按规定");
    assert!(matches!(store.change_status(&reason, &id, Status::Valid).await, Err(StoreError::NotAllowed { .. })));
    store.change_status(&reason, &id, Status::Suspended).await.unwrap();
    assert!(matches!(store.reissue(&reason, &id).await, Err(StoreError::NotInForce { status: Status::Suspended, .. })));
    store.change_status(&reason, &id, Status::Valid).await.unwrap();
    let reissued = store.reissue(&reason, &id).await.unwrap();
    assert_eq!((reissued.version, reissued.status), (2, Status::Valid));
    let filed = store.licence(&id).await.unwrap().unwrap();
    let again = record(1, json!({"/version": 2}));
    assert_eq!(filed.record().unwrap(), again);
    assert_eq!(store.load(&clerk(2), &[again]).await.unwrap()[0].change, LoadChange::Equal);
    store.change_status(&reason, &id, Status::Revoked).await.unwrap();
    for to in Status::ALL {
        let error = store.change_status(&reason, &id, to).await.unwrap_err();
        assert!(matches!(error, StoreError::NotAllowed { from: Status::Revoked, .. }), "{error}");
    }
    assert!(matches!(store.reissue(&reason, "nobody").await, Err(StoreError::NotFound { what: "licence", .. })));
}

pub async fn a_record_comes_back_with_its_pictures(place: Place) {
    let store = place.open().await;
    let options = certpress::record::Options { today: jiff::civil::date(2026, 3, 2), lenient_identifiers: false };
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/records");
    let records: Vec<_> = certpress::record::read(&[samples], &options).filter_map(|l| l.record.ok()).collect();
    assert!(records.iter().any(|r| r.holder.photo.is_some()));
    let outcomes = store.load(&clerk(0), &records).await.unwrap();
    for (record, outcome) in records.iter().zip(&outcomes) {
        assert_eq!(store.licence(&outcome.licence).await.unwrap().unwrap().record().unwrap(), *record, "{}", record.number);
    }
    let again = store.load(&clerk(1), &records).await.unwrap();
    assert!(again.iter().all(|outcome| outcome.change == LoadChange::Equal));
}

pub async fn many_writers_make_one_chain(place: Place) {
    let (store, other) = (place.open().await, if place.is_sqlite() { None } else { Some(place.open().await) });
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            // On PostgreSQL two nodes take turns.
            let store = Arc::clone(if n % 2 == 0 { &store } else { other.as_ref().unwrap_or(&store) });
            let record = record(1, json!({"/employer/name": format!("北京测试第{}建筑工程有限公司", n / 2)}));
            tokio::spawn(async move { store.load(&clerk(n), &[record]).await.unwrap().remove(0) })
        })
        .collect();
    let mut made = Vec::new();
    for task in tasks {
        let outcome = task.await.unwrap();
        if outcome.change != LoadChange::Equal {
            made.push(outcome.version);
        }
    }
    made.sort_unstable();
    assert_eq!(made, (1..=made.len() as u16).collect::<Vec<_>>());
    assert!(made.len() >= 25, "25 different contents make at least 25 versions, not {}", made.len());
    let id = store.licence_numbered("constructor-1", &record(1, json!({})).number).await.unwrap().unwrap().licence.id;
    for version in made {
        assert!(store.licence_version(&id, version).await.unwrap().is_some());
    }
    assert_eq!(store.audit_verify().await.unwrap().tampered, None);
}

pub async fn a_load_that_is_cut_off_leaves_nothing(place: Place) {
    let store = place.open().await;
    let records: Arc<Vec<_>> = Arc::new((0..2000).map(|n| record(n, json!({}))).collect());
    for milliseconds in [1, 5, 20, 60] {
        let (busy, all) = (Arc::clone(&store), Arc::clone(&records));
        let task = tokio::spawn(async move { busy.load(&clerk(0), &all).await.map(drop) });
        tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
        task.abort();
        let answered = task.await.is_ok_and(|done| done.is_ok());
        let entries = store.audit_verify().await.unwrap().entries;
        let found = store.search(&certpress::store::Search { limit: Some(500), ..Default::default() }).await.unwrap().items.len();
        assert!((entries, found) == (0, 0) && !answered || (entries, found) == (2000, 500), "{milliseconds} ms: {entries} {found}");
    }
    store.close().await;
    drop(store);
    assert_eq!(place.open().await.audit_verify().await.unwrap().tampered, None);
}

pub async fn a_key_does_it_once(place: Place) {
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    let act = Act { once: Some(Once { key: "k-1", request: [1; 32] }), ..clerk(1).because("遗失补发") };
    let first = store.reissue(&act, &id).await.unwrap();
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert_eq!(store.reissue(&act, &id).await.unwrap(), first);
    assert_eq!(store.licence(&id).await.unwrap().unwrap().version, 2);
    let other = Act { once: Some(Once { key: "k-1", request: [2; 32] }), ..act };
    assert!(matches!(store.reissue(&other, &id).await, Err(StoreError::KeyReused)));
    let somebody = Act { actor: "clerk-8", ..other };
    assert_eq!(store.reissue(&somebody, &id).await.unwrap().version, 3);
    // After two days the key is free again.
    let later = Act { at: at(3 * 86400), ..act };
    assert_eq!(store.forget_answers(at(86400)).await.unwrap(), 0);
    assert_eq!(store.reissue(&later, &id).await.unwrap(), first);
    assert_eq!(store.forget_answers(later.at).await.unwrap(), 2);
    assert_eq!(store.reissue(&later, &id).await.unwrap().version, 4);
}
