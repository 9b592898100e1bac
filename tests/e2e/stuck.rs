//! Nothing outside stops the loop: whoever does not read, does not answer, or hangs, holds up himself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tokio::net::UnixStream;

use super::control::{request, socket};
use super::openmetrics;
use super::stage::{PATIENCE, Stage, web};

/// What a pipe of Linux's holds.
const PIPE: usize = 64 * 1024;

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
        .until("a poll", |world| {
            world
                .requests()
                .count("imds:GET /latest/meta-data/autoscaling/target-lifecycle-state")
                > 1
        })
        .await;
    stage.drains().await;
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
        let agent = stage.leaving().await;
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
    stage.drains().await;
    // They are cut off, and others have their turn.
    let socket = socket(&stage.scratch);
    let answer = request(&socket, "GET", "/status");
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    assert_eq!(answer.unwrap().unwrap().status, 200, "{}", agent.text());
}
