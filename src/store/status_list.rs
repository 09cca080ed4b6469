//! What the public status list says of each issued version.

use super::sql::{IDS_AT_ONCE, Row, Tx, Value, placeholders, values};
use super::{Store, StoreError};

/// Where an annotation stands that is not in force; the numbers are those of the status list's two bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// There is a newer version.
    Superseded = 1,
    /// 暂扣.
    Suspended = 2,
    /// 注销, 撤销 or 吊销.
    Ended = 3,
}

/// How far the status list reaches, and whether it has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusHead {
    /// One more than the greatest status index.
    pub size: u32,
    /// Grows with every change of the list.
    pub change: u64,
}

impl Store {
    /// How far the list reaches, and its change counter.
    pub async fn status_head(&self) -> Result<StatusHead, StoreError> {
        let sql = "SELECT (SELECT coalesce(max(status_index) + 1, 0) FROM annotation) AS size, \
                   (SELECT coalesce(max(changed), 0) FROM status_list) AS change";
        let row = self.database.row(sql, values![]).await?.ok_or_else(|| StoreError::corrupt("status list", "no head"))?;
        Ok(StatusHead { size: row.number("size")?, change: row.number("change")? })
    }

    /// All that is not in force with a status index from `first` on, below `end`, in order.
    pub async fn status_list(&self, first: u32, end: u32) -> Result<Vec<(u32, Standing)>, StoreError> {
        let sql = "SELECT status_index, standing FROM status_list \
                   WHERE status_index >= $1 AND status_index < $2 AND standing > 0 ORDER BY status_index";
        let listed = |row: &Row| {
            let standing = match row.get::<i64>("standing")? {
                1 => Standing::Superseded,
                2 => Standing::Suspended,
                3 => Standing::Ended,
                other => return Err(StoreError::corrupt("standing", other)),
            };
            Ok((row.number("status_index")?, standing))
        };
        self.database.rows(sql, values![first, end]).await?.iter().map(listed).collect()
    }
}

impl Tx {
    /// Brings the list up to date for licences (by their numbers inside) that have changed. `seq` is the audit entry of the change.
    pub(super) async fn list_status(&mut self, licences: &[i64], seq: i64) -> Result<(), StoreError> {
        for chunk in licences.chunks(IDS_AT_ONCE) {
            let places = placeholders(1, chunk.len() + 1);
            let sql = format!(
                "INSERT INTO status_list (status_index, standing, changed) \
                 SELECT a.status_index, CASE WHEN l.status = 'suspended' THEN 2 WHEN l.status <> 'valid' THEN 3 \
                 WHEN a.version < l.version THEN 1 ELSE 0 END, $1 FROM annotation a JOIN licence l ON l.entry = a.licence \
                 WHERE a.licence IN ({} ON CONFLICT (status_index) DO UPDATE SET standing = excluded.standing, changed = excluded.changed \
                 WHERE status_list.standing <> excluded.standing",
                places.strip_prefix("($1, ").expect("at least one licence")
            );
            let values = std::iter::once(Value::from(seq)).chain(chunk.iter().copied().map(Value::from)).collect();
            self.run(sql, values).await?;
        }
        Ok(())
    }
}
