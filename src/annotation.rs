//! 加注: the use-period rule and its refusals, pure functions of record and instant.

use std::fmt;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::clock::shanghai_date;
use crate::record::{Record, Specialty, Status};

mod window;

pub use window::{Business, Window, WindowRefusal, accept, registration_ends, renewed_end};

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
    /// From how many days before that birthday on nothing but 注销 is accepted.
    #[serde(default = "age_closes_days_before")]
    pub age_closes_days_before: i32,
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
    /// What decided the last day; none when the holder chose an earlier one.
    pub capped_by: Option<Cap>,
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RefusalCode {
    /// The licence is not in force.
    Inactive,
    /// The record has not reached the ministry.
    NotReported,
    /// No live registration: all have ended, or the first has not begun.
    Expired,
    /// Past the age limit, or the age is not known.
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

impl RefusalCode {
    /// The code as reports and interfaces spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::NotReported => "not-reported",
            Self::Expired => "expired",
            Self::OverAge => "over-age",
            Self::PhotoMissing => "photo-missing",
            Self::SignatureMissing => "signature-missing",
            Self::Pending => "pending",
            Self::OutOfRange => "out-of-range",
            Self::TooManyToday => "too-many-today",
        }
    }
}

impl Serialize for RefusalCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
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
    pub fn live(&self) -> impl Iterator<Item = &'r Specialty> {
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
pub fn annotate<'r>(record: &'r Record, rules: &Rules, at: Timestamp, wish: Wish) -> Result<Annotated<'r>, Refusal> {
    let today = shanghai_date(at);
    let words = Words::of(rules);

    in_force(record.status, words)?;
    if !record.reported {
        return Err(Refusal {
            code: RefusalCode::NotReported,
            message: "加注失败".into(),
            remedy: format!("证照信息还未上报到住房和城乡建设部，请等待一段时间后再{words}。"),
        });
    }
    let mut live = live_registrations(record, today, words)?;
    let birthday = limiting_birthday(record, rules, today, words)?;
    equipped(record, rules, words)?;

    let registration = cap(rules.cap, &live);
    let period = use_period(rules.use_period, today, registration, birthday, wish)?;
    if let Some(period) = period {
        // A chosen first day may lie after the end of a 专业 that is live today; it would never be true on that paper.
        live.retain(|registration| registration.to >= period.from);
    }
    Ok(Annotated {
        record,
        at,
        today,
        period,
        live: live.iter().filter_map(|registration| registration.specialty).collect(),
        valid_from: live.iter().filter_map(|registration| registration.from).min(),
        valid_to: Some(registration),
    })
}

/// One registration with its dates: a 专业, or the licence as a whole where it has none.
#[derive(Clone, Copy, Debug)]
struct Registration {
    specialty: Option<usize>,
    from: Option<Date>,
    to: Date,
}

/// All registrations of a record whose end is known. A 专业 without dates of its own has those of the licence; one with
/// its own must lie within them.
fn registrations(record: &Record) -> Vec<Registration> {
    let within = |specialty, from: Option<Date>, to: Option<Date>| {
        let from = from.max(record.valid_from);
        let to = [to, record.valid_to].into_iter().flatten().min()?;
        Some(Registration { specialty, from, to })
    };
    if record.specialties.is_empty() {
        return within(None, None, None).into_iter().collect();
    }
    record.specialties.iter().enumerate().filter_map(|(i, s)| within(Some(i), s.valid_from, s.valid_to)).collect()
}

fn in_force(status: Status, words: Words) -> Result<(), Refusal> {
    let (message, remedy) = match status {
        Status::Valid => return Ok(()),
        Status::Suspended => ("证照已暂扣", format!("暂扣期满后，请向发证机关申请发还（恢复）证照，再{words}。")),
        Status::Cancelled => ("证照已注销", format!("如需继续使用，请申请办理重新注册业务，等待审核通过后再{words}。")),
        Status::Revoked => ("证照已撤销", format!("请向发证机关查询撤销决定；期满后可申请办理初始注册业务，审核通过后再{words}。")),
        Status::Withdrawn => ("证照已吊销", format!("请向发证机关查询处罚决定；期满后可申请办理初始注册业务，审核通过后再{words}。")),
    };
    Err(Refusal { code: RefusalCode::Inactive, message: message.into(), remedy })
}

