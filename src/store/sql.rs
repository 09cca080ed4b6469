//! What the two databases have in common: values, rows and transactions. Each statement is written once, for both.

use std::sync::Arc;
use std::time::Instant;

use sqlx::postgres::{PgPool, PgRow, PgTransaction, Postgres};
use sqlx::sqlite::{Sqlite, SqlitePool, SqliteRow, SqliteTransaction};
use sqlx::{Decode, Row as _, SqlSafeStr, Type};

use super::StoreError;
use super::disk::{Disk, Mark};

/// The values of one statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::Value::from($value)),*] };
}
pub(super) use values;

macro_rules! bind {
    ($sql:expr, $values:expr) => {
        $values.into_iter().fold(sqlx::query($sql), |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
        })
    };
}

/// An open database.
pub(super) enum Database {
    /// Readers beside the one writer; a database that was opened to look things up has no writer.
    Sqlite { readers: SqlitePool, writer: Option<(SqlitePool, Arc<Disk>)>, _lock: Option<std::fs::File> },
    /// Writers take turns by an advisory lock, across all nodes.
    Postgres { pool: PgPool, writer: Option<Arc<Disk>> },
}

/// The advisory lock of writers: "certpres" in ASCII.
const WRITERS: i64 = 0x6365_7274_7072_6573;

impl Database {
    /// Begins a transaction that may write. It is the only one of its kind until it ends, so what it reads stays true and
    /// numbers have no gaps; the constraints in the schema hold all the same.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite { writer: Some((pool, disk)), .. } => {
                let mark = disk.mark().await?;
                Ok(Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?, mark))
            }
            Self::Postgres { pool, writer: Some(disk) } => {
                let mark = disk.mark().await?;
                let mut tx = Tx::Postgres(pool.begin().await?, mark);
                tx.run("SELECT pg_advisory_xact_lock($1), set_config('synchronous_commit', 'off', true)", values![WRITERS]).await?;
                Ok(tx)
            }
            _ => Err(StoreError::ReadOnly),
        }
    }

    /// To be asked for before reading what is to be on the disk when it is answered. None where nothing is written.
    pub async fn mark(&self) -> Result<Option<Mark>, StoreError> {
        match self {
            Self::Sqlite { writer: Some((_, disk)), .. } | Self::Postgres { writer: Some(disk), .. } => disk.mark().await.map(Some),
            _ => Ok(None),
        }
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite { readers, writer, .. } => {
                readers.close().await;
                if let Some((writer, _)) = writer {
                    writer.close().await;
                }
            }
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }

    /// The rows of one statement, without a lock.
    pub async fn rows(&self, sql: impl SqlSafeStr + Send, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let _timed = Timed::new("read");
        Ok(match self {
            Self::Sqlite { readers, .. } => wrap(Row::Sqlite, bind!(sql, values).fetch_all(readers).await?),
            Self::Postgres { pool, .. } => wrap(Row::Postgres, bind!(sql, values).fetch_all(pool).await?),
        })
    }

    /// The first row of one statement, if any.
    pub async fn row(&self, sql: impl SqlSafeStr + Send, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }
}

