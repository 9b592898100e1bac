//! A cluster that scales by its agents' figures: real agents, one for each host, against the simulator. Both run
//! on clocks that are many times faster than the machine's (`tests/rig/src/cluster.rs`).

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use ecs_lifecycle_rig::cluster::{self, CLUSTER, Cluster, GROUP, SERVICE, tide};
use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, LifecycleActionResult, Placement, ServiceSpec, SimTime, Statistic,
    TargetLifecycleState, What, Who, World,
};

const SPEED: u32 = 120;
const TASKS: usize = 6;
const HEALTHY_AFTER: Duration = Duration::from_secs(20);

async fn cluster(hosts: usize, placement: Placement) -> Cluster {
    let service = ServiceSpec::runs(CLUSTER, TASKS, cluster::task())
        .placement(placement)
        .healthy_after(HEALTHY_AFTER);
    let agent = Path::new(env!("CARGO_BIN_EXE_ecs-lifecycle-agent"));
    let mut cluster = Cluster::start(agent, SPEED, hosts, service).await.unwrap();
    let healthy = |w: &World| w.healthy_targets(SERVICE) == TASKS;
    cluster
        .until("the tasks are healthy", Duration::from_mins(3), healthy)
        .await
        .unwrap();
    cluster
}

/// The fewest healthy targets that there were at any moment since then, by the truth's own events.
fn fewest_healthy(world: &World, since: SimTime) -> usize {
    let mut changes: Vec<(SimTime, bool, &str)> = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for event in world.events() {
        match &event.what {
            What::TaskRunning { task } => changes.push((event.at_sim + HEALTHY_AFTER, false, task)),
            What::TaskToldToStop { task, .. } | What::Killed { task }
                if !told.contains(&task.as_str()) =>
            {
                told.push(task);
                changes.push((event.at_sim, true, task));
            }
            _ => {}
        }
    }
    // Of one moment, those that become healthy first.
    changes.sort();
    let mut healthy: Vec<&str> = Vec::new();
    let mut fewest = usize::MAX;
    for (at, ends, task) in changes {
        if at > world.now() {
            break;
        }
        if at >= since {
            fewest = fewest.min(healthy.len());
        }
        if ends {
            healthy.retain(|known| *known != task);
        } else {
            healthy.push(task);
        }
    }
    fewest.min(healthy.len())
}

/// Drained by its own agent, which completed the hook after the last container was gone, and nobody else did.
fn was_drained_first(world: &World, id: &str) {
    let at = |what: &str, is: fn(&What) -> bool| {
        let event = world.events_of(id).rev().find(|event| is(&event.what));
        event.unwrap_or_else(|| panic!("{what} of {id}")).at_sim
    };
    let draining = at("DRAINING", |what| {
        matches!(
            what,
            What::ContainerInstanceStatusChanged {
                to: ContainerInstanceStatus::Draining,
                by: Who::Api(_),
                ..
            }
        )
    });
    let completed = at(
        "completion",
        |what| matches!(what, What::HookCompleted { hook, result: LifecycleActionResult::Continue, .. } if hook == "drain"),
    );
    let ends = world
        .events_of(id)
        .filter(|event| matches!(event.what, What::ContainerGone { .. }));
    let last = ends.map(|event| event.at_sim).max();
    assert!(
        draining < completed && last <= Some(completed),
        "{id}: {draining:?} {last:?} {completed:?}"
    );
    assert_eq!(world.instance(id).unwrap().completions["drain"], 1);
}

#[tokio::test]
async fn a_load_rises_and_falls_and_the_cluster_follows_without_a_loop() {
    let agent = Path::new(env!("CARGO_BIN_EXE_ecs-lifecycle-agent"));
    let mut cluster = Cluster::start(agent, 150, tide::HOSTS, tide::service())
        .await
        .unwrap();
    let history = tide::play(&mut cluster, |_| ()).await.unwrap();
    let problems = tide::problems(&cluster, &history);
    assert!(
        problems.is_empty(),
        "{problems:#?}\n{history:#?}\n{}",
        cluster.logs()
    );
}

