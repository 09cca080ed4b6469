//! The three steps of a 加注 that are written (recorded, signed, a file issued), for all who want one at the same time: what
//! comes while the register is being written goes into the next transaction, all of it together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::annotations::{Earlier, IssuedFile, PUT_ANNOTATION, Signed, Signing};
use super::audit::Deed;
use super::disk::Mark;
use super::once::same_request;
use super::search::{TALLIED, TALLY};
use super::sql::{Database, Insertion, Tx, Value, padded, placeholders, values};
use super::{Act, Annotation, IndexKey, Once, StoreError, status_of};
use crate::clock::shanghai_date;
use crate::record::Status;

/// So many in one transaction.
pub(super) const MOST: usize = 64;

/// A step, and who takes it.
pub(super) struct Step {
    actor: String,
    at: Timestamp,
    reason: Option<String>,
    once: Option<(String, [u8; 32])>,
    deed: What,
}

/// What is to be written.
pub(super) enum What {
    /// An annotation that has no numbers yet, and how many a day are accepted.
    Record(Box<Annotation>, Option<u32>),
    /// The digits of a recorded annotation.
    Sign { status_index: u32, id: String, digits: String },
    /// A file that was made.
    Issue(IssuedFile),
}

/// What was written.
pub(super) enum Written {
    /// With its numbers.
    Recorded(Box<Annotation>),
    /// Nothing: under the same idempotency key this annotation was recorded before.
    Before(String),
    /// What was asked.
    Done,
}

/// Seen by all; on the disk when the mark is reached.
type Answer = Result<(Written, Mark), StoreError>;

/// Who waits for the register, and whether somebody is writing.
#[derive(Default)]
struct Waiting {
    steps: Vec<(Step, oneshot::Sender<Answer>)>,
    busy: bool,
}

/// Writes for all who come at the same time.
pub(super) struct Together {
    database: Arc<Database>,
    index_key: IndexKey,
    waiting: Mutex<Waiting>,
}

impl Step {
    pub fn new(act: &Act<'_>, deed: What) -> Self {
        let Act { actor, at, reason, once } = *act;
        let once = once.map(|Once { key, request }| (key.to_owned(), request));
        Self { actor: actor.to_owned(), at, reason: reason.map(ToOwned::to_owned), once, deed }
    }

    fn act(&self) -> Act<'_> {
        let once = self.once.as_ref().map(|(key, request)| Once { key, request: *request });
        Act { actor: &self.actor, at: self.at, reason: self.reason.as_deref(), once }
    }
}

impl Together {
    pub fn new(database: Arc<Database>, index_key: IndexKey) -> Arc<Self> {
        Arc::new(Self { database, index_key, waiting: Mutex::default() })
    }

    /// Takes the step with all others that wait. Goes on to its end whether or not the caller waits for it.
    pub async fn take(self: &Arc<Self>, step: Step) -> Answer {
        let (sender, answer) = oneshot::channel();
        let begin = {
            let mut waiting = self.waiting();
            waiting.steps.push((step, sender));
            !std::mem::replace(&mut waiting.busy, true)
        };
        if begin {
            tokio::spawn(Writing(Arc::clone(self)).run());
        }
        // Without an answer only when writing has panicked or the program ends.
        answer.await.unwrap_or_else(|_| Err(StoreError::corrupt("register", "it could not be written")))
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes until nobody waits.
struct Writing(Arc<Together>);

impl Drop for Writing {
    /// After a panic: who waits is told, and the next who comes begins anew.
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.waiting() = Waiting::default();
        }
    }
}

impl Writing {
    async fn run(self) {
        loop {
            let (steps, senders): (Vec<_>, Vec<_>) = {
                let mut waiting = self.0.waiting();
                let most = waiting.steps.len().min(MOST);
                if most == 0 {
                    waiting.busy = false;
                    return;
                }
                waiting.steps.drain(..most).unzip()
            };
            for (sender, answer) in senders.into_iter().zip(self.write(&steps).await) {
                // Who has gone away needs no answer.
                let _ = sender.send(answer);
            }
        }
    }

    /// All in one transaction. Where a step does not let it come to its end, or what it brings is kept already, each has its
    /// own, so that none fails for another's sake.
    async fn write(&self, steps: &[Step]) -> Vec<Answer> {
        match write(&self.0, steps, Earlier::AssumeNone).await {
            Ok(answers) => answers,
            Err(NotWritten { cause, undone: true }) => {
                tracing::info!(%cause, steps = steps.len(), "could not be written at once; now one by one");
                let mut answers = Vec::with_capacity(steps.len());
                for step in steps {
                    let alone = write(&self.0, std::slice::from_ref(step), Earlier::LookUp).await;
                    answers.extend(alone.unwrap_or_else(|NotWritten { cause, .. }| vec![Err(cause)]));
                }
                answers
            }
            Err(NotWritten { cause, .. }) => {
                let said = cause.to_string();
                let others = (1..steps.len()).map(|_| Err(StoreError::Unavailable(said.clone().into())));
                others.chain([Err(cause)]).collect()
            }
        }
    }
}

