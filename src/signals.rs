//! Signals to the process.

use std::io;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;

/// Passes on SIGTERM and SIGINT by name.
///
/// # Errors
/// Where the handlers cannot be set up.
pub fn watch() -> io::Result<mpsc::UnboundedReceiver<&'static str>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (send, receive) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(signal) = signals.next().await {
            let name = if signal == SIGINT {
                "SIGINT"
            } else {
                "SIGTERM"
            };
            if send.send(name).is_err() {
                return;
            }
        }
    });
    Ok(receive)
}
