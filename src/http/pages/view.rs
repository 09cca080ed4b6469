//! What each page shows, as plain data beside its template; nothing here knows where it comes from.

use std::borrow::Cow;

use askama::Template;
use jiff::civil::Date;

use super::words::Lang;

/// What every page has around its content.
#[derive(Clone, Debug)]
pub struct Page {
    /// Language.
    pub lang: Lang,
    /// Address of this page, with its query but without the choice of a language.
    pub path: String,
    /// Who is logged in, as the head of the page shows it.
    pub user: Option<String>,
    /// Whether they work at the desk.
    pub staff: bool,
    /// Whether they hold licences.
    pub holder: bool,
    /// Whether this is the demonstration.
    pub demo: bool,
}

/// Something to go to.
pub struct Link {
    /// Address.
    pub path: &'static str,
    /// Name, in Chinese.
    pub name: &'static str,
    /// Whether it is where one is.
    pub current: bool,
}

const DESK: [(&str, &str); 5] =
    [("/desk", "查询"), ("/desk/import", "导入"), ("/desk/reissue", "批量换发"), ("/desk/figures", "统计"), ("/desk/layouts", "版式")];

impl Page {
    /// A phrase in the page's language.
    pub fn t<'a>(&self, chinese: &'a (impl AsRef<str> + ?Sized)) -> &'a str {
        self.lang.say(chinese.as_ref())
    }

    /// A phrase with a value in place of `{}`.
    pub fn with(&self, chinese: &str, value: impl std::fmt::Display) -> String {
        self.lang.say(chinese).replace("{}", &value.to_string())
    }

    fn here(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Where the mark in the head leads.
    pub fn home(&self) -> &'static str {
        if self.holder {
            "/my"
        } else if self.staff {
            "/desk"
        } else {
            "/verify"
        }
    }

    /// The pages that this person has.
    pub fn rooms(&self) -> Vec<Link> {
        let rooms = [(self.holder, "/my", "我的证照"), (self.staff, "/desk", "工作台"), (true, "/verify", "证照核验")];
        let here = self.here();
        let current = |path: &str| here.starts_with(path) || (path == "/verify" && here.starts_with("/v/"));
        rooms.into_iter().filter(|room| room.0).map(|(_, path, name)| Link { path, name, current: current(path) }).collect()
    }

    /// The pages of the desk.
    pub fn desk_tabs(&self) -> Vec<Link> {
        let here = self.here();
        let current = |path| if path == "/desk" { here == path || here.starts_with("/desk/licences") } else { here == path };
        DESK.into_iter().map(|(path, name)| Link { path, name, current: current(path) }).collect()
    }

    /// This page in the other language.
    pub fn other_lang_path(&self) -> String {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{joint}lang={}", self.path, self.lang.other().tag())
    }
}

/// A short word with a colour: `good`, `warn`, `bad` or none.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// Colour.
    pub tone: &'static str,
    /// Word, in Chinese.
    pub text: &'static str,
}

/// A label and what it says.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Label, in Chinese.
    pub label: &'static str,
    /// Value.
    pub value: String,
    /// Whether it is dates, which break between words only.
    pub dates: bool,
}

impl Fact {
    /// A fact, unless there is nothing to say.
    pub fn of(label: &'static str, value: impl Into<String>) -> Option<Self> {
        let value = value.into();
        (!value.is_empty()).then_some(Self { label, value, dates: false })
    }

    /// First and last day, as far as they are known.
    pub fn days(label: &'static str, from: Option<Date>, to: Option<Date>) -> Option<Self> {
        let value = span(from, to)?;
        Some(Self { label, value, dates: true })
    }
}

/// `2019-10-14 至 2022-10-13`, as far as the days are known.
pub fn span(from: Option<Date>, to: Option<Date>) -> Option<String> {
    match (from, to) {
        (Some(from), Some(to)) => Some(format!("{from} 至 {to}")),
        (None, Some(to)) => Some(format!("至 {to}")),
        (Some(from), None) => Some(format!("{from} 起")),
        (None, None) => None,
    }
}

/// One of several to choose from.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Id.
    pub id: String,
    /// Name, in Chinese.
    pub name: String,
    /// How many there are of it.
    pub count: usize,
    /// Whether it is chosen.
    pub current: bool,
}

