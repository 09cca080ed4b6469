//! Licences and the versions of their records: loading, reissue, the steps of a licence's life.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::audit::{Deed, Subject};
use super::once::Begun;
use super::search::folded;
use super::sql::{IDS_AT_ONCE, Row, Tx, Value, placeholders, values};
use super::{Act, Licence, Store, StoreError, status_of};
use crate::record::{Fault, Holder, Picture, Record, Status};

/// A licence with one version of its record, as it was filed.
#[derive(Clone, Debug)]
pub struct Filed {
    /// The licence as it is now; `licence.version` may be newer than `version`.
    pub licence: Licence,
    /// Which version of the record this is.
    pub version: u16,
    /// Canonical JSON (RFC 8785). Its pictures are `sha256:` and a digest, or in what was filed early `data:`.
    pub json: Vec<u8>,
    /// SHA-256 over it.
    pub sha256: [u8; 32],
    /// The photo of that digest.
    pub photo: Option<Vec<u8>>,
    /// The signature of that digest.
    pub signature: Option<Vec<u8>>,
    /// When it was filed.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
}

/// What loading a record came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadOutcome {
    /// The licence's id.
    pub licence: String,
    /// Its version now.
    pub version: u16,
    /// What has changed.
    #[serde(flatten)]
    pub change: LoadChange,
}

/// What loading a record has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change", content = "why")]
pub enum LoadChange {
    /// A licence that was not there.
    New,
    /// Its record is another one: a new version, the one before is superseded.
    NewVersion,
    /// Its status only.
    Status,
    /// Nothing.
    Equal,
    /// Nothing, because it must not be; the reason.
    Refused(String),
}

/// What a licence is while records are being loaded.
#[derive(Clone)]
struct State {
    entry: i64,
    version: u16,
    status: Status,
    loaded_status: Status,
    serial: String,
    sha256: [u8; 32],
}

impl Filed {
    /// The record, with the licence's present status.
    pub fn record(&self) -> Result<Record, StoreError> {
        let mut value = parsed(&self.licence.id, &self.json)?;
        for (name, picture) in [("photo", &self.photo), ("signature", &self.signature)] {
            if let Some(bytes) = picture {
                value["holder"][name] = format!("data:;base64,{}", BASE64.encode(bytes)).into();
            }
        }
        read(&self.licence.id, &value, self.licence.status)
    }

    /// The record as the rule and the statement look at it: see [`outline`].
    pub fn outline(&self) -> Result<Record, StoreError> {
        outline(&self.licence.id, parsed(&self.licence.id, &self.json)?, self.licence.status)
    }
}

fn parsed(licence: &str, json: &[u8]) -> Result<Json, StoreError> {
    serde_json::from_slice(json).map_err(|e| StoreError::corrupt(licence, e))
}

fn read(licence: &str, value: &Json, status: Status) -> Result<Record, StoreError> {
    let faults = |faults: Vec<Fault>| StoreError::corrupt(licence, faults.first().map_or(String::new(), ToString::to_string));
    let record = Record::from_kept_json(value, licence).map_err(faults)?;
    Ok(Record { status, ..record })
}

/// A record whose pictures are a single pixel each: decoding the true ones would be most of the work, and rule, statement
/// and places on the page ask only whether they are there. Nothing may be drawn from it.
pub(super) fn outline(licence: &str, mut value: Json, status: Status) -> Result<Record, StoreError> {
    static PIXEL: LazyLock<Arc<Picture>> = LazyLock::new(|| Arc::new(Picture::pixel()));
    let mut pixel = |name: &str| (!value["holder"][name].take().is_null()).then(|| Arc::clone(&PIXEL));
    let (photo, signature) = (pixel("photo"), pixel("signature"));
    let record = read(licence, &value, status)?;
    Ok(Record { holder: Holder { photo, signature, ..record.holder }, ..record })
}

/// A record as it is filed: its canonical JSON, where a picture is the digest of its bytes.
pub(super) struct Form {
    pub json: Vec<u8>,
    pub sha256: [u8; 32],
    pub photo: Option<[u8; 32]>,
    pub signature: Option<[u8; 32]>,
}

impl Form {
    /// Of a record, under another version number. The status is the licence's, and not that of one version.
    fn of(record: &Record, version: u16) -> Self {
        let Holder { photo, signature, .. } = &record.holder;
        let [photo, signature] = [photo, signature].map(|picture| picture.as_deref().map(|p| Sha256::digest(&p.bytes).into()));
        let holder = Holder { photo: None, signature: None, ..record.holder.clone() };
        let bare = Record { version, status: Status::Valid, holder, ..record.clone() };
        let mut value = serde_json::to_value(&bare).expect("text and small numbers always have a JSON form");
        let named = |digest: [u8; 32]| format!("sha256:{}", hex::encode(digest));
        value["holder"]["photo"] = photo.map(named).into();
        value["holder"]["signature"] = signature.map(named).into();
        let json = canonical(&value);
        Self { sha256: Sha256::digest(&json).into(), json, photo, signature }
    }

