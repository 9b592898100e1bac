//! As much HTTP as it takes to ask a local server something.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Status and body of the answer to a form.
pub async fn post(
    endpoint: &str,
    headers: &[(&str, &str)],
    form: &[(&str, &str)],
) -> io::Result<(u16, String)> {
    let url = reqwest::Url::parse_with_params("http://x/", form).unwrap();
    let body = url.query().unwrap();
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{headers}\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("http://")).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no answer: {answer:?}")))?;
    Ok((status, answer))
}
