//! Judges instance metadata, the role, and the clock.

use crate::decide::{FailureKind, TargetLifecycleState};

use super::host::span;
use crate::doctor::facts::{Asked, Host, Live, Metadata};
use crate::doctor::finding::{Check, Findings};

/// In seconds. A clock that is further off can assign a sample of the capacity to the wrong minute. Calls and deadlines
/// do not depend on the clock, because the agent takes the time from the answers of AWS and of instance metadata.
const SKEW: u64 = 30;

const NO_METADATA: &str = "instance metadata does not answer";

pub(super) fn judge(live: &Live, host: &Host, findings: &mut Findings) {
    let metadata = &live.metadata;
    answers(metadata, findings);
    without_token(metadata, findings);
    hop_limit(metadata, findings);
    tags(metadata, findings);
    clock(metadata, findings);
    target(metadata, findings);
    role(metadata, findings);
    credentials(live, host, findings);
}

/// Whether a token is lost on a hop: a request without a token is answered, a request for a token is not.
fn lost_on_a_hop(metadata: &Metadata) -> bool {
    let timed_out = |failure: &crate::decide::Failure| failure.kind == FailureKind::Timeout;
    metadata.instance.as_ref().is_err_and(timed_out) && metadata.without_token.is_ok()
}

/// Where the metadata options are changed, with the command for this instance.
fn options(metadata: &Metadata, what: &str) -> String {
    let id = metadata
        .instance
        .as_ref()
        .map_or("INSTANCE", |instance| &instance.instance_id);
    format!(
        "in the launch template's MetadataOptions; on this instance: aws ec2 \
         modify-instance-metadata-options --instance-id {id} {what}"
    )
}

fn answers(metadata: &Metadata, findings: &mut Findings) {
    let check = Check::Metadata;
    match &metadata.instance {
        Ok(instance) => findings.ok(
            check,
            &format_args!(
                "answers over IMDSv2: {} in {}",
                instance.instance_id, instance.region
            ),
        ),
        Err(failure) if lost_on_a_hop(metadata) => findings.fail(
            check,
            &format_args!("answers, but not a request for a token: {failure}"),
            &"run the agent on the host, not in a container, or raise \
              HttpPutResponseHopLimit to 2",
        ),
        Err(failure) => {
            let remedy = if failure.kind == FailureKind::Refused
                || metadata
                    .without_token
                    .as_ref()
                    .is_ok_and(|answer| answer.status == 403)
            {
                "set HttpEndpoint to enabled in the launch template's MetadataOptions"
            } else {
                "on an EC2 instance: set HttpEndpoint to enabled, remove any firewall rule or \
                 proxy in front of 169.254.169.254, and unset \
                 AWS_EC2_METADATA_SERVICE_ENDPOINT"
            };
            findings.fail(check, &failure.message, &remedy);
        }
    }
}

fn without_token(metadata: &Metadata, findings: &mut Findings) {
    let check = Check::MetadataV1;
    match &metadata.without_token {
        Ok(answer) if answer.status == 401 => {
            findings.ok(
                check,
                &"requests without a token are refused: IMDSv2 is required",
            );
        }
        Ok(answer) if answer.status == 200 => findings.warn(
            check,
            &"also answers without a token (IMDSv1): anyone who can make a container request a \
              URL gets the role's credentials",
            &format_args!(
                "set HttpTokens to required {}",
                options(metadata, "--http-tokens required")
            ),
        ),
        Ok(answer) => findings.untried(
            check,
            &format_args!(
                "a request without a token is answered with status {}",
                answer.status
            ),
        ),
        Err(failure) => findings.untried(check, &failure.message),
    }
}

fn hop_limit(metadata: &Metadata, findings: &mut Findings) {
    let check = Check::MetadataHopLimit;
    if lost_on_a_hop(metadata) {
        return findings.fail(
            check,
            &"too low for the place where the doctor runs: the answer with the token does not \
              arrive",
            &format_args!(
                "set HttpPutResponseHopLimit to 2 {}",
                options(metadata, "--http-put-response-hop-limit 2")
            ),
        );
    }
    let why = if metadata.instance.is_ok() {
        "metadata does not show the limit. It is high enough for the agent, because a token arrived \
         here. New stacks set 1; tasks in bridge mode that need metadata need 2"
    } else {
        NO_METADATA
    };
    findings.untried(check, &why);
}

fn tags(metadata: &Metadata, findings: &mut Findings) {
    let check = Check::MetadataTags;
    match &metadata.tags {
        None => findings.untried(check, &NO_METADATA),
        Some(Ok(Some(names))) => {
            findings.ok(check, &format_args!("tags can be read: {}", names.len()));
        }
        Some(Ok(None)) => findings.warn(
            check,
            &"metadata has no tags: each drain costs one more call, \
              DescribeAutoScalingInstances, whose rate limit all instances of the account \
              share",
            &format_args!(
                "set InstanceMetadataTags to enabled {}",
                options(metadata, "--instance-metadata-tags enabled")
            ),
        ),
        Some(Err(failure)) => findings.untried(check, &failure.message),
    }
}

