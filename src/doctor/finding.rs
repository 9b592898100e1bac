//! The doctor's findings: one for each check, and each check has an id.

use std::fmt::Display;

use serde::Serialize;

/// The result of a check, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Ok,
    /// It was not tested, for the reason in the finding, and nothing is known to be wrong.
    Untried,
    /// It works, but not as well as it could, or not in every case.
    Warning,
    /// The agent cannot do its work.
    Failure,
}

impl Status {
    /// The status as one word, as it is printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Untried => "untried",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check that was made.
    pub check: Check,
    /// The severity of the result.
    pub status: Status,
    /// What was found.
    pub summary: String,
    /// The remedy, which every warning and every failure has.
    pub remedy: Option<String>,
}

/// The findings so far. Each is formatted here and not where it is made: two hundred places that format are a good
/// part of what the doctor adds to the binary.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, check: Check, summary: &dyn Display) {
        self.add(check, Status::Ok, summary, None);
    }

    pub(super) fn untried(&mut self, check: Check, why: &dyn Display) {
        self.add(check, Status::Untried, why, None);
    }

    pub(super) fn warn(&mut self, check: Check, summary: &dyn Display, remedy: &dyn Display) {
        self.add(check, Status::Warning, summary, Some(remedy));
    }

    pub(super) fn fail(&mut self, check: Check, summary: &dyn Display, remedy: &dyn Display) {
        self.add(check, Status::Failure, summary, Some(remedy));
    }

    /// Turns the last finding into a warning at most, as it does not keep the agent from its work.
    pub(super) fn at_worst_a_warning(&mut self) {
        if let Some(last) = self.0.last_mut() {
            last.status = last.status.min(Status::Warning);
        }
    }

    #[inline(never)]
    fn add(
        &mut self,
        check: Check,
        status: Status,
        summary: &dyn Display,
        remedy: Option<&dyn Display>,
    ) {
        self.0.push(Finding {
            check,
            status,
            summary: summary.to_string(),
            remedy: remedy.map(ToString::to_string),
        });
    }
}

/// Defines the checks, their ids, and the list of them all.
macro_rules! checks {
    ($($(#[$about:meta])* $name:ident = $id:literal;)+) => {
        /// The checks. An id never changes its meaning, because scripts look for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Check {
            $($(#[$about])* $name,)+
        }

        impl Check {
            /// All checks, in the order in which they are documented.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The id of the check.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)+
                }
            }
        }
    };
}

checks! {
    /// The configuration is valid.
    Configuration = "configuration";
    /// The program that the unit starts exists.
    Binary = "binary";
    /// The unit is installed.
    UnitFile = "unit-file";
    /// Something starts the unit at boot.
    UnitEnabled = "unit-enabled";
    /// The unit runs.
    UnitActive = "unit-active";
    /// Docker's unit is installed.
    DockerUnit = "docker-unit";
    /// The ECS agent's unit is installed.
    EcsUnit = "ecs-unit";
    /// `/etc/ecs/ecs.config` can be read, and agrees with the rest.
    EcsConfig = "ecs-config";
    /// cloud-init has found its data source.
    CloudInit = "cloud-init";
    /// Whether the ECS agent handles a Spot interruption as well.
    SpotDraining = "spot-draining";
    /// The ECS agent's own data is not in the image.
    EcsAgentData = "ecs-agent-data";
    /// The state directory exists and can be written to.
    StateDirectory = "state-directory";
    /// The state file is about this instance.
    StateFile = "state-file";
    /// The agent can tell a shutdown from a restart, if `drain.on_shutdown` is set.
    Shutdown = "shutdown";
    /// Instance metadata answers, by IMDSv2.
    Metadata = "metadata";
    /// Instance metadata does not answer without a token.
    MetadataV1 = "metadata-v1";
    /// The hop limit of instance metadata is high enough.
    MetadataHopLimit = "metadata-hop-limit";
    /// Instance metadata has the instance's tags.
    MetadataTags = "metadata-tags";
    /// The clock is right.
    Clock = "clock";
    /// The target lifecycle state of the instance.
    TargetState = "target-state";
    /// The instance has a role.
    Role = "role";
    /// AWS accepts the credentials, and they are the role's.
    Credentials = "credentials";
    /// The ECS agent's introspection API answers, and the ECS agent is registered.
    EcsAgent = "ecs-agent";
    /// The container instance takes tasks, and its ECS agent is connected.
    ContainerInstance = "container-instance";
    /// ECS has no other container instance of this EC2 instance.
    FormerRegistrations = "former-registrations";
    /// The instance is in an Auto Scaling group.
    Group = "group";
    /// One terminating hook belongs to this agent.
    Hook = "hook";
    /// ECS managed draining is off.
    ManagedDraining = "managed-draining";
    /// Heartbeats are sent often enough.
    HookHeartbeat = "hook-heartbeat";
    /// The hook can wait as long as a drain may take.
    HookTimeout = "hook-timeout";
    /// The hook's DefaultResult agrees with `drain.result_on_timeout`.
    HookDefaultResult = "hook-default-result";
    /// It is clear which launching hook belongs to this agent, if any.
    LaunchHook = "launch-hook";
    /// A task of the size in `[capacity]` fits on this instance.
    Capacity = "capacity";
    /// The CloudWatch agent listens for the samples of the capacity.
    CapacityListener = "capacity-listener";
    /// No capacity provider scales the group as well.
    CapacityProvider = "capacity-provider";
    /// The role may call `ecs:DescribeContainerInstances`.
    DescribeContainerInstances = "ecs:DescribeContainerInstances";
    /// The role may call `ecs:ListContainerInstances`.
    ListContainerInstances = "ecs:ListContainerInstances";
    /// The role may call `ecs:ListTasks`.
    ListTasks = "ecs:ListTasks";
    /// The role may call `ecs:DescribeTasks`.
    DescribeTasks = "ecs:DescribeTasks";
    /// The role may call `ecs:DescribeServices`.
    DescribeServices = "ecs:DescribeServices";
    /// The role may call `autoscaling:DescribeAutoScalingInstances`.
    DescribeAutoScalingInstances = "autoscaling:DescribeAutoScalingInstances";
    /// The role may call `autoscaling:DescribeLifecycleHooks`.
    DescribeLifecycleHooks = "autoscaling:DescribeLifecycleHooks";
    /// The role may call `ecs:UpdateContainerInstancesState`.
    UpdateContainerInstancesState = "ecs:UpdateContainerInstancesState";
    /// The role may call `ecs:StopTask`, if that is needed.
    StopTask = "ecs:StopTask";
    /// The role may call `autoscaling:RecordLifecycleActionHeartbeat`.
    RecordLifecycleActionHeartbeat = "autoscaling:RecordLifecycleActionHeartbeat";
    /// The role may call `autoscaling:CompleteLifecycleAction`.
    CompleteLifecycleAction = "autoscaling:CompleteLifecycleAction";
    /// `cloudformation:SignalResource` is accepted, if that is needed.
    SignalResource = "cloudformation:SignalResource";
    /// Whether the agent completes a lone hook that has a notification target.
    UpgradeLoneHook = "upgrade-lone-hook";
    /// Whether a drain is meant to signal CloudFormation, which it no longer does by default.
    UpgradeSignalDrained = "upgrade-signal-drained";
    /// Whether the instance belongs to a stack, where new instances get a hop limit of 1.
    UpgradeHopLimit = "upgrade-hop-limit";
    /// Whether the agent stops tasks, which the stack's role allows only with a parameter.
    UpgradeStopTask = "upgrade-stop-task";
}
