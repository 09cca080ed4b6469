//! Bulk reissue.

use std::sync::Arc;

use certpress::record::Status;
use certpress::store::{JobState, Search, Store};
use serde_json::json;

use super::{Place, at, clerk, record};

async fn forty(store: &Store) -> Vec<String> {
    let records: Vec<_> = (0..40).map(|n| record(n, json!({}))).collect();
    let ids: Vec<_> = store.load(&clerk(0), &records).await.unwrap().into_iter().map(|o| o.licence).collect();
    store.change_status(&clerk(1), &ids[17], Status::Suspended).await.unwrap();
    ids
}

async fn versions(store: &Store, ids: &[String]) -> Vec<u16> {
    let mut versions = Vec::new();
    for id in ids {
        versions.push(store.licence(id).await.unwrap().unwrap().version);
    }
    versions
}

fn expected() -> Vec<u16> {
    (0..40).map(|n| if n == 17 { 1 } else { 2 }).collect()
}

pub async fn a_job_goes_on_after_a_restart(place: Place) {
    let store = place.open().await;
    let ids = forty(&store).await;
    let search = Search { name: Some("王".into()), ..Search::default() };
    let job = store.create_job(&clerk(2).because("样式更新"), &search).await.unwrap();
    assert_eq!((job.total, job.state), (40, JobState::Running));
    let after = store.step_job(at(3), 15).await.unwrap().unwrap();
    assert_eq!(after.done + after.failed, 15);
    store.close().await;
    drop(store);
    let store = place.open().await;
    while store.step_job(at(4), 15).await.unwrap().is_some() {}
    let job = store.job(&job.id).await.unwrap().unwrap();
    assert_eq!((job.done, job.failed, job.state, job.reason.as_deref()), (39, 1, JobState::Finished, Some("样式更新")));
    assert_eq!(versions(&store, &ids).await, expected());
    assert_eq!(store.jobs(5).await.unwrap(), [job]);

    let stopped = store.create_job(&clerk(5), &search).await.unwrap();
    store.step_job(at(6), 1).await.unwrap();
    store.stop_job(&clerk(7), &stopped.id).await.unwrap();
    assert!(store.step_job(at(8), 1).await.unwrap().is_none());
    assert!(store.stop_job(&clerk(9), &stopped.id).await.is_err());
}

pub async fn two_nodes_share_a_job(place: Place) {
    let store = place.open().await;
    let ids = forty(&store).await;
    let other = if place.is_sqlite() { Arc::clone(&store) } else { place.open().await };
    store.create_job(&clerk(2), &Search::default()).await.unwrap();
    let work = async |store: Arc<Store>| while store.step_job(at(3), 3).await.unwrap().is_some() {};
    tokio::join!(work(Arc::clone(&store)), work(other));
    assert_eq!(versions(&store, &ids).await, expected());
    assert_eq!(store.audit_verify().await.unwrap().tampered, None);
}
