//! The days on which an application for a registration is accepted, and how long a renewed registration lasts.

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Registration, Rules, Validity, birthday, registrations};
use crate::record::Record;

/// What a holder applies for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Business {
    /// 初始注册.
    Initial,
    /// 重新注册.
    Again,
    /// 延续注册.
    Renewal,
    /// 增项注册.
    Addition,
    /// 执业企业变更.
    EmployerChange,
    /// 注销注册, always accepted.
    Cancellation,
}

/// One registration's 延续 window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    /// The 专业, empty for the licence as a whole.
    pub name: String,
    /// First day.
    pub opens: Date,
    /// Last day, included.
    pub closes: Date,
    /// Last day of the registration.
    pub ends: Date,
}

/// Why an application is not accepted on a day.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WindowRefusal {
    /// From the age window on nothing but 注销.
    #[error("自{closed}起（{birthday}年满{age}周岁前{days}日）仅可办理注销注册")]
    NearAgeLimit {
        /// The age.
        age: i16,
        /// The day that age is reached.
        birthday: Date,
        /// How many days before it applications close.
        days: i32,
        /// The first day without applications.
        closed: Date,
    },
    /// No 专业 is open yet.
    #[error("延续注册尚未开放：{}", dates(.0))]
    NotYet(Vec<Window>),
    /// Every 专业 that has not ended is past its window.
    #[error("延续注册申请期已过，届满前仅可办理注销注册：{}", dates(.0))]
    Closed(Vec<Window>),
    /// Every registration has ended.
    #[error("注册有效期已届满，不能办理延续注册：{}", dates(.0))]
    Ended(Vec<Window>),
}

fn dates(windows: &[Window]) -> String {
    let one = |w: &Window| format!("{}可申请日期{}至{}（有效期至{}）", w.name, w.opens, w.closes, w.ends);
    windows.iter().map(one).collect::<Vec<_>>().join("；")
}

/// Whether an application is accepted on a day; for 延续, the registrations that are open for it.
///
/// `registrations` are names and last days. 延续 is open from `opens_days_before` to `closes_days_before` the end, per
/// 专业, and one open 专业 is enough; after that only 注销. From `age_closes_days_before` the limiting birthday on
/// nothing but 注销 is accepted at all. A type without a 延续 window leaves 延续 open at any time.
pub fn accept(
    business: Business,
    registrations: &[(String, Date)],
    birth_date: Option<Date>,
    rules: &Rules,
    today: Date,
) -> Result<Vec<Window>, WindowRefusal> {
    if business == Business::Cancellation {
        return Ok(Vec::new());
    }
    if let (Some(age), Some(birth)) = (rules.age_limit, birth_date) {
        let (birthday, days) = (birthday(birth, age), rules.age_closes_days_before);
        let closed = birthday.saturating_sub(days.days());
        if today >= closed {
            return Err(WindowRefusal::NearAgeLimit { age, birthday, days, closed });
        }
    }
    let Some(renewal) = rules.renewal else { return Ok(Vec::new()) };
    let windows: Vec<Window> = registrations
        .iter()
        .map(|(name, ends)| Window {
            name: name.clone(),
            opens: ends.saturating_sub(renewal.opens_days_before.days()),
            closes: ends.saturating_sub(renewal.closes_days_before.days()),
            ends: *ends,
        })
        .collect();
    let unended: Vec<Window> = windows.iter().filter(|w| w.ends >= today).cloned().collect();
    let all_late = !unended.is_empty() && unended.iter().all(|w| w.closes < today);
    match business {
        Business::Renewal if unended.is_empty() => Err(WindowRefusal::Ended(windows)),
        Business::Renewal | Business::Addition | Business::EmployerChange if all_late => Err(WindowRefusal::Closed(unended)),
        Business::Renewal => {
            let open: Vec<Window> = unended.iter().filter(|w| w.opens <= today && today <= w.closes).cloned().collect();
            if open.is_empty() { Err(WindowRefusal::NotYet(unended)) } else { Ok(open) }
        }
        _ => Ok(Vec::new()),
    }
}

/// The names and last days of a record's registrations, as [`accept`] and [`renewed_end`] take them.
pub fn registration_ends(record: &Record) -> Vec<(String, Date)> {
    let name = |r: &Registration| r.specialty.map(|i| record.specialties[i].name.clone()).unwrap_or_default();
    registrations(record).iter().map(|r| (name(r), r.to)).collect()
}

/// The last day after renewal: the earliest end of what is renewed plus the type's validity, at most the limiting
/// birthday. None when nothing is renewed.
pub fn renewed_end(ends: impl IntoIterator<Item = Date>, birth_date: Option<Date>, rules: &Rules) -> Option<Date> {
    let end = rules.validity.end_from(ends.into_iter().min()?);
    let birthday = rules.age_limit.zip(birth_date).map(|(age, birth)| birthday(birth, age));
    Some(birthday.map_or(end, |birthday| end.min(birthday)))
}

