//! certpress issues electronic licences: records in, signed PDF and OFD licences with verifiable QR codes out.
//!
//! The line runs `record` → `annotation` → `statement` → `layout` → `page` → `render`; ARCHITECTURE.md walks it end to end.

pub mod annotation;
pub mod clock;
pub mod config;
pub mod deflate;
pub mod font;
pub mod form;
pub mod http;
pub mod issue;
pub mod layout;
pub mod page;
pub mod qr;
pub mod record;
pub mod render;
pub mod sign;
pub mod statement;
pub mod store;
pub mod verify;
