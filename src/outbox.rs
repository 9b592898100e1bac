//! Queues messages for the journal or standard error, so that neither can block the loop. A separate thread writes
//! them.
//!
//! The queue is bounded. A message that does not fit, or that cannot be written, is dropped and counted.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The capacity of the queue, in messages. A drain logs one or two a second.
const ROOM: usize = 512;
/// How long `start` waits until the thread has opened the log.
const GREETING: Duration = Duration::from_secs(1);
/// How long `flush` waits for messages that are still in the queue.
const FAREWELL: Duration = Duration::from_millis(500);

static DROPPED: AtomicU64 = AtomicU64::new(0);
/// The messages in the queue, including the one that is being written.
static WAITING: Mutex<usize> = Mutex::new(0);
static FEWER: Condvar = Condvar::new();

/// How many messages were dropped since the process started.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Waits until all messages are written, for half a second at most.
pub fn flush() {
    let waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = FEWER.wait_timeout_while(waiting, FAREWELL, |waiting| *waiting > 0);
}

/// The sending end of the queue.
pub struct Outbox<T>(SyncSender<T>);

impl<T> Clone for Outbox<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + 'static> Outbox<T> {
    /// Starts the thread, which calls `open` and writes each message with its result; both may block.
    ///
    /// # Errors
    /// Fails if the thread cannot start, or if `open` fails within a second.
    pub fn start<D>(open: impl FnOnce() -> io::Result<D> + Send + 'static) -> io::Result<Self>
    where
        D: FnMut(T) -> io::Result<()>,
    {
        let (outbox, queue) = mpsc::sync_channel(ROOM);
        let (opened, is_open) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || match open() {
                Ok(hand_over) => {
                    let _ = opened.send(Ok(()));
                    empty(&queue, hand_over);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            })?;
        match is_open.recv_timeout(GREETING) {
            Ok(Err(error)) => Err(error),
            // If `open` is still blocked, messages wait in the queue.
            Ok(Ok(())) | Err(_) => Ok(Self(outbox)),
        }
    }

    /// Queues a message, or drops it if the queue is full.
    pub fn put(&self, message: T) {
        count(1);
        if self.0.try_send(message).is_err() {
            count(-1);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn count(change: isize) {
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    *waiting = waiting.saturating_add_signed(change);
    FEWER.notify_all();
}

fn empty<T>(queue: &Receiver<T>, mut hand_over: impl FnMut(T) -> io::Result<()>) {
    let (mut said, mut taken) = (0, false);
    loop {
        let message = match queue.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                let dropped = dropped();
                if taken && dropped > said {
                    tracing::warn!(
                        dropped = dropped - said,
                        "the log was blocked for a while; some messages were dropped"
                    );
                    said = dropped;
                    continue;
                }
                match queue.recv() {
                    Ok(message) => message,
                    Err(mpsc::RecvError) => return,
                }
            }
        };
        taken = hand_over(message).is_ok();
        if !taken {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        count(-1);
    }
}
