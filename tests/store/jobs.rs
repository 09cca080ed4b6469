//! Bulk reissue.

use std::sync::Arc;

use certpress::record::Status;
use certpress::render::Format;
use certpress::store::{Annotation, Job, JobState, Reissue, Search, Step, Store};
use serde_json::json;

use super::annotations::{new, statement};
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

/// What becomes of the next licences of a job.
async fn thought(store: &Store, job: &Job, seconds: i64, most: u32) -> Step {
    let candidates = store.next(job, None, most).await.unwrap();
    let last = candidates.len() < most as usize;
    let becomes = candidates.into_iter().map(|candidate| {
        let successor = candidate.successor().unwrap().unwrap();
        if successor.record.status != Status::Valid {
            return (candidate, Err("inactive"));
        }
        let statement = statement(&format!("{} {seconds}", candidate.licence));
        let (period, kid, layout_digest) = (new("", &statement).period, [1, 2], [3; 32]);
        (candidate, Ok(Reissue { successor, period, statement, kid, layout_digest }))
    });
    Step { at: at(seconds), licences: becomes.collect(), last }
}

/// Takes the oldest running job a step on; none when there is none.
pub async fn step(store: &Store, seconds: i64, most: u32) -> Option<(Job, Vec<Annotation>)> {
    loop {
        let job = store.running_job().await.unwrap()?;
        // Another node may have been faster.
        if let Some(taken) = store.step_job(&job, &thought(store, &job, seconds, most).await, &[]).await.unwrap() {
            return Some(taken);
        }
    }
}

pub async fn a_job_goes_on_after_a_restart(place: Place) {
    let store = place.open().await;
    let ids = forty(&store).await;
    let before = super::annotations::annotate(&store, &ids[3], 1).await.unwrap();
    let search = Search { name: Some("王".into()), ..Search::default() };
    let job = store.create_job(&clerk(2).because("样式更新"), &search, &[Format::Ofd]).await.unwrap();
    assert_eq!((job.total, job.state), (40, JobState::Running));
    let (after, recorded) = step(&store, 3, 15).await.unwrap();
    assert_eq!((after.done + after.failed, after.done), (15, recorded.len() as u64));
    let indexes: Vec<_> = recorded.iter().map(|annotation| annotation.status_index).collect();
    assert_eq!(indexes, (1..=recorded.len() as u32).collect::<Vec<_>>(), "after the one of before");
    store.close().await;
    drop(store);
    let store = place.open().await;
    while step(&store, 4, 15).await.is_some() {}
    let job = store.job(&job.id).await.unwrap().unwrap();
    assert_eq!((job.done, job.failed, job.state, job.reason.as_deref()), (39, 1, JobState::Finished, Some("样式更新")));
    assert_eq!((job.reasons.get("inactive"), job.formats.as_slice()), (Some(&1), [Format::Ofd].as_slice()));
    assert_eq!(versions(&store, &ids).await, expected());
    assert_eq!(store.jobs(5).await.unwrap(), [job]);

    // Each has been stated once, in its new version, and what was stated before is superseded.
    let unsigned = store.unsigned(0, 100).await.unwrap();
    assert_eq!(unsigned.iter().filter(|annotation| annotation.version == 2).count(), 39);
    let latest = store.annotations(&ids[3], &certpress::store::History::default()).await.unwrap();
    assert_eq!(latest.iter().map(|a| (a.number, a.version)).collect::<Vec<_>>(), [(2, 2), (1, 1)]);
    assert_eq!(store.status_list(0, 100).await.unwrap(), [(before.status_index, certpress::store::Standing::Superseded)]);
    assert_eq!(store.audit_verify().await.unwrap().tampered, None);

    let filed = store.licence_versions(&[(&ids[3], 2), (&ids[17], 1), (&ids[3], 1), (&ids[17], 2)]).await.unwrap();
    let mut found: Vec<_> = filed.iter().map(|filed| (filed.licence.id.as_str(), filed.version)).collect();
    found.sort_by_key(|&(id, version)| (id != ids[3], version));
    assert_eq!(found, [(ids[3].as_str(), 1), (&ids[3], 2), (&ids[17], 1)]);

    let stopped = store.create_job(&clerk(5), &search, &[]).await.unwrap();
    step(&store, 6, 1).await.unwrap();
    store.stop_job(&clerk(7), &stopped.id).await.unwrap();
    assert!(step(&store, 8, 1).await.is_none());
    assert!(store.stop_job(&clerk(9), &stopped.id).await.is_err());
}

pub async fn a_step_that_no_longer_holds_changes_nothing(place: Place) {
    let store = place.open().await;
    let ids = forty(&store).await;
    let job = store.create_job(&clerk(2), &Search::default(), &[]).await.unwrap();
    let step = thought(&store, &job, 3, 50).await;
    store.change_status(&clerk(4), &ids[5], Status::Suspended).await.unwrap();
    assert!(store.step_job(&job, &step, &[]).await.unwrap().is_none(), "a licence was suspended meanwhile");
    let step = thought(&store, &job, 5, 50).await;
    store.load(&clerk(6), &[record(40, json!({}))]).await.unwrap();
    assert!(store.step_job(&job, &step, &[]).await.unwrap().is_none(), "a licence came meanwhile");
    assert_eq!(versions(&store, &ids).await, [1; 40]);
    assert!(store.unsigned(0, 1).await.unwrap().is_empty());
    let step = thought(&store, &job, 7, 50).await;
    let (done, _) = store.step_job(&job, &step, &[]).await.unwrap().unwrap();
    assert_eq!((done.done, done.failed, done.state), (39, 2, JobState::Finished));
    assert!(store.step_job(&job, &step, &[]).await.unwrap().is_none(), "the same again is nothing");
}

pub async fn two_nodes_share_a_job(place: Place) {
    let store = place.open().await;
    let ids = forty(&store).await;
    let other = if place.is_sqlite() { Arc::clone(&store) } else { place.open().await };
    store.create_job(&clerk(2), &Search::default(), &[]).await.unwrap();
    let work = async |store: Arc<Store>| while step(&store, 3, 3).await.is_some() {};
    tokio::join!(work(Arc::clone(&store)), work(other));
    assert_eq!(versions(&store, &ids).await, expected());
    assert_eq!(store.audit_verify().await.unwrap().tampered, None);
}
