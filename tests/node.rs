//! The service as a process among others: several nodes, PostgreSQL, S3, a failing disk, a provider of tokens, a slow signer.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "node/blobs.rs"]
mod blobs;
#[path = "node/disk.rs"]
mod disk;
#[path = "node/doctor.rs"]
mod doctor;
#[path = "node/nodes.rs"]
mod nodes;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "node/production.rs"]
mod production;
#[path = "node/provider.rs"]
mod provider;
#[path = "node/sealing.rs"]
mod sealing;
#[path = "support/server.rs"]
mod server;
