//! A register in SQLite: one file in a data folder, one server at a time, many readers beside one writer.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, Value as Cell, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, ToSql, ffi, params};
use tokio::sync::{OwnedMutexGuard, Semaphore};

use super::disk::Disk;
use super::sql::{Database, Value};
use super::{Access, StoreError};

const MIGRATIONS: [(&str, &str); 3] = [
    ("register", include_str!("migrations/sqlite/0001_register.sql")),
    ("bulk", include_str!("migrations/sqlite/0002_bulk.sql")),
    ("nation", include_str!("migrations/sqlite/0003_nation.sql")),
];

/// How long somebody waits for their turn to write: less than a request may take, so that it is told why.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many may read at the same time.
const READERS: usize = 8;

/// Statements that each connection keeps ready.
const PREPARED: usize = 128;

pub(super) async fn open(path: &Path, access: &Access) -> Result<Database, StoreError> {
    let disk = |cause| StoreError::Disk { place: path.display().to_string(), cause };
    let missing = || StoreError::Missing(path.display().to_string());
    let (writer, lock) = match access {
        Access::Read => (None, None),
        Access::Write { create, .. } => {
            if let Some(folder) = path.parent().filter(|_| *create) {
                private_folder(folder).map_err(disk)?;
            }
            if !create && !path.exists() {
                return Err(missing());
            }
            let lock = lock(path).await?;
            let connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            // A bulk reissue touches pages all over the register: what stays in memory is written once instead of again and
            // again. The log is carried over by `Disk`, beside the work; here only when that cannot keep up (128 MB).
            connection.pragma_update(None, "cache_size", -131_072)?;
            connection.pragma_update(None, "wal_autocheckpoint", 32_768)?;
            migrate(&connection)?;
            (Some(Writer::new(connection)), Some(lock))
        }
    };
    if !path.exists() {
        return Err(missing());
    }
    let readers = Arc::new(Readers::new(path));
    if writer.is_none() {
        // What a reader may find: a register, and of this very schema.
        let found = readers.read(|reader| Ok(reader.query_row("SELECT max(version) FROM _sqlx_migrations", [], |row| row.get(0))?));
        super::same_schema(found.await?, MIGRATIONS.len())?;
    }
    let disk = || Arc::new(Disk::sqlite(beside(path, "-wal"), Arc::clone(&readers)));
    Ok(Database::Sqlite { writer: writer.map(|writer| (writer, disk())), readers: Arc::clone(&readers), _lock: lock })
}

/// A connection, as readers and the writer have it.
fn connect(path: &Path, more: OpenFlags) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    // Each commit reaches the disk before it is answered, by `Disk`.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    Ok(connection)
}

/// Brings the schema up to date, each step whole or not at all, and notes it where the driver for PostgreSQL does.
fn migrate(writer: &Connection) -> Result<(), StoreError> {
    writer.execute_batch(
        "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, \
         execution_time BIGINT NOT NULL)",
    )?;
    let found: i64 = writer.query_row("SELECT coalesce(max(version), 0) FROM _sqlx_migrations", [], |row| row.get(0))?;
    if found > MIGRATIONS.len() as i64 {
        return super::same_schema(found, MIGRATIONS.len());
    }
    for step in super::migrations(MIGRATIONS).iter().skip(found as usize) {
        let began = Instant::now();
        // A table that others refer to cannot be put in another's place otherwise; what refers to nothing is found below.
        writer.pragma_update(None, "foreign_keys", false)?;
        let transaction = writer.unchecked_transaction()?;
        transaction.execute_batch(step.sql.as_str())?;
        let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?, ?, TRUE, ?, ?)";
        let took = i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX);
        transaction.execute(sql, params![step.version, step.description, step.checksum, took])?;
        if transaction.prepare("PRAGMA foreign_key_check")?.exists([])? {
            return Err(StoreError::corrupt("register", "something refers to what is not there"));
        }
        transaction.commit()?;
        writer.pragma_update(None, "foreign_keys", true)?;
    }
    Ok(())
}

