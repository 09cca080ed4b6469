//! The register: one suite, run on SQLite and on PostgreSQL.
#![expect(missing_docs, reason = "the names say it")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "store/annotations.rs"]
mod annotations;
#[path = "store/audit.rs"]
mod audit;
#[path = "store/figures.rs"]
mod figures;
#[path = "store/jobs.rs"]
mod jobs;
#[path = "store/opening.rs"]
mod opening;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "store/records.rs"]
mod records;
#[path = "store/search.rs"]
mod search;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use certpress::record::{Options, Record};
use certpress::store::{Access, Act, Store};
use jiff::civil::date;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

/// Where the registers of one test live.
pub struct Place {
    pub address: String,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { address: folder.path().to_str().unwrap().to_owned(), _folder: Some(folder) }
    }

    fn postgres(server: &postgres::Server) -> Self {
        Self { address: server.fresh(), _folder: None }
    }

    pub fn is_sqlite(&self) -> bool {
        !self.address.starts_with("postgres")
    }

    /// Opens the register, and makes it when it is not there.
    pub async fn open(&self) -> Arc<Store> {
        Arc::new(Store::open(&self.address, WRITE).await.unwrap())
    }

    /// A statement behind the register's back.
    pub async fn meddle(&self, sql: &str) -> Result<(), Box<dyn std::error::Error>> {
        use sqlx::Connection as _;
        if self.is_sqlite() {
            let connection = rusqlite::Connection::open(format!("{}/register.db", self.address))?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(connection.execute_batch(sql)?)
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.address).await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
            Ok(connection.close().await?)
        }
    }
}

pub const WRITE: Access = Access::Write { create: true, index_key: [7; 32] };

/// The morning of 2026-03-02 in Shanghai, and so many seconds later.
pub fn at(seconds: i64) -> Timestamp {
    "2026-03-02T09:00:00+08:00".parse::<Timestamp>().unwrap() + seconds.seconds()
}

pub fn clerk(seconds: i64) -> Act<'static> {
    Act::new("clerk-7", at(seconds))
}

/// An ordinary record with this number, and what differs.
pub fn record(number: usize, differs: Value) -> Record {
    let mut value = json!({
        "licence_type": "constructor-1", "number": format!("京111{number:013}"), "serial": format!("TEST{number:08}"), "version": 1,
        "holder": {"name": "王䶮", "sex": "男", "birth_date": "1985-06-12", "id_type": "999", "id_number": format!("H{number:08}"),
                   "phone_bound": true, "photo": null, "signature": null},
        "employer": {"name": "北京测试云川建筑工程有限公司", "uscc": null},
        "specialties": [{"name": "建筑工程", "valid_from": "2024-10-14", "valid_to": "2027-10-13"}],
        "valid_from": null, "valid_to": null,
        "issuer": {"name": "中华人民共和国住房和城乡建设部", "code": "11100000000013338W"},
        "issued_on": "2024-10-12", "status": "valid", "reported": true, "fields": {}
    });
    for (path, new) in differs.as_object().unwrap() {
        *value.pointer_mut(path).unwrap() = new.clone();
    }
    Record::from_json(&value, "test", None, &Options { today: date(2026, 3, 2), lenient_identifiers: true }).record.unwrap()
}

/// Loads one record and gives the licence's id.
pub async fn loaded(store: &Store, record: Record) -> String {
    store.load(&clerk(0), &[record]).await.unwrap().remove(0).licence
}

/// Each case as a test on SQLite, and all of them on one PostgreSQL.
macro_rules! on_both {
    ($($case:path as $name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    $case(super::Place::sqlite()).await;
                }
            )*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn the_same_on_postgres() {
            let Some(server) = postgres::Server::start() else { return };
            $(
                println!("{}", stringify!($case));
                $case(Place::postgres(&server)).await;
            )*
        }
    };
}

