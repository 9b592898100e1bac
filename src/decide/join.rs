//! A join in progress: has a new instance become a member of its cluster?
//!
//! Three parts side by side. *membership*: the ECS agent has an ARN, ECS shows it ACTIVE with the agent
//! connected, and every executable of `ready.d` succeeds, in this order. *hook*: which launching action
//! is ours, and is it kept waiting? *stack*: which resource waits for a signal? At the end, which is the
//! deadline at the latest, the world is told once.
//!
//! An instance on its way into the warm pool has nothing to join: its ECS agent waits there. Its launching
//! action is completed all the same, as nobody else would.

use std::time::Duration;

use super::action::{Action, LifecycleActionResult, SignalStatus};
use super::call::Call;
use super::commands::{CommandEvent, CommandFacts, Commands};
use super::event::{Accepted, Answer};
use super::facts::{
    ContainerInstance, ContainerInstanceStatus, ContainerInstanceView, Failure, LifecycleTransition,
};
use super::health::{Dependency, Health};
use super::lifecycle::{Completion, Ending, Heartbeat, HookSearch, Signal};
use super::memory::{JoinTarget, RememberedJoin};
use super::note::Note;
use super::time::Moment;
use super::{Policy, Turn, Wake};
use ecs_lifecycle_config::StackResource;

/// ECS is asked no less often than this.
const SLOWEST_LOOK: Duration = Duration::from_secs(30);
/// How long the end of a join waits to learn which stack it is of.
const STACK_PATIENCE: Duration = Duration::from_secs(30);
const LOOK: &str = "ecs:DescribeContainerInstances";

/// A join in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Where to, since when.
    pub(super) remembered: RememberedJoin,
    /// Which lifecycle action is ours?
    pub hook: HookSearch,
    /// Is the hook kept waiting?
    pub heartbeat: Heartbeat,
    look: Call,
    looks: u32,
    /// As ECS last showed it.
    seen: Option<ContainerInstanceView>,
    member: bool,
    commands: Commands,
    failed_command: Option<String>,
    stack: Stack,
    report_at: Moment,
    over: Option<JoinOutcome>,
    completion: Option<Box<Completion>>,
}

/// Which resource waits for a signal?
#[derive(Clone, Debug, PartialEq)]
enum Stack {
    Finding(Call),
    Known(Option<StackResource>),
}

/// How a join ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinOutcome {
    /// It is a member, and ready.
    Joined,
    /// The deadline came first.
    TimedOut,
}

impl Join {
    pub(super) fn begin(remembered: RememberedJoin, turn: &Turn<'_>) -> Self {
        let configured = turn.policy.cloudformation.resource.clone();
        let signals = remembered.into == JoinTarget::Service && !remembered.signalled;
        let stack = match configured {
            _ if !signals => Stack::Known(None),
            Some(resource) => Stack::Known(Some(resource)),
            None => Stack::Finding(Call::due_at(turn.now)),
        };
        let resumed = remembered.started_at < turn.now;
        Self {
            hook: HookSearch::begin(Some(LifecycleTransition::Launching), turn),
            heartbeat: Heartbeat::begin(resumed, turn.now),
            look: Call::idle(),
            looks: 0,
            seen: None,
            member: false,
            commands: Commands::of(CommandEvent::Ready),
            failed_command: None,
            stack,
            report_at: turn.now + turn.policy.drain.report_interval,
            over: None,
            completion: None,
            remembered,
        }
    }

    /// Where to.
    pub fn way_in(&self) -> JoinTarget {
        self.remembered.into
    }

    /// Since when it goes on: before this process, where it was taken up again.
    pub fn started_at(&self) -> Moment {
        self.remembered.started_at
    }

