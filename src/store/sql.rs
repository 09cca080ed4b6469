//! What the two databases have in common: values, rows and transactions. Each statement is written once, for both.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::types::Value as Cell;
use sqlx::postgres::{PgPool, PgRow, PgTransaction, Postgres};
use sqlx::{AssertSqlSafe, Decode, Row as _, Type};

use super::StoreError;
use super::disk::{Disk, Mark};
use super::postgres::CONNECTIONS;
use super::sqlite::{Found, Readers, Turn, Writer, elsewhere};

/// The values of one statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::Value::from($value)),*] };
}
pub(super) use values;

/// An open database.
pub(super) enum Database {
    /// Readers beside the one writer; a database that was opened to look things up has no writer.
    Sqlite { readers: Arc<Readers>, writer: Option<(Writer, Arc<Disk>)>, _lock: Option<std::fs::File> },
    /// Writers take turns by an advisory lock, across all nodes.
    Postgres { pool: PgPool, writer: Option<Arc<Disk>> },
}

/// In one message to PostgreSQL. The advisory lock of writers is "certpres" in ASCII.
const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(x'6365727470726573'::bigint), set_config('synchronous_commit', 'off', true)";

impl Database {
    /// Begins a transaction that may write. It is the only one of its kind until it ends, so what it reads stays true and
    /// numbers have no gaps; the constraints in the schema hold all the same.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite { writer: Some((writer, disk)), .. } => {
                let mark = disk.mark().await?;
                Ok(Tx::Sqlite(Some(writer.begin().await?), mark))
            }
            Self::Postgres { pool, writer: Some(disk) } => {
                let mark = disk.mark().await?;
                Ok(Tx::Postgres(lasting(|| pool.begin_with(BEGIN)).await?, mark))
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

    /// Carries the log of changes over beside the work.
    pub async fn carry_over(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { writer: Some((_, disk)), .. } | Self::Postgres { writer: Some(disk), .. } => disk.carry_over().await,
            _ => Ok(()),
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
    pub async fn rows(&self, sql: impl Into<String>, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let _timed = Timed::new("read");
        Ok(match self {
            Self::Sqlite { readers, .. } => wrap(Row::Sqlite, readers.rows(sql.into(), values).await?),
            Self::Postgres { pool, .. } => {
                let sql = sql.into();
                wrap(Row::Postgres, lasting(|| bound(sql.clone(), values.clone()).fetch_all(pool)).await?)
            }
        })
    }

    /// The row of a key, if there is one.
    pub async fn one(&self, sql: &str, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        let _timed = Timed::new("read");
        Ok(match self {
            Self::Sqlite { readers, .. } => readers.one(sql, &values).await?.map(Row::Sqlite),
            Self::Postgres { pool, .. } => lasting(|| bound(sql, values.clone()).fetch_optional(pool)).await?.map(Row::Postgres),
        })
    }

    /// The first row of one statement, if any.
    pub async fn row(&self, sql: impl Into<String>, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }
}

type Query = sqlx::query::Query<'static, Postgres, sqlx::postgres::PgArguments>;

fn bound(sql: impl Into<String>, values: Vec<Value>) -> Query {
    // Values are bound, never written into a statement.
    values.into_iter().fold(sqlx::query(AssertSqlSafe(sql.into())), |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
    })
}

/// Does what changes nothing yet, again where a connection that rested in the pool turns out to be gone: after a restart of
/// the server all of them are, and nobody who only looks something up is to be told of it.
async fn lasting<T, F: Future<Output = sqlx::Result<T>>>(attempt: impl Fn() -> F) -> sqlx::Result<T> {
    for _ in 0..CONNECTIONS {
        match attempt().await {
            Err(error) if is_gone(&error) => tracing::debug!(%error, "a connection to the database was gone"),
            done => return done,
        }
    }
    attempt().await
}

/// Whether the connection is gone, or the server was going or coming.
fn is_gone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // Class 08 and the shutdowns of class 57.
        sqlx::Error::Database(said) => said.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P0")),
        _ => false,
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
    /// None while a statement is done elsewhere.
    Sqlite(Option<Turn>, Mark),
    Postgres(PgTransaction<'static>, Mark),
}