/// A 专业 with its dates.
#[derive(Clone, Debug)]
pub struct Specialty {
    /// Name.
    pub name: String,
    /// `2019-10-14 至 2022-10-13`.
    pub dates: Option<String>,
}

/// The 专业 or qualifications of a licence.
#[derive(Clone, Debug)]
pub struct Specialties {
    /// What they are called.
    pub label: &'static str,
    /// Each.
    pub list: Vec<Specialty>,
}

/// Why not, and what to do.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Message of the manuals.
    pub message: String,
    /// Remedy.
    pub remedy: String,
}

/// 我的证照.
#[derive(Template)]
#[template(path = "my.html")]
pub struct My {
    /// Around it.
    pub page: Page,
    /// Licence types that this person has.
    pub tabs: Vec<Choice>,
    /// Licences of the chosen type.
    pub licences: Vec<Licence>,
    /// First day of the search.
    pub from: String,
    /// Last day of the search.
    pub to: String,
    /// Whether a range was asked for.
    pub searching: bool,
}

/// One licence of 我的证照.
pub struct Licence {
    /// Id.
    pub id: String,
    /// Licence type.
    pub kind: String,
    /// Full title.
    pub title: String,
    /// What its cards are called.
    pub short: String,
    /// Number.
    pub number: String,
    /// Whether its face is landscape.
    pub wide: bool,
    /// Its state.
    pub state: State,
    /// The latest use period.
    pub period: Option<Period>,
    /// What is known of it.
    pub facts: Vec<Fact>,
    /// Its 专业.
    pub specialties: Specialties,
    /// Why nothing can be made now.
    pub refusal: Option<Refusal>,
    /// What a 加注 would give now.
    pub offer: Option<Offer>,
    /// Notes of the dialog.
    pub notes: Vec<String>,
    /// Whether the type has a use period.
    pub has_use_period: bool,
    /// Whether the holder signs the print.
    pub signed_by_hand: bool,
    /// The latest 加注: the picture.
    pub latest: Option<Card>,
    /// 加注 in the range asked for, newest first.
    pub found: Vec<Card>,
    /// Forms that fit.
    pub forms: Vec<Choice>,
    /// What it is called to make a file.
    pub verb: Verb,
}

/// What it is called to make a file: 加注, or 生成 where a type has no use period.
#[derive(Clone, Copy)]
pub struct Verb {
    /// On the button of the page.
    pub button: &'static str,
    /// On the button of the dialog.
    pub verb: &'static str,
    /// After it.
    pub success: &'static str,
    /// Above the cards.
    pub records: &'static str,
    /// Before the date on a card.
    pub time: &'static str,
}

impl Verb {
    /// For a type with a use period, or without.
    pub const fn of(has_use_period: bool) -> Self {
        if has_use_period {
            Self { button: "证照加注", verb: "加注", success: "加注成功！", records: "加注记录", time: "加注时间：" }
        } else {
            Self { button: "生成证照", verb: "生成", success: "生成成功！", records: "生成记录", time: "生成时间：" }
        }
    }
}

/// A use period that was given.
pub struct Period {
    /// First day.
    pub from: Date,
    /// Last day, included.
    pub to: Date,
    /// Whether its first day has come.
    pub begun: bool,
    /// Whether it holds today.
    pub live: bool,
    /// Days that it still holds, today included.
    pub days_left: i32,
}

/// A use period that would be given now.
pub struct Offer {
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
    /// Whether the holder chooses.
    pub chooses: bool,
}

/// One 加注.
#[derive(Clone)]
pub struct Card {
    /// Id.
    pub id: String,
    /// Civil date.
    pub on: Date,
    /// Last day of use.
    pub to: Option<Date>,
    /// Why it cannot be downloaded now.
    pub denied: Option<String>,
}

