//! 加注 and what was issued under them: recorded before they are signed, and never changed.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::audit::Deed;
use super::once::Begun;
use super::records::licence;
use super::sql::{IDS_AT_ONCE, Row, Tx, Value, placeholders, values};
use super::{Act, Licence, Store, StoreError};
use crate::annotation::{Cap, UsePeriod};
use crate::clock::shanghai_date;
use crate::record::Status;
use crate::statement::Statement;

/// An annotation to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct NewAnnotation<'a> {
    /// The licence.
    pub licence: &'a str,
    /// The version of its record that the rule was applied to.
    pub version: u16,
    /// Use period; none for types without one.
    pub period: Option<UsePeriod>,
    /// What will be signed.
    pub statement: &'a Statement,
    /// Id of the key that will sign.
    pub kid: [u8; 2],
    /// The layout's face, to make the same file again.
    pub layout_digest: [u8; 32],
    /// How many a day the policy accepts, where it limits them.
    pub per_day: Option<u32>,
}

/// A recorded 加注.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Opaque; it stands in addresses.
    pub id: String,
    /// The licence.
    pub licence: String,
    /// The version of its record.
    pub version: u16,
    /// From 1 within the licence, without gaps.
    pub number: u32,
    /// Position in the status list.
    pub status_index: u32,
    /// 加注时间.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// Use period.
    pub period: Option<UsePeriod>,
    /// Canonical bytes of the statement.
    pub statement: Statement,
    /// Id of the key.
    pub kid: [u8; 2],
    /// The layout's face.
    pub layout_digest: [u8; 32],
    /// Digits of the signed capsule; none while it is recorded and not yet signed.
    pub digits: Option<String>,
}

/// A file that was given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedFile {
    /// Its annotation.
    pub annotation: String,
    /// `pdf`, `ofd` or `png`.
    pub format: String,
    /// SHA-256: its name in the blob store.
    pub sha256: [u8; 32],
    /// Size.
    pub bytes: u64,
    /// When it was made.
    pub at: Timestamp,
}

/// Which part of a licence's history to show, newest first.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct History {
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// Only those with a smaller number: the last of the page before.
    pub before: Option<u32>,
    /// How many at most, 50 unless told.
    pub limit: Option<u32>,
}

const ANNOTATION: &str = "SELECT a.id AS annotation, a.licence, a.version AS annotated, a.number AS entry, a.status_index, a.at, a.actor, \
                          a.use_from, a.use_to, a.capped_by, a.statement, a.statement_sha256, a.kid, a.layout_digest, s.digits";
const SIGNED: &str = "FROM annotation a LEFT JOIN signature s ON s.annotation = a.id";

impl Store {
    /// Records an annotation before anything is signed. Refused when the licence has another version by now, is not in
    /// force, or has had as many as the policy accepts today. Under an idempotency key, the one that was recorded first.
    pub async fn annotate(&self, act: &Act<'_>, new: &NewAnnotation<'_>) -> Result<Annotation, StoreError> {
        let mut tx = match self.begin::<String>(act).await? {
            Begun::Before(id) => return self.annotation(&id).await?.ok_or(StoreError::NotFound { what: "annotation", id }),
            Begun::Now(tx) => tx,
        };
        let licence = tx.licence(new.licence).await?;
        if licence.version != new.version || licence.status != Status::Valid {
            return Err(StoreError::Stale { licence: licence.id, version: licence.version, status: licence.status });
        }
        let day = shanghai_date(act.at);
        if let Some(limit) = new.per_day {
            let made = tx.made_on(new.licence, day).await?;
            if made >= limit {
                return Err(StoreError::TooManyToday { made });
            }
        }
        let sql = "SELECT (SELECT coalesce(max(number), 0) + 1 FROM annotation WHERE licence = $1) AS number, \
                   (SELECT coalesce(max(status_index) + 1, 0) FROM annotation) AS status_index";
        let row = tx.row(sql, values![new.licence]).await?.ok_or_else(|| StoreError::corrupt("annotation", "no number"))?;
        let (number, status_index): (u32, u32) = (row.number("number")?, row.number("status_index")?);
        let annotation = self.numbered(act, new, number, status_index)?;
        tx.insert(PUT_ANNOTATION, vec![annotation.row()], "").await?;
        tx.tally(day, &licence.licence_type, "issued", 1).await?;
        tx.audit(act, vec![annotation.recorded()]).await?;
        tx.done(act, annotation.id.clone()).await?;
        Ok(annotation)
    }

