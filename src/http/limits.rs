//! How much one caller and all together may ask for: rates, bodies, and the number of files being made.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts};
use axum::http::request::Parts;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use tokio::sync::Semaphore;
use tower_http::limit::RequestBodyLimitLayer;

use super::App;
use super::connection::Peer;
use super::problem::Problem;
use crate::config::ServiceSettings;

/// The largest body of an ordinary request.
pub const ORDINARY_BODY: usize = 256 * 1024;

/// Beyond this many remembered callers those that have been quiet are forgotten.
const REMEMBERED: usize = 100_000;

/// How often one caller may ask.
pub struct Limits {
    callers: DefaultKeyedRateLimiter<u64>,
    behind_proxy: bool,
    hasher: std::hash::RandomState,
}

impl Limits {
    /// By the settings.
    pub fn new(settings: &ServiceSettings) -> Self {
        let quota = Quota::per_second(settings.limits.per_second).allow_burst(settings.limits.burst);
        let callers = DefaultKeyedRateLimiter::keyed(quota);
        Self { callers, behind_proxy: settings.behind_proxy, hasher: std::hash::RandomState::new() }
    }

    /// Counts a request of somebody who said who they are.
    pub fn caller(&self, who: &str) -> Result<(), Problem> {
        self.count(("caller", who))
    }

    /// Counts a request of somebody who did not.
    pub fn address(&self, parts: &Parts) -> Result<(), Problem> {
        let address = self.address_of(parts);
        // One household has a /64 of IPv6 addresses.
        let who = match address {
            IpAddr::V4(address) => u64::from(u32::from(address)),
            IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
        };
        self.count(("address", who))
    }

    fn count(&self, who: impl std::hash::Hash) -> Result<(), Problem> {
        use std::hash::BuildHasher as _;
        // A keyed hash: what is kept says nothing about anybody.
        let who = self.hasher.hash_one(who);
        self.callers.check_key(&who).map_err(|early| {
            if self.callers.len() > REMEMBERED {
                self.callers.retain_recent();
            }
            let wait = early.wait_time_from(DefaultClock::default().now());
            Problem::too_many(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1))
        })
    }

    /// The address that calls. Behind a proxy it is the last one of `X-Forwarded-For`, which the proxy itself wrote.
    fn address_of(&self, parts: &Parts) -> IpAddr {
        let forwarded = || {
            let last = parts.headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
            last.rsplit(',').next()?.trim().parse().ok()
        };
        let peer = || parts.extensions.get::<ConnectInfo<Peer>>().map(|ConnectInfo(peer)| peer.address.ip());
        let address = if self.behind_proxy { forwarded().or_else(peer) } else { peer() };
        address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

/// Refuses bodies that are larger, before reading them where they say how large they are.
pub fn body(largest: usize) -> tower::layer::util::Stack<RequestBodyLimitLayer, DefaultBodyLimit> {
    tower::layer::util::Stack::new(RequestBodyLimitLayer::new(largest), DefaultBodyLimit::max(largest))
}

/// Anybody; the rate of their address is kept.
pub struct Anyone;

impl FromRequestParts<App> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        app.limits.address(parts).map(|()| Self)
    }
}

/// Work that needs a core: as many at once as there are cores, a bounded number waiting, the others told to come back.
pub struct Gate {
    cores: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

impl Gate {
    /// For all cores of the machine.
    pub fn new(most_waiting: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        Self { cores: Arc::new(Semaphore::new(cores)), waiting: AtomicUsize::new(0), most_waiting }
    }

    /// Does it on a thread of its own, when it is its turn.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
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
            return Err(Problem::busy("too many files are being made", 1));
        }
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(|e| Problem::internal(&e))?;
        drop(place);
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(core);
            done
        });
        done.await.map_err(|e| Problem::internal(&e))
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
        assert_eq!(gate.run(|| ()).await.unwrap_err().code.status(), 503);
        release.send(()).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(()), Ok(())));
    }
}
