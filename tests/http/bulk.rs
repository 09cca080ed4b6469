//! Many licences reissued at once, and the same ones by one: no difference.

use certpress::issue::register::{Person, RegisterError};
use certpress::render::Format;
use certpress::store::{Act, AuditQuery, History, JobState, Search};
use sha2::{Digest as _, Sha256};

use crate::house::{House, opening};

async fn actions(house: &House, subject: &str) -> Vec<(String, Option<String>, Option<String>)> {
    let query = AuditQuery { subject: Some(subject.to_owned()), ..AuditQuery::default() };
    let entries = house.app.register.store.audit(&query).await.unwrap();
    entries.into_iter().map(|entry| (entry.action, entry.before, entry.after)).collect()
}

#[tokio::test]
async fn many_at_once_come_out_as_one_by_one() {
    let (one, many) = (House::open().await, House::open().await);
    let (single, bulk) = (&one.app.register, &many.app.register);
    let act = Act::new("clerk", opening()).because("印章更换");
    let job = bulk.store.create_job(&act, &Search::default(), &[Format::Pdf, Format::Ofd]).await.unwrap();
    let mut steps = 0;
    bulk.finish_jobs(|_| steps += 1).await.unwrap();
    assert_eq!((steps, bulk.finish().await.unwrap()), (1, 0));

    let all = Search { limit: Some(500), ..Search::default() };
    let licences = single.store.search(&all).await.unwrap().items;
    let (mut done, mut failed) = (0, 0);
    for licence in &licences {
        let id = &licence.id;
        let before = single.store.licence(id).await.unwrap().unwrap();
        let reissued = single.store.reissue(&act, id).await;
        let record = before.record().unwrap();
        let person = Person { id_type: &record.holder.id_type, id_number: &record.holder.id_number };
        let annotated = single.annotate("clerk", person, id, (None, None), None).await;
        let (Ok(_), Ok(annotation)) = (reissued, annotated.as_ref()) else {
            assert!(matches!(annotated, Err(RegisterError::Refused(_))), "{}: {:?}", licence.number, annotated.err());
            failed += 1;
            // What is refused stays as it is.
            let still = bulk.store.licence(id).await.unwrap().unwrap();
            assert_eq!((still.version, still.sha256), (before.version, before.sha256), "{}", licence.number);
            continue;
        };
        done += 1;
        let (filed, other) = (single.store.licence(id).await.unwrap().unwrap(), bulk.store.licence(id).await.unwrap().unwrap());
        assert_eq!((&filed.licence, filed.version, &filed.json), (&other.licence, other.version, &other.json), "{}", licence.number);
        assert_eq!(filed.record().unwrap(), other.record().unwrap(), "{}", licence.number);
        let history = bulk.store.annotations(id, &History::default()).await.unwrap();
        assert_eq!(history, std::slice::from_ref(annotation), "{}", licence.number);
        // One entry says what two say otherwise: the new record, and what is stated of it.
        let mut told = actions(&one, id).await;
        let stated = hex::encode(annotation.statement.sha256);
        told[0].2 = told[0].2.as_ref().map(|record| format!("{record} {stated}"));
        assert_eq!((told[0].0.as_str(), &told), ("licence.reissue", &actions(&many, id).await), "{}", licence.number);
        let files = bulk.store.files(&annotation.id).await.unwrap();
        assert_eq!(files.len(), 2);
        for format in [Format::Pdf, Format::Ofd] {
            let (made, _) = single.file(person, &annotation.id, format).await.unwrap();
            let file = files.iter().find(|file| file.format == format.extension()).unwrap();
            assert_eq!((file.sha256, file.bytes), (made.sha256, made.bytes.len() as u64), "{} {format:?}", licence.number);
            assert_eq!(bulk.file(person, &annotation.id, format).await.unwrap().0.bytes, made.bytes);
        }
        let made = actions(&many, &annotation.id).await;
        assert_eq!(made.iter().filter(|(action, ..)| action == "file.issue").count(), 2);
    }
    // One entry for all signatures.
    let signed = bulk.store.audit(&AuditQuery { actor: Some("certpress".to_owned()), ..AuditQuery::default() }).await.unwrap();
    let signed: Vec<_> = signed.iter().filter(|entry| entry.action == "annotation.sign").collect();
    let mut digits = String::new();
    for place in 0..done as u32 {
        digits += &(bulk.store.by_status_index(place).await.unwrap().unwrap().0.digits.unwrap() + "\n");
    }
    let said = format!("0-{} {}", done - 1, hex::encode(Sha256::digest(digits)));
    assert_eq!((signed.len(), signed[0].after.as_deref()), (1, Some(said.as_str())));
    let job = bulk.store.job(&job.id).await.unwrap().unwrap();
    assert_eq!((job.done, job.failed, job.state), (done, failed, JobState::Finished));
    assert_eq!(job.reasons.values().sum::<u64>(), failed);
    assert!(done > 10 && failed > 5 && job.reasons.contains_key("expired"), "{done} {:?}", job.reasons);
    assert_eq!(bulk.store.audit_verify().await.unwrap().tampered, None);
}
