//! Attacks on the verifier, counted: not one altered file may get grade A, not one forged one B, and each answer comes soon.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cost;
mod hostile;
mod ofd;
mod pdf;
mod qr;
mod tally;
mod vectors;
mod world;
mod zip;
