//! What is wrong with a record, in Chinese: faults are found in the words of those who write programs, and read by clerks.

use std::sync::LazyLock;

/// English and Chinese, `{}` for what differs; `{0}` where the order does. The first that fits counts.
static PHRASES: LazyLock<Vec<(&str, &str)>> =
    LazyLock::new(|| serde_json::from_str(include_str!("faults.json")).expect("a test reads the phrases"));

/// A fault's message, or the path of a field, in Chinese; what has no translation stays as it is.
pub fn chinese(message: &str) -> String {
    let fitting = PHRASES.iter().find_map(|(english, chinese)| Some((captures(english, message)?, chinese)));
    let Some((captures, chinese)) = fitting else { return message.to_owned() };
    let mut said = (*chinese).to_owned();
    for (i, capture) in captures.into_iter().enumerate() {
        // What is quoted is the record's own.
        let quoted = capture.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
        let capture = quoted.map_or_else(|| self::chinese(capture), str::to_owned);
        let place = format!("{{{i}}}");
        said = if said.contains(&place) { said.replace(&place, &capture) } else { said.replacen("{}", &capture, 1) };
    }
    said
}

/// What stands for each `{}` of a pattern.
fn captures<'m>(pattern: &str, message: &'m str) -> Option<Vec<&'m str>> {
    let (first, rest) = pattern.split_once("{}").map_or((pattern, None), |(first, rest)| (first, Some(rest)));
    let mut message = message.strip_prefix(first)?;
    let Some(rest) = rest else { return message.is_empty().then(Vec::new) };
    let mut captures = Vec::new();
    let mut parts = rest.split("{}").peekable();
    while let Some(part) = parts.next() {
        // What comes last ends where the message does.
        let (capture, after) = if parts.peek().is_none() { (message.strip_suffix(part)?, "") } else { message.split_once(part)? };
        captures.push(capture);
        message = after;
    }
    Some(captures)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::record::{Options, read};

    #[test]
    fn messages_are_put_together_from_their_parts() {
        for (english, said) in [
            ("is missing; expected a date such as 2021-04-22", "缺失，应填写日期，如 2021-04-22"),
            ("公民身份号码 `110***0011`: the check digit is wrong: expected X", "公民身份号码 110***0011：校验位不对，应为 X"),
            (
                "`a\u{200b}` holds the invisible character U+200B at character 2; remove it",
                "a\u{200b} 的第2个字符是不可见字符 U+200B，请删去",
            ),
            ("holds the line break U+2028 at character 7; remove it", "第7个字符是换行符 U+2028，请删去"),
            ("`vald` is not a status; did you mean `valid`?", "vald 不是证照状态，是否应为 valid？"),
            ("specialties.0.valid_to", "专业（0）有效期止"),
            ("something that nobody has translated", "something that nobody has translated"),
        ] {
            assert_eq!(chinese(english), said);
        }
    }

    /// Every message of the record room is made from literals that have a translation: those that its own cases bring about.
    #[test]
    fn faults_of_bad_records_are_said_in_chinese() {
        let good =
            r#""licence_type":"constructor-1","number":"京1","serial":"T1","issued_on":"2020-05-12","status":"valid","reported":true"#;
        let holder = r#""holder":{"name":"王","id_type":"111","id_number":"110000198506120010"}"#;
        let mut lines = vec!["{}".to_owned(), "[".to_owned(), "7".to_owned(), format!("{{{good}}}")];
        for wrong in [
            r#""holder":7"#,
            r#""holder":{"name":" ","id_type":"9","id_number":true,"sex":"x","birth_date":"1/2","photo":"p.jpg"}"#,
            r#""holder":{"name":"王\u200b","id_type":"111","id_number":"11000019850612001X","photo":"data:x","signature":"data:a;base64,R0lGODlh"}"#,
            r#""holder":{"name":"王","id_type":"111","id_number":"110000850612001"}"#,
            r#""holder":{"name":"王","id_type":"511","id_number":"12"}"#,
            r#""holder":{"name":"某","id_type":"001","id_number":"9","sex":"男"}"#,
        ] {
            lines.push(format!("{{{good},{wrong}}}"));
        }
        for wrong in [
            r#""employer":{"name":"甲","uscc":"9111"},"issuer":{"name":"乙","code":"11100000000013338A"}"#,
            r#""specialties":{}"#,
            r#""specialties":[{"name":"甲","valid_from":"2022-01-01","valid_to":"2021-01-01"},{"name":"甲"},7]"#,
            r#""fields":[]"#,
            r#""fields":{"a":7,"b":"today+x"},"verison":1,"version":1000"#,
        ] {
            lines.push(format!("{{{good},{holder},{wrong}}}"));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.jsonl");
        std::fs::write(&path, lines.join("\n")).unwrap();
        let csv = folder.path().join("bad.csv");
        std::fs::write(&csv, "姓名,nmae,姓名\n王,,\n").unwrap();
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/records");
        let options = Options { today: jiff::civil::date(2026, 3, 2), lenient_identifiers: false };
        let mut english = Vec::new();
        let faults = read(&[path, csv, samples], &options).flat_map(|loaded| loaded.record.err().unwrap_or_default());
        for fault in faults {
            let said = chinese(&fault.message);
            // Names of types and formats stay; sentences do not.
            if said == fault.message || said.contains(" is ") || said.contains("expected") || said.contains("found") {
                english.push(format!("{}: {said}", fault.message));
            }
        }
        assert_eq!(english, Vec::<String>::new());
    }
}
