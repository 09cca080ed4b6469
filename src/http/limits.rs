//! How much one caller may ask for: rates and bodies.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts};
use axum::http::request::Parts;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use tower_http::limit::RequestBodyLimitLayer;

use super::App;
use super::connection::Peer;
use super::problem::Problem;
use crate::config::ServiceSettings;

/// The largest body of an ordinary request.
pub const ORDINARY_BODY: usize = 256 * 1024;

/// The largest file that is judged, and the largest form with its pictures: a good phone's photograph.
pub const LARGEST_UPLOAD: usize = 20 * 1024 * 1024;

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
