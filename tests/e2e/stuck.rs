//! Nothing outside stops the loop: whoever does not read, does not answer, or hangs, holds up himself.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ecs_lifecycle_rig::AgentBuilder;
use tokio::net::{UdpSocket, UnixStream};
use tokio::sync::watch;

use super::control::{request, socket};
use super::openmetrics;
use super::packages;
use super::stage::{PATIENCE, Stage, binary, web};

/// What a pipe of Linux's holds.
const PIPE: usize = 64 * 1024;

/// The agent's regular look at the metadata.
const POLL: &str = "imds:GET /latest/meta-data/autoscaling/target-lifecycle-state";
/// As many name look-ups fill the agent's threads for them.
const LOOK_UPS: usize = 8;

async fn metric(stage: &Stage, name: &str) -> f64 {
    let answer = request(&socket(&stage.scratch), "GET", "/metrics").await;
    let samples = openmetrics::parse(&answer.unwrap().body).unwrap();
    let found = samples.iter().find(|sample| sample.name.ends_with(name));
    found.unwrap().value
}

/// Standard error is a full pipe that nobody reads, and an executable has much to say.
#[tokio::test]
async fn a_full_pipe_stops_nothing_and_what_was_dropped_is_said_and_counted() {
    let stage = Stage::new(vec![web(300)]).await;
    let directory = stage.scratch.path().join("hooks.d/before-drain");
    std::fs::create_dir_all(&directory).unwrap();
    let script = directory.join("talk");
    std::fs::write(&script, "#!/bin/sh\nexec seq 2000\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&vec![b'\n'; PIPE]).unwrap();
    let _agent = stage.builder.start_onto(writer).unwrap();
    stage
        .until("a poll", |world| world.requests().count(POLL) > 1)
        .await;
    stage.instance.terminate();
    stage.completed().await;
    stage.assert_safe();
    let reading = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        let said = lines
            .by_ref()
            .filter(|line| line.contains("was blocked for a while"))
            .find_map(|line| line.split_once("dropped=")?.1.parse::<f64>().ok());
        // The reader stays: nothing more is dropped.
        (said.unwrap(), lines)
    });
    let (said, _lines) = tokio::time::timeout(PATIENCE, reading)
        .await
        .unwrap()
        .unwrap();
    assert!(said > 1_000.0, "{said}");
    assert_eq!(metric(&stage, "log_messages_dropped_total").await, said);
}

/// The state directory is on a disk that does not answer any more: to open a pipe that nobody reads takes
/// for ever, too.
#[tokio::test]
async fn a_stuck_disk_stops_nothing() {
    for stuck in ["state.json", "state.json.new"] {
        let stage = Stage::new(vec![web(300)]).await;
        let path = stage.scratch.path().join(stuck);
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        let agent = stage.watching().await;
        stage.instance.terminate();
        stage.completed().await;
        stage.assert_safe();
        let said = agent.text().contains("ignoring unusable state file");
        assert_eq!(said, stuck == "state.json", "{}", agent.text());
    }
}

/// As many connections as it takes at once, none of which says or reads anything.
#[tokio::test]
async fn clients_that_do_not_read_stop_nothing() {
    let stage = Stage::new(vec![web(300)]).await;
    let agent = stage.watching().await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(UnixStream::connect(socket(&stage.scratch)).await.unwrap());
    }
    stage.instance.terminate();
    stage.completed().await;
    stage.assert_safe();
    // They are cut off, and others have their turn.
    let socket = socket(&stage.scratch);
    let answer = request(&socket, "GET", "/status");
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    assert_eq!(answer.unwrap().unwrap().status, 200, "{}", agent.text());
}

/// systemd is busy: its socket is full, and nobody reads it. Once somebody does, it hears how things stand.
#[tokio::test]
async fn a_notify_socket_that_nobody_reads_stops_nothing() {
    let stage = Stage::new(vec![web(300)]).await;
    let path = stage.scratch.path().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_nonblocking(true).unwrap();
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    let full = loop {
        if let Err(error) = other.send_to(b"X=1", &path) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    let builder = stage.builder.clone();
    let _agent = builder
        .env("NOTIFY_SOCKET", path.display().to_string())
        .env("WATCHDOG_USEC", "400000")
        .start()
        .unwrap();
    stage
        .until("a poll", |world| world.requests().count(POLL) > 1)
        .await;
    stage.instance.terminate();
    stage.completed().await;
    stage.assert_safe();
    let began = Instant::now();
    let mut heard = String::new();
    while !["READY=1", "WATCHDOG=1", "STATUS="]
        .iter()
        .all(|word| heard.contains(word))
    {
        assert!(began.elapsed() < PATIENCE, "{heard}");
        let mut message = [0; 4096];
        match systemd.recv(&mut message) {
            Ok(length) => heard += &String::from_utf8_lossy(&message[..length]),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    assert!(heard.starts_with("X=1X=1"), "{heard}");
}

/// A name server that takes each question, and answers once it is told to: everything is 127.0.0.1.
struct NameServer {
    /// From which ports something was asked: one for each look-up.
    asked: Arc<Mutex<BTreeSet<SocketAddr>>>,
    answers: watch::Sender<bool>,
}

impl NameServer {
    async fn bind(address: &str) -> std::io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind((address, 53)).await?);
        let (answers, told) = watch::channel(false);
        let asked = Arc::<Mutex<BTreeSet<SocketAddr>>>::default();
        let shared = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                shared.lock().unwrap().insert(from);
                let (socket, mut told) = (Arc::clone(&socket), told.clone());
                let question = question[..length].to_vec();
                tokio::spawn(async move {
                    if told.wait_for(|answers| *answers).await.is_ok() {
                        let _ = socket.send_to(&local_host(question), from).await;
                    }
                });
            }
        });
        Ok(Self { asked, answers })
    }
}

