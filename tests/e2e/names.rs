//! Name look-ups that take for ever: they hold up the requests that need them, and nothing else.
//!
//! The agent runs with a mount namespace of its own, in which `/etc/resolv.conf` has the test's name server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ecs_lifecycle_simulator::{AWS_CALLS, GroupSpec, HookSpec, SpotAction};
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::control::{request, socket};
use super::stage::{BEAT, PATIENCE, Stage, TARGET, binary, group, web};

const ECS: &str = "ecs.test";
const AUTO_SCALING: &str = "autoscaling.test";
const CLOUDFORMATION: &str = "cloudformation.test";
const TASKS: &str = "introspection:GET /v1/tasks";
/// The resolver's options for a look-up that outlives the test.
const STUCK: &str = "timeout:30 attempts:5";
/// What the agent logs of a call that got no answer.
const FAILED: &str = "in time\" code=";
const SIGNAL: &str = "cloudformation:SignalResource";
/// systemd lets the agent take twice as long.
const SOON: Duration = Duration::from_secs(5);

/// A name server for which every name is this machine, unless it is silent.
struct NameServer {
    address: Ipv4Addr,
    queries: watch::Sender<Queries>,
}

#[derive(Default)]
struct Queries {
    /// Of these names it drops every query.
    silent: Vec<&'static str>,
    /// For each name the sockets that asked: one for each look-up.
    askers: BTreeMap<String, BTreeSet<SocketAddr>>,
}

/// The port is given: resolv.conf has none.
const PORT: u16 = 53;
const HEADER: usize = 12;
const A: [u8; 2] = [0, 1];

impl NameServer {
    /// Silent about these names.
    async fn silent(names: &[&'static str]) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(100);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, NEXT.fetch_add(1, Ordering::Relaxed), high, low);
        let socket = UdpSocket::bind((address, PORT)).await.unwrap();
        let queries = watch::Sender::new(Queries {
            silent: names.to_vec(),
            ..Queries::default()
        });
        let server = queries.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, asker)) = socket.recv_from(&mut buffer).await {
                let query = &buffer[..length];
                let (name, question) = question(query);
                let mut is_silent = false;
                server.send_modify(|queries| {
                    is_silent = queries.silent.contains(&name.as_str());
                    queries.askers.entry(name).or_default().insert(asker);
                });
                if !is_silent {
                    let _ = socket.send_to(&answer(query, question), asker).await;
                }
            }
        });
        Self { address, queries }
    }

    /// From now on it answers.
    fn answers(&self) {
        self.queries.send_modify(|queries| queries.silent.clear());
    }

    /// How often a name was looked up.
    fn look_ups(&self, name: &str) -> usize {
        self.queries.borrow().look_ups(name)
    }

    /// Waits until a name was looked up so often.
    async fn until(&self, name: &str, times: usize) {
        let mut queries = self.queries.subscribe();
        let enough = queries.wait_for(|queries| queries.look_ups(name) >= times);
        let waited = tokio::time::timeout(PATIENCE, enough).await;
        assert!(waited.is_ok(), "{name}: {} look-ups", self.look_ups(name));
    }
}

impl Queries {
    fn look_ups(&self, name: &str) -> usize {
        self.askers.get(name).map_or(0, BTreeSet::len)
    }
}

/// The name that a query asks for, and its question as it is.
fn question(query: &[u8]) -> (String, &[u8]) {
    let mut labels = Vec::new();
    let mut at = HEADER;
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), &query[HEADER..at + 5])
}

/// Its IPv4 address is 127.0.0.1, and it has nothing else.
fn answer(query: &[u8], question: &[u8]) -> Vec<u8> {
    let has_it = question[question.len() - 4..][..2] == A;
    let flags = [0x84, 0];
    let counts = [0, 1, 0, u8::from(has_it), 0, 0, 0, 0];
    let mut answer = [&query[..2], &flags, &counts, question].concat();
    if has_it {
        let name = [0xc0, HEADER as u8];
        answer.extend([&name[..], &A, &[0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]].concat());
    }
    answer
}

/// A program that runs the agent with this name server alone. `None` if that takes more rights.
fn program(server: &NameServer, options: &str, directory: &Path) -> Option<PathBuf> {
    let file = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let resolv = format!("nameserver {}\noptions {options}\n", server.address);
    let resolv = file("resolv.conf", resolv);
    let nsswitch = file("nsswitch.conf", "hosts: dns\n".to_owned());
    let text = format!(
        "#!/bin/sh\nPATH=/usr/bin:/bin exec unshare --mount sh -c '\
         mount --bind {} /etc/resolv.conf && mount --bind {} /etc/nsswitch.conf && exec \"$0\" \"$@\"' {} \"$@\"\n",
        resolv.display(),
        nsswitch.display(),
        binary(),
    );
    let program = file("asking", text);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let tried = Command::new(&program).arg("--version").output();
    if !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
        let required = std::env::var_os("ECS_LIFECYCLE_REQUIRE_SYSTEMD").is_some();
        assert!(!required, "unshare --mount: {tried:?}");
        eprintln!("SKIPPED: names: needs unshare --mount, as root: {tried:?}");
        return None;
    }
    Some(program)
}

