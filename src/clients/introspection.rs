//! The ECS agent's introspection server, on this machine.
//!
//! Connection refused means that the ECS agent is not registered yet, or down. Status and shape both
//! have to be right: its internal error reads `{"Tasks":null}`, and an unknown path answers 200.

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

/// Of `/v1/metadata`.
const BODY_LIMIT: usize = 64 * 1024;
/// Of the list of tasks: thirty thousand, the stopped ones of the last hours among them. It is read as it
/// comes, and never held.
const LIST_LIMIT: usize = 16 * 1024 * 1024;
/// A list of this size is read in one go.
const SMALL: usize = 64 * 1024;

/// A client of the introspection server.
pub struct Introspection {
    http: Local,
    timeout: Duration,
}

impl Introspection {
    /// `endpoint` as configured; `timeout` is for each single request.
    pub fn new(endpoint: &str, timeout: Duration) -> Self {
        Self {
            http: Local::new(endpoint),
            timeout,
        }
    }

    /// Which container instance this machine is; `None` while the ECS agent has no ARN yet.
    ///
    /// # Errors
    /// Where it does not answer, or with something else.
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

    /// The tasks that are not STOPPED, and of those that are, the `open` ones.
    ///
    /// # Errors
    /// Where it does not answer, or with something else.
    pub async fn tasks(&self, open: BTreeSet<String>) -> Result<Vec<Task>, Failure> {
        self.list(move |body| parse::agent_tasks(body, &open)).await
    }

    /// The tasks that are not STOPPED, and which of them have a network interface of their own.
    ///
    /// # Errors
    /// Where it does not answer, or with something else.
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

/// Understands a list while it comes. A large one has a thread for that, which holds one part of it at a time.
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
                // Whoever reads has seen enough, and says why.
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

/// The parts of a body, as they come.
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
