//! Judging the text of a QR code: signature first, then dates, then the register.

use jiff::Timestamp;

use super::genuine::Genuine;
use super::{Judge, Licence, Reason, Refusal, State};
use crate::clock::shanghai_date;
use crate::qr::{Capsule, CapsuleName, digits};
use crate::sign::TrustedKey;

/// Judges a text that is the installation's address followed by digits, or the digits alone. Everything that no trusted
/// key has signed gets one and the same answer, whatever is wrong with it.
pub(super) fn judge(judge: &Judge, text: &str) -> Result<Genuine, Refusal> {
    let Some(genuine) = open(judge, text) else {
        return Err(Refusal::new(
            State::NotIssued,
            Reason::new("不是由可信密钥签发的证照二维码", "This is not the QR code of a licence issued by any key in the trust list"),
        ));
    };
    let (address, _) = split(text);
    if !address.is_empty() && address != judge.verify_base {
        // The digits were copied from a genuine code; what a phone opens is somebody else's page.
        let base = judge.verify_base;
        return Err(Refusal::new(
            State::OtherAddress,
            Reason {
                zh: format!("二维码网址不是“{base}”，请勿打开；如该网址属于发证机关，请在 verify_base 中设置"),
                en: format!("Its address is not {base}, so do not open it; if it is the authority's own, set verify_base to it"),
            },
        ));
    }
    Ok(genuine)
}

/// What the digits at the end of a text say, when a trusted key has signed them.
pub(super) fn open(judge: &Judge, text: &str) -> Option<Genuine> {
    let (_, digits) = split(text);
    let bytes = digits::decode(digits).ok()?;
    let (capsule, key) = Capsule::open(&bytes, judge.trusted).ok()?;
    let state = state(&capsule, judge.at);
    Some(Genuine {
        licence: licence(&capsule, key),
        state,
        reason: dates(&capsule, state),
        digits: digits.to_owned(),
        statement: capsule.statement_hash,
        added: None,
        note: None,
    })
}

/// Whether a text could be a code at all, genuine or not.
pub(super) fn is_spelled_like_a_code(text: &str) -> bool {
    let (address, digits) = split(text);
    !digits.is_empty()
        && digits::decode(digits).is_ok()
        && (address.is_empty() || address.starts_with("https://") || address.starts_with("http://"))
}

/// What stands before the digits at the end, and those.
fn split(text: &str) -> (&str, &str) {
    text.split_at(text.trim_end_matches(|c: char| c.is_ascii_digit()).len())
}

fn state(capsule: &Capsule, at: Timestamp) -> State {
    let today = shanghai_date(at);
    match capsule.period {
        Some((from, _)) if today < from => State::NotBegun,
        Some((_, to)) if today > to => State::Over,
        Some(_) => State::Valid,
        None if at.as_second() < i64::from(capsule.issued_at) => State::NotBegun,
        None => State::Undated,
    }
}

fn dates(capsule: &Capsule, state: State) -> Reason {
    let period = capsule.period.map(|(from, to)| (format!("{from}至{to}"), format!("{from} to {to}"))).unwrap_or_default();
    let (zh, en) = match (state, capsule.period) {
        (State::NotBegun, Some(_)) => ("使用有效期尚未开始", "Its use period has not begun"),
        (State::NotBegun, None) => ("尚未签发", "It is not yet issued at that instant"),
        (State::Over, _) => ("使用有效期已过", "Its use period is over"),
        (State::Undated, _) => {
            ("该类证照没有使用有效期，以证照所载注册有效期为准", "This type has no use period: the registration dates on its face decide")
        }
        _ => ("在使用有效期内", "It is inside its use period"),
    };
    if capsule.period.is_none() {
        return Reason::new(zh, en);
    }
    Reason { zh: format!("{zh}（{}）", period.0), en: format!("{en} ({})", period.1) }
}

