//! `explore`: the adversary against the core.

use std::process::ExitCode;

use ecs_lifecycle_explore::agents::Core;
use ecs_lifecycle_explore::search::cli;
use ecs_lifecycle_explore::world::World;

/// A search is one allocation after the other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main::<World<Core>>(std::env::args().skip(1))
}
