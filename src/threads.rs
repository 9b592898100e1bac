//! Threads for work that may block: on a file, on a directory, or on the start of a process.
//!
//! tokio's own pool is left to name look-ups, which may block its threads for long.

use std::io;

use tokio::sync::oneshot;

/// Runs some work on a thread of its own.
///
/// # Errors
/// Fails if the thread cannot start, or if the work panics.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (send, receive) = oneshot::channel();
    std::thread::Builder::new().spawn(move || {
        // The caller may no longer wait for the result.
        let _ = send.send(work());
    })?;
    receive.await.map_err(io::Error::other)
}
