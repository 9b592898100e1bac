//! The adapter for the core: its actions become requests, replies its answers, and the clocks its moments.
//! It decides nothing; what it does beside translating is what `src/driver.rs` and `src/clients` do.

use std::sync::Arc;
use std::time::Duration;

use ecs_lifecycle_decide as core;

use core::record::{self, Clocks as CoreClocks};
use core::{Action, Answer, Event, Failure, FailureKind, Moment, State, WallTime};

use crate::wire::{
    ActionResult, Agent, Arn, Clocks, Fault, Group, HookName, Input, InstanceStatus, LARGEST,
    LocalTask, Ms, Occasion, OnTimeout, Output, Policy, Reply, Request, Sample, Status, Target,
    TaskId, TaskKind, TaskStatus, Ticket, Tickets, Transition,
};

const INSTANCE: &str = "i-0123456789abcdef0";

/// A process with the core in it.
#[derive(Clone, Debug)]
pub struct Core {
    state: State,
    policy: Arc<core::Policy>,
    wall_at_boot: WallTime,
    pending: Vec<(Ticket, core::Ticket, Action)>,
    wake: Option<Ms>,
}

impl Agent for Core {
    fn start(policy: &Policy, disk: Option<&[u8]>, clocks: Clocks) -> Self {
        let clocks = core_clocks(clocks);
        let recalled = disk.and_then(|text| record::understand(text, &clocks).ok());
        let wall_at_boot = clocks.wall_at_boot();
        Self {
            state: State::new(recalled, clocks.now, wall_at_boot),
            policy: Arc::new(settings(policy)),
            wall_at_boot,
            pending: Vec::new(),
            wake: None,
        }
    }

    fn step(&mut self, input: Input, clocks: Clocks, tickets: &mut Tickets) -> Output {
        let mut output = Output::default();
        let shows = WallTime(clocks.wall - now(clocks).as_millis());
        if shows.0.abs_diff(self.wall_at_boot.0) > 500 {
            self.wall_at_boot = shows;
            self.state.set_wall_clock(shows);
        }
        let event = match input {
            Input::Tick => Event::Tick,
            Input::DrainByHand(timeout) => Event::DrainByHand {
                timeout: timeout.map(Duration::from_millis),
            },
            Input::UndrainByHand => Event::UndrainByHand,
            Input::Stop { shutdown } => Event::StopRequested {
                signal: "SIGTERM",
                shutdown,
            },
            Input::Reply(ticket, reply) => {
                let Some(place) = self.pending.iter().position(|it| it.0 == ticket) else {
                    output.wake = self.wake;
                    return output;
                };
                let (_, asked, action) = self.pending.swap_remove(place);
                // The tag is not there: the API is asked, as the effect does.
                if matches!(action, Action::FindGroup { tags: true })
                    && !matches!(
                        reply,
                        Reply::GroupTag(Some(_)) | Reply::AutoScalingInstance(_)
                    )
                    && matches!(reply, Reply::GroupTag(None))
                {
                    let ticket = tickets.draw();
                    self.pending
                        .push((ticket, asked, Action::FindGroup { tags: false }));
                    output
                        .requests
                        .push((ticket, Request::DescribeAutoScalingInstance));
                    output.wake = self.take(Event::Tick, clocks, tickets, &mut output);
                    return output;
                }
                Event::Answered {
                    ticket: asked,
                    answer: answer(&action, reply, &self.policy),
                }
            }
        };
        output.wake = self.take(event, clocks, tickets, &mut output);
        output
    }

    fn refuses(&self, input: &Input) -> bool {
        match input {
            Input::DrainByHand(_) => self.state.refuses_drain().is_some(),
            Input::UndrainByHand => self.state.refuses_undrain().is_some(),
            _ => false,
        }
    }

    fn line(&self) -> String {
        let outcome = self.state.drain.as_ref().and_then(core::Drain::outcome);
        format!(
            "{}{}",
            self.state.phase().name().as_str(),
            outcome.map_or(String::new(), |outcome| format!(" ({})", outcome.as_str()))
        )
    }
}

