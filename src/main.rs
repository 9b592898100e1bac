//! `ecs-lifecycle-agent`: command line, configuration, logging, then the loop.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use ecs_lifecycle_agent::act::{Effects, Endpoints};
use ecs_lifecycle_agent::cli::{Cli, Command};
use ecs_lifecycle_agent::clock::Clock;
use ecs_lifecycle_agent::config::{self, LoadRequest, Settings};
use ecs_lifecycle_agent::{doctor, driver, logging, signals, terminal};

/// `EX_USAGE` of sysexits.h: the command line or the configuration is wrong, and a restart will not
/// mend it.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::SUCCESS
            };
            let _ = error.print();
            return code;
        }
    };
    let mut request = LoadRequest::system(cli.config);
    if let Some(Command::Doctor(arguments)) = &cli.command {
        request.root.clone_from(&arguments.root);
    }
    let effective = match config::load(&request) {
        Ok(effective) => effective,
        Err(error) => {
            // It is for the doctor to say what is wrong, with whatever else is.
            if let Some(Command::Doctor(arguments)) = &cli.command {
                return doctor::run(arguments, Err(error));
            }
            terminal::complain(&format!("the configuration is wrong:\n{error}"));
            return ExitCode::from(USAGE);
        }
    };
    match cli.command.unwrap_or(Command::Run) {
        Command::Doctor(arguments) => doctor::run(&arguments, Ok(effective)),
        Command::CheckConfig => terminal::print(&effective.render()),
        Command::Run => match run(&effective.settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                terminal::complain(&error.to_string());
                ExitCode::FAILURE
            }
        },
    }
}

fn run(settings: &Settings) -> Result<(), Box<dyn std::error::Error>> {
    logging::start(&settings.log)?;
    // One provider of cryptography for the SDK and for reqwest. Only a second call could fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Clock::start();
    let endpoints = Endpoints::from_environment(|name| std::env::var(name).ok());
    let effects = Effects::new(settings, &endpoints, clock)?;
    let recalled = effects.recall().unwrap_or_else(|failure| {
        tracing::warn!(
            error = failure.message,
            "what an earlier start wrote down is of no use; going on without it"
        );
        None
    });
    // One thread does for an agent that mostly waits.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stop = signals::watch(settings.drain.on_shutdown.is_some())?;
        driver::run(settings, Arc::new(effects), clock, recalled, stop).await;
        Ok::<_, std::io::Error>(())
    })?;
    // Effects may be stuck in a name look-up: do not wait for them.
    runtime.shutdown_background();
    Ok(())
}
