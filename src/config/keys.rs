//! The table of keys: for each its meaning, type, default and rule.
//!
//! One entry here is all that a new key needs. The doc comment is the key's documentation for
//! programmers, in the sample and in the manual, so it must read well after the key's name. The
//! order is the order in the sample and in `check-config`'s output.
//!
//! Changing a default changes what unattended agents do after an upgrade: say so in the changelog.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::choices::{
    DaemonTasks, ExecutableFailure, LogLevel, LogTarget, ResultOnTimeout, SignalOnTimeout,
    StandaloneTasks,
};
use super::duration::Between;
use super::endpoint::LoopbackUrl;
use super::port::HostPort;
use super::problem::Refusal;
use super::rules::{AbsolutePath, Count, HostPorts, OneOf, Optional, Rule, Switch, Text};
use super::table::sections;
use super::text::quoted;

/// More CPU units, or MiB, than any instance has.
const UNITS: u32 = 100_000_000;

/// The longest drain that is accepted: `GlobalTimeout` is 48 hours at most.
const TWO_DAYS: Duration = hours(48);

sections! {
    /// How the instance metadata service (IMDSv2) is watched.
    pub metadata: MetadataSettings {
        /// How often target-lifecycle-state is read. spot/instance-action and the other notices of EC2
        /// are read at this interval, too, but at most every two seconds. On an On-Demand Instance: every 30 seconds.
        poll_interval: Duration = secs(1), between(millis(10), secs(30));
        /// How long each metadata request may take.
        request_timeout: Duration = secs(1), between(millis(10), secs(30));
    }

    /// How the progress of a drain is observed: by the ECS agent on this host, else by the ECS API.
    pub ecs: EcsSettings {
        /// The ECS agent's introspection API, on this host.
        introspection_endpoint: String = "http://127.0.0.1:51678".to_owned(), LoopbackUrl;
        /// How long each introspection request may take.
        introspection_timeout: Duration = secs(2), between(millis(10), secs(30));
        /// How often the introspection API is polled during a drain.
        introspection_poll_interval: Duration = secs(1), between(millis(10), secs(60));
        /// If the introspection API is unavailable for longer than this during a drain, the ECS
        /// API is used instead.
        introspection_grace: Duration = secs(15), between(secs(0), mins(10));
        /// How often the ECS API is polled in that case.
        api_poll_interval: Duration = secs(15), between(millis(100), mins(10));
        /// How long the ECS API alone must report that all tasks have stopped before the drain is
        /// complete.
        api_settle: Duration = secs(30), between(secs(0), mins(10));
        /// How long to wait after DRAINING for tasks that ECS placed just before it. A drain never
        /// ends sooner.
        placement_settle: Duration = secs(2), between(secs(0), mins(10));
    }

    /// How AWS APIs are called.
    pub aws: AwsSettings {
        /// How long each AWS API call may take.
        request_timeout: Duration = secs(5), between(millis(100), secs(60));
    }

    /// When a new instance has joined its cluster. The launching hook is then completed, and
    /// CloudFormation is signalled.
    pub ready: ReadySettings {
        /// Whether new instances are handled at all.
        enabled: bool = true, Switch;
        /// How long a new instance may take to join. After that, ABANDON and FAILURE are sent.
        timeout: Duration = mins(10), between(millis(100), TWO_DAYS);
        /// How often ECS is asked whether the container instance is ACTIVE with its agent
        /// connected. Doubles up to 30 seconds.
        poll_interval: Duration = secs(5), between(millis(10), mins(10));
        /// All executables in this directory must succeed as well. It may be empty or missing.
        directory: PathBuf = PathBuf::from("/etc/ecs-lifecycle-agent/ready.d"), AbsolutePath;
        /// How long each executable may take.
        command_timeout: Duration = mins(1), between(millis(100), hours(1));
    }

    /// What a drain waits for, and for how long.
    pub drain: DrainSettings {
        /// How long a drain may take before result_on_timeout is sent.
        timeout: Duration = mins(15), between(millis(100), TWO_DAYS);
        /// The LifecycleActionResult sent when the timeout is reached; NONE sends nothing and
        /// leaves the instance to the hook's HeartbeatTimeout and DefaultResult.
        result_on_timeout: ResultOnTimeout = ResultOnTimeout::Continue, one_of::<ResultOnTimeout>();
        /// What to do about tasks that no service started: wait for them, stop them, or ignore
        /// them.
        standalone_tasks: StandaloneTasks = StandaloneTasks::Wait, one_of::<StandaloneTasks>();
        /// With standalone_tasks = "stop": how long after the start of the drain such tasks are
        /// stopped. Must be shorter than timeout.
        standalone_stop_after: Duration = secs(0), between(secs(0), TWO_DAYS);
        /// Whether a drain waits for the tasks of DAEMON services, which ECS stops last.
        daemon_tasks: DaemonTasks = DaemonTasks::Wait, one_of::<DaemonTasks>();
        /// How often a waiting drain logs what it waits for.
        report_interval: Duration = secs(30), between(millis(100), hours(1));
        /// How long a drain may make no progress before ECS is asked whether the instance is still
        /// DRAINING, and what started the tasks that ECS has not told to stop. Doubles each time.
        recheck_after: Duration = mins(5), between(millis(100), hours(48));
        /// How long a shutdown is delayed in order to drain, if Auto Scaling did not announce it.
        /// systemd forces any shutdown after 30 minutes. If not set, no shutdown is delayed.
        on_shutdown: Option<Duration> = None, optional(between(millis(100), mins(25)), "90s");
        /// How long a drain may take that an EC2 rebalance recommendation starts. If not set,
        /// recommendations start no drain.
        on_rebalance: Option<Duration> = None, optional(between(millis(100), TWO_DAYS), "10m");
        /// How long before the NotBefore time of a scheduled stop, reboot or retirement a drain
        /// starts. NotBefore is its deadline. If not set, such events start no drain.
        on_maintenance: Option<Duration> = None, optional(between(millis(100), hours(168)), "1h");
    }

    /// Executables that are run before and after a drain, in the order of their names.
    pub executables: ExecutableSettings {
        /// The directory that contains the directories before-drain and after-drain.
        directory: PathBuf = PathBuf::from("/etc/ecs-lifecycle-agent/hooks.d"), AbsolutePath;
        /// How long each executable may take.
        timeout: Duration = mins(1), between(millis(100), hours(1));
        /// What to do when one fails: ignore it, or fail the drain as if it had timed out.
        on_failure: ExecutableFailure = ExecutableFailure::Ignore, one_of::<ExecutableFailure>();
    }

    /// Which lifecycle action is completed. The agent discovers what is not set here.
    pub autoscaling: AutoScalingSettings {
        /// The Auto Scaling group of this instance.
        auto_scaling_group_name: Option<String> = None,
            optional(text("the name of the Auto Scaling group", 255, accept_all), "ecs-hosts");
        /// The termination lifecycle hook that belongs to this agent.
        lifecycle_hook_name: Option<String> = None,
            optional(text("the name of the lifecycle hook", 255, hook_name), "ecs-lifecycle-agent");
        /// The launching lifecycle hook that belongs to this agent.
        launch_hook_name: Option<String> = None,
            optional(text("the name of the lifecycle hook", 255, hook_name), "ecs-lifecycle-agent-launch");
        /// How often RecordLifecycleActionHeartbeat is called, instead of every quarter of the hook's
        /// HeartbeatTimeout.
        heartbeat_interval: Option<Duration> = None,
            optional(between(millis(100), hours(2)), "5m");
    }

    /// Which CloudFormation resource is signalled when a drain ends or a new instance has joined. Set
    /// both names or neither.
    pub(super) cloudformation: CloudFormationInputs {
        /// The stack, by its name or its ARN.
        stack_name: Option<String> = None,
            optional(text("the name of the stack", 2048, accept_all), "ecs-cluster");
        /// The LogicalResourceId of the Auto Scaling group in the stack.
        logical_resource_id: Option<String> = None,
            optional(text("the LogicalResourceId", 255, accept_all), "AutoScalingGroup");
        /// Whether it is signalled at the end of a drain as well as when a new instance has joined.
        /// It is not known how a rolling update counts such a signal.
        signal_drained: bool = false, Switch;
        /// The status that is signalled when the drain does not finish in time, with signal_drained;
        /// NONE sends nothing.
        signal_on_timeout: SignalOnTimeout = SignalOnTimeout::None, one_of::<SignalOnTimeout>();
    }

    /// The agent itself.
    pub agent: AgentSettings {
        /// Where a drain is recorded so that a restarted agent resumes it. When not set,
        /// systemd's STATE_DIRECTORY is used if there is one.
        state_directory: PathBuf = PathBuf::from("/var/lib/ecs-lifecycle-agent"), AbsolutePath;
        /// The Unix socket on which the running agent answers status, drain, undrain and metrics.
        socket: PathBuf = PathBuf::from("/run/ecs-lifecycle-agent/control/agent.sock"), AbsolutePath;
    }

    /// Metrics for CloudWatch, in the embedded metric format.
    pub metrics: MetricsSettings {
        /// The address on which the CloudWatch agent listens. One record is sent for each drain. If
        /// not set, none is sent for drains, and those of the capacity section go to
        /// "tcp://127.0.0.1:25888".
        emf_endpoint: Option<String> = None,
            optional(text("a tcp:// address of this host with its port", 64, tcp_endpoint), "tcp://127.0.0.1:25888");
        /// The log group that the records go to.
        log_group: String = "ecs-lifecycle-agent".to_owned(), text("the name of the log group", 512, log_group);
    }

    /// How many more tasks fit on this instance, published once a minute for alarms that scale the
    /// group (docs/capacity.md). Do not combine it with a capacity provider that scales the group.
    pub capacity: CapacitySettings {
        /// Whether it is published at all.
        enabled: bool = false, Switch;
        /// The CPU units that one task of the largest kind reserves, all its containers together.
        cpu: u32 = 0, Count { most: UNITS };
        /// The memory that such a task reserves, in MiB, all its containers together.
        memory: u32 = 0, Count { most: UNITS };
        /// The host ports that such a task uses. None for dynamic ports (HostPort 0).
        ports: Vec<HostPort> = Vec::new(), HostPorts;
        /// Whether its network mode is awsvpc, so that it needs a network interface.
        awsvpc: bool = false, Switch;
        /// With awsvpc, how many network interfaces an instance has for tasks. awsvpcTrunking adds more.
        task_enis: u32 = 0, Count { most: 1_000 };
        /// The CPU units that the daemons on each instance reserve.
        daemon_cpu: u32 = 0, Count { most: UNITS };
        /// The memory that the daemons on each instance reserve, in MiB.
        daemon_memory: u32 = 0, Count { most: UNITS };
    }

    /// What is logged, and where.
    pub log: LogSettings {
        /// The least severe messages that are logged.
        level: LogLevel = LogLevel::Info, one_of::<LogLevel>();
        /// Where messages go. auto is the journal if systemd started the agent, otherwise the
        /// terminal.
        target: LogTarget = LogTarget::Auto, one_of::<LogTarget>();
    }
}