impl Core {
    fn take(
        &mut self,
        event: Event,
        clocks: Clocks,
        tickets: &mut Tickets,
        output: &mut Output,
    ) -> Option<Ms> {
        let step = core::step(&mut self.state, event, now(clocks), &self.policy);
        let cancelled = |it: &mut (Ticket, core::Ticket, Action)| step.cancelled.contains(&it.1);
        for (ticket, ..) in self.pending.extract_if(.., cancelled) {
            // A first step of this input has sent it, a second one cancels it: it has not left yet.
            output.requests.retain(|(sent, _)| *sent != ticket);
            output.cancelled.push(ticket);
        }
        for (asked, action) in step.actions {
            let ticket = tickets.draw();
            output.requests.push((ticket, request(&action, clocks)));
            self.pending.push((ticket, asked, action));
        }
        if step.exit {
            output.requests.push((tickets.draw(), Request::Exit));
        }
        self.wake = step
            .wake
            .map(|moment| u64::try_from(moment.as_millis()).unwrap_or(0));
        self.wake
    }
}

fn now(clocks: Clocks) -> Moment {
    Moment::from_millis(i64::try_from(clocks.boot).unwrap_or(i64::MAX))
}

fn core_clocks(clocks: Clocks) -> CoreClocks {
    CoreClocks {
        boot_id: clocks.boot_id.to_string(),
        now: now(clocks),
        wall: WallTime(clocks.wall),
    }
}

/// The settings that the policy stands for.
fn settings(policy: &Policy) -> core::Policy {
    use ecs_lifecycle_config as config;
    let ms = Duration::from_millis;
    let mut settings = core::Policy::default();
    settings.metadata.poll_interval = ms(policy.metadata_poll);
    settings.ecs.introspection_poll_interval = ms(policy.task_poll);
    settings.ecs.introspection_grace = ms(policy.introspection_grace);
    settings.ecs.api_poll_interval = ms(policy.api_poll);
    settings.ecs.api_settle = ms(policy.api_poll * 2);
    settings.aws.request_timeout = ms(policy.request_timeout);
    settings.drain.timeout = ms(policy.drain_timeout);
    settings.drain.result_on_timeout = match policy.result_on_timeout {
        OnTimeout::Continue => config::ResultOnTimeout::Continue,
        OnTimeout::Abandon => config::ResultOnTimeout::Abandon,
        OnTimeout::None => config::ResultOnTimeout::None,
    };
    if let Some(after) = policy.standalone_stop_after {
        settings.drain.standalone_tasks = config::StandaloneTasks::Stop;
        settings.drain.standalone_stop_after = ms(after);
    }
    if policy.ignore_daemons {
        settings.drain.daemon_tasks = config::DaemonTasks::Ignore;
    }
    settings.drain.recheck_after = ms(policy.recheck_after);
    settings.drain.on_rebalance = policy.on_rebalance.map(ms);
    settings.drain.on_maintenance = policy.on_maintenance.map(ms);
    settings.ready.enabled = policy.ready;
    settings.ready.timeout = ms(policy.ready_timeout);
    settings.cloudformation.resource = policy.stack.then(|| config::StackResource {
        stack_name: "stack".to_owned(),
        logical_resource_id: "Group".to_owned(),
    });
    settings.cloudformation.signal_drained = policy.signal_drained;
    settings.capacity.enabled = policy.capacity;
    settings.capacity.cpu = u32::try_from(LARGEST.cpu).unwrap_or(0);
    settings.capacity.memory = u32::try_from(LARGEST.memory).unwrap_or(0);
    settings
}

fn arn_of(container_instance: &core::ContainerInstance) -> Arn {
    core::short(&container_instance.arn)
        .parse()
        .unwrap_or(Arn::MAX)
}

fn task_of(arn: &str) -> TaskId {
    core::short(arn).parse().unwrap_or(TaskId::MAX)
}

