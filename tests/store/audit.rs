//! The trail, and what happens to who meddles with it.

use certpress::record::Status;
use certpress::store::{AuditQuery, Tampered};
use serde_json::json;

use super::{Place, at, clerk, loaded, record};

pub async fn every_change_is_entered(place: Place) {
    let store = place.open().await;
    assert_eq!(store.latest_instant().await.unwrap(), None);
    let id = loaded(&store, record(1, json!({}))).await;
    store.change_status(&clerk(1).because("违规"), &id, Status::Suspended).await.unwrap();
    store.audit_look(&clerk(2), "look.licence", &id).await.unwrap();
    let trail = store.audit(&AuditQuery { subject: Some(id.clone()), ..AuditQuery::default() }).await.unwrap();
    let said: Vec<_> = trail.iter().map(|e| (e.seq, e.action.as_str(), e.reason.as_deref(), e.before.as_deref())).collect();
    assert_eq!(
        said,
        [(3, "look.licence", None, None), (2, "licence.status", Some("违规"), Some("valid")), (1, "licence.load", None, None)]
    );
    assert_eq!(trail[0].prev, trail[1].hash);
    let page = store.audit(&AuditQuery { before: Some(3), limit: Some(1), ..AuditQuery::default() }).await.unwrap();
    assert_eq!(page, trail[1..2]);
    assert!(store.audit(&AuditQuery { actor: Some("nobody".into()), ..AuditQuery::default() }).await.unwrap().is_empty());
    assert_eq!(store.audit(&AuditQuery { from: Some(at(1)), to: Some(at(2)), ..AuditQuery::default() }).await.unwrap(), trail[1..2]);
    let report = store.audit_verify().await.unwrap();
    assert_eq!((report.entries, &report.head, report.tampered), (3, &trail[0].hash, None));
    assert_eq!(store.latest_instant().await.unwrap(), Some(at(2)));
}

pub async fn nothing_can_be_changed_or_taken_away(place: Place) {
    let store = place.open().await;
    loaded(&store, record(1, json!({}))).await;
    for sql in [
        "UPDATE audit SET action = 'nothing'",
        "UPDATE act SET actor = 'somebody'",
        "DELETE FROM act",
        "DELETE FROM audit",
        "UPDATE record_version SET actor = 'somebody'",
        "DELETE FROM record_version",
    ] {
        let error = place.meddle(sql).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
}

pub async fn tampering_shows(place: Place) {
    let store = place.open().await;
    for n in 0..5 {
        loaded(&store, record(n, json!({}))).await;
    }
    let without_guard = if place.is_sqlite() {
        "DROP TRIGGER audit_update; DROP TRIGGER audit_delete; DROP TRIGGER act_update; DROP TRIGGER record_version_update"
    } else {
        "DROP TRIGGER audit_append_only ON audit; DROP TRIGGER act_append_only ON act; \
         DROP TRIGGER record_version_append_only ON record_version"
    };
    place.meddle(without_guard).await.unwrap();
    let verify = async || store.audit_verify().await.unwrap();
    assert_eq!(verify().await.tampered, None);
    place
        .meddle("UPDATE record_version SET actor = 'x', record = sha256 WHERE licence = (SELECT licence FROM audit WHERE seq = 2)")
        .await
        .unwrap();
    assert!(matches!(verify().await.tampered, Some(Tampered::Record { version: 1, .. })));
    for (there, and_back) in [
        ("UPDATE act SET actor = 'somebody' WHERE first = 4", "UPDATE act SET actor = 'clerk-7' WHERE first = 4"),
        ("UPDATE act SET at = at + 1 WHERE first = 4", "UPDATE act SET at = at - 1 WHERE first = 4"),
        ("UPDATE act SET reason = '' WHERE first = 4", "UPDATE act SET reason = NULL WHERE first = 4"),
        ("UPDATE audit SET act = 3, action = 'x' WHERE seq = 4", "UPDATE audit SET act = 4, action = 'licence.load' WHERE seq = 4"),
        ("UPDATE audit SET before = '' WHERE seq = 4", "UPDATE audit SET before = NULL WHERE seq = 4"),
        ("UPDATE audit SET licence = 3 WHERE seq = 4", "UPDATE audit SET licence = 4 WHERE seq = 4"),
        ("UPDATE licence SET id = id || 'x' WHERE entry = 4", "UPDATE licence SET id = substr(id, 1, 32) WHERE entry = 4"),
        ("UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 3) WHERE seq = 4", "SELECT 1"),
    ] {
        place.meddle(there).await.unwrap();
        assert_eq!(verify().await.tampered, Some(Tampered::Changed { seq: 4 }), "{there}");
        place.meddle(and_back).await.unwrap();
    }
    place.meddle("DELETE FROM audit WHERE seq = 2").await.unwrap();
    let report = verify().await;
    assert_eq!((report.entries, report.tampered), (1, Some(Tampered::Missing { seq: 2 })));
}