/// The lifecycle hook that ECS managed draining installs and completes itself.
const MANAGED_DRAINING_HOOK: &str = "ecs-managed-draining-termination-hook";

fn hook_name(name: &str) -> Option<Refusal> {
    if name == MANAGED_DRAINING_HOOK {
        return Some(Refusal::new(
            format!("{} belongs to ECS managed draining", quoted(name)),
            "name a hook of the agent's own, or turn managed draining off in the capacity \
             provider; two that complete one hook would end drains early",
        ));
    }
    // https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LifecycleHook.html
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
    (!name.chars().all(allowed)).then(|| {
        Refusal::new(
            format!("{} is not the name of a lifecycle hook", quoted(name)),
            "write letters A-Z and a-z, digits, \"-\", \"_\" and \"/\" only",
        )
    })
}

fn tcp_endpoint(text: &str) -> Option<Refusal> {
    let address = text.strip_prefix("tcp://").map(str::parse::<SocketAddr>);
    let here =
        matches!(address, Some(Ok(address)) if address.ip().is_loopback() && address.port() != 0);
    (!here).then(|| {
        Refusal::new(
            format!(
                "{} is not a tcp:// address of this host with a port",
                quoted(text)
            ),
            "write \"tcp://127.0.0.1:25888\", where the CloudWatch agent listens by default",
        )
    })
}

fn log_group(name: &str) -> Option<Refusal> {
    // https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
    (!name.chars().all(allowed)).then(|| {
        Refusal::new(
            format!("{} is not the name of a log group", quoted(name)),
            "write letters A-Z and a-z, digits, \".\", \"_\", \"-\", \"/\" and \"#\" only",
        )
    })
}

fn accept_all(_: &str) -> Option<Refusal> {
    None
}

const fn text(what: &'static str, longest: usize, check: fn(&str) -> Option<Refusal>) -> Text {
    Text {
        what,
        longest,
        check,
    }
}

const fn optional<R>(rule: R, example: &'static str) -> Optional<R> {
    Optional { rule, example }
}

const fn one_of<T>() -> OneOf<T> {
    OneOf(PhantomData)
}

const fn between(least: Duration, most: Duration) -> Between {
    Between { least, most }
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn mins(count: u64) -> Duration {
    Duration::from_mins(count)
}

const fn hours(count: u64) -> Duration {
    Duration::from_hours(count)
}
