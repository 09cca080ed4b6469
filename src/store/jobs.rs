//! Bulk reissue in steps: the next version of many licences and what is stated in it, recorded in one transaction with how
//! far the job came. So a job goes on where it was after any crash, on any node, and no licence is reissued twice.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::annotations::{PUT_ANNOTATION, Signed};
use super::audit::{Deed, Subject};
use super::once::Begun;
use super::records::{Form, PUT_VERSION, next_version, outline, successor};
use super::search::{Filter, Search};
use super::sql::{IDS_AT_ONCE, Row, Value, placeholders, values};
use super::{Act, Annotation, NewAnnotation, Store, StoreError, status_of};
use crate::annotation::UsePeriod;
use crate::clock::shanghai_date;
use crate::record::{Record, Status};
use crate::render::Format;
use crate::statement::Statement;

/// A bulk reissue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Opaque; it stands in addresses.
    pub id: String,
    /// Which licences.
    pub search: Search,
    /// The files to make of each; without any, they are made when first asked for.
    pub formats: Vec<Format>,
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
    /// How many could not be.
    pub failed: u64,
    /// How many could not be, by reason: the code of a refusal, `versions-used-up`, `invalid`.
    pub reasons: BTreeMap<String, u64>,
    /// Whether it goes on.
    pub state: JobState,
    /// When it last got on.
    pub changed: Timestamp,
    /// The last licence that was looked at, by its number inside.
    after: Option<i64>,
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

/// A licence that a job has come to: its record in force, without pictures.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its id.
    pub licence: String,
    /// Licence type.
    pub licence_type: String,
    /// The layout's face under which this version was annotated last, if it was: its page could be set.
    pub set_under: Option<[u8; 32]>,
    entry: i64,
    version: u16,
    status: Status,
    json: Vec<u8>,
    sha256: [u8; 32],
    photo: Option<[u8; 32]>,
    signature: Option<[u8; 32]>,
}

/// What a candidate will be.
pub struct Successor {
    /// Its record as the rule and the statement look at it. Nothing may be drawn from it.
    pub record: Record,
    form: Form,
}

impl Candidate {
    /// The same content as the next version; none when versions are used up.
    pub fn successor(&self) -> Result<Option<Successor>, StoreError> {
        let Some(version) = next_version(self.version) else { return Ok(None) };
        let (value, json) = successor(&self.licence, &self.json, version)?;
        let record = outline(&self.licence, value, self.status)?;
        let form = Form { sha256: Sha256::digest(&json).into(), json, photo: self.photo, signature: self.signature };
        Ok(Some(Successor { record, form }))
    }
}

/// A licence to be reissued, and what is stated in its new version.
pub struct Reissue {
    /// The new version.
    pub successor: Successor,
    /// Use period; none for types without one.
    pub period: Option<UsePeriod>,
    /// What will be signed.
    pub statement: Statement,
    /// Id of the key that will sign.
    pub kid: [u8; 2],
    /// The layout's face.
    pub layout_digest: [u8; 32],
}

/// A step of a job that has been thought through: each licence it came to, and what becomes of it. Only the register's own
/// order counts, so this is what [`Store::next`] gave.
pub struct Step {
    /// When: the instant of all its annotations.
    pub at: Timestamp,
    /// The licences, and what each is reissued as, or the reason why it is not.
    pub licences: Vec<(Candidate, Result<Reissue, &'static str>)>,
    /// Whether there are no more.
    pub last: bool,
}

impl Step {
    /// Where the next step begins.
    pub fn end(&self) -> Option<i64> {
        self.licences.last().map(|(candidate, _)| candidate.entry)
    }
}

impl Store {
    /// Files a bulk reissue of all that a search finds; its page settings do not count.
    pub async fn create_job(&self, act: &Act<'_>, search: &Search, formats: &[Format]) -> Result<Job, StoreError> {
        let mut tx = match self.begin(act).await? {
            Begun::Before(answer) => return Ok(answer),
            Begun::Now(tx) => tx,
        };
        let search = Search { after: None, limit: None, ..search.clone() };
        let (sql, values) = self.filter(&search)?.1.select("SELECT count(*) AS total FROM licence", "");
        let total = tx.row(sql, values).await?.ok_or_else(|| StoreError::corrupt("job", "no count"))?;
        let sql = "SELECT coalesce(max(number), 0) + 1 AS number FROM job";
        let number: u32 = tx.row(sql, values![]).await?.ok_or_else(|| StoreError::corrupt("job", "no number"))?.number("number")?;
        let at = Timestamp::from_microsecond(act.at.as_microsecond()).expect("it was one");
        let job = Job {
            id: self.opaque_id("job", &[&number.to_string()])?,
            search,
            formats: formats.to_vec(),
            actor: act.actor.to_owned(),
            reason: act.reason.map(ToOwned::to_owned),
            at,
            total: total.number("total")?,
            done: 0,
            failed: 0,
            reasons: BTreeMap::new(),
            state: JobState::Running,
            changed: at,
            after: None,
        };
        let search = serde_json::to_vec(&job.search).map_err(|e| StoreError::corrupt("job.search", e))?;
        let formats = serde_json::to_string(&job.formats).map_err(|e| StoreError::corrupt("job.formats", e))?;
        let sql = "INSERT INTO job (id, number, search, formats, actor, reason, at, total, done, failed, state, changed) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 'running', $7)";
        tx.run(sql, values![&job.id, number, search, formats, act.actor, act.reason, at, job.total as i64]).await?;
        tx.audit(act, vec![Deed::of("job.create", &job.id)]).await?;
        tx.done(act, job).await
    }

