//! The text and the level of every note of the core, in one place.
//!
//! Each note is one line with the facts as fields. In the journal these are fields of the entry, on a terminal
//! they follow the text.
//!
//! Levels: `error` needs an operator, `warn` may need one if it goes on, `info` follows a drain, and `debug` is
//! only for developers.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use crate::decide::{
    DeadlineSource, Dependency, Failure, JoinTarget, LifecycleActionResult, LifecycleState,
    LifecycleTransition, NoHook, Note, Nothing, Outcome, State, TargetLifecycleState, WaitedFor,
    short,
};

/// The most tasks that one line names.
const MOST_NAMED: usize = 10;

/// Logs a note.
#[expect(
    clippy::too_many_lines,
    reason = "a table: one arm a message, nothing else"
)]
pub fn narrate(note: &Note, state: &State) {
    let container_instance = state.container_instance().map_or("-", |known| known.id());
    let cluster = state
        .container_instance()
        .map_or("-", |known| known.cluster.as_str());
    match note {
        Note::Watching { instance } => {
            info!(
                instance_id = instance.instance_id,
                region = instance.region,
                "watching over this instance"
            );
        }
        Note::ContainerInstanceKnown(known) => {
            info!(
                cluster = known.cluster,
                container_instance = known.id(),
                "this is a container instance of cluster {}",
                known.cluster
            );
        }
        Note::TargetLifecycleState { from: None, to } => {
            let to = target(to.as_ref());
            info!(to, "target lifecycle state is {to}");
        }
        Note::TargetLifecycleState { from, to } => {
            let (from, to) = (target(from.as_ref()), target(to.as_ref()));
            info!(from, to, "target lifecycle state is now {to}");
        }
        Note::UnknownTarget(text) => {
            warn!(
                target_lifecycle_state = text,
                "unknown target lifecycle state; ignoring it"
            );
        }
        Note::NeverInService(to) => {
            info!(
                target_lifecycle_state = to.as_str(),
                "entering the warm pool and never in service: nothing to drain"
            );
        }
        Note::DrainStarted {
            reason,
            deadline,
            in_,
            resumed,
        } => {
            let (deadline_in, set_by) = (span(*in_), deadline.source.as_str());
            if *resumed {
                info!(
                    cluster,
                    container_instance,
                    reason = reason.to_string(),
                    deadline_in,
                    set_by,
                    "resuming the drain after a restart, with its original deadline"
                );
            } else {
                info!(
                    cluster,
                    container_instance,
                    reason = reason.to_string(),
                    deadline_in,
                    set_by,
                    "drain started"
                );
            }
        }
        Note::DrainChanged {
            reason,
            deadline,
            in_,
        } => {
            info!(
                reason = reason.to_string(),
                deadline_in = span(*in_),
                set_by = deadline.source.as_str(),
                "the reason or deadline of the drain has changed"
            );
        }
        Note::AwaitingContainerInstance => {
            warn!(
                "cannot drain yet: the ECS agent does not report a container instance; retrying until the deadline"
            );
        }
        Note::Draining { view, request_id } => {
            info!(
                cluster,
                container_instance,
                running = view.running,
                pending = view.pending,
                request_id = id(request_id.as_ref()),
                "container instance is DRAINING: ECS places no more tasks here"
            );
        }
        Note::ContainerInstanceGone(view) => {
            warn!(
                cluster,
                container_instance,
                status = view.status.as_str(),
                "ECS no longer knows this container instance; waiting for the tasks that still run here"
            );
        }
        Note::ForeignContainerInstance {
            container_instance: named,
            theirs,
            ours,
        } => {
            error!(
                container_instance = named.id(),
                theirs,
                ours,
                "the introspection endpoint reports a container instance of another machine; ignoring it. Check which process listens on its port, then restart the ECS agent"
            );
        }
        Note::FormerRegistrations { arns } => {
            warn!(
                cluster,
                container_instance,
                former = arns.join(", "),
                "ECS still has former registrations of this instance in the cluster, which are not used any more. Run status for the command that removes them"
            );
        }
        Note::DrainReopened { reason, tasks } => {
            warn!(
                cluster,
                container_instance,
                reason = reason.to_string(),
                tasks_left = tasks.len(),
                tasks = list(tasks),
                "a task is running after the drain ended: resuming the drain"
            );
        }
        Note::SetBack(view) => {
            warn!(
                cluster,
                container_instance,
                status = view.status.as_str(),
                "the container instance left DRAINING during the drain; setting it to DRAINING again"
            );
        }
        Note::HookFound {
            hook,
            heartbeat_interval,
            global_timeout,
            foreign_target,
        } => {
            info!(
                auto_scaling_group = hook.group,
                lifecycle_hook = hook.name,
                heartbeat_every = span(*heartbeat_interval),
                global_timeout = global_timeout.map(span),
                "lifecycle hook found: this agent will complete it"
            );
            if let Some(target) = foreign_target {
                warn!(
                    auto_scaling_group = hook.group,
                    lifecycle_hook = hook.name,
                    notification_target = target,
                    "the lifecycle hook has a notification target, which may also complete it. This release still completes it; the next one will not. Set autoscaling.lifecycle_hook_name if the hook is this agent's"
                );
            }
        }
        Note::NoHook {
            transition: LifecycleTransition::Terminating,
            why,
        } => no_hook(why),
        Note::NoHook {
            transition: LifecycleTransition::Launching,
            why,
        } => no_launch_hook(why),
        Note::Waiting {
            tasks,
            why,
            deadline,
            in_,
        } => {
            info!(
                cluster,
                container_instance,
                tasks_left = tasks.len(),
                tasks = list(tasks),
                deadline_in = span(*in_),
                set_by = deadline.source.as_str(),
                "waiting {why}"
            );
        }
        Note::FallbackToApi { away_for } => {
            warn!(
                away_for = span(*away_for),
                "the ECS agent's introspection API is unavailable; using the ECS API for tasks, less often"
            );
        }
        Note::BackToIntrospection => {
            info!("the ECS agent's introspection API is available again; using it for tasks")
        }
        Note::StoppingTask { task } => {
            info!(
                task = short(task),
                "stopping a standalone task (drain.standalone_tasks)"
            );
        }
        Note::TaskStopAccepted { task } => {
            info!(task = short(task), "ECS accepted the stop request")
        }
        Note::EcsDisagrees { view } => {
            info!(
                running = view.running,
                pending = view.pending,
                "no containers are left, but ECS still reports tasks; waiting"
            );
        }
        Note::HeartbeatAccepted {
            hook,
            next_in,
            request_id,
        } => {
            info!(
                lifecycle_hook = hook.name,
                next_in = span(*next_in),
                request_id = id(request_id.as_ref()),
                "heartbeat recorded"
            );
        }
        Note::HeartbeatEarly { hook, next_in } => {
            debug!(
                lifecycle_hook = hook.name,
                next_in = span(*next_in),
                "heartbeat refused: no active lifecycle action yet"
            );
        }
        Note::DrainOver {
            outcome: Outcome::Drained | Outcome::ExecutableFailed,
            took,
            ..
        } => {
            info!(
                cluster,
                container_instance,
                took = span(*took),
                "drained: no tasks are left on this instance"
            );
        }
        Note::DrainOver {
            outcome: Outcome::TimedOut,
            took,
            left,
            deadline,
        } => {
            let hint = hint(deadline.source);
            if left.is_empty() {
                error!(
                    cluster,
                    container_instance,
                    took = span(*took),
                    set_by = deadline.source.as_str(),
                    "deadline reached before it was known that no tasks are left{hint}"
                );
                return;
            }
            error!(
                cluster,
                container_instance,
                took = span(*took),
                tasks_left = left.len(),
                tasks = list(left),
                set_by = deadline.source.as_str(),
                "deadline reached with tasks still on this instance{hint}"
            );
        }
        Note::Signalled {
            status,
            stack,
            resource,
            request_id,
        } => {
            info!(
                stack,
                resource,
                status = status.as_str(),
                request_id = id(request_id.as_ref()),
                "CloudFormation signalled"
            );
        }
        Note::SignalNotAwaited { stack, resource } => {
            info!(
                stack,
                resource, "CloudFormation is not waiting for a signal"
            );
        }
        Note::AlreadySignalled { stack, resource } => {
            info!(
                stack,
                resource, "CloudFormation already has a signal from this instance"
            );
        }
        Note::SignalGivenUp { failure } => {
            error!(
                error = failure.message,
                request_id = id(failure.request_id.as_ref()),
                "could not signal CloudFormation; giving up. Check the stack and resource in [cloudformation]"
            );
        }
        Note::CompleteEarly {
            hook,
            lifecycle_state,
            next_in,
        } => {
            info!(
                lifecycle_hook = hook.name,
                lifecycle_state = lifecycle_state.as_ref().map_or("-", LifecycleState::as_str),
                next_in = span(*next_in),
                "too early to complete the lifecycle action; retrying"
            );
        }
        Note::Completed {
            transition,
            hook,
            result,
            after,
            request_id,
        } => {
            let so = match (transition, result) {
                (LifecycleTransition::Launching, LifecycleActionResult::Continue) => {
                    "the launch continues"
                }
                _ => "this instance may be terminated",
            };
            info!(
                auto_scaling_group = hook.group,
                lifecycle_hook = hook.name,
                result = result.as_str(),
                after = span(*after),
                request_id = id(request_id.as_ref()),
                "lifecycle action completed: {so}"
            );
        }
        Note::AlreadyCompleted {
            hook,
            lifecycle_state,
        } => {
            info!(
                lifecycle_hook = hook.name,
                lifecycle_state = lifecycle_state
                    .as_ref()
                    .map_or("gone", LifecycleState::as_str),
                "lifecycle action was already completed"
            );
        }
        Note::NothingToComplete { why } => {
            let why = match why {
                Nothing::NoAction => "the reason of the drain has none",
                Nothing::LeftToTheHook => {
                    "result_on_timeout is NONE: the lifecycle hook's own timeout decides"
                }
                Nothing::NoHook => {
                    "none of the group's lifecycle hooks is known to be this agent's"
                }
            };
            info!(why, "no lifecycle action to complete");
        }
        Note::CalledOff { reason } => {
            let to = target(state.target());
            info!(
                reason = reason.to_string(),
                target_lifecycle_state = to,
                "drain called off"
            );
        }
        Note::JoinStarted { into, in_, resumed } => {
            let how = match (into, resumed) {
                (JoinTarget::Service, false) => "waiting to join the cluster",
                (JoinTarget::Service, true) => {
                    "waiting to join the cluster, after a restart, with its original deadline"
                }
                (JoinTarget::WarmPool, _) => {
                    "entering the warm pool; completing the launch without joining a cluster"
                }
            };
            info!(deadline_in = span(*in_), "a new instance: {how}");
        }
        Note::Joining { waits, in_ } => {
            info!(
                cluster,
                deadline_in = span(*in_),
                "joining: waiting {waits}"
            );
        }
        Note::Joined { took } => {
            info!(
                cluster,
                container_instance,
                took = span(*took),
                "joined the cluster and ready"
            );
        }
        Note::JoinTimedOut { took, waited } => {
            error!(
                cluster,
                container_instance,
                took = span(*took),
                "did not join the cluster within ready.timeout, still waiting {waited}; reporting a failed launch"
            );
        }
        Note::ExecutablesSucceeded { event, ran } => {
            info!(ran, "all executables in {} succeeded", event.as_str());
        }
        Note::ExecutableFailed {
            event,
            failure,
            retry_in,
        } => {
            warn!(
                error = failure.message,
                retry_in = retry_in.map(span),
                "an executable in {} failed",
                event.as_str()
            );
        }
        Note::DrainAskedByHand { timeout } => {
            info!(timeout = timeout.map(span), "drain requested by hand");
        }
        Note::UndrainAskedByHand => info!("the drain by hand was cancelled"),
        Note::MetricsNotSent { failure } => {
            warn!(
                error = failure.message,
                "could not send the metrics of this drain to the CloudWatch agent; not retrying"
            );
        }
        Note::LargerTask {
            task,
            cpu,
            memory,
            configured,
        } => {
            warn!(
                task = short(&task.arn),
                definition = task.definition,
                cpu,
                memory,
                configured_cpu = configured.0,
                configured_memory = configured.1,
                "a task reserves {cpu} CPU units and {memory} MiB, more than the {} and {} of [capacity]: the published capacity is too high",
                configured.0,
                configured.1
            );
        }
        Note::ReturnedToService(known) => {
            info!(
                cluster = known.cluster,
                container_instance = known.id(),
                "container instance is ACTIVE again"
            );
        }
        Note::LeftDraining(known) => {
            warn!(
                cluster = known.cluster,
                container_instance = known.id(),
                "the container instance may still be DRAINING; leaving it, because this agent did not set it"
            );
        }
        Note::CallFailed {
            what,
            failure,
            retry_in,
        } => {
            warn!(
                error = failure.message,
                code = id(failure.code.as_ref()),
                request_id = id(failure.request_id.as_ref()),
                retry_in = span(*retry_in),
                "{what} failed; retrying"
            );
        }
        Note::Denied {
            dependency: Dependency::CloudFormation,
            failure,
            ..
        } => signal_denied(failure),
        Note::Denied {
            action, failure, ..
        } => {
            error!(
                error = failure.message,
                request_id = id(failure.request_id.as_ref()),
                "the instance role lacks {action}; continuing without it. Add it to the role's policy"
            );
        }
        Note::Failing {
            dependency,
            failure,
            for_,
        } => {
            warn!(
                error = failure.message,
                for_ = span(*for_),
                "{} is failing; retrying",
                dependency.as_str()
            );
        }
        Note::Recovered { dependency, after } => {
            info!(
                after = span(*after),
                "{} has recovered",
                dependency.as_str()
            );
        }
        Note::ShutdownHeldUp { signal, grace } => {
            warn!(
                signal,
                grace = span(*grace),
                "the machine is shutting down; delaying the shutdown to drain (drain.on_shutdown)"
            );
        }
        Note::Leaving { draining: true } => {
            error!(
                "drain.on_shutdown has elapsed with tasks still on this instance; the shutdown continues and nothing is completed"
            );
        }
        Note::Leaving { draining: false } => info!("drained: the shutdown continues"),
        Note::Stopping {
            signal,
            draining: true,
        } => {
            warn!(
                signal,
                phase = state.phase().name().as_str(),
                "stopping during a drain: nothing is completed; the next start resumes it"
            );
        }
        Note::Stopping {
            signal,
            draining: false,
        } => info!(signal, "stopping"),
    }
}

