//! Commits on their way to the disk: those that happen at the same time share one write to it.
//!
//! A transaction ends as soon as others may see what it did, so that the next may begin; whoever made it is answered when
//! the disk has it. What was committed later never reaches the disk without what was committed before.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use tokio::sync::Mutex;

use super::StoreError;

/// Where commits must arrive.
pub(super) struct Disk {
    log: Log,
    /// How many commits have asked.
    asked: AtomicU64,
    /// How many of them are there. Held while the disk is at work: who comes meanwhile is taken along the next time.
    there: Mutex<u64>,
}

/// The database's log of changes.
enum Log {
    Sqlite(Wal),
    Postgres(PgPool),
}

/// SQLite's write-ahead log. With `synchronous = normal` SQLite leaves it to us to bring it to the disk.
struct Wal {
    file: PathBuf,
    pool: SqlitePool,
    /// The disk has failed; what the log holds since is not to be relied on.
    failed: AtomicBool,
    flushes: AtomicU64,
}

/// After how many flushes the log is carried over into the database, beside the work. The log is some 10 MB by then.
const CARRY_OVER: u64 = 256;

impl Disk {
    /// For a database whose write-ahead log is `file`. `pool` is used for carrying it over.
    pub fn sqlite(file: PathBuf, pool: SqlitePool) -> Self {
        Self::new(Log::Sqlite(Wal { file, pool, failed: AtomicBool::new(false), flushes: AtomicU64::new(0) }))
    }

    /// For a server whose transactions do not wait for its disk.
    pub fn postgres(pool: PgPool) -> Self {
        Self::new(Log::Postgres(pool))
    }

    fn new(log: Log) -> Self {
        Self { log, asked: AtomicU64::new(0), there: Mutex::new(0) }
    }

    /// Waits until everything that was committed before is on the disk.
    pub async fn reached(&self) -> Result<(), StoreError> {
        let mine = self.asked.fetch_add(1, SeqCst) + 1;
        let mut there = self.there.lock().await;
        if *there < mine {
            let all = self.asked.load(SeqCst);
            self.log.flush().await?;
            *there = all;
        }
        Ok(())
    }
}

impl Log {
    async fn flush(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(wal) => wal.flush().await,
            // This commit waits for the server's disk, and all earlier ones come before it in the log.
            Self::Postgres(pool) => {
                sqlx::query("SELECT pg_logical_emit_message(true, 'certpress', '')").execute(pool).await?;
                Ok(())
            }
        }
    }
}

impl Wal {
    async fn flush(&self) -> Result<(), StoreError> {
        if self.failed.load(SeqCst) {
            // What the failed write was to bring may never arrive in the log (the system forgets it), so all of it is
            // carried over into the database itself.
            return self.carry_over("TRUNCATE").await.inspect(|()| self.failed.store(false, SeqCst));
        }
        let file = self.file.clone();
        // Opened each time: SQLite may put another file in its place.
        let synced = tokio::task::spawn_blocking(move || File::open(file)?.sync_data()).await;
        let synced = synced.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
        if let Err(cause) = synced {
            self.failed.store(true, SeqCst);
            return Err(StoreError::Disk { place: self.file.display().to_string(), cause });
        }
        if self.flushes.fetch_add(1, SeqCst) % CARRY_OVER == CARRY_OVER - 1 {
            let wal = Self { file: self.file.clone(), pool: self.pool.clone(), failed: false.into(), flushes: 0.into() };
            tokio::spawn(async move {
                if let Err(cause) = wal.carry_over("PASSIVE").await {
                    tracing::warn!(%cause, "the write-ahead log cannot be carried over into the register yet");
                }
            });
        }
        Ok(())
    }

    async fn carry_over(&self, how: &str) -> Result<(), StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA wal_checkpoint({how})"));
        let (busy, ..): (i64, i64, i64) = sqlx::query_as(sql).fetch_one(&self.pool).await?;
        let failed = || StoreError::Disk { place: self.file.display().to_string(), cause: std::io::ErrorKind::ResourceBusy.into() };
        if busy == 0 { Ok(()) } else { Err(failed()) }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};

    use super::*;

    #[tokio::test]
    async fn after_the_disk_has_failed_the_log_is_carried_over() {
        let folder = tempfile::tempdir().unwrap();
        let (database, log) = (folder.path().join("register.db"), folder.path().join("register.db-wal"));
        let options = SqliteConnectOptions::new().filename(&database).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePool::connect_with(options).await.unwrap();
        sqlx::query("CREATE TABLE t (n INTEGER) STRICT").execute(&pool).await.unwrap();
        // A log that cannot be opened stands for one that cannot be written.
        let disk = Disk::sqlite(folder.path().join("elsewhere"), pool.clone());
        assert!(matches!(disk.reached().await, Err(StoreError::Disk { .. })));
        assert!(log.metadata().unwrap().len() > 0);
        disk.reached().await.unwrap();
        assert_eq!(log.metadata().unwrap().len(), 0, "everything is in the database itself");
        assert!(disk.reached().await.is_err(), "and the log is relied on again");
    }
}
