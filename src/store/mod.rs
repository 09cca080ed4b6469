//! The register: record versions, annotations, statements, issued files, jobs, idempotency keys and the audit trail, kept
//! in SQLite or PostgreSQL.
//!
//! The verbs are those of the business and written once; [`sql`] is all that the two databases share, [`sqlite`] and
//! [`postgres`] open one. Writers take turns, on one machine and across nodes, readers never wait. What a verb has answered
//! is committed, with its line in the audit trail; what failed has left nothing behind.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::Sha256;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use crate::record::{Record, Status};
use sql::values;

mod annotations;
mod audit;
mod backup;
pub mod blobs;
mod disk;
mod jobs;
mod once;
mod postgres;
mod records;
mod search;
mod sql;
mod sqlite;
mod status_list;
mod together;

pub use annotations::{Annotation, History, IssuedFile, NewAnnotation};
pub use audit::{AuditEntry, AuditQuery, AuditReport, Tampered};
pub use backup::restore;
pub use jobs::{Candidate, Job, JobState, Reissue, Step, Successor};
pub use records::{Filed, LoadChange, LoadOutcome};
pub use search::{Expiring, Page, Search, Tally};
pub use status_list::{Standing, StatusHead};

/// The register, open. Cheap to share behind an `Arc`, which is all that the service does with it.
pub struct Store {
    database: Arc<sql::Database>,
    index_key: IndexKey,
    together: Arc<together::Together>,
    probes: AtomicU8,
}

/// The secret under which identity numbers are hashed and ids made; none where the register is only read.
#[derive(Clone, Copy)]
struct IndexKey(Option<[u8; 32]>);

/// What the register is opened for.
#[derive(Clone, Debug)]
pub enum Access {
    /// To look things up: no lock is taken, nothing is migrated, every change is refused.
    Read,
    /// To serve.
    Write {
        /// Whether to make a database that does not exist; without this a mistyped address is an error, not an empty register.
        create: bool,
        /// The secret under which identity numbers are hashed and identifiers made. A register keeps to its first.
        index_key: [u8; 32],
    },
}

/// Who changes something, when and why. Every change leaves it in the audit trail.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Who: the subject of the token, never a name.
    pub actor: &'a str,
    /// When, by the service's clock.
    pub at: Timestamp,
    /// Why, as the clerk wrote it.
    pub reason: Option<&'a str>,
    /// To do it once however often it is asked for.
    pub once: Option<Once<'a>>,
}

impl<'a> Act<'a> {
    /// Without a reason, and as often as it is asked for.
    pub fn new(actor: &'a str, at: Timestamp) -> Self {
        Self { actor, at, reason: None, once: None }
    }

    /// For this reason.
    #[must_use]
    pub fn because(self, reason: &'a str) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

/// An idempotency key. The same actor, key and request get the answer of the first time, also after a restart.
#[derive(Clone, Copy, Debug)]
pub struct Once<'a> {
    /// As the client chose it.
    pub key: &'a str,
    /// Digest over method, path and body.
    pub request: [u8; 32],
}

/// A licence as the register has it now, without its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licence {
    /// Opaque; it stands in addresses.
    pub id: String,
    /// Licence type.
    pub licence_type: String,
    /// 注册编号 or 证书编号; unique within the type.
    pub number: String,
    /// Serial of the licence identifier.
    pub serial: String,
    /// Holder's name.
    pub holder_name: String,
    /// 聘用企业.
    pub employer_name: Option<String>,
    /// Its 统一社会信用代码.
    pub employer_code: Option<String>,
    /// The version in force; every other one is superseded.
    pub version: u16,
    /// Whether it is in force.
    #[serde(deserialize_with = "read_status")]
    pub status: Status,
    /// Last day of its registration, the latest of several.
    pub expires: Option<Date>,
}

