//! Drains that nobody takes the instance away for: by hand, for maintenance, on a recommendation.

use std::time::Duration;

use ecs_lifecycle_config::Settings;
use ecs_lifecycle_decide::LifecycleActionResult::Continue;
use ecs_lifecycle_decide::TargetLifecycleState::Terminated;
use ecs_lifecycle_decide::{
    Action, ContainerInstanceStatus as Status, DrainByHand, DrainReason, Event, Failure,
    FailureKind, LifecycleState, MaintenanceEvent, Outcome, RebalanceRecommendation,
    SpotInstanceAction, WallTime,
};

use super::agent::{Agent, SECOND};

const MINUTE: Duration = Duration::from_mins(1);

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.drain.on_rebalance = Some(5 * MINUTE);
    settings.drain.on_maintenance = Some(60 * MINUTE);
    settings
}

fn by_hand(timeout: Option<Duration>) -> Agent {
    let mut agent = Agent::in_service(settings());
    agent.world.lifecycle = Some(LifecycleState::InService);
    agent.take(Event::DrainByHand { timeout });
    agent.run(5 * SECOND);
    assert_eq!(
        (agent.phase(), &agent.world.status),
        ("draining", &Status::Draining)
    );
    agent
}

/// How long after its beginning the deadline is, and whose it is.
fn deadline(agent: &Agent) -> (Duration, &'static str) {
    let drain = agent.state.drain.as_ref().unwrap();
    let deadline = drain.deadline(&agent.policy);
    (
        deadline.at.since(drain.started_at),
        deadline.source.as_str(),
    )
}

#[test]
fn by_hand_it_drains_asks_no_hook_and_comes_back() {
    let mut agent = by_hand(None);
    assert_eq!(deadline(&agent), (15 * MINUTE, "drain.timeout"));
    agent.stop_tasks();
    agent.run(20 * SECOND);
    assert_eq!(agent.phase(), "done");
    assert!(!agent.did("FindGroup") && !agent.did("Complete") && !agent.did("Signal"));
    agent.take(Event::UndrainByHand);
    agent.run(5 * SECOND);
    assert_eq!(
        (agent.phase(), &agent.world.status),
        ("watching", &Status::Active)
    );
    let memory = agent.state.memory();
    assert_eq!((memory.by_hand, memory.drain.as_ref()), (None, None));
}

#[test]
fn by_hand_it_has_the_deadline_that_was_asked_for() {
    let mut agent = by_hand(Some(2 * MINUTE));
    assert_eq!(deadline(&agent), (2 * MINUTE, "drain --timeout"));
    agent.run(2 * MINUTE);
    assert_eq!(agent.phase(), "done");
    assert_eq!(
        agent.state.drain.as_ref().unwrap().outcome(),
        Some(Outcome::TimedOut)
    );
}

#[test]
fn undrain_in_the_middle_puts_it_back_also_over_a_restart() {
    for restart in [false, true] {
        let mut agent = by_hand(None);
        agent.world.held.insert("SetActive");
        agent.take(Event::UndrainByHand);
        agent.run(SECOND);
        assert_eq!((agent.phase(), agent.said("CalledOff")), ("returning", 1));
        assert!(agent.did("SetActive"));
        agent.world.held.clear();
        if restart {
            agent.restart();
        }
        agent.run(30 * SECOND);
        assert_eq!(
            (agent.phase(), &agent.world.status),
            ("watching", &Status::Active)
        );
    }
}

#[test]
fn a_restart_goes_on_with_a_drain_by_hand() {
    let mut agent = by_hand(None);
    let memory = agent.state.memory();
    assert_eq!(memory.by_hand, Some(DrainByHand { timeout: None }));
    agent.restart();
    assert_eq!(agent.phase(), "draining");
}

#[test]
fn a_termination_takes_a_drain_by_hand_over_with_a_deadline_of_its_own() {
    let mut agent = by_hand(Some(20 * MINUTE));
    agent.run(10 * MINUTE);
    agent.target(Some(Terminated));
    agent.world.lifecycle = Some(LifecycleState::TerminatingWait);
    agent.run(5 * SECOND);
    assert!(agent.did("DescribeLifecycleHooks") && agent.said("DrainChanged") == 1);
    assert_eq!(deadline(&agent), (15 * MINUTE, "drain.timeout"));
    agent.take(Event::UndrainByHand);
    agent.run(5 * SECOND);
    assert_eq!(agent.phase(), "draining", "that is not for hands to undo");
}

#[test]
fn a_rebalance_recommendation_counts_only_where_the_policy_says_so() {
    for (policy, phase) in [(settings(), "draining"), (Settings::default(), "watching")] {
        let mut agent = Agent::in_service(policy);
        let notice_time = "2026-01-01T00:00:00Z".to_owned();
        if agent.policy.drain.on_rebalance.is_some() {
            agent.world.notices.rebalance = Ok(Some(RebalanceRecommendation { notice_time }));
        }
        agent.run(5 * SECOND);
        assert_eq!(agent.phase(), phase);
        if phase == "draining" {
            assert_eq!(deadline(&agent), (5 * MINUTE, "drain.on_rebalance"));
        }
    }
}

