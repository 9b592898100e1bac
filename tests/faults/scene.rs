//! The set-ups that a fault is played in: each is the least in which the call in question is made.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ecs_lifecycle_simulator::{Fault, FaultKind, InstanceSpec, TargetLifecycleState, TaskSpec};

use super::stage::{Active, Stage, group, web};
use super::table::{COMPLETE, LIST_TASKS, TASKS};

/// A set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scene {
    /// A service's task, and a hook.
    Plain,
    /// The same with a `drain.timeout` that a test can wait for.
    ShortTimeout,
    /// The same, with a task that goes in time.
    ShortOrderly,
    /// The group is in the instance's tags.
    Tags,
    /// Group and hook are configured by name.
    Named,
    /// A CloudFormation resource waits for a signal.
    Signal,
    /// Metadata's tokens are revoked as the fault begins.
    Revoked,
    /// The credentials expire as the fault begins; heartbeats ask for new ones.
    Expired,
    /// To the warm pool: it can be called off, so it matters what the instance was before.
    WarmPool,
    /// Metadata has said `Terminated` before the agent starts: a heartbeat at once.
    Resumed,
    /// Heartbeats several times a second.
    Beats,
    /// The same, and the completion is not accepted for some seconds.
    SlowEnd,
    /// The first completion is refused, as there is no active lifecycle action yet.
    Early,
    /// Somebody sets the container instance back as the fault begins.
    SetBack,
    /// Nothing moves for longer than `drain.recheck_after`.
    Stalled,
    /// Introspection does not tell the tasks: the ECS API has to.
    Fallback,
    /// The same, with a short `drain.timeout`.
    FallbackShort,
    /// A standalone task is stopped, at once.
    Stop,
    /// The same, with a short `drain.timeout`.
    StopShort,
    /// A standalone task is stopped, after a while.
    StopLater,
    /// A daemon that does not stop is ignored.
    Ignore,
    /// A daemon would be ignored, and stops when ECS tells it to.
    IgnoreOrderly,
}

/// `drain.timeout` of the scenes that are to reach it.
pub const SHORT: Duration = Duration::from_secs(6);
/// `metadata.poll_interval` and `ecs.introspection_poll_interval`.
pub const POLL: Duration = Duration::from_millis(100);
/// Longer than any drain here.
const FOR_EVER: Duration = Duration::from_secs(600);
/// How often heartbeats are sent in the scenes that are about them.
pub const BEAT: Duration = Duration::from_millis(300);

/// Auto Scaling's answer to a completion that comes too early.
const NOT_ACTIVE: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>No active \
                          Lifecycle Action found with instance ID i-0ab00000000000001</Message></Error></ErrorResponse>";

/// A stray client of an earlier owner of a port speaks of another instance.
fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("i-0{:08x}{number:08x}", std::process::id())
}

impl Scene {
    /// Whether the drain is to be cut short.
    pub fn is_short(self) -> bool {
        matches!(
            self,
            Self::ShortTimeout | Self::ShortOrderly | Self::FallbackShort | Self::StopShort
        )
    }

    fn tasks(self) -> Vec<TaskSpec> {
        let job = TaskSpec::standalone("job");
        let daemon = TaskSpec::daemon("logs");
        let slow = |millis| web(300).replacement_delay(Duration::from_millis(millis));
        match self {
            Self::ShortTimeout | Self::FallbackShort => vec![web(60_000)],
            Self::Stop | Self::StopShort | Self::StopLater => vec![web(300), job],
            Self::Ignore => vec![
                web(1_000),
                daemon.replacement_delay(FOR_EVER).stop_duration(FOR_EVER),
            ],
            Self::IgnoreOrderly => vec![web(600), daemon],
            Self::Stalled | Self::SetBack => vec![slow(1_500)],
            Self::Beats => vec![web(1_500)],
            Self::Resumed => vec![web(2_500)],
            Self::ShortOrderly => vec![web(300)],
            _ => vec![web(700)],
        }
    }

    /// Sets the stage; no agent runs yet.
    pub async fn set(self) -> Stage {
        let mut group = group().terminate_delay(Duration::from_millis(100));
        group.hooks[0].heartbeat_timeout = Duration::from_secs(60);
        let mut instance = InstanceSpec::new("demo").group("demo-asg").id(&unique());
        if self == Self::Tags {
            instance = instance.tag("aws:autoscaling:groupName", "demo-asg");
        }
        instance.tasks = self.tasks();
        let mut stage = Stage::with_instance(group, instance)
            .await
            .configured("log.level=trace metadata.request_timeout=1s aws.request_timeout=1s")
            .configured("ecs.introspection_timeout=1s ecs.introspection_grace=600ms")
            .configured("ecs.api_poll_interval=200ms ecs.api_settle=1s")
            .configured(self.settings());
        if self.is_short() {
            stage = stage.set("drain", "timeout", &format!("{}ms", SHORT.as_millis()));
        }
        if self == Self::Signal {
            stage = stage.signalling();
        }
        if let Some(fault) = self.fault() {
            stage.fault(fault.of_instance(stage.instance.id()));
        }
        stage
    }

    /// What is out of order besides the fault that the cell is about.
    fn fault(self) -> Option<Fault> {
        match self {
            Self::Fallback | Self::FallbackShort => {
                Some(Fault::on(TASKS, FaultKind::InternalError))
            }
            Self::SlowEnd => Some(Fault::on(COMPLETE, FaultKind::InternalError).times(3)),
            Self::Early => {
                let refusal = FaultKind::Status(400, Some(NOT_ACTIVE.to_owned()));
                Some(Fault::on(COMPLETE, refusal).times(1))
            }
            _ => None,
        }
    }

    fn settings(self) -> &'static str {
        match self {
            Self::Expired | Self::Beats | Self::SlowEnd => "autoscaling.heartbeat_interval=300ms",
            Self::Early => "autoscaling.auto_scaling_group_name=demo-asg",
            Self::Named => {
                "autoscaling.auto_scaling_group_name=demo-asg \
                 autoscaling.lifecycle_hook_name=drain-hook"
            }
            Self::SetBack | Self::Stalled => "drain.recheck_after=300ms",
            Self::Stop | Self::StopShort => "drain.standalone_tasks=stop",
            Self::StopLater => "drain.standalone_tasks=stop drain.standalone_stop_after=1s",
            Self::Ignore | Self::IgnoreOrderly => "drain.daemon_tasks=ignore",
            _ => "",
        }
    }

    /// Asks for the drain.
    pub fn begin(self, stage: &Stage) {
        if self == Self::WarmPool {
            let pool = TargetLifecycleState::WarmedStopped;
            stage.instance.send_to_warm_pool(pool);
        } else {
            stage.instance.terminate();
        }
    }

    /// What happens as a fault begins in mid-drain or at completion, so that the call is made at all.
    pub fn provoke(self, stage: &Stage) {
        match self {
            Self::Revoked => stage.instance.revoke_tokens(),
            Self::Expired => stage.instance.expire_credentials(),
            Self::SetBack => stage.instance.set_container_instance_status(Active),
            _ => {}
        }
    }

    /// A call that has to have been accepted before the drain counts as under way.
    pub fn under_way(self) -> Option<&'static str> {
        matches!(self, Self::Fallback | Self::FallbackShort).then_some(LIST_TASKS)
    }

    /// Whether a task of this family may be killed with the instance.
    pub fn may_kill(self, family: &str) -> bool {
        self == Self::Ignore && family == "logs"
    }
}
