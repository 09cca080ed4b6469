//! A running service as the public sees it: reached, ready, on time, its keys and its status list to be believed.

use std::path::Path;
use std::time::Duration;

use certpress::sign::{KeyList, Keyring, TrustedKey};
use certpress::verify::{StatusList, cause};
use jiff::{SignedDuration, Timestamp};
use reqwest::blocking::{Client, Response};
use reqwest::header::{ACCEPT, DATE};
use serde_json::Value;

use super::Health;

/// How far two clocks may be apart: tokens are believed up to here (`http/identity.rs`).
const APART: SignedDuration = SignedDuration::from_secs(30);
/// A service makes its list anew every hour.
const FRESH: SignedDuration = SignedDuration::from_hours(2);

/// Looks at it, and goes on after what is wrong as far as that makes sense.
pub(super) fn examine(address: &str, code: Option<&str>, keys: &Path, found: &mut impl FnMut(Health, &'static str, String)) {
    // Refused when another part of the program has done it already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().timeout(Duration::from_secs(10)).redirect(reqwest::redirect::Policy::none()).build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return found(Health::Bad, "reach", cause(&error)),
    };
    let base = address.trim_end_matches('/');
    let ask = |path: &str| client.get(format!("{base}{path}")).header(ACCEPT, "application/json").send().map_err(|e| cause(&e));
    let asked = super::super::instant(None);
    let alive = match ask("/healthz") {
        Ok(alive) => alive,
        Err(why) => return found(Health::Bad, "reach", format!("{base}: {why}; {}", remedy(&why))),
    };
    let answered = super::super::instant(None);
    transport(base, found);
    clock(&alive, asked, answered, found);

    match ask("/readyz").and_then(body) {
        Ok(_) => found(Health::Good, "ready", "register, made files, signer and the provider's keys can be used".to_owned()),
        Err(why) => found(Health::Bad, "ready", format!("{why}; its log says why, and OPERATING.md what to do")),
    }
    let listed = ask("/.well-known/certpress/keys.json").and_then(body).and_then(|text| key_list(&text));
    match listed {
        Ok(listed) => {
            key_state(&listed, keys, found);
            match ask("/.well-known/certpress/status/0").and_then(body) {
                Ok(text) => status_list(&text, &listed, answered, found),
                Err(why) => found(Health::Bad, "status", format!("the status list: {why}")),
            }
        }
        Err(why) => found(Health::Bad, "keys", format!("the key list: {why}")),
    }
    let digits = code.map_or("0", |code| code.rsplit('/').next().unwrap_or(code));
    match ask(&format!("/v/{digits}")).and_then(body) {
        Ok(text) => resolved(&text, code, found),
        Err(why) => found(Health::Bad, "code", format!("/v/ does not answer: {why}")),
    }
}

fn remedy(why: &str) -> &'static str {
    if why.contains("certificate") {
        "renew the certificate, or let this machine trust its authority (SSL_CERT_FILE names a PEM file)"
    } else {
        "check the address, that the service runs, and what stands between"
    }
}

/// The body of an answer; of a problem, what it says.
fn body(answer: Response) -> Result<String, String> {
    let status = answer.status();
    let text = answer.text().map_err(|e| cause(&e))?;
    if status.is_success() {
        return Ok(text);
    }
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    Err(problem["detail"].as_str().map_or_else(|| format!("answers {status}"), |detail| format!("{detail} ({})", status.as_u16())))
}

fn transport(base: &str, found: &mut impl FnMut(Health, &'static str, String)) {
    let host = base.split_once("://").map_or(base, |(_, rest)| rest);
    if base.starts_with("https://") {
        found(Health::Good, "reach", format!("{base} answers, with a certificate that is trusted here"));
    } else if ["127.", "localhost", "[::1]"].iter().any(|own| host.starts_with(own)) {
        found(Health::Good, "reach", format!("{base} answers, on this machine"));
    } else {
        found(Health::Warning, "reach", format!("{base} answers without TLS: what it says can be read and changed on the way; use https"));
    }
}

fn clock(answer: &Response, asked: Timestamp, answered: Timestamp, found: &mut impl FnMut(Health, &'static str, String)) {
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let Some(theirs) = date.and_then(|date| parser.parse_timestamp(date).ok()) else {
        return found(Health::Warning, "clock", "the answer has no Date, so the clocks cannot be compared".to_owned());
    };
    // A date has whole seconds, and was written at some moment between.
    let apart = if theirs < asked - SignedDuration::from_secs(1) {
        asked.duration_since(theirs)
    } else if theirs > answered {
        theirs.duration_since(answered)
    } else {
        return found(Health::Good, "clock", "as on this machine".to_owned());
    };
    let (seconds, side) = (apart.as_secs(), if theirs < asked { "behind" } else { "ahead of" });
    let health = if apart > APART { Health::Bad } else { Health::Warning };
    found(health, "clock", format!("{seconds} s {side} this machine's; let both follow one time server, tokens and use periods go by it"));
}

fn key_list(text: &str) -> Result<Vec<TrustedKey>, String> {
    let list: KeyList = serde_json::from_str(text).map_err(|e| e.to_string())?;
    list.trusted(Path::new("keys.json")).map_err(|e| e.to_string())
}

fn key_state(listed: &[TrustedKey], keys: &Path, found: &mut impl FnMut(Health, &'static str, String)) {
    if listed.iter().any(|key| key.test) {
        found(Health::Warning, "keys", format!("{} listed, test keys among them: what they sign are samples", listed.len()));
    } else {
        found(Health::Good, "keys", format!("{} listed", listed.len()));
    }
    // Whoever has the keys here can compare; others need not.
    if let Ok(own) = Keyring::open(keys)
        && !listed.iter().any(|key| key.kid == own.statement.kid)
    {
        let message =
            format!("the key in use in {} is not listed: the service was started with other keys, or before they changed", keys.display());
        found(Health::Warning, "keys", message);
    }
}

fn status_list(text: &str, listed: &[TrustedKey], now: Timestamp, found: &mut impl FnMut(Health, &'static str, String)) {
    let list = match StatusList::read(text, listed) {
        Ok(list) => list,
        Err(why) => return found(Health::Bad, "status", format!("the status list is not to be believed: {why}")),
    };
    let (age, until) = (now.duration_since(list.issued), list.expires);
    let minutes = age.as_mins();
    if now >= until {
        found(Health::Bad, "status", format!("the status list ended at {until}; something before the service keeps an old one"));
    } else if age > FRESH {
        found(
            Health::Warning,
            "status",
            format!("the status list is {minutes} minutes old; something before the service keeps it too long"),
        );
    } else {
        found(Health::Good, "status", format!("the status list is signed, {minutes} minutes old, good until {until}"));
    }
}

fn resolved(text: &str, code: Option<&str>, found: &mut impl FnMut(Health, &'static str, String)) {
    let verdict: Value = serde_json::from_str(text).unwrap_or_default();
    let said = |name: &str| verdict[name].as_str().unwrap_or("nothing").to_owned();
    let (health, message) = match (code, said("grade").as_str()) {
        (Some(_), "A") => (Health::Good, format!("known: {}", said("reason_en"))),
        (Some(_), _) => (Health::Bad, format!("not known to this service: {}; is it the register that issued it?", said("reason_en"))),
        (None, "C") => (Health::Good, "what is no code is answered so; --code tries one that was issued".to_owned()),
        (None, _) => (Health::Bad, format!("what is no code gets the answer `{}`; is this certpress?", said("state"))),
    };
    found(health, "code", message);
}
