//! Dates as records write them: `2021-04-22`, or counted from today so that samples never go stale.

use jiff::Span;
use jiff::civil::Date;

/// A date, ISO 8601 or relative: `2021-04-22`, `today`, `today+30d`, `today-3y+1d` (d days, m months, y years).
pub(super) fn parse(text: &str, today: Date) -> Option<Date> {
    let date = match text.strip_prefix("today") {
        Some(steps) => relative(steps, today)?,
        None => iso(text)?,
    };
    (1880..=2200).contains(&date.year()).then_some(date)
}

/// Whether a text is a relative date; further values of a record may be such too.
pub(super) fn is_relative(text: &str) -> bool {
    text.strip_prefix("today").is_some_and(|steps| steps.is_empty() || steps.starts_with(['+', '-']))
}

/// A date as people type it into a table: `2021/4/22`, `2021.04.22`, `2021年4月22日`, `20210422`.
pub(super) fn typed(text: &str) -> Option<Date> {
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        return iso(&format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]));
    }
    let text = text.trim_end_matches("日").trim_end_matches(" 00:00:00");
    let mut parts = text.split(['-', '/', '.', '年', '月']);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    iso(&format!("{year}-{month:0>2}-{day:0>2}"))
}

fn iso(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let shaped =
        bytes.len() == 10 && bytes.iter().enumerate().all(|(at, b)| if matches!(at, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() });
    if !shaped {
        return None;
    }
    Date::new(text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?).ok()
}

fn relative(mut steps: &str, today: Date) -> Option<Date> {
    let mut date = today;
    while !steps.is_empty() {
        let sign = match steps.as_bytes()[0] {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let digits = steps[1..].bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=5).contains(&digits) {
            return None;
        }
        let count = sign * steps[1..=digits].parse::<i64>().ok()?;
        let unit = steps[1 + digits..].chars().next()?;
        let span = match unit {
            'd' => Span::new().try_days(count),
            'm' => Span::new().try_months(count),
            'y' => Span::new().try_years(count),
            _ => return None,
        };
        date = date.checked_add(span.ok()?).ok()?;
        steps = &steps[2 + digits..];
    }
    Some(date)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const TODAY: Date = date(2024, 2, 29);

    #[test]
    fn dates_are_iso_or_counted_from_today() {
        for (text, expected) in [
            ("2021-04-22", Some(date(2021, 4, 22))),
            ("today", Some(TODAY)),
            ("today+30d", Some(date(2024, 3, 30))),
            ("today-3y", Some(date(2021, 2, 28))),
            ("today-3y+1d", Some(date(2021, 3, 1))),
            ("today+3y-1d", Some(date(2027, 2, 27))),
            ("today+1m", Some(date(2024, 3, 29))),
            ("2021-02-29", None),
            ("2021-4-22", None),
            ("2021/04/22", None),
            ("2021-04-22T00:00:00", None),
            ("20210422", None),
            ("", None),
            ("tomorrow", None),
            ("today+", None),
            ("today+d", None),
            ("today30d", None),
            ("today+30", None),
            ("today+30w", None),
            ("today+99999y", None),
            ("today+999999d", None),
            ("today+1日", None),
            ("9999-12-31", None),
        ] {
            assert_eq!(parse(text, TODAY), expected, "{text}");
        }
    }

    #[test]
    fn tables_hold_dates_as_people_type_them() {
        for text in ["2021-04-02", "2021-4-2", "2021/4/2", "2021/04/02", "2021.4.2", "2021年4月2日", "20210402", "2021-04-02 00:00:00"] {
            assert_eq!(typed(text), Some(date(2021, 4, 2)), "{text}");
        }
        for text in ["4/2/2021", "2021年4月", "2021-4-2-1", "21-4-2", "2021-13-1", "二〇二一年", "20211301", "today"] {
            assert_eq!(typed(text), None, "{text}");
        }
    }
}