/// The answer about one licence, as a guard sees it. Empty until something was asked.
#[derive(Clone, Default, Debug)]
pub struct Answer {
    /// Colour: `good`, `warn`, `bad`.
    pub tone: &'static str,
    /// One character for those who do not see the colour.
    pub mark: &'static str,
    /// The answer.
    pub headline: &'static str,
    /// One sentence more.
    pub why: String,
    /// What to beware of.
    pub caution: &'static str,
    /// Masked name.
    pub name: String,
    /// What the licence says.
    pub facts: Vec<Fact>,
    /// When it was answered.
    pub at: String,
    /// From what it was answered.
    pub source: &'static str,
}

/// The verifier's page.
#[derive(Template)]
#[template(path = "verify.html")]
pub struct Verify {
    /// Around it.
    pub page: Page,
    /// The address that the installation's codes open, up to the digits.
    pub base: String,
    /// The answer.
    pub answer: Answer,
}

/// Something went wrong.
#[derive(Template)]
#[template(path = "problem.html")]
pub struct Problem {
    /// Around it.
    pub page: Page,
    /// What.
    pub title: String,
    /// What to do.
    pub remedy: String,
}

/// The demonstration's login.
#[derive(Template)]
#[template(path = "login.html")]
pub struct Login {
    /// Around it.
    pub page: Page,
    /// Where to go then.
    pub next: String,
    /// Id, name and what they are.
    pub people: Vec<(String, String, String)>,
}

