//! What a request comes to.

use super::{EPOCH, FOREIGN, Flight, Older, Service, Truth, What, latency, service};
use crate::wire::{Fault, Group, InstanceStatus, Ms, Occasion, Reply, Request, Target, Ticket};
use crate::world::faults::Lasting;
use crate::world::scene::Begin;

impl Truth {
    // Requests.

    /// Nobody waits for it any more. Executables are ended with that; what has left for a socket goes on its way.
    pub(in crate::world) fn cancel(&mut self, ticket: Ticket) {
        let place = self.events.iter().position(|it| match &it.what {
            What::Arrive(flight) | What::Deliver(flight, _) => flight.ticket == ticket,
            What::Timer(_) => false,
        });
        let Some(place) = place else { return };
        let (What::Arrive(flight) | What::Deliver(flight, _)) = &mut self.events[place].what else {
            return;
        };
        flight.dropped = true;
        let request = flight.request.clone();
        if matches!(request, Request::RunExecutables(_)) {
            self.events.swap_remove(place);
            self.judge.executing = self.judge.executing.min(self.now);
        }
        self.say(|| format!("   xx {request}"));
    }

    /// Carries out what arrives. `None`: no answer ever comes.
    pub(in crate::world) fn arrive(&mut self, flight: &Flight) -> Option<(Reply, Ms)> {
        let request = &flight.request;
        let now = self.now;
        let to = service(request);
        let mut delay = latency(request);
        let aws = matches!(to, Service::Ecs | Service::Group | Service::Stack);
        let change = matches!(
            request,
            Request::SetDraining(_)
                | Request::SetActive(_)
                | Request::StopTask(..)
                | Request::Heartbeat(..)
                | Request::Complete(..)
                | Request::Signal(_)
        );
        let fault = |fault| Some((Reply::Failed(fault), latency(request)));
        if aws && self.faults.felt(Lasting::Network, now) {
            return None;
        }
        if to == Service::Ecs && self.faults.felt(Lasting::Ecs, now) {
            return fault(Fault::Server);
        }
        let throttled = to == Service::Ecs && self.faults.felt(Lasting::EcsThrottled, now)
            || to == Service::Group && self.faults.felt(Lasting::Group, now);
        if throttled || change && std::mem::take(&mut self.faults.throttle_next) {
            return fault(Fault::Throttled);
        }
        if to == Service::Metadata && self.faults.felt(Lasting::Metadata, now) {
            return match request {
                Request::ReadMetadata => {
                    let gone = Fault::Unreachable;
                    Some((
                        Reply::Metadata {
                            target: Err(gone),
                            spot: Err(gone),
                            rebalance: Err(gone),
                            maintenance: Err(gone),
                        },
                        delay,
                    ))
                }
                _ => fault(Fault::Unreachable),
            };
        }
        if to == Service::Local {
            delay += self.spec.intro_takes;
            if self.faults.felt(Lasting::Impostor, now) {
                return match request {
                    Request::ReadAgentMetadata => Some((Reply::AgentMetadata(FOREIGN), delay)),
                    Request::ReadTaskSet => Some((Reply::TaskSet(Vec::new()), delay)),
                    _ => Some((Reply::Tasks(Vec::new()), delay)),
                };
            }
            if !self.ecs_agent_up() || self.faults.felt(Lasting::Introspection, now) {
                return fault(Fault::Unreachable);
            }
        }
        let sample = matches!(request, Request::SendCapacity(_));
        if sample && self.faults.felt(Lasting::Sink, now) {
            return fault(Fault::Unreachable);
        }
        let (reply, takes) = self.carry_out(request);
        if sample && std::mem::take(&mut self.faults.sample_unanswered) {
            return None;
        }
        if aws && std::mem::take(&mut self.faults.lose_next) {
            return None;
        }
        if aws && self.faults.felt(Lasting::SlowReplies, now) {
            delay += 4_000;
        }
        Some((reply, delay + takes))
    }

