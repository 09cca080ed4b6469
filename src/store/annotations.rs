//! 加注 and what was issued under them: recorded before they are signed, and never changed.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::audit::Deed;
use super::records::{FILED, Filed, VERSIONS, filed, licence};
use super::sql::{IDS_AT_ONCE, Insertion, Row, Tx, Value, padded, placeholders, values};
use super::together::{MOST, Step, What, Written};
use super::{Act, IndexKey, Licence, Store, StoreError};
use crate::annotation::{Cap, UsePeriod};
use crate::clock::shanghai_day;
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

const ANNOTATION: &str = "SELECT a.id AS annotation, l.id AS licence, a.version AS annotated, a.number AS ordinal, a.status_index, \
                          a.at, a.actor, a.use_from, a.use_to, a.capped_by, a.statement, a.statement_sha256, a.kid, a.layout_digest, \
                          s.digits";
const SIGNED: &str = "FROM annotation a JOIN licence l ON l.entry = a.licence LEFT JOIN signature s ON s.annotation = a.status_index";

impl Store {
    /// Records an annotation before anything is signed. Refused when the licence has another version by now, is not in
    /// force, or has had as many as the policy accepts today. Under an idempotency key, the one that was recorded first.
    pub async fn annotate(&self, act: &Act<'_>, new: &NewAnnotation<'_>) -> Result<Annotation, StoreError> {
        let draft = What::Record(Box::new(Annotation::draft(act, new)), new.per_day);
        let (written, mark) = self.together.take(Step::new(act, draft)).await?;
        mark.reached().await?;
        match written {
            Written::Recorded(annotation) => Ok(*annotation),
            Written::Before(id) => self.annotation(&id).await?.ok_or(StoreError::NotFound { what: "annotation", id }),
            Written::Done => Err(StoreError::corrupt("annotation", "was not recorded")),
        }
    }

    /// What a new annotation will be, under its numbers.
    pub(super) fn numbered(&self, act: &Act, new: &NewAnnotation, number: u32, status_index: u32) -> Result<Annotation, StoreError> {
        Annotation::draft(act, new).numbered(self.index_key, number, status_index)
    }

    /// The annotation that was recorded under the act's idempotency key before, if any.
    pub async fn annotated_before(&self, act: &Act<'_>) -> Result<Option<Annotation>, StoreError> {
        match self.answered::<String>(act).await? {
            Some(id) => self.annotation(&id).await,
            None => Ok(None),
        }
    }

    /// Keeps the signed capsule of a recorded annotation. The same again is the same. All see it when this answers; it comes
    /// to the disk with the next that is written, and before anything that shows it: lost until then, it can be made again.
    pub async fn complete(&self, act: &Act<'_>, annotation: &Annotation, digits: &str) -> Result<(), StoreError> {
        let sign = What::Sign { status_index: annotation.status_index, id: annotation.id.clone(), digits: digits.to_owned() };
        self.together.take(Step::new(act, sign)).await.map(drop)
    }

    /// Keeps the capsules of many that have digits now, and the files made of them so far, all in one transaction that is on
    /// the disk.
    pub async fn complete_all(&self, act: &Act<'_>, signed: &[Annotation], files: &[IssuedFile]) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        tx.sign(act, &signed.iter().filter_map(Signed::of).collect::<Vec<_>>()).await?;
        let (put, insertion) = tx.putting(&files.iter().collect::<Vec<_>>(), Earlier::LookUp).await?;
        let mut deeds = Vec::with_capacity(files.len());
        for (file, put) in files.iter().zip(put) {
            deeds.extend(put?.then(|| file.issued()));
        }
        tx.insert_all(vec![insertion]).await?;
        tx.audit(act, deeds).await?;
        tx.commit().await
    }

    /// Keeps the digest of a file before it is given out. A format has one file for ever: the first that was made.
    pub async fn put_file(&self, act: &Act<'_>, file: &IssuedFile) -> Result<(), StoreError> {
        let (_, mark) = self.together.take(Step::new(act, What::Issue(file.clone()))).await?;
        mark.reached().await
    }

    /// An annotation by its id.
    pub async fn annotation(&self, id: &str) -> Result<Option<Annotation>, StoreError> {
        let sql = format!("{ANNOTATION} {SIGNED} WHERE a.id = $1");
        self.database.row(sql, values![id]).await?.map(|row| annotation(&row)).transpose()
    }

