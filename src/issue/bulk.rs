//! A bulk reissue: read and stated on all cores, recorded, signed on all cores, kept; while one step is being written the
//! next is thought through. And what a crash has left unsigned, which takes the second half of the same way.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use rayon::prelude::*;

use super::register::{Register, RegisterError, microseconds, with_statement};
use super::{Line, NotIssued};
use crate::annotation::Wish;
use crate::qr::Capsule;
use crate::render::Format;
use crate::store::{Act, Annotation, Candidate, Filed, IssuedFile, Job, Reissue, Step, StoreError};

/// Licences in one step beside a service: few enough that others who write do not wait long.
const BESIDE: u32 = 250;

/// Licences in one step when nobody else waits; those of three steps are in memory, with some ten kilobytes each.
const ALONE: u32 = 4000;

/// After so many steps the register's log, some tens of megabytes by then, is carried over.
const CARRY: u32 = 4;

/// For a step that makes files: some tens of megabytes are in memory.
const WITH_FILES: u32 = 200;

/// Files on their way into the blob store at once.
const BLOBS_AT_ONCE: usize = 16;

/// A step that is ready to be recorded, and the codes to be signed then, in its order.
struct Ready {
    step: Step,
    capsules: Vec<Capsule>,
}

impl Register {
    /// Goes on with bulk jobs, one step after the other. Gives how long to wait before the next.
    pub async fn step_jobs(&self) -> Result<Duration, RegisterError> {
        let Some(job) = self.store.running_job().await? else { return Ok(Duration::from_secs(1)) };
        let ready = self.think(&job, None, BESIDE).await?;
        self.take(&job, ready).await?;
        Ok(Duration::ZERO)
    }

    /// Does all bulk jobs to their end, and tells of each step.
    pub async fn finish_jobs(&self, mut told: impl FnMut(&Job)) -> Result<(), RegisterError> {
        while let Some(mut job) = self.store.running_job().await? {
            let mut ready = Some(self.think(&job, None, ALONE).await?);
            // What is to be signed, and what is to be kept: while a step is recorded, the one before it is signed and the one
            // after it thought through, and what is signed is kept along with the step after the next.
            let (mut recorded, mut signed, mut steps) = (Vec::new(), Vec::new(), 0);
            while let Some(Ready { step, capsules }) = ready.take() {
                let (end, last) = (step.end(), step.last);
                let next = async { if last { Ok(None) } else { self.think(&job, end, ALONE).await.map(Some) } };
                let record = async { Ok(self.store.step_job(&job, &step, &signed).await?) };
                steps += 1;
                let carry = async { if steps % CARRY == 0 { Ok(self.store.carry_over().await?) } else { Ok(()) } };
                let (taken, next, new, ()) = tokio::try_join!(record, next, self.sign_all(recorded), carry)?;
                let Some((taken, annotations)) = taken else {
                    // What no longer held is thought through again, from where the job is.
                    recorded = Vec::new();
                    signed.extend(new);
                    break;
                };
                job = taken;
                recorded = annotations.into_iter().zip(capsules).collect();
                signed = new;
                if !job.formats.is_empty() || last {
                    signed.extend(self.sign_all(std::mem::take(&mut recorded)).await?);
                    self.keep_all(job.changed, std::mem::take(&mut signed), &job.formats).await?;
                }
                told(&job);
                ready = next;
            }
            signed.extend(self.sign_all(recorded).await?);
            self.keep_all(job.changed, signed, &job.formats).await?;
        }
        Ok(())
    }

    /// Signs what a crash or a failing disk has left unsigned, with the files that its job makes. Says how many there were.
    pub async fn finish(&self) -> Result<usize, RegisterError> {
        let mut count = 0;
        let mut from = self.signed.load(Ordering::Relaxed);
        let end = self.store.status_head().await?.size;
        if from == end {
            return Ok(count);
        }
        loop {
            let unsigned = self.store.unsigned(from, WITH_FILES).await?;
            let Some(last) = unsigned.last() else { break };
            from = last.status_index + 1;
            count += unsigned.len();
            let formats = self.store.running_job().await?.map_or(Vec::new(), |job| job.formats);
            self.sign_again(unsigned, &formats).await?;
        }
        self.signed.fetch_max(end, Ordering::Relaxed);
        Ok(count)
    }

    /// Signs annotations that were recorded earlier.
    async fn sign_again(&self, unsigned: Vec<Annotation>, formats: &[Format]) -> Result<(), RegisterError> {
        let filed = self.filed(&unsigned).await?;
        let line = Arc::clone(&self.line);
        let state = move || {
            let again = unsigned.into_par_iter().filter_map(|annotation| {
                let filed = &filed[&(annotation.licence.clone(), annotation.version)];
                let record = filed.outline().map_err(RegisterError::from);
                match record.and_then(|record| with_statement(&line, record, &annotation, |line, stated| Ok(line.capsule(stated)?))) {
                    Ok(capsule) => Some((annotation, capsule)),
                    Err(cause) => {
                        tracing::error!(annotation = annotation.id, %cause, "a recorded annotation cannot be signed");
                        None
                    }
                }
            });
            again.collect()
        };
        let again = self.gate.run(state).await?;
        let signed = self.sign_all(again).await?;
        self.keep_all(self.clock.now(), signed, formats).await
    }