impl Validity {
    /// The last day of a registration that counts from a day.
    pub fn end_from(self, day: Date) -> Date {
        let anniversary = day.saturating_add(self.years.years());
        if self.minus_one_day { anniversary.saturating_sub(1.day()) } else { anniversary }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::tests::{constructor_rules, ordinary};
    use super::*;

    const BORN: Option<Date> = Some(date(1985, 6, 12));

    fn one(ends: Date) -> Vec<(String, Date)> {
        vec![("建筑工程".into(), ends)]
    }

    fn renewal(registrations: &[(String, Date)], today: Date) -> Result<Vec<Window>, WindowRefusal> {
        accept(Business::Renewal, registrations, BORN, &constructor_rules(), today)
    }

    #[test]
    fn renewal_is_open_from_90_to_30_days_before_the_end() {
        let registrations = one(date(2022, 10, 13));
        assert!(matches!(renewal(&registrations, date(2022, 7, 14)), Err(WindowRefusal::NotYet(_))));
        let open = renewal(&registrations, date(2022, 7, 15)).unwrap();
        assert_eq!((open[0].opens, open[0].closes), (date(2022, 7, 15), date(2022, 9, 13)));
        assert!(renewal(&registrations, date(2022, 9, 13)).is_ok());
        assert!(matches!(renewal(&registrations, date(2022, 9, 14)), Err(WindowRefusal::Closed(_))));
        assert!(matches!(renewal(&registrations, date(2022, 10, 13)), Err(WindowRefusal::Closed(_))));
        assert!(matches!(renewal(&registrations, date(2022, 10, 14)), Err(WindowRefusal::Ended(_))));
    }

    #[test]
    fn a_refusal_names_the_dates() {
        let refusal = renewal(&one(date(2022, 10, 13)), date(2022, 7, 14)).unwrap_err().to_string();
        assert_eq!(refusal, "延续注册尚未开放：建筑工程可申请日期2022-07-15至2022-09-13（有效期至2022-10-13）");
    }

    #[test]
    fn one_open_specialty_is_enough_and_is_the_one_named() {
        let mut registrations = one(date(2022, 10, 13));
        registrations.push(("市政公用工程".into(), date(2023, 5, 11)));
        let open = renewal(&registrations, date(2022, 8, 1)).unwrap();
        assert_eq!(open.iter().map(|w| w.name.as_str()).collect::<Vec<_>>(), ["建筑工程"]);
        // The first is past its window and the second not yet in it.
        assert!(matches!(renewal(&registrations, date(2022, 10, 1)), Err(WindowRefusal::NotYet(_))));
    }

    #[test]
    fn in_the_last_days_only_cancellation_is_accepted() {
        let (registrations, today) = (one(date(2022, 10, 13)), date(2022, 10, 1));
        for business in [Business::Renewal, Business::Addition, Business::EmployerChange] {
            assert!(matches!(accept(business, &registrations, BORN, &constructor_rules(), today), Err(WindowRefusal::Closed(_))));
        }
        assert_eq!(accept(Business::Cancellation, &registrations, BORN, &constructor_rules(), today), Ok(vec![]));
    }

    #[test]
    fn nothing_but_cancellation_from_90_days_before_the_limiting_birthday() {
        let birth = Some(date(1960, 2, 29));
        // 65 on 2025-02-28; 90 days before is 2024-11-30.
        let registrations = one(date(2026, 12, 31));
        for business in [Business::Initial, Business::Again, Business::Renewal, Business::Addition, Business::EmployerChange] {
            let on = |today| accept(business, &registrations, birth, &constructor_rules(), today);
            assert!(!matches!(on(date(2024, 11, 29)), Err(WindowRefusal::NearAgeLimit { .. })), "{business:?}");
            let refusal = on(date(2024, 11, 30)).unwrap_err();
            assert_eq!(refusal.to_string(), "自2024-11-30起（2025-02-28年满65周岁前90日）仅可办理注销注册");
        }
        assert!(accept(Business::Cancellation, &registrations, birth, &constructor_rules(), date(2025, 3, 1)).is_ok());
    }

    #[test]
    fn a_type_without_a_window_is_open() {
        let rules = Rules { renewal: None, ..constructor_rules() };
        assert_eq!(accept(Business::Renewal, &one(date(2020, 1, 1)), BORN, &rules, date(2022, 1, 1)), Ok(vec![]));
    }

    #[test]
    fn the_new_end_counts_from_the_earliest_renewed_end_and_stops_at_the_birthday() {
        let ends = registration_ends(&ordinary());
        assert_eq!(ends, [("建筑工程".into(), date(2022, 10, 13)), ("市政公用工程".into(), date(2023, 5, 11))]);
        let ends = || ends.iter().map(|(_, end)| *end);
        assert_eq!(renewed_end(ends(), BORN, &constructor_rules()), Some(date(2025, 10, 12)));
        assert_eq!(renewed_end(ends(), Some(date(1960, 2, 29)), &constructor_rules()), Some(date(2025, 2, 28)));
        let two_years = Rules { validity: Validity { years: 2, minus_one_day: false }, ..constructor_rules() };
        assert_eq!(renewed_end([date(2024, 2, 29)], BORN, &two_years), Some(date(2026, 2, 28)));
        assert_eq!(renewed_end([], BORN, &constructor_rules()), None);
    }
}
