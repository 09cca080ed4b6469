//! Backup of a register while it serves, and the way back.

use std::fs::File;
use std::io;
use std::path::Path;

use super::sql::{Database, values};
use super::{Access, AuditReport, Store, StoreError};

impl Store {
    /// Writes a copy of the register as of now to a new file, while others go on reading and writing. SQLite only:
    /// PostgreSQL is backed up by its own `pg_dump`, which also makes one consistent copy.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let disk = |cause| StoreError::Disk { place: to.display().to_string(), cause };
        let Database::Sqlite { readers, .. } = &*self.database else {
            return Err(disk(io::Error::other("a register in PostgreSQL is backed up with pg_dump")));
        };
        if to.exists() {
            return Err(disk(io::ErrorKind::AlreadyExists.into()));
        }
        let part = to.with_extension("part");
        match std::fs::remove_file(&part) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(disk(cause)),
            _ => {}
        }
        readers.copy(&part).await?;
        std::fs::rename(&part, to).map_err(disk)
    }

    /// Checks everything that can be checked: the database's own structure, references, the audit trail, record digests.
    pub async fn check(&self) -> Result<AuditReport, StoreError> {
        if let Database::Sqlite { .. } = *self.database {
            let row = self.database.row("PRAGMA integrity_check(1)", values![]).await?;
            let found: String = row.ok_or_else(|| StoreError::corrupt("register", "no answer"))?.get("integrity_check")?;
            if found != "ok" {
                return Err(StoreError::corrupt("register", found));
            }
            if self.database.row("PRAGMA foreign_key_check", values![]).await?.is_some() {
                return Err(StoreError::corrupt("register", "something refers to what is not there"));
            }
        }
        self.audit_verify().await
    }
}

/// Puts a checked backup where no register is yet.
pub async fn restore(backup: &Path, to: &Path) -> Result<AuditReport, StoreError> {
    let disk = |cause| StoreError::Disk { place: to.display().to_string(), cause };
    if to.exists() {
        return Err(disk(io::ErrorKind::AlreadyExists.into()));
    }
    let store = Store::open(&format!("sqlite:{}", backup.display()), Access::Read).await?;
    let report = store.check().await?;
    store.close().await;
    if let Some(tampered) = &report.tampered {
        return Err(StoreError::corrupt(&backup.display().to_string(), format!("the audit trail is broken: {tampered:?}")));
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(disk)?;
    }
    let part = to.with_extension("part");
    std::fs::copy(backup, &part).and_then(|_| File::open(&part)?.sync_all()).map_err(disk)?;
    std::fs::rename(&part, to).map_err(disk)?;
    Ok(report)
}
