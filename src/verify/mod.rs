//! Judging what comes back: a QR text, a picture that holds one, and (later) files.