/// Why the register did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is of no kind that is known.
    #[error("`{0}` is no register: give `sqlite:PATH`, `postgres://…` or a data folder")]
    Address(String),
    /// There is no database.
    #[error("{0}: there is no register here; check the address, or make one with --create")]
    Missing(String),
    /// Another server has it.
    #[error("{0}: another server has this register open; stop it first, or use PostgreSQL for several servers")]
    InUse(String),
    /// Made by another version of this program.
    #[error("the register's schema is at version {found}, this program knows {known}; {}", if found > known { "install the newer program" } else { "start the server once to migrate it" })]
    Schema {
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The secret is another one than the register began with.
    #[error("the index key is not the one that this register was made with; restore the salt key of its installation")]
    IndexKey,
    /// It was opened to look things up.
    #[error("the register was opened for reading only")]
    ReadOnly,
    /// There is no such thing.
    #[error("there is no {what} {id}")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// Between reading and writing, the licence got another version or status. Read it again.
    #[error("the licence {licence} has changed meanwhile: it is now version {version}, {}", status.as_str())]
    Stale {
        /// Its id.
        licence: String,
        /// Its version now.
        version: u16,
        /// Its status now.
        status: Status,
    },
    /// The life of a licence knows no such step.
    #[error("a licence that is {} cannot become {}", from.as_str(), to.as_str())]
    NotAllowed {
        /// Its status.
        from: Status,
        /// What was asked for.
        to: Status,
    },
    /// Only a licence in force can do that.
    #[error("the licence {licence} is {}", status.as_str())]
    NotInForce {
        /// Its id.
        licence: String,
        /// Its status.
        status: Status,
    },
    /// 999 versions are all that an identifier can say.
    #[error("the licence {0} already has version 999, the last that its identifier can say")]
    VersionsUsedUp(String),
    /// The holder-chooses policy's limit.
    #[error("{made} annotations were already made today")]
    TooManyToday {
        /// How many.
        made: u32,
    },
    /// The idempotency key was used for another request.
    #[error("this idempotency key was used for another request; use a new one")]
    KeyReused,
    /// A second file or signature that differs from the first.
    #[error("the {what} of annotation {annotation} is already recorded, and it is another one")]
    Conflict {
        /// Signature or format.
        what: String,
        /// The annotation.
        annotation: String,
    },
    /// What is stored cannot be what was stored.
    #[error("{what}: what is stored cannot be read: {why}; check the register with `certpress audit verify`, restore a backup")]
    Corrupt {
        /// Column or thing.
        what: String,
        /// Why.
        why: String,
    },
    /// The database or the disk failed; nothing was changed.
    #[error("the register cannot be reached: {0}")]
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// The blob store failed; nothing was changed.
    #[error("the file {blob} cannot be kept or fetched: {cause}")]
    Blob {
        /// Which.
        blob: String,
        /// Why.
        cause: object_store::Error,
    },
    /// A file of the register failed.
    #[error("{place}: {cause}")]
    Disk {
        /// Which.
        place: String,
        /// Why.
        cause: std::io::Error,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(cause: sqlx::Error) -> Self {
        Self::Unavailable(cause.into())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Unavailable(cause.into())
    }
}

impl StoreError {
    fn corrupt(what: &str, why: impl ToString) -> Self {
        Self::Corrupt { what: what.to_owned(), why: why.to_string() }
    }
}

impl Store {
    /// Opens a register: `sqlite:PATH`, `postgres://…`, or a data folder, where it is `register.db`.
    pub async fn open(address: &str, access: Access) -> Result<Self, StoreError> {
        let database = if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            postgres::open(address, &access).await?
        } else if let Some(path) = address.strip_prefix("sqlite:") {
            sqlite::open(Path::new(path.strip_prefix("//").unwrap_or(path)), &access).await?
        } else if address.is_empty() || address.contains("://") {
            return Err(StoreError::Address(address.to_owned()));
        } else {
            sqlite::open(&Path::new(address).join("register.db"), &access).await?
        };
        let index_key = match access {
            Access::Read => IndexKey(None),
            Access::Write { index_key, .. } => IndexKey(Some(index_key)),
        };
        let database = Arc::new(database);
        let together = together::Together::new(Arc::clone(&database), index_key);
        let store = Self { database, index_key, together, probes: AtomicU8::default() };
        if index_key.0.is_some() {
            store.check_index_key().await?;
        }
        Ok(store)
    }

    /// Whether the register answers and can be written: a full disk, or one that has become read-only, says so here. For
    /// `/readyz`.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        let sql = "INSERT INTO setting (name, value) VALUES ('probe', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        // Another value each time: SQLite does not write what is there already.
        tx.run(sql, values![[self.probes.fetch_add(1, Ordering::Relaxed); 32]]).await?;
        tx.commit().await
    }

    /// Brings what bulk work has written from the log to its place, beside the work, which the log would otherwise stop when
    /// it is full.
    pub async fn carry_over(&self) -> Result<(), StoreError> {
        self.database.carry_over().await
    }

    /// Waits for what is under way and closes all connections.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// A register under another key would hold each licence twice: the first key is the only one.
    async fn check_index_key(&self) -> Result<(), StoreError> {
        let check = self.index_key.hash("check", &[])?;
        let mut tx = self.database.write().await?;
        tx.run("INSERT INTO setting (name, value) VALUES ('index-key', $1) ON CONFLICT (name) DO NOTHING", values![check]).await?;
        let row = tx.row("SELECT value FROM setting WHERE name = 'index-key'", values![]).await?;
        tx.commit().await?;
        match row {
            Some(row) if row.array::<32>("value")? == check => Ok(()),
            _ => Err(StoreError::IndexKey),
        }
    }

    /// The keyed hash that stands for an identity number; the number itself is in the record only.
    fn holder_key(&self, id_type: &str, id_number: &str) -> Result<[u8; 32], StoreError> {
        self.index_key.hash("holder", &[id_type, id_number])
    }

    /// See [`IndexKey::id`].
    fn opaque_id(&self, what: &str, parts: &[&str]) -> Result<String, StoreError> {
        self.index_key.id(what, parts)
    }
}

