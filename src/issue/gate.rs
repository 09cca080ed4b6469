//! Work that needs a core: as many at once as there are cores, a bounded number waiting, the others told to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// Too much is waiting already, or the program is stopping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many files are being made; come back in a while")]
pub struct Busy;

/// Lets work through to the cores.
pub struct Gate {
    cores: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

impl Gate {
    /// For all cores of the machine.
    pub fn new(most_waiting: usize) -> Self {
        Self::wide(std::thread::available_parallelism().map_or(1, Into::into), most_waiting)
    }

    /// For so many at once: work that mostly waits for somebody else.
    pub fn wide(at_once: usize, most_waiting: usize) -> Self {
        Self { cores: Arc::new(Semaphore::new(at_once)), waiting: AtomicUsize::new(0), most_waiting }
    }

    /// Does it on a thread of its own, when it is its turn.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        self.run_then(work, |done| done).await
    }

    /// The same, and on the same thread what comes then and needs no core: waiting for a disk.
    pub async fn run_then<D, T: Send + 'static>(
        &self,
        work: impl FnOnce() -> D + Send + 'static,
        then: impl FnOnce(D) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        /// Leaves the queue even when the caller goes away.
        struct Place<'g>(&'g AtomicUsize);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let ahead = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.waiting);
        if ahead >= self.most_waiting {
            return Err(Busy);
        }
        let core = Arc::clone(&self.cores).acquire_owned().await.expect("the semaphore is never closed");
        drop(place);
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(core);
            then(done)
        });
        // Work that panicked panics on: it is a fault of ours, and who called it answers so.
        done.await.map_err(|e| e.try_into_panic().map_or(Busy, |panic| std::panic::resume_unwind(panic)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn who_finds_the_queue_full_is_told_to_come_back() {
        let gate = Arc::new(Gate { cores: Arc::new(Semaphore::new(1)), waiting: AtomicUsize::new(0), most_waiting: 1 });
        let (release, held) = std::sync::mpsc::channel::<()>();
        let run = |gate: Arc<Gate>, work: Box<dyn FnOnce() + Send>| tokio::spawn(async move { gate.run(work).await });
        let first = run(Arc::clone(&gate), Box::new(move || held.recv().unwrap()));
        while gate.cores.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let second = run(Arc::clone(&gate), Box::new(|| ()));
        while gate.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(gate.run(|| ()).await, Err(Busy));
        release.send(()).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(()), Ok(())));
    }
}