fn group_of(name: &str) -> Group {
    Group(name.trim_start_matches('g').parse().unwrap_or(u8::MAX))
}

fn hook_of(hook: &core::HookRef) -> (Group, HookName) {
    let name = hook
        .name
        .trim_start_matches('h')
        .parse()
        .map_or(HookName::MANAGED, HookName);
    (group_of(&hook.group), name)
}

fn request(action: &Action, clocks: Clocks) -> Request {
    let transition = |transition| match transition {
        core::LifecycleTransition::Launching => Transition::Launching,
        core::LifecycleTransition::Terminating => Transition::Terminating,
    };
    match action {
        Action::ReadInstance => Request::ReadIdentityDocument,
        Action::ReadMetadata { .. } => Request::ReadMetadata,
        Action::ReadContainerInstance => Request::ReadAgentMetadata,
        Action::ReadTasks { .. } => Request::ReadTasks,
        Action::Remember(memory) => Request::WriteStateFile(
            record::compose(memory, &core_clocks(clocks)).unwrap_or_default(),
        ),
        Action::SetDraining(target) => Request::SetDraining(arn_of(target)),
        Action::SetActive(target) => Request::SetActive(arn_of(target)),
        Action::DescribeContainerInstance(target) => {
            Request::DescribeContainerInstance(arn_of(target))
        }
        Action::ListContainerInstances(_) => Request::ListContainerInstances,
        Action::ClassifyTasks {
            container_instance,
            tasks,
            ..
        } => Request::DescribeTasks(
            arn_of(container_instance),
            tasks.iter().map(|task| task_of(task)).collect(),
        ),
        Action::ListTasks {
            container_instance, ..
        } => Request::ListTasks(arn_of(container_instance)),
        Action::StopTask {
            container_instance,
            task,
            ..
        } => Request::StopTask(arn_of(container_instance), task_of(task)),
        Action::FindGroup { tags: true } => Request::ReadGroupTag,
        Action::FindGroup { tags: false } => Request::DescribeAutoScalingInstance,
        Action::DescribeLifecycleHooks {
            group,
            transition: of,
        } => Request::DescribeLifecycleHooks(group_of(group), transition(*of)),
        Action::FindStack => Request::ReadStackTags,
        Action::RunExecutables { event, .. } => Request::RunExecutables(match event {
            core::ExecutableEvent::Ready => Occasion::Ready,
            core::ExecutableEvent::BeforeDrain => Occasion::BeforeDrain,
            core::ExecutableEvent::AfterDrain => Occasion::AfterDrain,
        }),
        Action::ReadTaskSet => Request::ReadTaskSet,
        Action::DescribeResources(target) => Request::DescribeResources(arn_of(target)),
        Action::SendCapacity(sample) => Request::SendCapacity(Sample {
            group: sample.group.as_deref().map(group_of),
            minute: sample.minute.0,
            capacity: sample.figures.container_capacity,
            idle: sample.figures.idle_thousandths,
            most: sample.figures.tasks_per_host,
        }),
        Action::SendMetrics(_) => Request::SendMetrics,
        Action::Heartbeat(hook) => {
            let (group, name) = hook_of(hook);
            Request::Heartbeat(group, name)
        }
        Action::Signal { status, .. } => Request::Signal(match status {
            core::SignalStatus::Success => Status::Success,
            core::SignalStatus::Failure => Status::Failure,
        }),
        Action::Complete { hook, result } => {
            let (group, name) = hook_of(hook);
            Request::Complete(
                group,
                name,
                match result {
                    core::LifecycleActionResult::Continue => ActionResult::Continue,
                    core::LifecycleActionResult::Abandon => ActionResult::Abandon,
                },
            )
        }
    }
}