/// The registrations that hold on a day. One that has not begun is not live; when it is all there is, the refusal says
/// when it begins rather than that the licence has expired.
fn live_registrations(record: &Record, today: Date, words: Words) -> Result<Vec<Registration>, Refusal> {
    let all = registrations(record);
    let live: Vec<_> = all.iter().copied().filter(|r| r.to >= today && r.from.is_none_or(|from| from <= today)).collect();
    if !live.is_empty() {
        return Ok(live);
    }
    let begins = all.iter().filter(|r| r.to >= today).filter_map(|r| r.from).min();
    let ended = all.iter().map(|r| r.to).filter(|&to| to < today).max();
    let (message, remedy) = match (ended, begins) {
        (Some(_), Some(begins)) => ("证照过期", format!("下一注册有效期自{begins}开始，请届时再{words}。")),
        (Some(ended), None) => ("证照过期", format!("注册有效期已于{ended}届满，请申请办理延续注册业务，等待审核通过后再{words}。")),
        (None, Some(begins)) => ("证照尚未生效", format!("注册有效期自{begins}开始，请届时再{words}。")),
        (None, None) => ("证照没有注册有效期", format!("请向发证机关申请补全注册有效期，再{words}。")),
    };
    Err(Refusal { code: RefusalCode::Expired, message: message.into(), remedy })
}

fn cap(policy: CapPolicy, live: &[Registration]) -> Date {
    let ends = live.iter().map(|registration| registration.to);
    match policy {
        CapPolicy::Latest => ends.max(),
        CapPolicy::Earliest => ends.min(),
    }
    .expect("`live_registrations` gives at least one")
}

/// The birthday that ends the licence, for types with an age rule. The birthday itself still counts, as every last day
/// does, so the refusal begins on the day after. Without a birth date the rule cannot be kept, so nothing is issued.
fn limiting_birthday(record: &Record, rules: &Rules, today: Date, words: Words) -> Result<Option<Date>, Refusal> {
    let Some(age) = rules.age_limit else { return Ok(None) };
    let refused = |message, remedy| Err(Refusal { code: RefusalCode::OverAge, message, remedy });
    let Some(birth) = record.holder.birth_date else {
        return refused("缺少出生日期，无法核对年龄".into(), format!("请向发证机关申请补全出生日期，再{words}。"));
    };
    let birthday = birthday(birth, age);
    if today > birthday {
        return refused(format!("已满{age}周岁"), "仅可办理注销注册。".into());
    }
    Ok(Some(birthday))
}

/// The day on which someone reaches an age. Who was born on 29 February reaches it on 28 February of a common year.
fn birthday(birth: Date, age: i16) -> Date {
    birth.saturating_add(age.years())
}

fn equipped(record: &Record, rules: &Rules, words: Words) -> Result<(), Refusal> {
    let supplement = |what| format!("请前往申报业务系统补充{what}并提交审核，审核通过后等待1-2天再重新{words}。");
    let (code, message, remedy) = if rules.requires.photo && record.holder.photo.is_none() {
        (RefusalCode::PhotoMissing, "缺少免冠证件照", supplement("免冠证件照"))
    } else if rules.requires.signature && record.holder.signature.is_none() {
        (RefusalCode::SignatureMissing, "缺少手写签字", supplement("手写签字"))
    } else if rules.requires.phone && !record.holder.phone_bound {
        let remedy = format!("请前往“国家政务服务平台”绑定手机号码，再次{words}。");
        (RefusalCode::Pending, "正在生成证照，请耐心等待！", remedy)
    } else {
        return Ok(());
    };
    Err(Refusal { code, message: message.into(), remedy })
}