impl Tx {
    /// How many rows the statement changed.
    pub async fn run(&mut self, sql: impl Into<String>, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(turn, _) => present(turn.as_ref())?.run(&sql.into(), &values)?,
            Self::Postgres(tx, _) => bound(sql, values).execute(&mut **tx).await?.rows_affected(),
        })
    }

    pub async fn rows(&mut self, sql: impl Into<String>, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(turn, _) => wrap(Row::Sqlite, away(turn, move |turn| turn.rows(&sql, &values)).await?),
            Self::Postgres(tx, _) => wrap(Row::Postgres, bound(sql, values).fetch_all(&mut **tx).await?),
        })
    }

    /// The rows of a statement that finds few.
    pub async fn few(&mut self, sql: impl Into<String>, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(turn, _) => Ok(wrap(Row::Sqlite, present(turn.as_ref())?.rows(&sql.into(), &values)?)),
            Self::Postgres(..) => self.rows(sql, values).await,
        }
    }

    /// The first row of a statement that finds few.
    pub async fn row(&mut self, sql: impl Into<String>, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(turn, _) => present(turn.as_ref())?.rows(&sql.into(), &values)?.into_iter().next().map(Row::Sqlite),
            Self::Postgres(tx, _) => bound(sql, values).fetch_optional(&mut **tx).await?.map(Row::Postgres),
        })
    }

    /// Many rows: `insert` up to `VALUES`, then the rows, then `conflict`.
    pub async fn insert(&mut self, insert: &str, mut rows: Vec<Vec<Value>>, conflict: &str) -> Result<(), StoreError> {
        let Some(first) = rows.first() else { return Ok(()) };
        match self {
            Self::Sqlite(turn, _) => {
                let sql = format!("{insert} VALUES ({}) {conflict}", vec!["?"; first.len()].join(", "));
                if rows.len() <= FEW {
                    return present(turn.as_ref())?.run_all(&sql, &rows);
                }
                away(turn, move |turn| turn.run_all(&sql, &rows)).await
            }
            Self::Postgres(tx, _) => {
                let sql = from_arrays(insert, first, conflict, &mut 1);
                while !rows.is_empty() {
                    let chunk: Vec<_> = rows.drain(..rows.len().min(ROWS_AT_ONCE)).collect();
                    columns(sqlx::query(AssertSqlSafe(sql.clone())), chunk).execute(&mut **tx).await?;
                }
                Ok(())
            }
        }
    }

    /// Several insertions, in one message to PostgreSQL when they are of few rows.
    pub async fn insert_all(&mut self, mut insertions: Vec<Insertion>) -> Result<(), StoreError> {
        insertions.retain(|insertion| !insertion.rows.is_empty());
        let few = insertions.iter().all(|insertion| insertion.rows.len() <= ROWS_AT_ONCE);
        match self {
            Self::Postgres(tx, _) if few && !insertions.is_empty() => {
                let mut places = 1;
                let mut statements: Vec<_> = insertions.iter().map(|insertion| insertion.statement(&mut places)).collect();
                let last = statements.pop().unwrap_or_default();
                // What they refer to among each other is checked when all are done.
                let named = (1..).zip(statements).map(|(n, statement): (u32, String)| format!("i{n} AS ({statement})"));
                let named = named.collect::<Vec<_>>().join(", ");
                let sql = if named.is_empty() { last } else { format!("WITH {named} {last}") };
                let query = sqlx::query(AssertSqlSafe(sql));
                insertions.into_iter().fold(query, |query, insertion| columns(query, insertion.rows)).execute(&mut **tx).await?;
                Ok(())
            }
            _ => {
                for Insertion { into, rows, conflict } in insertions {
                    self.insert(into, rows, conflict).await?;
                }
                Ok(())
            }
        }
    }

    /// Makes it so. What this has answered survives power loss.
    pub async fn commit(self) -> Result<(), StoreError> {
        let _timed = Timed::new("commit");
        let mark = match self {
            Self::Sqlite(mut turn, mark) => away(&mut turn, |turn| turn.run("COMMIT", &[])).await.map(|_| mark),
            Self::Postgres(tx, mark) => tx.commit().await.map(|()| mark).map_err(StoreError::from),
        };
        mark?.reached().await
    }

    /// Makes a few changes so for all who look; on the disk they are when the mark is reached.
    pub async fn committed(self) -> Result<Mark, StoreError> {
        match self {
            Self::Sqlite(turn, mark) => present(turn.as_ref())?.run("COMMIT", &[]).map(|_| mark),
            Self::Postgres(tx, mark) => tx.commit().await.map(|()| mark).map_err(StoreError::from),
        }
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

fn present(turn: Option<&Turn>) -> Result<&Turn, StoreError> {
    turn.ok_or_else(|| StoreError::corrupt("transaction", "a statement before was given up"))
}

/// Does it with the writer on another thread. Who gives up waiting gives up the transaction.
async fn away<T: Send + 'static>(
    turn: &mut Option<Turn>,
    work: impl FnOnce(&Turn) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    present(turn.as_ref())?;
    let Some(mine) = turn.take() else { unreachable!("it is present") };
    let (mine, done) = elsewhere(move || {
        let done = work(&mine);
        (mine, done)
    })
    .await;
    *turn = Some(mine);
    done
}