/// The desk's search.
#[derive(Template)]
#[template(path = "desk.html")]
pub struct Desk {
    /// Around it.
    pub page: Page,
    /// What was asked.
    pub ask: Ask,
    /// Status filter.
    pub statuses: Vec<Choice>,
    /// Type filter.
    pub types: Vec<Choice>,
    /// What was found.
    pub rows: Vec<Row>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What was asked, as it was typed.
#[derive(Default)]
pub struct Ask {
    /// Words.
    pub q: String,
    /// Status.
    pub status: String,
    /// Licence type.
    pub kind: String,
    /// Days until the end.
    pub expiring: String,
}

/// One licence in a list.
pub struct Row {
    /// Id.
    pub id: String,
    /// Number.
    pub number: String,
    /// Name.
    pub name: String,
    /// Licence type, in Chinese.
    pub kind: String,
    /// Company.
    pub employer: String,
    /// Last day.
    pub expires: String,
    /// Version.
    pub version: u16,
    /// State.
    pub state: State,
}

/// One licence with all there is about it.
#[derive(Template)]
#[template(path = "desk_licence.html")]
pub struct DeskLicence {
    /// Around it.
    pub page: Page,
    /// Id.
    pub id: String,
    /// Number.
    pub number: String,
    /// Holder's name.
    pub name: String,
    /// Title of the type.
    pub title: String,
    /// State.
    pub state: State,
    /// What can be done.
    pub actions: Vec<Action>,
    /// Why this person can or cannot download.
    pub refusal: Option<Refusal>,
    /// What is known.
    pub facts: Vec<Fact>,
    /// 专业.
    pub specialties: Specialties,
    /// Versions, newest first.
    pub versions: Vec<Version>,
    /// 加注, newest first.
    pub annotations: Vec<Annotation>,
    /// Audit, newest first.
    pub audit: Vec<Audited>,
}

/// A decision about a licence.
#[derive(Clone, Copy)]
pub struct Action {
    /// The API's word.
    pub id: &'static str,
    /// Name, in Chinese.
    pub name: &'static str,
    /// What it brings about.
    pub means: &'static str,
    /// Whether it takes something away.
    pub grave: bool,
}

/// A version.
pub struct Version {
    /// Number.
    pub number: u16,
    /// When.
    pub at: String,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// A 加注 with its files.
pub struct Annotation {
    /// Number.
    pub number: u32,
    /// Version.
    pub version: u16,
    /// When.
    pub at: String,
    /// Use period.
    pub period: String,
    /// Files given out.
    pub files: Vec<File>,
}

/// A file given out.
pub struct File {
    /// Format.
    pub format: String,
    /// Size, with its unit.
    pub bytes: String,
    /// Start of the digest.
    pub sha256: String,
}

/// A line of the audit trail.
pub struct Audited {
    /// Number.
    pub seq: u64,
    /// When.
    pub at: String,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// Why.
    pub reason: String,
}

/// Import.
#[derive(Template)]
#[template(path = "desk_import.html")]
pub struct DeskImport {
    /// Around it.
    pub page: Page,
}

/// Bulk reissue.
#[derive(Template)]
#[template(path = "desk_reissue.html")]
pub struct DeskReissue {
    /// Around it.
    pub page: Page,
    /// Types to choose from.
    pub types: Vec<Choice>,
    /// Codes and names of what may keep a licence from being reissued.
    pub reasons: [(&'static str, &'static str); 12],
}

/// Charts.
#[derive(Template)]
#[template(path = "desk_figures.html")]
pub struct DeskFigures {
    /// Around it.
    pub page: Page,
    /// Instant.
    pub as_of: String,
    /// Charts.
    pub charts: Vec<Chart>,
}

/// The licence types, each with its sample.
#[derive(Template)]
#[template(path = "desk_layouts.html")]
pub struct DeskLayouts {
    /// Around it.
    pub page: Page,
    /// Types.
    pub layouts: Vec<Face>,
}

/// A licence type's face.
pub struct Face {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Whether it is landscape.
    pub wide: bool,
}

/// A column chart, placed in pixels of its own view box.
pub struct Chart {
    /// Title, in Chinese.
    pub title: &'static str,
    /// What the columns are by, in Chinese.
    pub by: &'static str,
    /// Columns.
    pub bars: Vec<Bar>,
    /// Width of the view box.
    pub width: u32,
    /// Height of the view box.
    pub height: u32,
    /// Where the columns stand.
    pub base: u32,
    /// Width of a column.
    pub bar_width: u32,
}

/// A column.
pub struct Bar {
    /// Label.
    pub label: Cow<'static, str>,
    /// How many.
    pub count: u64,
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Height.
    pub height: u32,
    /// Middle.
    pub middle: u32,
    /// Whether there is room for its label.
    pub labelled: bool,
}

impl Chart {
    /// Columns side by side, the tallest as tall as there is room.
    pub fn columns(title: &'static str, by: &'static str, counts: Vec<(Cow<'static, str>, u64)>) -> Self {
        const WIDTH: u32 = 960;
        const BASE: u32 = 190;
        const TALLEST: u32 = BASE - 24;
        let n = (counts.len() as u32).max(1);
        let pitch = (WIDTH / n).min(120);
        let bar_width = (pitch * 3 / 5).clamp(1, 48);
        let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
        // About 70 pixels a label.
        let every = (70 / pitch.max(1) + 1).max(1);
        let bar = |(i, (label, count)): (usize, (Cow<'static, str>, u64))| {
            let i = i as u32;
            let height = (u64::from(TALLEST) * count).div_ceil(most) as u32;
            let middle = i * pitch + pitch / 2;
            Bar { label, count, x: middle - bar_width / 2, y: BASE - height, height, middle, labelled: i.is_multiple_of(every) }
        };
        Self { title, by, bars: counts.into_iter().enumerate().map(bar).collect(), width: WIDTH, height: BASE + 26, base: BASE, bar_width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_inside_their_box_and_the_tallest_fills_it() {
        for n in [1, 3, 12, 30, 400] {
            let chart = Chart::columns("近30天的加注", "日期", (0..n).map(|i| (Cow::Owned(i.to_string()), i)).collect());
            assert_eq!(chart.bars.len(), n as usize);
            for bar in &chart.bars {
                assert!(bar.x + chart.bar_width <= chart.width && bar.y + bar.height == chart.base, "{n}: {}", bar.label);
                assert_eq!(bar.height == 0, bar.count == 0);
            }
            assert_eq!(chart.bars.iter().map(|bar| bar.height).max(), Some(if n > 1 { chart.base - 24 } else { 0 }));
        }
        assert!(Chart::columns("", "", Vec::new()).bars.is_empty());
    }

    #[test]
    fn text_from_the_register_stays_text() {
        let page =
            Page { lang: Lang::Chinese, path: "/my".to_owned(), user: Some("<b>".to_owned()), staff: false, holder: true, demo: true };
        let html = Problem { page, title: "<script>alert(1)</script>".to_owned(), remedy: "\" onload=\"".to_owned() }.render().unwrap();
        assert!(!html.contains("<script>alert") && !html.contains("<b>") && html.contains("&#60;script&#62;"));
    }
}