    /// The row of [`PUT_VERSION`].
    pub fn row(&self, act: &Act, licence: i64, version: u16) -> Vec<Value> {
        let [photo, signature] = [self.photo, self.signature].map(|digest| digest.map(Vec::from));
        values![licence, version, self.json.clone(), self.sha256, photo, signature, act.at, act.actor, act.reason]
    }
}

/// The JSON of a filed record as the next version.
pub(super) fn successor(licence: &str, json: &[u8], version: u16) -> Result<(Json, Vec<u8>), StoreError> {
    let mut value = parsed(licence, json)?;
    let before = std::mem::replace(&mut value["version"], version.into());
    // Of the names of a record this is the last, and nothing else in its JSON changes.
    let json = match json.strip_suffix(format!("\"version\":{before}}}").as_bytes()) {
        Some(rest) => [rest, format!("\"version\":{version}}}").as_bytes()].concat(),
        None => canonical(&value),
    };
    Ok((value, json))
}

pub(super) const FILED: &str = "SELECT licence.*, r.version AS filed, r.record, r.sha256, r.at, r.actor, r.reason, \
                     p.bytes AS photo, s.bytes AS signature";
pub(super) const VERSIONS: &str = "JOIN record_version r ON r.licence = licence.entry \
                        LEFT JOIN picture p ON p.sha256 = r.photo LEFT JOIN picture s ON s.sha256 = r.signature";

impl Store {
    /// Loads records, each on its own merits, all in one transaction: hundreds at a time are much faster than one by one.
    ///
    /// The register numbers the versions: the first is the record's own, each other content is the next. A record whose
    /// content is the one on file changes nothing. A status counts when it is another than that of the last record loaded,
    /// so an old file does not undo a suspension.
    pub async fn load(&self, act: &Act<'_>, records: &[Record]) -> Result<Vec<LoadOutcome>, StoreError> {
        let mut tx = match self.begin(act).await? {
            Begun::Before(answer) => return Ok(answer),
            Begun::Now(tx) => tx,
        };
        let mut outcomes = Vec::with_capacity(records.len());
        for chunk in records.chunks(LOAD_CHUNK) {
            outcomes.extend(self.load_chunk(&mut tx, act, chunk).await?);
        }
        tx.done(act, outcomes).await
    }

    async fn load_chunk(&self, tx: &mut Tx, act: &Act<'_>, records: &[Record]) -> Result<Vec<LoadOutcome>, StoreError> {
        let ids = records.iter().map(|r| self.licence_id(&r.licence_type, &r.number)).collect::<Result<Vec<_>, _>>()?;
        let mut states = states(tx, &ids).await?;
        let sql = "SELECT coalesce(max(entry), 0) AS entry FROM licence";
        let mut entries: i64 = tx.row(sql, values![]).await?.ok_or_else(|| StoreError::corrupt("licence", "no entry"))?.get("entry")?;
        let (mut outcomes, mut deeds, mut versions, mut pictures) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        // Latest row per licence: a statement must not change a row twice.
        let (mut rows, mut changed) = (BTreeMap::new(), Vec::new());
        for (record, id) in records.iter().zip(&ids) {
            let known = states.get(id);
            let (change, state, form) = match decide(record, known, entries + 1) {
                Ok(decided) => decided,
                Err(why) => {
                    let version = known.map_or(record.version, |state| state.version);
                    outcomes.push(LoadOutcome { licence: id.clone(), version, change: LoadChange::Refused(why) });
                    continue;
                }
            };
            if change != LoadChange::Equal {
                let before = known.map(State::word);
                entries = entries.max(state.entry);
                deeds.push(Deed { action: "licence.load", subject: Subject::Licence(state.entry, id), before, after: Some(state.word()) });
                if let Some(form) = form {
                    versions.push(form.row(act, state.entry, state.version));
                    let Holder { photo, signature, .. } = &record.holder;
                    for (digest, picture) in [(form.photo, photo), (form.signature, signature)] {
                        pictures.extend(digest.zip(picture.as_deref()));
                    }
                }
                rows.insert(state.entry, self.licence_row(id, record, &state)?);
                if known.is_some() {
                    changed.push(state.entry);
                }
            }
            outcomes.push(LoadOutcome { licence: id.clone(), version: state.version, change });
            states.insert(id.clone(), state);
        }
        tx.insert(
            "INSERT INTO licence (entry, id, licence_type, number, serial, holder_key, holder_name, employer_name, employer_code, \
             version, status, loaded_status, expires, number_key, name_key, employer_key)",
            rows.into_values().collect(),
            "ON CONFLICT (entry) DO UPDATE SET serial = excluded.serial, holder_key = excluded.holder_key, holder_name = \
             excluded.holder_name, employer_name = excluded.employer_name, employer_code = excluded.employer_code, version = \
             excluded.version, status = excluded.status, loaded_status = excluded.loaded_status, expires = excluded.expires, \
             name_key = excluded.name_key, employer_key = excluded.employer_key",
        )
        .await?;
        let pictures = pictures.into_iter().map(|(sha256, picture)| values![sha256, picture.bytes.clone()]).collect();
        tx.insert("INSERT INTO picture (sha256, bytes)", pictures, "ON CONFLICT (sha256) DO NOTHING").await?;
        tx.insert(PUT_VERSION, versions, "").await?;
        if !deeds.is_empty() {
            let seq = tx.audit(act, deeds).await?;
            tx.list_status(&changed, seq).await?;
        }
        Ok(outcomes)
    }

