//! The line and the register joined: the one way by which records, annotations and files come to be, for http and cli alike.
//!
//! What is going to be signed is recorded first; a crash leaves an annotation without a signature, which [`Register::finish`]
//! makes up for, and never a signature that nobody knows of.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::gate::{Busy, Gate};
use super::{Line, NotIssued};
use crate::annotation::{Refusal, RefusalCode, UsePeriod, UsePolicy, Wish};
use crate::clock::{Clock, shanghai_date};
use crate::qr::QrError;
use crate::record::{Fault, Input, Loaded, Options, Record, Status};
use crate::render::{Format, RenderError};
use crate::sign::SignError;
use crate::store::blobs::Blobs;
use crate::store::{Act, Annotation, Filed, History, IssuedFile, Licence, LoadChange, NewAnnotation, Once, Store, StoreError};

mod sealing;

/// The register, with the line that issues from it.
pub struct Register {
    /// The line.
    pub line: Arc<Line>,
    /// What is kept.
    pub store: Arc<Store>,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// Lets work through to the cores.
    pub gate: Gate,
    sealing: sealing::Sealing,
    pub(super) blobs: Blobs,
    /// Below this place in the status list, all annotations were seen signed.
    pub(super) signed: AtomicU32,
    /// One of these is held while a file is made, so that a file asked for twice at once is made once.
    making: [tokio::sync::Mutex<()>; 64],
    files: Mutex<Recent<(String, Format), Made>>,
    /// Licences by id and version, since files are mostly made soon after what they say was recorded.
    versions: Mutex<Recent<(String, u16), Filed>>,
}

/// A licence in the list of its holder.
pub struct Holding {
    /// The licence.
    pub licence: Licence,
    /// The use period that a 加注 would have now (none for types without one), or why there can be none.
    pub next: Result<Option<UsePeriod>, NotIssued>,
    /// The latest 加注.
    pub latest: Option<Annotation>,
    /// Whether the files of the latest can be downloaded now.
    pub download: Result<(), Denied>,
}

/// Whose licences may be seen: those of this person.
#[derive(Clone, Copy)]
pub struct Person<'a> {
    /// Code type (GB/T 36903).
    pub id_type: &'a str,
    /// The number of that identity document.
    pub id_number: &'a str,
}

/// A made file.
#[derive(Debug)]
pub struct Made {
    /// SHA-256.
    pub sha256: [u8; 32],
    /// The file.
    pub bytes: Bytes,
}

/// Why a file may not be downloaded now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// There has been no 加注.
    #[error("there has been no annotation")]
    NotAnnotated,
    /// The signature is still being made.
    #[error("sealing is under way")]
    Sealing,
    /// The licence is not in force.
    #[error("the licence is {}", .0.as_str())]
    Inactive(Status),
    /// The licence was reissued since.
    #[error("superseded by version {0}")]
    Superseded(u16),
    /// The use period begins later.
    #[error("the use period begins on {0}")]
    NotBegun(Date),
    /// The use period is over.
    #[error("the use period ended on {0}")]
    Over(Date),
}

/// Why the register did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// There is no such thing, or not for this person.
    #[error("there is no such thing")]
    NotFound,
    /// By the rule.
    #[error("{0}")]
    Refused(Refusal),
    /// The file may not be downloaded now.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The record cannot be issued as it is.
    #[error("{0}")]
    Record(NotIssued),
    /// Layout or keys are no longer those under which it was stated.
    #[error("annotation {0}: layout or keys are no longer those under which it was stated")]
    Outdated(String),
    /// A file cannot be made.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The QR code cannot be made.
    #[error(transparent)]
    Qr(#[from] QrError),
    /// The device that signs files gives no signature.
    #[error(transparent)]
    Sign(SignError),
    /// Too much is waiting.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The register did not do it.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => Self::NotFound,
            error => Self::Store(error),
        }
    }
}

