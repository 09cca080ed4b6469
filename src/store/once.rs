//! Doing a thing once: the answer under an idempotency key is kept in the transaction that earned it.

use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::sql::{Row, Tx, values};
use super::{Act, Once, Store, StoreError};

/// How long an answer is kept; clients that retry do so within minutes.
const KEPT_HOURS: i64 = 48;

/// A change that has begun.
pub(super) enum Begun<T> {
    /// It was made before; this was the answer.
    Before(T),
    /// It is to be made now.
    Now(Tx),
}

impl Store {
    /// The answer that a change under the act's key got before, if it was made.
    pub(super) async fn answered<T: DeserializeOwned>(&self, act: &Act<'_>) -> Result<Option<T>, StoreError> {
        let Some(once) = act.once else { return Ok(None) };
        let mark = self.database.mark().await?;
        let Some(row) = self.database.row(KEPT, values![act.actor, once.key]).await? else { return Ok(None) };
        if let Some(mark) = mark {
            mark.reached().await?;
        }
        answer(&row, &once).map(Some)
    }

    /// Begins a change, unless it was made before under the same key.
    pub(super) async fn begin<T: DeserializeOwned>(&self, act: &Act<'_>) -> Result<Begun<T>, StoreError> {
        let mut tx = self.database.write().await?;
        let Some(once) = act.once else { return Ok(Begun::Now(tx)) };
        let Some(row) = tx.row(KEPT, values![act.actor, once.key]).await? else { return Ok(Begun::Now(tx)) };
        tx.settled().await?;
        answer(&row, &once).map(Begun::Before)
    }

    /// Takes out the answers that are no longer kept.
    pub async fn forget_answers(&self, now: Timestamp) -> Result<u64, StoreError> {
        let kept_since = now.saturating_sub(KEPT_HOURS.hours()).expect("hours are no calendar unit");
        let mut tx = self.database.write().await?;
        let forgotten = tx.run("DELETE FROM idempotency WHERE at < $1", values![kept_since]).await?;
        tx.commit().await?;
        Ok(forgotten)
    }
}

const KEPT: &str = "SELECT request, answer FROM idempotency WHERE actor = $1 AND key = $2";

fn answer<T: DeserializeOwned>(row: &Row, once: &Once) -> Result<T, StoreError> {
    same_request(&row.array("request")?, once)?;
    serde_json::from_slice(row.get("answer")?).map_err(|e| StoreError::corrupt("idempotency.answer", e))
}

/// A key stands for one request.
pub(super) fn same_request(kept: &[u8; 32], once: &Once) -> Result<(), StoreError> {
    if *kept == once.request { Ok(()) } else { Err(StoreError::KeyReused) }
}

impl Tx {
    /// Ends a change with its answer: both are kept, or neither.
    pub(super) async fn done<T: Serialize>(mut self, act: &Act<'_>, answer: T) -> Result<T, StoreError> {
        if let Some(once) = act.once {
            let bytes = serde_json::to_vec(&answer).map_err(|e| StoreError::corrupt("idempotency.answer", e))?;
            let sql = "INSERT INTO idempotency (actor, key, request, answer, at) VALUES ($1, $2, $3, $4, $5)";
            self.run(sql, values![act.actor, once.key, once.request, bytes, act.at]).await?;
        }
        self.commit().await?;
        Ok(answer)
    }
}