    /// The oldest job that is not done.
    pub async fn running_job(&self) -> Result<Option<Job>, StoreError> {
        let sql = "SELECT * FROM job WHERE state = 'running' ORDER BY number LIMIT 1";
        self.database.row(sql, values![]).await?.map(|row| job(&row)).transpose()
    }

    /// The licences that a job comes to next, up to `most`: those after `after`, or after what it has done.
    pub async fn next(&self, job: &Job, after: Option<i64>, most: u32) -> Result<Vec<Candidate>, StoreError> {
        let (sql, values) = self.of_job(job, after.or(job.after))?.select(
            "SELECT entry, licence.id, licence_type, status, licence.version, r.record, r.sha256, r.photo, r.signature, \
             (SELECT a.layout_digest FROM annotation a WHERE a.licence = entry AND a.version = licence.version \
             ORDER BY a.number DESC LIMIT 1) AS set_under \
             FROM licence JOIN record_version r ON r.licence = entry AND r.version = licence.version",
            &format!("ORDER BY entry LIMIT {most}"),
        );
        let candidate = |row: &Row| {
            Ok(Candidate {
                licence: row.get("id")?,
                licence_type: row.get("licence_type")?,
                set_under: row.maybe_array("set_under")?,
                entry: row.get("entry")?,
                version: row.number("version")?,
                status: status_of(row.get("status")?)?,
                json: row.get("record")?,
                sha256: row.array("sha256")?,
                photo: row.maybe_array("photo")?,
                signature: row.maybe_array("signature")?,
            })
        };
        self.database.rows(sql, values).await?.iter().map(candidate).collect()
    }