    /// The licence with its record in force.
    pub async fn licence(&self, id: &str) -> Result<Option<Filed>, StoreError> {
        let sql = format!("{FILED} FROM licence {VERSIONS} WHERE r.version = licence.version AND id = $1");
        self.database.row(sql, values![id]).await?.map(|row| filed(&row)).transpose()
    }

    /// The licence with its record in force, if it is that person's.
    pub async fn licence_of(&self, id_type: &str, id_number: &str, id: &str) -> Result<Option<Filed>, StoreError> {
        let sql = format!("{FILED} FROM licence {VERSIONS} WHERE r.version = licence.version AND id = $1 AND holder_key = $2");
        let row = self.database.row(sql, values![id, self.holder_key(id_type, id_number)?]).await?;
        row.map(|row| filed(&row)).transpose()
    }

    /// The licence with any version of its record.
    pub async fn licence_version(&self, id: &str, version: u16) -> Result<Option<Filed>, StoreError> {
        let sql = format!("{FILED} FROM licence {VERSIONS} WHERE r.version = $2 AND id = $1");
        self.database.one(&sql, values![id, version]).await?.map(|row| filed(&row)).transpose()
    }

    /// Licences with one version each of their records, in no order.
    pub async fn licence_versions(&self, wanted: &[(&str, u16)]) -> Result<Vec<Filed>, StoreError> {
        let mut found = Vec::with_capacity(wanted.len());
        for chunk in wanted.chunks(IDS_AT_ONCE / 2) {
            let sql = format!(
                "WITH wanted (licence, version) AS (VALUES {}) {FILED} \
                 FROM wanted JOIN licence ON licence.id = wanted.licence {VERSIONS} WHERE r.version = wanted.version",
                placeholders(chunk.len(), 2)
            );
            let values = chunk.iter().flat_map(|&(licence, version)| values![licence, version]).collect();
            for row in self.database.rows(sql, values).await? {
                found.push(filed(&row)?);
            }
        }
        Ok(found)
    }

    /// The licence of that type and number, with its record in force.
    pub async fn licence_numbered(&self, licence_type: &str, number: &str) -> Result<Option<Filed>, StoreError> {
        let sql = format!("{FILED} FROM licence {VERSIONS} WHERE r.version = licence.version AND licence_type = $1 AND number = $2");
        self.database.row(sql, values![licence_type, number]).await?.map(|row| filed(&row)).transpose()
    }

    /// All licences of a person, whatever their status, by type and number.
    pub async fn licences_of(&self, id_type: &str, id_number: &str) -> Result<Vec<Filed>, StoreError> {
        let sql =
            format!("{FILED} FROM licence {VERSIONS} WHERE r.version = licence.version AND holder_key = $1 ORDER BY licence_type, number");
        let key = self.holder_key(id_type, id_number)?;
        self.database.rows(sql, values![key]).await?.iter().map(filed).collect()
    }

    /// Whether the licence belongs to that person.
    pub async fn is_holder(&self, licence: &str, id_type: &str, id_number: &str) -> Result<bool, StoreError> {
        let key = self.holder_key(id_type, id_number)?;
        let sql = "SELECT id FROM licence WHERE id = $1 AND holder_key = $2";
        Ok(self.database.row(sql, values![licence, key]).await?.is_some())
    }

