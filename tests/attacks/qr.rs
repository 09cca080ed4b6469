//! Attacks on the QR code: every character, every byte of every field, other spellings, and what signature schemes get wrong.

use certpress::qr::{Capsule, CapsuleName, digits};
use certpress::sign::{StatementKey, TrustedKey};
use certpress::verify::{Grade, Judge, State};
use ed25519_dalek::VerifyingKey;
use jiff::ToSpan as _;

use crate::tally::Most::Forged;
use crate::tally::Tally;
use crate::world::{WORLD, at};

/// Address, and the bytes of the capsule.
fn parts() -> (&'static str, Vec<u8>) {
    let text = &WORLD.architect.qr;
    let base = WORLD.settings.verify_base.as_str();
    (base, digits::decode(text.strip_prefix(base).unwrap()).unwrap())
}

/// Little-endian, the order of the group (RFC 8032 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0x10,
];

#[test]
fn the_genuine_code_is_grade_a() {
    let verdict = WORLD.judge().text(&WORLD.architect.qr);
    assert_eq!((verdict.grade, verdict.state), (Grade::A, State::Valid), "{}", verdict.reason_en);
}

#[test]
fn characters_and_spellings() {
    let mut tally = Tally::new("the text of a QR code");
    let text = &WORLD.architect.qr;
    for at in 0..text.len() {
        let digit = ((at * 7 + 3) % 10).to_string();
        for other in [digit.as_str(), "a", "/", " ", "０", "\u{200b}", ""] {
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            if changed != *text {
                tally.text("a character replaced", &format!("{at} by {other:?}"), &changed, Forged);
            }
            tally.text("a character inserted", &format!("{at} {other:?}"), &format!("{}{other}{}x", &text[..at], &text[at..]), Forged);
        }
        if at % 3 == 0 {
            tally.text("cut short", &at.to_string(), &text[..at], Forged);
        }
    }
    for at in (0..text.len() - 1).step_by(3) {
        let mut swapped = text.clone().into_bytes();
        swapped.swap(at, at + 1);
        let swapped = String::from_utf8(swapped).unwrap();
        if swapped != *text {
            tally.text("two characters swapped", &at.to_string(), &swapped, Forged);
        }
    }
    let (base, digits) = text.split_at(WORLD.settings.verify_base.len());
    for other in [
        text.to_uppercase(),
        format!("{text}/"),
        format!("{text}#"),
        format!("{text}?a=b"),
        format!("{text}\n"),
        format!("{text}{digits}"),
        format!(" {text}"),
        format!("{base}0{digits}"),
        format!("{base}000{digits}"),
        format!("{base}+{digits}"),
        format!("{base}%30{}", &digits[1..]),
        format!("{base}{base}{digits}"),
        format!("{}{digits}", base.replace("https", "http")),
        format!("{}{digits}", base.replace("zz.", "zz.example.cn.")),
        format!("{}{digits}", base.replace("example", "ехample")),
        format!("https://attacker.example/v/{digits}"),
        format!("https://attacker.example/?{text}"),
        format!("javascript:{digits}"),
        format!("\u{feff}{text}"),
    ] {
        tally.text("another spelling", &other.clone(), &other, Forged);
    }
}

#[test]
fn fields_and_signatures() {
    let mut tally = Tally::new("the capsule of a QR code");
    let (base, capsule) = parts();
    let mut judge = |group, what: &str, bytes: &[u8]| tally.text(group, what, &format!("{base}{}", digits::encode(bytes)), Forged);
    for at in 0..capsule.len() {
        for bit in [at % 8, (at + 5) % 8] {
            let mut changed = capsule.clone();
            changed[at] ^= 1 << bit;
            judge(if at < capsule.len() - 64 { "a bit of a field" } else { "a bit of the signature" }, &format!("{at}.{bit}"), &changed);
        }
        if at % 4 == 0 {
            judge("a byte left out", &at.to_string(), &[&capsule[..at], &capsule[at + 1..]].concat());
            judge("a byte more", &at.to_string(), &[&capsule[..at], &[0], &capsule[at..]].concat());
        }
    }
    let (body, signature) = capsule.split_at(capsule.len() - 64);
    // S + L is the same number modulo L, and the second spelling of the signature.
    let mut malleable = signature.to_vec();
    let mut carry = 0u16;
    for (byte, order) in malleable[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    judge("S beyond the order", "S + L", &[body, &malleable].concat());
    for (what, signature) in [("zeros", [0; 64]), ("ones", [0xff; 64])] {
        judge("no signature", what, &[body, &signature].concat());
    }
    // Every field changed by somebody with a key of their own: under its own kid, and under the trusted one's.
    let stranger = StatementKey::from_seed(&[9; 32]);
    let trusted = &WORLD.trusted[0];
    let (own, _) = Capsule::open(&capsule, &WORLD.trusted).unwrap();
    let (from, to) = own.period.unwrap();
    let other = |change: &dyn Fn(&mut Capsule)| {
        let mut capsule = own.clone();
        change(&mut capsule);
        capsule
    };
    for (what, forged) in [
        ("unchanged", own.clone()),
        ("type", other(&|c| c.licence_type += 1)),
        ("begin", other(&|c| c.period = Some((from - 100.days(), to)))),
        ("end", other(&|c| c.period = Some((from, to + 3650.days())))),
        ("no period", other(&|c| c.period = None)),
        ("issued at", other(&|c| c.issued_at += 1)),
        ("status", other(&|c| c.status_index = 0)),
        ("number", other(&|c| c.number = "京1112012201990002".to_owned())),
        ("name", other(&|c| c.name = CapsuleName::Plain("李四".to_owned()))),
        ("name hidden", other(&|c| c.name = CapsuleName::Commitment([0; 8]))),
        ("statement", other(&|c| c.statement_hash = [0; 16])),
    ] {
        let signed = Capsule { kid: stranger.kid, ..forged }.sign(&stranger).unwrap();
        let bytes = digits::decode(&signed).unwrap();
        judge("a stranger's key", what, &bytes);
        let mut disguised = bytes;
        disguised[1..3].copy_from_slice(&trusted.kid);
        judge("a stranger's key in disguise", what, &disguised);
        let own_signature = [&disguised[..disguised.len() - 64], signature].concat();
        if what != "unchanged" {
            judge("another capsule, our signature", what, &own_signature);
        }
    }
}

/// A trusted key of small order would make one signature hold for every message; nobody has one, and it would not count.
#[test]
fn keys_of_small_order_sign_nothing() {
    let (base, capsule) = parts();
    let identity: [u8; 32] = std::array::from_fn(|i| u8::from(i == 0));
    let mut weak = 0;
    for encoded in [identity, [0; 32], ORDER] {
        let Ok(key) = VerifyingKey::from_bytes(&encoded) else { continue };
        weak += usize::from(key.is_weak());
        let trusted = [TrustedKey { kid: [capsule[1], capsule[2]], key, test: false, from: None, until: None }];
        let judge = Judge { trusted: &trusted, at: at(), ..WORLD.judge() };
        for signature in [[identity, [0; 32]].concat(), [0; 64].to_vec(), [[0; 32], [0; 32]].concat()] {
            let forged = [&capsule[..capsule.len() - 64], &signature].concat();
            assert_eq!(judge.text(&format!("{base}{}", digits::encode(&forged))).grade, Grade::C);
        }
    }
    assert!(weak >= 2, "the keys under test are of small order");
}
