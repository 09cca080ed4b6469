//! Opening a register in PostgreSQL, which any number of nodes may share.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::migrate::MigrateDatabase as _;
use sqlx::postgres::{PgPoolOptions, Postgres};

use super::disk::Disk;
use super::sql::Database;
use super::{Access, StoreError};

const MIGRATIONS: [(&str, &str); 3] = [
    ("register", include_str!("migrations/postgres/0001_register.sql")),
    ("bulk", include_str!("migrations/postgres/0002_bulk.sql")),
    ("nation", include_str!("migrations/postgres/0003_nation.sql")),
];

/// How long somebody waits for a connection, also while the server starts; a fifth of it at most between two attempts.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that has rested for longer is tried before it is used: the server may have gone away.
const RESTED: Duration = Duration::from_secs(1);

/// Connections of one node.
pub(super) const CONNECTIONS: u32 = 16;

pub(super) async fn open(url: &str, access: &Access) -> Result<Database, StoreError> {
    let create = matches!(access, Access::Write { create: true, .. });
    if !Postgres::database_exists(url).await? {
        if !create {
            return Err(StoreError::Missing("PostgreSQL".to_owned()));
        }
        Postgres::create_database(url).await?;
    }
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE).test_before_acquire(false);
    let pool = pool.before_acquire(|connection, about| {
        Box::pin(async move {
            if about.idle_for > RESTED {
                connection.ping().await?;
            }
            Ok(true)
        })
    });
    let pool = pool.connect(url).await?;
    let migrated: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&pool).await?;
    if !migrated && !create {
        return Err(StoreError::Missing("PostgreSQL".to_owned()));
    }
    let writes = matches!(access, Access::Write { .. });
    if writes {
        super::migrations(MIGRATIONS).run(&pool).await.map_err(|error| super::migration_error(error, MIGRATIONS.len()))?;
    } else {
        let found = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&pool).await?;
        super::same_schema(found, MIGRATIONS.len())?;
    }
    let writer = writes.then(|| Arc::new(Disk::postgres(pool.clone())));
    Ok(Database::Postgres { pool, writer })
}