/// Connections that only read, each on a thread of its own while it is at work.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::default(), turns: Arc::new(Semaphore::new(READERS)) }
    }

    /// Reads, when it is its turn.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = patiently(Arc::clone(&self.turns).acquire_owned()).await?.map_err(|_| closed())?;
        let readers = Arc::clone(self);
        elsewhere(move || {
            let done = readers.with_rested(work);
            drop(turn);
            done
        })
        .await
    }

    /// Reads a row by its key: that takes less time here than going to another thread does.
    pub async fn one(&self, sql: &str, values: &[Value]) -> Result<Option<Found>, StoreError> {
        let _turn = patiently(self.turns.acquire()).await?.map_err(|_| closed())?;
        self.with_rested(|reader| Ok(rows(reader, sql, values)?.into_iter().next()))
    }

    fn with_rested<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let rested = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match rested {
            Some(connection) => connection,
            None => {
                let connection = connect(&self.path, OpenFlags::empty())?;
                connection.pragma_update(None, "query_only", true)?;
                connection
            }
        };
        let done = work(&connection);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        done
    }

    /// The rows of one statement.
    pub async fn rows(self: &Arc<Self>, sql: String, values: Vec<Value>) -> Result<Vec<Found>, StoreError> {
        self.read(move |reader| Ok(rows(reader, &sql, &values)?)).await
    }

    /// Copies the register as of now into a new file, which is on the disk when this is done.
    pub async fn copy(&self, to: &Path) -> Result<(), StoreError> {
        let (from, to) = (self.path.clone(), to.to_owned());
        elsewhere(move || {
            // A connection of its own: VACUUM INTO counts as writing, though it only reads the register.
            connect(&from, OpenFlags::empty())?.execute("VACUUM INTO ?", [to.display().to_string()])?;
            // It leaves the copy in the system's buffers.
            let synced = File::open(&to).and_then(|file| file.sync_all());
            synced.map_err(|cause| StoreError::Disk { place: to.display().to_string(), cause })
        })
        .await
    }

    pub async fn close(&self) {
        // Who reads is waited for.
        if let Ok(all) = self.turns.acquire_many(READERS as u32).await {
            all.forget();
            self.turns.close();
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The one connection that writes; none when it is closed.
pub(super) struct Writer(Arc<tokio::sync::Mutex<Option<Connection>>>);

impl Writer {
    fn new(connection: Connection) -> Self {
        Self(Arc::new(tokio::sync::Mutex::new(Some(connection))))
    }

    /// Begins a transaction, when it is its turn.
    pub async fn begin(&self) -> Result<Turn, StoreError> {
        let turn = Turn(patiently(Arc::clone(&self.0).lock_owned()).await?);
        turn.run("BEGIN IMMEDIATE", &[])?;
        Ok(turn)
    }

    pub async fn close(&self) {
        // The last to go carries the log over.
        let connection = self.0.lock().await.take();
        elsewhere(move || drop(connection)).await;
    }
}

/// The writer in a transaction, which is undone unless it is committed.
///
/// A statement on a few rows takes less time here than going to another thread does, so it is done where it is asked for;
/// what may take longer goes [`elsewhere`].
pub(super) struct Turn(OwnedMutexGuard<Option<Connection>>);

impl Turn {
    fn connection(&self) -> Result<&Connection, StoreError> {
        self.0.as_ref().ok_or_else(closed)
    }

    /// How many rows the statement changed.
    pub fn run(&self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let mut statement = self.connection()?.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        Ok(statement.raw_execute()? as u64)
    }

    pub fn rows(&self, sql: &str, values: &[Value]) -> Result<Vec<Found>, StoreError> {
        Ok(rows(self.connection()?, sql, values)?)
    }

    /// One statement for each row.
    pub fn run_all(&self, sql: &str, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        let mut statement = self.connection()?.prepare_cached(sql)?;
        for row in rows {
            for (place, value) in (1..).zip(row) {
                statement.raw_bind_parameter(place, value)?;
            }
            statement.raw_execute()?;
        }
        Ok(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // After a commit that the disk has refused, SQLite may have undone the transaction by itself.
        if let Some(connection) = self.0.as_ref().filter(|connection| !connection.is_autocommit())
            && let Err(cause) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%cause, "a transaction cannot be undone");
        }
    }
}

/// Does it on a thread where nobody waits for others.
pub(super) async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Waits for a turn, and not for ever.
async fn patiently<T>(turn: impl Future<Output = T>) -> Result<T, StoreError> {
    let busy = |_| rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), Some("too many are waiting".to_owned()));
    Ok(tokio::time::timeout(PATIENCE, turn).await.map_err(busy)?)
}

fn closed() -> StoreError {
    let misuse = ffi::Error { code: ErrorCode::ApiMisuse, extended_code: ffi::SQLITE_MISUSE };
    rusqlite::Error::SqliteFailure(misuse, Some("the register is closed".to_owned())).into()
}

/// Binds each value to the places that name its number: `$2` takes the second.
fn bind(statement: &mut Statement, values: &[Value]) -> rusqlite::Result<()> {
    for place in 1..=statement.parameter_count() {
        let number = statement.parameter_name(place).and_then(|name| name[1..].parse().ok()).unwrap_or(place);
        statement.raw_bind_parameter(place, values.get(number - 1))?;
    }
    Ok(())
}

fn rows(connection: &Connection, sql: &str, values: &[Value]) -> rusqlite::Result<Vec<Found>> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, values)?;
    let names: Arc<[String]> = statement.column_names().into_iter().map(ToOwned::to_owned).collect();
    let (mut rows, mut found) = (statement.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        let cells = (0..names.len()).map(|column| row.get(column)).collect::<rusqlite::Result<_>>()?;
        found.push(Found { names: Arc::clone(&names), cells });
    }
    Ok(found)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Int(Some(value)) => ValueRef::Integer(*value),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Int(None) | Self::Text(None) | Self::Bytes(None) => ValueRef::Null,
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

/// A row that was found.
pub(super) struct Found {
    names: Arc<[String]>,
    cells: Vec<Cell>,
}

impl Found {
    /// What stands in the column of this name, the first if there are several.
    pub fn cell(&self, column: &str) -> Option<&Cell> {
        self.names.iter().position(|name| name == column).and_then(|place| self.cells.get(place))
    }
}

/// Made for its owner alone: what lies in it is about persons.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// The file that belongs to a database.
fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// Held for as long as the register is open, and let go by the system however the process ends.
async fn lock(database: &Path) -> Result<File, StoreError> {
    let path = beside(database, ".lock");
    let disk = |cause| StoreError::Disk { place: path.display().to_string(), cause };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(disk)?;
    // A moment's patience: a process that is just being started holds what its parent had open, until it runs its own program.
    for _ in 0..20 {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(25)).await,
            Err(TryLockError::Error(cause)) => return Err(disk(cause)),
        }
    }
    Err(StoreError::InUse(database.display().to_string()))
}