/// Why steps were not written.
struct NotWritten {
    cause: StoreError,
    /// Surely nothing is left of them. When a commit fails nobody knows, so it must not be tried again.
    undone: bool,
}

/// An answer for each step, in their order; what a step is refused for says nothing of the others.
async fn write(together: &Together, steps: &[Step], earlier: Earlier) -> Result<Vec<Answer>, NotWritten> {
    let failed = |cause| NotWritten { cause, undone: false };
    let mut tx = together.database.write().await.map_err(failed)?;
    let mut written = take_all(&mut tx, together, steps, earlier).await.map_err(|cause| NotWritten { cause, undone: true })?;
    let mark = tx.committed().await.map_err(failed)?;
    let answer = |step| {
        let written = written.remove(&step).unwrap_or_else(|| Err(StoreError::corrupt("step", "nothing was written")));
        written.map(|written| (written, mark.clone()))
    };
    Ok((0..steps.len()).map(answer).collect())
}

async fn take_all(tx: &mut Tx, together: &Together, steps: &[Step], earlier: Earlier) -> Result<Outcomes, StoreError> {
    let (mut outcomes, mut insertions, mut acts) = (HashMap::with_capacity(steps.len()), Vec::new(), Vec::new());
    let recorded = record(tx, together, steps, &mut outcomes, &mut insertions).await?;
    acts.extend(recorded.iter().map(|(act, id, statement)| {
        let deed = Deed { after: Some(statement.clone()), ..Deed::of("annotation.record", id) };
        (*act, vec![deed])
    }));
    acts.extend(sign(tx, steps, earlier, &mut outcomes, &mut insertions).await?);
    acts.extend(issue(tx, steps, earlier, &mut outcomes, &mut insertions).await?);
    insertions.extend(tx.entries(acts).await?.1);
    tx.insert_all(insertions).await?;
    Ok(outcomes)
}

/// An act, and what it does.
type Deeds<'s> = (Act<'s>, Vec<Deed<'s>>);

/// By the place of the step.
type Outcomes = HashMap<usize, Result<Written, StoreError>>;

/// A licence, as far as recording an annotation needs it.
struct State {
    /// Its number inside.
    entry: i64,
    version: u16,
    status: Status,
    licence_type: String,
    /// Annotations so far.
    made: u32,
}

/// Gives the act, the id and the statement's digest of each annotation that is new.
async fn record<'s>(
    tx: &mut Tx,
    together: &Together,
    steps: &'s [Step],
    outcomes: &mut Outcomes,
    insertions: &mut Vec<Insertion>,
) -> Result<Vec<(Act<'s>, String, String)>, StoreError> {
    let wanted: Vec<_> = (0..)
        .zip(steps)
        .filter_map(|(place, step)| match &step.deed {
            What::Record(draft, per_day) => Some((place, step.act(), &**draft, *per_day)),
            _ => None,
        })
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut before = before(tx, wanted.iter().filter_map(|(_, act, ..)| Some((act.actor, act.once?.key)))).await?;
    let (mut states, mut status_index) = states(tx, wanted.iter().map(|(_, _, draft, _)| draft.licence.as_str()).collect()).await?;

    let (mut rows, mut tally, mut kept, mut recorded) = (Vec::new(), BTreeMap::<_, u32>::new(), Vec::new(), Vec::new());
    // On how many days each licence was annotated how often; only asked for where the policy counts.
    let mut days = HashMap::new();
    for (place, act, draft, per_day) in wanted {
        let key = act.once.map(|once| ((act.actor.to_owned(), once.key.to_owned()), once));
        if let Some(((request, id), once)) = key.as_ref().and_then(|(key, once)| Some((before.get(key)?, once))) {
            outcomes.insert(place, same_request(request, once).map(|()| Written::Before(id.clone())));
            continue;
        }
        let Some(state) = states.get_mut(&draft.licence) else {
            outcomes.insert(place, Err(StoreError::NotFound { what: "licence", id: draft.licence.clone() }));
            continue;
        };
        if state.version != draft.version || state.status != Status::Valid {
            let stale = StoreError::Stale { licence: draft.licence.clone(), version: state.version, status: state.status };
            outcomes.insert(place, Err(stale));
            continue;
        }
        let day = shanghai_date(act.at);
        if let Some(limit) = per_day {
            let made = match days.get(&(&draft.licence, day)) {
                Some(made) => *made,
                None => tx.made_on(&draft.licence, act.at).await?,
            };
            let accepted = made < limit;
            days.insert((&draft.licence, day), made + u32::from(accepted));
            if !accepted {
                outcomes.insert(place, Err(StoreError::TooManyToday { made }));
                continue;
            }
        }
        state.made += 1;
        let annotation = draft.clone().numbered(together.index_key, state.made, status_index)?;
        status_index += 1;
        *tally.entry((day, state.licence_type.clone())).or_default() += 1;
        rows.push(annotation.row(state.entry));
        recorded.push((act, annotation.id.clone(), hex::encode(annotation.statement.sha256)));
        if let Some((key, once)) = key {
            let answer = serde_json::to_vec(&annotation.id).map_err(|e| StoreError::corrupt("idempotency.answer", e))?;
            kept.push(values![act.actor, once.key, once.request, answer, act.at]);
            before.insert(key, (once.request, annotation.id.clone()));
        }
        outcomes.insert(place, Ok(Written::Recorded(Box::new(annotation))));
    }
    insertions.push(Insertion::new(PUT_ANNOTATION, rows));
    let tally = tally.into_iter().map(|((day, licence_type), count)| values![day, licence_type, "issued", count]);
    insertions.push(Insertion { into: TALLY, rows: tally.collect(), conflict: TALLIED });
    insertions.push(Insertion::new("INSERT INTO idempotency (actor, key, request, answer, at)", kept));
    Ok(recorded)
}

