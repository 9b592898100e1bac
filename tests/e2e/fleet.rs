//! Many instances at once, as in a rolling update.

use ecs_lifecycle_rig::Scratch;
use ecs_lifecycle_simulator::{InstanceSpec, Options, Simulator};

use super::stage::{KNOWN, PATIENCE, builder, group, web};

#[tokio::test]
async fn a_fleet_drains_at_once_under_throttling_and_nobody_is_lost() {
    const SIZE: usize = 20;
    let options = Options::default().with_throttling(true);
    let simulator = Simulator::start(options).await.unwrap();
    simulator.add_cluster("demo");
    simulator.add_group(group());
    let mut fleet = Vec::new();
    for n in 0..SIZE {
        let mut spec = InstanceSpec::new("demo").group("demo-asg");
        for task in 0..5 {
            spec = spec.task(web(500 + 100 * task + 10 * n as u64));
        }
        let instance = simulator.add_instance(spec).await.unwrap();
        let scratch = Scratch::new().unwrap();
        let agent = builder(&instance, scratch.path()).start().unwrap();
        fleet.push((instance, agent, scratch));
    }
    for (_, agent, _) in &fleet {
        agent.says(KNOWN).await;
    }
    for (instance, ..) in &fleet {
        instance.terminate();
    }
    for (instance, agent, _) in &fleet {
        let gone = instance.wait_until_gone(PATIENCE).await;
        gone.unwrap_or_else(|error| panic!("{error}\n{}", agent.text()));
    }
    simulator.world(|world| {
        assert!(world.killed().is_empty(), "{:?}", world.killed());
        for (instance, ..) in &fleet {
            assert_eq!(world.completions(instance.id()), 1);
        }
    });
}
