//! See `metadata` in `tests/fuzz_targets/mod.rs`.

#![no_main]

use ecs_lifecycle_agent_fuzz::fuzz_targets::metadata;

libfuzzer_sys::fuzz_target!(|input: &[u8]| metadata(input));