impl From<NotIssued> for RegisterError {
    fn from(error: NotIssued) -> Self {
        match error {
            NotIssued::Refused(refusal) => Self::Refused(refusal),
            NotIssued::Qr(error) => Self::Qr(error),
            NotIssued::Render(error) => Self::Render(error),
            NotIssued::Sign(error) => Self::Sign(error),
            error => Self::Record(error),
        }
    }
}

/// What became of a record that was loaded.
#[derive(Debug)]
pub struct Row {
    /// Where it stood: `17`, `batch.csv:17`.
    pub place: String,
    /// Its number, where it could be read.
    pub number: Option<String>,
    /// The licence with its version, where it is on file.
    pub licence: Option<(String, u16)>,
    /// What has changed; none when the record is wrong.
    pub change: Option<LoadChange>,
    /// What is wrong.
    pub errors: Vec<Fault>,
    /// What was accepted but should be looked at.
    pub warnings: Vec<Fault>,
}

/// How often a change is tried again when somebody else was faster.
const ATTEMPTS: usize = 4;

impl Register {
    /// Joins the parts. `most_waiting` is how many files may wait to be made.
    pub fn new(line: Arc<Line>, store: Arc<Store>, blobs: Blobs, clock: Arc<dyn Clock>, most_waiting: usize) -> Self {
        let making = std::array::from_fn(|_| tokio::sync::Mutex::default());
        // At some 50 KB a file that is 25 MB.
        let (files, versions) = (Recent::new(256), Recent::new(256));
        let (gate, sealing) = (Gate::new(most_waiting), sealing::Sealing::new(most_waiting));
        Self { line, store, clock, gate, sealing, blobs, signed: AtomicU32::new(0), making, files, versions }
    }

    /// Whether everything that is needed answers: the register and its disk, the made files, the signer.
    pub async fn ready(&self) -> Result<(), RegisterError> {
        self.store.ping().await?;
        self.blobs.ping().await?;
        let line = Arc::clone(&self.line);
        self.sealing.gate.run(move || line.probe()).await?.map_err(RegisterError::Sign)
    }

    /// Loads records, each on its own merits; a result for each, in their order.
    pub async fn load(&self, act: &Act<'_>, inputs: Vec<Input>) -> Result<Vec<Row>, RegisterError> {
        self.file_all(act, self.read(act.at, inputs).await?).await
    }

    /// Reads records on all cores, as of a day.
    pub async fn read(&self, at: Timestamp, inputs: Vec<Input>) -> Result<Vec<Loaded>, RegisterError> {
        let options = Options { today: shanghai_date(at), lenient_identifiers: false };
        Ok(self.gate.run(move || inputs.into_par_iter().map(|input| input.load(&options)).collect()).await?)
    }

    /// Files records that were read; a result for each, in their order.
    pub async fn file_all(&self, act: &Act<'_>, loaded: Vec<Loaded>) -> Result<Vec<Row>, RegisterError> {
        let (mut rows, mut records) = (Vec::with_capacity(loaded.len()), Vec::with_capacity(loaded.len()));
        for Loaded { source, number, record, warnings } in loaded {
            let mut row = Row { place: source, number, licence: None, change: None, errors: Vec::new(), warnings };
            match record.and_then(|record| self.known_type(record, &row.place)) {
                Ok(record) => records.push((rows.len(), record)),
                Err(faults) => row.errors = faults,
            }
            rows.push(row);
        }
        let (places, records): (Vec<usize>, Vec<Record>) = records.into_iter().unzip();
        let outcomes = self.store.load(act, &records).await?;
        for (place, outcome) in places.into_iter().zip(outcomes) {
            rows[place].licence = Some((outcome.licence, outcome.version));
            rows[place].change = Some(outcome.change);
        }
        Ok(rows)
    }

    fn known_type(&self, record: Record, place: &str) -> Result<Record, Vec<Fault>> {
        match self.line.layouts().find(&record.licence_type) {
            Ok(_) => Ok(record),
            Err(nearest) => {
                let nearest = nearest.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                let message = format!("`{}` is not a known licence type{nearest}", record.licence_type);
                Err(vec![Fault { source_place: place.to_owned(), field: "licence_type".to_owned(), message }])
            }
        }
    }

