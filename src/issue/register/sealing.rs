//! Files that somebody else seals, a hardware module or a time-stamp server: begun with the 加注 and not when they are first
//! asked for, and followed until they are there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Denied, Made, Register, RegisterError};
use crate::issue::gate::Gate;
use crate::render::Format;
use crate::store::Annotation;

/// How long a caller waits before being told that sealing is under way.
const PATIENCE: Duration = Duration::from_secs(3);
/// What is sealed.
const SEALED: [Format; 2] = [Format::Pdf, Format::Ofd];
/// How many files somebody else may be sealing at the same time; meanwhile none of them needs a core.
const AT_ONCE: usize = 16;

/// What is being sealed.
pub(super) struct Sealing {
    annotations: Mutex<BTreeSet<String>>,
    pub gate: Gate,
}

impl Sealing {
    pub fn new(most_waiting: usize) -> Self {
        Self { annotations: Mutex::default(), gate: Gate::wide(AT_ONCE, most_waiting) }
    }
}

/// An annotation that is being sealed, until this is dropped.
struct UnderWay {
    register: Arc<Register>,
    annotation: String,
}

impl UnderWay {
    /// None when it is already.
    fn begin(register: &Arc<Register>, annotation: &Annotation) -> Option<Self> {
        let begun = register.annotations_being_sealed().insert(annotation.id.clone());
        begun.then(|| Self { register: Arc::clone(register), annotation: annotation.id.clone() })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.register.annotations_being_sealed().remove(&self.annotation);
    }
}

impl Register {
    /// Whether an annotation is signed and, where somebody else seals, its files are there. What is missing is begun, waited
    /// for a little, and done to its end whether or not anybody waits.
    pub async fn sealed(self: &Arc<Self>, annotation: &Annotation) -> bool {
        if annotation.digits.is_none() || !self.line.seals_elsewhere() {
            return annotation.digits.is_some();
        }
        let made = self.store.files(&annotation.id).await.unwrap_or_default();
        let known = move |format: Format| made.iter().find(|file| file.format == format.extension()).map(|file| file.sha256);
        if SEALED.into_iter().all(|format| known(format).is_some()) {
            return true;
        }
        let Some(under_way) = UnderWay::begin(self, annotation) else { return false };
        let annotation = annotation.clone();
        let sealing = tokio::spawn(async move {
            for format in SEALED {
                if let Err(cause) = under_way.register.made(&annotation, format, known(format)).await {
                    tracing::warn!(annotation = annotation.id, %cause, "not sealed yet; whoever asks for it begins again");
                    return false;
                }
            }
            true
        });
        matches!(tokio::time::timeout(PATIENCE, sealing).await, Ok(Ok(true)))
    }

    /// Whether its files are being sealed at this moment.
    pub(super) fn is_being_sealed(&self, annotation: &Annotation) -> bool {
        self.annotations_being_sealed().contains(&annotation.id)
    }

    /// The file, made to its end also when the caller goes away; who waits for another's seal does not wait long.
    pub(super) async fn awaited(
        self: &Arc<Self>,
        annotation: Annotation,
        format: Format,
        known: Option<[u8; 32]>,
    ) -> Result<Arc<Made>, RegisterError> {
        if !self.line.seals_elsewhere() {
            return self.made(&annotation, format, known).await;
        }
        let register = Arc::clone(self);
        let making = tokio::spawn(async move { register.made(&annotation, format, known).await });
        match tokio::time::timeout(PATIENCE, making).await {
            Ok(made) => made.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic())),
            Err(_) => Err(Denied::Sealing.into()),
        }
    }

    fn annotations_being_sealed(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.sealing.annotations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