fn failure(fault: Fault) -> Failure {
    let kind = match fault {
        Fault::Unreachable => FailureKind::Unreachable,
        Fault::Timeout => FailureKind::Timeout,
        Fault::Server => FailureKind::Server,
        Fault::Malformed => FailureKind::Malformed,
        Fault::Throttled => FailureKind::Throttled,
        Fault::Credentials => FailureKind::Credentials,
        Fault::Denied => FailureKind::Denied,
        Fault::NoActiveAction => FailureKind::NoActiveAction,
        Fault::NotSignalable => FailureKind::NotSignalable,
        Fault::AlreadySignalled => FailureKind::AlreadySignalled,
        Fault::Missing => FailureKind::Missing,
        // Of a change, it is part of a good answer (below).
        Fault::Inactive => FailureKind::Refused,
        Fault::Refused => FailureKind::Refused,
    };
    Failure::new(kind, format!("{fault:?}"))
}

fn target(target: Target) -> core::TargetLifecycleState {
    use core::TargetLifecycleState as T;
    match target {
        Target::InService => T::InService,
        Target::Terminated => T::Terminated,
        Target::Detached => T::Detached,
        Target::Standby => T::Standby,
        Target::WarmedHibernated => T::WarmedHibernated,
        Target::WarmedRunning => T::WarmedRunning,
        Target::WarmedStopped => T::WarmedStopped,
        Target::WarmedTerminated => T::WarmedTerminated,
        Target::Unknown => T::Unknown("Nonsense".to_owned()),
    }
}

fn status(status: TaskStatus) -> core::TaskStatus {
    match status {
        TaskStatus::Pending => core::TaskStatus::Pending,
        TaskStatus::Running => core::TaskStatus::Running,
        TaskStatus::Stopped => core::TaskStatus::Stopped,
    }
}

fn task(id: TaskId, known: TaskStatus, desired: Option<TaskStatus>) -> core::Task {
    core::Task {
        arn: format!("arn:aws:ecs:r:1:task/c/{id}"),
        definition: format!("task:{id}"),
        known: status(known),
        stopping: desired == Some(TaskStatus::Stopped),
    }
}

fn view(seen: crate::wire::ContainerInstance) -> core::ContainerInstanceView {
    use core::ContainerInstanceStatus as S;
    core::ContainerInstanceView {
        status: match seen.status {
            InstanceStatus::Registering => S::Registering,
            InstanceStatus::Active => S::Active,
            InstanceStatus::Draining => S::Draining,
            InstanceStatus::Inactive => S::Inactive,
            InstanceStatus::Missing => S::Missing,
        },
        running: u32::from(seen.running),
        pending: u32::from(seen.pending),
        agent_connected: seen.connected,
        ec2_instance_id: (seen.status != InstanceStatus::Missing)
            .then(|| if seen.ours { INSTANCE } else { "i-another" }.to_owned()),
    }
}

/// Paths that the policy does not ask for are not read.
fn metadata(reply: Reply, notices: bool, policy: &core::Policy) -> core::MetadataReading {
    let Reply::Metadata {
        target: to,
        spot,
        rebalance,
        maintenance,
    } = reply
    else {
        let fault = match reply {
            Reply::Failed(fault) => fault,
            _ => Fault::Malformed,
        };
        return core::MetadataReading {
            target_lifecycle_state: Err(failure(fault)),
            notices: notices.then(|| core::Notices {
                spot_instance_action: Err(failure(fault)),
                rebalance: Err(failure(fault)),
                maintenance: Err(failure(fault)),
            }),
            wall_at_boot: None,
        };
    };
    core::MetadataReading {
        target_lifecycle_state: to.map(|to| to.map(target)).map_err(failure),
        notices: notices.then(|| core::Notices {
            spot_instance_action: spot
                .map(|spot| {
                    spot.map(|at| core::SpotInstanceAction {
                        action: "terminate".to_owned(),
                        time: at.to_string(),
                        at: WallTime(at),
                    })
                })
                .map_err(failure),
            rebalance: rebalance
                .map(|there| {
                    (there && policy.drain.on_rebalance.is_some()).then(|| {
                        core::RebalanceRecommendation {
                            notice_time: "then".to_owned(),
                        }
                    })
                })
                .map_err(failure),
            maintenance: maintenance
                .map(|event| {
                    event
                        .filter(|_| policy.drain.on_maintenance.is_some())
                        .map(|at| core::MaintenanceEvent {
                            id: "event".to_owned(),
                            code: "instance-stop".to_owned(),
                            not_before: at.to_string(),
                            at: WallTime(at),
                        })
                })
                .map_err(failure),
        }),
        wall_at_boot: None,
    }
}