    /// All licences of a person, those without a file with the reason.
    pub async fn holdings(&self, person: Person<'_>) -> Result<Vec<Holding>, RegisterError> {
        let mut holdings = Vec::new();
        for filed in self.store.licences_of(person.id_type, person.id_number).await? {
            holdings.push(self.holding(filed).await?);
        }
        Ok(holdings)
    }

    /// One licence as its holder has it: what a 加注 would give, and whether there is a file.
    pub async fn holding(&self, filed: Filed) -> Result<Holding, RegisterError> {
        let now = self.clock.now();
        let licence = filed.licence.clone();
        let latest = self.store.annotations(&licence.id, &History { limit: Some(1), ..History::default() }).await?.pop();
        let made_today = self.store.made_today(&licence.id, now).await?;
        let line = Arc::clone(&self.line);
        let next = move || {
            let record = filed.outline()?;
            Ok::<_, StoreError>(line.state(&record, now, Wish { made_today, ..Wish::default() }).map(|stated| stated.annotated.period()))
        };
        let next = self.gate.run(next).await??;
        let download = match &latest {
            None => Err(Denied::NotAnnotated),
            Some(latest) if self.is_being_sealed(latest) => Err(Denied::Sealing),
            Some(latest) => downloadable(latest, &licence, shanghai_date(now)),
        };
        Ok(Holding { licence, next, latest, download })
    }

    /// The licence, if it is that person's.
    pub async fn of(&self, person: Person<'_>, licence: &str) -> Result<Filed, RegisterError> {
        self.store.licence_of(person.id_type, person.id_number, licence).await?.ok_or(RegisterError::NotFound)
    }

