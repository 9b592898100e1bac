//! The drains whose calls are counted.

use std::time::Duration;

use ecs_lifecycle_simulator::TaskSpec;

use crate::options::Options;
use crate::stage::Setting;

/// The stack and resource that one of them signals.
pub(crate) const STACK: &str = "bench-stack";
pub(crate) const RESOURCE: &str = "AutoScalingGroup";

const TWO_HOURS: Duration = Duration::from_hours(2);
/// No setting is scaled to less: some may not be, and the simulator has to keep up.
const SHORTEST_SETTING: Duration = Duration::from_millis(100);

/// One drain.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// What runs on the instance when the agent starts.
    pub(crate) tasks: Vec<TaskSpec>,
    /// What is placed just before the instance is terminated.
    pub(crate) late: Vec<TaskSpec>,
    /// By how much time is sped up.
    pub(crate) scale: u32,
    /// Whether it is one that has to get along with the plain drain's calls. A long one looks at ECS more often.
    pub(crate) plain: bool,
    /// Whether a CloudFormation stack waits for it.
    pub(crate) signals: bool,
    /// The key of its peak of memory among the figures, where it is one, and the most megabytes.
    pub(crate) memory: Option<(&'static str, u32)>,
    /// How long its tasks take to go.
    pub(crate) length: Duration,
}

impl Scenario {
    fn plain(name: &str, count: usize, length: Duration) -> Self {
        let task = TaskSpec::service("web")
            .replacement_delay(Duration::ZERO)
            .stop_duration(length);
        Self {
            name: name.to_owned(),
            tasks: vec![task; count],
            late: Vec::new(),
            scale: 1,
            plain: true,
            signals: false,
            memory: None,
            length,
        }
    }

    fn long(name: &str, count: usize, scale: u32) -> Self {
        Self {
            scale,
            plain: false,
            ..Self::plain(name, count, TWO_HOURS / scale)
        }
    }

    /// What is not at its default: nothing, but where time is scaled, and for the signal.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        if self.scale > 1 {
            let scaled = |duration: Duration| {
                let scaled = (duration / self.scale).max(SHORTEST_SETTING);
                format!("{}ms", scaled.as_millis())
            };
            settings.extend([
                // A drain that notices sooner than it looks would be no scaled copy of the real one.
                (
                    "ecs",
                    "introspection_poll_interval",
                    scaled(Duration::from_secs(1)),
                ),
                ("drain", "timeout", scaled(Duration::from_hours(4))),
                ("drain", "recheck_after", scaled(Duration::from_mins(5))),
                ("drain", "report_interval", scaled(Duration::from_secs(30))),
            ]);
        }
        if self.signals {
            settings.extend([
                ("cloudformation", "stack_name", STACK.to_owned()),
                ("cloudformation", "logical_resource_id", RESOURCE.to_owned()),
                ("cloudformation", "signal_drained", "true".to_owned()),
            ]);
        }
        settings
    }
}

/// All of them.
pub(crate) fn all(options: &Options) -> Vec<Scenario> {
    let scale = options.time_scale();
    let ten = Duration::from_secs(10);
    vec![
        Scenario {
            memory: Some(("drain of 1 task", 8)),
            ..Scenario::plain("1 task, 10 s", 1, ten)
        },
        Scenario {
            memory: Some(("drain of 300 tasks", 10)),
            ..Scenario::plain("300 tasks, 10 s", 300, ten)
        },
        Scenario {
            signals: true,
            ..Scenario::plain("1 task, 10 s, signal", 1, ten)
        },
        Scenario {
            memory: Some(("drain of 1 task, 3000 stopped ones listed", 10)),
            // They end before the drain begins; introspection lists them for hours all the same.
            tasks: vec![TaskSpec::standalone("batch").runs_for(Duration::from_millis(1)); 3000],
            late: Scenario::plain("", 1, ten).tasks,
            ..Scenario::plain("1 task, 10 s, 3000 stopped", 0, ten)
        },
        Scenario::long("1 task, \"2 h\"", 1, scale),
        Scenario {
            memory: Some(("drain of 300 tasks, \"2 h\"", 10)),
            ..Scenario::long("300 tasks, \"2 h\"", 300, scale)
        },
        Scenario {
            late: vec![TaskSpec::standalone("batch").runs_for(TWO_HOURS / scale)],
            ..Scenario::long("1 standalone job, \"2 h\"", 0, scale)
        },
    ]
}
