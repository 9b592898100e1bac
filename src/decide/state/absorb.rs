//! The first half of a step: the event is taken into the state.

use std::time::Duration;

use super::super::Turn;
use super::super::action::Action;
use super::super::call::seed_of;
use super::super::event::{Accepted, Answer, Event};
use super::super::facts::{
    ContainerInstance, Failure, Instance, MetadataReading, TargetLifecycleState,
};
use super::super::health::Dependency;
use super::super::memory::DrainByHand;
use super::super::note::Note;
use super::transitions::is_warm;
use super::{Phase, State};

/// How often the ECS agent is asked who we are, until it tells.
pub(super) const IDENTITY_POLL: Duration = Duration::from_secs(2);
/// How often afterwards: an ECS agent that lost its data registers anew, under another ARN.
const IDENTITY_REFRESH: Duration = Duration::from_secs(60);
/// An ECS agent may take its time at boot before its silence is worth a warning.
const IDENTITY_QUIET: Duration = Duration::from_secs(300);

impl State {
    pub(crate) fn absorb(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Tick => {}
            Event::StopRequested { signal, shutdown } => self.stop(signal, shutdown, turn),
            Event::Instance(result) => self.absorb_instance(result, turn),
            Event::Metadata(reading) => self.absorb_metadata(reading, turn),
            Event::ContainerInstance(result) => self.absorb_identity(result, turn),
            Event::Remembered(result) => self.absorb_remembered(result, turn),
            Event::ActiveSet(result) => {
                let Phase::Returning {
                    container_instance,
                    call,
                } = &mut self.phase
                else {
                    return;
                };
                // Of a return before this one, with a drain in between: it proves nothing any more.
                if !call.is_in_flight() {
                    return;
                }
                match result {
                    Ok(_) => {
                        turn.good(&mut self.health, Dependency::Ecs);
                        turn.say(Note::ReturnedToService(container_instance.clone()));
                        self.forget_drain();
                    }
                    Err(failure) => turn.call_failed(
                        call,
                        &mut self.health,
                        Dependency::Ecs,
                        "ecs:UpdateContainerInstancesState",
                        &failure,
                    ),
                }
            }
            Event::DrainByHand { timeout } => self.drain_by_hand(timeout, turn),
            Event::UndrainByHand => self.undrain_by_hand(turn),
            Event::StatusAsked => {
                if let Phase::Draining(drain) = &mut self.phase {
                    drain.leftovers.ask_by_hand();
                }
            }
            Event::JoinSignalled(result) => self.absorb_join_signalled(result, turn),
            Event::MetricsSent(Ok(())) => {}
            Event::MetricsSent(Err(failure)) => turn.say(Note::MetricsNotSent { failure }),
            Event::Work { epoch, answer } if epoch == self.epoch => match &mut self.phase {
                Phase::Joining(join) => join.absorb(answer, &mut self.health, turn),
                Phase::Draining(drain) => drain.absorb(answer, &mut self.health, turn),
                Phase::Completing(drain, completion) => match answer {
                    Answer::Heartbeat(result) => {
                        drain.absorb_heartbeat(result, &mut self.health, turn);
                    }
                    answer => completion.absorb(answer, &mut drain.hook, &mut self.health, turn),
                },
                _ => {}
            },
            Event::Work { .. } => {}
        }
    }

    /// A stop signal completes nothing. Where the whole machine goes down, and the policy grants the
    /// time, the drain goes on, or begins; a second signal ends that.
    fn stop(&mut self, signal: &'static str, shutdown: bool, turn: &mut Turn<'_>) {
        let grace = turn
            .policy
            .drain
            .on_shutdown
            .filter(|_| shutdown && self.leave_at.is_none());
        match grace {
            Some(grace) if self.instance.is_some() && !matches!(self.phase, Phase::Done(_)) => {
                self.leave_at = Some(turn.now + grace);
                turn.say(Note::ShutdownHeldUp { signal, grace });
            }
            _ => self.exit(
                Note::Stopping {
                    signal,
                    draining: self.is_draining(),
                },
                turn,
            ),
        }
    }

    fn absorb_join_signalled(&mut self, result: Result<Accepted, Failure>, turn: &mut Turn<'_>) {
        if let Phase::Joining(join) = &mut self.phase {
            join.absorb_signalled(result, &mut self.health, turn);
        } else if let Some(signal) = &mut self.parting
            && signal.absorb(result, &mut self.health, turn)
        {
            self.parting = None;
            if let Some(join) = &mut self.memory.join {
                join.signalled = true;
            }
        }
    }

    fn drain_by_hand(&mut self, timeout: Option<Duration>, turn: &mut Turn<'_>) {
        turn.say(Note::DrainAskedByHand { timeout });
        self.memory.by_hand = Some(DrainByHand { timeout });
    }

    fn undrain_by_hand(&mut self, turn: &mut Turn<'_>) {
        if self.memory.by_hand.take().is_some() {
            turn.say(Note::UndrainAskedByHand);
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining(_) | Phase::Completing(..))
    }

    pub(super) fn exit(&mut self, last_words: Note, turn: &mut Turn<'_>) {
        turn.say(last_words);
        turn.act(Action::Exit);
        self.exiting = true;
    }

    fn absorb_instance(&mut self, result: Result<Instance, Failure>, turn: &mut Turn<'_>) {
        match result {
            Ok(instance) => {
                self.read_instance.succeeded();
                turn.good(&mut self.health, Dependency::Metadata);
                turn.seed = seed_of(&instance.instance_id);
                turn.say(Note::Watching {
                    instance: instance.clone(),
                });
                self.recall(&instance, turn);
                self.instance = Some(instance);
                self.phase = Phase::Watching;
                self.read_metadata.ask(turn.now);
            }
            Err(failure) => {
                self.read_instance.failed(turn.now, &failure, turn.seed);
                self.health.bad(
                    Dependency::Metadata,
                    &failure,
                    turn.now,
                    Duration::ZERO,
                    &mut turn.notes,
                );
            }
        }
    }

    /// Takes up what an earlier process wrote down, where it was about this machine.
    fn recall(&mut self, instance: &Instance, turn: &mut Turn<'_>) {
        self.memory = self
            .recalled
            .take()
            .filter(|memory| memory.instance_id == instance.instance_id)
            .unwrap_or_default();
        self.written = self.memory.clone();
        self.memory.instance_id.clone_from(&instance.instance_id);
        self.container_instance
            .clone_from(&self.memory.container_instance);
        self.read_identity.ask(turn.now);
    }

    fn absorb_metadata(&mut self, reading: MetadataReading, turn: &mut Turn<'_>) {
        self.read_metadata.succeeded();
        self.read_metadata
            .ask((self.metadata_started + turn.policy.metadata.poll_interval).max(turn.now));
        let mut failure = None;
        if reading.target_lifecycle_state.is_ok()
            || matches!(reading.spot_instance_action, Ok(Some(_)))
        {
            self.metadata_reads = self.metadata_reads.saturating_add(1);
        }
        match reading.target_lifecycle_state {
            Ok(target) => self.absorb_target(target, turn),
            Err(bad) => failure = Some(bad),
        }
        match reading.spot_instance_action {
            // The same notice, read again, must not move the deadline by the jitter of the reading.
            Ok(Some(new))
                if self
                    .spot
                    .as_ref()
                    .is_some_and(|old| old.time == new.time && old.action == new.action) => {}
            Ok(spot) => self.spot = spot,
            Err(bad) => failure = failure.or(Some(bad)),
        }
        match reading.rebalance {
            Ok(rebalance) => self.rebalance = rebalance,
            Err(bad) => failure = failure.or(Some(bad)),
        }
        match reading.maintenance {
            // As above: the same event does not move.
            Ok(Some(new))
                if self
                    .maintenance
                    .as_ref()
                    .is_some_and(|old| old.id == new.id && old.not_before == new.not_before) => {}
            Ok(maintenance) => self.maintenance = maintenance,
            Err(bad) => failure = failure.or(Some(bad)),
        }
        match failure {
            None => turn.good(&mut self.health, Dependency::Metadata),
            Some(bad) => {
                self.health.bad(
                    Dependency::Metadata,
                    &bad,
                    turn.now,
                    Duration::ZERO,
                    &mut turn.notes,
                );
            }
        }
    }

    fn absorb_target(&mut self, target: Option<TargetLifecycleState>, turn: &mut Turn<'_>) {
        if target == self.target {
            return;
        }
        turn.say(Note::TargetLifecycleState {
            from: self.target.clone(),
            to: target.clone(),
        });
        match &target {
            Some(TargetLifecycleState::InService) => self.memory.was_in_service = true,
            Some(TargetLifecycleState::Unknown(text)) => {
                turn.say(Note::UnknownTarget(text.clone()))
            }
            Some(to) if is_warm(to) && !self.memory.was_in_service => {
                turn.say(Note::NeverInService(to.clone()));
            }
            Some(to) if is_warm(to) => self.back_to_the_pool(turn.now),
            _ => {}
        }
        self.target = target;
    }

    fn absorb_identity(
        &mut self,
        result: Result<Option<ContainerInstance>, Failure>,
        turn: &mut Turn<'_>,
    ) {
        self.read_identity.succeeded();
        match result {
            Ok(found) => {
                turn.good(&mut self.health, Dependency::Introspection);
                if let Some(found) =
                    found.filter(|found| self.container_instance.as_ref() != Some(found))
                {
                    turn.say(Note::ContainerInstanceKnown(found.clone()));
                    self.container_instance = Some(found);
                    match &mut self.phase {
                        Phase::Draining(drain) => drain.placement.start_over(turn.now),
                        Phase::Joining(join) => join.start_over(),
                        _ => {}
                    }
                }
            }
            Err(failure) => {
                let notes = &mut turn.notes;
                self.health.bad(
                    Dependency::Introspection,
                    &failure,
                    turn.now,
                    IDENTITY_QUIET,
                    notes,
                );
            }
        }
        let refresh = if self.container_instance.is_some() {
            IDENTITY_REFRESH
        } else {
            IDENTITY_POLL
        };
        self.read_identity.ask(turn.now + refresh);
    }

    fn absorb_remembered(&mut self, result: Result<(), Failure>, turn: &mut Turn<'_>) {
        match result {
            Ok(()) => {
                self.remember.succeeded();
                self.written = self.writing.clone();
                turn.good(&mut self.health, Dependency::StateDirectory);
            }
            Err(failure) => turn.call_failed(
                &mut self.remember,
                &mut self.health,
                Dependency::StateDirectory,
                "write state.json",
                &failure,
            ),
        }
    }
}