fn licence(capsule: &Capsule, key: &TrustedKey) -> Licence {
    Licence {
        number: capsule.number.clone(),
        name: match &capsule.name {
            CapsuleName::Plain(name) => Some(name.clone()),
            CapsuleName::Commitment(_) => None,
        },
        identifier: None,
        version: None,
        superseded_by: None,
        licence_type: capsule.licence_type,
        use_from: capsule.period.map(|(from, _)| from),
        use_to: capsule.period.map(|(_, to)| to),
        issued_at: Timestamp::from_second(capsule.issued_at.into()).expect("four bytes of seconds are in range"),
        key: hex::encode(capsule.kid),
        test: key.test,
        status_index: Some(capsule.status_index).filter(|&index| index != Capsule::NO_STATUS),
        statement: hex::encode(capsule.statement_hash),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{BASE, digits, judge, trusted, vectors};
    use super::super::{Grade, Verdict};
    use super::*;

    fn state_at(vector: usize, at: &str) -> State {
        let keys = trusted(false);
        let verdict = judge(&keys, at).text(&format!("{BASE}{}", digits(vector)));
        assert_eq!(verdict.grade, Grade::B);
        verdict.state
    }

    #[test]
    fn dates_are_days_in_shanghai_and_both_ends_count() {
        assert_eq!(state_at(0, "2021-04-21T15:59:59Z"), State::NotBegun);
        assert_eq!(state_at(0, "2021-04-21T16:00:00Z"), State::Valid);
        assert_eq!(state_at(0, "2021-10-19T15:59:59Z"), State::Valid);
        assert_eq!(state_at(0, "2021-10-19T16:00:00Z"), State::Over);
    }

    #[test]
    fn without_a_use_period_the_registration_decides() {
        // Issued at 1700000000, 2023-11-14T22:13:20Z.
        assert_eq!(state_at(2, "2023-11-14T22:13:19Z"), State::NotBegun);
        assert_eq!(state_at(2, "2023-11-14T22:13:20Z"), State::Undated);
    }

    #[test]
    fn a_commitment_hides_the_name() {
        let keys = trusted(false);
        for (i, vector) in vectors()["vectors"].as_array().unwrap().iter().enumerate() {
            let licence = judge(&keys, "2022-01-01T00:00:00Z").text(&digits(i)).licence.unwrap();
            assert_eq!(licence.number, vector["number"].as_str().unwrap());
            assert_eq!(licence.name.as_deref(), vector["name"].as_str().filter(|_| vector["commitment"] == false));
        }
    }

    #[test]
    fn a_test_key_says_so() {
        let keys = trusted(true);
        let verdict = judge(&keys, "2021-05-01T00:00:00Z").text(&digits(0));
        assert!(verdict.licence.unwrap().test);
        assert!(verdict.reason.contains("样张") && verdict.reason_en.contains("sample"), "{}", verdict.reason);
    }

    #[test]
    fn every_changed_character_is_refused() {
        let keys = trusted(false);
        let judge = judge(&keys, "2021-05-01T00:00:00Z");
        let text = format!("{BASE}{}", digits(0));
        assert_eq!(judge.text(&text).grade, Grade::B);
        for place in 0..text.len() {
            for other in ["0", "1", "5", "9", "a", "A", "/", " ", "０", ""] {
                let changed = format!("{}{other}{}", &text[..place], &text[place + 1..]);
                if changed != text {
                    let verdict = judge.text(&changed);
                    assert!(verdict.grade == Grade::C && verdict.licence.is_none(), "{changed}");
                }
            }
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let keys = trusted(false);
        let judge = judge(&keys, "2021-05-01T00:00:00Z");
        let digits = digits(0);
        for text in [
            format!("HTTPS://ZZ.EXAMPLE.CN/V/{digits}"),
            format!("http://zz.example.cn/v/{digits}"),
            format!("{BASE}{digits}/"),
            format!("{BASE}{digits}?x=1"),
            format!("{BASE}{digits}\n"),
            format!(" {BASE}{digits}"),
            format!("{BASE} {digits}"),
            format!("{BASE}0{digits}"),
            format!("{BASE}{BASE}{digits}"),
            format!("{BASE}+{digits}"),
            format!("https://evil.example/?next={BASE}{digits}"),
            String::new(),
            BASE.to_owned(),
        ] {
            assert_eq!(judge.text(&text).grade, Grade::C, "{text}");
        }
        assert_eq!(judge.text(&format!("https://evil.example/v/{digits}")).state, State::OtherAddress);
    }

    #[test]
    fn what_was_never_issued_gets_one_answer() {
        let (keys, nobody) = (trusted(false), Vec::new());
        let altered = digits(0).replacen("0496", "0497", 1);
        let told = |verdict: Verdict| (verdict.grade, verdict.state, verdict.reason, verdict.reason_en, verdict.licence);
        let at = "2021-05-01T00:00:00Z";
        let answers = [
            judge(&keys, at).text("hello"),
            judge(&keys, at).text(&altered),
            judge(&keys, at).text("https://evil.example/v/123"),
            judge(&keys, at).text(&"9".repeat(1_000_000)),
            judge(&nobody, at).text(&digits(0)),
        ]
        .map(told);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(answers[0].1, State::NotIssued);
    }
}
