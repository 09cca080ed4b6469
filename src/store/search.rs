//! Finding licences among millions, a page at a time, and the counts that charts show.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::records::licence;
use super::sql::{Row, Value, values};
use super::{Act, Licence, Store, StoreError, status_of};
use crate::record::Status;

/// What to look for; all that is given must hold. Names, companies and numbers are found by how they begin, whatever the
/// case of Latin letters and the kind of middle dot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Search {
    /// Licence type.
    pub licence_type: Option<String>,
    /// How the number begins.
    pub number: Option<String>,
    /// How the holder's name begins.
    pub name: Option<String>,
    /// How the company's name begins.
    pub employer: Option<String>,
    /// Type and number of the holder's identity document, exactly.
    pub identity: Option<(String, String)>,
    /// Status: `valid`, `suspended`, `cancelled`, `revoked`, `withdrawn`.
    pub status: Option<String>,
    /// Registration ends on this day or later.
    pub expires_from: Option<Date>,
    /// Registration ends before this day.
    pub expires_before: Option<Date>,
    /// Where the page before ended: its `next`.
    pub after: Option<String>,
    /// How many at most, 50 unless told.
    pub limit: Option<u32>,
}

/// One page of what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// What was found.
    pub items: Vec<T>,
    /// For the next page, if there is one. An id: it says nothing about anybody.
    pub next: Option<String>,
}

/// How often something happened to licences of a type on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The day in Asia/Shanghai.
    pub day: Date,
    /// Licence type.
    pub licence_type: String,
    /// `issued`, or `refused/` and the refusal's code.
    pub kind: String,
    /// How often.
    pub count: u64,
}

/// How many registrations end on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expiring {
    /// Their last day.
    pub day: Date,
    /// How many.
    pub count: u64,
}

impl Store {
    /// A page of licences, in the order of what was looked for. A look of the staff: the service enters it in the trail.
    pub async fn search(&self, search: &Search) -> Result<Page<Licence>, StoreError> {
        let limit = search.limit.unwrap_or(50).clamp(1, 500) as usize;
        let (lead, mut filter) = self.filter(search)?;
        // A column that must equal something leaves the order to that of arrival.
        let lead = Some(lead).filter(|lead| matches!(*lead, "number_key" | "name_key" | "employer_key" | "expires"));
        if let Some(after) = &search.after {
            let sql = format!("SELECT entry, {} AS lead FROM licence WHERE id = $1", lead.unwrap_or("id"));
            let row = self.database.row(sql, values![after]).await?;
            let row = row.ok_or_else(|| StoreError::NotFound { what: "page after", id: after.clone() })?;
            let (entry, last) = (row.get("entry")?, row.get("lead")?);
            filter.following(lead.map(|lead| (lead, last)), entry);
        }
        let order = lead.map_or("entry".to_owned(), |lead| format!("{lead}, entry"));
        let (sql, values) = filter.select("SELECT * FROM licence", &format!("ORDER BY {order} LIMIT {}", limit + 1));
        let rows = self.database.rows(sql, values).await?;
        let items = rows.iter().take(limit).map(licence).collect::<Result<Vec<_>, _>>()?;
        let next = if rows.len() > limit { items.last().map(|last| last.id.clone()) } else { None };
        Ok(Page { items, next })
    }

    /// What happened on the days from the first to the last.
    pub async fn tallies(&self, first: Date, last: Date) -> Result<Vec<Tally>, StoreError> {
        let sql = "SELECT * FROM tally WHERE day >= $1 AND day <= $2 ORDER BY day, licence_type, kind";
        let tally = |row: &Row| {
            let day = row.day("day")?.ok_or_else(|| StoreError::corrupt("tally.day", "none"))?;
            Ok(Tally { day, licence_type: row.get("licence_type")?, kind: row.get("kind")?, count: row.number("count")? })
        };
        self.database.rows(sql, values![first, last]).await?.iter().map(tally).collect()
    }

    /// How many registrations in force end on each day, where any does: in the order of the index, so that nothing is sorted.
    pub async fn expiring(&self, first: Date, last: Date) -> Result<Vec<Expiring>, StoreError> {
        let sql = "SELECT expires, count(*) AS count FROM licence \
                   WHERE expires >= $1 AND expires <= $2 AND status || '' = 'valid' GROUP BY expires ORDER BY expires";
        let expiring = |row: &Row| {
            let day = row.day("expires")?.ok_or_else(|| StoreError::corrupt("licence", "no last day"))?;
            Ok(Expiring { day, count: row.number("count")? })
        };
        self.database.rows(sql, values![first, last]).await?.iter().map(expiring).collect()
    }

    /// Counts a refusal, for the charts.
    pub async fn count_refusal(&self, act: &Act<'_>, licence_type: &str, code: &str) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        tx.tally(crate::clock::shanghai_date(act.at), licence_type, &format!("refused/{code}"), 1).await?;
        tx.commit().await
    }

