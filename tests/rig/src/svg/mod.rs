//! What pictures are drawn with: one SVG file without scripts or fonts of its own, on a light card.

pub mod canvas;
pub mod scale;
pub mod text;
