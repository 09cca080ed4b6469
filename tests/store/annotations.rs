//! 加注: numbers, signatures, files, history, and the status list.

use std::sync::Arc;

use certpress::annotation::{Cap, UsePeriod};
use certpress::record::Status;
use certpress::statement::Statement;
use certpress::store::{Act, Annotation, History, IssuedFile, NewAnnotation, Once, Standing, Store, StoreError};
use jiff::civil::date;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Place, at, clerk, loaded, record};

pub fn statement(text: &str) -> Statement {
    Statement { bytes: text.as_bytes().to_vec(), sha256: Sha256::digest(text).into() }
}

pub fn new<'a>(licence: &'a str, statement: &'a Statement) -> NewAnnotation<'a> {
    let period = UsePeriod { from: date(2026, 3, 2), to: date(2026, 8, 29), days: 180, capped_by: Some(Cap::Days) };
    NewAnnotation { licence, version: 1, period: Some(period), statement, kid: [1, 2], layout_digest: [3; 32], per_day: None }
}

pub async fn annotate(store: &Store, licence: &str, seconds: i64) -> Result<Annotation, StoreError> {
    store.annotate(&clerk(seconds), &new(licence, &statement(&format!("{licence} {seconds}")))).await
}

async fn annotated(store: &Store, licence: &str, seconds: i64) -> Annotation {
    annotate(store, licence, seconds).await.unwrap()
}

pub async fn an_annotation_is_recorded_then_signed(place: Place) {
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    let recorded = annotated(&store, &id, 1).await;
    assert_eq!((recorded.number, recorded.status_index, &recorded.digits), (1, 0, &None));
    assert_eq!(store.annotation(&recorded.id).await.unwrap().unwrap(), recorded);
    assert_eq!(store.unsigned(0, 10).await.unwrap(), std::slice::from_ref(&recorded));

    let file = IssuedFile { annotation: recorded.id.clone(), format: "pdf".into(), sha256: [9; 32], bytes: 12345, at: at(2) };
    for _ in 0..2 {
        store.complete(&clerk(2), &recorded, "0123").await.unwrap();
        store.put_file(&clerk(2), &file).await.unwrap();
    }
    let conflict = store.complete(&clerk(3), &recorded, "0124").await.unwrap_err();
    assert!(matches!(conflict, StoreError::Conflict { .. }), "{conflict}");
    let other = IssuedFile { sha256: [8; 32], ..file.clone() };
    assert!(matches!(store.put_file(&clerk(3), &other).await, Err(StoreError::Conflict { .. })));
    assert!(store.unsigned(0, 10).await.unwrap().is_empty());
    assert_eq!(store.files(&recorded.id).await.unwrap(), std::slice::from_ref(&file));

    let signed = Annotation { digits: Some("0123".into()), ..recorded };
    let (found_file, found, licence) = store.by_file(&[9; 32]).await.unwrap().unwrap();
    assert_eq!((&found_file, &found, licence.id.as_str(), licence.version), (&file, &signed, id.as_str(), 1));
    assert_eq!(store.by_status_index(0).await.unwrap().unwrap().0, signed);
    assert!(store.by_file(&[8; 32]).await.unwrap().is_none() && store.by_status_index(1).await.unwrap().is_none());
}

pub async fn what_has_changed_meanwhile_is_not_annotated(place: Place) {
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    store.reissue(&clerk(1), &id).await.unwrap();
    let statement = statement("x");
    let stale = store.annotate(&clerk(2), &new(&id, &statement)).await.unwrap_err();
    assert!(matches!(stale, StoreError::Stale { version: 2, status: Status::Valid, .. }), "{stale}");
    store.change_status(&clerk(3), &id, Status::Suspended).await.unwrap();
    let suspended = store.annotate(&clerk(4), &NewAnnotation { version: 2, ..new(&id, &statement) }).await.unwrap_err();
    assert!(matches!(suspended, StoreError::Stale { status: Status::Suspended, .. }), "{suspended}");
    assert!(store.annotations(&id, &History::default()).await.unwrap().is_empty());
}

pub async fn the_policy_limits_a_day(place: Place) {
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let (store, id) = (Arc::clone(&store), id.clone());
            let statement = statement(&n.to_string());
            tokio::spawn(async move { store.annotate(&clerk(n), &NewAnnotation { per_day: Some(2), ..new(&id, &statement) }).await })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert!(matches!(error, StoreError::TooManyToday { made: 2 }), "{error}"),
        }
    }
    assert_eq!((made, store.made_today(&id, at(0)).await.unwrap()), (2, 2));
    let statement = statement("tomorrow");
    store.annotate(&clerk(86400), &NewAnnotation { per_day: Some(2), ..new(&id, &statement) }).await.unwrap();
}

