//! The adapter for the core: its actions become requests, and what the world shows becomes its answers. It
//! decides nothing.

use ecs_lifecycle_decide::{
    Accepted, Action, Answer, ApiTask, AutoScalingInstance, ContainerInstance,
    ContainerInstanceStatus, ContainerInstanceView, Event, ExecutablesReport, Failure, FailureKind,
    Instance, JoinOutcome, JoinTarget, LifecycleActionResult, LifecycleHook, LifecycleState,
    LifecycleTransition, Memory, MetadataReading, Moment, Policy, RememberedJoin, State,
    StateChange, TargetLifecycleState, Task, TaskKind, TaskStatus, Ticket, WallTime, step,
};

use crate::world::{Fault, HEARTBEAT_TIMEOUT, Output, Request, Seen, TASKS, TaskState};

/// A day after the boot, to the millisecond.
const AGE: u64 = 86_400_000;
const BOOT: WallTime = WallTime(1_700_000_000_000);

/// One instance's agent, which has joined long ago.
pub struct Core {
    state: State,
    policy: Policy,
    id: String,
}

/// A request that waits for its answer.
pub struct Pending(Ticket, Action);

fn moment(ms: u64) -> Moment {
    Moment::from_millis(i64::try_from(ms.saturating_add(AGE)).unwrap_or(i64::MAX))
}

impl Core {
    /// Starts at `ms` with the default settings and the memory of an instance that has joined.
    pub fn new(id: String, ms: u64) -> Self {
        let here = here(&id);
        let memory = Memory {
            instance_id: id.clone(),
            verified: Some(here.arn.clone()),
            container_instance: Some(here),
            was_in_service: true,
            join: Some(RememberedJoin {
                into: JoinTarget::Service,
                started_at: Moment::from_millis(0),
                over: true,
                outcome: Some(JoinOutcome::Joined),
                signalled: true,
            }),
            ..Memory::default()
        };
        Self {
            state: State::new(Some(memory), moment(ms), BOOT),
            policy: Policy::default(),
            id,
        }
    }

    /// Time has passed, or an answer has come.
    pub fn step(&mut self, answer: Option<(Pending, Result<Seen, Fault>)>, ms: u64) -> Output {
        let event = answer.map_or(Event::Tick, |(Pending(ticket, action), seen)| {
            Event::Answered {
                ticket,
                answer: answer_to(&action, seen, &self.id),
            }
        });
        let step = step(&mut self.state, event, moment(ms), &self.policy);
        let requests = step.actions.into_iter().map(|(ticket, action)| {
            let request = request(&action);
            (request, Pending(ticket, action))
        });
        Output {
            requests: requests.collect(),
            wake: step
                .wake
                .and_then(|at| u64::try_from(at.as_millis()).ok())
                .map(|at| at.saturating_sub(AGE)),
        }
    }
}

fn here(id: &str) -> ContainerInstance {
    ContainerInstance {
        cluster: "fleet".to_owned(),
        arn: format!("arn:aws:ecs:eu-central-1:1:container-instance/fleet/{id}"),
    }
}

fn request(action: &Action) -> Request {
    match action {
        Action::SetDraining(_) => Request::SetDraining,
        Action::SetActive(_) => Request::SetActive,
        Action::DescribeContainerInstance(_) | Action::DescribeResources(_) => {
            Request::DescribeContainerInstances
        }
        Action::ClassifyTasks { .. } => Request::DescribeTasks,
        Action::ListTasks { .. } => Request::ListTasks,
        Action::StopTask { .. } => Request::StopTask,
        Action::FindGroup { .. } => Request::DescribeAutoScalingInstances,
        Action::DescribeLifecycleHooks { .. } => Request::DescribeLifecycleHooks,
        Action::Heartbeat(_) => Request::Heartbeat,
        Action::Complete { .. } => Request::Complete,
        _ => Request::Local,
    }
}

fn tasks(seen: &Seen, id: &str) -> Vec<Task> {
    let (known, stopping) = match seen.tasks {
        TaskState::Running => (TaskStatus::Running, false),
        TaskState::Stopping => (TaskStatus::Running, true),
        TaskState::Stopped => (TaskStatus::Stopped, true),
    };
    let task = |number| Task {
        arn: format!("arn:aws:ecs:eu-central-1:1:task/fleet/{id}-{number}"),
        definition: "web:1".to_owned(),
        known,
        stopping,
    };
    (0..TASKS).map(task).collect()
}

