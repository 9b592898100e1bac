//! The CloudWatch agent's listener for the embedded metric format: lines over TCP.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;

/// Listens on loopback, and hands on each record; returns the endpoint.
pub async fn listen(take: impl Fn(String) + Send + Sync + 'static) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("tcp://{}", listener.local_addr()?);
    let take = Arc::new(take);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let take = take.clone();
            tokio::spawn(async move {
                let mut lines = BufReader::new(stream).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    take(line);
                }
            });
        }
    });
    Ok(endpoint)
}