impl IndexKey {
    /// HMAC-SHA-256 over parts that cannot run together.
    fn hash(&self, what: &str, parts: &[&str]) -> Result<[u8; 32], StoreError> {
        let key = self.0.as_ref().ok_or(StoreError::ReadOnly)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        for part in std::iter::once(&what).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Ok(mac.finalize().into_bytes().into())
    }

    /// An id that says nothing and needs no randomness: half a keyed hash, in hexadecimal.
    fn id(&self, what: &str, parts: &[&str]) -> Result<String, StoreError> {
        Ok(hex::encode(&self.hash(what, parts)?[..16]))
    }
}

/// A status as records write it.
fn read_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
    status_of(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn status_of(text: &str) -> Result<Status, StoreError> {
    Status::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| StoreError::corrupt("status", text))
}

/// The last day of the latest registration.
fn expires(record: &Record) -> Option<Date> {
    record.specialties.iter().filter_map(|s| s.valid_to).max().into_iter().chain(record.valid_to).min()
}

/// The migrations of one database, in order.
fn migrations<const N: usize>(steps: [(&'static str, &'static str); N]) -> Migrator {
    let step = |(version, (name, sql)): (i64, (&'static str, &'static str))| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations((1..).zip(steps).map(step).collect())
}

fn migration_error(error: MigrateError, known: usize) -> StoreError {
    match error {
        MigrateError::VersionMissing(found) => StoreError::Schema { found, known: known as i64 },
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => cause.into(),
        other => StoreError::corrupt("schema", other),
    }
}

fn same_schema(found: i64, known: usize) -> Result<(), StoreError> {
    let known = known as i64;
    if found == known { Ok(()) } else { Err(StoreError::Schema { found, known }) }
}
