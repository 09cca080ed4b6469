//! Opening, reading only, backup and restore.

use std::fmt::Write as _;
use std::path::Path;

use certpress::store::{Access, AuditQuery, Store, StoreError, restore};
use serde_json::{Value, json};
use sha2::Digest as _;

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
        assert!(matches!(error, StoreError::Schema { found: 7, known: 3 }), "{error}");
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

/// What the program before has left: six licences of two versions, one of three with a file, and a job that is half done.
pub async fn a_register_of_schema_2_is_brought_up_to_date(place: Place) {
    let kept: Value = serde_json::from_slice(include_bytes!("../data/register-2.json")).unwrap();
    let (steps, quote) = if place.is_sqlite() {
        let steps = [
            include_str!("../../src/store/migrations/sqlite/0001_register.sql"),
            include_str!("../../src/store/migrations/sqlite/0002_bulk.sql"),
        ];
        (steps, "x")
    } else {
        use sqlx::migrate::MigrateDatabase as _;
        sqlx::Postgres::create_database(&place.address).await.unwrap();
        let steps = [
            include_str!("../../src/store/migrations/postgres/0001_register.sql"),
            include_str!("../../src/store/migrations/postgres/0002_bulk.sql"),
        ];
        (steps, "\\x")
    };
    let bytes = |hex: &str| if quote == "x" { format!("x'{hex}'") } else { format!("'{quote}{hex}'") };
    let mut sql = steps.concat();
    sql += "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL \
            DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL);";
    for (version, (name, step)) in (1..).zip(["register", "bulk"].into_iter().zip(steps)) {
        let checksum = bytes(&hex::encode(sha2::Sha384::digest(step)));
        write!(sql, "INSERT INTO _sqlx_migrations VALUES ({version}, '{name}', CURRENT_TIMESTAMP, TRUE, {checksum}, 0);").unwrap();
    }
    for table in [
        "setting",
        "licence",
        "picture",
        "record_version",
        "annotation",
        "signature",
        "issued_file",
        "status_list",
        "tally",
        "job",
        "audit",
    ] {
        let Value::Object(content) = &kept["tables"][table] else { panic!("{table}") };
        let columns: Vec<_> = content["columns"].as_array().unwrap().iter().map(|column| column.as_str().unwrap()).collect();
        for row in content["rows"].as_array().unwrap() {
            let literal = |value: &Value| match value {
                Value::Object(blob) => bytes(blob["hex"].as_str().unwrap()),
                Value::String(text) => format!("'{}'", text.replace('\'', "''")),
                other => other.to_string(),
            };
            let values: Vec<_> = row.as_array().unwrap().iter().map(literal).collect();
            write!(sql, "INSERT INTO {table} ({}) VALUES ({});", columns.join(", "), values.join(", ")).unwrap();
        }
    }
    place.meddle(&sql).await.unwrap();

    let index_key = hex::decode(kept["index_key"].as_str().unwrap()).unwrap().try_into().unwrap();
    assert!(matches!(Store::open(&place.address, Access::Read).await.err().unwrap(), StoreError::Schema { found: 2, known: 3 }));
    let store = Store::open(&place.address, Access::Write { create: false, index_key }).await.unwrap();
    let rows = |table: &str| kept["tables"][table]["rows"].as_array().unwrap().clone();
    let text = |row: &Value, column: usize| row[column].as_str().unwrap().to_owned();

    // The trail is the same to the last hash, and so is what it says of a licence.
    let trail = rows("audit");
    let report = store.audit_verify().await.unwrap();
    let head = trail.last().unwrap()[9]["hex"].as_str().unwrap();
    assert_eq!((report.entries, report.head.as_str(), report.tampered), (trail.len() as u64, head, None));
    let entries = store.audit(&AuditQuery { limit: Some(1000), ..AuditQuery::default() }).await.unwrap();
    for (entry, row) in entries.iter().rev().zip(&trail) {
        assert_eq!((entry.seq, entry.at.as_microsecond()), (row[0].as_u64().unwrap(), row[1].as_i64().unwrap()));
        assert_eq!([&entry.actor, &entry.action, &entry.subject], [2, 3, 4].map(|column| row[column].as_str().unwrap()));
        assert_eq!([&entry.reason, &entry.before, &entry.after].map(Option::as_deref), [5, 6, 7].map(|column| row[column].as_str()));
        assert_eq!([&entry.prev, &entry.hash], [8, 9].map(|column| row[column]["hex"].as_str().unwrap()));
    }
    let mut ids: Vec<_> = rows("licence").iter().map(|row| text(row, 0)).collect();
    ids.sort_unstable();
    let of = |id: &String| AuditQuery { subject: Some(id.clone()), ..AuditQuery::default() };
    assert_eq!(store.audit(&of(&ids[0])).await.unwrap().len(), trail.iter().filter(|row| text(row, 4) == ids[0]).count());

    // Annotations keep their ids, places, statements and codes; files are found by their digests.
    for row in rows("annotation") {
        let annotation = store.annotation(&text(&row, 0)).await.unwrap().unwrap();
        assert_eq!((&annotation.licence, u64::from(annotation.status_index)), (&text(&row, 1), row[4].as_u64().unwrap()));
        assert_eq!(hex::encode(&annotation.statement.bytes), row[11]["hex"].as_str().unwrap());
        let signed = rows("signature").iter().find(|row| text(row, 0) == annotation.id).map(|row| text(row, 1));
        assert_eq!(annotation.digits, signed);
    }
    let file = hex::decode(rows("issued_file")[0][2]["hex"].as_str().unwrap()).unwrap();
    assert!(store.by_file(&file.try_into().unwrap()).await.unwrap().is_some());
    assert_eq!(store.status_list(0, 100).await.unwrap().len(), rows("status_list").len());

    // The job goes on where it was.
    let mut versions = Vec::new();
    for id in &ids {
        let filed = store.licence(id).await.unwrap().unwrap();
        filed.record().unwrap();
        versions.push(filed.version);
    }
    assert_eq!(store.running_job().await.unwrap().unwrap().done, 3);
    while super::jobs::step(&store, 30 * 86400 * 10, 2).await.is_some() {}
    let mut after = Vec::new();
    for id in &ids {
        after.push(store.licence(id).await.unwrap().unwrap().version);
    }
    versions.iter_mut().skip(3).for_each(|version| *version += 1);
    assert_eq!(after, versions, "in the order of ids");
    assert_eq!(store.audit_verify().await.unwrap().tampered, None);
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
