//! The agent's socket, and the commands that use it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use ecs_lifecycle_rig::Scratch;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::stage::{PATIENCE, binary};

/// Where the agents of a test listen.
pub fn socket(scratch: &Scratch) -> PathBuf {
    scratch.path().join("agent.sock")
}

/// An answer over the socket.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// One request, on a connection of its own.
pub async fn request(socket: &Path, method: &str, target: &str) -> std::io::Result<Answer> {
    let mut stream = UnixStream::connect(socket).await?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    assert!(!chunked, "{head}");
    Ok(Answer {
        status: status.unwrap_or_default(),
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// `GET /status`, once the agent listens.
pub async fn status(socket: &Path) -> Value {
    let answer = tokio::time::timeout(PATIENCE, async {
        loop {
            match request(socket, "GET", "/status").await {
                Ok(answer) => return answer,
                // There is no event to wait for: it is about to listen.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    });
    let answer = answer.await.expect("an agent that listens");
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// Asks for the status until it is as it should be.
pub async fn until(socket: &Path, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let asked = tokio::time::timeout(PATIENCE, async {
        loop {
            last = status(socket).await;
            if is(&last) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(asked.await.is_ok(), "{what}: {last:#}");
    last
}

/// Asks for the status until it is in this phase.
pub async fn phase(socket: &Path, phase: &str) -> Value {
    until(socket, phase, |status| status["phase"] == phase).await
}

/// What a command did.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

fn command(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .env_clear()
        .env("ECS_LIFECYCLE_AGENT_AGENT__SOCKET", socket)
        .args(["--config", "/dev/null"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts a command of the binary, with the agent's socket.
pub fn start(socket: &Path, arguments: &[&str]) -> Child {
    command(socket, arguments).spawn().unwrap()
}

/// Waits for its end.
pub async fn end(child: Child) -> Output {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.expect("the command ends").unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a command of the binary, with the agent's socket.
pub async fn run(socket: &Path, arguments: &[&str]) -> Output {
    end(start(socket, arguments)).await
}

/// Runs a command that succeeds.
pub async fn done(socket: &Path, arguments: &[&str]) -> Output {
    let output = run(socket, arguments).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    output
}

/// The status once it names a deadline, and the minutes until then.
pub async fn deadline(socket: &Path) -> (f64, Value) {
    let known = |status: &Value| status["deadline"]["in_seconds"].is_number();
    let status = until(socket, "a deadline", known).await;
    (
        status["deadline"]["in_seconds"].as_f64().unwrap() / 60.0,
        status,
    )
}