    /// What a new annotation will be, under its numbers.
    pub(super) fn numbered(&self, act: &Act, new: &NewAnnotation, number: u32, status_index: u32) -> Result<Annotation, StoreError> {
        Ok(Annotation {
            id: self.opaque_id("annotation", &[new.licence, &number.to_string()])?,
            licence: new.licence.to_owned(),
            version: new.version,
            number,
            status_index,
            at: Timestamp::from_microsecond(act.at.as_microsecond()).expect("it was one"),
            actor: act.actor.to_owned(),
            period: new.period,
            statement: new.statement.clone(),
            kid: new.kid,
            layout_digest: new.layout_digest,
            digits: None,
        })
    }

    /// The annotation that was recorded under the act's idempotency key before, if any.
    pub async fn annotated_before(&self, act: &Act<'_>) -> Result<Option<Annotation>, StoreError> {
        match self.answered::<String>(act).await? {
            Some(id) => self.annotation(&id).await,
            None => Ok(None),
        }
    }

    /// Keeps the signed capsule of a recorded annotation, and the files made of it so far. The same again is the same.
    pub async fn complete(&self, act: &Act<'_>, annotation: &str, digits: &str, files: &[IssuedFile]) -> Result<(), StoreError> {
        self.complete_all(act, &[(annotation, digits)], files).await
    }

    /// As [`Self::complete`] for many, all in one transaction.
    pub async fn complete_all(&self, act: &Act<'_>, signed: &[(&str, &str)], files: &[IssuedFile]) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        let mut before = HashMap::new();
        for chunk in signed.chunks(IDS_AT_ONCE) {
            let sql = format!("SELECT annotation, digits FROM signature WHERE annotation IN {}", placeholders(1, chunk.len()));
            for row in tx.rows(sql, chunk.iter().map(|(id, _)| Value::from(*id)).collect()).await? {
                before.insert(row.get::<String>("annotation")?, row.get::<String>("digits")?);
            }
        }
        let (mut rows, mut deeds) = (Vec::with_capacity(signed.len()), Vec::with_capacity(signed.len()));
        for &(annotation, digits) in signed {
            match before.get(annotation) {
                Some(before) if before == digits => {}
                Some(_) => return Err(StoreError::Conflict { what: "signature".to_owned(), annotation: annotation.to_owned() }),
                None => {
                    rows.push(values![annotation, digits, act.at]);
                    deeds.push(Deed { action: "annotation.sign", subject: annotation.to_owned(), ..Deed::default() });
                }
            }
        }
        tx.insert("INSERT INTO signature (annotation, digits, at)", rows, "").await?;
        tx.audit(act, deeds).await?;
        for file in files {
            tx.put_file(act, file).await?;
        }
        tx.commit().await
    }

    /// Keeps the digest of a file before it is given out. A format has one file for ever: the first that was made.
    pub async fn put_file(&self, act: &Act<'_>, file: &IssuedFile) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        tx.put_file(act, file).await?;
        tx.commit().await
    }

    /// An annotation by its id.
    pub async fn annotation(&self, id: &str) -> Result<Option<Annotation>, StoreError> {
        let sql = format!("{ANNOTATION} {SIGNED} WHERE a.id = $1");
        self.database.row(sql, values![id]).await?.map(|row| annotation(&row)).transpose()
    }

