//! Prints the configuration file that the packages install: every key, commented out.

#![expect(clippy::print_stdout, reason = "it is what the program is for")]

fn main() {
    print!("{}", ecs_lifecycle_agent::config::sample_config());
}
