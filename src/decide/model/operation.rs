//! What the agent depends on, and the calls that it makes there.

use std::fmt;

/// Something outside that the agent asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// The instance metadata service.
    Metadata,
    /// The ECS agent's introspection server.
    Introspection,
    /// The Amazon ECS API.
    Ecs,
    /// The Auto Scaling API.
    AutoScaling,
    /// CloudFormation.
    CloudFormation,
    /// The state directory.
    StateDirectory,
    /// The user's executables.
    Executables,
    /// The CloudWatch agent, for figures.
    CloudWatchAgent,
}

impl Dependency {
    /// For a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "instance metadata",
            Self::Introspection => "ECS agent introspection",
            Self::Ecs => "Amazon ECS",
            Self::AutoScaling => "Auto Scaling",
            Self::CloudFormation => "CloudFormation",
            Self::StateDirectory => "state directory",
            Self::Executables => "executables",
            Self::CloudWatchAgent => "CloudWatch agent",
        }
    }
}

macro_rules! iam_actions {
    ($( $Action:ident = $text:literal, )+) => {
        /// An action of AWS that the instance role has to allow.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum IamAction {
            $( #[doc = concat!("`", $text, "`")] $Action, )+
        }

        impl IamAction {
            /// IAM's spelling.
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$Action => $text, )+
                }
            }
        }
    };
}

iam_actions! {
    UpdateContainerInstancesState = "ecs:UpdateContainerInstancesState",
    DescribeContainerInstances = "ecs:DescribeContainerInstances",
    ListContainerInstances = "ecs:ListContainerInstances",
    ListTasks = "ecs:ListTasks",
    DescribeTasks = "ecs:DescribeTasks",
    DescribeServices = "ecs:DescribeServices",
    StopTask = "ecs:StopTask",
    DescribeAutoScalingInstances = "autoscaling:DescribeAutoScalingInstances",
    DescribeLifecycleHooks = "autoscaling:DescribeLifecycleHooks",
    RecordLifecycleActionHeartbeat = "autoscaling:RecordLifecycleActionHeartbeat",
    CompleteLifecycleAction = "autoscaling:CompleteLifecycleAction",
    SignalResource = "cloudformation:SignalResource",
}

impl fmt::Display for IamAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which call it is, of all that the agent can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The service that answers.
    pub dependency: Dependency,
    /// `ecs:DescribeContainerInstances`, …
    pub name: &'static str,
}
