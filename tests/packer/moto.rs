//! moto, which plays EC2 and SSM.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::{Child, Command};

use super::machine::poll;
use super::packer::source;

/// The server; ends with the test.
pub struct Moto {
    _server: Child,
}

impl Moto {
    pub const ENDPOINT: &str = "http://127.0.0.1:5555";

    /// Starts it, with the key pair that Packer names.
    pub async fn start() -> Self {
        let server = Command::new(source().join("target/python/bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", "5555"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("moto: make target/python/ready");
        poll("moto", async || {
            tokio::net::TcpStream::connect("127.0.0.1:5555")
                .await
                .ok()
                .map(drop)
        })
        .await;
        let moto = Self { _server: server };
        moto.ask("prepare").await;
        moto
    }

    /// What `aws.py` answers.
    pub async fn ask(&self, what: &str) -> Value {
        let output = Command::new(source().join("target/python/bin/python3"))
            .arg(source().join("tests/packer/aws.py"))
            .args([Self::ENDPOINT, what])
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        assert!(
            output.status.success(),
            "aws.py: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