    /// The licence with its record in force, if it is that person's, and how many annotations of it were made on the day of
    /// that instant in Asia/Shanghai: what the rule of a 加注 asks for.
    pub async fn to_annotate(&self, id_type: &str, id_number: &str, id: &str, at: Timestamp) -> Result<Option<(Filed, u32)>, StoreError> {
        let sql = format!(
            "{FILED}, (SELECT count(*) FROM annotation a WHERE a.licence = licence.entry AND a.at >= $3 AND a.at < $4) AS made \
             FROM licence {VERSIONS} WHERE licence.id = $1 AND holder_key = $2 AND r.version = licence.version"
        );
        let [from, to] = shanghai_day(at);
        let row = self.database.one(&sql, values![id, self.holder_key(id_type, id_number)?, from, to]).await?;
        row.map(|row| Ok((filed(&row)?, row.number("made")?))).transpose()
    }

    /// An annotation by its id, and its licence as it is now, if that is the person's.
    pub async fn annotation_of(&self, id_type: &str, id_number: &str, id: &str) -> Result<Option<(Annotation, Licence)>, StoreError> {
        let sql = format!("{ANNOTATION}, l.* {SIGNED} WHERE a.id = $1 AND l.holder_key = $2");
        let row = self.database.row(sql, values![id, self.holder_key(id_type, id_number)?]).await?;
        row.map(|row| Ok((annotation(&row)?, licence(&row)?))).transpose()
    }

    /// As [`Self::annotation_of`], with the digest of its file in a format, where that was made.
    pub async fn file_of(
        &self,
        id_type: &str,
        id_number: &str,
        id: &str,
        format: &str,
    ) -> Result<Option<(Annotation, Licence, Option<[u8; 32]>)>, StoreError> {
        let sql = format!(
            "{ANNOTATION}, l.*, f.sha256 AS made {SIGNED} LEFT JOIN issued_file f ON f.annotation = a.id AND f.format = $3 \
             WHERE a.id = $1 AND l.holder_key = $2"
        );
        let row = self.database.one(&sql, values![id, self.holder_key(id_type, id_number)?, format]).await?;
        row.map(|row| Ok((annotation(&row)?, licence(&row)?, row.maybe_array("made")?))).transpose()
    }

    /// The history of a licence, newest first.
    pub async fn annotations(&self, licence: &str, history: &History) -> Result<Vec<Annotation>, StoreError> {
        let mut filter = super::search::Filter::default();
        filter.all_of("l.id =", Some(licence));
        filter.all_of("a.at >=", history.from);
        filter.all_of("a.at <", history.to);
        filter.all_of("a.number <", history.before);
        let limit = history.limit.unwrap_or(50).min(500);
        let (sql, values) = filter.select(&format!("{ANNOTATION} {SIGNED}"), &format!("ORDER BY a.number DESC LIMIT {limit}"));
        self.database.rows(sql, values).await?.iter().map(annotation).collect()
    }

    /// How many annotations of the licence were made on the day of that instant in Asia/Shanghai.
    pub async fn made_today(&self, licence: &str, at: Timestamp) -> Result<u32, StoreError> {
        let row = self.database.row(MADE_ON, made_on(licence, at)).await?;
        row.ok_or_else(|| StoreError::corrupt("annotation", "no count"))?.number("made")
    }

    /// Annotations that were recorded and never signed, from a status index on, oldest first: what a crash has left to be
    /// finished. When there is none, the signatures of all are on the disk.
    pub async fn unsigned(&self, from: u32, limit: u32) -> Result<Vec<Annotation>, StoreError> {
        let mark = self.database.mark().await?;
        let sql = format!("{ANNOTATION} {SIGNED} WHERE s.annotation IS NULL AND a.status_index >= $1 ORDER BY a.status_index LIMIT $2");
        let rows = self.database.rows(sql, values![from, limit]).await?;
        if let Some(mark) = mark.filter(|_| rows.is_empty()) {
            mark.reached().await?;
        }
        rows.iter().map(annotation).collect()
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
        let sql = format!("{ANNOTATION}, l.* {SIGNED} WHERE {column} = $1");
        let row = self.database.one(&sql, vec![value]).await?;
        row.map(|row| Ok((annotation(&row)?, licence(&row)?))).transpose()
    }
}

