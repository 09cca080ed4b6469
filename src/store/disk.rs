//! Commits on their way to the disk: those that happen at the same time share one write to it.
//!
//! A transaction ends as soon as others may see what it did, so that the next may begin; whoever made it is answered when
//! the disk has it. What was committed later never reaches the disk without what was committed before.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Instant;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::Mutex;

use super::StoreError;
use super::sqlite::Readers;

/// Where commits must arrive.
pub(super) struct Disk {
    log: Log,
    /// How many commits have asked.
    asked: AtomicU64,
    /// How many of them are there. Held while the disk is at work: who comes meanwhile is taken along the next time.
    there: Mutex<There>,
}

/// How many commits are on the disk, and which session said so.
#[derive(Default)]
struct There {
    commits: u64,
    session: u64,
}

/// A moment before a commit, from which on it is followed to the disk.
#[derive(Clone)]
pub(super) struct Mark {
    disk: Arc<Disk>,
    session: u64,
}

impl Mark {
    /// Waits until everything that was committed before is on the disk.
    pub async fn reached(&self) -> Result<(), StoreError> {
        self.disk.reached(self.session).await
    }
}

/// The database's log of changes.
enum Log {
    Sqlite(Wal),
    Postgres(Session),
}

/// A session with the server that does nothing but ask for its log to be written. When the server falls, what is not written
/// is lost, and this session with it: so it vouches for what was committed while it lasted, and for nothing else.
struct Session {
    pool: PgPool,
    /// The number of the present session; none while there is none.
    number: AtomicU64,
    last: Mutex<(u64, Option<PgConnection>)>,
    /// When it last answered, in milliseconds since `since`.
    answered: AtomicU64,
    since: Instant,
}

/// After this rest, in milliseconds, it is asked whether it is still there before anybody relies on it.
const RESTED: u64 = 1000;

/// SQLite's write-ahead log. With `synchronous = normal` SQLite leaves it to us to bring it to the disk.
struct Wal {
    file: PathBuf,
    readers: Arc<Readers>,
    /// The disk has failed; what the log holds since is not to be relied on.
    failed: AtomicBool,
    flushes: AtomicU64,
}

/// After how many flushes the log is carried over into the database, beside the work. The log is some 10 MB by then.
const CARRY_OVER: u64 = 256;

impl Disk {
    /// For a database whose write-ahead log is `file`. One of `readers` is used for carrying it over.
    pub fn sqlite(file: PathBuf, readers: Arc<Readers>) -> Self {
        Self::new(Log::Sqlite(Wal { file, readers, failed: AtomicBool::new(false), flushes: AtomicU64::new(0) }))
    }

    /// For a server whose transactions do not wait for its disk.
    pub fn postgres(pool: PgPool) -> Self {
        let (number, last) = (AtomicU64::new(NONE), Mutex::new((NONE, None)));
        Self::new(Log::Postgres(Session { pool, number, last, answered: AtomicU64::new(0), since: Instant::now() }))
    }

    fn new(log: Log) -> Self {
        Self { log, asked: AtomicU64::new(0), there: Mutex::default() }
    }

    /// To be asked for before what is to be followed.
    pub async fn mark(self: &Arc<Self>) -> Result<Mark, StoreError> {
        let session = match &self.log {
            Log::Sqlite(_) => NONE,
            Log::Postgres(session) => session.number().await?,
        };
        Ok(Mark { disk: Arc::clone(self), session })
    }

    /// Carries the log over into the database beside the work, as far as nobody is in the way. A server does that by itself.
    pub async fn carry_over(&self) -> Result<(), StoreError> {
        match &self.log {
            Log::Sqlite(wal) => wal.carry_over("PASSIVE").await.map(drop),
            Log::Postgres(_) => Ok(()),
        }
    }

    async fn reached(&self, session: u64) -> Result<(), StoreError> {
        let mine = self.asked.fetch_add(1, SeqCst) + 1;
        let mut there = self.there.lock().await;
        if there.commits < mine {
            let all = self.asked.load(SeqCst);
            let session = self.log.flush().await?;
            *there = There { commits: all, session };
        }
        if there.session == session { Ok(()) } else { Err(fallen()) }
    }
}

/// The session of a log that needs none.
const NONE: u64 = 0;

/// Between commit and disk the server has fallen: nobody knows whether the change is there.
fn fallen() -> StoreError {
    sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into()).into()
}

impl Log {
    /// Gives the session that vouches for it.
    async fn flush(&self) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(wal) => wal.flush().await.map(|()| NONE),
            Self::Postgres(session) => session.flush().await,
        }
    }
}

impl Session {
    /// The number of the present session, which is begun when there is none.
    async fn number(&self) -> Result<u64, StoreError> {
        let number = self.number.load(SeqCst);
        if number != NONE && !self.has_rested() { Ok(number) } else { self.awake().await }
    }