fn no_hook(why: &NoHook) {
    match why {
        NoHook::NotInAGroup => {
            error!(
                "Auto Scaling does not know this instance: draining, but there is no lifecycle action to complete"
            );
        }
        NoHook::None { group } => {
            error!(
                auto_scaling_group = group,
                "the group has no terminating lifecycle hook for this agent: draining, but Auto Scaling does not wait for it. Add a hook for autoscaling:EC2_INSTANCE_TERMINATING"
            );
        }
        NoHook::Ambiguous { group, names } => {
            error!(
                auto_scaling_group = group,
                lifecycle_hooks = names.join(", "),
                "the group has several terminating lifecycle hooks: draining, but completing none of them. Set autoscaling.lifecycle_hook_name to the agent's hook"
            );
        }
        NoHook::Missing {
            group,
            configured,
            names,
        } => {
            error!(
                auto_scaling_group = group,
                configured,
                lifecycle_hooks = names.join(", "),
                "the configured lifecycle hook is not one of the group's terminating hooks: draining, but completing nothing. Correct autoscaling.lifecycle_hook_name"
            );
        }
    }
}

/// Most groups have no launching hook and need none, so that is not an error.
fn no_launch_hook(why: &NoHook) {
    match why {
        NoHook::NotInAGroup | NoHook::None { .. } => {
            info!("no launching lifecycle hook waits for this instance");
        }
        NoHook::Ambiguous { group, names } => {
            warn!(
                auto_scaling_group = group,
                lifecycle_hooks = names.join(", "),
                "the group has several launching lifecycle hooks: completing none of them. Set autoscaling.launch_hook_name to the agent's hook"
            );
        }
        NoHook::Missing {
            group,
            configured,
            names,
        } => {
            error!(
                auto_scaling_group = group,
                configured,
                lifecycle_hooks = names.join(", "),
                "the configured launching hook is not one of the group's hooks: completing nothing. Correct autoscaling.launch_hook_name"
            );
        }
    }
}

