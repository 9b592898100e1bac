//! The ECS agent's introspection server, on this machine.
//!
//! Connection refused means that the ECS agent is not registered yet, or down. Status and shape both
//! have to be right: its internal error reads `{"Tasks":null}`, and an unknown path answers 200.

use std::time::Duration;

use reqwest::{Client, StatusCode};

use crate::decide::{ContainerInstance, Failure, FailureKind, LocalTask, Task};
use crate::http;

use super::parse::{self, Misfit};

/// Ten thousand tasks, the stopped ones of the last hours among them. Body and what it is parsed into have
/// to fit into the unit's `MemoryMax`, several times over.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// A client of the introspection server.
pub struct Introspection {
    http: Client,
    endpoint: String,
    timeout: Duration,
}

impl Introspection {
    /// `endpoint` as configured; `timeout` is for each single request.
    pub fn new(http: Client, endpoint: &str, timeout: Duration) -> Self {
        Self {
            http,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            timeout,
        }
    }

    /// Which container instance this machine is; `None` while the ECS agent has no ARN yet.
    ///
    /// # Errors
    /// Where it does not answer, or with something else.
    pub async fn container_instance(&self) -> Result<Option<ContainerInstance>, Failure> {
        self.get("v1/metadata", parse::agent_metadata).await
    }

    /// The tasks that are not STOPPED.
    ///
    /// # Errors
    /// Where it does not answer, or with something else.
    pub async fn tasks(&self) -> Result<Vec<Task>, Failure> {
        self.get("v1/tasks", parse::agent_tasks).await
    }

    /// The same, and which of them have a network interface of their own.
    ///
    /// # Errors
    /// Where it does not answer, or with something else.
    pub async fn task_set(&self) -> Result<Vec<LocalTask>, Failure> {
        self.get("v1/tasks", parse::agent_task_set).await
    }

    async fn get<T>(
        &self,
        path: &str,
        parse: impl Fn(&[u8]) -> Result<T, Misfit>,
    ) -> Result<T, Failure> {
        let url = format!("{}/{path}", self.endpoint);
        let what = format!("GET {url}");
        let answer = http::fetch(&what, self.http.get(&url), self.timeout, BODY_LIMIT).await?;
        if answer.status != StatusCode::OK {
            return Err(http::unexpected_status(&what, &answer));
        }
        parse(&answer.body)
            .map_err(|misfit| Failure::new(FailureKind::Malformed, format!("{what}: {misfit}")))
    }
}