pub async fn fifty_at_once_have_fifty_numbers(place: Place) {
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let (store, id) = (Arc::clone(&store), id.clone());
            tokio::spawn(async move { annotated(&store, &id, n).await })
        })
        .collect();
    let mut numbers = Vec::new();
    for task in tasks {
        let annotation = task.await.unwrap();
        assert_eq!(annotation.number, annotation.status_index + 1);
        numbers.push(annotation.number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    assert_eq!(store.audit_verify().await.unwrap().tampered, None);
}

pub async fn fifty_times_the_same_is_one(place: Place) {
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (store, id) = (Arc::clone(&store), id.clone());
            let act = Act { once: Some(Once { key: "same", request: [5; 32] }), ..clerk(1) };
            tokio::spawn(async move { store.annotate(&act, &new(&id, &statement("same"))).await.unwrap().id })
        })
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    for task in tasks {
        ids.insert(task.await.unwrap());
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(store.annotations(&id, &History::default()).await.unwrap().len(), 1);
}

pub async fn the_history_is_searched_by_time(place: Place) {
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    for n in 0..6 {
        annotated(&store, &id, n * 60).await;
    }
    let numbers =
        async |history: History| -> Vec<u32> { store.annotations(&id, &history).await.unwrap().iter().map(|a| a.number).collect() };
    assert_eq!(numbers(History::default()).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(numbers(History { from: Some(at(60)), to: Some(at(240)), ..History::default() }).await, [4, 3, 2]);
    assert_eq!(numbers(History { limit: Some(2), before: Some(5), ..History::default() }).await, [4, 3]);
}

pub async fn the_status_list_follows(place: Place) {
    let store = place.open().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let id = loaded(&store, record(n, json!({}))).await;
        annotated(&store, &id, n as i64).await;
        ids.push(id);
    }
    let list = async || store.status_list(0, 100).await.unwrap();
    let head = store.status_head().await.unwrap();
    assert_eq!((head.size, head.change, list().await), (3, 0, vec![]));
    store.reissue(&clerk(5), &ids[0]).await.unwrap();
    store.change_status(&clerk(6), &ids[0], Status::Suspended).await.unwrap();
    store.change_status(&clerk(7), &ids[2], Status::Revoked).await.unwrap();
    assert_eq!(list().await, [(0, Standing::Suspended), (2, Standing::Ended)]);
    assert_eq!(store.status_list(1, 2).await.unwrap(), []);
    let before = store.status_head().await.unwrap();
    store.change_status(&clerk(8), &ids[0], Status::Valid).await.unwrap();
    assert_eq!(list().await, [(0, Standing::Superseded), (2, Standing::Ended)]);
    assert!(store.status_head().await.unwrap().change > before.change);
    // A new version that is loaded supersedes as well.
    store.load(&clerk(9), &[record(1, json!({"/holder/name": "王五"}))]).await.unwrap();
    assert_eq!(list().await, [(0, Standing::Superseded), (1, Standing::Superseded), (2, Standing::Ended)]);
}

pub async fn steps_that_come_together_do_not_stand_in_for_each_other(place: Place) {
    let store = place.open().await;
    let mut licences = Vec::new();
    for n in 1..=24 {
        licences.push(loaded(&store, record(n, json!({}))).await);
    }
    // Some have another version by now.
    for id in licences.iter().step_by(3) {
        store.reissue(&clerk(1), id).await.unwrap();
    }
    let once = |request| Once { key: "used", request: [request; 32] };
    store.annotate(&Act { once: Some(once(0)), ..clerk(1) }, &new(&licences[1], &statement("before"))).await.unwrap();
    let tasks: Vec<_> = (0..licences.len())
        .map(|n| {
            let (store, id) = (Arc::clone(&store), licences[n].clone());
            tokio::spawn(async move {
                // Some use that key for something else.
                let act = if n % 3 == 1 { Act { once: Some(once(1)), ..clerk(2) } } else { clerk(2) };
                let made = store.annotate(&act, &new(&id, &statement(&id))).await;
                match n % 3 {
                    0 => assert!(matches!(made, Err(StoreError::Stale { version: 2, .. })), "{made:?}"),
                    1 => assert!(matches!(made, Err(StoreError::KeyReused)), "{made:?}"),
                    _ => {
                        let made = made.unwrap();
                        let digits = made.status_index.to_string();
                        store.complete(&clerk(3), &made, &digits).await.unwrap();
                        let act = clerk(3);
                        let signed_again = tokio::join!(store.complete(&act, &made, &digits), store.complete(&act, &made, "0"));
                        assert!(matches!(signed_again, (Ok(()), Err(StoreError::Conflict { .. }))), "{signed_again:?}");
                        let file = IssuedFile { annotation: made.id.clone(), format: "pdf".into(), sha256: [1; 32], bytes: 1, at: at(4) };
                        let other = IssuedFile { sha256: [2; 32], ..file.clone() };
                        store.put_file(&clerk(4), &file).await.unwrap();
                        let put_again = tokio::join!(store.put_file(&act, &file), store.put_file(&act, &other));
                        assert!(matches!(put_again, (Ok(()), Err(StoreError::Conflict { .. }))), "{put_again:?}");
                        assert_eq!(store.files(&made.id).await.unwrap(), [file]);
                        assert_eq!(store.annotation(&made.id).await.unwrap().unwrap().digits, Some(digits));
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let made = store.status_head().await.unwrap().size;
    assert_eq!((made, store.unsigned(0, 100).await.unwrap().len()), (9, 1));
    assert_eq!(store.audit_verify().await.unwrap().tampered, None);
}
