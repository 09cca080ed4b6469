//! Art that a layout names by a few numbers or a file: guilloche, seals and drawings, all as paths.

mod curves;
mod drawing;
mod guilloche;
mod seal;

pub use drawing::{drawing, fitted};
pub use guilloche::{FrameSpec, Petals, RosetteSpec, frame, rosette};
pub use seal::{SealShape, SealSpec, seal};
