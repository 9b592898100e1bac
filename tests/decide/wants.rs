//! What is wanted, by what metadata says, what is remembered, and how old the instance is.

use std::collections::BTreeMap;
use std::time::Duration;

use ecs_lifecycle_config::Settings;
use ecs_lifecycle_decide::{
    JoinOutcome, JoinTarget, LifecycleState, Memory, Moment, Phase, ReasonKey,
    RebalanceRecommendation, RememberedDrain, RememberedJoin, SpotInstanceAction,
    TargetLifecycleState, WallTime,
};

use super::agent::{Agent, BOOT, INSTANCE, SECOND, container_instance, new, old};

fn target(text: &str) -> Option<TargetLifecycleState> {
    (text != "404").then(|| TargetLifecycleState::parse(text))
}

/// The phase, and why.
fn does(agent: &Agent) -> String {
    match agent.state.phase() {
        Phase::Draining(drain) => format!("drain: {:?}", drain.reason.key().to_text()),
        Phase::Joining(join) => format!("join: {:?}", join.way_in()),
        phase => phase.name().as_str().to_owned(),
    }
}

fn started(recalled: Option<Memory>, pending: Option<WallTime>, target: &str) -> Agent {
    let mut agent = Agent::new(Settings::default(), recalled, pending);
    agent.world.held.extend(["Complete", "Signal", "SetActive"]);
    agent.world.identity = None;
    agent.world.held.insert("FindGroup");
    agent.target(self::target(target));
    agent.run(2 * SECOND);
    agent.world.held.remove("FindGroup");
    agent
}

fn memory() -> Memory {
    Memory {
        instance_id: INSTANCE.to_owned(),
        was_in_service: true,
        ..Memory::default()
    }
}

#[test]
fn of_an_instance_of_which_nothing_is_known() {
    for (says, when_new, when_old) in [
        ("404", "join: Service", "watching"),
        ("InService", "join: Service", "watching"),
        ("Some:News", "join: Service", "watching"),
        ("Detached", "watching", "watching"),
        ("Standby", "watching", "watching"),
        (
            "Terminated",
            "drain: \"Terminated\"",
            "drain: \"Terminated\"",
        ),
        (
            "Warmed:Running",
            "join: WarmPool",
            "drain: \"Warmed:Running\"",
        ),
        (
            "Warmed:Stopped",
            "join: WarmPool",
            "drain: \"Warmed:Stopped\"",
        ),
        (
            "Warmed:Hibernated",
            "join: WarmPool",
            "drain: \"Warmed:Hibernated\"",
        ),
    ] {
        assert_eq!(does(&started(None, new(), says)), when_new, "{says}");
        assert_eq!(does(&started(None, old(), says)), when_old, "{says}");
    }
    let unknown_age = started(None, None, "InService");
    assert_eq!(does(&unknown_age), "watching");
}

#[test]
fn of_one_that_has_joined_before() {
    let joined = |into| RememberedJoin {
        into,
        started_at: Moment::from_millis(0),
        over: true,
        outcome: Some(JoinOutcome::Joined),
        signalled: true,
    };
    for (says, after_service, after_pool) in [
        ("404", "watching", "join: Service"),
        ("InService", "watching", "join: Service"),
        ("Warmed:Stopped", "drain: \"Warmed:Stopped\"", "watching"),
    ] {
        let mut known = memory();
        known.join = Some(joined(JoinTarget::Service));
        assert_eq!(
            does(&started(Some(known.clone()), new(), says)),
            after_service
        );
        known.join = Some(joined(JoinTarget::WarmPool));
        known.was_in_service = false;
        assert_eq!(does(&started(Some(known), new(), says)), after_pool);
    }
}

/// What the file of another machine says (it was baked into an image) counts for nothing.
#[test]
fn another_machines_memory_is_forgotten() {
    let mut baked = memory();
    baked.instance_id = "i-another".to_owned();
    assert_eq!(
        does(&started(Some(baked), new(), "Warmed:Stopped")),
        "join: WarmPool"
    );
}

/// A wall clock that is behind what EC2 has said is wrong; how long the machine is up, is not.
#[test]
fn a_clock_that_is_behind_makes_no_old_instance_new() {
    let mut agent = Agent::new(
        Settings::default(),
        None,
        Some(WallTime(BOOT.0 + 20_000_000)),
    );
    agent.now = Moment::from_millis(5_000_000);
    agent.run(2 * SECOND);
    assert_eq!(does(&agent), "watching");
}

#[test]
fn spot_outranks_a_join_and_a_warning_waits_for_its_end() {
    let mut settings = Settings::default();
    settings.drain.on_rebalance = Some(Duration::from_mins(5));
    let mut agent = Agent::joining(settings);
    agent.world.notices.rebalance = Ok(Some(RebalanceRecommendation {
        notice_time: "2026-01-01T00:00:00Z".to_owned(),
    }));
    agent.run(10 * SECOND);
    assert_eq!(does(&agent), "join: Service");
    agent.world.notices.spot_instance_action = Ok(Some(SpotInstanceAction {
        action: "terminate".to_owned(),
        time: "2023-11-14T22:20:00Z".to_owned(),
        at: WallTime(BOOT.0 + 400_000),
    }));
    agent.run(2 * SECOND);
    assert_eq!(does(&agent), "drain: \"spot:terminate\"");
}

fn drained_for(reason: &str) -> Memory {
    Memory {
        container_instance: Some(container_instance()),
        verified: Some(container_instance().arn),
        drain: Some(RememberedDrain {
            reason: ReasonKey::parse(reason),
            started_at: Moment::from_millis(0),
            ours: true,
            pending_time: old(),
            outcome: None,
            over_at: None,
            tasks: BTreeMap::new(),
            signalled: false,
            completed: false,
            spent: Duration::ZERO,
        }),
        ..memory()
    }
}

/// Silence is no word: only positive evidence takes back what Auto Scaling has asked for.
#[test]
fn what_takes_a_reason_back() {
    for (reason, says, expected) in [
        ("Terminated", "404", "drain: \"Terminated\""),
        ("Terminated", "InService", "drain: \"Terminated\""),
        ("Warmed:Stopped", "404", "drain: \"Warmed:Stopped\""),
        ("Warmed:Stopped", "Standby", "drain: \"Warmed:Stopped\""),
        ("Warmed:Stopped", "InService", "returning"),
        ("spot:stop", "404", "returning"),
        ("shutdown", "404", "returning"),
        ("by hand", "InService", "returning"),
        ("called off", "404", "returning"),
    ] {
        let agent = started(Some(drained_for(reason)), old(), says);
        let found = match does(&agent) {
            // Out of the pool it joins, and putting back is a part of that.
            joins if joins == "join: Service" && agent.state.memory().drain.is_some() => {
                "returning".to_owned()
            }
            found => found,
        };
        assert_eq!(found, expected, "{reason}, {says}");
    }
}

/// Auto Scaling says twice, a while apart, that it lives; or the machine was stopped and started since.
#[test]
fn a_termination_is_taken_back_by_auto_scaling_or_by_a_new_start() {
    let mut agent = started(Some(drained_for("Terminated")), old(), "404");
    agent.world.lifecycle = Some(LifecycleState::InService);
    agent.run(10 * SECOND);
    assert!(agent.state.drain.is_some());
    agent.run(40 * SECOND);
    assert_eq!(agent.phase(), "returning");

    let mut agent = started(Some(drained_for("Terminated")), new(), "404");
    agent.run(10 * SECOND);
    assert!(agent.did("SetActive"), "{}", does(&agent));
}