/// Rows for one table.
pub(super) struct Insertion {
    /// Up to `VALUES`.
    pub into: &'static str,
    pub rows: Vec<Vec<Value>>,
    /// What follows the rows.
    pub conflict: &'static str,
}

impl Insertion {
    pub fn new(into: &'static str, rows: Vec<Vec<Value>>) -> Self {
        Self { into, rows, conflict: "" }
    }

    fn statement(&self, place: &mut usize) -> String {
        self.rows.first().map_or_else(String::new, |first| from_arrays(self.into, first, self.conflict, place))
    }
}

/// For PostgreSQL a column is one value, an array: so the statement is the same for any number of rows.
fn from_arrays(insert: &str, first: &[Value], conflict: &str, place: &mut usize) -> String {
    let typed = first.iter().map(|value| {
        *place += 1;
        format!("${}::{}[]", *place - 1, value.kind())
    });
    format!("{insert} SELECT * FROM unnest({}) {conflict}", typed.collect::<Vec<_>>().join(", "))
}

/// Binds the rows of one insertion, column by column.
fn columns(query: Query, rows: Vec<Vec<Value>>) -> Query {
    let width = rows.first().map_or(0, Vec::len);
    let mut rows: Vec<_> = rows.into_iter().map(Vec::into_iter).collect();
    (0..width).fold(query, |query, _| {
        let mut column = rows.iter_mut().filter_map(Iterator::next).peekable();
        match column.peek() {
            Some(Value::Text(_)) => query.bind(column.map(|v| if let Value::Text(v) = v { v } else { None }).collect::<Vec<_>>()),
            Some(Value::Bytes(_)) => query.bind(column.map(|v| if let Value::Bytes(v) = v { v } else { None }).collect::<Vec<_>>()),
            Some(Value::Int(_)) | None => query.bind(column.map(|v| if let Value::Int(v) = v { v } else { None }).collect::<Vec<_>>()),
        }
    })
}

/// Rows that are inserted faster than another thread is woken.
const FEW: usize = 8;

/// Rows in one statement to PostgreSQL.
const ROWS_AT_ONCE: usize = 2000;

/// In one list of ids to look up.
pub(super) const IDS_AT_ONCE: usize = 400;

/// Ids to look up, the last of them repeated: as many as a power of two, so that statements stay few and are kept ready.
pub(super) fn padded<T: Copy>(mut ids: Vec<T>) -> Vec<T> {
    if let Some(&last) = ids.last() {
        ids.resize(ids.len().next_power_of_two(), last);
    }
    ids
}

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

impl Value {
    /// What PostgreSQL calls its type.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "bigint",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytea",
        }
    }
}

/// A row of either database.
pub(super) enum Row {
    Sqlite(Found),
    Postgres(PgRow),
}

/// What both databases can decode.
pub(super) trait Field<'r>: Decode<'r, Postgres> + Type<Postgres> {
    /// From a cell of SQLite; none when it holds something else.
    fn of(cell: &'r Cell) -> Option<Self>;
}

macro_rules! field {
    ($($field:ty: $cell:pat => $value:expr;)*) => {$(
        impl<'r> Field<'r> for $field {
            fn of(cell: &'r Cell) -> Option<Self> {
                if let $cell = cell { Some($value) } else { None }
            }
        }
    )*};
}

field! {
    i64: Cell::Integer(value) => *value;
    &'r str: Cell::Text(text) => text;
    String: Cell::Text(text) => text.clone();
    &'r [u8]: Cell::Blob(bytes) => bytes;
    Vec<u8>: Cell::Blob(bytes) => bytes.clone();
}

impl<'r, T: Field<'r>> Field<'r> for Option<T> {
    fn of(cell: &'r Cell) -> Option<Self> {
        if matches!(cell, Cell::Null) { Some(None) } else { T::of(cell).map(Some) }
    }
}

impl Row {
    pub fn get<'r, T: Field<'r>>(&'r self, column: &str) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(row) => row.cell(column).and_then(T::of).ok_or_else(|| StoreError::corrupt(column, "not what belongs there")),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
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
