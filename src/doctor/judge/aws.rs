//! Judges the ECS agent, the container instance, and which actions the role may call.

use crate::clients::ecs::deregister_command;
use crate::config::Settings;
use crate::decide::{
    ContainerInstanceStatus, ContainerInstanceView, Failure, FailureKind, IamAction, TaskKind,
    short,
};

use super::host::has_no_user_data;
use crate::doctor::facts::{Asked, Host, Live};
use crate::doctor::finding::{Check, Findings};

const NO_CONTAINER_INSTANCE: &str = "the region or the container instance is not known: see \
                                     metadata and ecs-agent";

pub(super) fn judge(live: &Live, host: &Host, findings: &mut Findings) {
    ecs_agent(live, host, findings);
    container_instance(live, findings);
    former_registrations(live, findings);
    let service = "Amazon ECS";
    permission(
        Check::DescribeContainerInstances,
        service,
        &live.container_instance,
        NO_CONTAINER_INSTANCE,
        findings,
    );
    permission(
        Check::ListContainerInstances,
        service,
        &live.registrations,
        NO_CONTAINER_INSTANCE,
        findings,
    );
    findings.at_worst_a_warning();
    tasks(live, findings);
    permission(
        Check::DescribeAutoScalingInstances,
        "Auto Scaling",
        &live.auto_scaling,
        "the region is not known: see metadata",
        findings,
    );
    permission(
        Check::DescribeLifecycleHooks,
        "Auto Scaling",
        &live.hooks,
        "the group is not known: see group",
        findings,
    );
}

fn ecs_agent(live: &Live, host: &Host, findings: &mut Findings) {
    let check = Check::EcsAgent;
    match (&live.ecs_agent, &live.local_tasks) {
        (Ok(Some(known)), Ok(count)) => {
            let tasks = if *count == 1 { "task" } else { "tasks" };
            findings.ok(
                check,
                &format_args!(
                    "{} in cluster {}, {count} {tasks}",
                    known.id(),
                    known.cluster
                ),
            );
        }
        (Ok(Some(_)), Err(failure)) => findings.fail(
            check,
            &failure.message,
            &"systemctl restart ecs: the ECS agent reports its container instance, but not its \
              tasks",
        ),
        (Ok(None), _) => findings.fail(
            check,
            &"the ECS agent is not registered with a cluster",
            &"journalctl -u ecs shows why; check ECS_CLUSTER in /etc/ecs/ecs.config, the role \
              (AmazonEC2ContainerServiceforEC2Role), and the network path to the ECS endpoints",
        ),
        (Err(_), _) if has_no_user_data(host) => {
            findings.untried(check, &"no answer: see cloud-init");
        }
        (Err(failure), _) => findings.fail(
            check,
            &failure.message,
            &"systemctl start ecs; check journalctl -u ecs; if it listens on another address, \
              set ecs.introspection_endpoint",
        ),
    }
}

fn container_instance(live: &Live, findings: &mut Findings) {
    let check = Check::ContainerInstance;
    let in_service = matches!(
        &live.metadata.target,
        Some(Ok(
            None | Some(crate::decide::TargetLifecycleState::InService)
        ))
    );
    match &live.container_instance {
        Some(Ok(ContainerInstanceView {
            status: status @ (ContainerInstanceStatus::Missing | ContainerInstanceStatus::Inactive),
            ..
        })) => findings.fail(
            check,
            &format_args!(
                "ECS does not know this container instance: {}",
                status.as_str()
            ),
            &"it was deregistered: systemctl stop ecs, rm /var/lib/ecs/data/agent.db, \
              systemctl start ecs; or replace the instance",
        ),
        Some(Ok(seen)) if !seen.agent_connected => findings.warn(
            check,
            &format_args!(
                "{}, but its ECS agent is not connected to ECS",
                seen.status.as_str()
            ),
            &"journalctl -u ecs shows why; until it is connected, ECS cannot stop tasks here",
        ),
        Some(Ok(seen)) if seen.status == ContainerInstanceStatus::Draining && in_service => {
            findings.warn(
                check,
                &"DRAINING, but the instance is not being terminated: ECS places no tasks here",
                &"if this is not intended: aws ecs update-container-instances-state --status \
                  ACTIVE",
            );
        }
        Some(Ok(seen)) => findings.ok(check, &seen.status.as_str()),
        Some(Err(_)) => findings.untried(check, &"see ecs:DescribeContainerInstances"),
        None => findings.untried(check, &NO_CONTAINER_INSTANCE),
    }
}

/// Judges whether ECS lists other registrations. If the one that the ECS agent reports is not listed, the others
/// may be in use.
fn former_registrations(live: &Live, findings: &mut Findings) {
    let check = Check::FormerRegistrations;
    match (&live.registrations, &live.ecs_agent) {
        (Some(Ok(arns)), Ok(Some(known))) if arns.contains(&known.arn) => {
            let former = || arns.iter().filter(|arn| **arn != known.arn);
            if former().next().is_none() {
                findings.ok(check, &"ECS has no other registration of this EC2 instance");
                return;
            }
            let ids: Vec<&str> = former().map(|arn| short(arn)).collect();
            let commands: Vec<String> = former()
                .map(|arn| deregister_command(&known.cluster, arn))
                .collect();
            findings.warn(
                check,
                &format_args!(
                    "ECS still has former registrations of this EC2 instance in cluster {}: {}",
                    known.cluster,
                    ids.join(", ")
                ),
                &commands.join("; "),
            );
        }
        (Some(Ok(_)), _) => findings.untried(
            check,
            &"ECS does not list the container instance that the ECS agent reports: see container-instance",
        ),
        (Some(Err(_)), _) => findings.untried(check, &"see ecs:ListContainerInstances"),
        (None, _) => findings.untried(check, &NO_CONTAINER_INSTANCE),
    }
}