    /// 暂扣, 恢复, 注销, 撤销, 吊销: one step in the life of a licence.
    pub async fn change_status(&self, act: &Act<'_>, licence: &str, to: Status) -> Result<Licence, StoreError> {
        let mut tx = match self.begin(act).await? {
            Begun::Before(answer) => return Ok(answer),
            Begun::Now(tx) => tx,
        };
        let (entry, mut changed) = tx.licence(licence).await?;
        let from = std::mem::replace(&mut changed.status, to);
        if !may_become(from, to) {
            return Err(StoreError::NotAllowed { from, to });
        }
        tx.run("UPDATE licence SET status = $2 WHERE entry = $1", values![entry, to.as_str()]).await?;
        let word = |status: Status| Some(status.as_str().to_owned());
        let deed = Deed { action: "licence.status", subject: Subject::Licence(entry, licence), before: word(from), after: word(to) };
        let seq = tx.audit(act, vec![deed]).await?;
        tx.list_status(&[entry], seq).await?;
        tx.done(act, changed).await
    }

    /// 补发, 换发: the same content as the next version, and the end of the one before, in one step. (Other content is loaded.)
    pub async fn reissue(&self, act: &Act<'_>, licence: &str) -> Result<Licence, StoreError> {
        let mut tx = match self.begin(act).await? {
            Begun::Before(answer) => return Ok(answer),
            Begun::Now(tx) => tx,
        };
        let reissued = tx.reissue(act, licence).await?;
        tx.done(act, reissued).await
    }

    fn licence_id(&self, licence_type: &str, number: &str) -> Result<String, StoreError> {
        self.opaque_id("licence", &[licence_type, number])
    }

    fn licence_row(&self, id: &str, record: &Record, state: &State) -> Result<Vec<Value>, StoreError> {
        let employer = record.employer.as_ref();
        Ok(values![
            state.entry,
            id,
            &record.licence_type,
            &record.number,
            &record.serial,
            self.holder_key(&record.holder.id_type, &record.holder.id_number)?,
            &record.holder.name,
            employer.map(|e| e.name.clone()),
            employer.and_then(|e| e.uscc.clone()),
            state.version,
            state.status.as_str(),
            state.loaded_status.as_str(),
            super::expires(record).map_or(NO_END.to_owned(), |day| day.to_string()),
            folded(&record.number),
            folded(&record.holder.name),
            employer.map_or(String::new(), |e| folded(&e.name)),
        ])
    }
}

impl Tx {
    /// The licence as it is now, and for as long as this transaction lasts, with its number inside.
    pub(super) async fn licence(&mut self, id: &str) -> Result<(i64, Licence), StoreError> {
        let row = self.row("SELECT * FROM licence WHERE id = $1", values![id]).await?;
        let row = row.ok_or_else(|| StoreError::NotFound { what: "licence", id: id.to_owned() })?;
        Ok((row.get("entry")?, licence(&row)?))
    }

    pub(super) async fn reissue(&mut self, act: &Act<'_>, id: &str) -> Result<Licence, StoreError> {
        let (entry, mut licence) = self.licence(id).await?;
        if licence.status != Status::Valid {
            return Err(StoreError::NotInForce { licence: id.to_owned(), status: licence.status });
        }
        let sql = "SELECT record, sha256, photo, signature FROM record_version WHERE licence = $1 AND version = $2";
        let row = self.row(sql, values![entry, licence.version]).await?.ok_or_else(|| StoreError::corrupt(id, "no record"))?;
        licence.version = next_version(licence.version).ok_or_else(|| StoreError::VersionsUsedUp(id.to_owned()))?;
        let (_, json) = successor(id, row.get("record")?, licence.version)?;
        let sha256 = Sha256::digest(&json).into();
        let form = Form { json, sha256, photo: row.maybe_array("photo")?, signature: row.maybe_array("signature")? };
        self.insert(PUT_VERSION, vec![form.row(act, entry, licence.version)], "").await?;
        self.run("UPDATE licence SET version = $2 WHERE entry = $1", values![entry, licence.version]).await?;
        let before: [u8; 32] = row.array("sha256")?;
        let [before, after] = [before, sha256].map(|sha256| Some(hex::encode(sha256)));
        let deed = Deed { action: "licence.reissue", subject: Subject::Licence(entry, id), before, after };
        let seq = self.audit(act, vec![deed]).await?;
        self.list_status(&[entry], seq).await?;
        Ok(licence)
    }
}

/// Records in one round trip.
const LOAD_CHUNK: usize = 250;
/// For a registration without an end.
const NO_END: &str = "9999-12-31";
pub(super) const PUT_VERSION: &str = "INSERT INTO record_version (licence, version, record, sha256, photo, signature, at, actor, reason)";

