//! The audit trail: every change and every look, each entry chained to the one before by SHA-256.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::sql::{Insertion, Row, Tx, values};
use super::{Act, Store, StoreError};

/// What a change does to one thing, for the trail.
#[derive(Clone, Debug)]
pub(super) struct Deed<'a> {
    /// What was done, `licence.load`.
    pub action: &'a str,
    /// To what.
    pub subject: Subject<'a>,
    /// Digest or word for what it was.
    pub before: Option<String>,
    /// Digest or word for what it is.
    pub after: Option<String>,
}

/// What something was done to, never by its name.
#[derive(Clone, Debug)]
pub(super) enum Subject<'a> {
    /// A licence: its number inside, and its id.
    Licence(i64, &'a str),
    /// Anything else, by its id.
    Other(&'a str),
}

/// An entry of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// From 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What was done: `licence.load`, `licence.status`, `annotation.record`, `look.search` …
    pub action: String,
    /// To what.
    pub subject: String,
    /// Why.
    pub reason: Option<String>,
    /// Digest or word for what it was before.
    pub before: Option<String>,
    /// Digest or word for what it is since.
    pub after: Option<String>,
    /// Hash of the entry before, hexadecimal; 64 zeros for the first.
    pub prev: String,
    /// SHA-256 over the canonical JSON (RFC 8785) of all the above, hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub hash: String,
}

/// Which entries to show, newest first.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditQuery {
    /// By whom.
    pub actor: Option<String>,
    /// On what.
    pub subject: Option<String>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// Only entries older than this one: the last of the page before.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: Option<u32>,
}

/// What checking the trail showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Entries that hang together from the first on.
    pub entries: u64,
    /// Hash of the last of them. Written down elsewhere, it also shows when the end was cut off.
    pub head: String,
    /// The first place where something is wrong.
    pub tampered: Option<Tampered>,
}

/// What is wrong with the trail, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Tampered {
    /// An entry is missing.
    Missing {
        /// Its number.
        seq: u64,
    },
    /// An entry was changed, or does not follow from the one before.
    Changed {
        /// Its number.
        seq: u64,
    },
    /// A record version is not the one that was audited.
    Record {
        /// The licence.
        licence: String,
        /// The version.
        version: u16,
    },
}

impl Store {
    /// Enters a look: somebody on the staff saw `subject`.
    pub async fn audit_look(&self, act: &Act<'_>, action: &str, subject: &str) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        tx.audit(act, vec![Deed::of(action, subject)]).await?;
        tx.commit().await
    }

