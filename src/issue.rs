//! The whole line from record to issued licence.
