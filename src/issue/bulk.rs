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
use crate::store::{Act, Annotation, Candidate, Filed, IssuedFile, Job, JobState, Reissue, Step, StoreError};

/// Licences in one step beside a service: few enough that others who write do not wait long.
const BESIDE: u32 = 250;

/// Licences in one step when nobody else waits.
const ALONE: u32 = 8000;

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
            let mut ready = self.think(&job, None, ALONE).await?;
            while job.state == JobState::Running {
                let (end, last) = (ready.step.end(), ready.step.last);
                let next = async { if last { Ok(None) } else { self.think(&job, end.as_deref(), ALONE).await.map(Some) } };
                let (taken, next) = tokio::try_join!(self.take(&job, ready), next)?;
                // What no longer held is thought through again, from where the job is.
                let Some(taken) = taken else { break };
                told(&taken);
                job = taken;
                let Some(next) = next else { break };
                ready = next;
            }
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
        self.sign_all(&Act::new("certpress", self.clock.now()), again, formats).await
    }

    /// Reads what a job comes to next, applies the rule and states what is issued. Nothing is changed.
    async fn think(&self, job: &Job, after: Option<&str>, most: u32) -> Result<Ready, RegisterError> {
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
        let Some((job, annotations)) = self.store.step_job(job, &step).await? else { return Ok(None) };
        let recorded = annotations.into_iter().zip(capsules).collect();
        self.sign_all(&Act::new("certpress", step.at), recorded, &job.formats).await?;
        Ok(Some(job))
    }

    /// Signs recorded annotations, makes their files, and keeps both.
    async fn sign_all(&self, act: &Act<'_>, recorded: Vec<(Annotation, Capsule)>, formats: &[Format]) -> Result<(), RegisterError> {
        let line = Arc::clone(&self.line);
        let sign = move || {
            let signed = recorded.into_par_iter().map(|(annotation, capsule)| {
                let digits = line.sign_capsule(capsule, annotation.status_index)?;
                Ok(Annotation { digits: Some(digits), ..annotation })
            });
            signed.collect::<Result<Vec<_>, RegisterError>>()
        };
        let signed = self.gate.run(sign).await??;
        let files = self.make_all(act.at, &signed, formats).await?;
        let digits: Vec<_> = signed.iter().filter_map(|a| Some((a.id.as_str(), a.digits.as_deref()?))).collect();
        Ok(self.store.complete_all(act, &digits, &files).await?)
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
