//! The ECS agent's introspection server, on this machine.
//!
//! A refused connection means that the ECS agent is down or not registered yet. Both status and shape are checked:
//! an internal error of it is `{"Tasks":null}`, and it answers an unknown path with status 200.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use tokio::sync::mpsc;

use crate::clients::http::{self, Body, Local};
use crate::decide::{ContainerInstance, Failure, FailureKind, LocalTask, Task};
use crate::threads;

use super::parse::{self, Misfit};

/// The most bytes of `/v1/metadata`.
const BODY_LIMIT: usize = 64 * 1024;
/// The most bytes of the list of tasks: thirty thousand tasks, including those stopped in the last hours. It is
/// parsed as it arrives and never held in memory.
const LIST_LIMIT: usize = 16 * 1024 * 1024;
/// The most bytes of a list that is read as a whole.
const SMALL: usize = 64 * 1024;

/// A client of the introspection server.
pub struct Introspection {
    http: Local,
    timeout: Duration,
}

impl Introspection {
    /// `timeout` applies to each single request.
    pub fn new(endpoint: &str, timeout: Duration) -> Self {
        Self {
            http: Local::new(endpoint),
            timeout,
        }
    }

    /// Which container instance this machine is; `None` while the ECS agent has no ARN yet.
    ///
    /// # Errors
    /// Fails if the ECS agent does not answer, or if the answer is malformed.
    pub async fn container_instance(&self) -> Result<Option<ContainerInstance>, Failure> {
        let path = "/v1/metadata";
        let what = format!("GET {}", self.http.url(path));
        let request = Request::get("/");
        let answer = self
            .http
            .fetch(&what, path, request, self.timeout, BODY_LIMIT)
            .await?;
        if answer.status != StatusCode::OK {
            return Err(http::unexpected_status(&what, &answer));
        }
        parse::agent_metadata(&answer.body).map_err(|misfit| malformed(&what, &misfit))
    }

    /// The tasks that are not STOPPED, and those stopped ones whose ARNs are in `open`.
    ///
    /// # Errors
    /// Fails if the ECS agent does not answer, or if the answer is malformed.
    pub async fn tasks(&self, open: BTreeSet<String>) -> Result<Vec<Task>, Failure> {
        self.list(move |body| parse::agent_tasks(body, &open)).await
    }

    /// The tasks that are not STOPPED, and which of them have a network interface of their own.
    ///
    /// # Errors
    /// Fails if the ECS agent does not answer, or if the answer is malformed.
    pub async fn task_set(&self) -> Result<Vec<LocalTask>, Failure> {
        self.list(|body| parse::agent_task_set(body)).await
    }

    async fn list<T: Send + 'static>(
        &self,
        parse: impl FnOnce(&mut dyn Read) -> Result<T, Misfit> + Send + 'static,
    ) -> Result<T, Failure> {
        let path = "/v1/tasks";
        let what = format!("GET {}", self.http.url(path));
        http::within(self.timeout, &what, async {
            let request = Request::get("/");
            let (parts, mut body) = self.http.open(&what, path, request, LIST_LIMIT).await?;
            if parts.status != StatusCode::OK {
                let answer = http::answer(parts, body.whole().await?);
                return Err(http::unexpected_status(&what, &answer));
            }
            let tasks = listed(&what, &mut body, parse).await?;
            self.http.keep(body);
            Ok(tasks)
        })
        .await
    }
}

/// Parses a list as it arrives. A large one is parsed by a thread that holds one part of it at a time.
async fn listed<T: Send + 'static>(
    what: &str,
    body: &mut Body,
    parse: impl FnOnce(&mut dyn Read) -> Result<T, Misfit> + Send + 'static,
) -> Result<T, Failure> {
    let mut head = Vec::new();
    let mut more = true;
    while more && head.len() < SMALL {
        match body.chunk().await? {
            Some(chunk) => head.extend_from_slice(&chunk),
            None => more = false,
        }
    }
    let tasks = if more {
        let (parts, rest) = mpsc::channel(1);
        let reading = threads::aside(move || {
            let part = head.into();
            parse(&mut Parts { rest, part })
        });
        let sending = async move {
            while let Some(part) = body.chunk().await? {
                // The parser has stopped early and reports why.
                if parts.send(part).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let (tasks, sent) = tokio::join!(reading, sending);
        sent?;
        tasks.map_err(|error| malformed(what, &error.to_string()))?
    } else {
        parse(&mut head.as_slice())
    };
    tasks.map_err(|misfit| malformed(what, &misfit))
}

/// Reads the parts of a body as they arrive.
struct Parts {
    rest: mpsc::Receiver<Bytes>,
    part: Bytes,
}

impl Read for Parts {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.rest.blocking_recv() {
                Some(part) => self.part = part,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.part.len());
        if let Some(into) = into.get_mut(..count) {
            into.copy_from_slice(&self.part.split_to(count));
        }
        Ok(count)
    }
}

fn malformed(what: &str, misfit: &str) -> Failure {
    Failure::new(FailureKind::Malformed, format!("{what}: {misfit}"))
}
