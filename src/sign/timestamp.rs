//! Time-stamps (RFC 3161): the question to a server, and its answer checked. Who carries them is the caller's matter.