    fn carry_out(&mut self, request: &Request) -> (Reply, Ms) {
        let mut takes = 0;
        let reply = match request {
            Request::ReadIdentityDocument => {
                let new = matches!(self.spec.begin, Begin::Launched | Begin::IntoPool);
                Reply::Identity {
                    pending_time: EPOCH - if new { 15_000 } else { 30 * 86_400_000 },
                }
            }
            Request::ReadMetadata => self.metadata(),
            Request::ReadGroupTag => {
                let group = Group(u8::from(self.faults.stale_tag));
                Reply::GroupTag(
                    (self.spec.tags && self.spec.begin != Begin::Alone).then_some(group),
                )
            }
            Request::ReadStackTags => Reply::StackTag(self.spec.policy.stack),
            Request::ReadAgentMetadata => match self.current {
                Some(arn) => Reply::AgentMetadata(arn),
                None => Reply::Failed(Fault::Unreachable),
            },
            Request::ReadTasks => self.local_tasks(),
            Request::ReadTaskSet => self.task_set(),
            Request::SetDraining(arn) => self.change(*arn, InstanceStatus::Draining),
            Request::SetActive(arn) => self.change(*arn, InstanceStatus::Active),
            Request::DescribeContainerInstance(arn) => {
                if self.faults.deny_describe {
                    Reply::Failed(Fault::Denied)
                } else {
                    self.describe(*arn, true)
                }
            }
            Request::ListContainerInstances if self.faults.deny_describe => {
                Reply::Failed(Fault::Denied)
            }
            Request::ListContainerInstances => self.listed(),
            Request::DescribeResources(_) if self.faults.deny_describe => {
                Reply::Failed(Fault::Denied)
            }
            Request::DescribeResources(arn) => self.resources(*arn),
            Request::DescribeTasks(arn, ids) => self.api_tasks(*arn, Some(ids)),
            Request::ListTasks(arn) => self.api_tasks(*arn, None),
            Request::StopTask(_, id) => {
                let now = self.now;
                match self.tasks.get_mut(usize::from(*id)) {
                    Some(task) if task.orphan => {
                        task.asked = task.asked.min(now);
                        Reply::Done
                    }
                    Some(task) => {
                        task.ask(now);
                        Reply::Done
                    }
                    None => Reply::Failed(Fault::Refused),
                }
            }
            Request::DescribeAutoScalingInstance => {
                Reply::AutoScalingInstance(self.scaling.state.map(|it| (Group(0), it)))
            }
            Request::DescribeLifecycleHooks(group, transition) => self.hooks(*group, *transition),
            Request::Heartbeat(group, name) => self.heartbeat(*group, *name),
            Request::Complete(group, name, result) => self.complete(*group, *name, *result),
            Request::Signal(status) => {
                if !self.spec.waits {
                    Reply::Failed(Fault::NotSignalable)
                } else if self.signalled {
                    Reply::Failed(Fault::AlreadySignalled)
                } else {
                    self.signalled = true;
                    self.judge.signal_taken(*status);
                    Reply::Done
                }
            }
            Request::WriteStateFile(bytes) => {
                if self.faults.felt(Lasting::SlowDisk, self.now) {
                    takes = 1_000;
                }
                if self.faults.felt(Lasting::Disk, self.now) {
                    self.judge.state_gone();
                    Reply::Failed(Fault::Refused)
                } else {
                    let old = self.disk.replace(bytes.clone());
                    if self
                        .older
                        .as_ref()
                        .is_none_or(|it| it.until + 10_000 < self.now)
                    {
                        self.older = old.map(|file| Older {
                            until: self.now,
                            file,
                            verified: self.judge.verified_on_disk,
                            drains: self.judge.drains_on_disk,
                        });
                    }
                    self.state_written();
                    Reply::Done
                }
            }
            Request::RunExecutables(occasion) if !self.has_executables(*occasion) => {
                Reply::Executables(true)
            }
            Request::RunExecutables(_) => {
                let hangs = std::mem::take(&mut self.faults.hang_next);
                let fails = std::mem::take(&mut self.faults.fail_next);
                takes = if hangs {
                    self.spec.policy.executable_timeout
                } else {
                    1_500
                };
                Reply::Executables(!hangs && !fails)
            }
            Request::SendCapacity(sample) => {
                self.sampled(*sample);
                Reply::Done
            }
            Request::SendMetrics | Request::Exit => Reply::Done,
        };
        (reply, takes)
    }

    pub(in crate::world) fn has_executables(&self, occasion: Occasion) -> bool {
        let there = self.spec.policy.executables;
        match occasion {
            Occasion::BeforeDrain => there.before_drain,
            Occasion::AfterDrain => there.after_drain,
            Occasion::Ready => there.ready,
        }
    }

    fn metadata(&mut self) -> Reply {
        let now = self.now;
        let shown = !self.faults.felt(Lasting::Target404, now)
            && (self.now >= self.spec.target_from || self.scaling.generation > 0);
        let target = match self.scaling.target {
            _ if !shown => None,
            Some(_) if self.faults.felt(Lasting::Garbage, now) => Some(Target::Unknown),
            target => target,
        };
        let wall = |at: Ms| EPOCH + i64::try_from(at).unwrap_or(i64::MAX / 2);
        Reply::Metadata {
            target: Ok(target),
            spot: Ok(self.spot.map(wall)),
            rebalance: Ok(self.rebalance),
            maintenance: Ok(self.maintenance.map(wall)),
        }
    }
}
