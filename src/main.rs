//! `ecs-lifecycle-agent`: command line, configuration, logging, then the loop.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use ecs_lifecycle_agent::cli::{Cli, Command};
use ecs_lifecycle_agent::clients::Endpoints;
use ecs_lifecycle_agent::clock::Clock;
use ecs_lifecycle_agent::config::{self, Effective, LoadRequest, Settings};
use ecs_lifecycle_agent::control::client::Control;
use ecs_lifecycle_agent::control::{Ask, server};
use ecs_lifecycle_agent::effects::Effects;
use ecs_lifecycle_agent::{capacity, doctor, driver, logging, outbox, previous, signals, terminal};
use tokio::sync::mpsc;

/// `EX_USAGE` of sysexits.h: the command line or the configuration is wrong. systemd does not restart the agent,
/// because a restart would not help.
const USAGE: u8 = 64;
/// The most threads for name look-ups, each of which can block. No name has more than one, and there are fewer names.
const LOOK_UPS: usize = 8;

/// The C library of the static binary brings an allocator that keeps freed memory for the thread that has freed it. It
/// never reuses what one thread allocates and another one frees, such as a long list of tasks.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

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
            // `doctor` reports an invalid configuration together with its other findings.
            if let Some(Command::Doctor(arguments)) = &cli.command {
                return doctor::run(arguments, Err(error));
            }
            if !matches!(cli.command, Some(Command::CheckConfig)) {
                let service = matches!(cli.command, None | Some(Command::Run));
                previous::hand_over(&error, service);
            }
            terminal::complain(&format!("invalid configuration:\n{error}"));
            return ExitCode::from(USAGE);
        }
    };
    match cli.command.unwrap_or(Command::Run) {
        Command::Doctor(arguments) => doctor::run(&arguments, Ok(effective)),
        Command::CheckConfig => {
            for warning in &effective.warnings {
                terminal::complain(&format!("warning: {warning}"));
            }
            terminal::print(&effective.render())
        }
        Command::Status { json, watch } => control(&effective.settings, async |agent| {
            agent.status(json, watch).await
        }),
        Command::Drain { wait, timeout } => control(&effective.settings, async |agent| {
            agent.drain(timeout, wait).await
        }),
        Command::Capacity { json } => capacity::run(&effective.settings, json),
        Command::Undrain => control(&effective.settings, async |agent| agent.undrain().await),
        Command::Run => {
            let result = run(&effective);
            outbox::flush();
            match result {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    terminal::complain(&error.to_string());
                    ExitCode::FAILURE
                }
            }
        }
    }
}

/// Runs a subcommand that talks to the running agent over its socket.
fn control(settings: &Settings, ask: impl AsyncFnOnce(Control) -> ExitCode) -> ExitCode {
    // reqwest requires a crypto provider, although nothing is encrypted here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let asked = Control::new(&settings.agent.socket)
        .map_err(|error| error.to_string())
        .and_then(|agent| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            Ok(runtime.block_on(ask(agent)))
        });
    asked.unwrap_or_else(|error| {
        terminal::complain(&error);
        ExitCode::FAILURE
    })
}

fn run(effective: &Effective) -> Result<(), Box<dyn std::error::Error>> {
    let settings = &effective.settings;
    logging::start(&settings.log)?;
    for warning in &effective.warnings {
        tracing::warn!(
            warning = warning.to_string(),
            "the configuration uses a name that has changed; it is accepted for now"
        );
    }
    // The SDK and reqwest share this crypto provider. Only a second call could fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Clock::start();
    let endpoints = Endpoints::from_environment(|name| std::env::var(name).ok());
    let effects = Effects::new(settings, &endpoints, clock);
    // One thread is enough for an agent that mostly waits.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(LOOK_UPS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let recalled = effects.recall().await.unwrap_or_else(|failure| {
            tracing::warn!(error = failure.message, "ignoring unusable state file");
            None
        });
        let stop = signals::watch(settings.drain.on_shutdown.is_some())?;
        let asks = listen(&settings.agent.socket);
        let (settings, effects) = (settings.clone(), Arc::new(effects));
        // As a task of its own it is woken without another look at the timers and sockets.
        tokio::spawn(
            async move { driver::run(&settings, effects, clock, recalled, stop, asks).await },
        )
        .await?
    })?;
    // Effects may still be blocked in a name look-up, and the exit does not wait for them.
    runtime.shutdown_background();
    Ok(())
}

/// Listens on the control socket. If that fails, the agent runs without it.
fn listen(socket: &Path) -> mpsc::UnboundedReceiver<Ask> {
    let (send, asks) = mpsc::unbounded_channel();
    match server::bind(socket) {
        Ok(listener) => {
            tokio::spawn(server::serve(listener, send));
        }
        Err(error) => tracing::warn!(
            socket = socket.display().to_string(),
            error = error.to_string(),
            "cannot listen on agent.socket: status, drain, undrain and metrics will not work"
        ),
    }
    asks
}
