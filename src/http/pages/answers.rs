//! What a verifier reads: one colour, one mark and one word for each state, from the file that the scripts read too.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::view::{Answer, Fact};
use super::words::Lang;
use crate::clock::SHANGHAI;
use crate::layout::Layouts;
use crate::verify::{State, Verdict};

/// The words; scripts fetch the same file.
pub const ANSWERS: &str = include_str!("answers.json");

#[derive(Deserialize)]
struct Words {
    tone: &'static str,
    mark: &'static str,
    headline: &'static str,
    why: &'static str,
}

static WORDS: LazyLock<BTreeMap<&str, Words>> = LazyLock::new(|| serde_json::from_str(ANSWERS).expect("a test reads it"));

/// A verdict as the page shows it. Nothing but the first character of the name leaves the house.
pub fn answer(verdict: &Verdict, layouts: &Layouts, lang: Lang) -> Answer {
    let licence = verdict.licence.as_ref();
    let (state, value) = match verdict.state {
        State::Superseded => match licence.and_then(|l| l.superseded_by) {
            Some(version) => ("superseded-by", version.to_string()),
            None => ("superseded", String::new()),
        },
        State::NotBegun => (name(verdict.state), licence.and_then(|l| l.use_from).map_or_else(String::new, |day| day.to_string())),
        state => (name(state), licence.and_then(|l| l.use_to).map_or_else(String::new, |day| day.to_string())),
    };
    let words = &WORDS[state];
    let facts = licence.map(|licence| {
        let title = layouts.iter().find(|layout| layout.qr_code == licence.licence_type).map_or("", |layout| layout.name.as_str());
        let facts = [
            Fact::of("证照类型", title),
            Fact::of("编号", licence.number.as_str()),
            Fact::days("使用有效期", licence.use_from, licence.use_to),
        ];
        facts.into_iter().flatten().collect()
    });
    Answer {
        tone: words.tone,
        mark: words.mark,
        headline: words.headline,
        why: lang.say(words.why).replace("{}", &value),
        caution: if licence.is_some_and(|l| l.test) { "测试密钥签发的样张，没有任何效力。" } else { "" },
        name: licence.map(|l| l.name.as_deref().map_or_else(|| lang.say("（请以纸面为准）").to_owned(), masked)).unwrap_or_default(),
        facts: facts.unwrap_or_default(),
        at: instant(verdict.as_of),
        source: "由发证机关的登记簿即时答复。",
    }
}

/// 王*.
pub fn masked(name: &str) -> String {
    name.chars().next().map_or_else(String::new, |first| format!("{first}*"))
}

/// Date and time of day in Shanghai.
pub fn instant(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(SHANGHAI)).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A state as the words name it.
fn name(state: State) -> &'static str {
    match state {
        State::Valid => "valid",
        State::Over => "over",
        State::NotBegun => "not-begun",
        State::Undated => "undated",
        State::Superseded => "superseded",
        State::Suspended => "suspended",
        State::Cancelled => "cancelled",
        State::Revoked => "revoked",
        State::Withdrawn => "withdrawn",
        State::Ended => "ended",
        State::Altered => "altered",
        State::Unsigned => "unsigned",
        State::NotIssued => "not-issued",
        State::OtherAddress => "other-address",
        State::NoCode => "no-code",
        State::Unreadable => "unreadable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_words() {
        let states = [
            State::Valid,
            State::Over,
            State::NotBegun,
            State::Undated,
            State::Superseded,
            State::Suspended,
            State::Cancelled,
            State::Revoked,
            State::Withdrawn,
            State::Ended,
            State::Altered,
            State::Unsigned,
            State::NotIssued,
            State::OtherAddress,
            State::NoCode,
            State::Unreadable,
        ];
        for state in states {
            let words = &WORDS[name(state)];
            assert!(!words.headline.is_empty() && !words.why.is_empty() && words.mark.chars().count() == 1, "{state:?}");
            // The API spells them the same, and so the scripts find them.
            assert_eq!(serde_json::to_value(state).unwrap(), name(state));
        }
        assert_eq!(WORDS.len(), states.len() + 1, "superseded has a second form");
    }
}