    fn now(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }

    fn has_rested(&self) -> bool {
        self.now() >= self.answered.load(SeqCst) + RESTED
    }

    /// The number of a session that answers. One that rested may have ended with the server, and so may those in the pool.
    async fn awake(&self) -> Result<u64, StoreError> {
        let mut last = self.last.lock().await;
        let (number, connection) = &mut *last;
        if self.has_rested()
            && let Some(mut rested) = connection.take()
            && rested.ping().await.is_ok()
        {
            self.answered.store(self.now(), SeqCst);
            *connection = Some(rested);
        }
        while connection.is_none() {
            let mut other = self.pool.acquire().await?.detach();
            if other.ping().await.is_ok() {
                (*number, *connection) = (*number + 1, Some(other));
                self.answered.store(self.now(), SeqCst);
                self.number.store(*number, SeqCst);
            }
        }
        Ok(*number)
    }

    async fn flush(&self) -> Result<u64, StoreError> {
        let mut last = self.last.lock().await;
        let (number, Some(connection)) = &mut *last else { return Err(fallen()) };
        // This commit waits for the server's disk, and all earlier ones come before it in the log.
        let asked = sqlx::query("SELECT pg_logical_emit_message(true, 'certpress', '')").execute(connection).await;
        if let Err(cause) = asked {
            self.number.store(NONE, SeqCst);
            last.1 = None;
            return Err(cause.into());
        }
        self.answered.store(self.now(), SeqCst);
        Ok(*number)
    }
}

impl Wal {
    async fn flush(&self) -> Result<(), StoreError> {
        if self.failed.load(SeqCst) {
            // What the failed write was to bring may never arrive in the log (the system forgets it), so all of it is
            // carried over into the database itself.
            if !self.carry_over("TRUNCATE").await? {
                return Err(StoreError::Disk { place: self.file.display().to_string(), cause: std::io::ErrorKind::ResourceBusy.into() });
            }
            self.failed.store(false, SeqCst);
            return Ok(());
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
            let wal = Self { file: self.file.clone(), readers: Arc::clone(&self.readers), failed: false.into(), flushes: 0.into() };
            tokio::spawn(async move {
                if let Err(cause) = wal.carry_over("PASSIVE").await {
                    tracing::warn!(%cause, "the write-ahead log cannot be carried over into the register yet");
                }
            });
        }
        Ok(())
    }

    /// Whether nobody was in the way.
    async fn carry_over(&self, how: &'static str) -> Result<bool, StoreError> {
        let sql = format!("PRAGMA wal_checkpoint({how})");
        let busy: i64 = self.readers.read(move |reader| Ok(reader.query_row(&sql, [], |row| row.get(0))?)).await?;
        Ok(busy == 0)
    }
}

#[cfg(test)]
#[path = "../../tests/support/postgres.rs"]
mod postgres;

#[cfg(test)]
mod tests {
    use sqlx::migrate::MigrateDatabase as _;

    use super::*;

    #[tokio::test]
    async fn after_the_disk_has_failed_the_log_is_carried_over() {
        let folder = tempfile::tempdir().unwrap();
        let (database, log) = (folder.path().join("register.db"), folder.path().join("register.db-wal"));
        let connection = rusqlite::Connection::open(&database).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER) STRICT").unwrap();
        // A log that cannot be opened stands for one that cannot be written.
        let disk = Disk::sqlite(folder.path().join("elsewhere"), Arc::new(Readers::new(&database)));
        assert!(matches!(disk.reached(NONE).await, Err(StoreError::Disk { .. })));
        assert!(log.metadata().unwrap().len() > 0);
        disk.reached(NONE).await.unwrap();
        assert_eq!(log.metadata().unwrap().len(), 0, "everything is in the database itself");
        assert!(disk.reached(NONE).await.is_err(), "and the log is relied on again");
    }

    #[tokio::test]
    async fn what_was_committed_before_the_server_fell_is_not_vouched_for_afterwards_and_what_is_new_is() {
        let Some(mut server) = postgres::Server::start() else { return };
        let address = server.fresh();
        sqlx::Postgres::create_database(&address).await.unwrap();
        let pool = PgPool::connect(&address).await.unwrap();
        let disk = Arc::new(Disk::postgres(pool.clone()));
        disk.mark().await.unwrap().reached().await.unwrap();
        let before = disk.mark().await.unwrap();
        server.restart();
        // Others have found the server again meanwhile.
        while sqlx::query("SELECT 1").execute(&pool).await.is_err() {}
        assert!(before.reached().await.is_err());
        disk.mark().await.unwrap().reached().await.unwrap();

        // One that has rested meanwhile is looked at before anybody relies on it.
        server.restart();
        tokio::time::sleep(std::time::Duration::from_millis(RESTED)).await;
        disk.mark().await.unwrap().reached().await.unwrap();
    }
}
