//! Counting attacks, so that the output says what was tried; and chance that is the same on every run.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use certpress::verify::{Grade, State, Verdict};

use crate::world::WORLD;

/// What an attack may reach at most.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Most {
    /// What it shows is not what was issued: grade C.
    Forged,
    /// What was issued is whole and something was added: never A, and B only with the state `altered`.
    Added,
    /// The same content in other bytes: never A.
    Rewritten,
}

/// Counts by group. Says them when it goes, and fails then with all that got through.
pub struct Tally {
    name: &'static str,
    groups: BTreeMap<&'static str, [usize; 3]>,
    through: Vec<String>,
    slowest: Duration,
}

/// What an answer may take; this is a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(5);

impl Tally {
    pub fn new(name: &'static str) -> Self {
        Self { name, groups: BTreeMap::new(), through: Vec::new(), slowest: Duration::ZERO }
    }

    /// Judges a file, and notes what it got.
    pub fn file(&mut self, group: &'static str, what: &str, bytes: &[u8], most: Most) -> Verdict {
        let judge = WORLD.judge();
        let start = Instant::now();
        let verdict = judge.file("attack", bytes);
        self.slowest = self.slowest.max(start.elapsed());
        self.note(group, what, &verdict, most);
        verdict
    }

    /// Judges the text of a QR code.
    pub fn text(&mut self, group: &'static str, what: &str, text: &str, most: Most) {
        let verdict = WORLD.judge().text(text);
        self.note(group, what, &verdict, most);
    }

    fn note(&mut self, group: &'static str, what: &str, verdict: &Verdict, most: Most) {
        let count = self.groups.entry(group).or_default();
        count[match verdict.grade {
            Grade::A => 0,
            Grade::B => 1,
            Grade::C => 2,
        }] += 1;
        let fine = match (verdict.grade, most) {
            (Grade::C, _) => verdict.licence.is_none(),
            (Grade::B, Most::Added) => verdict.state == State::Altered,
            (Grade::B, Most::Rewritten) => true,
            _ => false,
        };
        if !fine || verdict.reason.is_empty() || verdict.reason_en.is_empty() {
            self.through.push(format!("{group}: {what}: {:?} {:?} {}", verdict.grade, verdict.state, verdict.reason_en));
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        // Past the capture of test output: the counts are what this run is about.
        let mut out = std::io::stderr().lock();
        writeln!(out, "\nattacks on {}, slowest answer {:?}", self.name, self.slowest).unwrap();
        let mut line = |group: &str, [a, b, c]: [usize; 3]| {
            writeln!(out, "  {group:<60} {:>6}   A {a:>2}  B {b:>4}  C {c:>6}", a + b + c).unwrap();
        };
        let mut total = [0; 3];
        for (group, counts) in &self.groups {
            line(group, *counts);
            total.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        line("together", total);
        if !std::thread::panicking() {
            assert!(self.through.is_empty(), "{} got through:\n{}", self.through.len(), self.through.join("\n"));
            assert!(self.slowest < LONGEST, "an answer took {:?}", self.slowest);
        }
    }
}

/// xorshift64: the same numbers on every machine.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    /// Another byte.
    pub fn flip(&mut self, byte: &mut u8) {
        *byte ^= 1 << self.below(8);
    }
}

/// Where something stands, once.
pub fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).unwrap_or_else(|| panic!("no {}", String::from_utf8_lossy(wanted)))
}

/// With the first `old` replaced.
pub fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = find(bytes, old);
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}