on_both! {
    crate::records::loading_numbers_the_versions as loading_numbers_the_versions,
    crate::records::an_old_file_undoes_nothing as an_old_file_undoes_nothing,
    crate::records::a_licence_lives_by_the_rules as a_licence_lives_by_the_rules,
    crate::records::a_record_comes_back_with_its_pictures as a_record_comes_back_with_its_pictures,
    crate::records::many_writers_make_one_chain as many_writers_make_one_chain,
    crate::records::a_load_that_is_cut_off_leaves_nothing as a_load_that_is_cut_off_leaves_nothing,
    crate::records::a_key_does_it_once as a_key_does_it_once,
    crate::annotations::an_annotation_is_recorded_then_signed as an_annotation_is_recorded_then_signed,
    crate::annotations::what_has_changed_meanwhile_is_not_annotated as what_has_changed_meanwhile_is_not_annotated,
    crate::annotations::the_policy_limits_a_day as the_policy_limits_a_day,
    crate::annotations::fifty_at_once_have_fifty_numbers as fifty_at_once_have_fifty_numbers,
    crate::annotations::fifty_times_the_same_is_one as fifty_times_the_same_is_one,
    crate::annotations::steps_that_come_together_do_not_stand_in_for_each_other as steps_that_come_together_do_not_stand_in_for_each_other,
    crate::annotations::the_history_is_searched_by_time as the_history_is_searched_by_time,
    crate::annotations::the_status_list_follows as the_status_list_follows,
    crate::search::beginnings_find_and_pages_are_whole as beginnings_find_and_pages_are_whole,
    crate::search::charts_are_counted as charts_are_counted,
    crate::jobs::a_job_goes_on_after_a_restart as a_job_goes_on_after_a_restart,
    crate::jobs::a_step_that_no_longer_holds_changes_nothing as a_step_that_no_longer_holds_changes_nothing,
    crate::jobs::two_nodes_share_a_job as two_nodes_share_a_job,
    crate::audit::every_change_is_entered as every_change_is_entered,
    crate::audit::nothing_can_be_changed_or_taken_away as nothing_can_be_changed_or_taken_away,
    crate::audit::tampering_shows as tampering_shows,
    crate::opening::a_register_is_not_made_by_mistake as a_register_is_not_made_by_mistake,
    crate::opening::a_register_keeps_its_key as a_register_keeps_its_key,
    crate::opening::a_newer_register_is_refused as a_newer_register_is_refused,
    crate::opening::a_reader_changes_nothing as a_reader_changes_nothing,
    crate::opening::a_register_of_schema_2_is_brought_up_to_date as a_register_of_schema_2_is_brought_up_to_date,
}

/// What was acknowledged before a server fell is there when it is up again, numbers have neither gap nor double, writers go on,
/// and nobody who looks something up is told of connections that rested while it was away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_may_be_restarted_under_load() {
    let Some(server) = postgres::Server::start() else { return };
    let place = Place::postgres(&server);
    let store = place.open().await;
    let id = loaded(&store, record(1, json!({}))).await;
    let up_for_good = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, id, up_for_good) = (Arc::clone(&store), id.clone(), Arc::clone(&up_for_good));
            tokio::spawn(async move {
                let (mut acknowledged, mut failed_since) = (Vec::new(), 0);
                for n in 0.. {
                    let last = up_for_good.load(Ordering::Relaxed);
                    match annotations::annotate(&store, &id, writer * 10_000 + n).await {
                        Ok(annotation) => {
                            acknowledged.push(annotation);
                            if last {
                                break;
                            }
                        }
                        Err(error) => {
                            assert!(matches!(error, certpress::store::StoreError::Unavailable(_)), "{error}");
                            // The first to be flushed after a restart cannot be vouched for.
                            failed_since += i32::from(last);
                            assert!(failed_since < 10, "the server is up: {error}");
                            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                        }
                    }
                }
                acknowledged
            })
        })
        .collect();
    let restarted = tokio::task::spawn_blocking(move || {
        let mut server = server;
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(200));
            server.restart();
        }
        server
    });
    let mut server = restarted.await.unwrap();
    up_for_good.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    server.restart();
    for annotation in &acknowledged {
        assert_eq!(store.annotation(&annotation.id).await.unwrap().as_ref(), Some(annotation));
    }
    let kept = store.made_today(&id, at(0)).await.unwrap();
    assert_eq!(store.status_head().await.unwrap().size, kept, "no gap and no double");
    assert!(kept as usize >= acknowledged.len(), "{} acknowledged, {kept} kept", acknowledged.len());
    assert_eq!(store.audit_verify().await.unwrap().tampered, None);
}