fn arn_text(arn: Arn) -> String {
    format!("arn:aws:ecs:r:1:container-instance/c/{arn}")
}

fn api_tasks(reply: Reply) -> Result<Vec<core::ApiTask>, Failure> {
    match reply {
        Reply::ApiTasks(tasks) => Ok(tasks
            .into_iter()
            .map(|known| core::ApiTask {
                task: task(known.task, known.last, Some(known.desired)),
                kind: match known.kind {
                    TaskKind::Service => core::TaskKind::Service("web".to_owned()),
                    TaskKind::Daemon => core::TaskKind::Daemon("logs".to_owned()),
                    TaskKind::Standalone => core::TaskKind::Standalone,
                },
            })
            .collect()),
        other => Err(why(other)),
    }
}

fn why(reply: Reply) -> Failure {
    match reply {
        Reply::Failed(fault) => failure(fault),
        _ => failure(Fault::Malformed),
    }
}

fn done<T: Default>(reply: Reply) -> Result<T, Failure> {
    match reply {
        Reply::Done => Ok(T::default()),
        other => Err(why(other)),
    }
}

fn answer(action: &Action, reply: Reply, policy: &core::Policy) -> Answer {
    match action {
        Action::ReadInstance => Answer::Instance(match reply {
            Reply::Identity { pending_time } => Ok(core::Instance {
                instance_id: INSTANCE.to_owned(),
                region: "eu-central-1".to_owned(),
                pending_time: Some(WallTime(pending_time)),
                // Notices are read as seldom as on an On-Demand Instance only in tests/decide.
                on_demand: false,
            }),
            other => Err(why(other)),
        }),
        Action::ReadMetadata { notices } => Answer::Metadata(metadata(reply, *notices, policy)),
        Action::ReadContainerInstance => Answer::Identity(match reply {
            Reply::AgentMetadata(arn) => Ok(Some(core::ContainerInstance {
                cluster: "c".to_owned(),
                arn: arn_text(arn),
            })),
            other => Err(why(other)),
        }),
        Action::ReadTasks { .. } => Answer::Tasks(match reply {
            Reply::Tasks(tasks) => Ok(tasks
                .into_iter()
                .map(
                    |LocalTask {
                         task: id,
                         known,
                         desired,
                     }| task(id, known, desired),
                )
                .collect()),
            other => Err(why(other)),
        }),
        Action::Remember(_) => Answer::Remembered(done(reply)),
        Action::SetDraining(_) | Action::SetActive(_) => Answer::StateSet(match reply {
            Reply::ContainerInstance(seen) => Ok(core::StateChange {
                view: view(seen),
                request_id: Some("r".to_owned()),
            }),
            // `failures[]` of a good answer names no EC2 instance.
            Reply::Failed(gone @ (Fault::Missing | Fault::Inactive)) => Ok(core::StateChange {
                view: core::ContainerInstanceView {
                    status: if gone == Fault::Missing {
                        core::ContainerInstanceStatus::Missing
                    } else {
                        core::ContainerInstanceStatus::Inactive
                    },
                    running: 0,
                    pending: 0,
                    agent_connected: false,
                    ec2_instance_id: None,
                },
                request_id: Some("r".to_owned()),
            }),
            other => Err(why(other)),
        }),
        Action::DescribeContainerInstance(_) => Answer::ContainerInstance(match reply {
            Reply::ContainerInstance(seen) => Ok(view(seen)),
            other => Err(why(other)),
        }),
        Action::ListContainerInstances(_) => Answer::Registrations(match reply {
            Reply::Registrations(arns) => Ok(arns.into_iter().map(arn_text).collect()),
            other => Err(why(other)),
        }),
        Action::ClassifyTasks { .. } => Answer::Classified(api_tasks(reply)),
        Action::ListTasks { .. } => Answer::ApiTasks(api_tasks(reply)),
        Action::StopTask { .. } => Answer::TaskStopped(done(reply)),
        Action::FindGroup { .. } => Answer::Group(match reply {
            Reply::GroupTag(Some(Group(group))) => Ok(Some(core::AutoScalingInstance {
                group: format!("g{group}"),
                lifecycle_state: None,
            })),
            Reply::AutoScalingInstance(found) => {
                Ok(
                    found.map(|(Group(group), state)| core::AutoScalingInstance {
                        group: format!("g{group}"),
                        lifecycle_state: Some(core::LifecycleState::parse(state)),
                    }),
                )
            }
            other => Err(why(other)),
        }),
        Action::DescribeLifecycleHooks { .. } => Answer::Hooks(match reply {
            Reply::Hooks(hooks) => Ok(hooks.into_iter().map(hook).collect()),
            other => Err(why(other)),
        }),
        Action::FindStack => Answer::Stack(match reply {
            Reply::StackTag(known) => Ok(known.then(|| ecs_lifecycle_config::StackResource {
                stack_name: "stack".to_owned(),
                logical_resource_id: "Group".to_owned(),
            })),
            other => Err(why(other)),
        }),
        Action::RunExecutables { .. } => Answer::Executables(match reply {
            Reply::Executables(succeeded) => Ok(core::ExecutablesReport {
                ran: 1,
                failed: if succeeded {
                    Vec::new()
                } else {
                    vec![failure(Fault::Refused)]
                },
            }),
            other => Err(why(other)),
        }),
        Action::ReadTaskSet => Answer::TaskSet(match reply {
            Reply::TaskSet(tasks) => Ok(tasks
                .into_iter()
                .map(|id| {
                    let known = task(id, TaskStatus::Running, None);
                    core::LocalTask {
                        arn: known.arn,
                        definition: known.definition,
                        awsvpc: false,
                    }
                })
                .collect()),
            other => Err(why(other)),
        }),
        Action::DescribeResources(_) => Answer::Resources(match reply {
            Reply::Resources(seen, registered, remaining) => {
                let there = seen.status != InstanceStatus::Missing;
                let amounts = |it: crate::wire::Resources| core::Resources {
                    cpu: there.then_some(it.cpu),
                    memory: there.then_some(it.memory),
                    ports: Vec::new(),
                };
                Ok(core::HostView {
                    view: view(seen),
                    registered: amounts(registered),
                    remaining: amounts(remaining),
                    capacity_provider: None,
                })
            }
            other => Err(why(other)),
        }),
        Action::SendMetrics(_) | Action::SendCapacity(_) => Answer::MetricsSent(done(reply)),
        Action::Heartbeat(_) => Answer::Heartbeat(done(reply)),
        Action::Signal { .. } => Answer::Signalled(done(reply)),
        Action::Complete { .. } => Answer::Completed(done(reply)),
    }
}

fn hook(hook: crate::wire::Hook) -> core::LifecycleHook {
    core::LifecycleHook {
        name: if hook.name == HookName::MANAGED {
            core::hold::MANAGED_DRAINING_HOOK.to_owned()
        } else {
            format!("h{}", hook.name.0)
        },
        transition: match hook.transition {
            Transition::Launching => core::LifecycleTransition::Launching,
            Transition::Terminating => core::LifecycleTransition::Terminating,
        },
        heartbeat_timeout: Duration::from_millis(hook.heartbeat_timeout),
        global_timeout: Duration::from_millis(hook.global_timeout),
        default_result: Some(match hook.default_result {
            ActionResult::Continue => core::LifecycleActionResult::Continue,
            ActionResult::Abandon => core::LifecycleActionResult::Abandon,
        }),
        notification_target: None,
    }
}
