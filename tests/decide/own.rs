//! Drains that nobody takes the instance away for: by hand, for maintenance, on a recommendation; and
//! what the user wants run around a drain.

use std::time::Duration;

use ecs_lifecycle_config::{HookFailure, ResultOnTimeout, Settings};
use ecs_lifecycle_decide::TargetLifecycleState::{InService, Terminated, WarmedTerminated};
use ecs_lifecycle_decide::{
    Action, Answer, CommandEvent, CommandsReport, ContainerInstanceStatus, DrainByHand, Event,
    FailureKind, LifecycleActionResult, MaintenanceEvent, Memory, MetadataReading, Moment, Outcome,
    Phase, RebalanceRecommendation, TaskStatus,
};

use super::agent::{
    Agent, INSTANCE, accepted, container_instance, draining_set, failure, group, hook, instance,
    task, view,
};

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.ecs.placement_settle = Duration::ZERO;
    settings.drain.on_rebalance = Some(Duration::from_mins(5));
    settings.drain.on_maintenance = Some(Duration::from_hours(1));
    settings
}

fn read(
    agent: &mut Agent,
    rebalance: Option<RebalanceRecommendation>,
    maintenance: Option<MaintenanceEvent>,
) {
    agent.event(Event::Metadata(MetadataReading {
        target_lifecycle_state: Ok(Some(InService)),
        spot_instance_action: Ok(None),
        rebalance: Ok(rebalance),
        maintenance: Ok(maintenance),
    }));
}

fn event(in_: Duration, agent: &Agent) -> MaintenanceEvent {
    MaintenanceEvent {
        id: "instance-event-1".to_owned(),
        code: "system-reboot".to_owned(),
        not_before: "21 Jan 2019 09:00:43 GMT".to_owned(),
        deadline: agent.now + in_,
    }
}

fn recommended() -> RebalanceRecommendation {
    RebalanceRecommendation {
        notice_time: "2026-01-01T00:00:00Z".to_owned(),
    }
}

/// DRAINING accepted, for a container instance that was in service before.
fn taken_out(agent: &mut Agent) {
    agent.answer(Answer::ContainerInstance(Ok(view(
        ContainerInstanceStatus::Active,
        1,
    ))));
    agent.remembered();
    agent.answer(Answer::DrainingSet(Ok(draining_set(1))));
    agent.answer(Answer::Tasks(Ok(vec![task("a", TaskStatus::Running)])));
    agent.remembered();
}

fn deadline(agent: &Agent) -> (Duration, &'static str) {
    let Phase::Draining(drain) = &agent.state.phase else {
        panic!("it drains");
    };
    let deadline = drain.deadline(&agent.policy);
    (deadline.at.since(agent.now), deadline.source.as_str())
}

fn by_hand(timeout: Option<Duration>) -> Agent {
    let mut agent = Agent::in_service(settings());
    agent.event(Event::DrainByHand { timeout });
    taken_out(&mut agent);
    agent
}

#[test]
fn by_hand_it_drains_asks_no_hook_and_comes_back() {
    let mut agent = by_hand(None);
    assert_eq!(agent.phase(), "Draining");
    assert!(!agent.did("FindGroup"), "there is no lifecycle action");
    assert_eq!(deadline(&agent), (Duration::from_mins(15), "drain.timeout"));
    agent.run_dry();
    assert_eq!(agent.phase(), "Done");
    assert!(!agent.did("Complete") && !agent.did("Signal"));
    agent.clear();
    agent.event(Event::UndrainByHand);
    assert_eq!(agent.phase(), "Returning");
    assert!(agent.did("SetActive"));
    agent.event(Event::ActiveSet(Ok(draining_set(0))));
    assert_eq!(agent.phase(), "Watching");
    assert_eq!(agent.state.memory().by_hand, None);
}

#[test]
fn by_hand_it_has_the_deadline_that_was_asked_for() {
    let mut agent = by_hand(Some(Duration::from_mins(2)));
    assert_eq!(
        deadline(&agent),
        (Duration::from_mins(2), "drain --timeout")
    );
    agent.pass(Duration::from_mins(2));
    assert_eq!(agent.phase(), "Done");
    assert!(matches!(&agent.state.phase, Phase::Done(done) if done.outcome == Outcome::TimedOut));
}