pub(super) const PUT_ANNOTATION: &str = "INSERT INTO annotation (status_index, id, licence, version, number, at, actor, use_from, use_to, \
                                         capped_by, statement, statement_sha256, kid, layout_digest)";

impl Annotation {
    /// What is to be recorded, before it has numbers.
    fn draft(act: &Act, new: &NewAnnotation) -> Self {
        Self {
            id: String::new(),
            licence: new.licence.to_owned(),
            version: new.version,
            number: 0,
            status_index: 0,
            at: Timestamp::from_microsecond(act.at.as_microsecond()).expect("it was one"),
            actor: act.actor.to_owned(),
            period: new.period,
            statement: new.statement.clone(),
            kid: new.kid,
            layout_digest: new.layout_digest,
            digits: None,
        }
    }

    /// A draft, under its numbers. The id begins with the place in the status list, which the code says as well, so that ids
    /// come in order; the rest says nothing.
    pub(super) fn numbered(self, index_key: IndexKey, number: u32, status_index: u32) -> Result<Self, StoreError> {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&status_index.to_be_bytes());
        id[4..].copy_from_slice(&index_key.hash("annotation", &[&self.licence, &number.to_string()])?[..12]);
        Ok(Self { id: hex::encode(id), number, status_index, ..self })
    }

    /// The row of [`PUT_ANNOTATION`], with the licence's number inside.
    pub(super) fn row(&self, licence: i64) -> Vec<Value> {
        values![
            self.status_index,
            &self.id,
            licence,
            self.version,
            self.number,
            self.at,
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
}

const MADE_ON: &str = "SELECT count(*) AS made FROM annotation a JOIN licence l ON l.entry = a.licence \
                       WHERE l.id = $1 AND a.at >= $2 AND a.at < $3";

/// The values of [`MADE_ON`]: the day of that instant in Asia/Shanghai.
fn made_on(licence: &str, at: Timestamp) -> Vec<Value> {
    let [from, to] = shanghai_day(at);
    values![licence, from, to]
}

/// An annotation that has been signed.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    pub status_index: u32,
    pub id: &'a str,
    pub digits: &'a str,
}

/// What was kept earlier of what is to be kept now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Earlier {
    /// It is looked up.
    LookUp,
    /// Nothing was, as is nearly always so; if that is wrong, the tables' keys refuse the whole transaction.
    AssumeNone,
}

/// Signatures that are to be kept.
pub(super) struct Signing<'a> {
    /// For each whether it agrees with what is kept.
    pub answers: Vec<Result<(), StoreError>>,
    pub insertion: Insertion,
    /// None when all are kept already.
    pub deed: Option<Deed<'a>>,
}

impl IssuedFile {
    /// For the audit trail.
    pub(super) fn issued(&self) -> Deed<'_> {
        let (before, after) = (Some(self.format.clone()), Some(hex::encode(self.sha256)));
        Deed { before, after, ..Deed::of("file.issue", &self.annotation) }
    }
}

impl<'a> Signed<'a> {
    pub fn of(annotation: &'a Annotation) -> Option<Self> {
        let Annotation { status_index, id, digits, .. } = annotation;
        Some(Self { status_index: *status_index, id, digits: digits.as_deref()? })
    }
}

impl Tx {
    /// How many annotations of the licence were made on the day of that instant in Asia/Shanghai.
    pub(super) async fn made_on(&mut self, licence: &str, at: Timestamp) -> Result<u32, StoreError> {
        let row = self.row(MADE_ON, made_on(licence, at)).await?;
        row.ok_or_else(|| StoreError::corrupt("annotation", "no count"))?.number("made")
    }