    /// Entries of the trail, newest first.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        let mut filter = super::search::Filter::default();
        filter.all_of("act.actor =", query.actor.as_deref());
        let subject = |place: &str| format!("(audit.subject = {place} OR audit.licence = (SELECT entry FROM licence WHERE id = {place}))");
        filter.holding(query.subject.as_deref(), subject);
        filter.all_of("act.at >=", query.from);
        filter.all_of("act.at <", query.to);
        filter.all_of("audit.seq <", query.before.map(|seq| seq as i64));
        let limit = query.limit.unwrap_or(100).min(1000);
        // Who and when are the act's: then acts lead, and their entries follow.
        let acts = query.actor.is_some() || query.from.is_some() || query.to.is_some();
        let (from, order) = if acts { (ENTRIES_OF_ACTS, "act.first DESC, audit.seq DESC") } else { (ENTRIES, "audit.seq DESC") };
        let (sql, values) = filter.select(&format!("{ENTRY} {from}"), &format!("ORDER BY {order} LIMIT {limit}"));
        self.database.rows(sql, values).await?.iter().map(entry).collect()
    }

    /// Follows the chain from the first entry to the last, and compares each record version with its digest.
    pub async fn audit_verify(&self) -> Result<AuditReport, StoreError> {
        let mut report = AuditReport { entries: 0, head: hex::encode([0; 32]), tampered: None };
        loop {
            let sql = format!("{ENTRY} {ENTRIES} WHERE audit.seq > $1 ORDER BY audit.seq LIMIT 2000");
            let rows = self.database.rows(sql, values![report.entries as i64]).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let seq = report.entries + 1;
                if row.number::<u64>("seq")? != seq {
                    report.tampered = Some(Tampered::Missing { seq });
                    return Ok(report);
                }
                // What an entry refers to may be missing, and what it holds may be no entry at all.
                let whole = entry(row).ok().filter(|entry| entry.prev == report.head && entry.hash == hex::encode(entry.digest()));
                let Some(entry) = whole else {
                    report.tampered = Some(Tampered::Changed { seq });
                    return Ok(report);
                };
                (report.entries, report.head) = (seq, entry.hash);
            }
        }
        report.tampered = self.changed_record().await?;
        Ok(report)
    }

    /// The instant of the last entry: a clock that tells an earlier one is wrong.
    pub async fn latest_instant(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = self.database.row("SELECT at FROM act ORDER BY first DESC LIMIT 1", values![]).await?;
        row.map(|row| row.instant("at")).transpose()
    }

    /// The first record version whose bytes, or whose pictures', are not those of its digest.
    async fn changed_record(&self) -> Result<Option<Tampered>, StoreError> {
        let (mut licence, mut version) = (0i64, 0i64);
        loop {
            let sql = "SELECT l.id, r.licence, r.version, record, r.sha256, photo, p.bytes AS portrait, signature, s.bytes AS autograph \
                       FROM record_version r LEFT JOIN licence l ON l.entry = r.licence \
                       LEFT JOIN picture p ON p.sha256 = photo LEFT JOIN picture s ON s.sha256 = signature \
                       WHERE (r.licence, r.version) > ($1, $2) ORDER BY r.licence, r.version LIMIT 500";
            let rows = self.database.rows(sql, values![licence, version]).await?;
            let Some(last) = rows.last() else { return Ok(None) };
            (licence, version) = (last.get("licence")?, last.get("version")?);
            for row in &rows {
                let is = |bytes: &'static str, digest| {
                    let bytes: Option<&[u8]> = row.get(bytes)?;
                    Ok::<_, StoreError>(bytes.map(|bytes| Sha256::digest(bytes).into()) == row.maybe_array::<32>(digest)?)
                };
                if !(is("record", "sha256")? && is("portrait", "photo")? && is("autograph", "signature")?) {
                    let licence = row.get::<Option<_>>("id")?.unwrap_or_else(|| format!("number {licence}"));
                    return Ok(Some(Tampered::Record { licence, version: row.number("version")? }));
                }
            }
        }
    }
}

impl Tx {
    /// Enters deeds at the end of the chain, within the transaction that does them. Gives the number of the last.
    pub(super) async fn audit(&mut self, act: &Act<'_>, deeds: Vec<Deed<'_>>) -> Result<i64, StoreError> {
        let (seq, insertions) = self.entries(vec![(*act, deeds)]).await?;
        self.insert_all(insertions).await?;
        Ok(seq)
    }

    /// What is to be inserted to enter the deeds of several acts at the end of the chain, and the number of the last.
    pub(super) async fn entries(&mut self, mut acts: Vec<(Act<'_>, Vec<Deed<'_>>)>) -> Result<(i64, Vec<Insertion>), StoreError> {
        acts.retain(|(_, deeds)| !deeds.is_empty());
        if acts.is_empty() {
            return Ok((0, Vec::new()));
        }
        let last = self.row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", values![]).await?;
        let (mut seq, mut prev) = match last {
            Some(row) => (row.get("seq")?, row.array("hash")?),
            None => (0i64, [0; 32]),
        };
        let (mut rows, mut entries) = (Vec::with_capacity(acts.len()), Vec::with_capacity(acts.len()));
        for (act, deeds) in acts {
            let first = seq + 1;
            rows.push(values![first, seq + deeds.len() as i64, act.at, act.actor, act.reason]);
            // The database keeps microseconds.
            let at = Timestamp::from_microsecond(act.at.as_microsecond()).expect("it was one");
            for Deed { action, subject, before, after } in deeds {
                seq += 1;
                let (licence, subject) = match subject {
                    Subject::Licence(entry, id) => (Some(entry), id),
                    Subject::Other(id) => (None, id),
                };
                let hash = InOrder {
                    action,
                    actor: act.actor,
                    after: after.as_deref(),
                    at,
                    before: before.as_deref(),
                    prev: &hex::encode(prev),
                    reason: act.reason,
                    seq: seq as u64,
                    subject,
                }
                .digest();
                let subject = if licence.is_some() { None } else { Some(subject) };
                entries.push(values![seq, first, action, licence, subject, before, after, hash]);
                prev = hash;
            }
        }
        let acts = Insertion::new("INSERT INTO act (first, last, at, actor, reason)", rows);
        Ok((seq, vec![acts, Insertion::new("INSERT INTO audit (seq, act, action, licence, subject, before, after, hash)", entries)]))
    }
}