#[test]
fn undrain_in_the_middle_puts_it_back() {
    let mut agent = by_hand(None);
    agent.clear();
    agent.event(Event::UndrainByHand);
    assert_eq!(agent.phase(), "Returning");
    assert!(agent.said("CalledOff"));
}

#[test]
fn a_restart_goes_on_with_a_drain_by_hand() {
    let memory = by_hand(None).state.memory().clone();
    assert_eq!(memory.by_hand, Some(DrainByHand { timeout: None }));
    let mut agent = Agent::new(settings(), Some(memory));
    agent.tick();
    agent.event(Event::Instance(Ok(instance())));
    agent.target(Some(InService));
    assert_eq!(agent.phase(), "Draining");
}

#[test]
fn a_drain_that_was_taken_back_while_the_agent_was_down_is_put_back() {
    let mut memory = by_hand(None).state.memory().clone();
    memory.by_hand = None;
    let mut agent = Agent::new(settings(), Some(memory));
    agent.tick();
    agent.event(Event::Instance(Ok(instance())));
    agent.target(None);
    assert_eq!(agent.phase(), "Returning");
}

#[test]
fn a_termination_takes_a_drain_by_hand_over_with_a_deadline_of_its_own() {
    let mut agent = by_hand(Some(Duration::from_mins(20)));
    agent.pass(Duration::from_mins(10));
    agent.target(Some(Terminated));
    assert!(agent.did("FindGroup"), "now there is a lifecycle action");
    assert_eq!(deadline(&agent), (Duration::from_mins(15), "drain.timeout"));
    agent.event(Event::UndrainByHand);
    assert_eq!(agent.phase(), "Draining", "that is not for hands to undo");
}

#[test]
fn a_rebalance_recommendation_counts_only_where_the_policy_says_so() {
    let mut agent = Agent::in_service(settings());
    read(&mut agent, Some(recommended()), None);
    taken_out(&mut agent);
    assert_eq!(
        deadline(&agent),
        (Duration::from_mins(5), "drain.on_rebalance")
    );
    agent.run_dry();
    assert_eq!(agent.phase(), "Done");
    // Auto Scaling comes later, and finds nothing left to drain.
    agent.target(Some(Terminated));
    assert_eq!(agent.phase(), "Draining");
}

#[test]
fn maintenance_is_a_deadline_and_its_cancellation_brings_the_instance_back() {
    let mut agent = Agent::in_service(settings());
    let scheduled = event(Duration::from_mins(50), &agent);
    read(&mut agent, None, Some(scheduled.clone()));
    taken_out(&mut agent);
    assert_eq!(
        deadline(&agent),
        (Duration::from_mins(50), "scheduled maintenance")
    );
    agent.pass(Duration::from_mins(1));
    read(&mut agent, None, Some(scheduled));
    assert_eq!(deadline(&agent).0, Duration::from_mins(49));
    read(&mut agent, None, None);
    assert_eq!(agent.phase(), "Returning");
}

#[test]
fn maintenance_that_is_due_already_leaves_two_minutes() {
    let mut agent = Agent::in_service(settings());
    let late = event(Duration::ZERO, &agent);
    read(&mut agent, None, Some(late));
    taken_out(&mut agent);
    assert_eq!(
        deadline(&agent),
        (Duration::from_mins(2), "scheduled maintenance")
    );
}

#[test]
fn after_the_reboot_the_instance_is_put_back() {
    let mut agent = Agent::in_service(settings());
    let scheduled = event(Duration::from_mins(50), &agent);
    read(&mut agent, None, Some(scheduled));
    taken_out(&mut agent);
    let memory: Memory = agent.state.memory().clone();
    assert_eq!(memory.instance_id, INSTANCE);
    let mut rebooted = Agent::new(settings(), Some(memory));
    rebooted.tick();
    rebooted.event(Event::Instance(Ok(instance())));
    rebooted.target(Some(InService));
    assert_eq!(rebooted.phase(), "Returning");
}

fn hooked(on_failure: HookFailure) -> Agent {
    let mut settings = settings();
    settings.hooks.on_failure = on_failure;
    settings.drain.result_on_timeout = ResultOnTimeout::Abandon;
    let mut agent = Agent::in_service(settings);
    agent.no_commands = false;
    agent.target(Some(Terminated));
    agent.remembered();
    agent
}