    /// An annotation by its id, and its licence as it is now, if that is the person's.
    pub async fn annotation_of(&self, id_type: &str, id_number: &str, id: &str) -> Result<Option<(Annotation, Licence)>, StoreError> {
        let sql = format!("{ANNOTATION}, l.* {SIGNED} JOIN licence l ON l.id = a.licence WHERE a.id = $1 AND l.holder_key = $2");
        let row = self.database.row(sql, values![id, self.holder_key(id_type, id_number)?]).await?;
        row.map(|row| Ok((annotation(&row)?, licence(&row)?))).transpose()
    }

    /// The history of a licence, newest first.
    pub async fn annotations(&self, licence: &str, history: &History) -> Result<Vec<Annotation>, StoreError> {
        let mut filter = super::search::Filter::default();
        filter.all_of("a.licence =", Some(licence));
        filter.all_of("a.at >=", history.from);
        filter.all_of("a.at <", history.to);
        filter.all_of("a.number <", history.before);
        let limit = history.limit.unwrap_or(50).min(500);
        let (sql, values) = filter.select(&format!("{ANNOTATION} {SIGNED}"), &format!("ORDER BY a.number DESC LIMIT {limit}"));
        self.database.rows(sql, values).await?.iter().map(annotation).collect()
    }

    /// How many annotations of the licence were made on the day of that instant in Asia/Shanghai.
    pub async fn made_today(&self, licence: &str, at: Timestamp) -> Result<u32, StoreError> {
        let row = self.database.row(MADE_ON, values![licence, shanghai_date(at)]).await?;
        row.ok_or_else(|| StoreError::corrupt("annotation", "no count"))?.number("made")
    }

    /// Annotations that were recorded and never signed, from a status index on, oldest first: what a crash has left to be
    /// finished.
    pub async fn unsigned(&self, from: u32, limit: u32) -> Result<Vec<Annotation>, StoreError> {
        let sql = format!("{ANNOTATION} {SIGNED} WHERE s.annotation IS NULL AND a.status_index >= $1 ORDER BY a.status_index LIMIT $2");
        self.database.rows(sql, values![from, limit]).await?.iter().map(annotation).collect()
    }

    /// The files of an annotation that were made so far.
    pub async fn files(&self, annotation: &str) -> Result<Vec<IssuedFile>, StoreError> {
        let sql = "SELECT * FROM issued_file WHERE annotation = $1 ORDER BY format";
        self.database.rows(sql, values![annotation]).await?.iter().map(issued_file).collect()
    }

    /// Whose file has this digest: the question of a verifier with a file in hand.
    pub async fn by_file(&self, sha256: &[u8; 32]) -> Result<Option<(IssuedFile, Annotation, Licence)>, StoreError> {
        let sql = "SELECT * FROM issued_file WHERE sha256 = $1";
        let Some(row) = self.database.row(sql, values![*sha256]).await? else { return Ok(None) };
        let file = issued_file(&row)?;
        let found = self.found("a.id", Value::from(&file.annotation)).await?;
        Ok(found.map(|(annotation, licence)| (file, annotation, licence)))
    }

    /// The annotation at a place of the status list, and its licence as it is now: the question of who scans a code.
    pub async fn by_status_index(&self, index: u32) -> Result<Option<(Annotation, Licence)>, StoreError> {
        self.found("a.status_index", index.into()).await
    }

    async fn found(&self, column: &str, value: Value) -> Result<Option<(Annotation, Licence)>, StoreError> {
        let sql =
            format!("{ANNOTATION}, l.* {SIGNED} JOIN licence l ON l.id = a.licence WHERE {column} = $1 ORDER BY a.status_index LIMIT 1");
        let row = self.database.row(sql, vec![value]).await?;
        row.map(|row| Ok((annotation(&row)?, licence(&row)?))).transpose()
    }
}

pub(super) const PUT_ANNOTATION: &str = "INSERT INTO annotation (id, licence, version, number, status_index, at, day, actor, use_from, \
                                         use_to, capped_by, statement, statement_sha256, kid, layout_digest)";

