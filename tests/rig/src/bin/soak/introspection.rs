//! An introspection server in front of the simulator's model, with two things that the simulator's own
//! does not do: it forgets tasks that stopped long ago, as the ECS agent does after three hours, and it
//! fails in ways of its own. Without the first, every answer would be longer than the one before, and so
//! would the memory be that it takes to read it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ecs_lifecycle_simulator::{Instance, World};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// How many tasks are listed, stopped ones for the most part: what draws memory is the longest list, so
/// it has to be reached early.
const LISTED: usize = 300;
/// A task that is ended lets go of its port a moment later.
const TRIES: u32 = 500;
/// No request of the agent is longer.
const MOST_HEAD: usize = 16 * 1024;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As it should.
    Well,
    /// Status 500 and `{"Tasks":null}`.
    InternalError,
    /// Bytes that are no JSON.
    Garbage,
    /// Not at all; the connection stays open.
    Hangs,
    /// With the end of the body missing.
    Cut,
    /// For an unknown path.
    Commands,
}

/// The server, ended when dropped.
pub(crate) struct Introspection {
    instance: Instance,
    address: SocketAddr,
    mode: Arc<Mutex<Mode>>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Introspection {
    /// On a port of its own.
    pub(crate) async fn start(instance: Instance) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = Self {
            instance,
            address: listener.local_addr()?,
            mode: Arc::new(Mutex::new(Mode::Well)),
            listener: Mutex::default(),
        };
        server.listen(listener);
        Ok(server)
    }

    /// For the agent.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From the next request on.
    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Refuses connections, and breaks off those there are.
    pub(crate) fn down(&self) {
        self.swap(None);
    }

    /// Answers again, at the same port, once that is free.
    pub(crate) async fn up(&self) -> io::Result<()> {
        let mut tries = 0;
        loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => {
                    self.listen(listener);
                    return Ok(());
                }
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn listen(&self, listener: TcpListener) {
        let (instance, mode) = (self.instance.clone(), self.mode.clone());
        self.swap(Some(tokio::spawn(accept(listener, instance, mode))));
    }

    fn swap(&self, next: Option<JoinHandle<()>>) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = std::mem::replace(&mut *listener, next) {
            before.abort();
        }
    }
}

impl Drop for Introspection {
    fn drop(&mut self) {
        self.down();
    }
}

async fn accept(listener: TcpListener, instance: Instance, mode: Arc<Mutex<Mode>>) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, instance.clone(), mode.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    instance: Instance,
    mode: Arc<Mutex<Mode>>,
) -> io::Result<()> {
    while let Some(path) = request(&mut stream).await? {
        let mode = *mode.lock().unwrap_or_else(PoisonError::into_inner);
        if mode == Mode::Hangs {
            // Until the caller gives up.
            let _ = stream.read(&mut [0; 16]).await?;
            return Ok(());
        }
        let answer = answer(&instance, &path, mode);
        stream.write_all(&answer).await?;
        if mode == Mode::Cut {
            return Ok(());
        }
    }
    Ok(())
}

/// The path of the next request; `None` where the caller has gone.
async fn request(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut buffer = [0; 2048];
        let read = stream.read(&mut buffer).await?;
        if read == 0 || head.len() > MOST_HEAD {
            return Ok(None);
        }
        head.extend(buffer.iter().take(read));
    }
    let line = String::from_utf8_lossy(&head);
    Ok(line.split(' ').nth(1).map(ToOwned::to_owned))
}

fn answer(instance: &Instance, path: &str, mode: Mode) -> Vec<u8> {
    let (status, body) = match (mode, path) {
        (Mode::InternalError, _) => (
            "500 Internal Server Error",
            json!({"Tasks": null}).to_string(),
        ),
        (Mode::Garbage, _) => ("200 OK", "<\u{1}not JSON".to_owned()),
        (Mode::Commands, _) => {
            let commands = json!({"AvailableCommands": ["/v1/metadata", "/v1/tasks", "/license"]});
            ("200 OK", commands.to_string())
        }
        (_, "/v1/metadata") => ("200 OK", metadata(instance).to_string()),
        _ => {
            let tasks = instance
                .simulator()
                .world(|world| tasks(world, instance.id()));
            ("200 OK", json!({"Tasks": tasks}).to_string())
        }
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    let mut answer = head.into_bytes();
    let sent = if mode == Mode::Cut {
        length / 2
    } else {
        length
    };
    answer.extend(body.bytes().take(sent));
    answer
}

fn metadata(instance: &Instance) -> Value {
    let cluster = instance.simulator().world(|world| {
        let model = world.instance(instance.id());
        model.map(|model| model.cluster.clone())
    });
    json!({
        "Cluster": cluster,
        "ContainerInstanceArn": instance.container_instance_arn(),
        "Version": "Amazon ECS Agent - v1.98.0 (*02ff320c)",
    })
}

/// The latest: tasks here live for seconds, so that whatever is older has stopped.
fn tasks(world: &World, id: &str) -> Vec<Value> {
    let now = world.now();
    let arns = world.instance(id).map(|instance| instance.tasks.as_slice());
    arns.unwrap_or_default()
        .iter()
        .rev()
        .take(LISTED)
        .filter_map(|arn| world.task(arn))
        .map(|task| {
            let (family, version) = (&task.spec.family, task.spec.version);
            let id = task.arn.rsplit('/').next().unwrap_or_default();
            json!({
                "Arn": task.arn,
                "DesiredStatus": task.local_desired_status(now),
                "KnownStatus": task.known_status(now),
                "Family": family,
                "Version": version.to_string(),
                "Containers": [{
                    "DockerId": format!("{id}{id}"),
                    "DockerName": format!("ecs-{family}-{version}-{family}-{id}"),
                    "Name": family,
                }],
            })
        })
        .collect()
}
