//! The present moment: the only place that reads the real clock.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};

/// Tells the present moment. The system's clock at the edge, a fixed one in tests.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still.
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The civil date in Asia/Shanghai, which has been UTC+8 without daylight saving since 1991.
pub fn shanghai_date(at: Timestamp) -> Date {
    TimeZone::fixed(SHANGHAI).to_datetime(at).date()
}

/// The day of an instant in Asia/Shanghai: its first instant, and that of the next day.
pub fn shanghai_day(at: Timestamp) -> [Timestamp; 2] {
    let day = shanghai_date(at);
    let midnight = |day: Date| SHANGHAI.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(at);
    [midnight(day), day.tomorrow().map_or(Timestamp::MAX, midnight)]
}

/// Asia/Shanghai's distance from UTC.
pub const SHANGHAI: Offset = Offset::constant(8);