/// A sum takes a second sample of a minute for a second host.
#[tokio::test]
async fn killed_at_every_point_of_a_minute_a_host_speaks_once_in_it() {
    let agent = Path::new(env!("CARGO_BIN_EXE_ecs-lifecycle-agent"));
    let service = ServiceSpec::runs(CLUSTER, 1, cluster::task());
    let mut cluster = Cluster::start(agent, SPEED, 1, service).await.unwrap();
    let minute = Duration::from_mins(1);
    let first = cluster.simulator.world(|w| w.minute_of(w.now()));
    let mut at = cluster.simulator.now();
    for point in 0..30 {
        at += 2 * minute;
        cluster.run_until(at + minute * point / 30).await.unwrap();
        cluster.kill_agents().await.unwrap();
    }
    cluster.run_until(at + 3 * minute).await.unwrap();
    let metric = Cluster::metric("ContainerCapacity", Statistic::SampleCount);
    let samples: Vec<Option<f64>> = cluster.simulator.world(|w| {
        let last = w.minute_of(w.now());
        (first..last)
            .map(|minute| w.statistic(minute, &metric))
            .collect()
    });
    let twice = samples.iter().flatten().any(|count| *count > 1.0);
    let spoken = samples.iter().flatten().count();
    assert!(
        !twice && spoken > samples.len() / 2,
        "{samples:?}\n{}",
        cluster.logs()
    );
}

#[tokio::test]
async fn scale_in_drains_a_partly_filled_instance_first_and_loses_nothing() {
    let mut cluster = cluster(3, Placement::Spread).await;
    let since = cluster.simulator.now();
    let terminated = |w: &World| {
        let is = |what: &What| *what == What::TargetStateSet(TargetLifecycleState::Terminated);
        let event = w.events().iter().find(|event| is(&event.what));
        event.map(|event| event.instance.clone())
    };
    cluster
        .until("an instance is taken", Duration::from_mins(40), |w| {
            terminated(w).is_some()
        })
        .await
        .unwrap();
    let victim = cluster.simulator.world(terminated).unwrap();
    cluster
        .until("it is gone", Duration::from_mins(20), |w| {
            w.is_gone(&victim)
        })
        .await
        .unwrap();
    let quiet = cluster.simulator.now() + Duration::from_mins(20);
    cluster.run_until(quiet).await.unwrap();
    cluster.simulator.world(|w| {
        assert!(w.killed().is_empty(), "{:?}", w.killed());
        was_drained_first(w, &victim);
        // It had tasks, and each ran elsewhere before it was told to stop.
        let moved = w.tasks_of(&victim).count();
        assert_eq!(moved, TASKS / 3);
        assert_eq!(fewest_healthy(w, since), TASKS);
        assert_eq!(
            (w.healthy_targets(SERVICE), w.waiting_tasks(SERVICE)),
            (TASKS, 0)
        );
        let size = w.group_size(GROUP);
        assert_eq!((size.in_service, size.pending, size.terminating), (2, 0, 0));
    });
}

/// As CloudFormation does it: one more instance, its signal, one of the old ones less. Policies are suspended.
#[tokio::test]
async fn a_deployment_during_a_rolling_update_keeps_every_target_healthy() {
    let mut cluster = cluster(3, Placement::Binpack).await;
    let since = cluster.simulator.now();
    let old: Vec<String> = cluster
        .simulator
        .world(|w| w.instances().map(|i| i.id.clone()).collect());
    cluster.suspend(true);
    cluster
        .simulator
        .change(|w| w.change_service(SERVICE, |service| service.task.version = 2));
    for leaving in &old {
        cluster.expect_signal();
        cluster.resize(old.len() + 1);
        cluster
            .until(
                "the replacement has signalled",
                Duration::from_mins(15),
                Cluster::has_signal,
            )
            .await
            .unwrap();
        cluster.resize(old.len());
        assert!(cluster.simulator.change(|w| w.terminate(leaving)));
        cluster
            .until("the old one is gone", Duration::from_mins(15), |w| {
                w.is_gone(leaving)
            })
            .await
            .unwrap();
    }
    cluster.suspend(false);
    let settled = |w: &World| w.healthy_targets(SERVICE) == TASKS;
    cluster
        .until("all is well", Duration::from_mins(5), settled)
        .await
        .unwrap();
    cluster.simulator.world(|w| {
        assert!(w.killed().is_empty(), "{:?}", w.killed());
        assert_eq!(fewest_healthy(w, since), TASKS);
        for id in &old {
            was_drained_first(w, id);
        }
        let stay: Vec<_> = w.instances().filter(|i| !i.is_gone()).collect();
        assert_eq!(stay.len(), old.len());
        let tasks: Vec<_> = stay
            .iter()
            .flat_map(|i| w.tasks_of(&i.id))
            .filter(|t| t.is_running())
            .collect();
        assert_eq!(tasks.len(), TASKS);
        assert!(tasks.iter().all(|task| task.spec.version == 2));
        // Nobody but the update has changed the group's size.
        let sizes = w
            .events()
            .iter()
            .filter(|e| matches!(e.what, What::DesiredCapacity { .. }));
        assert_eq!(sizes.count(), 2 * old.len());
    });
}