/// Each notice costs a request, and comes two minutes ahead, or never on an On-Demand Instance. A failing path is
/// reported once, and read each time until it answers again.
#[test]
fn notices_are_read_less_often_than_the_target() {
    for (on_demand, complete) in [(false, 30), (true, 2)] {
        let mut agent = Agent::new(settings(), None, super::agent::old());
        agent.world.on_demand = on_demand;
        agent.run(3 * SECOND);
        let readings = |agent: &mut Agent| {
            agent.actions.clear();
            agent.run(60 * SECOND);
            let with = |action: &Action| match action {
                Action::ReadMetadata { notices } => Some(*notices),
                _ => None,
            };
            let all: Vec<bool> = agent.actions.iter().filter_map(with).collect();
            (all.iter().filter(|with| **with).count(), all.len())
        };
        assert_eq!(readings(&mut agent), (complete, 60));
        let failure = Failure::new(FailureKind::Timeout, "no answer");
        agent.world.notices.spot_instance_action = Err(failure);
        agent.run(32 * SECOND);
        assert_eq!(agent.said("Failing"), 1, "{:?}", agent.notes);
        assert_eq!(readings(&mut agent), (60, 60));
        agent.world.notices.spot_instance_action = Ok(None);
        agent.run(2 * SECOND);
        assert_eq!(agent.said("Recovered"), 1, "{:?}", agent.notes);
        assert_eq!(readings(&mut agent), (complete, 60));
    }
}

/// The machine's clock is three minutes ahead. Metadata's answers say so.
#[test]
fn the_time_of_a_spot_notice_is_by_awss_clock() {
    let mut agent = Agent::in_service(settings());
    agent.world.tasks = vec![super::agent::task("web")];
    let aws = WallTime(super::agent::BOOT.0 - 180_000);
    agent.world.aws_at_boot = Some(aws);
    agent.world.notices.spot_instance_action = Ok(Some(SpotInstanceAction {
        action: "terminate".to_owned(),
        time: "in two minutes".to_owned(),
        at: WallTime::of(agent.now + 2 * MINUTE, aws),
    }));
    agent.run(30 * SECOND);
    assert_eq!(agent.phase(), "draining");
    assert_eq!(deadline(&agent).1, "Spot interruption");
    agent.run(2 * MINUTE);
    assert_eq!(agent.phase(), "done");
}

fn scheduled(agent: &mut Agent, in_: Duration) {
    let millis = i64::try_from(in_.as_millis()).unwrap();
    agent.world.notices.maintenance = Ok(Some(MaintenanceEvent {
        id: "instance-event-1".to_owned(),
        code: "system-reboot".to_owned(),
        not_before: "21 Jan 2019 09:00:43 GMT".to_owned(),
        at: WallTime::of(agent.now, super::agent::BOOT),
    }));
    if let Ok(Some(event)) = &mut agent.world.notices.maintenance {
        event.at.0 += millis;
    }
}

#[test]
fn maintenance_is_a_deadline_and_its_cancellation_brings_the_instance_back() {
    let mut agent = Agent::in_service(settings());
    agent.world.lifecycle = Some(LifecycleState::InService);
    scheduled(&mut agent, 61 * MINUTE);
    agent.run(55 * SECOND);
    assert_eq!(agent.phase(), "watching", "an hour before is soon enough");
    agent.run(10 * SECOND);
    assert_eq!(agent.phase(), "draining");
    assert_eq!(deadline(&agent), (60 * MINUTE, "scheduled maintenance"));
    agent.world.notices.maintenance = Ok(None);
    agent.run(10 * SECOND);
    assert_eq!(
        (agent.phase(), &agent.world.status),
        ("watching", &Status::Active)
    );
}

/// What a person asked for beside another reason stands when that is gone, unless it was taken back.
#[test]
fn a_drain_by_hand_beside_another_reason_is_the_persons() {
    for (undrains_first, phase) in [(false, "draining"), (true, "watching")] {
        let mut agent = Agent::in_service(settings());
        agent.world.lifecycle = Some(LifecycleState::InService);
        scheduled(&mut agent, 50 * MINUTE);
        agent.run(5 * SECOND);
        let timeout = Some(30 * MINUTE);
        agent.take(Event::DrainByHand { timeout });
        agent.run(30 * SECOND);
        assert_eq!(agent.state.refuses_undrain(), None);
        if undrains_first {
            agent.take(Event::UndrainByHand);
            assert!(agent.state.other_reason().is_some());
            agent.run(5 * SECOND);
            assert_eq!(agent.world.status, Status::Draining);
        }
        agent.world.notices.maintenance = Ok(None);
        agent.run(10 * SECOND);
        assert_eq!(agent.phase(), phase);
        if !undrains_first {
            let drain = agent.state.drain.as_ref().unwrap();
            assert_eq!(drain.reason, DrainReason::ByHand);
            assert_eq!(deadline(&agent), (30 * MINUTE, "drain --timeout"));
            agent.take(Event::UndrainByHand);
            agent.run(10 * SECOND);
        }
        assert_eq!(agent.world.status, Status::Active);
        assert_eq!(agent.phase(), "watching");
    }
}