impl<'a> Deed<'a> {
    /// Done to something that has no digest.
    pub fn of(action: &'a str, subject: &'a str) -> Self {
        Self { action, subject: Subject::Other(subject), before: None, after: None }
    }
}

/// What the hash of an entry goes over: RFC 8785, which for names in order, text and whole numbers is what `serde_json` writes.
#[derive(Serialize)]
struct InOrder<'a> {
    action: &'a str,
    actor: &'a str,
    after: Option<&'a str>,
    at: Timestamp,
    before: Option<&'a str>,
    prev: &'a str,
    reason: Option<&'a str>,
    seq: u64,
    subject: &'a str,
}

impl InOrder<'_> {
    fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and numbers always have a JSON form")
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.canonical()).into()
    }
}

impl AuditEntry {
    /// Everything but the hash itself.
    fn bare(&self) -> InOrder<'_> {
        let Self { seq, at, actor, action, subject, reason, before, after, prev, hash: _ } = self;
        let (reason, before, after) = (reason.as_deref(), before.as_deref(), after.as_deref());
        InOrder { action, actor, after, at: *at, before, prev, reason, seq: *seq, subject }
    }

    fn digest(&self) -> [u8; 32] {
        self.bare().digest()
    }
}

/// What [`entry`] reads.
const ENTRY: &str = "SELECT audit.seq, act.at, act.actor, audit.action, coalesce(licence.id, audit.subject) AS subject, act.reason, \
                     audit.before, audit.after, audit.hash, (SELECT p.hash FROM audit p WHERE p.seq = audit.seq - 1) AS prev";
/// The joins are outer ones, so that what was taken away behind our back does not hide an entry.
const ENTRIES: &str = "FROM audit LEFT JOIN act ON act.first = audit.act LEFT JOIN licence ON licence.entry = audit.licence";
const ENTRIES_OF_ACTS: &str = "FROM act JOIN audit ON audit.seq >= act.first AND audit.seq <= act.last \
                               LEFT JOIN licence ON licence.entry = audit.licence";

fn entry(row: &Row) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        seq: row.number("seq")?,
        at: row.instant("at")?,
        actor: row.get("actor")?,
        action: row.get("action")?,
        subject: row.get("subject")?,
        reason: row.get("reason")?,
        before: row.get("before")?,
        after: row.get("after")?,
        prev: hex::encode(row.maybe_array("prev")?.unwrap_or([0; 32])),
        hash: hex::encode(row.array::<32>("hash")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_canonical_form_is_the_canonical_form() {
        let entry = AuditEntry {
            seq: 9_007_199_254_740_991,
            at: Timestamp::from_microsecond(1_772_413_200_000_001).unwrap(),
            actor: "clerk \"7\" \\ /\u{7f}\u{1}\u{1f}\u{8}\u{c}\n\r\t".to_owned(),
            action: "licence.load".to_owned(),
            subject: "𠮷\u{2028}é".to_owned(),
            reason: None,
            before: Some(String::new()),
            after: Some("京".to_owned()),
            prev: "00".to_owned(),
            hash: String::new(),
        };
        assert_eq!(entry.bare().canonical(), serde_json_canonicalizer::to_vec(&entry).unwrap());
    }
}