impl Annotation {
    /// The row of [`PUT_ANNOTATION`].
    pub(super) fn row(&self) -> Vec<Value> {
        values![
            &self.id,
            &self.licence,
            self.version,
            self.number,
            self.status_index,
            self.at,
            shanghai_date(self.at),
            &self.actor,
            self.period.map(|p| p.from),
            self.period.map(|p| p.to),
            self.period.and_then(|p| p.capped_by).map(cap_word),
            self.statement.bytes.clone(),
            self.statement.sha256,
            self.kid.to_vec(),
            self.layout_digest,
        ]
    }

    /// For the audit trail.
    pub(super) fn recorded(&self) -> Deed<'static> {
        let after = Some(hex::encode(self.statement.sha256));
        Deed { action: "annotation.record", subject: self.id.clone(), before: None, after }
    }
}

const MADE_ON: &str = "SELECT count(*) AS made FROM annotation WHERE licence = $1 AND day = $2";

impl Tx {
    async fn made_on(&mut self, licence: &str, day: jiff::civil::Date) -> Result<u32, StoreError> {
        let row = self.row(MADE_ON, values![licence, day]).await?;
        row.ok_or_else(|| StoreError::corrupt("annotation", "no count"))?.number("made")
    }

    async fn put_file(&mut self, act: &Act<'_>, file: &IssuedFile) -> Result<(), StoreError> {
        let sql = "SELECT * FROM issued_file WHERE annotation = $1 AND format = $2";
        if let Some(row) = self.row(sql, values![&file.annotation, &file.format]).await? {
            let same = row.array("sha256")? == file.sha256;
            let conflict = || StoreError::Conflict { what: file.format.clone(), annotation: file.annotation.clone() };
            return if same { Ok(()) } else { Err(conflict()) };
        }
        let sql = "INSERT INTO issued_file (annotation, format, sha256, bytes, at) VALUES ($1, $2, $3, $4, $5)";
        self.run(sql, values![&file.annotation, &file.format, file.sha256, file.bytes as i64, file.at]).await?;
        let after = Some(hex::encode(file.sha256));
        let action = "file.issue";
        self.audit(act, vec![Deed { action, subject: file.annotation.clone(), before: Some(file.format.clone()), after }]).await?;
        Ok(())
    }
}

const fn cap_word(cap: Cap) -> &'static str {
    match cap {
        Cap::Days => "days",
        Cap::Registration => "registration",
        Cap::Age => "age",
    }
}

fn period(row: &Row) -> Result<Option<UsePeriod>, StoreError> {
    let (Some(from), Some(to)) = (row.day("use_from")?, row.day("use_to")?) else { return Ok(None) };
    let word: Option<&str> = row.get("capped_by")?;
    let capped_by = [Cap::Days, Cap::Registration, Cap::Age].into_iter().find(|&cap| word == Some(cap_word(cap)));
    Ok(Some(UsePeriod { from, to, days: (to - from).get_days(), capped_by }))
}

fn annotation(row: &Row) -> Result<Annotation, StoreError> {
    Ok(Annotation {
        id: row.get("annotation")?,
        licence: row.get("licence")?,
        version: row.number("annotated")?,
        number: row.number("entry")?,
        status_index: row.number("status_index")?,
        at: row.instant("at")?,
        actor: row.get("actor")?,
        period: period(row)?,
        statement: Statement { bytes: row.get("statement")?, sha256: row.array("statement_sha256")? },
        kid: row.array("kid")?,
        layout_digest: row.array("layout_digest")?,
        digits: row.get("digits")?,
    })
}

fn issued_file(row: &Row) -> Result<IssuedFile, StoreError> {
    Ok(IssuedFile {
        annotation: row.get("annotation")?,
        format: row.get("format")?,
        sha256: row.array("sha256")?,
        bytes: row.number("bytes")?,
        at: row.instant("at")?,
    })
}
