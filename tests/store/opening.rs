//! Opening, reading only, backup and restore.

use std::path::Path;

use certpress::store::{Access, Store, StoreError, restore};
use serde_json::json;

use super::{Place, WRITE, clerk, loaded, record};

const NOT_CREATED: Access = Access::Write { create: false, index_key: [7; 32] };

pub async fn a_register_is_not_made_by_mistake(place: Place) {
    for access in [Access::Read, NOT_CREATED] {
        let error = Store::open(&place.address, access).await.err().unwrap();
        assert!(matches!(error, StoreError::Missing(_)), "{error}");
        assert!(error.to_string().contains("--create"));
    }
    let made = place.open().await;
    made.ping().await.unwrap();
    let second = Store::open(&place.address, NOT_CREATED).await;
    if place.is_sqlite() {
        let error = second.err().unwrap();
        assert!(matches!(error, StoreError::InUse(_)), "{error}");
    } else {
        assert!(second.is_ok(), "several nodes share one PostgreSQL");
    }
    made.close().await;
    drop(made);
    Store::open(&place.address, NOT_CREATED).await.unwrap();
    assert!(matches!(Store::open("mysql://x/y", WRITE).await.err().unwrap(), StoreError::Address(_)));
}

pub async fn a_register_keeps_its_key(place: Place) {
    place.open().await.close().await;
    let other = Access::Write { create: false, index_key: [8; 32] };
    assert!(matches!(Store::open(&place.address, other).await.err().unwrap(), StoreError::IndexKey));
}

pub async fn a_newer_register_is_refused(place: Place) {
    place.open().await.close().await;
    let newer = if place.is_sqlite() {
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (7, 'later', TRUE, x'00', 0)"
    } else {
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (7, 'later', TRUE, '\\x00', 0)"
    };
    place.meddle(newer).await.unwrap();
    for access in [Access::Read, NOT_CREATED] {
        let error = Store::open(&place.address, access).await.err().unwrap();
        assert!(matches!(error, StoreError::Schema { found: 7, known: 2 }), "{error}");
        assert!(error.to_string().contains("newer program"), "{error}");
    }
}

pub async fn a_reader_changes_nothing(place: Place) {
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    let reader = Store::open(&place.address, Access::Read).await.unwrap();
    assert_eq!(reader.licence(&id).await.unwrap().unwrap().version, 1);
    assert!(matches!(reader.reissue(&clerk(1), &id).await, Err(StoreError::ReadOnly)));
    assert!(matches!(reader.licences_of("999", "H00000001").await, Err(StoreError::ReadOnly)));
    // It sees what is committed later.
    store.reissue(&clerk(1), &id).await.unwrap();
    assert_eq!(reader.licence(&id).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn a_backup_is_whole_and_comes_back() {
    let place = Place::sqlite();
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup.db");
    store.backup(&backup).await.unwrap();
    assert!(store.backup(&backup).await.is_err(), "a backup is never overwritten");
    loaded(&store, record(2, json!({}))).await;

    let report = restore(&backup, &folder.path().join("new/register.db")).await.unwrap();
    assert_eq!((report.entries, report.tampered), (1, None));
    let restored = Store::open(folder.path().join("new").to_str().unwrap(), NOT_CREATED).await.unwrap();
    assert_eq!(restored.licence(&id).await.unwrap().unwrap().version, 1);
    assert!(restore(&backup, &folder.path().join("new/register.db")).await.is_err(), "a register is never overwritten");

    let bytes = std::fs::read(&backup).unwrap();
    let torn = folder.path().join("torn.db");
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    assert!(restore(&torn, &folder.path().join("torn/register.db")).await.is_err());
    assert!(!Path::new(&folder.path().join("torn/register.db")).exists());
}
