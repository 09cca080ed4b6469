//! Opening a register in SQLite: one file in a data folder, one server at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::disk::Disk;
use super::sql::Database;
use super::{Access, StoreError};

const MIGRATIONS: [(&str, &str); 2] =
    [("register", include_str!("migrations/sqlite/0001_register.sql")), ("bulk", include_str!("migrations/sqlite/0002_bulk.sql"))];

/// How long somebody waits for their turn to write: less than a request may take, so that it is told why.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many may read at the same time.
const READERS: u32 = 8;

pub(super) async fn open(path: &Path, access: &Access) -> Result<Database, StoreError> {
    let disk = |cause| StoreError::Disk { place: path.display().to_string(), cause };
    let options = SqliteConnectOptions::new()
        .filename(path)
        // Each commit reaches the disk before it is answered, by `Disk`.
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .pragma("temp_store", "memory")
        .pragma("cache_size", "-16000");
    let (writer, lock) = match access {
        Access::Read => (None, None),
        Access::Write { create, .. } => {
            if let Some(folder) = path.parent().filter(|_| *create) {
                private_folder(folder).map_err(disk)?;
            }
            if !create && !path.exists() {
                return Err(StoreError::Missing(path.display().to_string()));
            }
            let lock = lock(path).await?;
            let pool = patient(1).idle_timeout(None).max_lifetime(None).after_release(|writer, _| Box::pin(is_sound(writer)));
            let options = options.clone().create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
            // A bulk reissue touches pages all over the register: what stays in memory is written once instead of again and
            // again. The log is carried over by `Disk`, beside the work; here only when that cannot keep up (128 MB).
            let options = options.pragma("cache_size", "-131072").pragma("wal_autocheckpoint", "32768");
            (Some(pool.connect_with(options).await?), Some(lock))
        }
    };
    if !path.exists() {
        return Err(StoreError::Missing(path.display().to_string()));
    }
    let readers = patient(READERS).connect_with(options.pragma("query_only", "1")).await?;
    let migrations = super::migrations(MIGRATIONS);
    match &writer {
        Some(writer) => migrations.run(writer).await.map_err(|error| super::migration_error(error, MIGRATIONS.len()))?,
        None => check(&readers).await?,
    }
    let disk = || Arc::new(Disk::sqlite(beside(path, "-wal"), readers.clone()));
    Ok(Database::Sqlite { writer: writer.map(|writer| (writer, disk())), readers: readers.clone(), _lock: lock })
}

/// So many connections. They cannot go away as those to a server can, so they are not tried before they are used.
fn patient(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE).test_before_acquire(false)
}

/// Whether a connection can be used again. After a commit that the disk has refused, SQLite has undone the transaction by
/// itself, and the driver still believes in it.
async fn is_sound(writer: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if writer.is_in_transaction() {
        // An undoing that is still under way comes first.
        writer.ping().await?;
    }
    Ok(!writer.is_in_transaction())
}

/// Made for its owner alone: what lies in it is about persons.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Copies a register as of now into a new file, which is on the disk when this is done.
pub(super) async fn copy(readers: &SqlitePool, to: &Path) -> Result<(), StoreError> {
    // A connection of its own: VACUUM INTO counts as writing, though it only reads the register.
    let options = readers.connect_options().as_ref().clone().pragma("query_only", "0");
    let mut connection = options.connect().await?;
    sqlx::query("VACUUM INTO $1").bind(to.display().to_string()).execute(&mut connection).await?;
    connection.close().await?;
    // It leaves the copy in the system's buffers.
    let synced = File::open(to).and_then(|file| file.sync_all());
    synced.map_err(|cause| StoreError::Disk { place: to.display().to_string(), cause })
}

/// What a reader may find: a register, and of this very schema.
async fn check(readers: &SqlitePool) -> Result<(), StoreError> {
    let found = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(readers).await?;
    super::same_schema(found, MIGRATIONS.len())
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
