//! What the doctor says: one finding for each check, each check with an id of its own.

use std::fmt::Display;

use serde::Serialize;

/// How a check came out, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Not found out, and nothing is known to be wrong: the finding says why.
    Untried,
    /// It works, but not as well as it could, or not in every case.
    Warning,
    /// The agent cannot do its work.
    Failure,
}

impl Status {
    /// The word for it.
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

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub check: Check,
    /// How it came out.
    pub status: Status,
    /// What was found.
    pub summary: String,
    /// What to do about it: with every warning and every failure.
    pub remedy: Option<String>,
}

/// The findings so far. It takes what can be displayed, and formats it here: at two hundred places that is
/// a good part of what the doctor adds to the binary.
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

    /// The last finding is nothing that keeps the agent from its work.
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
        /// The checks. An id never changes its meaning: scripts look for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Check {
            $($(#[$about])* $name,)+
        }

        impl Check {
            /// All of them, in the order in which they are documented.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its id.
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
    /// The configuration is valid; where it comes from.
    Configuration = "configuration";
    /// The program that the unit starts is there.
    Binary = "binary";
    /// The unit is installed.
    UnitFile = "unit-file";
    /// Something starts it at boot.
    UnitEnabled = "unit-enabled";
    /// It runs.
    UnitActive = "unit-active";
    /// Docker's unit is installed.
    DockerUnit = "docker-unit";
    /// The ECS agent's unit is installed.
    EcsUnit = "ecs-unit";
    /// `/etc/ecs/ecs.config` can be read, and agrees with the rest.
    EcsConfig = "ecs-config";
    /// cloud-init found its data source.
    CloudInit = "cloud-init";
    /// What the ECS agent does about a Spot interruption.
    SpotDraining = "spot-draining";
    /// The ECS agent's own data are not in the image.
    EcsAgentData = "ecs-agent-data";
    /// The state directory is there and can be written to.
    StateDirectory = "state-directory";
    /// The state file is this machine's.
    StateFile = "state-file";
    /// `drain.on_shutdown` can be told from a restart.
    Shutdown = "shutdown";
    /// Instance metadata answers, by IMDSv2.
    Metadata = "metadata";
    /// It does not answer without a token.
    MetadataV1 = "metadata-v1";
    /// Its hop limit.
    MetadataHopLimit = "metadata-hop-limit";
    /// It has the instance's tags.
    MetadataTags = "metadata-tags";
    /// The clock is right.
    Clock = "clock";
    /// Where Auto Scaling takes the instance.
    TargetState = "target-state";
    /// The instance has a role.
    Role = "role";
    /// AWS accepts the credentials, and they are the role's.
    Credentials = "credentials";
    /// The ECS agent's introspection answers, and is registered.
    EcsAgent = "ecs-agent";
    /// The container instance takes tasks, and its ECS agent is connected.
    ContainerInstance = "container-instance";
    /// ECS has no other container instance of this EC2 instance.
    FormerRegistrations = "former-registrations";
    /// The instance is in an Auto Scaling group.
    Group = "group";
    /// One terminating hook is ours.
    Hook = "hook";
    /// ECS managed draining is not on as well.
    ManagedDraining = "managed-draining";
    /// Heartbeats come often enough.
    HookHeartbeat = "hook-heartbeat";
    /// The hook can wait as long as a drain may take.
    HookTimeout = "hook-timeout";
    /// What becomes of the instance when the hook lapses.
    HookDefaultResult = "hook-default-result";
    /// It is clear which launching hook is ours, if there is one.
    LaunchHook = "launch-hook";
    /// A task as `[capacity]` has it fits on this instance.
    Capacity = "capacity";
    /// The CloudWatch agent listens for its samples.
    CapacityListener = "capacity-listener";
    /// No capacity provider scales the group as well.
    CapacityProvider = "capacity-provider";
    /// `ecs:DescribeContainerInstances`
    DescribeContainerInstances = "ecs:DescribeContainerInstances";
    /// `ecs:ListContainerInstances`
    ListContainerInstances = "ecs:ListContainerInstances";
    /// `ecs:ListTasks`
    ListTasks = "ecs:ListTasks";
    /// `ecs:DescribeTasks`
    DescribeTasks = "ecs:DescribeTasks";
    /// `ecs:DescribeServices`
    DescribeServices = "ecs:DescribeServices";
    /// `autoscaling:DescribeAutoScalingInstances`
    DescribeAutoScalingInstances = "autoscaling:DescribeAutoScalingInstances";
    /// `autoscaling:DescribeLifecycleHooks`
    DescribeLifecycleHooks = "autoscaling:DescribeLifecycleHooks";
    /// `ecs:UpdateContainerInstancesState`
    UpdateContainerInstancesState = "ecs:UpdateContainerInstancesState";
    /// `ecs:StopTask`
    StopTask = "ecs:StopTask";
    /// `autoscaling:RecordLifecycleActionHeartbeat`
    RecordLifecycleActionHeartbeat = "autoscaling:RecordLifecycleActionHeartbeat";
    /// `autoscaling:CompleteLifecycleAction`
    CompleteLifecycleAction = "autoscaling:CompleteLifecycleAction";
    /// `cloudformation:SignalResource`
    SignalResource = "cloudformation:SignalResource";
    /// A lone hook that notifies somebody.
    UpgradeLoneHook = "upgrade-lone-hook";
    /// Drains signal nothing by default.
    UpgradeSignalDrained = "upgrade-signal-drained";
    /// New stacks have a hop limit of 1.
    UpgradeHopLimit = "upgrade-hop-limit";
    /// The stack's role may stop tasks only where it has to.
    UpgradeStopTask = "upgrade-stop-task";
}