fn ran(agent: &mut Agent, event: CommandEvent, failed: bool) {
    let failed = failed.then(|| failure(FailureKind::Refused));
    agent.answer(Answer::Commands {
        event,
        result: Ok(CommandsReport {
            ran: 1,
            failed: failed.into_iter().collect(),
        }),
    });
}

fn finish(agent: &mut Agent) {
    agent.answer(Answer::DrainingSet(Ok(draining_set(1))));
    agent.answer(Answer::Group(Ok(Some(group("Terminating:Wait")))));
    agent.answer(Answer::Hooks(Ok(vec![hook("drain-hook")])));
    agent.run_dry();
}

fn result(agent: &Agent) -> Option<LifecycleActionResult> {
    agent.actions.iter().find_map(|action| match action {
        Action::Complete { result, .. } => Some(*result),
        _ => None,
    })
}

#[test]
fn what_runs_before_holds_draining_and_what_runs_after_holds_the_completion() {
    let mut agent = hooked(HookFailure::Ignore);
    assert!(agent.did("RunCommands"));
    agent.pass(Duration::from_secs(20));
    assert!(!agent.did("SetDraining"), "not before they are done");
    ran(&mut agent, CommandEvent::BeforeDrain, false);
    assert!(agent.did("SetDraining"));
    finish(&mut agent);
    assert!(agent.did("RunCommands") && agent.said("DrainOver"));
    assert_eq!((agent.phase(), result(&agent)), ("Draining", None));
    ran(&mut agent, CommandEvent::AfterDrain, false);
    assert_eq!(result(&agent), Some(LifecycleActionResult::Continue));
}

#[test]
fn heartbeats_go_on_while_executables_run() {
    let mut agent = hooked(HookFailure::Ignore);
    ran(&mut agent, CommandEvent::BeforeDrain, false);
    finish(&mut agent);
    agent.pass(Duration::from_secs(100));
    assert!(agent.did("Heartbeat"));
    agent.answer(Answer::Heartbeat(Ok(accepted())));
    agent.pass(Duration::from_secs(100));
    assert!(agent.did("Heartbeat"));
}

#[test]
fn a_failure_is_ignored_or_held_against_the_outcome() {
    for (on_failure, before, after, expected) in [
        (
            HookFailure::Ignore,
            true,
            true,
            LifecycleActionResult::Continue,
        ),
        (
            HookFailure::Fail,
            false,
            false,
            LifecycleActionResult::Continue,
        ),
        (
            HookFailure::Fail,
            true,
            false,
            LifecycleActionResult::Abandon,
        ),
        (
            HookFailure::Fail,
            false,
            true,
            LifecycleActionResult::Abandon,
        ),
    ] {
        let mut agent = hooked(on_failure);
        ran(&mut agent, CommandEvent::BeforeDrain, before);
        finish(&mut agent);
        ran(&mut agent, CommandEvent::AfterDrain, after);
        assert_eq!(
            result(&agent),
            Some(expected),
            "{on_failure} {before} {after}"
        );
    }
}

#[test]
fn executables_that_never_come_back_do_not_outlast_the_deadline() {
    let mut agent = hooked(HookFailure::Ignore);
    agent.answer(Answer::Group(Ok(Some(group("Terminating:Wait")))));
    agent.answer(Answer::Hooks(Ok(vec![hook("drain-hook")])));
    agent.event(Event::ContainerInstance(Ok(Some(container_instance()))));
    agent.pass(Duration::from_mins(15));
    assert!(agent.said("DrainOver"));
    assert!(!agent.did("SetDraining"));
    assert_ne!(agent.now, Moment::from_millis(0));
}

/// Out of the pool it has never left: the drain is over before anything was run, and nothing has failed.
#[test]
fn executables_that_were_never_run_have_not_failed() {
    let mut settings = settings();
    settings.hooks.on_failure = HookFailure::Fail;
    settings.drain.result_on_timeout = ResultOnTimeout::Abandon;
    let mut agent = Agent::new(settings, None);
    agent.tick();
    agent.event(Event::Instance(Ok(instance())));
    agent.target(Some(WarmedTerminated));
    agent.answer(Answer::Group(Ok(Some(group("Warmed:Terminating:Wait")))));
    agent.answer(Answer::Hooks(Ok(vec![hook("drain-hook")])));
    assert_eq!(result(&agent), Some(LifecycleActionResult::Continue));
}