    /// Keeps signatures. Those that are kept already must be the same.
    pub(super) async fn sign(&mut self, act: &Act<'_>, signed: &[Signed<'_>]) -> Result<(), StoreError> {
        let Signing { answers, insertion, deed } = self.signing(act, signed, Earlier::LookUp).await?;
        answers.into_iter().collect::<Result<(), _>>()?;
        self.insert_all(vec![insertion]).await?;
        self.audit(act, deed.into_iter().collect()).await.map(drop)
    }

    /// What is to be inserted to keep signatures.
    pub(super) async fn signing<'s>(&mut self, act: &Act<'_>, signed: &[Signed<'s>], earlier: Earlier) -> Result<Signing<'s>, StoreError> {
        let places = || signed.iter().map(|signed| signed.status_index);
        let mut known = HashMap::new();
        if earlier == Earlier::LookUp
            && let Some((first, last)) = places().min().zip(places().max())
        {
            let sql = "SELECT annotation FROM signature WHERE annotation >= $1 AND annotation <= $2 LIMIT 1";
            if self.row(sql, values![first, last]).await?.is_some() {
                for chunk in signed.chunks(IDS_AT_ONCE) {
                    let sql = format!("SELECT annotation, digits FROM signature WHERE annotation IN {}", placeholders(1, chunk.len()));
                    for row in self.rows(sql, chunk.iter().map(|signed| signed.status_index.into()).collect()).await? {
                        known.insert(row.number::<u32>("annotation")?, row.get::<String>("digits")?);
                    }
                }
            }
        }
        let (mut new, mut answers) = (Vec::with_capacity(signed.len()), Vec::with_capacity(signed.len()));
        for signed in signed {
            let first = known.entry(signed.status_index).or_insert_with(|| {
                new.push(signed);
                signed.digits.to_owned()
            });
            let conflict = || StoreError::Conflict { what: "signature".to_owned(), annotation: signed.id.to_owned() };
            answers.push(if first == signed.digits { Ok(()) } else { Err(conflict()) });
        }
        let rows = new.iter().map(|signed| values![signed.status_index, signed.digits, act.at]).collect();
        let insertion = Insertion::new("INSERT INTO signature (annotation, digits, at)", rows);
        let after = (new.len() > 1).then(|| signed_together(&new));
        let deed = new.first().map(|first| Deed { after, ..Deed::of("annotation.sign", first.id) });
        Ok(Signing { answers, insertion, deed })
    }

    /// What is to be inserted to keep the digests of files. For each, whether it is a new one: a format has one file for ever.
    pub(super) async fn putting(
        &mut self,
        files: &[&IssuedFile],
        earlier: Earlier,
    ) -> Result<(Vec<Result<bool, StoreError>>, Insertion), StoreError> {
        let mut known = HashMap::new();
        for chunk in files.chunks(IDS_AT_ONCE).filter(|_| earlier == Earlier::LookUp) {
            let ids = padded(chunk.iter().map(|file| file.annotation.as_str()).collect());
            let sql = format!("SELECT annotation, format, sha256 FROM issued_file WHERE annotation IN {}", placeholders(1, ids.len()));
            let ids: Vec<_> = ids.into_iter().map(Value::from).collect();
            for row in if ids.len() <= MOST { self.few(sql, ids).await? } else { self.rows(sql, ids).await? } {
                known.insert((row.get::<String>("annotation")?, row.get::<String>("format")?), row.array("sha256")?);
            }
        }
        let (mut rows, mut answers) = (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
        for IssuedFile { annotation, format, sha256, bytes, at } in files {
            let mut new = false;
            let first = *known.entry((annotation.clone(), format.clone())).or_insert_with(|| {
                rows.push(values![annotation, format, *sha256, *bytes as i64, *at]);
                new = true;
                *sha256
            });
            let conflict = || StoreError::Conflict { what: format.clone(), annotation: annotation.clone() };
            answers.push(if first == *sha256 { Ok(new) } else { Err(conflict()) });
        }
        Ok((answers, Insertion::new("INSERT INTO issued_file (annotation, format, sha256, bytes, at)", rows)))
    }
}

/// One entry for many signatures: their places in the status list, and SHA-256 over their digits, each followed by a line
/// feed.
fn signed_together(signed: &[&Signed]) -> String {
    let mut hasher = Sha256::new();
    let mut places: Vec<(u32, u32)> = Vec::new();
    for Signed { status_index, digits, .. } in signed {
        hasher.update(digits);
        hasher.update(b"\n");
        match places.last_mut() {
            Some((_, last)) if *last + 1 == *status_index => *last = *status_index,
            _ => places.push((*status_index, *status_index)),
        }
    }
    let places: Vec<_> = places.into_iter().map(|(first, last)| format!("{first}-{last}")).collect();
    format!("{} {}", places.join(","), hex::encode(hasher.finalize()))
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
        number: row.number("ordinal")?,
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