    /// 加注. Under an idempotency key that was used before, the one that was made then.
    pub async fn annotate(
        &self,
        actor: &str,
        person: Person<'_>,
        licence: &str,
        (from, to): (Option<Date>, Option<Date>),
        once: Option<Once<'_>>,
    ) -> Result<Annotation, RegisterError> {
        let now = microseconds(self.clock.now());
        let act = Act { once, ..Act::new(actor, now) };
        let mut attempts = 0;
        loop {
            let found = self.store.to_annotate(person.id_type, person.id_number, licence, now).await?;
            let (filed, made_today) = found.ok_or(RegisterError::NotFound)?;
            if let Some(before) = self.store.annotated_before(&act).await? {
                return self.complete(before).await;
            }
            let kind = filed.licence.licence_type.clone();
            let recorded = self.record(&act, &filed, Wish { from, to, made_today }).await;
            attempts += 1;
            match recorded {
                Ok((annotation, digits)) => {
                    // Its files are mostly asked for at once.
                    self.remember(Arc::new(filed));
                    metrics::counter!("certpress_issued_total", "type" => kind).increment(1);
                    return Ok(self.keep(annotation, digits).await);
                }
                // Somebody changed the licence between reading and writing: the rule is applied to what it is now.
                Err(RegisterError::Store(StoreError::Stale { .. } | StoreError::TooManyToday { .. })) if attempts < ATTEMPTS => {}
                Err(RegisterError::Refused(refusal)) => {
                    let code = refusal.code.as_str();
                    metrics::counter!("certpress_refused_total", "type" => kind.clone(), "code" => code).increment(1);
                    self.store.count_refusal(&Act::new(actor, now), &kind, code).await?;
                    return Err(RegisterError::Refused(refusal));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Applies the rule, records what is stated, and signs it.
    async fn record(&self, act: &Act<'_>, filed: &Filed, wish: Wish) -> Result<(Annotation, String), RegisterError> {
        // All this takes a fraction of a millisecond, and no longer than going to another thread for it.
        let record = filed.outline()?;
        let stated = self.line.state(&record, act.at, wish)?;
        // Faults of the page are found before anything is recorded.
        self.line.check(&stated)?;
        let capsule = self.line.capsule(&stated)?;
        let per_day = match stated.layout.rules.use_period {
            UsePolicy::HolderChooses { new_per_day } => Some(new_per_day),
            UsePolicy::Fixed { .. } | UsePolicy::None => None,
        };
        let new = NewAnnotation {
            licence: &filed.licence.id,
            version: filed.version,
            period: stated.annotated.period(),
            statement: &stated.statement,
            kid: self.line.kid(),
            layout_digest: stated.layout.digest,
            per_day,
        };
        let annotation = self.store.annotate(act, &new).await?;
        let digits = self.line.sign_capsule(capsule, annotation.status_index)?;
        Ok((annotation, digits))
    }

    /// Keeps the signature of a recorded annotation. When that fails the annotation stands without one for a while: it is
    /// being sealed, and [`Register::finish`] will do it.
    async fn keep(&self, annotation: Annotation, digits: String) -> Annotation {
        let act = Act::new("certpress", self.clock.now());
        match self.store.complete(&act, &annotation, &digits).await {
            Ok(()) => Annotation { digits: Some(digits), ..annotation },
            Err(cause) => {
                tracing::warn!(annotation = annotation.id, %cause, "recorded, but the signature could not be kept yet");
                annotation
            }
        }
    }

    /// Signs an annotation that was recorded earlier and never signed.
    async fn complete(&self, annotation: Annotation) -> Result<Annotation, RegisterError> {
        if annotation.digits.is_some() {
            return Ok(annotation);
        }
        let (line, again) = (Arc::clone(&self.line), annotation.clone());
        let filed = self.version(&annotation).await?;
        let sign = move || with_statement(&line, filed.outline()?, &again, |line, stated| Ok(line.sign(stated, again.status_index)?));
        let digits = self.gate.run(sign).await??;
        Ok(self.keep(annotation, digits).await)
    }

    /// The history of a licence, newest first.
    pub async fn history(&self, person: Person<'_>, licence: &str, history: &History) -> Result<Vec<Annotation>, RegisterError> {
        if !self.store.is_holder(licence, person.id_type, person.id_number).await? {
            return Err(RegisterError::NotFound);
        }
        Ok(self.store.annotations(licence, history).await?)
    }

    /// A file of an annotation, for its holder: PDF and OFD inside the use period, the preview always.
    pub async fn file(
        self: &Arc<Self>,
        person: Person<'_>,
        annotation: &str,
        format: Format,
    ) -> Result<(Arc<Made>, Licence), RegisterError> {
        let found = self.store.file_of(person.id_type, person.id_number, annotation, format.extension()).await?;
        let (annotation, licence, known) = found.ok_or(RegisterError::NotFound)?;
        if format == Format::Png {
            annotation.digits.as_ref().ok_or(Denied::Sealing)?;
        } else {
            downloadable(&annotation, &licence, shanghai_date(self.clock.now()))?;
        }
        Ok((self.awaited(annotation, format, known).await?, licence))
    }

    /// The file: as it was given out before, with the digest under which it is known, or made now and kept for ever.
    async fn made(&self, annotation: &Annotation, format: Format, known: Option<[u8; 32]>) -> Result<Arc<Made>, RegisterError> {
        let key = (annotation.id.clone(), format);
        let remembered = || self.files.lock().unwrap_or_else(PoisonError::into_inner).find(&key);
        let counted = |found| metrics::counter!("certpress_files_total", "from" => found).increment(1);
        if let Some(made) = remembered() {
            counted("memory");
            return Ok(made);
        }
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let _making = self.making[hasher.finish() as usize % self.making.len()].lock().await;
        if let Some(made) = remembered() {
            counted("memory");
            return Ok(made);
        }
        let made = match known {
            Some(sha256) => {
                counted("blobs");
                self.kept(annotation, format, sha256).await?
            }
            None => {
                counted("made");
                self.make(annotation, format).await?
            }
        };
        let made = Arc::new(made);
        self.files.lock().unwrap_or_else(PoisonError::into_inner).keep(key, Arc::clone(&made));
        Ok(made)
    }

    /// The file that was given out before.
    async fn kept(&self, annotation: &Annotation, format: Format, sha256: [u8; 32]) -> Result<Made, RegisterError> {
        if let Some(bytes) = self.blobs.fetch(&sha256).await? {
            return Ok(Made { sha256, bytes });
        }
        tracing::error!(annotation = annotation.id, "a file that was given out is no longer among the blobs; made again if it can be");
        let (blobs, id) = (self.blobs.clone(), annotation.id.clone());
        let keep = move |bytes: Bytes| {
            if <[u8; 32]>::from(Sha256::digest(&bytes)) != sha256 {
                return Err(RegisterError::Outdated(id));
            }
            blobs.keep(bytes.clone())?;
            Ok(Made { sha256, bytes })
        };
        self.render(annotation, format, keep).await
    }

    async fn make(&self, annotation: &Annotation, format: Format) -> Result<Made, RegisterError> {
        let blobs = self.blobs.clone();
        let keep = move |bytes: Bytes| Ok(Made { sha256: blobs.keep(bytes.clone())?, bytes });
        let made = self.render(annotation, format, keep).await?;
        let at = microseconds(self.clock.now());
        let (id, format_name) = (annotation.id.clone(), format.extension().to_owned());
        let file = IssuedFile { annotation: id, format: format_name, sha256: made.sha256, bytes: made.bytes.len() as u64, at };
        match self.store.put_file(&Act::new("certpress", at), &file).await {
            Ok(()) => Ok(made),
            // Another node was faster; its file is the one.
            Err(StoreError::Conflict { .. }) => {
                let files = self.store.files(&annotation.id).await?;
                let first = files.into_iter().find(|file| file.format == format.extension()).ok_or(RegisterError::NotFound)?;
                self.kept(annotation, format, first.sha256).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the file, and goes on with it on the same thread, where nobody waits for others.
    async fn render(
        &self,
        annotation: &Annotation,
        format: Format,
        then: impl FnOnce(Bytes) -> Result<Made, RegisterError> + Send + 'static,
    ) -> Result<Made, RegisterError> {
        let filed = self.version(annotation).await?;
        let digits = annotation.digits.clone().ok_or(Denied::Sealing)?;
        let (line, again) = (Arc::clone(&self.line), annotation.clone());
        let render = move || {
            let began = Instant::now();
            let bytes = with_statement(&line, filed.record()?, &again, |line, stated| {
                let composed = line.set(stated, &digits)?;
                Ok(line.finish(&composed.document, format)?)
            });
            let format = format.extension();
            if let Err(RegisterError::Sign(_)) = &bytes {
                metrics::counter!("certpress_sign_errors_total", "format" => format).increment(1);
            }
            metrics::histogram!("certpress_render_seconds", "format" => format).record(began.elapsed().as_secs_f64());
            bytes
        };
        let gate = if self.line.seals_elsewhere() { &self.sealing.gate } else { &self.gate };
        gate.run_then(render, |rendered: Result<Vec<u8>, _>| then(rendered?.into())).await?
    }

    /// The record version that an annotation is about. A version never changes; what the licence is now may be out of date.
    async fn version(&self, annotation: &Annotation) -> Result<Arc<Filed>, RegisterError> {
        let key = (annotation.licence.clone(), annotation.version);
        if let Some(filed) = self.versions.lock().unwrap_or_else(PoisonError::into_inner).find(&key) {
            return Ok(filed);
        }
        let filed = Arc::new(self.store.licence_version(&key.0, key.1).await?.ok_or(RegisterError::NotFound)?);
        self.remember(Arc::clone(&filed));
        Ok(filed)
    }

    fn remember(&self, filed: Arc<Filed>) {
        let key = (filed.licence.id.clone(), filed.version);
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).keep(key, filed);
    }
}

/// Repeats what was stated, and does something with it. The statement must come out as it was recorded.
pub(super) fn with_statement<T>(
    line: &Line,
    record: Record,
    annotation: &Annotation,
    work: impl FnOnce(&Line, &super::Stated) -> Result<T, RegisterError>,
) -> Result<T, RegisterError> {
    // What it was then: what became of the licence since does not change what was stated.
    let record = Record { status: Status::Valid, ..record };
    let wish = Wish { from: annotation.period.map(|p| p.from), to: annotation.period.map(|p| p.to), made_today: 0 };
    let outdated = || RegisterError::Outdated(annotation.id.clone());
    let stated = line.state(&record, annotation.at, wish).map_err(|_| outdated())?;
    if stated.statement.sha256 != annotation.statement.sha256 {
        return Err(outdated());
    }
    work(line, &stated)
}

/// Whether the files of an annotation may be downloaded on a day.
pub fn downloadable(annotation: &Annotation, licence: &Licence, today: Date) -> Result<(), Denied> {
    if licence.status != Status::Valid {
        return Err(Denied::Inactive(licence.status));
    }
    if annotation.version != licence.version {
        return Err(Denied::Superseded(licence.version));
    }
    if annotation.digits.is_none() {
        return Err(Denied::Sealing);
    }
    match annotation.period {
        Some(period) if today < period.from => Err(Denied::NotBegun(period.from)),
        Some(period) if today > period.to => Err(Denied::Over(period.to)),
        _ => Ok(()),
    }
}

impl Denied {
    /// What to tell the holder: code, message and remedy, in the words of the refusals.
    pub fn words(&self) -> (&'static str, String, String) {
        let again = |message: String| (message, "请重新加注后下载。".to_owned());
        let (code, (message, remedy)) = match self {
            Self::NotAnnotated => ("not-annotated", ("尚未加注".to_owned(), "请先加注，再下载。".to_owned())),
            Self::Sealing => (RefusalCode::Pending.as_str(), ("正在生成证照，请耐心等待！".to_owned(), "请稍候再试。".to_owned())),
            Self::Inactive(status) => {
                let word = match status {
                    Status::Suspended => "暂扣",
                    Status::Cancelled => "注销",
                    Status::Revoked => "撤销",
                    Status::Withdrawn => "吊销",
                    Status::Valid => "变更",
                };
                (RefusalCode::Inactive.as_str(), (format!("证照已{word}"), "请向发证机关查询。".to_owned()))
            }
            Self::Superseded(version) => ("superseded", again(format!("证照已换发，新版本号为{version:03}"))),
            Self::NotBegun(from) => ("not-begun", (format!("使用有效期自{from}开始"), "请在使用有效期内下载。".to_owned())),
            Self::Over(to) => ("use-period-over", again(format!("使用有效期已于{to}届满"))),
        };
        (code, message, remedy)
    }
}

/// What was made lately, in two generations: when the young one is full, the old one is forgotten.
struct Recent<K, V> {
    young: HashMap<K, Arc<V>>,
    old: HashMap<K, Arc<V>>,
    /// Of each generation.
    most: usize,
}

impl<K: Eq + Hash + Clone, V> Recent<K, V> {
    fn new(most: usize) -> Mutex<Self> {
        Mutex::new(Self { young: HashMap::new(), old: HashMap::new(), most })
    }

    fn find(&mut self, key: &K) -> Option<Arc<V>> {
        if let Some(made) = self.young.get(key) {
            return Some(Arc::clone(made));
        }
        let made = self.old.remove(key)?;
        self.keep(key.clone(), Arc::clone(&made));
        Some(made)
    }

    fn keep(&mut self, key: K, made: Arc<V>) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, made);
    }
}

/// As exact as the register keeps it: what is stated now must come out the same when it is read back.
pub(super) fn microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).expect("it was one")
}