    /// Reads what a job comes to next, applies the rule and states what is issued. Nothing is changed.
    async fn think(&self, job: &Job, after: Option<i64>, most: u32) -> Result<Ready, RegisterError> {
        let most = if job.formats.is_empty() { most } else { WITH_FILES };
        let candidates = self.store.next(job, after, most).await?;
        let (line, at, last) = (Arc::clone(&self.line), microseconds(self.clock.now()), candidates.len() < most as usize);
        let think = move || {
            let thought = candidates.into_par_iter().map(|candidate| match reissue(&line, &candidate, at)? {
                Ok((reissue, capsule)) => Ok(((candidate, Ok(reissue)), Some(capsule))),
                Err(why) => Ok(((candidate, Err(why)), None)),
            });
            let (licences, capsules): (Vec<_>, Vec<_>) = thought.collect::<Result<_, StoreError>>()?;
            Ok::<_, StoreError>(Ready { step: Step { at, licences, last }, capsules: capsules.into_iter().flatten().collect() })
        };
        Ok(self.gate.run(think).await??)
    }

    /// Records a step, then signs what it states. None when the step no longer held.
    async fn take(&self, job: &Job, Ready { step, capsules }: Ready) -> Result<Option<Job>, RegisterError> {
        let Some((job, annotations)) = self.store.step_job(job, &step, &[]).await? else { return Ok(None) };
        let signed = self.sign_all(annotations.into_iter().zip(capsules).collect()).await?;
        self.keep_all(step.at, signed, &job.formats).await?;
        Ok(Some(job))
    }

    /// Signs recorded annotations.
    async fn sign_all(&self, recorded: Vec<(Annotation, Capsule)>) -> Result<Vec<Annotation>, RegisterError> {
        if recorded.is_empty() {
            return Ok(Vec::new());
        }
        let line = Arc::clone(&self.line);
        let sign = move || {
            let signed = recorded.into_par_iter().map(|(annotation, capsule)| {
                let digits = line.sign_capsule(capsule, annotation.status_index)?;
                Ok(Annotation { digits: Some(digits), ..annotation })
            });
            signed.collect::<Result<Vec<_>, RegisterError>>()
        };
        self.gate.run(sign).await?
    }

    /// Makes the files of signed annotations, and keeps both.
    async fn keep_all(&self, at: Timestamp, signed: Vec<Annotation>, formats: &[Format]) -> Result<(), RegisterError> {
        if signed.is_empty() {
            return Ok(());
        }
        let files = self.make_all(at, &signed, formats).await?;
        Ok(self.store.complete_all(&Act::new("certpress", at), &signed, &files).await?)
    }

    /// The files of signed annotations, in the blob store and not yet recorded.
    async fn make_all(&self, at: Timestamp, signed: &[Annotation], formats: &[Format]) -> Result<Vec<IssuedFile>, RegisterError> {
        if formats.is_empty() {
            return Ok(Vec::new());
        }
        let (line, filed, signed, formats) = (Arc::clone(&self.line), self.filed(signed).await?, signed.to_vec(), formats.to_vec());
        let make = move || {
            let made = signed.par_iter().map(|annotation| {
                let record = filed[&(annotation.licence.clone(), annotation.version)].record()?;
                with_statement(&line, record, annotation, |line, stated| {
                    let composed = line.set(stated, annotation.digits.as_deref().unwrap_or_default())?;
                    let finish = |&format| Ok((annotation.id.clone(), format, Bytes::from(line.finish(&composed.document, format)?)));
                    formats.iter().map(finish).collect::<Result<Vec<_>, RegisterError>>()
                })
            });
            made.collect::<Result<Vec<_>, RegisterError>>()
        };
        let made = self.gate.run(make).await??;
        let keep = |(annotation, format, file): (String, Format, Bytes)| async move {
            let (bytes, sha256) = (file.len() as u64, self.blobs.put(file).await?);
            Ok(IssuedFile { annotation, format: format.extension().to_owned(), sha256, bytes, at })
        };
        stream::iter(made.into_iter().flatten()).map(keep).buffered(BLOBS_AT_ONCE).try_collect().await
    }

    /// The record versions that annotations are about.
    async fn filed(&self, annotations: &[Annotation]) -> Result<HashMap<(String, u16), Filed>, RegisterError> {
        let wanted: Vec<_> = annotations.iter().map(|a| (a.licence.as_str(), a.version)).collect();
        let filed = self.store.licence_versions(&wanted).await?;
        Ok(filed.into_iter().map(|filed| ((filed.licence.id.clone(), filed.version), filed)).collect())
    }
}

/// What a licence is reissued as, or why it is not.
fn reissue(line: &Line, candidate: &Candidate, at: Timestamp) -> Result<Result<(Reissue, Capsule), &'static str>, StoreError> {
    let Some(successor) = candidate.successor()? else { return Ok(Err("versions-used-up")) };
    let state = || {
        let stated = line.state(&successor.record, at, Wish::default())?;
        // A page that could be set before differs in digits alone.
        if candidate.set_under != Some(stated.layout.digest) {
            line.check(&stated)?;
        }
        Ok::<_, NotIssued>((stated.annotated.period(), stated.layout.digest, line.capsule(&stated)?, stated.statement))
    };
    Ok(match state() {
        Ok((period, layout_digest, capsule, statement)) => {
            Ok((Reissue { successor, period, statement, kid: line.kid(), layout_digest }, capsule))
        }
        Err(NotIssued::Refused(refusal)) => Err(refusal.code.as_str()),
        Err(why) => {
            tracing::warn!(licence = candidate.licence, %why, "cannot be reissued as it is");
            Err("invalid")
        }
    })
}
