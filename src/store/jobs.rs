//! Bulk reissue in steps. A step is one transaction: the licences it reissues and how far it came are kept together, so a
//! job goes on where it was after any crash, on any node, and no licence is reissued twice.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::audit::Deed;
use super::once::Begun;
use super::search::Search;
use super::sql::{Row, values};
use super::{Act, Store, StoreError};

/// A bulk reissue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Opaque; it stands in addresses.
    pub id: String,
    /// Which licences.
    pub search: Search,
    /// Who asked for it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
    /// How many licences were found then.
    pub total: u64,
    /// How many are reissued.
    pub done: u64,
    /// How many could not be: no longer in force, or versions used up.
    pub failed: u64,
    /// Whether it goes on.
    pub state: JobState,
    /// When it last got on.
    pub changed: Timestamp,
    /// The last licence that was looked at.
    after: Option<String>,
}

/// Whether a job goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// There is more to do.
    Running,
    /// All is done.
    Finished,
    /// Somebody stopped it.
    Stopped,
}

impl JobState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
        }
    }
}

impl Store {
    /// Files a bulk reissue of all that a search finds; its page settings do not count.
    pub async fn create_job(&self, act: &Act<'_>, search: &Search) -> Result<Job, StoreError> {
        let mut tx = match self.begin(act).await? {
            Begun::Before(answer) => return Ok(answer),
            Begun::Now(tx) => tx,
        };
        let search = Search { after: None, limit: None, ..search.clone() };
        let (sql, values) = self.filter(&search)?.1.select("SELECT count(*) AS total FROM licence", "");
        let total = tx.row(sqlx::AssertSqlSafe(sql), values).await?.ok_or_else(|| StoreError::corrupt("job", "no count"))?;
        let sql = "SELECT coalesce(max(number), 0) + 1 AS number FROM job";
        let number: u32 = tx.row(sql, values![]).await?.ok_or_else(|| StoreError::corrupt("job", "no number"))?.number("number")?;
        let at = Timestamp::from_microsecond(act.at.as_microsecond()).expect("it was one");
        let job = Job {
            id: self.opaque_id("job", &[&number.to_string()])?,
            search,
            actor: act.actor.to_owned(),
            reason: act.reason.map(ToOwned::to_owned),
            at,
            total: total.number("total")?,
            done: 0,
            failed: 0,
            state: JobState::Running,
            changed: at,
            after: None,
        };
        let search = serde_json::to_vec(&job.search).map_err(|e| StoreError::corrupt("job.search", e))?;
        let sql = "INSERT INTO job (id, number, search, actor, reason, at, total, done, failed, state, changed) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 'running', $6)";
        tx.run(sql, values![&job.id, number, search, act.actor, act.reason, at, job.total as i64]).await?;
        tx.audit(act, vec![Deed { action: "job.create", subject: job.id.clone(), ..Deed::default() }]).await?;
        tx.done(act, job).await
    }

    /// Takes the oldest running job one step on, up to `most` licences; none when nothing runs. Any node may call this at
    /// any time.
    pub async fn step_job(&self, at: Timestamp, most: u32) -> Result<Option<Job>, StoreError> {
        let mut tx = self.database.write().await?;
        let sql = "SELECT * FROM job WHERE state = 'running' ORDER BY number LIMIT 1";
        let Some(row) = tx.row(sql, values![]).await? else { return Ok(None) };
        let mut job = job(&row)?;
        let mut filter = self.filter(&job.search)?.1;
        if let Some(after) = &job.after {
            filter.following("id", after.as_str().into(), after);
        }
        let (sql, values) = filter.select("SELECT id FROM licence", &format!("ORDER BY id LIMIT {most}"));
        let licences = tx.rows(sqlx::AssertSqlSafe(sql), values).await?;
        let reason = job.reason.clone();
        let act = Act { actor: &job.actor, at, reason: reason.as_deref(), once: None };
        let (mut done, mut failed) = (0, 0);
        for row in &licences {
            match tx.reissue(&act, row.get("id")?).await {
                Ok(_) => done += 1,
                Err(StoreError::NotInForce { .. } | StoreError::VersionsUsedUp(_)) => failed += 1,
                Err(error) => return Err(error),
            }
        }
        job.done += done;
        job.failed += failed;
        job.changed = at;
        match licences.last() {
            Some(last) if licences.len() == most as usize => job.after = Some(last.get("id")?),
            _ => job.state = JobState::Finished,
        }
        let sql = "UPDATE job SET done = $2, failed = $3, after = $4, state = $5, changed = $6 WHERE id = $1";
        let state = job.state.as_str();
        tx.run(sql, values![&job.id, job.done as i64, job.failed as i64, job.after.clone(), state, at]).await?;
        tx.commit().await?;
        Ok(Some(job))
    }

    /// Stops a running job; what it has done stays done.
    pub async fn stop_job(&self, act: &Act<'_>, id: &str) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        let sql = "UPDATE job SET state = 'stopped', changed = $2 WHERE id = $1 AND state = 'running'";
        if tx.run(sql, values![id, act.at]).await? == 0 {
            return Err(StoreError::NotFound { what: "running job", id: id.to_owned() });
        }
        tx.audit(act, vec![Deed { action: "job.stop", subject: id.to_owned(), ..Deed::default() }]).await?;
        tx.commit().await
    }

    /// A job by its id.
    pub async fn job(&self, id: &str) -> Result<Option<Job>, StoreError> {
        self.database.row("SELECT * FROM job WHERE id = $1", values![id]).await?.map(|row| job(&row)).transpose()
    }

    /// The latest jobs, newest first.
    pub async fn jobs(&self, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.database.rows("SELECT * FROM job ORDER BY number DESC LIMIT $1", values![limit]).await?.iter().map(job).collect()
    }
}

fn job(row: &Row) -> Result<Job, StoreError> {
    let state: &str = row.get("state")?;
    let states = [JobState::Running, JobState::Finished, JobState::Stopped];
    Ok(Job {
        id: row.get("id")?,
        search: serde_json::from_slice(row.get("search")?).map_err(|e| StoreError::corrupt("job.search", e))?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
        at: row.instant("at")?,
        total: row.number("total")?,
        done: row.number("done")?,
        failed: row.number("failed")?,
        state: states.into_iter().find(|s| s.as_str() == state).ok_or_else(|| StoreError::corrupt("job.state", state))?,
        changed: row.instant("changed")?,
        after: row.get("after")?,
    })
}
