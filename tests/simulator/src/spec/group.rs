//! Auto Scaling groups and their lifecycle hooks.

use std::time::Duration;

use crate::model::{HookTransition, LifecycleActionResult};

/// An Auto Scaling group.
#[derive(Clone, Debug)]
#[must_use]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Its lifecycle hooks.
    pub hooks: Vec<HookSpec>,
    /// From `Terminating` to `Terminating:Wait` (load-balancer deregistration), likewise `Pending`.
    pub wait_delay: Duration,
    /// How long completions and heartbeats are refused even after `:Wait` is reached.
    pub acceptance_delay: Duration,
    /// From `Terminating:Proceed` to gone (likewise to `Warmed:*`).
    pub terminate_delay: Duration,
    /// How long the group's own state is behind the target state that the metadata shows.
    pub target_lead: Duration,
    /// Whether the way back to the warm pool shows as `Warmed:Pending`, `Warmed:Pending:Wait`, ….
    pub pool_states: bool,
    /// `RetentionTriggers.TerminateHookAbandon=retain`.
    pub retain_on_abandon: bool,
    /// `MinSize` and `MaxSize`, as far as policies are concerned.
    pub sizes: (usize, usize),
}

impl GroupSpec {
    /// A group without hooks: 1 s to `:Wait`, completions accepted at once, 1 s from `:Proceed` to gone.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            hooks: Vec::new(),
            wait_delay: Duration::from_secs(1),
            acceptance_delay: Duration::ZERO,
            terminate_delay: Duration::from_secs(1),
            target_lead: Duration::ZERO,
            pool_states: false,
            retain_on_abandon: false,
            sizes: (0, usize::MAX),
        }
    }

    /// Sets `MinSize` and `MaxSize`.
    pub fn sizes(mut self, least: usize, most: usize) -> Self {
        self.sizes = (least, most);
        self
    }

    /// Adds a hook.
    pub fn hook(mut self, hook: HookSpec) -> Self {
        self.hooks.push(hook);
        self
    }

    /// Sets the time from `Terminating` to `Terminating:Wait`.
    pub fn wait_delay(mut self, delay: Duration) -> Self {
        self.wait_delay = delay;
        self
    }

    /// Sets how long completions are refused after `:Wait`.
    pub fn acceptance_delay(mut self, delay: Duration) -> Self {
        self.acceptance_delay = delay;
        self
    }

    /// Sets the time from `Terminating:Proceed` to gone.
    pub fn terminate_delay(mut self, delay: Duration) -> Self {
        self.terminate_delay = delay;
        self
    }

    /// Lets the metadata's target state run ahead of the group's own state.
    pub fn target_lead(mut self, lead: Duration) -> Self {
        self.target_lead = lead;
        self
    }

    /// Shows the way back to the warm pool in the pool's states instead of `Terminating…`.
    pub fn pool_states(mut self) -> Self {
        self.pool_states = true;
        self
    }

    /// Keeps abandoned instances in `Terminating:Retained`.
    pub fn retain_on_abandon(mut self) -> Self {
        self.retain_on_abandon = true;
        self
    }
}

/// A lifecycle hook. `HeartbeatTimeout` has no lower bound here, so that tests may be quick.
#[derive(Clone, Debug)]
#[must_use]
pub struct HookSpec {
    /// `LifecycleHookName`.
    pub name: String,
    /// `LifecycleTransition`.
    pub transition: HookTransition,
    /// `HeartbeatTimeout`.
    pub heartbeat_timeout: Duration,
    /// `GlobalTimeout`; by default min(172800 s, 100 × heartbeat timeout).
    pub global_timeout: Option<Duration>,
    /// `DefaultResult`.
    pub default_result: LifecycleActionResult,
    /// `NotificationTargetARN`.
    pub notification_target: Option<String>,
}

impl HookSpec {
    /// A hook on `autoscaling:EC2_INSTANCE_TERMINATING`: 3600 s, `DefaultResult` `ABANDON`.
    pub fn terminating(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            transition: HookTransition::Terminating,
            heartbeat_timeout: Duration::from_secs(3600),
            global_timeout: None,
            default_result: LifecycleActionResult::Abandon,
            notification_target: None,
        }
    }

    /// A hook on `autoscaling:EC2_INSTANCE_LAUNCHING`: 3600 s, `DefaultResult` `ABANDON`.
    pub fn launching(name: &str) -> Self {
        Self {
            transition: HookTransition::Launching,
            ..Self::terminating(name)
        }
    }

    /// Sets `NotificationTargetARN`.
    pub fn notification_target(mut self, arn: &str) -> Self {
        self.notification_target = Some(arn.to_owned());
        self
    }

    /// Sets `HeartbeatTimeout`.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = timeout;
        self
    }

    /// Sets `GlobalTimeout`.
    pub fn global_timeout(mut self, timeout: Duration) -> Self {
        self.global_timeout = Some(timeout);
        self
    }

    /// Sets `DefaultResult`.
    pub fn default_result(mut self, result: LifecycleActionResult) -> Self {
        self.default_result = result;
        self
    }

    /// The global timeout that applies.
    pub fn effective_global_timeout(&self) -> Duration {
        let most = Duration::from_secs(172_800);
        self.global_timeout
            .unwrap_or_else(|| most.min(self.heartbeat_timeout.saturating_mul(100)))
    }
}