    /// The conditions of a search, and the column that leads: the one whose index finds fewest.
    pub(super) fn filter(&self, search: &Search) -> Result<(&'static str, Filter), StoreError> {
        let texts = [("number_key", &search.number), ("name_key", &search.name), ("employer_key", &search.employer)];
        let texts: Vec<_> = texts.into_iter().filter_map(|(column, text)| Some((column, folded(text.as_deref()?)))).collect();
        let lead = if search.identity.is_some() {
            "holder_key"
        } else if let Some((column, _)) = texts.iter().max_by_key(|(column, text)| tells(column, text)) {
            column
        } else if search.expires_from.is_some() || search.expires_before.is_some() {
            "expires"
        } else if search.status.is_some() {
            "status"
        } else if search.licence_type.is_some() {
            "licence_type"
        } else {
            "entry"
        };
        // Only the leading column may choose an index; as an expression a column has none, in either database.
        let column = |name: &'static str| if name == lead { name.to_owned() } else { format!("{name} || ''") };
        let mut filter = Filter::default();
        if let Some((id_type, id_number)) = &search.identity {
            filter.all_of("holder_key =", Some(self.holder_key(id_type, id_number)?));
        }
        for (name, text) in texts {
            filter.from(name == lead, column(name), Some(text.clone()));
            // A range, because every index can do that; no character is greater than this one.
            filter.all_of(&format!("{} <", column(name)), Some(format!("{text}\u{10FFFF}")));
        }
        let status = search.status.as_deref().map(status_of).transpose()?;
        filter.all_of(&format!("{} =", column("status")), status.map(Status::as_str));
        filter.from(lead == "expires", column("expires"), search.expires_from.map(|day| day.to_string()));
        filter.all_of(&format!("{} <", column("expires")), search.expires_before);
        filter.all_of(&format!("{} =", column("licence_type")), search.licence_type.as_deref());
        Ok((lead, filter))
    }
}

/// How much the beginning of a text tells: a name's second character leaves few, the first two of a company are its city,
/// the first six of a number its place and kind.
fn tells(column: &str, text: &str) -> isize {
    let characters = text.chars().count() as isize;
    match column {
        "name_key" => 3 * characters - 1,
        "employer_key" => characters - 2,
        _ => characters - 6,
    }
}

impl super::sql::Tx {
    pub(super) async fn tally(&mut self, day: Date, licence_type: &str, kind: &str, count: u32) -> Result<(), StoreError> {
        self.insert(TALLY, vec![values![day, licence_type, kind, count]], TALLIED).await
    }
}

/// Counts what happened on a day; with what follows the row, added to what was counted before.
pub(super) const TALLY: &str = "INSERT INTO tally (day, licence_type, kind, count)";
pub(super) const TALLIED: &str = "ON CONFLICT (day, licence_type, kind) DO UPDATE SET count = tally.count + excluded.count";

/// A text as it is searched for: compatible forms of a character and cases are one, spaces and middle dots do not count.
pub(super) fn folded(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    let dotless = |c: &char| !c.is_whitespace() && !matches!(c, '·' | '•' | '・' | '‧' | '.' | '．');
    text.nfkc().filter(dotless).flat_map(char::to_lowercase).collect()
}

/// Conditions that all must hold, and their values.
#[derive(Default)]
pub(super) struct Filter {
    conditions: Vec<String>,
    values: Vec<Value>,
    /// Where the leading column begins. Not said beside a later beginning: of two, a database may take the first, and pass
    /// over all that stands between them.
    begin: Option<(String, String)>,
}

impl Filter {
    /// `column operator value`, where there is a value.
    pub fn all_of(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        self.holding(value, |place| format!("{condition} {place}"));
    }

    /// A condition on a value, where there is one, of which it is told the place.
    pub fn holding(&mut self, value: Option<impl Into<Value>>, condition: impl FnOnce(&str) -> String) {
        if let Some(value) = value {
            self.values.push(value.into());
            self.conditions.push(condition(&format!("${}", self.values.len())));
        }
    }

    /// `column >= text`, where there is one; whether that column leads.
    fn from(&mut self, leads: bool, column: String, text: Option<String>) {
        if leads {
            self.begin = text.map(|text| (column, text));
        } else {
            self.all_of(&format!("{column} >="), text);
        }
    }

    /// Only what comes after this entry; after (last, entry) where a column leads the order.
    pub fn following(&mut self, lead: Option<(&str, String)>, entry: i64) {
        let Some((column, last)) = lead else { return self.all_of("entry >", Some(entry)) };
        // That page was another search's.
        if self.begin.as_ref().is_some_and(|(_, begin)| last < *begin) {
            return;
        }
        self.begin = None;
        self.values.extend([Value::from(last), Value::from(entry)]);
        let places = self.values.len();
        self.conditions.push(format!("({column}, entry) > (${}, ${places})", places - 1));
    }

    pub fn select(mut self, select: &str, tail: &str) -> (String, Vec<Value>) {
        if let Some((column, text)) = self.begin.take() {
            self.all_of(&format!("{column} >="), Some(text));
        }
        let place = if self.conditions.is_empty() { String::new() } else { format!("WHERE {}", self.conditions.join(" AND ")) };
        (format!("{select} {place} {tail}"), self.values)
    }
}