/// What becomes of a licence when a record is loaded, and what to file if it is a new version; or why it must not be. One
/// that is not known becomes the entry `next`.
fn decide(record: &Record, known: Option<&State>, next: i64) -> Result<(LoadChange, State, Option<Form>), String> {
    let entry = known.map_or(next, |known| known.entry);
    let loaded = |version, status, sha256| {
        let (loaded_status, serial) = (record.status, record.serial.clone());
        State { entry, version, status, loaded_status, serial, sha256 }
    };
    let Some(known) = known else {
        let form = Form::of(record, record.version);
        return Ok((LoadChange::New, loaded(record.version, record.status, form.sha256), Some(form)));
    };
    // What was filed early has its pictures inside.
    let inside =
        || -> [u8; 32] { Sha256::digest(canonical(&Record { version: known.version, status: Status::Valid, ..record.clone() })).into() };
    let same = Form::of(record, known.version).sha256 == known.sha256 || known.sha256 == inside();
    let anew = record.status == Status::Valid && !same && !matches!(known.status, Status::Valid | Status::Suspended);
    let status = if record.status == known.loaded_status { known.status } else { record.status };
    // A licence that has ended begins again only by a new registration, which is another record.
    if status != known.status && !may_become(known.status, status) && !anew {
        return Err(StoreError::NotAllowed { from: known.status, to: status }.to_string());
    }
    if same {
        let change = if record.status == known.loaded_status { LoadChange::Equal } else { LoadChange::Status };
        return Ok((change, loaded(known.version, status, known.sha256), None));
    }
    if record.serial != known.serial && !anew {
        return Err(format!(
            "serial: the licence has the serial {}, which a new version keeps; this record says {}",
            known.serial, record.serial
        ));
    }
    let version = next_version(known.version).ok_or_else(|| StoreError::VersionsUsedUp(record.number.clone()).to_string())?;
    let form = Form::of(record, version);
    Ok((LoadChange::NewVersion, loaded(version, status, form.sha256), Some(form)))
}

impl State {
    /// For the audit trail.
    fn word(&self) -> String {
        format!("{} {}", hex::encode(self.sha256), self.status.as_str())
    }
}

/// The life of a licence: 暂扣 can be lifted; 注销, 撤销 and 吊销 end it.
fn may_become(from: Status, to: Status) -> bool {
    use Status::{Cancelled, Revoked, Suspended, Valid, Withdrawn};
    matches!((from, to), (Valid, Suspended) | (Suspended, Valid) | (Valid | Suspended, Cancelled | Revoked | Withdrawn))
}

pub(super) fn next_version(version: u16) -> Option<u16> {
    Some(version + 1).filter(|&next| next <= 999)
}

fn canonical(value: &impl Serialize) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).expect("text and small numbers always have a canonical form")
}

async fn states(tx: &mut Tx, ids: &[String]) -> Result<BTreeMap<String, State>, StoreError> {
    let sql = format!(
        "SELECT entry, id, serial, status, loaded_status, licence.version, sha256 FROM licence \
         JOIN record_version r ON r.licence = entry AND r.version = licence.version WHERE id IN {}",
        placeholders(1, ids.len())
    );
    let state = |row: &Row| {
        let state = State {
            entry: row.get("entry")?,
            version: row.number("version")?,
            status: status_of(row.get("status")?)?,
            loaded_status: status_of(row.get("loaded_status")?)?,
            serial: row.get("serial")?,
            sha256: row.array("sha256")?,
        };
        Ok((row.get("id")?, state))
    };
    tx.rows(sql, ids.iter().map(Value::from).collect()).await?.iter().map(state).collect()
}

pub(super) fn licence(row: &Row) -> Result<Licence, StoreError> {
    Ok(Licence {
        id: row.get("id")?,
        licence_type: row.get("licence_type")?,
        number: row.get("number")?,
        serial: row.get("serial")?,
        holder_name: row.get("holder_name")?,
        employer_name: row.get("employer_name")?,
        employer_code: row.get("employer_code")?,
        version: row.number("version")?,
        status: status_of(row.get("status")?)?,
        expires: row.day("expires")?.filter(|day| day.to_string() != NO_END),
    })
}

pub(super) fn filed(row: &Row) -> Result<Filed, StoreError> {
    Ok(Filed {
        licence: licence(row)?,
        version: row.number("filed")?,
        json: row.get("record")?,
        sha256: row.array("sha256")?,
        photo: row.get("photo")?,
        signature: row.get("signature")?,
        at: row.instant("at")?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
    })
}
