//! A minimal HTTP client that shows exactly what came over the wire, and requests as callers sign them.

// Each test file uses its own part.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::io;
use std::time::Duration;

use ecs_lifecycle_simulator::Instance;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const SOON: Duration = Duration::from_secs(5);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let prefix = format!("{}:", name.to_lowercase());
        let line = self
            .head
            .lines()
            .find(|l| l.to_lowercase().starts_with(&prefix))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    }

    /// Whether the body is as long as was said.
    pub fn complete(&self) -> bool {
        self.header("content-length")
            .is_none_or(|l| l == self.body.len().to_string())
    }
}

/// Sends one request on a connection of its own, within a time limit.
pub async fn send(
    endpoint: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answer> {
    let exchange = exchange(endpoint, method, path, headers, body);
    tokio::time::timeout(SOON, exchange)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn exchange(
    endpoint: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answer> {
    let mut stream = connect(endpoint).await?;
    stream
        .write_all(request(method, path, headers, body, "close").as_bytes())
        .await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    if bytes.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let end = bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Answer {
        status,
        head,
        body: bytes[end + 4..].to_vec(),
    })
}

pub async fn connect(endpoint: &str) -> io::Result<TcpStream> {
    TcpStream::connect(endpoint.strip_prefix("http://").unwrap()).await
}

pub fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
    connection: &str,
) -> String {
    let headers: String = headers
        .iter()
        .map(|(n, v)| format!("{n}: {v}\r\n"))
        .collect();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// A metadata token.
pub async fn token(instance: &Instance) -> String {
    let headers = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];
    let answer = send(
        &instance.imds_endpoint(),
        "PUT",
        "/latest/api/token",
        &headers,
        "",
    )
    .await
    .unwrap();
    assert_eq!(answer.status, 200);
    answer.text()
}

/// Metadata, with a fresh token.
pub async fn metadata(instance: &Instance, path: &str) -> Answer {
    let token = token(instance).await;
    let headers = [("X-aws-ec2-metadata-token", token.as_str())];
    send(
        &instance.imds_endpoint(),
        "GET",
        &format!("/latest/{path}"),
        &headers,
        "",
    )
    .await
    .unwrap()
}

pub async fn introspect(instance: &Instance, path: &str) -> io::Result<Answer> {
    send(&instance.introspection_endpoint(), "GET", path, &[], "").await
}

/// An access key id and its session token, if it has one.
#[derive(Clone, Debug)]
pub struct Keys {
    pub id: String,
    pub token: Option<String>,
}

impl Keys {
    pub fn fixed() -> Self {
        Self {
            id: ecs_lifecycle_simulator::STATIC_ACCESS_KEY_ID.to_owned(),
            token: None,
        }
    }

    /// From the instance's metadata service.
    pub async fn of(instance: &Instance) -> Self {
        let role = metadata(instance, "meta-data/iam/security-credentials/")
            .await
            .text();
        let path = format!("meta-data/iam/security-credentials/{role}");
        let document = metadata(instance, &path).await.json();
        assert_eq!(document["Code"], "Success");
        Self {
            id: document["AccessKeyId"].as_str().unwrap().to_owned(),
            token: document["Token"].as_str().map(str::to_owned),
        }
    }

    fn authorization(&self) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential={}/20240101/us-east-1/any/aws4_request, SignedHeaders=host, Signature=00",
            self.id
        )
    }
}

/// An ECS call.
pub async fn ecs(
    endpoint: &str,
    keys: &Keys,
    operation: &str,
    params: &Value,
) -> io::Result<Answer> {
    let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
    let authorization = keys.authorization();
    let mut headers = vec![
        ("X-Amz-Target", target.as_str()),
        ("Content-Type", "application/x-amz-json-1.1"),
        ("Authorization", authorization.as_str()),
    ];
    if let Some(token) = &keys.token {
        headers.push(("X-Amz-Security-Token", token));
    }
    send(endpoint, "POST", "/", &headers, &params.to_string()).await
}

/// A query call: the version is Auto Scaling's or CloudFormation's.
pub async fn query(
    endpoint: &str,
    keys: &Keys,
    version: &str,
    operation: &str,
    params: &[(&str, &str)],
) -> io::Result<Answer> {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", operation)
        .append_pair("Version", version)
        .extend_pairs(params)
        .finish();
    let authorization = keys.authorization();
    let mut headers = vec![
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Authorization", authorization.as_str()),
    ];
    if let Some(token) = &keys.token {
        headers.push(("X-Amz-Security-Token", token));
    }
    send(endpoint, "POST", "/", &headers, &body).await
}

pub const AUTO_SCALING: &str = "2011-01-01";
pub const CLOUDFORMATION: &str = "2010-05-15";
