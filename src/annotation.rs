//! 加注: the use-period rule with its refusals and the 延续注册 window, pure functions of record and date.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::record::Record;

/// The rules of one licence type, as its layout states them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// How long a file may be used.
    pub use_period: UsePolicy,
    /// Which of several live registrations caps the use period.
    #[serde(default)]
    pub cap: CapPolicy,
    /// The age on whose birthday the licence ends, for types with that rule.
    #[serde(default)]
    pub age_limit: Option<i16>,
    /// How long a registration lasts.
    pub validity: Validity,
    /// When 延续注册 is open, for types that have it.
    #[serde(default)]
    pub renewal: Option<RenewalWindow>,
    /// What must be there before a file can be made.
    #[serde(default)]
    pub requires: Requirements,
}

/// How long a file may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "policy", rename_all = "kebab-case", deny_unknown_fields)]
pub enum UsePolicy {
    /// A fixed number of days from the day of 加注.
    Fixed {
        /// Days added to the first day.
        days: i32,
    },
    /// The holder chooses first and last day inside the registration.
    HolderChooses {
        /// How many new ones a day are accepted.
        new_per_day: u32,
    },
    /// No use period: the registration's own dates are meant.
    None,
}

/// Which of several live registrations caps the use period.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CapPolicy {
    /// The one that ends last.
    #[default]
    Latest,
    /// The one that ends first.
    Earliest,
}

/// How long a registration lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// Years.
    pub years: i16,
    /// Whether it ends on the day before the anniversary (3 years − 1 day) rather than on it.
    pub minus_one_day: bool,
}

/// When 延续注册 is open, in days before the end, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalWindow {
    /// First day: this many days before the end.
    pub opens_days_before: i32,
    /// Last day: this many days before the end.
    pub closes_days_before: i32,
}

/// What must be there before a file can be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requirements {
    /// 免冠证件照.
    pub photo: bool,
    /// 手写签字.
    pub signature: bool,
    /// Phone bound at the national platform.
    pub phone: bool,
}

/// What a holder asks for under the holder-chooses policy, and how many were made that day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wish {
    /// First day, today when absent.
    pub from: Option<Date>,
    /// Last day, the registration's end when absent.
    pub to: Option<Date>,
    /// How many 加注 this licence already got today.
    pub made_today: u32,
}

/// Which limit decided the last day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cap {
    /// The policy's number of days.
    Days,
    /// The end of the registration.
    Registration,
    /// The age limit.
    Age,
}

/// 使用有效期.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsePeriod {
    /// First day.
    pub from: Date,
    /// Last day, included.
    pub to: Date,
    /// Days from first to last.
    pub days: i32,
    /// What decided the last day.
    pub capped_by: Cap,
}

/// A record that may be issued at an instant. Only [`annotate`] makes one.
#[derive(Clone, Debug)]
pub struct Annotated<'r> {
    record: &'r Record,
    at: Timestamp,
    today: Date,
    period: Option<UsePeriod>,
    live: Vec<usize>,
    valid_from: Option<Date>,
    valid_to: Option<Date>,
}

/// A rule's refusal: what the holder is told, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The stable code, `photo-missing`.
    pub code: RefusalCode,
    /// The message that the manuals give.
    pub message: String,
    /// What the holder can do.
    pub remedy: String,
}

/// The refusals, in the order in which they are checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// The licence is not in force.
    Inactive,
    /// The record has not reached the ministry.
    NotReported,
    /// No live registration.
    Expired,
    /// At or past the age limit.
    OverAge,
    /// No photo.
    PhotoMissing,
    /// No signature.
    SignatureMissing,
    /// Phone not bound, or sealing under way.
    Pending,
    /// Chosen dates outside the registration.
    OutOfRange,
    /// More new ones on one day than the policy accepts.
    TooManyToday,
}

impl<'r> Annotated<'r> {
    /// The record.
    pub fn record(&self) -> &'r Record {
        self.record
    }

    /// The instant of the 加注.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The civil date of that instant in Asia/Shanghai.
    pub fn today(&self) -> Date {
        self.today
    }

    /// 使用有效期; none for types without one.
    pub fn period(&self) -> Option<UsePeriod> {
        self.period
    }

    /// The specialties that have not ended: the only ones that are printed.
    pub fn live(&self) -> impl Iterator<Item = &'r crate::record::Specialty> {
        self.live.iter().map(|&i| &self.record.specialties[i])
    }

    /// First day of the registration, the earliest of several.
    pub fn valid_from(&self) -> Option<Date> {
        self.valid_from
    }

    /// Last day of the registration, by the cap policy when there are several.
    pub fn valid_to(&self) -> Option<Date> {
        self.valid_to
    }
}

/// Applies the rule: a use period for the record at that instant, or the first refusal that applies.
pub fn annotate<'r>(_record: &'r Record, _rules: &Rules, _at: Timestamp, _wish: Wish) -> Result<Annotated<'r>, Refusal> {
    todo!()
}
