//! What one instance goes through, again and again: tasks come and go; it goes to the warm pool, and
//! back into service; or it is on its way there, and called back.

use ecs_lifecycle_rig::Random;
use std::convert::Infallible;
use std::time::Duration;

use ecs_lifecycle_simulator::model::InstanceModel;
use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, LifecycleState, TargetLifecycleState, TaskSpec,
};
use tokio::time::sleep;

use crate::counts;
use crate::stage::Play;

const POOL: [TargetLifecycleState; 3] = [
    TargetLifecycleState::WarmedStopped,
    TargetLifecycleState::WarmedRunning,
    TargetLifecycleState::WarmedHibernated,
];

/// When an operator steps in: late enough that the agent has seen that it is back in service.
const OPERATOR: Duration = Duration::from_secs(20);

/// Never ends, but in trouble.
pub(crate) async fn tell(play: Play) -> Result<Infallible, String> {
    let mut random = Random::new(1000 + play.number);
    // The longest list of tasks that the agent will ever read is there from the start.
    for _ in 0..300 {
        play.place(TaskSpec::standalone("batch").runs_for(Duration::from_millis(1)));
    }
    // Until the agent has looked at the metadata.
    sleep(Duration::from_secs(2)).await;
    loop {
        for _ in 0..random.between(1, 8) {
            play.place(task(&mut random));
            sleep(random.millis(0, 60)).await;
        }
        sleep(random.millis(0, 300)).await;
        if random.between(0, 3) == 0 {
            call_off(&play, &mut random).await?;
        } else {
            to_the_pool_and_back(&play, &mut random).await?;
        }
    }
}

fn task(random: &mut Random) -> TaskSpec {
    let task = match random.between(0, 8) {
        0 => TaskSpec::daemon("logs"),
        1 | 2 => TaskSpec::standalone("batch").runs_for(random.millis(1, 600)),
        3 => TaskSpec::service("web").after_draining(random.millis(0, 50)),
        4 => TaskSpec::service("api").pending_for(random.millis(1, 200)),
        _ => TaskSpec::service("web"),
    };
    task.replacement_delay(random.millis(0, 100))
        .stop_duration(random.millis(10, 400))
}

async fn to_the_pool_and_back(play: &Play, random: &mut Random) -> Result<(), String> {
    let state = usize::try_from(random.between(0, 3)).unwrap_or_default();
    let state = POOL.into_iter().cycle().nth(state);
    if !state.is_some_and(|state| play.instance.send_to_warm_pool(state)) {
        return Err(format!("agent {}: not in service", play.number));
    }
    play.until("the warm pool", |instance| {
        matches!(
            instance.lifecycle_state,
            Some(
                LifecycleState::WarmedStopped
                    | LifecycleState::WarmedRunning
                    | LifecycleState::WarmedHibernated
            )
        )
    })
    .await?;
    counts::add(&play.counts.drains);
    sleep(random.millis(0, 100)).await;
    play.instance.return_to_service();
    play.until("in service", |instance| {
        instance.lifecycle_state == Some(LifecycleState::InService)
    })
    .await?;
    active_again(play).await
}

/// The target alone changes, and back: there is no lifecycle action to complete.
async fn call_off(play: &Play, random: &mut Random) -> Result<(), String> {
    play.instance
        .set_target(TargetLifecycleState::WarmedStopped);
    play.until("DRAINING", |instance| {
        instance.status == ContainerInstanceStatus::Draining
    })
    .await?;
    sleep(random.millis(0, 700)).await;
    play.instance.set_target(TargetLifecycleState::InService);
    counts::add(&play.counts.called_off);
    active_again(play).await
}

/// The agent puts back what it took out of service. Where ECS did not answer when it asked whether it
/// was the agent that did, it leaves that to an operator.
async fn active_again(play: &Play) -> Result<(), String> {
    let is_active = |instance: &InstanceModel| instance.status == ContainerInstanceStatus::Active;
    let agent = play.until("ACTIVE again", is_active);
    if tokio::time::timeout(OPERATOR, agent).await.is_err() {
        play.instance
            .set_container_instance_status(ContainerInstanceStatus::Active);
        counts::add(&play.counts.put_back);
    }
    Ok(())
}