/// The requests and answers that are kept under these keys.
async fn before<'k>(
    tx: &mut Tx,
    keys: impl Iterator<Item = (&'k str, &'k str)>,
) -> Result<HashMap<(String, String), ([u8; 32], String)>, StoreError> {
    let mut kept = HashMap::new();
    let keys = padded(keys.collect());
    if keys.is_empty() {
        return Ok(kept);
    }
    let places = placeholders(keys.len(), 2);
    let values = keys.into_iter().flat_map(|(actor, key)| values![actor, key]).collect();
    let sql = format!("SELECT actor, key, request, answer FROM idempotency WHERE (actor, key) IN (VALUES {places})");
    for row in tx.few(sql, values).await? {
        // The answer of another verb is no annotation; its request is another one, and that is all that is asked.
        let answer = serde_json::from_slice(row.get("answer")?).unwrap_or_default();
        kept.insert((row.get("actor")?, row.get("key")?), (row.array("request")?, answer));
    }
    Ok(kept)
}

/// The licences of these ids, and the next place in the status list.
async fn states(tx: &mut Tx, licences: HashSet<&str>) -> Result<(HashMap<String, State>, u32), StoreError> {
    let licences = padded(licences.into_iter().collect());
    let sql = format!(
        "SELECT entry, id, version, status, licence_type, \
         (SELECT coalesce(max(a.number), 0) FROM annotation a WHERE a.licence = licence.entry) AS made, \
         (SELECT coalesce(max(status_index) + 1, 0) FROM annotation) AS next FROM licence WHERE id IN {}",
        placeholders(1, licences.len())
    );
    let (mut states, mut next) = (HashMap::with_capacity(licences.len()), 0);
    for row in tx.few(sql, licences.into_iter().map(Value::from).collect()).await? {
        let (entry, version, made) = (row.get("entry")?, row.number("version")?, row.number("made")?);
        let state = State { entry, version, status: status_of(row.get("status")?)?, licence_type: row.get("licence_type")?, made };
        states.insert(row.get("id")?, state);
        next = row.number("next")?;
    }
    Ok((states, next))
}

async fn sign<'s>(
    tx: &mut Tx,
    steps: &'s [Step],
    earlier: Earlier,
    outcomes: &mut Outcomes,
    insertions: &mut Vec<Insertion>,
) -> Result<Option<Deeds<'s>>, StoreError> {
    let signed = (0..).zip(steps).filter_map(|(place, step)| match &step.deed {
        What::Sign { status_index, id, digits } => Some((place, Signed { status_index: *status_index, id, digits })),
        _ => None,
    });
    let (places, signed): (Vec<usize>, Vec<_>) = signed.unzip();
    // All by this program: they are one act, and one entry of the trail.
    let Some(act) = places.first().map(|first| steps[*first].act()) else { return Ok(None) };
    let Signing { answers, insertion, deed } = tx.signing(&act, &signed, earlier).await?;
    insertions.push(insertion);
    outcomes.extend(places.into_iter().zip(answers).map(|(place, answer)| (place, answer.map(|()| Written::Done))));
    Ok(deed.map(|deed| (act, vec![deed])))
}

async fn issue<'s>(
    tx: &mut Tx,
    steps: &'s [Step],
    earlier: Earlier,
    outcomes: &mut Outcomes,
    insertions: &mut Vec<Insertion>,
) -> Result<Vec<Deeds<'s>>, StoreError> {
    let issued = (0..).zip(steps).filter_map(|(place, step)| match &step.deed {
        What::Issue(file) => Some((place, file)),
        _ => None,
    });
    let (places, files): (Vec<usize>, Vec<_>) = issued.unzip();
    let (answers, insertion) = tx.putting(&files, earlier).await?;
    insertions.push(insertion);
    let mut acts = Vec::with_capacity(files.len());
    for ((place, file), answer) in places.into_iter().zip(files).zip(answers) {
        if let Ok(true) = answer {
            acts.push((steps[place].act(), vec![file.issued()]));
        }
        outcomes.insert(place, answer.map(|_| Written::Done));
    }
    Ok(acts)
}