fn view(seen: &Seen, id: &str) -> ContainerInstanceView {
    ContainerInstanceView {
        status: if seen.draining {
            ContainerInstanceStatus::Draining
        } else {
            ContainerInstanceStatus::Active
        },
        running: if seen.tasks == TaskState::Running {
            TASKS
        } else {
            0
        },
        pending: 0,
        agent_connected: true,
        ec2_instance_id: Some(id.to_owned()),
    }
}

fn answer_to(action: &Action, seen: Result<Seen, Fault>, id: &str) -> Answer {
    let seen = seen.map_err(|fault| {
        let kind = match fault {
            Fault::Throttled => FailureKind::Throttled,
            Fault::NoActiveAction => FailureKind::NoActiveAction,
        };
        Failure::new(kind, action.operation().name)
    });
    let accepted = |seen: Result<Seen, Failure>| seen.map(|_| Accepted::default());
    let api_tasks = |seen: Result<Seen, Failure>| {
        seen.map(|seen| {
            let api = |task| ApiTask {
                task,
                kind: TaskKind::Service("web".to_owned()),
            };
            tasks(&seen, id).into_iter().map(api).collect()
        })
    };
    match action {
        Action::ReadInstance => Answer::Instance(seen.map(|_| Instance {
            instance_id: id.to_owned(),
            region: "eu-central-1".to_owned(),
            pending_time: Some(BOOT),
            on_demand: false,
        })),
        Action::ReadMetadata { .. } => Answer::Metadata(MetadataReading {
            target_lifecycle_state: seen.map(|seen| {
                Some(if seen.lifecycle == "InService" {
                    TargetLifecycleState::InService
                } else {
                    TargetLifecycleState::Terminated
                })
            }),
            notices: None,
            wall_at_boot: None,
        }),
        Action::ReadContainerInstance => Answer::Identity(seen.map(|_| Some(here(id)))),
        Action::ReadTasks { .. } => Answer::Tasks(seen.map(|seen| tasks(&seen, id))),
        Action::Remember(_) => Answer::Remembered(seen.map(|_| ())),
        Action::SetDraining(_) | Action::SetActive(_) => {
            Answer::StateSet(seen.map(|seen| StateChange {
                view: view(&seen, id),
                request_id: None,
            }))
        }
        Action::DescribeContainerInstance(_) => {
            Answer::ContainerInstance(seen.map(|seen| view(&seen, id)))
        }
        Action::ClassifyTasks { .. } => Answer::Classified(api_tasks(seen)),
        Action::ListTasks { .. } => Answer::ApiTasks(api_tasks(seen)),
        Action::StopTask { .. } => Answer::TaskStopped(seen.map(|_| ())),
        // Without tags in metadata, as is the default: the API is asked.
        Action::FindGroup { .. } => Answer::Group(seen.map(|seen| {
            Some(AutoScalingInstance {
                group: "fleet".to_owned(),
                lifecycle_state: Some(LifecycleState::parse(seen.lifecycle)),
            })
        })),
        Action::DescribeLifecycleHooks { transition, .. } => Answer::Hooks(seen.map(|_| {
            let ours = *transition == LifecycleTransition::Terminating;
            ours.then(hook).into_iter().collect()
        })),
        Action::FindStack => Answer::Stack(seen.map(|_| None)),
        Action::RunExecutables { .. } => {
            Answer::Executables(seen.map(|_| ExecutablesReport::default()))
        }
        Action::Heartbeat(_) => Answer::Heartbeat(accepted(seen)),
        Action::Signal { .. } => Answer::Signalled(accepted(seen)),
        Action::Complete { .. } => Answer::Completed(accepted(seen)),
        Action::ReadTaskSet => Answer::TaskSet(seen.map(|_| Vec::new())),
        // Nothing asks for these here.
        Action::SendMetrics(_)
        | Action::SendCapacity(_)
        | Action::DescribeResources(_)
        | Action::ListContainerInstances(_) => Answer::MetricsSent(seen.map(|_| ())),
    }
}

fn hook() -> LifecycleHook {
    let heartbeat_timeout = std::time::Duration::from_millis(HEARTBEAT_TIMEOUT);
    LifecycleHook {
        name: "drain".to_owned(),
        transition: LifecycleTransition::Terminating,
        heartbeat_timeout,
        global_timeout: heartbeat_timeout * 100,
        default_result: Some(LifecycleActionResult::Continue),
        notification_target: None,
    }
}
