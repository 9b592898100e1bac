//! A minimal HTTP client that shows exactly what came over the wire, and requests as callers sign them.

// Each test file uses its own part.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::io;
use std::time::Duration;

use ecs_lifecycle_simulator::{Instance, InstanceSpec, Scenario, Simulator, World};
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
        let mut lines = self.head.lines();
        let line = lines.find(|l| l.to_lowercase().starts_with(&prefix))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    }

    /// Whether the body is as long as was said.
    pub fn complete(&self) -> bool {
        let length = self.header("content-length");
        length.is_none_or(|l| l == self.body.len().to_string())
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
    let text = request(method, path, headers, body, "close");
    let answer = tokio::time::timeout(SOON, exchange(endpoint, &text)).await;
    answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn exchange(endpoint: &str, request: &str) -> io::Result<Answer> {
    let mut stream = connect(endpoint).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    if bytes.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
    let end = end.expect("a head");
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
    let headers = headers.iter().map(|(n, v)| format!("{n}: {v}\r\n"));
    let headers: String = headers.collect();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// A metadata token.
pub async fn token(instance: &Instance) -> String {
    let headers = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];
    let imds = instance.imds_endpoint();
    let answer = send(&imds, "PUT", "/latest/api/token", &headers, "").await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200);
    answer.text()
}

/// Metadata, with a fresh token.
pub async fn metadata(instance: &Instance, path: &str) -> Answer {
    let token = token(instance).await;
    let headers = [("X-aws-ec2-metadata-token", token.as_str())];
    let (imds, path) = (instance.imds_endpoint(), format!("/latest/{path}"));
    send(&imds, "GET", &path, &headers, "").await.unwrap()
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
        let role = metadata(instance, "meta-data/iam/security-credentials/").await;
        let role = role.text();
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

/// Who calls the APIs.
pub struct Api {
    pub simulator: Simulator,
    pub keys: Keys,
}

impl Api {
    pub fn new(simulator: &Simulator, keys: Keys) -> Self {
        let simulator = simulator.clone();
        Self { simulator, keys }
    }

    pub async fn ecs(&self, operation: &str, params: &Value) -> Answer {
        let endpoint = self.simulator.ecs_endpoint();
        let answer = ecs(&endpoint, &self.keys, operation, params).await;
        answer.unwrap()
    }

    pub async fn auto_scaling(&self, operation: &str, params: &[(&str, &str)]) -> Answer {
        let endpoint = self.simulator.autoscaling_endpoint();
        let answer = query(&endpoint, &self.keys, AUTO_SCALING, operation, params).await;
        answer.unwrap()
    }
}

/// As [`Scenario::simple`].
pub async fn simple(tasks: usize) -> (Simulator, Instance) {
    let scenario = Scenario::simple(tasks).await.unwrap();
    (scenario.simulator, scenario.instance)
}

pub async fn added(simulator: &Simulator, spec: InstanceSpec) -> Instance {
    simulator.add_instance(spec).await.unwrap()
}

pub async fn until(simulator: &Simulator, what: &str, is: impl FnMut(&World) -> bool) {
    simulator.wait_until(what, SOON, is).await.unwrap();
}

/// Waits until so much simulated time has passed.
pub async fn pass(simulator: &Simulator, time: Duration) {
    let later = simulator.now() + time;
    until(simulator, "time to pass", |w| w.now() >= later).await;
}

/// An ECS call.
pub async fn ecs(
    endpoint: &str,
    keys: &Keys,
    operation: &str,
    params: &Value,
) -> io::Result<Answer> {
    let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
    let headers = [
        ("X-Amz-Target", target.as_str()),
        ("Content-Type", "application/x-amz-json-1.1"),
    ];
    signed(endpoint, keys, &headers, &params.to_string()).await
}

async fn signed(
    endpoint: &str,
    keys: &Keys,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answer> {
    let authorization = keys.authorization();
    let mut headers = headers.to_vec();
    headers.push(("Authorization", &authorization));
    if let Some(token) = &keys.token {
        headers.push(("X-Amz-Security-Token", token));
    }
    send(endpoint, "POST", "/", &headers, body).await
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
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    signed(endpoint, keys, &headers, &body).await
}

pub const AUTO_SCALING: &str = "2011-01-01";
pub const CLOUDFORMATION: &str = "2010-05-15";