#[test]
fn who_asks_again_is_given_the_time_again() {
    let mut agent = by_hand(Some(30 * SECOND));
    agent.run(20 * SECOND);
    let timeout = Some(60 * SECOND);
    agent.take(Event::DrainByHand { timeout });
    assert_eq!(deadline(&agent), (60 * SECOND, "drain --timeout"));
    agent.run(70 * SECOND);
    assert_eq!(agent.phase(), "done");
    agent.take(Event::DrainByHand { timeout });
    assert_eq!(agent.phase(), "draining");
    agent.stop_tasks();
    agent.run(30 * SECOND);
    let outcome = agent.state.drain.as_ref().unwrap().outcome();
    assert_eq!(outcome, Some(Outcome::Drained));
}

/// The notice is withdrawn after its time has come, and nothing was sent yet.
#[test]
fn a_deadline_that_was_put_off_has_not_passed() {
    let mut agent = Agent::in_service(settings());
    scheduled(&mut agent, 5 * MINUTE);
    agent.run(5 * SECOND);
    agent.target(Some(Terminated));
    agent.world.lifecycle = Some(LifecycleState::TerminatingWait);
    agent.run(5 * SECOND);
    agent.world.held.insert("RunExecutables");
    agent.run(5 * MINUTE);
    let outcome = |agent: &Agent| agent.state.drain.as_ref().unwrap().outcome();
    assert_eq!(outcome(&agent), Some(Outcome::TimedOut));
    agent.world.notices.maintenance = Ok(None);
    agent.run(5 * SECOND);
    agent.world.held.clear();
    agent.run(20 * SECOND);
    assert_eq!((outcome(&agent), agent.phase()), (None, "draining"));
    assert!(!agent.did("Complete"));
    agent.stop_tasks();
    agent.run(30 * SECOND);
    assert_eq!(outcome(&agent), Some(Outcome::Drained));
    assert_eq!(agent.results(), [Continue]);
}

/// Another call that works says nothing of one that is denied.
#[test]
fn what_is_denied_has_not_recovered() {
    let mut agent = Agent::in_service(settings());
    agent.fails("SetDraining", FailureKind::Denied);
    agent.take(Event::DrainByHand { timeout: None });
    agent.run(5 * MINUTE);
    agent.take(Event::StatusAsked);
    agent.run(MINUTE);
    assert_eq!((agent.said("Denied"), agent.said("Recovered")), (1, 0));
    let failing = agent.state.health.failing();
    assert_eq!(failing.len(), 1);
    agent.world.failing.clear();
    agent.run(2 * MINUTE);
    assert_eq!(agent.said("Recovered"), 1);
}

#[test]
fn maintenance_that_is_near_is_the_deadline() {
    let mut agent = Agent::in_service(settings());
    scheduled(&mut agent, 30 * SECOND);
    agent.run(5 * SECOND);
    let (left, source) = deadline(&agent);
    assert!(left <= 30 * SECOND && source == "scheduled maintenance");
}

#[test]
fn maintenance_that_is_due_already_leaves_two_minutes() {
    let mut agent = Agent::in_service(settings());
    scheduled(&mut agent, Duration::ZERO);
    agent.run(5 * SECOND);
    assert_eq!(deadline(&agent), (2 * MINUTE, "scheduled maintenance"));
}

/// The reboot that it was drained for has come, and metadata does not name it any more.
#[test]
fn after_the_reboot_it_is_put_back() {
    let mut agent = Agent::in_service(settings());
    agent.world.lifecycle = Some(LifecycleState::InService);
    scheduled(&mut agent, 50 * MINUTE);
    agent.run(5 * SECOND);
    assert_eq!(agent.world.status, Status::Draining);
    agent.world.notices.maintenance = Ok(None);
    agent.restart();
    agent.run(30 * SECOND);
    assert_eq!(
        (agent.phase(), &agent.world.status),
        ("watching", &Status::Active)
    );
}

/// The change back that an earlier process has sent may still arrive, so the opposite waits for it.
#[test]
fn what_an_earlier_process_has_sent_is_waited_for() {
    let mut agent = by_hand(None);
    agent.world.held.insert("SetActive");
    agent.take(Event::UndrainByHand);
    agent.run(SECOND);
    agent.stop_tasks();
    agent.target(Some(Terminated));
    agent.restart();
    assert_eq!(agent.phase(), "draining");
    assert!(!agent.did("SetDraining") && !agent.did("Complete"));
    agent.run(agent.policy.aws.request_timeout);
    assert!(agent.did("SetDraining") && agent.did("Complete"));
}