/// A signal needs no IAM permission (see `clients::cloudformation`), so the message names none.
fn signal_denied(failure: &Failure) {
    error!(
        error = failure.message,
        request_id = id(failure.request_id.as_ref()),
        "CloudFormation rejected this instance's signal; continuing without it. A signal needs no IAM permission: check that stack_name and logical_resource_id in [cloudformation] name a stack in the instance's own account and region"
    );
}

fn hint(source: DeadlineSource) -> &'static str {
    match source {
        DeadlineSource::DrainTimeout => {
            "; applying result_on_timeout. Raise drain.timeout to allow more time"
        }
        DeadlineSource::SpotInterruption => "; EC2 is taking the instance",
        DeadlineSource::Shutdown => "; the machine is shutting down",
        DeadlineSource::OnRebalance => ". Raise drain.on_rebalance to allow more time",
        DeadlineSource::Maintenance => "; EC2 may stop the instance at any time",
        DeadlineSource::ByHand => ". Use a longer drain --timeout to allow more time",
        DeadlineSource::GlobalTimeout => {
            "; the lifecycle hook cannot wait any longer. Raise its HeartbeatTimeout"
        }
    }
}

fn target(target: Option<&TargetLifecycleState>) -> &str {
    target.map_or("(not set)", TargetLifecycleState::as_str)
}

fn id(value: Option<&String>) -> &str {
    value.map_or("-", String::as_str)
}

/// Formats a duration in whole seconds, or in milliseconds below ten seconds.
pub fn span(duration: Duration) -> String {
    let rounded = if duration >= Duration::from_secs(10) {
        Duration::from_secs(duration.as_secs())
    } else {
        Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(0))
    };
    humantime::format_duration(rounded).to_string()
}

/// Lists the tasks, ten at most: `web:8 (service web, stopping, 0a1b2c…)`.
fn list(tasks: &[WaitedFor]) -> String {
    let mut text: Vec<String> = tasks.iter().take(MOST_NAMED).map(one).collect();
    if let Some(more) = tasks.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        text.push(format!("and {more} more"));
    }
    text.join(", ")
}

fn one(task: &WaitedFor) -> String {
    let state = if task.stopping {
        "stopping"
    } else {
        "not told to stop"
    };
    let kind = task
        .kind
        .as_ref()
        .map_or_else(String::new, |kind| format!("{kind}, "));
    format!("{} ({kind}{state}, {})", task.definition, short(&task.arn))
}
