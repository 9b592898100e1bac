//! Bodies of answers: whole, or streamed and possibly broken off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::connection::ResetFlag;

/// A body.
pub(crate) enum SimBody {
    Whole(Option<Bytes>),
    Streamed(mpsc::Receiver<io::Result<Bytes>>),
}

/// Long enough for what was written before to reach the caller ahead of a reset.
const BEFORE_THE_BREAK: Duration = Duration::from_millis(20);

impl SimBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes))
    }

    /// The first half of the bytes, and then the connection breaks: with a reset if so wanted.
    pub(crate) fn broken(bytes: &Bytes, reset: Option<ResetFlag>) -> Self {
        let half = bytes.slice(..bytes.len() / 2);
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            if !half.is_empty() {
                let _ = sender.send(Ok(half)).await;
            }
            tokio::time::sleep(BEFORE_THE_BREAK).await;
            if let Some(reset) = reset {
                reset.set();
            }
            let _ = sender
                .send(Err(io::Error::other("broken off on purpose")))
                .await;
        });
        Self::Streamed(receiver)
    }

    /// So many bytes.
    pub(crate) fn huge(bytes: u64) -> Self {
        const CHUNK: usize = 64 * 1024;
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(async move {
            let chunk = Bytes::from(vec![b'x'; CHUNK]);
            let mut left = bytes;
            while left > 0 {
                let size = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
                if sender.send(Ok(chunk.slice(..size))).await.is_err() {
                    return;
                }
                left -= size as u64;
            }
        });
        Self::Streamed(receiver)
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Streamed(chunks) => chunks.poll_recv(cx).map(|c| c.map(|c| c.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Self::Streamed(_) => SizeHint::default(),
        }
    }
}
