//! A death while `state.json` is written.

use std::path::Path;

use ecs_lifecycle_agent::clock::Clock;
use ecs_lifecycle_agent::decide::{Memory, Moment, ReasonKey, RememberedDrain};
use ecs_lifecycle_agent::effects::state_file::StateFile;
use ecs_lifecycle_rig::Scratch;

use super::lives::{End, Lives, state_file, watching, written};
use super::stage::{PATIENCE, Stage, web};

fn next_file(directory: &Path) -> std::path::PathBuf {
    directory.join("state.json.new")
}

fn memory() -> Memory {
    Memory {
        instance_id: "i-0123456789abcdef0".to_owned(),
        container_instance: None,
        verified: None,
        former: Vec::new(),
        was_in_service: true,
        drain: Some(RememberedDrain {
            reason: ReasonKey::parse("Warmed:Stopped"),
            started_at: Moment::from_millis(-1_000),
            ours: true,
            pending_time: None,
            outcome: None,
            over_at: None,
            tasks: std::collections::BTreeMap::new(),
            signalled: false,
            completed: false,
            spent: std::time::Duration::ZERO,
        }),
        join: None,
        hook: None,
        by_hand: None,
    }
}

/// The rename is what counts: however much of the next file was written, the present one is whole.
#[tokio::test]
async fn a_next_file_written_to_any_length_changes_nothing() {
    let scratch = Scratch::new().unwrap();
    let (file, clock) = (StateFile::new(scratch.path()), Clock::start());
    file.write(memory(), clock).await.unwrap();
    let whole = std::fs::read(state_file(scratch.path())).unwrap();
    for length in 0..=whole.len() {
        std::fs::write(next_file(scratch.path()), &whole[..length]).unwrap();
        assert!(file.read(clock).await.unwrap().unwrap().drain.unwrap().ours);
    }
    // A longer one, left over, does not show through either.
    std::fs::write(next_file(scratch.path()), vec![b'x'; 10_000]).unwrap();
    file.write(memory(), clock).await.unwrap();
    assert!(file.read(clock).await.unwrap().unwrap().was_in_service);
    assert!(!next_file(scratch.path()).exists());
}

/// A disk that lost the end of the file, or a file system that never wrote it: reported, never believed
/// by half.
#[tokio::test]
async fn a_file_cut_short_is_no_memory_at_all() {
    let scratch = Scratch::new().unwrap();
    let (file, clock) = (StateFile::new(scratch.path()), Clock::start());
    file.write(memory(), clock).await.unwrap();
    let whole = std::fs::read(state_file(scratch.path())).unwrap();
    let text = whole.trim_ascii_end();
    for length in 0..text.len() {
        std::fs::write(state_file(scratch.path()), &text[..length]).unwrap();
        assert!(file.read(clock).await.is_err(), "{length} bytes of it");
    }
}

/// A directory that is mounted late, or an error of the disk that passes, is not the loss of the file.
#[tokio::test]
async fn a_file_that_cannot_be_read_at_first_is_read_again() {
    let scratch = Scratch::new().unwrap();
    let directory = scratch.path().join("late");
    let (file, clock) = (StateFile::new(&directory), Clock::start());
    std::fs::write(&directory, "not a directory yet").unwrap();
    let read = tokio::spawn(async move { file.read(clock).await });
    // The first try has failed by then; a later one must not.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    std::fs::remove_file(&directory).unwrap();
    StateFile::new(&directory)
        .write(memory(), clock)
        .await
        .unwrap();
    assert!(read.await.unwrap().unwrap().unwrap().was_in_service);
}

#[tokio::test]
async fn killed_while_it_writes_the_agent_goes_on_with_the_file_before() {
    let stage = Stage::new(vec![web(2_500)]).await;
    let directory = stage.scratch.path();
    let mut lives = Lives::start(&stage.builder);
    watching(&stage).await.unwrap();
    stage.instance.terminate();
    let draining = "ecs:UpdateContainerInstancesState";
    stage
        .until("DRAINING", |world| world.requests().accepted(draining) > 0)
        .await;
    for garbage in [&b""[..], b"{\"instance_id\": \"i-", &[0; 4_096]] {
        lives.end(End::Kill).await.unwrap();
        let before = written(directory).unwrap();
        std::fs::write(next_file(directory), garbage).unwrap();
        let sets = stage.count(draining);
        lives.begin();
        stage
            .until("DRAINING again", |world| {
                world.requests().count(draining) > sets
            })
            .await;
        let after = written(directory).unwrap();
        assert_eq!(after.started_at_boot, before.started_at_boot);
        assert_eq!(after.ours, before.ours);
    }
    stage.instance.wait_until_gone(PATIENCE).await.unwrap();
    stage.assert_safe();
    assert_eq!(
        stage.world(|world| world.completions(stage.instance.id())),
        1
    );
}
