//! What the fuzz targets check, shared with `tests/fuzz_short.rs`.

#[path = "../../tests/fuzz_targets/mod.rs"]
pub mod fuzz_targets;