/// Judges three actions that are called one after the other. The failure names the one that failed.
fn tasks(live: &Live, findings: &mut Findings) {
    let service = "Amazon ECS";
    let [list, describe, services] = [
        Check::ListTasks,
        Check::DescribeTasks,
        Check::DescribeServices,
    ];
    match &live.tasks {
        None => {
            for check in [list, describe, services] {
                findings.untried(check, &NO_CONTAINER_INSTANCE);
            }
        }
        Some(Ok(tasks)) => {
            findings.ok(list, &"the call succeeded");
            if tasks.is_empty() {
                findings.untried(describe, &"there is no task to describe");
            } else {
                findings.ok(describe, &"the call succeeded");
            }
            let of_service = |kind: &TaskKind| !matches!(kind, TaskKind::Standalone);
            if tasks.iter().any(|task| of_service(&task.kind)) {
                findings.ok(services, &"the call succeeded");
            } else {
                findings.untried(services, &"no task belongs to a service");
            }
        }
        Some(Err(failure)) => {
            let at = failure.action;
            let mut before = true;
            let checks = [
                (list, IamAction::ListTasks),
                (describe, IamAction::DescribeTasks),
                (services, IamAction::DescribeServices),
            ];
            for (check, action) in checks {
                if at == Some(action) || before && check == services {
                    refused(check, service, failure, findings);
                    before = false;
                } else if before {
                    findings.ok(check, &"the call succeeded");
                } else {
                    findings.untried(
                        check,
                        &format_args!("see {}", at.map_or("above", IamAction::as_str)),
                    );
                }
            }
        }
    }
}

fn permission<T>(
    check: Check,
    service: &str,
    asked: &Asked<T>,
    untried: &str,
    findings: &mut Findings,
) {
    match asked {
        Some(Ok(_)) => findings.ok(check, &"the call succeeded"),
        Some(Err(failure)) => refused(check, service, failure, findings),
        None => findings.untried(check, &untried),
    }
}

/// Reports why an action failed, and what to do about it.
fn refused(check: Check, service: &str, failure: &Failure, findings: &mut Findings) {
    let action = check.id();
    let message = failure.message.clone();
    match failure.kind {
        FailureKind::Denied => findings.fail(
            check,
            &message,
            &format_args!("allow {action} in the role's policy, as in the README (IAM)"),
        ),
        FailureKind::Credentials => {
            findings.untried(check, &"no valid credentials: see credentials")
        }
        FailureKind::Throttled => findings.warn(
            check,
            &message,
            &"run the doctor again later; if this persists, find what calls so often: all \
              callers in the account share the limit",
        ),
        FailureKind::Unreachable | FailureKind::Timeout => findings.fail(
            check,
            &message,
            &format_args!(
                "let the instance reach {service}, by a route to the internet or an interface \
                 VPC endpoint with port 443 open, and do not set AWS_ENDPOINT_URL to another \
                 address"
            ),
        ),
        FailureKind::Server => findings.warn(
            check,
            &message,
            &format_args!("run the doctor again later: {service} has an internal error"),
        ),
        FailureKind::Malformed => findings.fail(
            check,
            &message,
            &format_args!(
                "something else answers instead of {service}: check for a proxy, and \
                           check AWS_ENDPOINT_URL"
            ),
        ),
        FailureKind::Refused
        | FailureKind::NoActiveAction
        | FailureKind::NotSignalable
        | FailureKind::AlreadySignalled
        | FailureKind::Missing => findings.fail(
            check,
            &message,
            &"correct the name that AWS rejects: the cluster, or \
              autoscaling.auto_scaling_group_name",
        ),
    }
}

/// Reports the actions that change something, which are not tried.
pub(super) fn untried(settings: &Settings, findings: &mut Findings) {
    let why = |what: &str| format!("not tested, because {what}; check the role's policy");
    findings.untried(
        Check::UpdateContainerInstancesState,
        &why("the call would take this instance out of service"),
    );
    findings.untried(
        Check::RecordLifecycleActionHeartbeat,
        &why("the call succeeds only while the instance is being terminated"),
    );
    findings.untried(
        Check::CompleteLifecycleAction,
        &why("the call would complete the lifecycle action"),
    );
    if settings.drain.standalone_tasks.are_stopped() {
        findings.untried(Check::StopTask, &why("the call would stop a task"));
    } else {
        findings.ok(
            Check::StopTask,
            &"not needed: the agent stops no tasks (drain.standalone_tasks)",
        );
    }
    match &settings.cloudformation.resource {
        Some(resource) => findings.untried(
            Check::SignalResource,
            &format_args!(
                "not tested, because the call would signal {} of {}; it needs no permission, \
                 but the stack must wait for signals (WaitOnResourceSignals)",
                resource.logical_resource_id, resource.stack_name
            ),
        ),
        None => findings.ok(
            Check::SignalResource,
            &"not needed: [cloudformation] is not set",
        ),
    }
}
