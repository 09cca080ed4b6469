//! The service as callers see it: every route, who may call it, and what it answers to the wrong and the hostile.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "http/bulk.rs"]
mod bulk;
#[path = "http/documents.rs"]
mod documents;
#[path = "http/forms.rs"]
mod forms;
#[path = "http/holder.rs"]
mod holder;
#[path = "http/hostile.rs"]
mod hostile;
#[path = "http/house.rs"]
mod house;
#[path = "http/identity.rs"]
mod identity;
#[path = "http/openapi.rs"]
mod openapi;
#[path = "http/public.rs"]
mod public;
#[path = "http/records.rs"]
mod records;
#[path = "http/roles.rs"]
mod roles;
#[path = "http/staff.rs"]
mod staff;