/// RFC 1035: the question with the header of an answer, and an A record where one was asked for.
fn local_host(question: Vec<u8>) -> Vec<u8> {
    const HEADER: usize = 12;
    const A: [u8; 4] = [0, 1, 0, 1];
    let labels = &question[HEADER..];
    let name = labels.iter().position(|byte| *byte == 0).unwrap() + 1;
    let end = HEADER + name + A.len();
    let wanted = question[HEADER + name..end] == A;
    let mut answer = question[..end].to_vec();
    answer[2..HEADER].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(wanted), 0, 0, 0, 0]);
    if wanted {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    }
    answer
}

/// The name of AWS leads nowhere for a while, and each look-up waits for minutes. More of them are stuck than
/// there are threads for them. Instance metadata, the socket and the state file do without.
#[tokio::test]
async fn name_look_ups_that_hang_stop_nothing() {
    const SERVER: &str = "127.0.0.53";
    let test = "stuck::name_look_ups_that_hang_stop_nothing";
    let root = Command::new("unshare").args(["--mount", "true"]).status();
    if !packages::is_possible(root.is_ok_and(|status| status.success()), "no root", test) {
        return;
    }
    let names = NameServer::bind(SERVER).await;
    if !packages::is_possible(names.is_ok(), "port 53 is taken", test) {
        return;
    }
    let names = names.unwrap();
    let mut stage = Stage::new(vec![web(300)]).await;
    let file = |name: &str| stage.scratch.path().join(name);
    std::fs::write(
        file("resolv.conf"),
        format!("nameserver {SERVER}\noptions timeout:30 attempts:5\n"),
    )
    .unwrap();
    let script = file("agent");
    let text = format!(
        "#!/bin/sh\nexec /usr/bin/unshare --mount -- /bin/sh -c 'mount --bind {} /etc/resolv.conf && exec \"$0\" \"$@\"' {} \"$@\"\n",
        file("resolv.conf").display(),
        binary()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let named: BTreeMap<String, String> = stage
        .instance
        .env()
        .into_iter()
        .filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL"))
        .map(|(name, url)| (name, url.replace("127.0.0.1", "aws.test")))
        .collect();
    assert!(!named.is_empty());
    let builder = AgentBuilder::new(&script, &stage.instance, stage.scratch.path())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .set("metadata", "poll_interval", "100ms")
        .set("ecs", "introspection_poll_interval", "100ms")
        .set("ecs", "placement_settle", "300ms")
        .set("aws", "request_timeout", "500ms");
    stage.builder = named
        .iter()
        .fold(builder, |builder, (name, url)| builder.env(name, url));
    let mut agent = stage.watching().await;
    stage.instance.terminate();
    let stuck = async {
        while names.asked.lock().unwrap().len() < LOOK_UPS {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let stuck = tokio::time::timeout(PATIENCE, stuck).await;
    assert!(stuck.is_ok(), "{}", agent.text());
    // All threads wait for a name.
    let polls = stage.count(POLL);
    stage
        .until("ten more polls", |world| {
            world.requests().count(POLL) >= polls + 10
        })
        .await;
    let began = Instant::now();
    let answer = request(&socket(&stage.scratch), "GET", "/status").await;
    assert_eq!(answer.unwrap().status, 200);
    assert!(began.elapsed() < Duration::from_secs(2));
    let written = std::fs::read_to_string(stage.scratch.path().join("state.json")).unwrap();
    assert!(written.contains("draining"), "{written}");
    assert_eq!(stage.count("ecs:UpdateContainerInstancesState"), 0);
    // Told to stop, it waits for none of them.
    agent.signal("TERM").await.unwrap();
    let began = Instant::now();
    assert!(agent.ended(PATIENCE).await.unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(2));
    let agent = stage.builder.start().unwrap();
    stage
        .until("polls of the next one", |world| {
            world.requests().count(POLL) >= polls + 30
        })
        .await;
    names.answers.send(true).unwrap();
    stage.completed().await;
    stage.assert_safe();
    assert!(
        agent.text().contains("lifecycle action"),
        "{}",
        agent.text()
    );
}