fn use_period(
    policy: UsePolicy,
    today: Date,
    registration: Date,
    birthday: Option<Date>,
    wish: Wish,
) -> Result<Option<UsePeriod>, Refusal> {
    let ends = |days: Option<Date>| {
        // In the order that `capped_by` gives precedence.
        let limits = [(Cap::Days, days), (Cap::Registration, Some(registration)), (Cap::Age, birthday)];
        limits.into_iter().filter_map(|(cap, end)| end.map(|end| (cap, end)))
    };
    // `min_by_key` keeps the first of equals.
    let earliest = |days| ends(days).min_by_key(|&(_, end)| end).expect("the registration always has an end");
    match policy {
        UsePolicy::None => Ok(None),
        UsePolicy::Fixed { days } => {
            let (cap, to) = earliest(Some(today.saturating_add(days.days())));
            Ok(Some(UsePeriod::new(today, to, Some(cap))))
        }
        UsePolicy::HolderChooses { new_per_day } => {
            let (cap, last) = earliest(None);
            let (from, to) = (wish.from.unwrap_or(today), wish.to.unwrap_or(last));
            if from < today || to > last || from > to {
                return Err(Refusal {
                    code: RefusalCode::OutOfRange,
                    message: if from > to {
                        "使用有效期的开始日期晚于截止日期"
                    } else {
                        "使用有效期必须在注册有效期内"
                    }
                    .into(),
                    remedy: format!("请在{today}至{last}之间重新选择开始和截止日期。"),
                });
            }
            if wish.made_today >= new_per_day {
                return Err(Refusal {
                    code: RefusalCode::TooManyToday,
                    message: format!("每日最多新增{new_per_day}次使用有效期"),
                    remedy: format!("今日已新增{}次，请于{}再办理。", wish.made_today, today.saturating_add(1.day())),
                });
            }
            Ok(Some(UsePeriod::new(from, to, (to == last).then_some(cap))))
        }
    }
}

impl UsePeriod {
    fn new(from: Date, to: Date, capped_by: Option<Cap>) -> Self {
        Self { from, to, days: days_between(from, to), capped_by }
    }
}

fn days_between(from: Date, to: Date) -> i32 {
    (to - from).get_days()
}