    /// Until when it may.
    pub fn deadline(&self, policy: &Policy) -> Moment {
        self.remembered.started_at + policy.ready.timeout
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<JoinOutcome> {
        self.over
    }

    /// What it waits for, as the end of "waits …".
    pub fn waits_for(&self, container_instance: Option<&ContainerInstance>) -> String {
        if self.over.is_some() {
            "for Auto Scaling and CloudFormation to be told".to_owned()
        } else if container_instance.is_none() {
            "for the ECS agent to register".to_owned()
        } else if let (false, Some(seen)) = (self.member, &self.seen) {
            if seen.status == ContainerInstanceStatus::Active {
                "for the ECS agent to be connected".to_owned()
            } else {
                format!("for ECS to show it ACTIVE, not {}", seen.status.as_str())
            }
        } else if !self.member {
            "for ECS to show it ACTIVE".to_owned()
        } else if let Some(failed) = &self.failed_command {
            format!("for ready.d: {failed}")
        } else {
            "for the executables of ready.d".to_owned()
        }
    }

    pub(super) fn absorb(&mut self, answer: Answer, health: &mut Health, turn: &mut Turn<'_>) {
        match (answer, &mut self.completion) {
            (Answer::Heartbeat(result), _) => {
                if let Some(found) = self.hook.found() {
                    self.heartbeat.absorb(result, &found.hook, health, turn);
                }
            }
            (answer, Some(completion)) => {
                completion.absorb(answer, &mut self.hook, health, turn);
            }
            (Answer::ContainerInstance(result), None) => self.absorb_look(result, health, turn),
            (Answer::Group(result), None) => self.hook.absorb_group(result, health, turn),
            (Answer::Hooks(result), None) => self.hook.absorb_hooks(result, health, turn),
            (Answer::Stack(result), None) => self.absorb_stack(result, health, turn),
            (Answer::Commands { event, result }, None) => {
                self.failed_command = match &result {
                    Ok(report) => report.failed.first().map(|failed| failed.message.clone()),
                    Err(failure) => Some(failure.message.clone()),
                };
                self.commands.absorb(event, result, true, turn);
            }
            // Of a drain.
            _ => {}
        }
    }

    /// Takes in how the signal went.
    pub(super) fn absorb_signalled(
        &mut self,
        result: Result<Accepted, Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        if let Some(completion) = &mut self.completion {
            completion.absorb_signalled(result, health, turn);
            self.remembered.signalled |= completion.is_signalled();
        }
    }

    /// What is left to be signalled, where the instance is taken away before that was possible.
    pub(super) fn into_signal(self, now: Moment) -> Option<Signal> {
        self.completion?.into_signal(now)
    }

    fn absorb_look(
        &mut self,
        result: Result<ContainerInstanceView, Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        match result {
            Ok(view) => {
                self.look.succeeded();
                turn.good(health, Dependency::Ecs);
                self.member =
                    view.status == ContainerInstanceStatus::Active && view.agent_connected;
                self.seen = Some(view);
                if self.member {
                    return;
                }
                let pace = turn.policy.ready.poll_interval * (1 << self.looks.min(8));
                self.looks = self.looks.saturating_add(1);
                self.look.ask(turn.now + pace.min(SLOWEST_LOOK));
            }
            Err(failure) => {
                turn.call_failed(&mut self.look, health, Dependency::Ecs, LOOK, &failure);
            }
        }
    }

    fn absorb_stack(
        &mut self,
        result: Result<Option<StackResource>, Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        let Stack::Finding(call) = &mut self.stack else {
            return;
        };
        match result {
            Ok(resource) => self.stack = Stack::Known(resource),
            Err(failure) => {
                let what = "read the stack from the instance's tags";
                turn.call_failed(call, health, Dependency::Metadata, what, &failure);
            }
        }
    }

    /// Starts whatever is due; returns how the join ended, once the world has been told.
    pub(super) fn advance(
        &mut self,
        container_instance: Option<&ContainerInstance>,
        turn: &mut Turn<'_>,
    ) -> Option<JoinOutcome> {
        if self.over.is_none() {
            self.over = self.find_over(container_instance, turn);
        }
        if let Stack::Finding(call) = &mut self.stack
            && call.start(turn.now)
        {
            turn.act(Action::FindStack);
        }
        let keeps_waiting = match (&self.completion, self.over) {
            (Some(completion), _) => completion.heartbeats(),
            (None, over) => over != Some(JoinOutcome::TimedOut),
        };
        if let (true, Some(found)) = (keeps_waiting, self.hook.found()) {
            self.heartbeat.advance(found, turn);
        }
        let Some(outcome) = self.over else {
            self.hook.advance(turn);
            self.advance_membership(container_instance, turn);
            self.report(container_instance, turn);
            return None;
        };
        if self.completion.is_none() {
            let resource = self.resource(turn)?;
            let completion = Completion::new(self.ending(outcome, resource), turn);
            self.completion = Some(Box::new(completion));
        }
        let told = self
            .completion
            .as_mut()
            .is_some_and(|completion| completion.advance(&mut self.hook, turn));
        told.then_some(outcome)
    }

    /// Whether it has ended by now, and how.
    fn find_over(
        &self,
        container_instance: Option<&ContainerInstance>,
        turn: &mut Turn<'_>,
    ) -> Option<JoinOutcome> {
        let took = turn.now.since(self.remembered.started_at);
        if self.remembered.into == JoinTarget::WarmPool {
            return Some(JoinOutcome::Joined);
        }
        if self.member && self.commands.over().is_some() {
            turn.say(Note::Joined { took });
            return Some(JoinOutcome::Joined);
        }
        if turn.now < self.deadline(turn.policy) {
            return None;
        }
        turn.say(Note::JoinTimedOut {
            took,
            waited: self.waits_for(container_instance),
        });
        Some(JoinOutcome::TimedOut)
    }

    fn advance_membership(
        &mut self,
        container_instance: Option<&ContainerInstance>,
        turn: &mut Turn<'_>,
    ) {
        let Some(container_instance) = container_instance else {
            return;
        };
        if self.member {
            self.commands.ask(turn.now);
        } else if self.seen.is_none() && !self.look.is_wanted() {
            self.look.ask(turn.now);
        }
        if self.look.start(turn.now) {
            turn.act(Action::DescribeContainerInstance(
                container_instance.clone(),
            ));
        }
        let deadline = self.deadline(turn.policy);
        let facts = || CommandFacts {
            container_instance: Some(container_instance.clone()),
            reason: String::new(),
            deadline,
            outcome: None,
        };
        self.commands.start(facts, turn);
    }

    /// The container instance has become another: that one has to be a member.
    pub(super) fn start_over(&mut self) {
        self.member = false;
        self.seen = None;
        self.looks = 0;
    }

    fn report(&mut self, container_instance: Option<&ContainerInstance>, turn: &mut Turn<'_>) {
        if turn.now < self.report_at {
            return;
        }
        self.report_at = turn.now + turn.policy.drain.report_interval;
        turn.say(Note::Joining {
            waits: self.waits_for(container_instance),
            in_: self.deadline(turn.policy).since(turn.now),
        });
    }

    /// Which resource to signal; `None` while that is still being found out.
    fn resource(&self, turn: &Turn<'_>) -> Option<Option<StackResource>> {
        match &self.stack {
            Stack::Known(resource) => Some(resource.clone()),
            // Metadata is away: an instance that has joined goes into service without a signal.
            Stack::Finding(_) if turn.now >= self.deadline(turn.policy) + STACK_PATIENCE => {
                Some(None)
            }
            Stack::Finding(_) => None,
        }
    }

    fn ending(&self, outcome: JoinOutcome, resource: Option<StackResource>) -> Ending {
        let (status, result) = match outcome {
            JoinOutcome::Joined => (SignalStatus::Success, LifecycleActionResult::Continue),
            JoinOutcome::TimedOut => (SignalStatus::Failure, LifecycleActionResult::Abandon),
        };
        Ending {
            transition: LifecycleTransition::Launching,
            signal: resource.map(|resource| (resource, status)),
            result: Ok(result),
            keeps_waiting: outcome == JoinOutcome::Joined,
        }
    }

    pub(super) fn wake(&self, wake: &mut Wake, policy: &Policy) {
        let deadline = self.deadline(policy);
        wake.consider(Some(deadline));
        wake.consider(Some(deadline + STACK_PATIENCE));
        wake.consider(Some(self.report_at));
        wake.consider(self.look.wake_at());
        wake.consider(self.commands.wake_at());
        if let Stack::Finding(call) = &self.stack {
            wake.consider(call.wake_at());
        }
        self.hook.wake(wake);
        wake.consider(self.heartbeat.next_at());
        if let Some(completion) = &self.completion {
            completion.wake(wake);
        }
    }
}
