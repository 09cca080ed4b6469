//! The audit trail: every change and every look, each entry chained to the one before by SHA-256.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::sql::{Row, Tx, values};
use super::{Act, Store, StoreError};

/// What a change does to one thing, for the trail.
#[derive(Clone, Debug, Default)]
pub(super) struct Deed<'a> {
    /// What was done, `licence.load`.
    pub action: &'a str,
    /// To what: an id, never a name.
    pub subject: String,
    /// Digest or word for what it was.
    pub before: Option<String>,
    /// Digest or word for what it is.
    pub after: Option<String>,
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
        tx.audit(act, vec![Deed { action, subject: subject.to_owned(), ..Deed::default() }]).await?;
        tx.commit().await
    }

    /// Entries of the trail, newest first.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        let mut filter = super::search::Filter::default();
        filter.all_of("actor =", query.actor.as_deref());
        filter.all_of("subject =", query.subject.as_deref());
        filter.all_of("at >=", query.from);
        filter.all_of("at <", query.to);
        filter.all_of("seq <", query.before.map(|seq| seq as i64));
        let limit = query.limit.unwrap_or(100).min(1000);
        let (sql, values) = filter.select("SELECT * FROM audit", &format!("ORDER BY seq DESC LIMIT {limit}"));
        self.database.rows(sql, values).await?.iter().map(entry).collect()
    }

    /// Follows the chain from the first entry to the last, and compares each record version with its digest.
    pub async fn audit_verify(&self) -> Result<AuditReport, StoreError> {
        let mut report = AuditReport { entries: 0, head: hex::encode([0; 32]), tampered: None };
        loop {
            let sql = "SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT 2000";
            let rows = self.database.rows(sql, values![report.entries as i64]).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let (entry, seq) = (entry(row)?, report.entries + 1);
                if entry.seq != seq {
                    report.tampered = Some(Tampered::Missing { seq });
                    return Ok(report);
                }
                if entry.prev != report.head || entry.hash != hex::encode(entry.digest()) {
                    report.tampered = Some(Tampered::Changed { seq });
                    return Ok(report);
                }
                (report.entries, report.head) = (seq, entry.hash);
            }
        }
        report.tampered = self.changed_record().await?;
        Ok(report)
    }

    /// The instant of the last entry: a clock that tells an earlier one is wrong.
    pub async fn latest_instant(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = self.database.row("SELECT at FROM audit ORDER BY seq DESC LIMIT 1", values![]).await?;
        row.map(|row| row.instant("at")).transpose()
    }

    /// The first record version whose bytes, or whose pictures', are not those of its digest.
    async fn changed_record(&self) -> Result<Option<Tampered>, StoreError> {
        let (mut licence, mut version) = (String::new(), 0i64);
        loop {
            let sql = "SELECT licence, version, record, r.sha256, photo, p.bytes AS portrait, signature, s.bytes AS autograph \
                       FROM record_version r LEFT JOIN picture p ON p.sha256 = photo LEFT JOIN picture s ON s.sha256 = signature \
                       WHERE (licence, version) > ($1, $2) ORDER BY licence, version LIMIT 500";
            let rows = self.database.rows(sql, values![&licence, version]).await?;
            let Some(last) = rows.last() else { return Ok(None) };
            (licence, version) = (last.get("licence")?, last.get("version")?);
            for row in &rows {
                let is = |bytes: &'static str, digest| {
                    let bytes: Option<&[u8]> = row.get(bytes)?;
                    Ok::<_, StoreError>(bytes.map(|bytes| Sha256::digest(bytes).into()) == row.maybe_array::<32>(digest)?)
                };
                if !(is("record", "sha256")? && is("portrait", "photo")? && is("autograph", "signature")?) {
                    return Ok(Some(Tampered::Record { licence: row.get("licence")?, version: row.number("version")? }));
                }
            }
        }
    }
}

impl Tx {
    /// Enters deeds at the end of the chain, within the transaction that does them. Gives the number of the last.
    pub(super) async fn audit(&mut self, act: &Act<'_>, deeds: Vec<Deed<'_>>) -> Result<i64, StoreError> {
        self.audit_all(deeds.into_iter().map(|deed| (*act, deed)).collect()).await
    }

    /// As [`Self::audit`], for deeds of several.
    pub(super) async fn audit_all(&mut self, deeds: Vec<(Act<'_>, Deed<'_>)>) -> Result<i64, StoreError> {
        let last = self.row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", values![]).await?;
        let (mut seq, mut prev) = match last {
            Some(row) => (row.get("seq")?, row.array("hash")?),
            None => (0, [0; 32]),
        };
        let mut rows = Vec::with_capacity(deeds.len());
        for (act, Deed { action, subject, before, after }) in deeds {
            seq += 1;
            // The database keeps microseconds.
            let at = Timestamp::from_microsecond(act.at.as_microsecond()).expect("it was one");
            let mut entry = AuditEntry {
                seq: seq as u64,
                at,
                actor: act.actor.to_owned(),
                action: action.to_owned(),
                subject,
                reason: act.reason.map(ToOwned::to_owned),
                before,
                after,
                prev: hex::encode(prev),
                hash: String::new(),
            };
            let hash = entry.digest();
            let AuditEntry { actor, action, subject, reason, before, after, .. } = &mut entry;
            let take = std::mem::take;
            rows.push(values![seq, at, take(actor), take(action), take(subject), reason.take(), before.take(), after.take(), prev, hash]);
            prev = hash;
        }
        self.insert("INSERT INTO audit (seq, at, actor, action, subject, reason, before, after, prev, hash)", rows, "").await?;
        Ok(seq)
    }
}

impl AuditEntry {
    /// Over everything but the hash itself.
    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.canonical()).into()
    }

    /// RFC 8785, which for names in order, text and whole numbers is what `serde_json` writes.
    fn canonical(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct InOrder<'a> {
            action: &'a str,
            actor: &'a str,
            after: &'a Option<String>,
            at: Timestamp,
            before: &'a Option<String>,
            prev: &'a str,
            reason: &'a Option<String>,
            seq: u64,
            subject: &'a str,
        }
        let Self { seq, at, actor, action, subject, reason, before, after, prev, hash: _ } = self;
        let bare = InOrder { action, actor, after, at: *at, before, prev, reason, seq: *seq, subject };
        serde_json::to_vec(&bare).expect("text and numbers always have a JSON form")
    }
}

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
        prev: hex::encode(row.array::<32>("prev")?),
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
        assert_eq!(entry.canonical(), serde_json_canonicalizer::to_vec(&entry).unwrap());
    }
}