fn clock(metadata: &Metadata, findings: &mut Findings) {
    let check = Check::Clock;
    let ahead = metadata
        .without_token
        .as_ref()
        .ok()
        .and_then(|answer| answer.clock_ahead);
    let Some(ahead) = ahead else {
        return findings.untried(check, &"metadata did not tell the time");
    };
    let off = ahead.unsigned_abs();
    let by = span(std::time::Duration::from_secs(off));
    let direction = if ahead > 0 { "ahead" } else { "behind" };
    if off >= SKEW {
        findings.warn(
            check,
            &format_args!("{by} {direction}: times in the log, in status and in metrics are wrong"),
            &"start chronyd, with server 169.254.169.123 in its configuration",
        );
    } else {
        findings.ok(check, &"agrees with instance metadata");
    }
}

fn target(metadata: &Metadata, findings: &mut Findings) {
    let check = Check::TargetState;
    match &metadata.target {
        None => findings.untried(check, &NO_METADATA),
        Some(Ok(None)) => findings.ok(
            check,
            &"not set: the instance is in no Auto Scaling group, or not in service yet",
        ),
        Some(Ok(Some(target @ TargetLifecycleState::Unknown(_)))) => findings.warn(
            check,
            &format_args!("{target}: this version does not know this state and ignores it"),
            &"upgrade the agent",
        ),
        Some(Ok(Some(
            target @ (TargetLifecycleState::Terminated | TargetLifecycleState::WarmedTerminated),
        ))) => findings.warn(
            check,
            &format_args!("{target}: this instance is being terminated"),
            &"systemctl status ecs-lifecycle-agent shows what the drain waits for",
        ),
        Some(Ok(Some(target))) => findings.ok(check, &target),
        Some(Err(failure)) => findings.fail(
            check,
            &failure.message,
            &"the agent learns of terminations from this value: check what answers instead of \
              metadata",
        ),
    }
}

fn role(metadata: &Metadata, findings: &mut Findings) {
    let check = Check::Role;
    match &metadata.role {
        None => findings.untried(check, &NO_METADATA),
        Some(Ok(Some(name))) => findings.ok(check, &name),
        Some(Ok(None)) => findings.fail(
            check,
            &"the instance has no role",
            &"in the launch template, set IamInstanceProfile to an instance profile whose role \
              has the policy in the README (IAM)",
        ),
        Some(Err(failure)) => findings.fail(
            check,
            &failure.message,
            &"run the doctor again; while this lasts, the agent has no credentials",
        ),
    }
}

/// Judges the credentials by all answers of AWS.
fn credentials(live: &Live, host: &Host, findings: &mut Findings) {
    fn failure<T>(asked: &Asked<T>) -> Option<&crate::decide::Failure> {
        asked.as_ref().and_then(|answer| answer.as_ref().err())
    }
    fn answered<T>(asked: &Asked<T>) -> bool {
        // A denial is an answer as well: AWS has accepted the credentials.
        asked.as_ref().is_some_and(|answer| match answer {
            Ok(_) => true,
            Err(failure) => matches!(failure.kind, FailureKind::Denied | FailureKind::Refused),
        })
    }
    let check = Check::Credentials;
    let failures = [
        failure(&live.container_instance),
        failure(&live.tasks),
        failure(&live.auto_scaling),
        failure(&live.hooks),
    ];
    let refused = failures
        .into_iter()
        .flatten()
        .find(|failure| failure.kind == FailureKind::Credentials);
    let any_answer = answered(&live.container_instance)
        || answered(&live.tasks)
        || answered(&live.auto_scaling)
        || answered(&live.hooks);
    if matches!(live.metadata.role, Some(Ok(None))) && host.credential_overrides.is_empty() {
        findings.untried(check, &"the instance has no role");
    } else if let Some(failure) = refused {
        findings.fail(
            check,
            &failure.message,
            &"see role; a changed role takes effect after a few minutes; otherwise replace the \
              instance profile",
        );
    } else if let Some(first) = host.credential_overrides.first() {
        findings.warn(
            check,
            &format_args!(
                "{first} takes precedence over the role: the doctor's calls to AWS do not use \
                 the agent's credentials"
            ),
            &"run the doctor without it: env -i ecs-lifecycle-agent doctor",
        );
    } else if any_answer {
        findings.ok(check, &"accepted");
    } else {
        findings.untried(check, &"AWS has not answered");
    }
}
