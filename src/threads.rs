//! Threads for what may block: a file, a directory, the start of a process.
//!
//! tokio's own pool is left to name look-ups, which may fill it.

use std::io;

use tokio::sync::oneshot;

/// Does some work on a thread of its own.
///
/// # Errors
/// Where there can be no thread.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (send, receive) = oneshot::channel();
    std::thread::Builder::new().spawn(move || {
        // Whoever asked may have gone away.
        let _ = send.send(work());
    })?;
    receive.await.map_err(io::Error::other)
}