/// A stage whose agent has AWS's endpoints by these names, and asks this name server for them. `None` if that
/// takes more rights.
async fn asking(server: &NameServer, options: &str, group: GroupSpec) -> Option<Stage> {
    let stage = Stage::with_group(group, vec![web(300)]).await;
    let mut stage = stage.signalling();
    let program = program(server, options, stage.scratch.path())?;
    stage.builder = stage.builder.by(program);
    for (variable, url) in stage.instance.env() {
        let name = match variable.as_str() {
            "AWS_ENDPOINT_URL_ECS" => ECS,
            "AWS_ENDPOINT_URL_AUTO_SCALING" => AUTO_SCALING,
            "AWS_ENDPOINT_URL_CLOUDFORMATION" => CLOUDFORMATION,
            _ => continue,
        };
        let url = url.replace("127.0.0.1", name);
        stage.builder = stage.builder.env(&variable, url);
    }
    Some(stage)
}

/// It answers a person, reads metadata and introspection, and writes down what it has promised.
async fn goes_on(stage: &Stage) {
    for operation in [TARGET, TASKS] {
        stage.counts(operation, stage.count(operation) + 3).await;
    }
    let state = || std::fs::read(stage.scratch.path().join("state.json")).ok();
    let (socket, before) = (socket(&stage.scratch), state());
    let asked = tokio::time::timeout(PATIENCE, request(&socket, "POST", "/drain")).await;
    assert_eq!(asked.unwrap().unwrap().status, 200);
    assert_ne!(state(), before);
    let answer = tokio::time::timeout(PATIENCE, request(&socket, "GET", "/status")).await;
    assert_eq!(answer.unwrap().unwrap().status, 200);
}

/// An outage of the name server, of which the resolver makes what it usually does.
#[tokio::test]
async fn a_silent_name_server_holds_up_the_drain_and_nothing_else() {
    let server = NameServer::silent(&[ECS, AUTO_SCALING, CLOUDFORMATION]).await;
    let Some(stage) = asking(&server, "timeout:5 attempts:2", group()).await else {
        return;
    };
    let stage = stage.configured("aws.request_timeout=500ms");
    let agent = stage.leaving().await;
    agent.logged_times(3, FAILED, PATIENCE).await.unwrap();
    server.until(ECS, 1).await;
    server.until(AUTO_SCALING, 1).await;
    goes_on(&stage).await;
    assert_eq!(stage.count(AWS_CALLS), 0);
    server.answers();
    stage.ends_well().await;
    stage.counts(SIGNAL, 1).await;
}

/// Two names are stuck for minutes, and wanted again and again. CloudFormation, whose name is not, gets its signal
/// at the deadline.
#[tokio::test]
async fn stuck_names_leave_threads_to_the_others() {
    let server = NameServer::silent(&[ECS, AUTO_SCALING]).await;
    let Some(stage) = asking(&server, STUCK, group()).await else {
        return;
    };
    let stage = stage
        .configured("aws.request_timeout=100ms drain.standalone_tasks=ignore")
        .configured("cloudformation.signal_on_timeout=FAILURE");
    let mut agent = stage.leaving().await;
    // More often than there are threads.
    agent.logged_times(10, FAILED, PATIENCE).await.unwrap();
    goes_on(&stage).await;
    stage
        .instance
        .announce_spot(SpotAction::Terminate, Duration::from_secs(1));
    stage.counts(SIGNAL, 1).await;
    agent.signal("TERM").await.unwrap();
    assert!(agent.ended(SOON).await.unwrap().success());
}

#[tokio::test]
async fn heartbeats_go_on_while_the_name_of_ecs_is_stuck() {
    let server = NameServer::silent(&[ECS]).await;
    let hook = HookSpec::terminating("drain-hook").heartbeat_timeout(Duration::from_secs(8));
    let group = GroupSpec::new("demo-asg").hook(hook);
    let Some(stage) = asking(&server, STUCK, group).await else {
        return;
    };
    let stage = stage.configured("aws.request_timeout=500ms");
    let agent = stage.leaving().await;
    agent.logged_times(3, FAILED, PATIENCE).await.unwrap();
    server.until(ECS, 1).await;
    stage.counts(BEAT, stage.count(BEAT) + 3).await;
    assert_eq!(stage.completions(), 0);
}

#[tokio::test]
async fn localhost_is_not_looked_up() {
    let server = NameServer::silent(&["localhost"]).await;
    let Some(mut stage) = asking(&server, STUCK, group()).await else {
        return;
    };
    let url = stage.instance.introspection_endpoint();
    let url = url.replace("127.0.0.1", "localhost");
    stage.builder = stage.builder.set("ecs", "introspection_endpoint", url);
    let _agent = stage.leaving().await;
    stage.ends_well().await;
    assert_eq!(server.look_ups("localhost"), 0);
}