/// Tells how long the database took, also when it failed.
struct Timed(&'static str, Instant);

impl Timed {
    fn new(work: &'static str) -> Self {
        Self(work, Instant::now())
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        metrics::histogram!("certpress_store_seconds", "work" => self.0).record(self.1.elapsed().as_secs_f64());
    }
}

/// A transaction that may write; dropped without [`Tx::commit`], it has never been.
pub(super) enum Tx {
    Sqlite(SqliteTransaction<'static>, Mark),
    Postgres(PgTransaction<'static>, Mark),
}

impl Tx {
    /// How many rows the statement changed.
    pub async fn run(&mut self, sql: impl SqlSafeStr + Send, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(tx, _) => bind!(sql, values).execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx, _) => bind!(sql, values).execute(&mut **tx).await?.rows_affected(),
        })
    }

    pub async fn rows(&mut self, sql: impl SqlSafeStr + Send, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(tx, _) => wrap(Row::Sqlite, bind!(sql, values).fetch_all(&mut **tx).await?),
            Self::Postgres(tx, _) => wrap(Row::Postgres, bind!(sql, values).fetch_all(&mut **tx).await?),
        })
    }

    pub async fn row(&mut self, sql: impl SqlSafeStr + Send, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Many rows by few statements: `insert` up to `VALUES`, then the rows, then `conflict`.
    pub async fn insert(&mut self, insert: &str, rows: Vec<Vec<Value>>, conflict: &str) -> Result<(), StoreError> {
        let mut rows = rows.into_iter().peekable();
        while let Some(width) = rows.peek().map(Vec::len) {
            let chunk: Vec<_> = rows.by_ref().take(VALUES_AT_ONCE / width).collect();
            let places = match self {
                // SQLite looks up each numbered placeholder from the first on, so that twice as many take four times as long.
                Self::Sqlite(..) => vec![format!("({})", vec!["?"; width].join(",")); chunk.len()].join(","),
                Self::Postgres(..) => placeholders(chunk.len(), width),
            };
            let sql = format!("{insert} VALUES {places} {conflict}");
            self.run(sqlx::AssertSqlSafe(sql), chunk.into_iter().flatten().collect()).await?;
        }
        Ok(())
    }

    /// Makes it so. What this has answered survives power loss.
    pub async fn commit(self) -> Result<(), StoreError> {
        let _timed = Timed::new("commit");
        self.committed().await?.reached().await
    }

    /// Makes it so for all who look; on the disk it is when the mark is reached.
    pub async fn committed(self) -> Result<Mark, StoreError> {
        Ok(match self {
            Self::Sqlite(tx, mark) => tx.commit().await.map(|()| mark),
            Self::Postgres(tx, mark) => tx.commit().await.map(|()| mark),
        }?)
    }

    /// Ends it without a change, when what it has read is on the disk.
    pub async fn settled(self) -> Result<(), StoreError> {
        let mark = match self {
            Self::Sqlite(_tx, mark) => mark,
            Self::Postgres(_tx, mark) => mark,
        };
        mark.reached().await
    }
}

/// In one statement of many rows; SQLite takes 32,766.
const VALUES_AT_ONCE: usize = 6000;

/// In one list of ids to look up.
pub(super) const IDS_AT_ONCE: usize = 400;

/// `($1, $2), ($3, $4)` for two rows of two.
pub(super) fn placeholders(rows: usize, width: usize) -> String {
    let row = |row: usize| {
        let places: Vec<_> = (1..=width).map(|column| format!("${}", row * width + column)).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// A value for a statement; an absent one still has a type, which PostgreSQL wants to know.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! from {
    ($($from:ty => $value:ident by $convert:expr;)*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$value(Some($convert(value)))
            }
        }
        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$value(value.map($convert))
            }
        }
    )*};
}

from! {
    i64 => Int by |n| n;
    u32 => Int by i64::from;
    u16 => Int by i64::from;
    jiff::Timestamp => Int by |at: jiff::Timestamp| at.as_microsecond();
    &str => Text by str::to_owned;
    String => Text by |text| text;
    &String => Text by String::clone;
    jiff::civil::Date => Text by |day: jiff::civil::Date| day.to_string();
    Vec<u8> => Bytes by |bytes| bytes;
    &[u8] => Bytes by <[u8]>::to_vec;
    [u8; 32] => Bytes by |bytes: [u8; 32]| bytes.to_vec();
}

/// A row of either database.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What both databases can decode.
pub(super) trait Field<'r>: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres> {}
impl<'r, T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>> Field<'r> for T {}

impl Row {
    pub fn get<'r, T: Field<'r>>(&'r self, column: &str) -> Result<T, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A number that the schema keeps in range.
    pub fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.get(column)?).map_err(|_| StoreError::Corrupt { what: column.to_owned(), why: "out of range".to_owned() })
    }

    pub fn instant(&self, column: &'static str) -> Result<jiff::Timestamp, StoreError> {
        jiff::Timestamp::from_microsecond(self.get(column)?).map_err(|e| StoreError::corrupt(column, e))
    }

    pub fn day(&self, column: &'static str) -> Result<Option<jiff::civil::Date>, StoreError> {
        let day: Option<&str> = self.get(column)?;
        day.map(|day| day.parse().map_err(|e| StoreError::corrupt(column, e))).transpose()
    }

    pub fn array<const N: usize>(&self, column: &'static str) -> Result<[u8; N], StoreError> {
        self.maybe_array(column)?.ok_or_else(|| StoreError::corrupt(column, "none"))
    }

    pub fn maybe_array<const N: usize>(&self, column: &'static str) -> Result<Option<[u8; N]>, StoreError> {
        let bytes: Option<&[u8]> = self.get(column)?;
        bytes.map(|bytes| bytes.try_into().map_err(|e| StoreError::corrupt(column, e))).transpose()
    }
}

fn wrap<R>(row: impl Fn(R) -> Row, rows: Vec<R>) -> Vec<Row> {
    rows.into_iter().map(row).collect()
}
