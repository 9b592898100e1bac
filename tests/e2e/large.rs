//! Input at its largest: a list of tasks of megabytes, one that never ends, one that trickles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ecs_lifecycle_simulator::AWS_CALLS;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::stage::{PLAIN_CALLS, Stage, web};

/// How the list of tasks comes.
const AS_IT_IS: u8 = 0;
/// Once, with 15,000 stopped tasks before the true ones: 9 MB, in parts.
const LONG: u8 = 1;
/// Stopped tasks for ever.
const ENDLESS: u8 = 2;
/// A byte a second.
const TRICKLE: u8 = 3;

/// With a task that takes so many milliseconds to stop; the list comes as it is at first.
async fn fronted(settings: &str, millis: u64) -> (Stage, Arc<AtomicU8>) {
    let stage = Stage::with(settings, vec![web(millis)]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let upstream = stage.instance.introspection_endpoint();
    let mode = Arc::new(AtomicU8::new(AS_IT_IS));
    let shared = Arc::clone(&mode);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let upstream = upstream.trim_start_matches("http://").to_owned();
            tokio::spawn(serve(client, upstream, Arc::clone(&shared)));
        }
    });
    (stage.set("ecs", "introspection_endpoint", &url), mode)
}

fn stopped(number: usize) -> String {
    format!(
        r#"{{"Arn":"arn:aws:ecs:us-east-1:123456789012:task/demo/{number:032x}","DesiredStatus":"STOPPED",
           "KnownStatus":"STOPPED","Family":"a-batch-job-of-some-kind","Version":"42","Containers":[{{"DockerId":
           "{number:064x}","DockerName":"ecs-a-batch-job-of-some-kind-42-main-{number:032x}","Name":"main",
           "Ports":[{{"ContainerPort":8080,"Protocol":"tcp","HostPort":32768}}],"Networks":[{{"NetworkMode":
           "awsvpc","IPv4Addresses":["10.0.0.1"]}}]}}]}},"#
    )
}

/// One request a connection, which is what `Connection: close` says.
async fn serve(
    mut client: TcpStream,
    upstream: String,
    mode: Arc<AtomicU8>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let mut server = TcpStream::connect(upstream).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    server.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    server.read_to_string(&mut answer).await?;
    let mode = match path.as_str() {
        "/v1/tasks" => {
            let once = mode.compare_exchange(LONG, AS_IT_IS, Ordering::SeqCst, Ordering::SeqCst);
            once.unwrap_or_else(|mode| mode)
        }
        _ => AS_IT_IS,
    };
    if mode == AS_IT_IS {
        return client.write_all(answer.as_bytes()).await;
    }
    client
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\
              Transfer-Encoding: chunked\r\n\r\n",
        )
        .await?;
    let (_, list) = answer.split_once("\r\n\r\n").unwrap();
    let rest = list.strip_prefix(r#"{"Tasks":["#).unwrap();
    chunk(&mut client, r#"{"Tasks":["#).await?;
    let most = if mode == LONG { 15_000 } else { usize::MAX };
    for number in (0..most).step_by(100) {
        let tasks: String = (number..number.saturating_add(100)).map(stopped).collect();
        if mode == TRICKLE {
            for byte in tasks.chars() {
                chunk(&mut client, &byte.to_string()).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        chunk(&mut client, &tasks).await?;
    }
    // Where nothing is left, the list ends with a stopped one.
    if rest.starts_with(']') {
        chunk(&mut client, stopped(most).trim_end_matches(',')).await?;
    }
    chunk(&mut client, rest).await?;
    client.write_all(b"0\r\n\r\n").await
}

async fn chunk(client: &mut TcpStream, text: &str) -> std::io::Result<()> {
    let part = format!("{:x}\r\n{text}\r\n", text.len());
    client.write_all(part.as_bytes()).await
}

#[tokio::test]
async fn fifteen_thousand_tasks_are_read_and_not_held() {
    let (stage, front) = fronted("ecs.introspection_timeout=30s", 300).await;
    let agent = stage.watching().await;
    let before = agent.memory("VmHWM").unwrap();
    front.store(LONG, Ordering::SeqCst);
    stage.instance.terminate();
    agent.says("lifecycle action completed").await;
    stage.assert_safe();
    assert_eq!(front.load(Ordering::SeqCst), AS_IT_IS);
    let text = agent.text();
    assert!(!text.contains("introspection API is unavailable"), "{text}");
    assert!(!text.contains("is failing"), "{text}");
    assert!(stage.count(AWS_CALLS) <= PLAIN_CALLS + 1, "{text}");
    // What a drain takes in any case, and less than a list of 8 MB.
    let grown = agent.memory("VmHWM").unwrap() - before;
    assert!(grown < 8_000_000, "{grown}");
}

/// No answer is not "no tasks": the drain goes on by the ECS API.
#[tokio::test]
async fn a_list_that_does_not_end_is_no_list() {
    for mode in [ENDLESS, TRICKLE] {
        let settings = "ecs.introspection_timeout=700ms ecs.introspection_grace=1s \
                        ecs.api_poll_interval=1s ecs.api_settle=500ms";
        let (stage, front) = fronted(settings, 2_500).await;
        let agent = stage.watching().await;
        let before = agent.memory("VmHWM").unwrap();
        front.store(mode, Ordering::SeqCst);
        stage.drains().await;
        let text = agent.text();
        assert!(text.contains("introspection API is unavailable"), "{text}");
        let grown = agent.memory("VmHWM").unwrap() - before;
        assert!(grown < 8_000_000, "{grown}");
    }
}