    /// Takes a job one step on: new versions, their annotations and the job itself, all or none. Gives the annotations, which
    /// are to be signed; what was signed of steps before is kept along with it. None when the step no longer holds, because a
    /// licence has changed since or another node was faster: then nothing is kept.
    pub async fn step_job(&self, job: &Job, step: &Step, signed: &[Annotation]) -> Result<Option<(Job, Vec<Annotation>)>, StoreError> {
        let mut tx = self.database.write().await?;
        let at = step.at;
        let act = Act { actor: &job.actor, at, reason: job.reason.as_deref(), once: None };
        let now = tx.row("SELECT state, after FROM job WHERE id = $1", values![&job.id]).await?;
        let now = now.map(|row| Ok::<_, StoreError>((row.get::<String>("state")?, row.get("after")?))).transpose()?;
        if now != Some((JobState::Running.as_str().to_owned(), job.after)) {
            return Ok(None);
        }
        let (sql, values) = self.of_job(job, job.after)?.select(
            "SELECT entry, version, status, (SELECT coalesce(max(a.number), 0) FROM annotation a WHERE a.licence = entry) AS made \
             FROM licence",
            &format!("ORDER BY entry LIMIT {}", step.licences.len() + usize::from(step.last)),
        );
        let found = tx.rows(sql, values).await?;
        if found.len() != step.licences.len() {
            return Ok(None);
        }
        let sql = "SELECT coalesce(max(status_index) + 1, 0) AS status_index FROM annotation";
        let row = tx.row(sql, values![]).await?.ok_or_else(|| StoreError::corrupt("annotation", "no number"))?;
        let mut status_index: u32 = row.number("status_index")?;

        let mut job = Job { changed: at, after: step.end().or(job.after), ..job.clone() };
        let (mut versions, mut rows, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        let (mut deeds, mut annotations) = (Vec::new(), Vec::new());
        // Those with annotations: what these say in the status list changes.
        let (mut annotated, mut types) = (Vec::new(), BTreeMap::<_, u32>::new());
        for (row, (was, becomes)) in found.iter().zip(&step.licences) {
            let (entry, made): (i64, u32) = (row.get("entry")?, row.number("made")?);
            if entry != was.entry || row.number::<u16>("version")? != was.version || status_of(row.get("status")?)? != was.status {
                return Ok(None);
            }
            let reissue = match becomes {
                Ok(reissue) => reissue,
                Err(why) => {
                    job.failed += 1;
                    *job.reasons.entry((*why).to_owned()).or_default() += 1;
                    continue;
                }
            };
            let Reissue { successor: Successor { record, form }, statement, .. } = reissue;
            let Reissue { period, kid, layout_digest, .. } = *reissue;
            let version = record.version;
            let new = NewAnnotation { licence: &was.licence, version, period, statement, kid, layout_digest, per_day: None };
            let annotation = self.numbered(&act, &new, made + 1, status_index)?;
            status_index += 1;
            versions.push(form.row(&act, entry, version));
            rows.push(annotation.row(entry));
            entries.push(entry);
            // One entry says both: the record before, and the record and the statement that are there now.
            deeds.push(Deed {
                action: "licence.reissue",
                subject: Subject::Licence(entry, &was.licence),
                before: Some(hex::encode(was.sha256)),
                after: Some(format!("{} {}", hex::encode(form.sha256), hex::encode(statement.sha256))),
            });
            if made > 0 {
                annotated.push(entry);
            }
            *types.entry(&was.licence_type).or_default() += 1;
            annotations.push(annotation);
        }
        tx.insert(PUT_VERSION, versions, "").await?;
        for chunk in entries.chunks(IDS_AT_ONCE) {
            let sql = format!("UPDATE licence SET version = version + 1 WHERE entry IN {}", placeholders(1, chunk.len()));
            tx.run(sql, chunk.iter().copied().map(Value::from).collect()).await?;
        }
        let seq = tx.audit(&act, deeds).await?;
        tx.list_status(&annotated, seq).await?;
        tx.insert(PUT_ANNOTATION, rows, "").await?;
        tx.sign(&Act::new("certpress", at), &signed.iter().filter_map(Signed::of).collect::<Vec<_>>()).await?;
        for (licence_type, count) in types {
            tx.tally(shanghai_date(at), licence_type, "issued", count).await?;
        }
        job.done += annotations.len() as u64;
        if step.last {
            job.state = JobState::Finished;
        }
        let reasons = serde_json::to_string(&job.reasons).map_err(|e| StoreError::corrupt("job.reasons", e))?;
        let sql = "UPDATE job SET done = $2, failed = $3, reasons = $4, after = $5, state = $6, changed = $7 WHERE id = $1";
        let (done, failed, state) = (job.done as i64, job.failed as i64, job.state.as_str());
        tx.run(sql, values![&job.id, done, failed, reasons, job.after, state, at]).await?;
        tx.commit().await?;
        Ok(Some((job, annotations)))
    }

    /// Stops a running job; what it has done stays done.
    pub async fn stop_job(&self, act: &Act<'_>, id: &str) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        let sql = "UPDATE job SET state = 'stopped', changed = $2 WHERE id = $1 AND state = 'running'";
        if tx.run(sql, values![id, act.at]).await? == 0 {
            return Err(StoreError::NotFound { what: "running job", id: id.to_owned() });
        }
        tx.audit(act, vec![Deed::of("job.stop", id)]).await?;
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

    /// The licences of a job, in their order, after this one.
    fn of_job(&self, job: &Job, after: Option<i64>) -> Result<Filter, StoreError> {
        let mut filter = self.filter(&job.search)?.1;
        if let Some(after) = after {
            filter.following(None, after);
        }
        Ok(filter)
    }
}

fn job(row: &Row) -> Result<Job, StoreError> {
    let state: &str = row.get("state")?;
    let states = [JobState::Running, JobState::Finished, JobState::Stopped];
    Ok(Job {
        id: row.get("id")?,
        search: serde_json::from_slice(row.get("search")?).map_err(|e| StoreError::corrupt("job.search", e))?,
        formats: serde_json::from_str(row.get("formats")?).map_err(|e| StoreError::corrupt("job.formats", e))?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
        at: row.instant("at")?,
        total: row.number("total")?,
        done: row.number("done")?,
        failed: row.number("failed")?,
        reasons: serde_json::from_str(row.get("reasons")?).map_err(|e| StoreError::corrupt("job.reasons", e))?,
        state: states.into_iter().find(|s| s.as_str() == state).ok_or_else(|| StoreError::corrupt("job.state", state))?,
        changed: row.instant("changed")?,
        after: row.get("after")?,
    })
}