/// How a remedy names the act to repeat: types without a use period know no 加注.
#[derive(Clone, Copy)]
struct Words(&'static str);

impl Words {
    fn of(rules: &Rules) -> Self {
        Self(if rules.use_period == UsePolicy::None { "下载" } else { "加注" })
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const fn age_closes_days_before() -> i32 {
    90
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, LazyLock};

    use jiff::civil::date;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::record::{Employer, Holder, Issuer, Picture, PictureKind, Sex};

    static SIGNATURE: LazyLock<Arc<Picture>> = LazyLock::new(|| {
        let bytes = include_bytes!("../samples/records/signatures/s01.png");
        Arc::new(Picture::decode(bytes, PictureKind::Signature).expect("a good sample"))
    });

    /// A record as the cases spell it; pictures are only there or not.
    pub(crate) fn record(json: &Value) -> Record {
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        let day = |value: &Value| value.as_str().map(|day| day.parse::<Date>().expect("a date"));
        let picture = |value: &Value| value.is_string().then(|| Arc::clone(&SIGNATURE));
        let holder = &json["holder"];
        Record {
            licence_type: text(&json["licence_type"]),
            number: text(&json["number"]),
            serial: text(&json["serial"]),
            version: json["version"].as_u64().expect("a number") as u16,
            holder: Holder {
                name: text(&holder["name"]),
                sex: Some(if holder["sex"] == "男" { Sex::Male } else { Sex::Female }),
                birth_date: day(&holder["birth_date"]),
                id_type: text(&holder["id_type"]),
                id_number: text(&holder["id_number"]),
                phone_bound: holder["phone_bound"] == true,
                photo: picture(&holder["photo"]),
                signature: picture(&holder["signature"]),
            },
            employer: Some(Employer { name: text(&json["employer"]["name"]), uscc: None }),
            specialties: json["specialties"]
                .as_array()
                .expect("an array")
                .iter()
                .map(|s| Specialty { name: text(&s["name"]), valid_from: day(&s["valid_from"]), valid_to: day(&s["valid_to"]) })
                .collect(),
            valid_from: day(&json["valid_from"]),
            valid_to: day(&json["valid_to"]),
            issuer: Issuer { name: text(&json["issuer"]["name"]), code: text(&json["issuer"]["code"]) },
            issued_on: day(&json["issued_on"]).expect("a date"),
            status: match json["status"].as_str() {
                Some("valid") => Status::Valid,
                other => panic!("no case has status {other:?}"),
            },
            reported: json["reported"] == true,
            fields: std::collections::BTreeMap::default(),
        }
    }

    pub(crate) fn cases() -> Vec<Value> {
        serde_json::from_str(include_str!("../tests/data/cases.json")).expect("JSON")
    }

    /// The first case: 王䶮, two 专业 to 2022-10-13 and 2023-05-11, born 1985-06-12.
    pub(crate) fn ordinary() -> Record {
        record(&cases()[0]["record"])
    }

    pub(crate) fn constructor_rules() -> Rules {
        toml::from_str(
            r#"
            use_period = { policy = "fixed", days = 180 }
            age_limit = 65
            validity = { years = 3, minus_one_day = true }
            renewal = { opens_days_before = 90, closes_days_before = 30 }
            requires = { photo = true, signature = true, phone = true }
            "#,
        )
        .expect("rules")
    }

    fn chooses() -> Rules {
        Rules { use_period: UsePolicy::HolderChooses { new_per_day: 2 }, ..constructor_rules() }
    }

    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    /// Ten in the morning of a day in Shanghai.
    fn on(day: Date) -> Timestamp {
        at(&format!("{day}T10:00:00+08:00"))
    }

    fn refused(record: &Record, rules: &Rules, at: Timestamp, wish: Wish) -> Refusal {
        annotate(record, rules, at, wish).expect_err("a refusal")
    }

    fn period(record: &Record, rules: &Rules, at: Timestamp, wish: Wish) -> UsePeriod {
        annotate(record, rules, at, wish).expect("issued").period().expect("a use period")
    }

    /// One 专业 between two days, everything else in order.
    fn single(from: Date, to: Date, birth: Date) -> Record {
        let mut record = ordinary();
        record.holder.birth_date = Some(birth);
        record.specialties = vec![Specialty { name: "建筑工程".into(), valid_from: Some(from), valid_to: Some(to) }];
        record
    }

    #[test]
    fn every_given_case_comes_out_as_given() {
        let cases = cases();
        assert_eq!(cases.len(), 11);
        for case in &cases {
            let mut rules = constructor_rules();
            if let Some(policy) = case.get("cap_policy") {
                rules.cap = serde_json::from_value(policy.clone()).expect("a policy");
            }
            let record = record(&case["record"]);
            let result = annotate(&record, &rules, at(case["as_of"].as_str().expect("an instant")), Wish::default());
            let actual = match &result {
                Ok(annotated) => {
                    let period = annotated.period().expect("a use period");
                    serde_json::json!({"outcome": "issued", "code": null, "use_from": period.from, "use_to": period.to,
                                       "days": period.days, "capped_by": period.capped_by})
                }
                Err(refusal) => serde_json::json!({"outcome": "refused", "code": refusal.code, "use_from": null, "use_to": null,
                                                   "days": null, "capped_by": null}),
            };
            assert_eq!(actual, case["expected"], "{} as of {}: {}", case["id"], case["as_of"], case["note"]);
        }
    }

    #[test]
    fn an_ended_specialty_is_not_printed() {
        let cases = cases();
        let four = record(&cases[4]["record"]);
        let annotated = annotate(&four, &constructor_rules(), at("2021-04-22T10:00:00+08:00"), Wish::default()).unwrap();
        let live: Vec<&str> = annotated.live().map(|s| s.name.as_str()).collect();
        assert_eq!(live, ["建筑工程", "市政公用工程", "机电工程"]);
        assert_eq!(annotated.valid_from(), Some(date(2018, 7, 16)));
        assert_eq!(annotated.valid_to(), Some(date(2023, 5, 11)));
    }

    #[test]
    fn refusals_come_in_their_order() {
        type Mend = fn(&mut Record, &Record);
        // Everything is wrong at once; each step mends the first thing that was refused.
        let mut record = single(date(2018, 1, 1), date(2020, 12, 31), date(1950, 1, 1));
        record.status = Status::Suspended;
        record.reported = false;
        record.holder.photo = None;
        record.holder.signature = None;
        record.holder.phone_bound = false;
        let wish = Wish { from: Some(date(2020, 1, 1)), to: None, made_today: 2 };
        let complete = ordinary();
        let mends: [(RefusalCode, &str, Mend); 7] = [
            (RefusalCode::Inactive, "证照已暂扣", |r, _| r.status = Status::Valid),
            (RefusalCode::NotReported, "加注失败", |r, _| r.reported = true),
            (RefusalCode::Expired, "证照过期", |r, _| r.specialties[0].valid_to = Some(date(2022, 12, 31))),
            (RefusalCode::OverAge, "已满65周岁", |r, _| r.holder.birth_date = Some(date(1980, 1, 1))),
            (RefusalCode::PhotoMissing, "缺少免冠证件照", |r, c| r.holder.photo.clone_from(&c.holder.photo)),
            (RefusalCode::SignatureMissing, "缺少手写签字", |r, c| r.holder.signature.clone_from(&c.holder.signature)),
            (RefusalCode::Pending, "正在生成证照，请耐心等待！", |r, _| r.holder.phone_bound = true),
        ];
        let instant = on(date(2021, 4, 22));
        for (code, message, mend) in mends {
            let refusal = refused(&record, &chooses(), instant, wish);
            assert_eq!((refusal.code, refusal.message.as_str()), (code, message));
            assert!(refusal.remedy.ends_with('。'), "{}", refusal.remedy);
            mend(&mut record, &complete);
        }
        assert_eq!(refused(&record, &chooses(), instant, wish).code, RefusalCode::OutOfRange);
        let wish = Wish { from: None, ..wish };
        let refusal = refused(&record, &chooses(), instant, wish);
        assert_eq!(refusal.code, RefusalCode::TooManyToday);
        assert!(refusal.remedy.contains("2021-04-23"), "{}", refusal.remedy);
        let wish = Wish { made_today: 1, ..wish };
        assert_eq!(period(&record, &chooses(), instant, wish).to, date(2022, 12, 31));
    }

    #[test]
    fn each_status_has_its_message() {
        let statuses = [
            (Status::Suspended, "证照已暂扣"),
            (Status::Cancelled, "证照已注销"),
            (Status::Revoked, "证照已撤销"),
            (Status::Withdrawn, "证照已吊销"),
        ];
        for (status, message) in statuses {
            let record = Record { status, ..ordinary() };
            assert_eq!(refused(&record, &constructor_rules(), on(date(2021, 4, 22)), Wish::default()).message, message);
        }
    }

    #[test]
    fn the_last_day_is_included_and_the_next_is_not() {
        let record = single(date(2018, 7, 2), date(2021, 7, 1), date(1980, 1, 1));
        let last = period(&record, &constructor_rules(), on(date(2021, 7, 1)), Wish::default());
        assert_eq!((last.from, last.to, last.days), (date(2021, 7, 1), date(2021, 7, 1), 0));
        let refusal = refused(&record, &constructor_rules(), on(date(2021, 7, 2)), Wish::default());
        assert_eq!(refusal.code, RefusalCode::Expired);
        assert!(refusal.remedy.contains("2021-07-01"), "{}", refusal.remedy);
    }

    #[test]
    fn a_registration_that_has_not_begun_is_not_live() {
        let record = single(date(2021, 5, 1), date(2024, 4, 30), date(1980, 1, 1));
        let refusal = refused(&record, &constructor_rules(), on(date(2021, 4, 30)), Wish::default());
        assert_eq!((refusal.code, refusal.message.as_str()), (RefusalCode::Expired, "证照尚未生效"));
        assert!(refusal.remedy.contains("2021-05-01"), "{}", refusal.remedy);
        assert_eq!(period(&record, &constructor_rules(), on(date(2021, 5, 1)), Wish::default()).days, 180);
    }

    #[test]
    fn a_day_begins_at_sixteen_hours_utc() {
        let record = ordinary();
        assert_eq!(period(&record, &constructor_rules(), at("2021-04-21T15:59:59Z"), Wish::default()).from, date(2021, 4, 21));
        assert_eq!(period(&record, &constructor_rules(), at("2021-04-21T16:00:00Z"), Wish::default()).from, date(2021, 4, 22));
    }

    #[test]
    fn the_limiting_birthday_caps_and_counts_itself() {
        let turns = date(2021, 6, 1);
        let record = single(date(2020, 1, 1), date(2022, 12, 31), date(1956, 6, 1));
        let capped = period(&record, &constructor_rules(), on(date(2021, 4, 22)), Wish::default());
        assert_eq!((capped.to, capped.capped_by), (turns, Some(Cap::Age)));
        assert_eq!(period(&record, &constructor_rules(), on(turns), Wish::default()).to, turns);
        let refusal = refused(&record, &constructor_rules(), on(date(2021, 6, 2)), Wish::default());
        assert_eq!((refusal.code, refusal.remedy.as_str()), (RefusalCode::OverAge, "仅可办理注销注册。"));
    }

    #[test]
    fn born_on_the_leap_day_means_28_february() {
        let record = single(date(2024, 1, 1), date(2026, 12, 31), date(1960, 2, 29));
        let capped = period(&record, &constructor_rules(), on(date(2025, 1, 10)), Wish::default());
        assert_eq!((capped.to, capped.capped_by), (date(2025, 2, 28), Some(Cap::Age)));
        assert_eq!(refused(&record, &constructor_rules(), on(date(2025, 3, 1)), Wish::default()).code, RefusalCode::OverAge);
    }

    #[test]
    fn an_age_rule_without_a_birth_date_refuses() {
        let mut record = ordinary();
        record.holder.birth_date = None;
        let refusal = refused(&record, &constructor_rules(), on(date(2021, 4, 22)), Wish::default());
        assert_eq!((refusal.code, refusal.message.as_str()), (RefusalCode::OverAge, "缺少出生日期，无法核对年龄"));
        let no_age_rule = Rules { age_limit: None, ..constructor_rules() };
        assert!(annotate(&record, &no_age_rule, on(date(2021, 4, 22)), Wish::default()).is_ok());
    }

    #[test]
    fn a_holder_chooses_inside_the_registration() {
        let (record, today) = (ordinary(), date(2021, 4, 22));
        let whole = period(&record, &chooses(), on(today), Wish::default());
        assert_eq!((whole.from, whole.to, whole.capped_by), (today, date(2023, 5, 11), Some(Cap::Registration)));
        let wish = |from, to| Wish { from: Some(from), to: Some(to), made_today: 0 };
        let chosen = period(&record, &chooses(), on(today), wish(date(2021, 5, 1), date(2021, 5, 31)));
        assert_eq!((chosen.days, chosen.capped_by), (30, None));
        for (from, to) in
            [(date(2021, 4, 21), date(2021, 5, 31)), (date(2021, 5, 1), date(2023, 5, 12)), (date(2021, 5, 2), date(2021, 5, 1))]
        {
            let refusal = refused(&record, &chooses(), on(today), wish(from, to));
            assert_eq!(refusal.code, RefusalCode::OutOfRange, "{from} to {to}");
            assert!(refusal.remedy.contains("2021-04-22至2023-05-11"), "{}", refusal.remedy);
        }
    }

    #[test]
    fn a_specialty_that_ends_before_a_chosen_first_day_is_not_printed() {
        let record = ordinary();
        let wish = Wish { from: Some(date(2022, 12, 1)), to: None, made_today: 0 };
        let annotated = annotate(&record, &chooses(), on(date(2021, 4, 22)), wish).unwrap();
        assert_eq!(annotated.live().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["市政公用工程"]);
    }

    #[test]
    fn a_type_without_a_use_period_keeps_the_registration_dates() {
        let mut record = ordinary();
        record.specialties.clear();
        record.valid_from = Some(date(2020, 1, 1));
        record.valid_to = Some(date(2022, 12, 31));
        let rules = Rules { use_period: UsePolicy::None, ..constructor_rules() };
        let annotated = annotate(&record, &rules, on(date(2022, 12, 31)), Wish::default()).unwrap();
        assert_eq!((annotated.period(), annotated.live().count()), (None, 0));
        assert_eq!((annotated.valid_from(), annotated.valid_to()), (record.valid_from, record.valid_to));
        assert_eq!(refused(&record, &rules, on(date(2023, 1, 1)), Wish::default()).code, RefusalCode::Expired);
        record.valid_to = None;
        assert_eq!(refused(&record, &rules, on(date(2023, 1, 1)), Wish::default()).message, "证照没有注册有效期");
    }

    fn any_day() -> impl Strategy<Value = Date> {
        // Leap days and month ends are where calendars go wrong, so they come up often.
        let month_end = (1990i16..2090, 1i8..=12).prop_map(|(year, month)| date(year, month, 1).last_of_month());
        let plain = (1990i16..2090, 1i16..=365).prop_map(|(year, day)| date(year, 1, 1).saturating_add((i64::from(day) - 1).days()));
        prop_oneof![plain, month_end]
    }

    proptest! {
        #[test]
        fn the_end_is_the_earliest_limit_and_the_cap_its_first(
            today in any_day(),
            left in prop_oneof![0i64..=400, 178i64..=182],
            to_birthday in prop_oneof![0i64..=400, 178i64..=182, Just(20_000)],
            hour in 0i64..24,
        ) {
            let ends = today.saturating_add(left.days());
            // The birth date whose 65th birthday is that day; 28 February also stands for who was born on the 29th.
            let turns = today.saturating_add(to_birthday.days());
            let birth = turns.saturating_sub(65.years());
            let turns = birthday(birth, 65);
            prop_assume!(turns >= today);
            let record = single(today.saturating_sub(100.days()), ends, birth);
            let instant = at(&format!("{today}T00:00:00+08:00")) + hour.hours();
            let period = period(&record, &constructor_rules(), instant, Wish::default());
            let limits = [(Cap::Days, today.saturating_add(180.days())), (Cap::Registration, ends), (Cap::Age, turns)];
            prop_assert_eq!(period.from, today);
            prop_assert!(period.to >= period.from);
            prop_assert!(limits.iter().all(|(_, limit)| period.to <= *limit));
            let first = limits.iter().find(|(_, limit)| *limit == period.to).map(|(cap, _)| *cap);
            prop_assert_eq!(period.capped_by, first);
            prop_assert_eq!(period.from.saturating_add(i64::from(period.days).days()), period.to);
        }

        #[test]
        fn the_day_after_the_last_is_refused(today in any_day(), ended in 1i64..2000) {
            let record = single(today.saturating_sub((ended + 10).days()), today.saturating_sub(ended.days()), date(2000, 2, 29));
            let refusal = refused(&record, &constructor_rules(), on(today), Wish::default());
            prop_assert_eq!(refusal.code, RefusalCode::Expired);
        }

        #[test]
        fn what_a_holder_gets_lies_in_the_registration_or_is_refused(
            today in any_day(), from in -5i64..200, length in -5i64..200, left in 0i64..150,
        ) {
            let ends = today.saturating_add(left.days());
            let record = single(today, ends, today.saturating_sub(40.years()));
            let (from, to) = (today.saturating_add(from.days()), today.saturating_add((from + length).days()));
            let inside = today <= from && from <= to && to <= ends;
            match annotate(&record, &chooses(), on(today), Wish { from: Some(from), to: Some(to), made_today: 0 }) {
                Ok(annotated) => {
                    let period = annotated.period().expect("a use period");
                    prop_assert!(inside && (period.from, period.to) == (from, to));
                }
                Err(refusal) => prop_assert!(!inside && refusal.code == RefusalCode::OutOfRange),
            }
        }
    }
}
