//! See `introspection` in `tests/fuzz_targets/mod.rs`.

#![no_main]

use ecs_lifecycle_agent_fuzz::fuzz_targets::introspection;

libfuzzer_sys::fuzz_target!(|input: &[u8]| introspection(input));
