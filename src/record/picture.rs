//! Photos and signatures: decoded once on entry, kept in a form that every renderer can embed as it is.

/// How a picture's bytes are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PictureFormat {
    /// Baseline or progressive JPEG, grey or RGB, upright.
    Jpeg,
    /// PNG, grey or RGB, with or without alpha, 8 bits.
    Png,
}

/// A picture that has been decoded once and found good.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// How `bytes` are encoded.
    pub format: PictureFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Whether it is grey rather than RGB.
    pub grey: bool,
    /// Whether it has an alpha channel (PNG only).
    pub alpha: bool,
    /// The file, as embedded.
    pub bytes: Vec<u8>,
}
